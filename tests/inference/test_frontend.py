"""The numpy front end equals torch's."""

import numpy as np
import pytest
import torch
from tiny_model import sounds

from wavemel.features.frontend import FrontEnd as TorchFrontEnd
from wavemel.features.mel import LogMel as TorchLogMel
from wavemel.features.mel import MelConfig
from wavemel.inference.frontend import FrontEnd, LogMel, MelSettings, zscore


@pytest.mark.parametrize(
    ("rate", "settings"),
    [
        (44_100, {}),
        (16_000, {"n_fft": 1024, "hop": 256, "bands": 64}),
        (22_050, {"n_fft": 2048, "hop": 512, "fmin": 30.0, "fmax": 8000.0}),
        (8000, {"n_fft": 256, "hop": 100, "bands": 40}),  # some filters hold no bin at all
        (16_000, {"top_db": None}),
        (16_000, {"n_fft": 401, "hop": 160, "bands": 17}),
    ],
)
@pytest.mark.parametrize("seconds", [0.05, 1.3])
def test_log_mel_equals_torchs(rate: int, settings: dict, seconds: float) -> None:
    x = sounds(3, seconds, rate)
    x[1] *= 1e-3
    with torch.inference_mode():
        expected = TorchLogMel(rate, MelConfig(**settings))(torch.from_numpy(x)).numpy()
    got = LogMel(rate, MelSettings(**settings))(x)
    assert got.dtype == np.float32
    assert got.shape == expected.shape
    np.testing.assert_allclose(got, expected, atol=2e-3)  # dB


def test_settings_are_those_of_training() -> None:
    import dataclasses

    assert dataclasses.asdict(MelSettings()) == dataclasses.asdict(MelConfig())


def test_zscore_equals_torchs_and_makes_constants_zero() -> None:
    x = sounds(2, 0.5)
    x[1] = 0.25
    expected = TorchFrontEnd(("wave",), 8000)(torch.from_numpy(x))[0].numpy()
    np.testing.assert_allclose(zscore(x), expected, atol=1e-5)
    assert not zscore(x)[1].any()


def test_inputs_come_by_name() -> None:
    x = sounds(2, 0.5)
    mel = MelSettings(n_fft=256, hop=128, bands=16)
    made = FrontEnd(("wave", "mel"), 8000, mel)(x)
    expected = TorchFrontEnd(("wave", "mel"), 8000, MelConfig(n_fft=256, hop=128, bands=16))
    for ours, theirs in zip(made.values(), expected(torch.from_numpy(x)), strict=True):
        np.testing.assert_allclose(ours, theirs.numpy(), atol=1e-3)
    assert list(made) == ["wave", "mel"]
    assert FrontEnd(("samples",), 8000)(x)["samples"] is x
    with pytest.raises(ValueError, match="unknown input 'spectrogram'"):
        FrontEnd(("spectrogram",), 8000)
