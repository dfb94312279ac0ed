"""The cache of clips: right samples, once, whole, whatever interrupts it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from tones import RATE, tone, write_folder

from wavemel.audio.load import load
from wavemel.data import cache, store
from wavemel.data.cache import (
    ClipSpec,
    ClipStore,
    DecodingStore,
    cache_parts,
    cached_store,
    clear_cache,
)
from wavemel.data.cachedir import cache_dir
from wavemel.data.scan import scan, usable
from wavemel.data.sources import open_corpus
from wavemel.errors import AudioError, ConfigError, DataError

SPEC = ClipSpec(6000, 2.0)
EVERY = np.arange(6)


@pytest.fixture
def rows(tmp_path: Path) -> pd.DataFrame:
    folder = write_folder(tmp_path / "music", {"Jazz": 3, "Rock": 3})
    return usable(scan(open_corpus(str(folder)), workers=0).table)


def louder(samples: np.ndarray, content: str, number: int) -> np.ndarray:
    """Return a variant that can be told: longer and (number + 1) times as loud."""
    return np.pad(samples * np.float32(number + 1), (0, 100))


def files() -> list[Path]:
    return sorted((cache_dir() / "clips").rglob("*.*"))


@pytest.fixture
def no_decoding(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        pytest.fail("decoded again")

    monkeypatch.setattr(cache, "decode_clip", refuse)


def test_clips_are_the_files_samples(rows: pd.DataFrame) -> None:
    stored = cached_store(rows, SPEC, workers=0)
    batch = stored.batch(np.array([4, 0, 4]))
    assert (batch.shape, batch.dtype, len(stored)) == ((3, SPEC.samples), np.float32, 6)
    for row, i in enumerate((4, 0, 4)):
        want = load(rows["path"].iloc[i], SPEC.rate, start=0.0, seconds=2.0)
        assert np.abs(batch[row] - want).max() <= 0.51 * np.abs(want).max() / 32767


def test_decoding_store_gives_the_same_to_the_bit(rows: pd.DataFrame) -> None:
    options = {"variants": 2, "variant_key": "louder", "make_variant": louder}
    made = [cached_store(rows, SPEC, workers=0, **options), DecodingStore(rows, SPEC, **options)]
    variants = np.array([0, 1, 2, 2, 1, 0])
    one, two = (s.batch(EVERY, variants) for s in made)
    assert np.array_equal(one, two)
    starts, numbers = np.array([0, 500, SPEC.samples - 10]), np.array([3, 0, 5])
    one, two = (s.batch(numbers, starts=starts, samples=1000) for s in made)
    assert np.array_equal(one, two)
    assert np.array_equal(made[0].filled, made[1].filled)


def test_stretches_of_clips(rows: pd.DataFrame) -> None:
    stored = cached_store(rows, SPEC, workers=0)
    whole = stored.batch(np.array([2]))[0]
    part = stored.batch(np.array([2, 2]), starts=np.array([100, SPEC.samples - 30]), samples=50)
    assert np.array_equal(part[0], whole[100:150])
    assert np.array_equal(part[1], np.pad(whole[-30:], (0, 20)))


def test_variants_are_made_from_the_clip_and_fitted(rows: pd.DataFrame) -> None:
    stored = cached_store(rows, SPEC, variants=2, variant_key="k", make_variant=louder, workers=0)
    clip, once, twice = (stored.batch(EVERY, np.full(6, v)) for v in range(3))
    np.testing.assert_allclose(once, 2 * clip, atol=1e-4)
    np.testing.assert_allclose(twice, 3 * clip, atol=1e-4)
    assert len(files()) == 18


def test_quiet_and_over_loud_clips_keep_their_resolution(tmp_path: Path) -> None:
    for number, gain in enumerate((1e-3, 8.0)):
        path = tmp_path / "m" / f"g{number}" / "a.wav"
        path.parent.mkdir(parents=True)
        soundfile.write(path, gain * tone(number), RATE, subtype="FLOAT")
    made = scan(open_corpus(str(tmp_path / "m")), workers=0)
    batch = cached_store(made.table, ClipSpec(RATE, 2.0), workers=0).batch(np.arange(2))
    for i, gain in enumerate((1e-3, 8.0)):
        want = gain * tone(i)[: 2 * RATE]
        assert np.abs(batch[i] - want).max() < 2e-5 * np.abs(want).max()
    assert np.abs(batch[1]).max() > 1


def test_short_files_are_padded_and_it_is_known(rows: pd.DataFrame) -> None:
    long = ClipSpec(RATE, 4.0)
    stored = cached_store(rows, long, workers=0)
    assert stored.filled.tolist() == [round(2.5 * RATE)] * 6
    batch = stored.batch(EVERY)
    assert not batch[:, stored.filled[0] :].any()
    assert batch[:, : stored.filled[0]].any(axis=1).all()


@pytest.mark.usefixtures("no_decoding")
def test_nothing_is_decoded_twice(rows: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(cache, "decode_clip", store.decode_clip)
        before = cached_store(rows, SPEC, workers=0).batch(EVERY)
    moved = rows.assign(path=rows["path"] + ".moved")
    assert np.array_equal(cached_store(moved, SPEC, workers=0).batch(EVERY), before)


def test_settings_and_contents_have_files_of_their_own(rows: pd.DataFrame) -> None:
    options = {"variants": 1, "make_variant": louder, "workers": 0}
    specs = (SPEC, ClipSpec(SPEC.rate, 2.0005), ClipSpec(RATE, 2.0))
    names = [
        *(cached_store(rows, spec, workers=0)._files[0][0] for spec in specs),
        cached_store(rows, SPEC, variant_key="a", **options)._files[0][1],
        cached_store(rows, SPEC, variant_key="b", **options)._files[0][1],
    ]
    assert len(set(names)) == len(names)
    changed = rows.assign(content=["f" * 32, *rows["content"][1:]])
    assert cached_store(changed, SPEC, workers=0)._files[0][0] not in names


def test_worker_processes_give_the_same(rows: pd.DataFrame) -> None:
    one = cached_store(rows, SPEC, workers=0).batch(EVERY)
    clear_cache("clips")
    two = cached_store(rows, SPEC, workers=2).batch(EVERY)
    assert np.array_equal(one, two)


@pytest.mark.parametrize("damage", ["empty", "cut", "zeros", "gone"])
def test_damaged_files_are_made_anew(rows: pd.DataFrame, damage: str) -> None:
    stored = cached_store(rows, SPEC, workers=0)
    before, file = stored.batch(EVERY), stored._files[1][0]
    size = file.stat().st_size
    if damage == "gone":
        file.unlink()
    else:
        file.write_bytes(b"" if damage == "empty" else bytes(size - (damage == "cut")))
    if damage != "zeros":
        with pytest.raises(DataError, match="run again"):
            stored.batch(np.array([1]))
    assert np.array_equal(cached_store(rows, SPEC, workers=0).batch(EVERY), before)


def test_clip_files_are_plain_numpy(rows: pd.DataFrame) -> None:
    stored = cached_store(rows, SPEC, workers=0)
    record = np.load(stored._files[0][0], mmap_mode="r", allow_pickle=False)
    clip = record["samples"] * np.float32(record["peak"] / np.float32(32767))
    np.testing.assert_allclose(clip, stored.batch(np.array([0]))[0], atol=1e-7)


def test_no_room_is_said_before_anything_is_written(
    rows: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = shutil.disk_usage("/")._replace(free=cache._SPARE + 6 * SPEC.bytes - 1)
    monkeypatch.setattr(cache.shutil, "disk_usage", lambda _: full)
    with pytest.raises(DataError, match=r"needs 0 MiB in .*, where 256 MiB are free.*--no-cache"):
        cached_store(rows, SPEC, workers=0)
    assert files() == []
    monkeypatch.setattr(cache.shutil, "disk_usage", lambda _: full._replace(free=full.free + 1))
    assert len(cached_store(rows, SPEC, workers=0)) == 6


def test_failed_write_leaves_nothing(rows: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store.os, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        cached_store(rows, SPEC, workers=0)
    assert files() == []


def test_unscanned_and_vanished_files(rows: pd.DataFrame) -> None:
    with pytest.raises(DataError, match="before their table is scanned"):
        cached_store(rows.assign(content=pd.NA), SPEC)
    Path(rows["path"].iloc[3]).unlink()
    with pytest.raises(AudioError, match="does not exist"):
        cached_store(rows, SPEC, workers=0)


def test_killed_build_continues(rows: pd.DataFrame, tmp_path: Path) -> None:
    want = DecodingStore(rows, SPEC).batch(EVERY)
    rows.to_pickle(tmp_path / "rows.pkl")
    program = f"""
