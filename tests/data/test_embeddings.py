"""The cache of embeddings: each clip is embedded once, by itself; damage and changes are noticed."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tones import write_folder, write_tone

from wavemel.audio.load import windows
from wavemel.data import cache
from wavemel.data.cache import ClipSpec, cache_parts, clear_cache
from wavemel.data.embeddings import EmbeddingStore, Grid, TrackEmbeddings, embedding_store
from wavemel.data.scan import scan, usable
from wavemel.data.sources import open_corpus
from wavemel.errors import DataError

RATE = 4000
GRID = Grid(ClipSpec(RATE, 2.0), samples=RATE, hop=RATE // 2)
KEY = {"encoder": "test", "weights": "1"}


class Encoder:
    """Mean, deviation and first sample of a window, and how often it was asked."""

    def __init__(self) -> None:
        self.windows = 0

    def __call__(self, windows: np.ndarray) -> np.ndarray:
        self.windows += len(windows)
        assert windows.shape[1] == GRID.samples
        return np.stack([windows.mean(1), windows.std(1), windows[:, 0]], 1)


@pytest.fixture
def table(tmp_path: Path) -> pd.DataFrame:
    write_folder(tmp_path / "music", {"jazz": 3, "rock": 2})
    return usable(scan(open_corpus(str(tmp_path / "music")), workers=0).table)


def build(
    rows: pd.DataFrame, encoder: Encoder, key: dict | None = None, **options
) -> EmbeddingStore:
    return embedding_store(rows, GRID, encoder, 3, key=key or KEY, workers=0, **options)


def files() -> list[Path]:
    part = next(p for p in cache_parts() if p.name == "embeddings")
    return sorted(part.path.rglob("*.npy")) if part.path.is_dir() else []


def test_every_clip_is_embedded_once(table: pd.DataFrame) -> None:
    encoder = Encoder()
    store = build(table, encoder)
    clips, count = len(table), int(GRID.counts(store.filled).sum())
    assert encoder.windows == count
    assert len(files()) == clips
    again = build(table, encoder)
    assert encoder.windows == count
    every = np.arange(clips)
    assert np.array_equal(again.batch(every), store.batch(every))
    assert build(table, encoder, cache=False).batch(every).shape == (clips, 3)
    assert encoder.windows == 2 * count
    build(table, encoder, key={**KEY, "weights": "2"})
    assert encoder.windows == 3 * count
    assert not list(files()[0].parents[1].rglob("*.part"))


def test_the_window_nearest_to_a_start_is_read(table: pd.DataFrame) -> None:
    from wavemel.data.store import decode_clip

    store = build(table, Encoder())
    path = table["path"].iloc[0]
    expected = Encoder()(
        GRID.windows(decode_clip(path, GRID.clip), int(GRID.counts(store.filled)[0]))
    )
    indices = np.zeros(len(expected), np.int64)
    starts = GRID.hop * np.arange(len(expected))
    np.testing.assert_array_equal(store.batch(indices, starts=starts), expected)
    np.testing.assert_array_equal(store.batch(indices, starts=starts + 10), expected)
    np.testing.assert_array_equal(store.batch(indices[:1], starts=np.array([10**9])), expected[-1:])
    np.testing.assert_array_equal(store.batch(indices[:1]), expected[:1])


def test_windows_of_short_and_long_clips() -> None:
    counts = GRID.counts(np.array([0, 100, RATE, RATE + 1, RATE + RATE // 2, 2 * RATE]))
    assert counts.tolist() == [1, 1, 1, 1, 2, 3]
    padded = GRID.windows(np.ones(100, np.float32), 1)
    assert padded.shape == (1, RATE)
    assert padded.sum() == 100


def test_damaged_files_are_made_again(table: pd.DataFrame) -> None:
    encoder = Encoder()
    before = build(table, encoder).batch(np.arange(len(table)))
    per_clip = encoder.windows // len(table)
    first, second, third = files()[:3]
    first.write_bytes(b"")
    second.write_bytes(second.read_bytes()[:-4])
    np.save(third, np.full_like(np.load(third), np.nan))
    encoder.windows = 0
    after = build(table, encoder).batch(np.arange(len(table)))
    assert encoder.windows == 3 * per_clip
    assert np.array_equal(after, before)


def test_equal_files_share_and_no_rows_are_no_trouble(table: pd.DataFrame, tmp_path: Path) -> None:
    twin = tmp_path / "twin.wav"
    shutil.copy(table["path"].iloc[0], twin)
    both = pd.concat([table.iloc[:1], table.iloc[:1].assign(path=str(twin))])
    encoder = Encoder()
    store = build(both, encoder)
    assert len(files()) == 1
    assert np.array_equal(*store.batch(np.arange(2)))
    assert len(build(table.iloc[:0], encoder)) == 0


def whole_tracks(encoder: Encoder, key: dict | None = None) -> TrackEmbeddings:
    return TrackEmbeddings(GRID, encoder, 3, key=key or KEY, batch=2)


def test_whole_tracks_are_embedded_once(table: pd.DataFrame, tmp_path: Path) -> None:
    encoder = Encoder()
    # 5 windows, and one that ends with the file.
    path = str(write_tone(tmp_path / "long.wav", 7, 3.2, RATE))
    read = list(windows(path, RATE, seconds=1.0, hop=0.5))
    first = whole_tracks(encoder)(path)
    assert encoder.windows == len(read) == 6
    assert first[0].tolist() == [window.start for window in read]
    np.testing.assert_array_equal(first[1], Encoder()(np.stack([w.samples for w in read])))
    for again in (whole_tracks(encoder)(path), whole_tracks(encoder)(path)):
        assert all(map(np.array_equal, again, first))
    assert encoder.windows == 6
    (file,) = files()
    for damage in (b"", file.read_bytes()[:-4], b"PK\x03\x04" + file.read_bytes()[4:]):
        file.write_bytes(damage)
        assert np.array_equal(whole_tracks(encoder)(path)[1], first[1])
    assert encoder.windows == 24
    whole_tracks(encoder, {**KEY, "weights": "2"})(path)
    # As the file is now, whatever a table says of it.
    write_tone(Path(path), 8, 3.2, RATE)
    assert not np.array_equal(whole_tracks(encoder)(path)[1], first[1])
    assert encoder.windows == 36


def test_whole_tracks_take_the_windows_of_training(table: pd.DataFrame) -> None:
    trained, encoder = Encoder(), Encoder()
    store = build(table, trained)
    path = table["path"].iloc[0]
    starts, values = whole_tracks(encoder)(path)
    # Clips are 2 s of a track of 2.5 s: three windows of four.
    assert (len(starts), encoder.windows) == (4, 1)
    np.testing.assert_array_equal(
        values[:3], store.batch(np.zeros(3, np.int64), starts=GRID.hop * np.arange(3))
    )
    plain = whole_tracks(encoder, {**KEY, "weights": "2"})(path)[1]
    np.testing.assert_allclose(values, plain, atol=1e-5)


def test_whole_tracks_without_the_cache_are_made_each_time(table: pd.DataFrame) -> None:
    path, encoder = table["path"].iloc[0], Encoder()
    plain = TrackEmbeddings(GRID, encoder, 3, key=KEY, batch=2, cache=False)
    first, again = plain(path), plain(path)
    assert encoder.windows == 8
    assert not files()
    assert all(map(np.array_equal, first, again))
    assert all(map(np.array_equal, first, whole_tracks(Encoder())(path)))


def test_without_room_for_them_tracks_are_embedded_all_the_same(
    table: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = shutil.disk_usage("/")._replace(free=cache._SPARE)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: full)
    assert len(whole_tracks(Encoder())(table["path"].iloc[0])[0]) == 4
    assert not files()


def test_what_is_refused(table: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match="before their table is scanned"):
        build(table.assign(content=pd.NA), Encoder())
    with pytest.raises(DataError, match="makes no numbers of it"):
        embedding_store(table, GRID, lambda w: np.full((len(w), 3), np.inf), 3, key=KEY, workers=0)
    assert not files()
    full = shutil.disk_usage("/")._replace(free=cache._SPARE)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: full)
    with pytest.raises(DataError, match="the cache of embeddings needs"):
        build(table, Encoder())


def test_the_cache_shows_and_clears_them(table: pd.DataFrame) -> None:
    build(table, Encoder())
    assert files()
    clear_cache("embeddings")
    assert not files()
