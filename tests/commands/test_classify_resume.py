"""`wavemel classify --out`: killed, interrupted, shared, it does each file once."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tones import write_tone
from typed import Run, paths_in, wait_for

from wavemel.commands import classifying
from wavemel.commands.endings import Stopped
from wavemel.library.done import Done, Taken
from wavemel.library.outfile import store_path
from wavemel.library.store import Store
from wavemel.outputs.rows import error_row
from wavemel.tagging.verdicts import read_results


def library(folder: Path, count: int) -> list[str]:
    for i in range(count):
        write_tone(folder / f"{i:02}.wav", i, 1.2)
    return sorted(str(p) for p in folder.iterdir())


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="kill -9")
def test_killed_at_random_points_each_file_is_classified_once(
    environment: dict[str, str], tmp_path: Path
) -> None:
    """Kill the run, and at times its processes, with SIGKILL, until it ends by itself."""
    files = library(tmp_path / "music", 40)
    out = tmp_path / "out.jsonl"
    command = [sys.executable, "-m", "wavemel", "classify", str(tmp_path / "music"), "--out", str(out), "--jobs", "2"]  # fmt: skip
    chance = random.Random(0)
    kept: set[str] = set()

    def lines() -> list[str]:
        return out.read_text().splitlines(keepends=True) if out.exists() else []

    for _ in range(10):
        process = subprocess.Popen(
            command, env=environment, stderr=subprocess.DEVNULL, start_new_session=True
        )
        # At any moment: while it starts, between files, within one.
        target = len(kept) + chance.randint(0, 6)
        wait_for(lambda p=process, n=target: len(lines()) >= n or p.poll() is not None)
        time.sleep(chance.uniform(0, 0.05) if target > len(kept) else chance.uniform(0, 1))
        if chance.random() < 0.5 and process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)  # its workers, too
        process.kill()
        process.wait()
        whole = [line for line in lines() if line.endswith("\n")]
        done = {json.loads(line)["path"] for line in whole}
        assert kept <= done  # nothing that was kept is lost
        assert len(done) == len(whole)
        kept = done
    assert kept
    assert subprocess.run(command, env=environment, check=False).returncode == 0
    assert paths_in(out) == files


def test_several_runs_on_one_store_share_the_work(
    environment: dict[str, str], tmp_path: Path
) -> None:
    files = library(tmp_path / "music", 24)
    out = tmp_path / "out.jsonl"
    command = [sys.executable, "-m", "wavemel", "classify", str(tmp_path / "music"), "--out", str(out), "--jobs", "1"]  # fmt: skip
    running = [
        subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    said = [process.communicate()[1] for process in running]
    assert [process.returncode for process in running] == [0, 0, 0], said
    assert paths_in(out) == files
    before = [int(m[1]) if (m := re.search(r"(\d+) done before", s)) else 0 for s in said]
    assert sum(24 - b for b in before) == 24  # each file by one of them


def test_ctrl_c_keeps_what_was_done(environment: dict[str, str], tmp_path: Path) -> None:
    # So many that it is not done before it is told to stop.
    library(tmp_path / "music", 400)
    out = tmp_path / "out.jsonl"
    process = subprocess.Popen(
        [sys.executable, "-m", "wavemel", "classify", str(tmp_path / "music"), "--out", str(out)],
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    wait_for(lambda: out.exists() and out.read_text().count("\n") > 2)
    os.killpg(process.pid, signal.SIGINT)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 130, said
    assert "Traceback" not in said
    assert out.read_text().endswith("\n")


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("all_of_it", [False, True])
def test_stopped_it_says_one_line(
    keep: bool,
    number: signal.Signals,
    code: int,
    all_of_it: bool,
    environment: dict[str, str],
    tmp_path: Path,
) -> None:
    library(tmp_path / "music", 400)
    out, shown = tmp_path / "out.jsonl", tmp_path / "shown.jsonl"
    command = [sys.executable, "-m", "wavemel", "classify", str(tmp_path / "music"), "--workers", "2"]  # fmt: skip
    with shown.open("wb") as file:
        process = subprocess.Popen(
            [*command, *(("--out", str(out)) if keep else ("--format", "jsonl"))],
            env=environment,
            stdout=file,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
    rows = out if keep else shown
    wait_for(lambda: rows.exists() and rows.read_text().count("\n") > 2)
    # A terminal tells the whole group, `kill` the program alone.
    (os.killpg if all_of_it else os.kill)(process.pid, number)
    said = process.communicate(timeout=60)[1]
    kept = ": what was done is kept, run again to go on" if keep else ""
    assert (process.returncode, said) == (code, f"wavemel: stopped{kept}\n")
    assert rows.read_text().endswith("\n")


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_stopped_without_any_worker_it_says_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stopped(_: classifying.Request) -> int:
        assert callable(signal.getsignal(signal.SIGTERM))
        signal.raise_signal(signal.SIGTERM)
        return 0

    monkeypatch.setattr(classifying, "_run", stopped)
    with pytest.raises(Stopped) as end:
        classifying.run(classifying.Request(out=Path("out.jsonl")))
    said = "wavemel: stopped: what was done is kept, run again to go on\n"
    assert (end.value.code, capsys.readouterr().err) == (143, said)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_paths_are_counted_from_one_folder(run: Run, tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_tone(tmp_path / name / "x.wav", len(name), 1.2)
    out = tmp_path / "out.jsonl"
    assert run("classify", "x.wav", "--out", str(out), cwd=tmp_path / "a").code == 0
    other = run("classify", "x.wav", "--out", str(out), cwd=tmp_path / "b")
    assert (other.code, "counted from" in other.err) == (2, True)
    # By its full name a file can join them from anywhere.
    assert (
        run("classify", str(tmp_path / "b/x.wav"), "--out", str(out), cwd=tmp_path / "b").code == 0
    )
    assert paths_in(out) == [str(tmp_path / "b" / "x.wav"), "x.wav"]
    # Whoever reads the results elsewhere gets the file that was meant.
    chdir = os.getcwd()
    assert {v.path for v in read_results(out)} == {
        os.path.join(tmp_path, "a", "x.wav"), str(tmp_path / "b" / "x.wav")
    }  # fmt: skip
    assert os.getcwd() == chdir


def test_results_of_files_that_are_gone_are_dropped_when_asked(run: Run, tmp_path: Path) -> None:
    for name in ("music/a.wav", "music/b.wav", "music/album/c.wav", "other/d.wav"):
        write_tone(tmp_path / name, len(name) + ord(name[-5]), 1.2)
    (tmp_path / "music" / "bad.mp3").touch()
    words = ("classify", "music", "other", "--out", "out.csv")
    assert "gone" not in run(*words).err
    (tmp_path / "music" / "a.wav").rename(tmp_path / "music" / "new.wav")
    for name in ("music/b.wav", "music/album/c.wav", "music/bad.mp3", "other/d.wav"):
        (tmp_path / name).unlink()
    again = ("classify", "music", "--out", "out.csv")  # of the other folder nothing is said
    ran = run(*again)
    assert (ran.code, "3 results are of files that are gone: --prune drops them" in ran.err) == (0, True)  # fmt: skip
    assert len(read_results(tmp_path / "out.csv")) == 5
    ran = run(*again, "--prune")
    assert (ran.code, "3 results are of files that are gone: dropped" in ran.err) == (0, True)
    left = {v.path for v in read_results(tmp_path / "out.csv")}
    assert left == {str(tmp_path / name) for name in ("other/d.wav", "music/new.wav")}
    assert "gone" not in run(*again).err
    for wrong in (("music",), ("music/new.wav", "--out", "out.csv")):
        ran = run("classify", *wrong, "--prune")
        assert (ran.code, "--prune drops results in --out" in ran.err) == (2, True)


def test_tagged_files_are_not_classified_again(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("mutagen")
    from wavemel.tagging.files import read_genres, write_genres

    songs = [write_tone(tmp_path / "music" / f"{i}.flac", i, 1.2) for i in range(3)]
    classify = ("classify", "music", "--out", "out.jsonl")
    assert run(*classify).code == 0
    write_genres(songs[2], ["By hand"])  # no longer the bytes that were classified
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    state = {"WAVEMEL_STATE": str(tmp_path / "state")}
    words = ("--apply", "--overwrite", "--force", "--unsure", "--min-confidence", "0")
    tagged = run("tag", "--from", tmp_path / "out.jsonl", *words, cwd=elsewhere, **state)
    assert (tagged.code, "3 files tagged" in tagged.err) == (0, True)
    assert read_genres(songs[2]) != ["By hand"]
    again = run(*classify)
    assert "3 files, 2 done before" in again.err
    assert sorted(p.name for p in tmp_path.glob("out*")) == ["out.jsonl", "out.jsonl.state"]


@pytest.mark.skipif(os.name != "posix", reason="links and pipes")
def test_links_are_followed_and_pipes_refused(run: Run, tmp_path: Path) -> None:
    write_tone(tmp_path / "x.wav", 0, 1.2)
    (tmp_path / "real").mkdir()
    link = tmp_path / "out.csv"
    link.symlink_to(tmp_path / "real" / "results.csv")
    assert run("classify", "x.wav", "--out", "out.csv").code == 0
    assert link.is_symlink()
    assert (tmp_path / "real" / "results.csv").read_text().startswith("path,")
    assert run("classify", "x.wav", "--out", "out.csv").code == 0  # and continues there
    os.mkfifo(tmp_path / "pipe.csv")
    ran = run("classify", "x.wav", "--out", "pipe.csv")
    assert (ran.code, "is no file: redirect" in ran.err) == (2, True)
    assert (tmp_path / "pipe.csv").is_fifo()


def test_what_a_killed_process_was_writing_is_swept(run: Run, tmp_path: Path) -> None:
    write_tone(tmp_path / "x.wav", 0, 1.2)
    (tmp_path / ".out.csv.wavemel-ab12_xyz").write_text("half")
    others = [".out.csv.20261126", ".out.csv.mine.txt", ".out.csv.original"]
    for name in others:
        (tmp_path / name).write_text("not ours")
    assert run("classify", "x.wav", "--out", "out.csv").code == 0
    assert sorted(p.name for p in tmp_path.glob(".out.csv*")) == others


def test_a_folder_that_can_be_read_again_has_no_row_left(run: Run, tmp_path: Path) -> None:
    write_tone(tmp_path / "music" / "x.wav", 0, 1.2)
    out = tmp_path / "out.jsonl"
    store = Store(store_path(out), None)
    try:
        folder = str(tmp_path / "music")
        assert store.take(folder) is Taken.YOURS
        with store.transaction():
            store.finish(Done(folder, error_row(folder, "permission", "cannot be read", "m")))
        store.retire()
        assert store.count() == 0
        assert store.note("stale") == "yes"
    finally:
        store.close()
