"""A library: in processes, resumed, each file once, crashes included."""

import json
import os
from pathlib import Path

import pytest
from tones import classify_or_crash_on_three, write_tone

from wavemel.audio.locate import content_hash
from wavemel.errors import ConfigError, ModelError
from wavemel.inference.bundle import ModelDescription
from wavemel.library import library as module
from wavemel.library.find import Found, find
from wavemel.library.library import Library
from wavemel.library.outfile import OutFile, store_path
from wavemel.library.store import Store
from wavemel.library.worker import Job
from wavemel.outputs import OUTPUTS, Layout

ABOUT = {"model": "m"}


@pytest.fixture
def library(model: Path, description: ModelDescription) -> Library:
    return Library(Job(str(model)), description, workers=2)


def resume(library: Library, music: Path, out: Path, form: str = "jsonl") -> dict[str, list]:
    """Run once; return names of what was classified, and of what was skipped."""
    store = Store(store_path(out), ABOUT)
    file = OutFile(out, OUTPUTS[form], Layout(("folk", "jazz", "rock")))
    file.begin(store)
    skipped: list[tuple[str, bool]] = []
    done = [
        os.path.basename(d.path)
        for d in library.resume(
            list(find([str(music)])), store, file, lambda p, f: skipped.append((p, f))
        )
    ]
    store.close()
    return {"done": sorted(done), "skipped": sorted(os.path.basename(p) for p, _ in skipped)}


def paths_in(out: Path) -> list[str]:
    return sorted(os.path.basename(json.loads(line)["path"]) for line in out.open())


NAMES = [f"{i}.wav" for i in range(8)]


