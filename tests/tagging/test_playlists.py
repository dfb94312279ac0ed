"""Playlists by genre."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from wavemel.errors import ConfigError
from wavemel.tagging.mapping import GenreMap
from wavemel.tagging.playlists import Playlist, by_genre, others, write_playlists
from wavemel.tagging.verdicts import Verdict

RESULTS = [
    Verdict("m/10.mp3", [("rock", 0.9), ("pop", 0.1)]),
    Verdict("m/2.mp3", [("rock", 0.6), ("pop", 0.4)]),
    Verdict("m/3.mp3", [("pop", 0.8)]),
    Verdict("m/4.mp3", [("pop", 0.4)]),
    Verdict("m/5.mp3", [("pop", 0.9)], unsure=True),
    Verdict("m/6.mp3", error="is empty"),
]


def test_files_stand_under_their_genre_in_natural_order() -> None:
    assert by_genre(RESULTS) == [
        Playlist("pop", (("m/3.mp3", 0.8),)),
        Playlist("rock", (("m/2.mp3", 0.6), ("m/10.mp3", 0.9))),
    ]


def test_more_genres_mapped_names_and_unsure_files_on_demand() -> None:
    mapping = GenreMap({"rock": ["Loud"], "pop": ["Loud", "Light"]})
    lists = by_genre(RESULTS, top=2, min_confidence=0.4, mapping=mapping, unsure=True)
    assert [(p.genre, [t[0] for t in p.tracks]) for p in lists] == [
        ("Light", ["m/2.mp3", "m/3.mp3", "m/4.mp3", "m/5.mp3"]),
        ("Loud", ["m/2.mp3", "m/3.mp3", "m/4.mp3", "m/5.mp3", "m/10.mp3"]),
    ]
    assert dict(lists[1].tracks)["m/2.mp3"] == 0.6


def test_m3u_names_files_from_its_own_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    song = tmp_path / "m" / "Séculaire.mp3"
    song.parent.mkdir()
    song.write_bytes(b"x")
    lists = by_genre([Verdict("m/Séculaire.mp3", [("rock", 0.9)])])
    written, unheld = write_playlists(lists, "lists/deep")
    assert (written, unheld) == ([Path("lists/deep/rock.m3u8")], [])
    text = written[0].read_bytes().decode("utf-8")
    assert text == (
        "#EXTM3U\n#EXTENC:UTF-8\n#PLAYLIST:rock\n#EXTINF:-1,Séculaire\n../../m/Séculaire.mp3\n"
    )
    assert (written[0].parent / text.splitlines()[-1]).read_bytes() == b"x"
    write_playlists(lists, "lists/deep", relative=False)
    assert written[0].read_text().splitlines()[-1] == str(song)
    assert os.listdir("lists/deep") == ["rock.m3u8"]


def test_m3u_in_a_folder_behind_a_link_still_leads_to_the_files(tmp_path: Path) -> None:
    song = tmp_path / "a" / "song.mp3"
    real = tmp_path / "x" / "y" / "lists"
    for folder in (song.parent, real):
        folder.mkdir(parents=True)
    song.write_bytes(b"x")
    (tmp_path / "link").symlink_to(real)
    (written,), _ = write_playlists([Playlist("rock", ((str(song), 1.0),))], tmp_path / "link")
    assert (written.parent / written.read_text().splitlines()[-1]).read_bytes() == b"x"


def test_names_that_m3u_cannot_hold_are_told_and_json_holds_them(tmp_path: Path) -> None:
    odd = ["/m/a\nb.mp3", "/m/\udcff.mp3"]
    lists = [Playlist("rock", tuple((path, 0.5) for path in [*odd, "/m/c.mp3"]))]
    (written,), unheld = write_playlists(lists, tmp_path)
    assert unheld == odd
    assert written.read_text().count("#EXTINF") == 1
    (written,), unheld = write_playlists(lists, tmp_path, format="json", relative=False)
    assert unheld == []
    assert json.loads(written.read_text()) == {
        "name": "rock",
        "tracks": [
            {"path": "/m/a\nb.mp3", "probability": 0.5},
            {"path": r"/m/\xff.mp3", "path_base64": "L20v/y5tcDM=", "probability": 0.5},
            {"path": "/m/c.mp3", "probability": 0.5},
        ],
    }
    for format in ("m3u", "json"):  # a lone surrogate is valid in neither
        (written,), _ = write_playlists(lists, tmp_path, format=format)
        assert b"\\ud" not in written.read_bytes()
        written.read_bytes().decode("utf-8")


def test_any_genre_can_be_written(tmp_path: Path) -> None:
    for format, line in (("m3u", "#PLAYLIST:r?o ck"), ("json", '"name": "r?o\\nck"')):
        (written,), _ = write_playlists([Playlist("r\ud800o\nck", ())], tmp_path, format=format)
        assert line in written.read_bytes().decode("utf-8")


def test_a_song_that_looks_like_a_comment_is_no_comment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (written,), _ = write_playlists([Playlist("rock", (("#1.mp3", 0.5),))], ".")
    assert written.read_text().splitlines()[-1] == "./#1.mp3"


def test_genres_become_file_names_that_differ(tmp_path: Path) -> None:
    genres = ["AC/DC", "AC:DC", "ac-dc", "..", "Ünï", "x" * 400]
    written, _ = write_playlists([Playlist(g, ()) for g in genres], tmp_path)
    names = [path.name for path in written]
    assert names[:5] == ["AC-DC.m3u8", "AC-DC 2.m3u8", "ac-dc 3.m3u8", "genre.m3u8", "Ünï.m3u8"]
    assert len(os.listdir(tmp_path)) == len(genres)


def test_an_unknown_format_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no playlist format 'm3u9'.*did you mean 'm3u'"):
        write_playlists([], tmp_path, format="m3u9")


@pytest.mark.parametrize(("p", "top"), [(7.0, 1), (-0.1, 1), (float("nan"), 1), (0.5, 0)])
def test_limits_that_no_result_can_meet_are_refused(p: float, top: int) -> None:
    with pytest.raises(ConfigError, match=r"--min-confidence is a probab|--top is 1 or more"):
        by_genre(RESULTS, min_confidence=p, top=top)


def test_a_folder_that_cannot_be_one_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("words")
    for to in (tmp_path / "file", tmp_path / "file" / "x", tmp_path / ("x" * 300)):
        with pytest.raises(ConfigError, match="is no folder that playlists can be put into: "):
            write_playlists([Playlist("rock", ())], to)
    (tmp_path / "rock.m3u8").mkdir()
    with pytest.raises(ConfigError, match=r"rock\.m3u8 cannot be written: "):
        write_playlists([Playlist("rock", ())], tmp_path)
    assert sorted(os.listdir(tmp_path)) == ["file", "rock.m3u8"]


def test_playlists_of_earlier_runs_are_told_from_other_files(tmp_path: Path) -> None:
    older, _ = write_playlists([Playlist("pop", ()), Playlist("rock", ())], tmp_path)
    listed, _ = write_playlists([Playlist("pop", ())], tmp_path, format="json")
    (tmp_path / "mine.m3u8").write_text("#EXTM3U\n#PLAYLIST:mine\n")
    (tmp_path / "package.json").write_text('{"name": "x"}')
    (tmp_path / "folder.m3u8").mkdir()
    written, _ = write_playlists([Playlist("rock", ())], tmp_path)
    assert others(tmp_path, written) == [older[0]]
    assert others(tmp_path, [], format="json") == listed


@pytest.mark.parametrize(("format", "name"), [("m3u", "rock.m3u8"), ("json", "rock.json")])
def test_a_file_of_another_origin_is_not_replaced(tmp_path: Path, format: str, name: str) -> None:
    own = tmp_path / name
    own.write_text("#EXTM3U\nmine.mp3\n")
    lists = [Playlist("pop", ()), Playlist("rock", ())]
    with pytest.raises(ConfigError, match=rf"{re.escape(name)} exists, and is no playlist that"):
        write_playlists(lists, tmp_path, format=format)
    assert own.read_text() == "#EXTM3U\nmine.mp3\n"
    assert os.listdir(tmp_path) == [name]
    own.write_text("")
    write_playlists(lists, tmp_path, format=format)
    written, _ = write_playlists(lists, tmp_path, format=format)
    assert own in written