import time
import pandas as pd
from wavemel.data import cache, store
def slow_replace(a, b, replace=store.os.replace):
    time.sleep(0.2)
    replace(a, b)
store.os.replace = slow_replace
cache.cached_store(pd.read_pickle({str(tmp_path / "rows.pkl")!r}), cache.ClipSpec(6000, 2.0), workers=0)
"""
    process = subprocess.Popen([sys.executable, "-c", program])
    deadline = time.monotonic() + 60
    while sum(f.suffix == ".npy" for f in files()) < 2:
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.02)
    process.kill()
    process.wait()
    whole = [f for f in files() if f.suffix == ".npy"]
    assert 2 <= len(whole) < 6
    times = {f: f.stat().st_mtime_ns for f in whole}
    assert np.array_equal(cached_store(rows, SPEC, workers=0).batch(EVERY), want)
    assert times == {f: f.stat().st_mtime_ns for f in whole}


def test_unfinished_files_are_swept_once_they_are_old(rows: pd.DataFrame) -> None:
    folder = cached_store(rows, SPEC, workers=0)._files[0][0].parent
    old, new = folder / "x.npy.1.part", folder / "x.npy.2.part"
    old.touch()
    new.touch()
    os.utime(old, (time.time() - 2 * cache._STALE,) * 2)
    next(folder.glob("*.npy")).unlink()
    cached_store(rows, SPEC, workers=0)
    assert not old.exists()
    assert new.exists()


def test_thousands_of_clips_hold_no_descriptors(rows: pd.DataFrame) -> None:
    if not Path("/proc/self/fd").exists():
        pytest.skip("needs /proc")
    stored = cached_store(rows, SPEC, workers=0)
    before = len(os.listdir("/proc/self/fd"))
    kept = [stored.batch(EVERY) for _ in range(20)]
    assert len(os.listdir("/proc/self/fd")) <= before
    assert len(kept) == 20


def test_parts_are_shown_and_cleared(rows: pd.DataFrame) -> None:
    assert isinstance(cached_store(rows, SPEC, workers=0), ClipStore)
    mine = cache_dir() / "mine.txt"
    mine.write_text("not the cache's")
    parts = {part.name: part for part in cache_parts()}
    assert parts["clips"].files == 6
    assert parts["clips"].bytes == 6 * SPEC.bytes
    assert parts["scan"].files == 1
    clear_cache("clips")
    assert [p.files for p in cache_parts()][:2] == [0, 1]
    clear_cache()
    assert sum(p.files for p in cache_parts()) == 0
    assert mine.exists()
    with pytest.raises(ConfigError, match="did you mean 'clips'"):
        clear_cache("clip")
