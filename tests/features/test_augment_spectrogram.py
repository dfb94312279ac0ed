"""Augmentations of spectrograms, and of speed, on inputs whose answer is known."""

import numpy as np
import pytest
import torch

from wavemel.errors import ConfigError
from wavemel.features.augment import make_augmentations
from wavemel.features.augment.filter import Filter
from wavemel.features.augment.pitch import Pitch
from wavemel.features.augment.specaugment import SpecAugment
from wavemel.features.augment.speed import Speed

RATE = 16_000


def chance(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def peak_hz(samples: torch.Tensor) -> float:
    spectrum = np.abs(np.fft.rfft(samples.numpy() * np.hanning(len(samples))))
    return float(np.argmax(spectrum)) * RATE / len(samples)


@pytest.mark.parametrize("factor", [0.9, 1.0, 1.1])
def test_speed_moves_pitch_and_tempo_together(factor: float) -> None:
    time = torch.arange(2 * RATE) / RATE
    waveform = torch.sin(2 * torch.pi * 1000 * time)[None].float()
    # A click at 1 s is heard at 1 / factor s.
    waveform[0, RATE] += 20
    played = Speed(probability=1, rates=(factor, factor))(waveform, chance())[0]
    assert len(played) == int(2 * RATE / max(1, factor))
    assert abs(int(played.abs().argmax()) - RATE / factor) <= 1
    assert abs(peak_hz(played[: RATE // 2]) - 1000 * factor) < 3


def test_speed_needs_no_more_than_its_reach_and_leaves_the_rest() -> None:
    augmentation = Speed(probability=0.5, rates=(0.8, 1.25))
    made = make_augmentations({"speed": {"probability": 0.5, "rates": [0.8, 1.25]}})
    assert made.samples(8000) == 10_000
    waveforms = torch.randn(64, 10_000, generator=chance(3)) + 100
    played = augmentation(waveforms, chance())
    assert played.shape == (64, 8000)
    # Nothing is padded: no sample comes near 0.
    assert played.min() > 50
    untouched = (played == waveforms[:, :8000]).all(1)
    assert 16 <= int(untouched.sum()) <= 48


def test_pitch_moves_bands_and_repeats_the_edge() -> None:
    mels = torch.arange(10.0)[None, :, None].expand(200, 10, 3)
    moved = Pitch(probability=1, bands=2)(mels, chance())
    shifts = {tuple(row.int().tolist()) for row in moved[:, :, 0]}
    expected = {tuple(int(np.clip(b - d, 0, 9)) for b in range(10)) for d in range(-2, 3)}
    assert shifts == expected
    assert torch.equal(moved[:, :, 0], moved[:, :, 2])


def test_filter_is_constant_in_time_smooth_and_of_its_strength() -> None:
    mels = torch.randn(400, 33, 5, generator=chance(1))
    added = Filter(probability=1, strength=0.5, points=5)(mels, chance()) - mels
    torch.testing.assert_close(added[:, :, 0], added[:, :, 4], rtol=0, atol=1e-5)
    assert abs(added[:, ::8, 0].std() - 0.5) < 0.05
    # Straight between its points.
    bends = added[:, 2:, 0] - 2 * added[:, 1:-1, 0] + added[:, :-2, 0]
    inside = [b for b in range(31) if (b + 1) % 8]
    assert bends[:, inside].abs().max() < 1e-4


def test_specaugment_hides_whole_bands_and_frames() -> None:
    hidden = SpecAugment(probability=1, bands=0.25, frames=0.2, masks=1)(
        torch.ones(300, 40, 50), chance()
    )
    gone = hidden == 0
    bands, frames = gone.all(2), gone.all(1)
    assert torch.equal(gone, bands[:, :, None] | frames[:, None, :])
    assert int(bands.sum(1).max()) == 10
    assert int(frames.sum(1).max()) == 10
    # Each one stretch, without gaps.
    for rows in (bands, frames):
        starts = (rows[:, 1:] & ~rows[:, :-1]).sum(1) + rows[:, 0]
        assert int(starts.max()) == 1


@pytest.mark.parametrize("name", ["pitch", "filter", "specaugment", "speed"])
def test_chance_follows_the_generator_and_probability_zero_changes_nothing(name: str) -> None:
    make = {"pitch": Pitch, "filter": Filter, "specaugment": SpecAugment, "speed": Speed}[name]
    x = torch.randn(16, 2000) if name == "speed" else torch.randn(16, 24, 40)
    once, again = make(probability=0.7)(x, chance(5)), make(probability=0.7)(x, chance(5))
    assert torch.equal(once, again)
    assert not torch.equal(once, make(probability=0.7)(x, chance(6)))
    kept = make(probability=0)(x, chance())
    assert torch.equal(kept, x[:, : kept.shape[1]])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"speed": {"rates": [0, 1]}}, r"two numbers in 0\.01\.\.100"),
        ({"pitch": {"bands": 0}}, r"bands must be a whole number in 1\.\."),
        ({"pitch": {"bands": 1.5}}, r"bands must be a whole number in 1\.\."),
        ({"pitch": {"bands": 10**20}}, r"bands must be a whole number in 1\.\."),
        ({"filter": {"strength": -1}}, r"strength must lie in 0\.\."),
        ({"filter": {"strength": float("inf")}}, r"strength must lie in 0\.\."),
        ({"filter": {"points": 10**20}}, r"points must be a whole number in 2\.\."),
        ({"specaugment": {"masks": 10**20}}, r"masks must be a whole number in 1\.\."),
        ({"specaugment": {"bands": 2}}, "0..1"),
        ({"specaugmen": {}}, "did you mean 'specaugment'"),
    ],
)
def test_bad_options_are_refused(options: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make_augmentations(options)


def test_kinds_are_told_apart() -> None:
    made = make_augmentations({"specaugment": {}, "noise": {}, "stretch": {}, "pitch": {}})
    assert [type(a).__name__ for a in made.waveform] == ["Noise"]
    assert [type(a).__name__ for a in made.spectrogram] == ["SpecAugment", "Pitch"]
    assert type(made.ahead).__name__ == "Stretch"
