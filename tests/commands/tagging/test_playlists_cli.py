"""`wavemel playlists` as typed."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from wavemel.errors import ConfigError

Run = Callable[..., Result]


def test_playlists(run: Run, results: Path, songs: list[Path], tmp_path: Path) -> None:
    result = run("playlists", results, "--to", tmp_path / "lists")
    assert result.exit_code == 0
    written = tmp_path / "lists" / "electronic.m3u8"
    assert result.stdout == f"{written}: 3 tracks\n"
    named = [line for line in written.read_text().splitlines() if not line.startswith("#")]
    assert [(written.parent / name).resolve() for name in named] == songs
    run("playlists", results, "--to", tmp_path / "lists", "--format", "json", "--absolute")
    tracks = json.loads((tmp_path / "lists" / "electronic.json").read_text())["tracks"]
    assert tracks == [{"path": str(song), "probability": 0.8} for song in songs]
    none = run("playlists", results, "--to", tmp_path / "lists", "--min-confidence", "0.9")
    assert "no result is sure enough" in none.stderr
    assert f"{written}: is a playlist of an earlier run, left as it is" in none.stderr
    for words in (("--top", "0"), ("--min-confidence", "7")):
        with pytest.raises(ConfigError, match=f"{words[0]} is "):
            run("playlists", results, "--to", tmp_path / "refused", *words)
    assert not (tmp_path / "refused").exists()


def test_names_that_an_m3u_cannot_hold_are_named_and_not_counted(run: Run, tmp_path: Path) -> None:
    results = tmp_path / "r.jsonl"
    # A name of bytes that are no UTF-8, and one of two lines.
    names = [{"path": "a.ogg"}, {"path": "b\\xe9.ogg", "path_base64": "Yukub2dn"}]  # fmt: skip
    genres = [{"genre": "rock", "probability": 0.9}]
    rows = [{**name, "genres": genres} for name in (*names, {"path": "c\nd.ogg"})]
    results.write_text("".join(json.dumps(row) + "\n" for row in rows))
    ran = run("playlists", results, "--to", tmp_path / "lists")
    assert ran.exit_code == 1
    assert ran.stdout == f"{tmp_path / 'lists' / 'rock.m3u8'}: 1 tracks, 2 left out\n"
    assert ran.stderr.count("its name cannot stand in an M3U file (--format json holds it)") == 2
    as_json = run("playlists", results, "--to", tmp_path / "lists", "--format", "json")
    assert as_json.exit_code == 0
    assert as_json.stdout == f"{tmp_path / 'lists' / 'rock.json'}: 3 tracks\n"


def test_an_empty_name_is_not_the_current_folder(
    run: Run, results: Path, songs: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(songs[0].parent)
    with pytest.raises(ConfigError, match="--to is an empty name"):
        run("playlists", results, "--to", "")
    assert sorted(os.listdir()) == [song.name for song in songs]
