"""z-scores, per waveform and per frequency band."""

import torch

from wavemel.features.frontend import FrontEnd
from wavemel.features.mel import MelConfig
from wavemel.features.normalise import zscore


def test_waveform_gets_zero_mean_and_unit_deviation() -> None:
    x = 0.01 * torch.randn(3, 10_000, generator=torch.Generator().manual_seed(0)) + 0.3
    z = zscore(x)
    assert z.mean(1).abs().max() < 1e-4
    assert (z.std(1, unbiased=False) - 1).abs().max() < 1e-3


def test_each_band_of_each_clip_is_normalised_alone() -> None:
    rng = torch.Generator().manual_seed(0)
    mel = torch.randn(2, 5, 100, generator=rng) * torch.arange(1.0, 6)[None, :, None] + 7
    z = zscore(mel, dim=-1)
    assert z.mean(-1).abs().max() < 1e-5
    assert (z.std(-1, unbiased=False) - 1).abs().max() < 1e-4


def test_a_constant_becomes_zeros() -> None:
    assert torch.equal(zscore(torch.zeros(1, 100)), torch.zeros(1, 100))
    assert zscore(torch.full((1, 100), 0.5)).abs().max() < 1e-3


def test_loudness_does_not_reach_the_network() -> None:
    front_end = FrontEnd(("wave", "mel"), 8000, MelConfig(n_fft=256, hop=64, bands=16))
    x = torch.randn(1, 8000, generator=torch.Generator().manual_seed(0))
    for loud, quiet in zip(front_end(x), front_end(0.01 * x), strict=True):
        assert (loud - quiet).abs().max() < 1e-2


def test_front_end_gives_what_is_asked_in_order() -> None:
    config = MelConfig(n_fft=256, hop=64, bands=16)
    x = torch.randn(2, 4000)
    wave, mel = FrontEnd(("wave", "mel"), 8000, config)(x)
    assert wave.shape == (2, 4000)
    assert mel.shape == (2, 16, 63)
    (only,) = FrontEnd(("mel",), 8000, config)(x)
    assert torch.equal(only, mel)
