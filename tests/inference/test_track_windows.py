"""Where windows lie, and reading some of them."""

import io

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from tiny_model import RATE, sounds

from wavemel.audio.decode import open_stream
from wavemel.inference.windows import ArrayStream, Samples2Windows


@given(
    st.integers(1, 60_000),
    st.sampled_from([(1.0, 0.5), (1.0, 0.0), (0.7, 0.75), (2.0, 0.25)]),
)
def test_starts_are_those_of_the_whole_reading(samples: int, shape: tuple[float, float]) -> None:
    windows = Samples2Windows(RATE, *shape)
    stream = ArrayStream(np.zeros(samples, np.float32), RATE)
    read = [w.start for w in windows.whole(stream, "zeros")]
    assert windows.starts(samples / RATE) == read


@pytest.mark.parametrize("rate", [8000, 11_025, 44_100])
def test_single_windows_equal_those_of_the_whole_reading(rate: int) -> None:
    x = np.concatenate(sounds(4, 2.0, rate))
    windows = Samples2Windows(RATE, 1.0, 0.5)
    file = io.BytesIO()
    soundfile.write(file, x, rate, format="WAV", subtype="FLOAT")
    for make in (lambda: ArrayStream(x, rate), None):
        if make is None:
            with open_stream(file.getvalue()) as stream:
                check_windows(windows, stream)
        else:
            check_windows(windows, make())


def check_windows(windows, stream) -> None:
    whole = list(windows.whole(stream, "x"))
    assert len(whole) == 15
    for i in (7, 0, 14, 3, 0):  # forwards and backwards
        one = windows.at(stream, whole[i].start)
        assert one is not None
        np.testing.assert_allclose(one.samples, whole[i].samples, atol=1e-4)
    assert windows.at(stream, 7.5) is None


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        (np.array([0, 16384, -32768], np.int16), [0, 0.5, -1]),
        (np.array([0, 128, 255], np.uint8), [-1, 0, 127 / 128]),
        (np.array([0.5, -0.5, 0.25], np.float64), [0.5, -0.5, 0.25]),
        (np.array([[0.5, 0.1], [0.5, 0.3], [0.0, 0.0]]), [0.3, 0.4, 0]),
        (np.array([[0.5, 0.5, 0.0], [0.1, 0.3, 0.0]]), [0.3, 0.4, 0]),  # channels first
        (np.array([np.nan, 1.0, np.inf]), [0, 1, 0]),
    ],
)
def test_arrays_of_every_kind(samples: np.ndarray, expected: list[float]) -> None:
    stream = ArrayStream(samples, RATE)
    (block,) = stream.blocks()
    assert block.dtype == np.float32
    np.testing.assert_allclose(block, expected, atol=1e-6)
    assert stream.replaced == np.sum(~np.isfinite(samples))


@pytest.mark.parametrize(
    ("samples", "rate", "message"),
    [
        (np.zeros(0), RATE, r"must be \(n,\)"),
        (np.zeros((2, 2, 2)), RATE, r"must be \(n,\)"),
        (np.zeros(8), 0, "rate"),
        (np.array(["a"]), RATE, "float or integer"),
    ],
)
def test_arrays_that_are_no_sound(samples: np.ndarray, rate: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ArrayStream(samples, rate)