def test_processes_and_this_process_agree(
    library: Library, music: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = list(find([str(music)]))
    in_processes = {d.path: d.row for d in library.classify(files)}
    monkeypatch.setattr(module, "_FEW", 100)
    here = {d.path: d.row for d in library.classify(files)}
    assert in_processes == here
    assert [row["reason"] for _, row in sorted(here.items())] == [None] * 7 + ["empty"]


def test_a_place_that_cannot_be_looked_into_is_a_row(library: Library) -> None:
    (done,) = library.classify([Found("x", "loop", "is a loop")])
    assert (done.row["error"], done.row["reason"]) == ("is a loop", "loop")


def test_resumed_runs_do_each_file_once(library: Library, music: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    assert resume(library, music, out) == {"done": NAMES, "skipped": []}
    assert paths_in(out) == NAMES
    assert resume(library, music, out) == {"done": [], "skipped": NAMES}
    write_tone(music / "new.wav", 9, 1.5)
    write_tone(music / "3.wav", 10, 1.5)  # the same length, other content
    os.utime(music / "4.wav", (5, 5))  # the same content
    again = resume(library, music, out)
    assert again["done"] == ["3.wav", "new.wav"]
    assert "4.wav" in again["skipped"]
    assert paths_in(out) == [*NAMES, "new.wav"]


@pytest.mark.parametrize("often", [1, 2])
def test_a_file_that_changes_while_it_is_classified(
    often: int, library: Library, music: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_FEW", 100)
    other = iter(range(20, 20 + often))

    def hash_after_a_change(path: str) -> str:
        if path.endswith("3.wav") and (number := next(other, None)) is not None:
            write_tone(Path(path), number, 1.5)  # of the same size
        return content_hash(path)

    monkeypatch.setattr("wavemel.library.worker.content_hash", hash_after_a_change)
    out, fresh = tmp_path / "out.jsonl", tmp_path / "fresh.jsonl"
    resume(library, music, out)
    (row,) = (row for row in map(json.loads, out.open()) if row["path"].endswith("3.wav"))
    assert row["reason"] == (None if often == 1 else "changing")
    assert resume(library, music, out)["done"] == ([] if often == 1 else ["3.wav"])
    resume(library, music, fresh)
    assert sorted(out.open()) == sorted(fresh.open())


def test_renamed_files_take_their_results_along(
    library: Library, music: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.jsonl"
    resume(library, music, out)
    (music / "album").mkdir()
    (music / "3.wav").rename(music / "album" / "new.wav")
    (music / "4.wav").rename(music / "gone.txt")
    write_tone(music / "4.wav", 11, 1.5)
    again = resume(library, music, out)
    assert again["done"] == ["4.wav"]
    assert "new.wav" in again["skipped"]
    assert paths_in(out) == sorted([*(set(NAMES) - {"3.wav"}), "new.wav"])


@pytest.mark.parametrize("form", ["json", "csv", "parquet", "table"])
def test_every_format_is_resumed(
    library: Library, music: Path, tmp_path: Path, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_FEW", 100)
    whole, resumed = tmp_path / "whole", tmp_path / "resumed"
    resume(library, music, whole, form)
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    for name in NAMES[4:]:
        (music / name).rename(hidden / name)
    resume(library, music, resumed, form)
    for name in NAMES[4:]:
        (hidden / name).rename(music / name)
    assert resume(library, music, resumed, form)["done"] == NAMES[4:]
    assert resumed.read_bytes() == whole.read_bytes()


def test_a_file_of_results_that_was_cut_or_lost_is_written_anew(
    library: Library, music: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.jsonl"
    resume(library, music, out)
    whole = out.read_bytes()
    for damaged in (whole[:-30], whole + b'{"path": "half', b""):
        out.write_bytes(damaged)
        assert resume(library, music, out)["done"] == []
        assert out.read_bytes() == whole
    out.unlink()
    resume(library, music, out)
    assert out.read_bytes() == whole


@pytest.mark.parametrize("form", ["csv", "json"])
def test_what_others_made_of_the_file_is_put_aside(
    library: Library, music: Path, tmp_path: Path, form: str
) -> None:
    out = tmp_path / f"out.{form}"
    resume(library, music, out, form)
    whole = out.read_bytes()
    for name in ("old", "old2"):
        edited = whole.replace(b"\n", b",mine\n")
        out.write_bytes(edited)
        write_tone(music / "3.wav", 10 + len(name), 1.5)
        assert resume(library, music, out, form)["done"] == ["3.wav"]
        assert out.read_bytes() != edited
        assert out.with_name(f"{out.name}.{name}").read_bytes() == edited
    assert len(list(tmp_path.glob("out*"))) == 4


@pytest.mark.skipif(os.name != "posix", reason="access rights of POSIX")
def test_the_file_keeps_its_access_rights(library: Library, music: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    resume(library, music / "0.wav", out)
    out.chmod(0o600)
    write_tone(music / "0.wav", 9, 1.5)  # its row is replaced: the file is written anew
    assert resume(library, music / "0.wav", out)["done"] == ["0.wav"]
    assert out.stat().st_mode & 0o777 == 0o600


def test_another_format_or_layout_writes_the_file_anew(
    library: Library, music: Path, tmp_path: Path
) -> None:
    out, fresh = tmp_path / "out", tmp_path / "fresh"
    resume(library, music, out, "jsonl")
    write_tone(music / "new.wav", 9, 1.5)
    resume(library, music, out, "csv")
    resume(library, music, fresh, "csv")
    assert sorted(out.read_bytes().splitlines()) == sorted(fresh.read_bytes().splitlines())


def test_few_files_leave_nothing_of_the_store_open(
    library: Library, music: Path, tmp_path: Path
) -> None:
    resume(library, music / "0.wav", tmp_path / "out.jsonl")
    beside = sorted(p.name for p in tmp_path.iterdir() if p.is_file())
    assert beside == ["out.jsonl", "out.jsonl.state"]  # SQLite's log goes with the last that closes


def test_interrupted_runs_keep_what_was_done(
    library: Library, music: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_FEW", 100)
    out = tmp_path / "out.jsonl"
    store = Store(store_path(out), ABOUT)
    file = OutFile(out, OUTPUTS["jsonl"], Layout(("folk", "jazz", "rock")))
    running = library.resume(list(find([str(music)])), store, file)
    kept = [os.path.basename(next(running).path) for _ in range(3)]
    assert paths_in(out) == sorted(kept)  # already there
    running.close()
    store.close()
    assert resume(library, music, out)["skipped"] == sorted(kept)
    assert paths_in(out) == NAMES


def test_a_file_that_crashes_the_decoder_costs_only_itself(
    library: Library, music: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "work", classify_or_crash_on_three)
    rows = {os.path.basename(d.path): d.row for d in library.classify(list(find([str(music)])))}
    assert sorted(rows) == NAMES
    assert rows["3.wav"]["reason"] == "crash"
    assert rows["3.wav"]["error"] == "makes the decoder crash"
    assert sum(row["error"] is None for row in rows.values()) == 6


def test_a_model_that_cannot_be_loaded_ends_the_run(
    description: ModelDescription, music: Path, tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match="holds no exported model"):
        list(Library(Job(str(tmp_path)), description).classify(list(find([str(music)]))))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("none/out.jsonl", "there is no folder"),
        ("music", "is a folder"),
        ("taken.jsonl", "remove it"),
        ("x" * 232 + ".jsonl", "its name is too long"),
    ],
)
def test_places_where_no_results_can_go(
    name: str, message: str, music: Path, tmp_path: Path
) -> None:
    (tmp_path / "taken.jsonl").write_text("{}")
    with pytest.raises(ConfigError, match=message):
        OutFile(tmp_path / name, OUTPUTS["jsonl"], Layout(()))
