"""Augmentation on signals whose answer is known."""

import librosa
import numpy as np
import pytest
import torch

from wavemel.errors import ConfigError
from wavemel.features.augment import make_augmentations
from wavemel.features.augment.noise import Noise
from wavemel.features.augment.stretch import Stretch, fit_length, time_stretch

RATE = 16_000


def chance(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def tone(hz: float, seconds: float = 2.0) -> np.ndarray:
    return np.sin(2 * np.pi * hz * np.arange(round(RATE * seconds)) / RATE).astype(np.float32)


@pytest.mark.parametrize("snr", [-5.0, 0.0, 20.0])
def test_noise_has_the_wanted_signal_to_noise_ratio(snr: float) -> None:
    clean = torch.from_numpy(np.stack([tone(440), 0.01 * tone(1000)]))
    noisy = Noise(probability=1, snr_db=(snr, snr))(clean, chance())
    measured = 10 * torch.log10(clean.square().mean(1) / (noisy - clean).square().mean(1))
    assert (measured - snr).abs().max() < 0.2


def test_noise_is_white_and_gaussian() -> None:
    clean = torch.from_numpy(np.stack([tone(440, 4.0)]))
    added = (Noise(probability=1, snr_db=(0, 0))(clean, chance()) - clean)[0].numpy()
    added /= added.std()
    # Kurtosis 3 and the same power in each quarter of the spectrum.
    assert abs((added**4).mean() - 3) < 0.15
    quarters = [q.mean() for q in np.array_split(np.abs(np.fft.rfft(added)) ** 2, 4)]
    assert max(quarters) / min(quarters) < 1.1


def test_noise_follows_its_range_probability_and_seed() -> None:
    clean = torch.from_numpy(np.tile(tone(440), (64, 1)))
    augmentation = Noise(probability=0.5, snr_db=(10, 30))
    noisy = augmentation(clean, chance(1))
    assert torch.equal(noisy, augmentation(clean, chance(1)))
    assert not torch.equal(noisy, augmentation(clean, chance(2)))
    power = (noisy - clean).square().mean(1)
    changed = power > 0
    assert 20 <= int(changed.sum()) <= 44
    ratios = 10 * torch.log10(clean.square().mean(1)[changed] / power[changed])
    assert 9.5 < ratios.min() < 14
    assert 26 < ratios.max() < 30.5


def test_noise_leaves_silence_silent() -> None:
    silent = torch.zeros(2, 1000)
    assert torch.equal(Noise(probability=1)(silent, chance()), silent)


def test_noise_on_a_clip_longer_than_the_bank() -> None:
    clean = torch.ones(1, (1 << 22) + 1000)
    added = Noise(probability=1, snr_db=(0, 0))(clean, chance()) - clean
    assert added.std() == pytest.approx(1, rel=0.02)


@pytest.mark.parametrize("factor", [0.8, 0.93, 1.1, 1.25])
def test_stretching_keeps_the_pitch_of_a_tone(factor: float) -> None:
    made = time_stretch(tone(440), factor)
    assert len(made) == round(2 * RATE / factor)
    peak = np.abs(np.fft.rfft(made * np.hanning(len(made)))).argmax() * RATE / len(made)
    assert peak == pytest.approx(440, abs=1)
    middle = made[len(made) // 4 : -len(made) // 4]
    # Without phase locking a vocoder loses up to 1 dB where bins drift apart, as the reference does.
    assert np.sqrt((middle**2).mean()) == pytest.approx(np.sqrt(0.5), rel=0.12)


@pytest.mark.parametrize("factor", [0.8, 1.25])
def test_stretching_changes_the_speed_of_an_envelope(factor: float) -> None:
    envelope = 1 + np.sin(2 * np.pi * 4 * np.arange(4 * RATE) / RATE)  # 4 beats a second
    made = time_stretch((tone(1000, 4.0) * envelope).astype(np.float32), factor)
    beats = np.abs(made[RATE // 2 : -RATE // 2])
    beats = beats[: len(beats) // 160 * 160].reshape(-1, 160).mean(1)
    spectrum = np.abs(np.fft.rfft((beats - beats.mean()) * np.hanning(len(beats)), 1 << 14))
    assert spectrum.argmax() * (RATE / 160) / (1 << 14) == pytest.approx(4 * factor, abs=0.1)


def test_stretching_by_one_changes_nothing() -> None:
    noise = np.random.default_rng(0).standard_normal(RATE).astype(np.float32)
    np.testing.assert_allclose(time_stretch(noise, 1.0), noise, atol=1e-4)


def test_stretching_has_the_spectrum_of_the_reference() -> None:
    rng = np.random.default_rng(0)
    chord = sum(tone(f) for f in (220, 277.2, 329.6)) + 0.01 * rng.standard_normal(2 * RATE)
    chord = chord.astype(np.float32)
    ours, reference = time_stretch(chord, 0.9), librosa.effects.time_stretch(chord, rate=0.9)
    a, b = (librosa.feature.melspectrogram(y=y, sr=RATE).mean(1) for y in (ours, reference))
    assert np.abs(a - b).sum() / b.sum() < 0.02


def test_stretching_edges() -> None:
    assert len(time_stretch(np.zeros(0, np.float32), 1.1)) == 0
    assert len(time_stretch(np.ones(10, np.float32), 0.5)) == 20
    assert np.isfinite(time_stretch(np.zeros(5000, np.float32), 1.2)).all()
    with pytest.raises(ValueError, match="factor"):
        time_stretch(np.ones(10, np.float32), 0)


def test_stretch_keeps_the_length_and_follows_its_seed() -> None:
    stretch, clip = Stretch(rates=(0.8, 1.25)), tone(440)
    one, same, other = (stretch.variant(clip, RATE, np.random.default_rng(s)) for s in (1, 1, 2))
    assert one.shape == clip.shape
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


def test_fit_length_cuts_and_pads() -> None:
    x = np.arange(1, 5, dtype=np.float32)
    assert fit_length(x, 2).tolist() == [1, 2]
    assert fit_length(x, 6).tolist() == [1, 2, 3, 4, 0, 0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"nosie": {}}, "did you mean 'noise'"),
        ({"noise": {"snr": [1, 2]}}, "did you mean 'snr_db'"),
        ({"noise": {"snr_db": [30, 10]}}, "low then high"),
        ({"noise": {"probability": 2}}, "probability"),
        ({"noise": {"snr_db": [0, float("inf")]}}, r"two numbers in -200\.\.200"),
        ({"noise": {"snr_db": [0, float("nan")]}}, r"two numbers in -200\.\.200"),
        ({"stretch": {"rates": [0, 1]}}, r"two numbers in 0\.01\.\.100"),
        ({"stretch": {"rates": [1, 10**20]}}, r"two numbers in 0\.01\.\.100"),
        ({"stretch": {"variants": 10**20}}, "variants"),
        ({"stretch": {"variants": 0}}, "variants"),
    ],
)
def test_bad_options_are_refused_by_name(options: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make_augmentations(options)
