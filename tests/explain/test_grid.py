import numpy as np
import pytest
import torch

from wavemel.explain.grid import Grid
from wavemel.features.mel import LogMel, MelConfig


@pytest.mark.parametrize(("n_fft", "hop"), [(512, 100), (256, 128), (256, 300), (2048, 528)])
def test_split_keeps_the_sum(n_fft: int, hop: int) -> None:
    samples, slopes = torch.randn(2, 5000, generator=torch.Generator().manual_seed(0))
    made = Grid(8000, MelConfig(n_fft=n_fft, hop=hop, bands=20)).split(samples, slopes)
    assert made.shape == (20, 1 + 5000 // hop)
    assert float(made.sum()) == pytest.approx(float(samples @ slopes), abs=1e-2)


def test_split_puts_a_tone_into_its_band_and_time() -> None:
    grid = Grid(8000, MelConfig(n_fft=512, hop=100, bands=32))
    time = torch.arange(8000) / 8000
    tone = torch.sin(2 * torch.pi * 1000 * time) * ((time > 0.4) & (time < 0.6))
    made = grid.split(tone, tone)
    band = int(np.searchsorted(grid.edges, 1000)) - 1
    assert float(made[band - 1 : band + 2].sum() / made.sum()) > 0.95
    assert float(made[:, 30:51].sum() / made.sum()) > 0.98


def test_bands_are_those_of_the_spectrogram() -> None:
    config = MelConfig(n_fft=1024, hop=100, bands=24, fmin=50, fmax=3500)
    grid = Grid(8000, config)
    bank = LogMel(8000, config).bank
    peaks = bank.argmax(1).numpy() * 8000 / 1024
    assert np.abs(peaks - grid.centres).max() <= 8000 / 1024
    assert (np.diff(grid.edges) > 0).all()
    assert ((grid.edges[:-1] < grid.centres) & (grid.centres < grid.edges[1:])).all()
