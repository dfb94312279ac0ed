"""The log-mel front end against librosa."""

from dataclasses import replace

import librosa
import numpy as np
import pytest
import torch

from wavemel.features.filterbank import hann, hz_to_mel, mel_filterbank, mel_to_hz
from wavemel.features.mel import LogMel, MelConfig


def music(rate: int, seconds: float = 2.0) -> np.ndarray:
    """A chord that decays, over a little noise: 60 dB between its loud and its quiet bands."""
    rng = np.random.default_rng(0)
    t = np.arange(round(rate * seconds)) / rate
    chord = sum(
        np.sin(2 * np.pi * f * t) / (i + 1) for i, f in enumerate((110, 277.2, 659.3, 1318))
    )
    return (0.2 * np.exp(-t) * chord + 1e-3 * rng.standard_normal(len(t))).astype(np.float32)


@pytest.mark.parametrize(
    ("rate", "config"),
    [
        (44_100, MelConfig()),
        (48_000, MelConfig()),
        (22_050, MelConfig(n_fft=2048, hop=512, bands=128)),
        (16_000, MelConfig(n_fft=1024, hop=256, bands=64, fmin=50.0, fmax=7600.0)),
        (8_000, MelConfig(n_fft=512, hop=100, bands=40)),
    ],
)
def test_equal_to_librosa(rate: int, config: MelConfig) -> None:
    samples = music(rate)
    power = librosa.feature.melspectrogram(
        y=samples,
        sr=rate,
        n_fft=config.n_fft,
        hop_length=config.hop,
        n_mels=config.bands,
        fmin=config.fmin,
        fmax=config.fmax,
        pad_mode="constant",
    )
    ours = LogMel(rate, config)
    waveform = torch.from_numpy(samples)[None]
    made = ours.power(waveform)[0].numpy()
    assert made.shape == (config.bands, config.frames(len(samples)))
    assert np.abs(made - power).max() / power.max() < 1e-5
    assert np.linalg.norm(made - power) / np.linalg.norm(power) < 1e-5
    for top_db in (None, 80.0, 20.0):
        decibels = librosa.power_to_db(power, top_db=top_db)
        made = LogMel(rate, replace(config, top_db=top_db))(waveform)[0].numpy()
        assert np.abs(made - decibels).max() / np.abs(decibels).max() < 1e-4


def test_the_paper_settings_are_the_default() -> None:
    config = MelConfig()
    assert (config.n_fft, config.hop, config.bands) == (2048, 528, 128)
    assert LogMel(44_100)(torch.zeros(1, 661_500)).shape == (1, 128, 1253)


@pytest.mark.parametrize(("rate", "n_fft", "bands"), [(44_100, 2048, 128), (16_000, 512, 80)])
def test_filter_bank_equals_librosa(rate: int, n_fft: int, bands: int) -> None:
    reference = librosa.filters.mel(sr=rate, n_fft=n_fft, n_mels=bands)
    np.testing.assert_allclose(mel_filterbank(rate, n_fft, bands), reference, atol=1e-8)


def test_mel_scale_goes_there_and_back() -> None:
    hz = np.array([0.0, 100, 999, 1000, 1001, 8000, 22_050])
    np.testing.assert_allclose(hz_to_mel(hz), librosa.hz_to_mel(hz), atol=1e-10)
    np.testing.assert_allclose(mel_to_hz(hz_to_mel(hz)), hz, atol=1e-8)


def test_window_is_periodic() -> None:
    np.testing.assert_allclose(hann(8), librosa.filters.get_window("hann", 8), atol=1e-7)


def test_a_tone_lands_in_its_band() -> None:
    rate, config = 16_000, MelConfig(n_fft=1024, hop=256, bands=40)
    tone = torch.sin(2 * torch.pi * 1000 * torch.arange(rate) / rate)[None]
    band = int(LogMel(rate, config)(tone)[0, :, 20].argmax())
    centres = librosa.mel_frequencies(42, fmin=0, fmax=rate / 2)[1:-1]
    assert band == int(np.abs(centres - 1000).argmin())


def test_a_lead_in_of_digital_silence_lies_at_the_end_of_the_range() -> None:
    """MP3s begin with one; without a limit it would lie at -100 dB, whatever the clip's level."""
    samples = music(16_000)
    samples[:1776] = 0
    decibels = LogMel(16_000, MelConfig())(torch.from_numpy(samples)[None])[0]
    assert torch.allclose(decibels[:, 0], decibels.max() - 80)
    quiet = LogMel(16_000, MelConfig())(torch.from_numpy(samples / 10)[None])[0]
    assert torch.allclose(quiet + 20, decibels, atol=1e-3)


def test_silence_is_the_floor_and_bf16_changes_nothing() -> None:
    mel = LogMel(16_000, MelConfig(n_fft=512, hop=128, bands=32))
    assert torch.equal(mel(torch.zeros(1, 4000)), torch.full((1, 32, 32), -100.0))
    waveform = torch.from_numpy(music(16_000))[None]
    with torch.autocast("cpu", torch.bfloat16):
        inside = mel(waveform)
    assert torch.equal(inside, mel(waveform))
