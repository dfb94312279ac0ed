"""Whatever bytes come: samples or our error, never another exception, a hang or a crash."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wavemel.audio.decode import decode
from wavemel.audio.load import Window, windows
from wavemel.errors import AudioError

NAMES = ("wav", "wav-float", "wav-adpcm", "flac", "mp3", "ogg", "opus", "aiff", "au", "caf", "w64")
AV = {"m4a": ("mp4", "aac"), "adts": ("adts", "aac"), "matroska": ("matroska", "aac")}
REASONS = {"empty", "not-audio", "damaged", "no-samples", "no-decoder"}

quick = settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def reason_or_samples(data: bytes) -> str | np.ndarray:
    try:
        return decode(data).samples
    except AudioError as error:
        return error.reason


def reason_or_windows(data: bytes) -> str | list[Window]:
    try:
        return list(windows(data, 8000, seconds=0.1, hop=0.1, limit=5))
    except AudioError as error:
        return error.reason


def check(data: bytes) -> None:
    samples = reason_or_samples(data)
    if isinstance(samples, str):
        assert samples in REASONS
    else:
        assert samples.dtype == np.float32
        assert samples.ndim == 1
        assert len(samples)
        assert np.isfinite(samples).all()
    found = reason_or_windows(data)
    if isinstance(found, str):
        assert found in REASONS
        return
    for window in found:
        assert window.samples.dtype == np.float32
        assert len(window.samples) == 800
        assert np.isfinite(window.samples).all()
        assert 0 < window.filled <= 0.1


@pytest.fixture(scope="module")
def whole(encode, encode_av, sweep) -> dict[str, bytes]:
    samples = sweep(0.2, 48000, 2)
    made = {name: encode(samples, 48000, name) for name in NAMES}
    return made | {n: encode_av(samples, 48000, c, codec) for n, (c, codec) in AV.items()}


#: Half of the damage goes to the header, where it does most.
places = st.one_of(st.floats(0, 1), st.floats(0, 0.02))


@pytest.mark.parametrize("name", [*NAMES, *AV])
@quick
@given(share=st.floats(0, 1))
def test_cut_files(whole, name, share):
    data = whole[name]
    check(data[: int(share * len(data))])


@pytest.mark.parametrize("name", [*NAMES, *AV])
@quick
@given(flips=st.lists(st.tuples(places, st.integers(0, 7)), min_size=1, max_size=12))
def test_flipped_bits(whole, name, flips):
    data = bytearray(whole[name])
    for place, bit in flips:
        data[min(int(place * len(data)), len(data) - 1)] ^= 1 << bit
    check(bytes(data))


@pytest.mark.parametrize("name", [*NAMES, *AV])
@quick
@given(
    place=places,
    value=st.sampled_from(
        [b"\xff" * 4, b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", bytes(4), bytes(64)]
    ),
    gone=st.integers(0, 40),
)
def test_overwritten_and_lost_bytes(whole, name, place, value, gone):
    data = bytearray(whole[name])
    at = int(place * len(data))
    data[at : at + len(value) + gone] = value
    check(bytes(data))


@quick
@given(data=st.binary(max_size=400), name=st.sampled_from(NAMES))
def test_noise_and_noise_behind_a_header(whole, data, name):
    check(data)
    check(whole[name][:48] + data)
