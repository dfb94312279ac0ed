"""`wavemel classify`, `watch` and `listen`, as typed."""

from __future__ import annotations

import io
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tiny_model import CLASSES, RATE, sounds, tiny_model
from tones import tone, write_tone


@dataclass
class Ran:
    code: int
    out: bytes
    err: str

    def rows(self) -> list[dict]:
        return [json.loads(line) for line in self.out.decode("utf-8").splitlines()]


Run = Callable[..., Ran]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    models = tmp_path_factory.mktemp("models")
    tiny_model(models)
    state = str(tmp_path_factory.mktemp("state"))
    # Named, or the model that ships would answer.
    model = {"WAVEMEL_MODELS": str(models), "WAVEMEL_MODEL": "tiny"}
    return {**os.environ, **model, "XDG_STATE_HOME": state}


@pytest.fixture
def run(environment: dict[str, str], tmp_path: Path) -> Run:
    """Run the program as a user does; the current folder is the test's."""

    def call(*words: object, stdin: bytes = b"", **changed: str) -> Ran:
        command = [sys.executable, "-m", "wavemel", *(os.fspath(w) if isinstance(w, Path) else w for w in words)]  # fmt: skip
        done = subprocess.run(
            command,
            input=stdin,
            capture_output=True,
            cwd=tmp_path,
            env={**environment, **changed},
            check=False,
        )
        assert b"Traceback" not in done.stderr, done.stderr.decode()
        return Ran(done.returncode, done.stdout, done.stderr.decode())

    return call


def test_one_file(run: Run, tmp_path: Path) -> None:
    write_tone(tmp_path / "song.wav", 0)
    ran = run("classify", "song.wav")
    assert ran.code == 0
    (line,) = ran.out.decode().splitlines()
    assert line.split()[0] in CLASSES
    assert line.endswith("song.wav")
    (row,) = run("classify", "song.wav", "-f", "jsonl", "--top", "2", "--timeline").rows()
    assert len(row["genres"]) == 2
    assert [(w["start"], w["end"]) for w in row["timeline"]] == [(0, 1), (0.5, 1.5), (1, 2), (1.5, 2.5)]  # fmt: skip
    assert row["model"] == "tiny@0123abcd"


def test_folders_lists_patterns_and_streams(run: Run, tmp_path: Path) -> None:
    names = ["a.wav", "b/c.wav", "new\nline.wav"]
    for i, name in enumerate(names):
        write_tone(tmp_path / "music" / name, i, 1.2)
    paths = [f"music/{name}" for name in names]

    def found(*words: str, stdin: bytes = b"") -> list[str]:
        ran = run("classify", *words, "-f", "jsonl", stdin=stdin)
        assert ran.code == 0
        return sorted(row["path"] for row in ran.rows())

    assert found("music") == sorted(paths)
    assert found("music/**/*.wav") == sorted(paths)
    assert found(stdin="\0".join(paths).encode()) == sorted(paths)
    assert found(stdin="\n".join(paths[:2]).encode()) == sorted(paths[:2])
    assert found("-", stdin=(tmp_path / "music" / "a.wav").read_bytes()) == ["-"]


