"""`wavemel tag` as typed, with results that are given."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from wavemel.commands import tag as command
from wavemel.commands.tag_lines import show_changes
from wavemel.errors import ConfigError, DataError, MissingExtraError
from wavemel.tagging.files import read_genres, write_genres

Run = Callable[..., Result]


def test_a_dry_run_shows_a_diff_and_writes_nothing(
    run: Run, results: Path, songs: list[Path], state: Path
) -> None:
    write_genres(songs[1], ["Rock"])
    before = [song.read_bytes() for song in songs]
    result = run("tag", "--from", results, "--overwrite")
    assert result.exit_code == 0
    assert f"write {songs[0]}: (none) -> electronic (electronic 0.80)" in result.stdout
    assert f"write {songs[1]}: Rock -> electronic (electronic 0.80)" in result.stdout
    assert "3 files to tag, 0 left alone, 0 failed; --apply writes" in result.stderr
    assert [song.read_bytes() for song in songs] == before
    assert not state.exists()


def test_a_terminal_gets_a_diff_in_colours(
    run: Run, results: Path, songs: list[Path], monkeypatch: pytest.MonkeyPatch, capsys
) -> None:  # type: ignore[no-untyped-def]
    write_genres(songs[1], ["Rock"])
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    from wavemel.tagging.plan import Change

    show_changes([Change("/m/[b].mp3", ["Rock"], ["Pop"], "pop 0.90")], False, planned=True)
    shown = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)
    assert "/m/[b].mp3" in shown
    assert "  - Rock" in shown
    assert "  + Pop   pop 0.90" in shown


def test_results_of_files_that_are_gone_are_no_failures(
    run: Run, results: Path, songs: list[Path], tmp_path: Path
) -> None:
    songs[0].unlink()
    note = f"holds results of 1 files that are gone, such as {songs[0]} (classify --prune"
    result = run("tag", "--from", results)
    assert result.exit_code == 0
    assert note in result.stderr
    assert "2 files to tag, 0 left alone, 0 failed" in result.stderr
    result = run("playlists", results, "--to", tmp_path / "lists")
    assert (result.exit_code, note in result.stderr) == (0, True)
    assert "3 tracks" in result.stdout
    for song in songs[1:]:
        song.unlink()
    with pytest.raises(DataError, match="none of its files is where it was"):
        run("tag", "--from", results)


def test_apply_writes_and_undo_restores(
    run: Run, results: Path, songs: list[Path], tmp_path: Path, state: Path
) -> None:
    write_genres(songs[1], ["Rock", "Pop"])
    mapping = tmp_path / "map.txt"
    mapping.write_text("electronic = Electronica; Dance\n")
    result = run("tag", "--from", results, "--mapping", mapping, "--apply")
    assert result.exit_code == 0
    assert "2 files tagged, 1 left alone, 0 failed" in result.stderr
    assert [read_genres(song) for song in songs] == [
        ["Electronica", "Dance"],
        ["Rock", "Pop"],
        ["Electronica", "Dance"],
    ]
    (journal,) = state.iterdir()
    assert f"take it back with: wavemel tag --undo {journal}" in result.stderr
    undone = run("tag", "--undo")
    assert undone.exit_code == 0
    assert "2 files restored, 0 had nothing to restore, 0 failed" in undone.stderr
    assert [read_genres(song) for song in songs] == [[], ["Rock", "Pop"], []]
    again = run("tag", "--undo", journal)
    assert "0 files restored, 2 had nothing to restore" in again.stderr


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_stopped_it_says_how_to_take_back_what_was_written(
    number: signal.Signals,
    code: int,
    run: Run,
    results: Path,
    songs: list[Path],
    state: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def stop(_: object) -> None:
        assert callable(signal.getsignal(number))
        signal.raise_signal(number)

    with monkeypatch.context() as patch:
        patch.setattr(command, "show_outcome", stop)
        stopped = run("tag", "--from", results, "--apply")
        (journal,) = state.iterdir()
        back = f"take it back with: wavemel tag --undo {journal}"
        assert (stopped.exit_code, stopped.stderr) == (
            code, f"stopped: what was written is kept; {back}\n"
        )  # fmt: skip
        assert [read_genres(song) for song in songs] == [["electronic"], [], []]
        undone = run("tag", "--undo")
        assert undone.exit_code == code
        assert undone.stderr.endswith("stopped: what was restored is kept, run again to go on\n")
    assert "0 files restored, 1 had nothing to restore" in run("tag", "--undo").stderr


def test_undo_refuses_changed_files_with_exit_1_unless_forced(
    run: Run, results: Path, songs: list[Path], tmp_path: Path
) -> None:
    journal = tmp_path / "own.jsonl"
    run("tag", "--from", results, "--apply", "--journal", journal)
    write_genres(songs[0], ["By hand"])
    result = run("tag", "--undo", journal)
    assert result.exit_code == 1
    assert f"failed {songs[0]}: has changed since it was tagged" in result.stdout
    assert [read_genres(song) for song in songs] == [["By hand"], [], []]
    assert run("tag", "--undo", "--journal", journal, "--force").exit_code == 0
    assert read_genres(songs[0]) == []


def test_without_backup_there_is_no_journal(
    run: Run, results: Path, songs: list[Path], state: Path
) -> None:
    result = run("tag", "--from", results, "--apply", "--no-backup")
    assert "--undo" not in result.stderr
    assert not state.exists()
    assert read_genres(songs[0]) == ["electronic"]


def test_no_other_file_is_written_to_as_a_journal(
    run: Run, results: Path, songs: list[Path], heard: list[str]
) -> None:
    before = songs[1].read_bytes()
    for words in (("--from", results), (songs[0],)):
        with pytest.raises(DataError, match=r"b\.flac is no journal of 'wavemel tag'"):
            run("tag", *words, "--apply", "--journal", songs[1])
    assert songs[1].read_bytes() == before
    assert heard == []
    assert read_genres(songs[0]) == []


def test_paths_choose_among_the_results(run: Run, results: Path, songs: list[Path]) -> None:
    run("tag", songs[0], "--from", results, "--apply")
    assert [read_genres(song) for song in songs] == [["electronic"], [], []]
    run("tag", songs[0].parent, "--from", results, "--apply")
    assert [read_genres(song) for song in songs] == [["electronic"]] * 3
    with pytest.raises(ConfigError, match="holds none of the PATHs"):
        run("tag", songs[0].parent.parent / "other", "--from", results)


def test_an_empty_name_is_not_the_current_folder(
    run: Run, results: Path, songs: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(songs[0].parent)
    with pytest.raises(ConfigError, match="holds none of the PATHs"):
        run("tag", "", "--from", results, "--apply")
    assert sorted(os.listdir()) == [song.name for song in songs]


def test_a_failed_file_is_a_row_and_exit_1(run: Run, results: Path, songs: list[Path]) -> None:
    songs[0].write_bytes(b"")
    songs[1].write_text("words")
    result = run("tag", "--from", results, "--apply", "--all")
    assert result.exit_code == 1
    assert f"failed {songs[0]}: " in result.stdout
    assert f"failed {songs[1]}: holds nothing that genres can be written to" in result.stdout
    assert "1 files tagged, 0 left alone, 2 failed" in result.stderr
    assert read_genres(songs[2]) == ["electronic"]


def test_files_left_alone_are_shown_on_demand(run: Run, results: Path, songs: list[Path]) -> None:
    result = run("tag", "--from", results, "--min-confidence", "0.9", "--all")
    assert result.stdout.count("electronic 0.80 is below 0.9") == 3
    assert run("tag", "--from", results, "--min-confidence", "0.9").stdout == ""


def test_a_mapping_is_checked(run: Run, results: Path, tmp_path: Path) -> None:
    mapping = tmp_path / "map.txt"
    mapping.write_text("jazz = Jazz\n")
    assert (
        "names 'jazz', which no result does"
        in run("tag", "--from", results, "--mapping", mapping).stderr
    )
    mapping.write_text("electronik = Dance\n")
    with pytest.raises(ConfigError, match="did you mean 'electronic'"):
        run("tag", "--from", results, "--mapping", mapping)


@pytest.mark.skipif(not os.path.isdir("/dev/fd"), reason="the system has no files for pipes")
def test_a_mapping_may_come_through_a_pipe(run: Run, results: Path, songs: list[Path]) -> None:
    pipe, end = os.pipe()
    os.write(end, b"electronic = Dance")
    os.close(end)
    run("tag", "--from", results, "--mapping", f"/dev/fd/{pipe}", "--apply")
    os.close(pipe)
    assert [read_genres(song) for song in songs] == [["Dance"]] * 3


def test_calls_that_do_not_hold_are_named(
    run: Run, results: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="nothing to tag"):
        run("tag")
    with pytest.raises(ConfigError, match="--model classifies anew"):
        run("tag", "--from", results, "--model", "m")
    with pytest.raises(ConfigError, match="--undo takes one journal"):
        run("tag", "--undo", "a", "b")
    with pytest.raises(DataError, match="there is no results file"):
        run("tag", "--from", tmp_path / "none.jsonl")
    monkeypatch.setitem(sys.modules, "mutagen", None)
    with pytest.raises(MissingExtraError, match=r"wavemel\[tags\]"):
        run("tag", "--from", results)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--undo --from r.jsonl", "--undo restores what a journal says, and takes no --from"),
        ("--undo --apply", "takes no --apply"),
        ("--undo --no-backup", "takes no --no-backup"),
        ("--undo j.jsonl -m tiny", "takes no --model"),
        ("--undo --min-confidence 0.5", "takes no --min-confidence"),
        ("a.mp3 --force", "--force is for files that have changed: give --undo or --from too"),
        ("--from r.jsonl -j 2", "--workers classifies anew and --from takes old results"),
        ("a.mp3 --apply --no-backup --journal j.jsonl", "--no-backup keeps none"),
        ("-", "holds no tags to write"),
        ("a.mp3 --top 0", "--top is 1 or more"),
        ("a.mp3 --min-confidence 7", "--min-confidence is a probability"),
        ("a.mp3 --mapping none.txt", "the mapping none.txt cannot be read"),
    ],
)
def test_options_that_do_not_fit_together_are_named(
    words: str, said: str, run: Run, heard: list[str]
) -> None:
    with pytest.raises(ConfigError, match=re.escape(said)):
        run("tag", *words.split())
    assert heard == []


def test_times_are_kept_on_demand_by_undo_too(run: Run, results: Path, songs: list[Path]) -> None:
    def times() -> list[float]:
        return [song.stat().st_mtime for song in songs]

    for song in songs:
        os.utime(song, (1_000_000_000, 1_000_000_000))
    run("tag", "--from", results, "--apply", "--backup", "--keep-times")
    assert times() == [1_000_000_000] * 3
    assert run("tag", "--undo", "--keep-times").exit_code == 0
    assert times() == [1_000_000_000] * 3
    assert read_genres(songs[0]) == []
    run("tag", "--from", results, "--apply", "--keep-times")
    run("tag", "--undo")
    assert min(times()) > 1_000_000_000


def test_the_help_says_what_comes_out_and_shows_examples(run: Run) -> None:
    said = " ".join(run("tag", "--help").stdout.split())
    for part in ("[PATH...]", "It exits 0", "wavemel tag --undo", "-m"):
        assert part in said
    assert "[[PATH" not in said


def test_the_command_imports_nothing_heavy_until_it_runs() -> None:
    code = (
        "import sys, typer; from wavemel.commands import tag; tag.register(typer.Typer()); "
        "import wavemel.tagging.plan, wavemel.tagging.undo, wavemel.tagging.playlists; "
        "heavy = {'mutagen', 'torch', 'pandas', 'pyarrow', 'numpy', 'soundfile'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
