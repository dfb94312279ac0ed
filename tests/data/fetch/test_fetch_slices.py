from __future__ import annotations

import hashlib
import os
from collections import Counter
from pathlib import Path

import fma_archive
import pandas as pd
import pytest
from fault_server import Answer, Cut, Flip, Server
from hypothesis import given
from hypothesis import strategies as st

from wavemel.data.fetch import slices
from wavemel.data.fetch.archives import ARCHIVES, read_checksums
from wavemel.data.fetch.http import Retries
from wavemel.data.fetch.slices import choose_clips, fetch_slice
from wavemel.errors import DataError

SMALL = ARCHIVES["fma-small"]


def quick() -> Retries:
    return Retries(attempts=4, first_wait=0.001)


def frame(tracks: list[fma_archive.Track]) -> pd.DataFrame:
    rows = [{"track_id": t.id, "genre": t.genre, "split": t.split} for t in tracks]
    return pd.DataFrame(rows).set_index("track_id")


def test_slice_has_fma_form_and_every_clip_is_right(
    archives: fma_archive.Archives, server: Server, here: Path
) -> None:
    folder = fetch_slice(SMALL, 10, here, server.url, retries=quick())
    assert folder == here / "fma_small_10_per_genre"
    assert os.listdir(here) == [folder.name]
    clips = sorted(folder.glob("fma_small/*/*.mp3"))
    assert len(clips) == 80
    for clip in clips:
        assert clip.read_bytes() == archives.clips[int(clip.stem)]
    sums = read_checksums((folder / "fma_small" / "checksums").read_text(), "checksums")
    assert sums == {
        c.relative_to(folder / "fma_small").as_posix(): hashlib.sha1(c.read_bytes()).hexdigest()
        for c in clips
    }
    assert sorted(os.listdir(folder)) == ["fma_metadata", "fma_small"]
    kept = (folder / "fma_metadata" / "tracks.csv").read_bytes()
    ids = {int(clip.stem) for clip in clips}
    assert kept == fma_archive.tracks_csv(t for t in archives.tracks if t.id in ids)


def test_slice_costs_its_own_bytes_not_the_archive(
    archives: fma_archive.Archives, server: Server, here: Path
) -> None:
    fetch_slice(SMALL, 3, here, server.url, retries=quick())
    directory = 64 * 1024 + 60 * 400
    clips = 24 * (1600 + slices.HEADER)
    assert sum(r.sent for r in server.body_requests("fma_small.zip")) < directory + clips
    assert len(server.files["fma_small.zip"]) > 2 * (directory + clips)


@pytest.mark.parametrize(
    "faults", [[Cut(10)] * 3, [Answer(500), None, Answer(503), Cut(100), None, None, Cut(3)]]
)
def test_faults_are_survived(
    faults: list, archives: fma_archive.Archives, server: Server, here: Path
) -> None:
    server.faults = list(faults)
    folder = fetch_slice(SMALL, 3, here, server.url, retries=quick())
    for clip in folder.glob("fma_small/*/*.mp3"):
        assert clip.read_bytes() == archives.clips[int(clip.stem)]


def test_flipped_byte_in_a_clip_is_fetched_once_more(
    archives: fma_archive.Archives, server: Server, here: Path
) -> None:
    first = fetch_slice(SMALL, 3, here, server.url, retries=quick())
    requests = len(server.requests)
    clip = next(iter(sorted(first.glob("fma_small/*/*.mp3"))))
    name = clip.relative_to(first).as_posix().encode()
    server.requests.clear()
    server.faults = [Flip(server.files["fma_small.zip"].index(name) + 300)]
    folder = fetch_slice(SMALL, 3, here / "again", server.url, retries=quick())
    assert server.faults == []
    # Once more for this clip; the metadata of the first slice lie elsewhere.
    assert len(server.requests) == requests + 1
    for file in folder.glob("fma_small/*/*.mp3"):
        assert file.read_bytes() == archives.clips[int(file.stem)]


def test_clip_that_stays_wrong_is_an_error_and_no_slice(
    archives: fma_archive.Archives, server: Server, here: Path
) -> None:
    wrong = bytearray(server.files["fma_small.zip"])
    for track in archives.tracks:
        # A byte within every clip's compressed data.
        at = wrong.find(f"fma_small/{track.inner}".encode())
        wrong[at + 300] ^= 1
    server.files["fma_small.zip"] = bytes(wrong)
    with pytest.raises(DataError, match=r"mp3 is damaged"):
        fetch_slice(SMALL, 3, here, server.url, retries=quick())
    assert os.listdir(here) == ["fma_small_3_per_genre.part"]
    assert not list(here.rglob("*.mp3"))