def bad_files(folder: Path) -> dict[bytes, str | None]:
    """Write files as they come in real life; return each one's expected error, None for none."""
    folder.mkdir()
    song = sounds(1, 3.0, 44_100)[0] * 0.5
    stereo = np.stack([song, song], axis=1)

    def write(name: str, samples: np.ndarray, rate: int = 44_100, **how: str) -> None:
        data = io.BytesIO()
        how = {"format": "WAV", "subtype": "PCM_16", **how}
        soundfile.write(data, samples, rate, **how)
        (folder / name).write_bytes(data.getvalue())

    write("opus.mp3", sounds(1, 3.0, 48_000)[0], 48_000, format="OGG", subtype="OPUS")
    write("mp3.wav", stereo, format="MP3", subtype="MPEG_LAYER_III")
    write("phone.wav", tone(1, 4.0, 8000), 8000, subtype="ULAW")
    write("surround.wav", np.repeat(song[:, None], 8, axis=1))
    write("two seconds.wav", stereo[:88_200])
    write("offset.wav", np.full(88_200, 0.4))
    write("silence.wav", np.zeros(88_200))
    broken = song.copy()
    broken[1000:2000] = np.nan
    write("nan.wav", broken, subtype="FLOAT")
    write("all nan.wav", np.full(44_100, np.nan), subtype="FLOAT")
    write("new\nline.wav", stereo)
    write("x.wav", stereo)
    os.rename(folder / "x.wav", os.path.join(os.fsencode(folder), b"caf\xe9.wav"))
    write("cut.flac", stereo, format="FLAC")
    cut = (folder / "cut.flac").read_bytes()
    (folder / "cut.flac").write_bytes(cut[: len(cut) // 2])
    (folder / "empty.mp3").touch()
    (folder / "text.mp3").write_text("this is not music" * 100)
    (folder / "header.wav").write_bytes(b"RIFF\xff\xff\xff\xffWAVEfmt ")
    (folder / "dead.mp3").symlink_to("nowhere.mp3")
    (folder / "up").symlink_to(folder)
    return {
        b"empty.mp3": "is empty (0 bytes)",
        b"text.mp3": "is not an audio file of a known format",
        b"header.wav": "damaged",
        b"all nan.wav": "finite",
        b"dead.mp3": "does not exist",
        b"up": "is a link to a folder that holds it: not followed",
    }


def test_every_bad_file_has_a_row_that_says_what_happened(run: Run, tmp_path: Path) -> None:
    from wavemel.outputs.rows import path_of

    errors = bad_files(tmp_path / "music")
    ran = run("classify", "music", "-f", "jsonl", "--whole")
    assert ran.code == 1
    rows = {os.path.basename(os.fsencode(path_of(row))): row for row in ran.rows()}
    on_disk = {
        os.path.basename(p) for p in (os.fsencode(x) for x in (tmp_path / "music").iterdir())
    }
    assert set(rows) == on_disk
    for name, row in rows.items():
        expected = errors.get(name)
        if expected is None:
            assert row["error"] is None, name
        else:
            assert expected in row["error"], name
            assert row["genres"] == []
    notes = {name: " ".join(row["notes"]) for name, row in rows.items()}
    assert "silent (digital silence)" in notes[b"silence.wav"]
    assert "silent (digital silence)" in notes[b"offset.wav"]
    assert "1000 samples are no finite numbers" in notes[b"nan.wav"]
    assert "cut short" in notes[b"cut.flac"]
    assert rows[b"cut.flac"]["complete"] is False
    good = {b"opus.mp3", b"mp3.wav", b"phone.wav", b"surround.wav", b"two seconds.wav"}
    for name in good | {b"new\nline.wav", b"caf\xe9.wav"}:
        assert len(rows[name]["genres"]) == 3, name
        assert notes[name] == "", name


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission(run: Run, tmp_path: Path) -> None:
    write_tone(tmp_path / "locked.wav", 0)
    (tmp_path / "locked.wav").chmod(0)
    ran = run("classify", "locked.wav")
    assert ran.code == 1
    assert b"no permission" in ran.out


def test_exit_codes_of_wrong_calls(run: Run, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    write_tone(tmp_path / "a.wav", 0, 1.2)
    wrong: list[tuple[tuple[str, ...], str]] = [
        (("empty",), "no audio files in empty"),
        (("a.wav", "--model", "none"), "there is no model called 'none'"),
        (("a.wav", "--format", "xml"), "no output format called 'xml'"),
        (("a.wav", "--out", "a.xyz"), "which format?"),
        (("a.wav", "--whole", "--seconds", "3"), "exclude each other"),
        (("a.wav", "--tolerance", "2"), "tolerance"),
        (("-", "--out", "x.jsonl"), "redirect standard output"),
        (("-", "a.wav"), "stands alone; a file of that name is ./-"),
        (("a.wav", "-"), "stands alone"),
        ((), "the list of paths on standard input is empty"),
    ]
    for words, message in wrong:
        ran = run("classify", *words)
        assert (ran.code, ran.out) == (2, b""), words
        assert message in ran.err, words
        assert ran.err.count("\n") == 1, words
    ran = run("classify", "a.wav", WAVEMEL_MODEL="gone")
    assert ran.code == 2
    assert "there is no model called 'gone'" in ran.err
    assert "wavemel export RUN --name NAME" in ran.err
    assert run("classify", "nowhere.wav").code == 1  # a row, as for any bad file
    assert run("classify", "-", stdin=b"").code == 1


def test_it_says_how_much_it_read(run: Run, tmp_path: Path) -> None:
    write_tone(tmp_path / "long.wav", 0, 120.0)
    ran = run("classify", "long.wav")
    assert ran.code == 0
    assert "of 2.0 minutes, within 0.1 of the whole files' answers" in ran.err
    assert "--whole reads all" in ran.err
    (row,) = run("classify", "long.wav", "-f", "jsonl", "--seconds", "7").rows()
    assert (row["seconds_read"], row["whole"]) == (7, False)
    whole = run("classify", "long.wav", "--whole", "-f", "jsonl")
    assert whole.err == ""
    assert whole.rows()[0]["seconds_read"] == 120


def test_out_continues_and_counts_earlier_failures(run: Run, tmp_path: Path) -> None:
    for i in range(3):
        write_tone(tmp_path / "music" / f"{i}.wav", i, 1.2)
    (tmp_path / "music" / "bad.mp3").touch()
    first = run("classify", "music", "--out", "out.jsonl")
    assert (first.code, first.out) == (1, b"")
    again = run("classify", "music", "--out", "out.jsonl")
    assert again.code == 1
    assert "4 files, 4 done before, 1 failed" in again.err
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 4
    other = run("classify", "music", "--out", "out.jsonl", "--whole")
    assert other.code == 2
    assert "reading 'tolerance 0.1', not 'whole'" in other.err
    (tmp_path / "music" / "bad.mp3").unlink()
    assert run("classify", "music", "--out", "out.jsonl").code == 0


def test_parquet_loads_in_one_line(run: Run, tmp_path: Path) -> None:
    import duckdb
    import pandas as pd

    bad_files(tmp_path / "music")
    assert run("classify", "music", "--out", "genres.parquet").code == 1
    frame = pd.read_parquet(tmp_path / "genres.parquet")
    assert set(frame["genre"].dropna()) <= set(CLASSES)
    assert len(frame) == len(list((tmp_path / "music").iterdir()))
    failed = duckdb.sql(
        f"select path from '{tmp_path / 'genres.parquet'}' where error is not null"
    ).fetchall()
    assert len(failed) == frame["error"].notna().sum() == 6


def test_a_results_file_that_is_not_ours_is_kept(run: Run, tmp_path: Path) -> None:
    write_tone(tmp_path / "a.wav", 0, 1.2)
    (tmp_path / "notes.csv").write_text("mine")
    ran = run("classify", "a.wav", "--out", "notes.csv")
    assert ran.code == 2
    assert (tmp_path / "notes.csv").read_text() == "mine"


def library(folder: Path, count: int) -> list[str]:
    for i in range(count):
        write_tone(folder / f"{i:02}.wav", i, 1.2)
    return sorted(str(p) for p in folder.iterdir())


def paths_in(out: Path) -> list[str]:
    return sorted(json.loads(line)["path"] for line in out.read_text().splitlines())


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
    library(tmp_path / "music", 30)
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


def wait_for(what: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)


HEAVY = {"torch", "librosa", "pandas", "matplotlib", "scipy", "sklearn", "lightning", "pyarrow"}


@pytest.mark.parametrize(
    "words", [["a.wav"], ["a.wav", "b.wav", "-f", "csv", "--timeline"], ["-h"]]
)
def test_nothing_heavy_is_imported(
    environment: dict[str, str], tmp_path: Path, words: list[str]
) -> None:
    for i, name in enumerate(("a.wav", "b.wav")):
        write_tone(tmp_path / name, i)
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "wavemel", "classify", *words],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    # "import time: self [us] | cumulative | name"
    imported = re.findall(r"^import time:.*\|\s*([\w.]+)$", done.stderr, re.MULTILINE)
    packages = {name.split(".")[0] for name in imported}
    assert not packages & HEAVY
    if words != ["-h"]:
        assert "onnxruntime" in packages
        # Nor what would make starting slower than one file takes.
        assert not packages & {"typer", "pydantic", "rich", "multiprocessing", "sqlite3"}


def test_the_quick_way_reads_what_typer_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every option of one is an option of the other, by the same names, of the same effect."""
    import dataclasses

    import typer.main
    from typer.testing import CliRunner

    from wavemel.commands import classify, classifying, quick

    app = typer.Typer()
    classify.register(app)
    known = {name for p in typer.main.get_command(app).params for name in p.opts if name[0] == "-"}
    known -= {"--help", "--install-completion", "--show-completion"}
    quickly = {name for action in quick.parser()._actions for name in action.option_strings}
    assert quickly == known
    requests = []
    monkeypatch.setattr(classifying, "run", lambda request: requests.append(request) or 0)
    lines = [
        [],
        ["a.mp3"],
        ["a.mp3", "b", "--model", "m", "--top", "2", "--timeline", "--format", "csv"],
        ["-m", "m", "-f", "jsonl", "-o", "x.jsonl", "-j", "3", "a.mp3"],
        ["--workers", "2", "--seconds", "4.5", "--tolerance=0.2", "--min-confidence", "0.5", "x"],
        ["--jobs", "2", "--whole", "--out", "y.csv", "x y.mp3"],
        ["-"],
    ]
    for words in lines:
        assert CliRunner().invoke(app, words).exit_code == 0
        assert quick.read(words) == requests.pop(), words
    used = {word for words in lines for word in words if word.startswith("--")}
    assert {name for name in known if name.startswith("--")} <= {w.split("=")[0] for w in used}
    defaults = classifying.Request()
    assert quick.read([]) == defaults
    assert len(dataclasses.fields(defaults)) == len(quick.parser()._actions)


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["-h"],
        ["a.mp3", "--nosuch"],
        ["--top", "0", "a.mp3"],
        ["--top", "x", "a.mp3"],
        ["--min-confidence", "2", "a.mp3"],
        ["--model"],
        ["--mod", "m", "a.mp3"],
        ["--", "-a.mp3"],
        ["a.mp3", "--top", "2", "b.mp3"],
    ],
)
def test_what_the_quick_way_does_not_understand_goes_to_typer(words: list[str]) -> None:
    from wavemel.commands import quick

    assert quick.read(words) is None


def test_typer_says_what_is_wrong(run: Run, tmp_path: Path) -> None:
    write_tone(tmp_path / "-a.wav", 0, 1.2)
    assert run("classify", "--", "-a.wav").code == 0
    wrong = run("classify", "a.wav", "--top", "0")
    assert (wrong.code, "--top" in wrong.err) == (2, True)
    assert b"--min-confidence" in run("classify", "--help").out


def test_watch_takes_what_is_there_what_comes_and_what_is_renamed(
    environment: dict[str, str], tmp_path: Path
) -> None:
    pytest.importorskip("watchfiles")
    music, out = tmp_path / "music", tmp_path / "out.jsonl"
    write_tone(music / "old.wav", 0, 1.2)
    data = write_tone(tmp_path / "whole.wav", 1, 3.0).read_bytes()
    command = [sys.executable, "-m", "wavemel", "watch", str(music), "--out", str(out), "--settle", "1.5"]  # fmt: skip

    def names() -> list[str]:
        return sorted(os.path.basename(p) for p in paths_in(out)) if out.exists() else []

    watching = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    try:
        wait_for(lambda: names() == ["old.wav"])
        with (music / "new.wav").open("wb") as file:  # a slow copy
            for part in range(4):
                file.write(data[part * len(data) // 4 : (part + 1) * len(data) // 4])
                file.flush()
                time.sleep(0.4)
        wait_for(lambda: names() == ["new.wav", "old.wav"])
        rows = {os.path.basename(r["path"]): r for r in map(json.loads, out.open())}
        assert (rows["new.wav"]["seconds"], rows["new.wav"]["complete"]) == (3.0, True)
        (music / "old.wav").rename(music / "renamed.wav")
        (music / "album").mkdir()
        write_tone(music / "album" / "third.wav", 2, 1.2)
        wait_for(lambda: names() == ["new.wav", "renamed.wav", "third.wav"])
    finally:
        watching.terminate()
    assert watching.wait(timeout=60) == 0
    write_tone(music / "while it slept.wav", 3, 1.2)
    once = subprocess.run(
        [*command, "--once", "-f", "jsonl"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    (row,) = map(json.loads, once.stdout.splitlines())  # the others are known
    assert os.path.basename(row["path"]) == "while it slept.wav"
    assert len(names()) == 4


def test_watch_tags_by_choice_and_does_not_listen_twice(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("watchfiles")
    pytest.importorskip("mutagen")
    from wavemel.tagging.files import read_genres

    song = write_tone(tmp_path / "music" / "a.flac", 0, 1.2)
    state = {"WAVEMEL_STATE": str(tmp_path / "state")}
    words = ("watch", "music", "--settle", "0.2", "--once", "--tag", "--tag-confidence", "0.1")
    ran = run(*words, **state)
    assert ran.code == 0
    (genre,) = read_genres(song)
    assert genre.lower() in CLASSES
    again = run(*words, "-f", "jsonl", **state)
    assert (again.code, again.out) == (0, b"")


def test_watch_knows_what_was_renamed_while_it_slept(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("watchfiles")
    song = write_tone(tmp_path / "music" / "a.wav", 0, 1.2)
    words = ("watch", "music", "--out", "out.jsonl", "--settle", "0.2", "--once", "-f", "jsonl")
    assert [row["path"] for row in run(*words).rows()] == [str(song)]
    moved = tmp_path / "music" / "album" / "b.wav"
    moved.parent.mkdir()
    song.rename(moved)
    assert run(*words).rows() == []  # not classified again
    assert paths_in(tmp_path / "out.jsonl") == [str(moved)]


def test_watch_tells_what_to_do_where_the_system_watches_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watchfiles = pytest.importorskip("watchfiles")
    from wavemel.commands.watch import _complete
    from wavemel.errors import ConfigError

    def watch(*_: object, **__: object) -> object:
        raise OSError("OS file watch limit reached")
        yield

    monkeypatch.setattr(watchfiles, "watch", watch)
    with pytest.raises(ConfigError, match=r"limit reached.*--polling"):
        next(_complete(watchfiles, tmp_path, 0.1, False, False))


def test_watch_says_what_is_wrong(run: Run, tmp_path: Path) -> None:
    assert "nowhere is no folder" in run("watch", "nowhere").err
    (tmp_path / "music").mkdir()
    ran = run("watch", "music", "--out", "x.parquet")
    assert (ran.code, "rows as they come" in ran.err) == (2, True)


def test_listen_to_a_stream(run: Run) -> None:
    music = np.concatenate(sounds(3, 2.0, 16_000))
    stereo = np.repeat((music * 32767).astype("<i2")[:, None], 2, axis=1).tobytes()
    ran = run("listen", "--rate", "16000", "-f", "jsonl", stdin=stereo)
    rows = ran.rows()
    assert ran.code == 0
    assert [row["time"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert len(rows[0]["genres"]) == 3
    mono = music.astype("<f4").tobytes()
    text = run("listen", "--rate", "16000", "--channels", "1", "--samples", "f32le", stdin=mono)
    assert len(text.out.decode().splitlines()) == 6
    assert text.out.decode().startswith("0:01.0  ")
    nothing = run("listen", stdin=b"")
    assert (nothing.code, "holds no samples" in nothing.err) == (2, True)
    wrong = run("listen", "--samples", "s16be", stdin=b"")
    assert (wrong.code, "did you mean" in wrong.err) == (2, True)


def test_listen_to_a_microphone(
    environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = tmp_path / "sounddevice.py"
    fake.write_text(
        "import numpy as np\n"
        "class PortAudioError(Exception): pass\n"
        "class InputStream:\n"
        "    def __init__(self, samplerate, channels, dtype, device, callback):\n"
        "        if device == 'none': raise PortAudioError('no such device')\n"
        "        assert (channels, dtype) == (1, 'float32')\n"
        "        self.callback, self.rate = callback, samplerate\n"
        "    def __enter__(self):\n"
        "        rng = np.random.default_rng(0)\n"
        "        for _ in range(30):\n"
        "            data = rng.standard_normal((self.rate // 10, 1), dtype=np.float32)\n"
        "            self.callback(data, len(data), None, None)\n"
        "    def __exit__(self, *_): pass\n"
    )
    command = [sys.executable, "-m", "wavemel", "listen", "--microphone", "--rate", str(RATE)]
    changed = {**environment, "PYTHONPATH": str(tmp_path)}
    with subprocess.Popen(command, env=changed, stdout=subprocess.PIPE, text=True) as listening:
        assert listening.stdout
        lines = [listening.stdout.readline() for _ in range(3)]
        listening.terminate()
    assert [line.split()[0] for line in lines] == ["0:01.0", "0:02.0", "0:03.0"]
    none = subprocess.run(
        [*command, "--device", "none"], env=changed, capture_output=True, text=True, check=False
    )
    assert (none.returncode, "no such device" in none.stderr) == (2, True)
    fake.write_text("raise OSError('PortAudio library not found')")
    missing = subprocess.run(command, env=changed, capture_output=True, text=True, check=False)
    assert (missing.returncode, "wavemel[listen]" in missing.stderr) == (2, True)