def test_clip_whose_sha1_differs_from_the_list_is_an_error(
    server: Server, here: Path, tmp_path: Path
) -> None:
    tracks = fma_archive.make_tracks(4)
    offer = fma_archive.build(tmp_path / "offer", tracks)
    members = {f"fma_small/{t.inner}": offer.clips[t.id] for t in tracks}
    sums = "".join(f"{'0' * 40}  {t.inner}\n" for t in tracks)
    fma_archive.write_zip(tmp_path / "x.zip", members | {"fma_small/checksums": sums.encode()})
    server.files["fma_small.zip"] = (tmp_path / "x.zip").read_bytes()
    with pytest.raises(DataError, match="its SHA-1 is"):
        fetch_slice(SMALL, 3, here, server.url, retries=quick())


def test_stopped_slice_goes_on_where_it_was(
    archives: fma_archive.Archives,
    server: Server,
    here: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(slices, "AHEAD", 4)
    write, count = slices.write_whole, 0

    def stop_at_the_fortieth(file: Path, data: bytes) -> None:
        nonlocal count
        count += 1
        if count == 40:
            raise KeyboardInterrupt
        write(file, data)

    monkeypatch.setattr(slices, "write_whole", stop_at_the_fortieth)
    with pytest.raises(KeyboardInterrupt):
        fetch_slice(SMALL, 10, here, server.url, retries=quick())
    assert not (here / "fma_small_10_per_genre").exists()
    first = [r.first for r in server.body_requests("fma_small.zip")]
    server.requests.clear()
    count = 1000
    folder = fetch_slice(SMALL, 10, here, server.url, retries=quick())
    assert server.body_requests("fma_metadata.zip") == []
    # 40 writes less the two tables and the one that was stopped are clips that stay.
    again = set(first) & {r.first for r in server.body_requests("fma_small.zip")}
    size = len(server.files["fma_small.zip"])
    assert len([start for start in again if start < size - 120_000]) <= slices.AHEAD
    assert len(list(folder.glob("fma_small/*/*.mp3"))) == 80


def test_server_without_ranges_is_told_in_a_sentence(server: Server, here: Path) -> None:
    server.ranges = False
    with pytest.raises(DataError, match=r"no Range requests.*without --per-genre"):
        fetch_slice(SMALL, 3, here, server.url, retries=quick())


def test_archive_that_changes_meanwhile_is_refused(
    server: Server, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    members = slices.clip_members

    def change(*args: object) -> object:
        found = members(*args)  # type: ignore[arg-type]
        server.files["fma_small.zip"] += b" "
        return found

    monkeypatch.setattr(slices, "clip_members", change)
    with pytest.raises(DataError, match="changed while it was read"):
        fetch_slice(SMALL, 3, here, server.url, retries=quick())


def test_malicious_remote_archive_is_refused(server: Server, here: Path, tmp_path: Path) -> None:
    fma_archive.write_zip(tmp_path / "x.zip", {"fma_small/../../000/000002.mp3": b"x"})
    server.files["fma_small.zip"] = (tmp_path / "x.zip").read_bytes()
    with pytest.raises(DataError, match="outside its folder"):
        fetch_slice(SMALL, 3, here, server.url, retries=quick())


def test_metadata_on_this_disk_is_not_fetched(
    archives: fma_archive.Archives, server: Server, here: Path
) -> None:
    here.mkdir()
    (here / "fma_metadata.zip").write_bytes((archives.folder / "fma_metadata.zip").read_bytes())
    fetch_slice(SMALL, 3, here, server.url, retries=quick())
    assert server.body_requests("fma_metadata.zip") == []


def test_proportions_of_the_official_split_are_kept() -> None:
    tracks = fma_archive.make_tracks(100)
    ids = choose_clips(frame(tracks), 25)
    chosen = [t for t in tracks if t.id in set(ids)]
    assert Counter(t.genre for t in chosen) == dict.fromkeys(fma_archive.GENRES, 25)
    assert Counter(t.split for t in chosen) == {"training": 160, "validation": 20, "test": 20}


def test_choice_depends_on_the_seed_alone() -> None:
    table = frame(fma_archive.make_tracks(100))
    assert choose_clips(table, 25) == choose_clips(table.sample(frac=1, random_state=1), 25)
    assert choose_clips(table, 25, seed=1) != choose_clips(table, 25, seed=0)


def test_genre_with_too_few_clips_gives_all() -> None:
    tracks = fma_archive.make_tracks(30, genres=["Rock"]) + fma_archive.make_tracks(
        5, genres=["Pop"], first_id=5000
    )
    ids = choose_clips(frame(tracks), 10)
    assert sum(number >= 5000 for number in ids) == 5
    assert len(ids) == 15


def test_fewer_than_three_a_genre_is_refused() -> None:
    with pytest.raises(DataError, match="3 or more"):
        choose_clips(frame(fma_archive.make_tracks(10)), 2)


@given(
    st.lists(st.integers(0, 900), min_size=3, max_size=3), st.integers(3, 400), st.integers(0, 15)
)
def test_shares_add_up_and_fit(sizes: list[int], wanted: int, turn: int) -> None:
    shares = slices._shares(sizes, wanted, turn)
    assert sum(shares) == min(wanted, sum(sizes))
    assert all(0 <= share <= size for share, size in zip(shares, sizes, strict=True))
    assert all(share > 0 for share, size in zip(shares, sizes, strict=True) if size)
