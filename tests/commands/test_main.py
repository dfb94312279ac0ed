"""The program as a whole: help, version, mistakes, Ctrl-C."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tones import write_tone
from typed import Run

import wavemel


def program(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "wavemel", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_version_and_help() -> None:
    assert program("--version").stdout.strip() == f"wavemel {wavemel.__version__}"
    shown = program("--help").stdout
    for command in ("data", "describe", "train", "evaluate", "compare", "reproduce", "classify"):
        assert command in shown


def test_help_needs_nothing_heavy() -> None:
    script = (
        "import sys; from wavemel.commands.main import _register_commands; _register_commands();"
        "print(sorted(set(sys.modules) & {'torch','pandas','lightning','matplotlib','sklearn','scipy'}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_an_unknown_command_or_option_exits_with_2() -> None:
    for arguments in (("trian",), ("train", "--nosuch"), ("evaluate",)):
        done = program(*arguments)
        assert done.returncode == 2
        assert "Traceback" not in done.stderr


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="signals")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_training_keeps_what_was_finished_and_says_so(
    number: int, code: int, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    data = ["--data", "demo:clips=40,seconds=2,rate=8000"]
    small = ["--set", "audio.seconds=1.5", "--set", "audio.rate=8000"]
    many = ["--set", "training.epochs=1000", "--to", str(folder)]
    command = [sys.executable, "-m", "wavemel", "train", "demo/mel", *data, *small, *many]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    for _ in range(1200):
        if (folder / "last.ckpt").exists():
            break
        time.sleep(0.1)
    os.killpg(process.pid, number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == code
    assert "kept" in said
    assert "Traceback" not in said
    assert (folder / "last.ckpt").exists()
    resumed = program("train", "demo/mel", *data, *small, "--to", str(folder), "--resume",
                  "--set", f"training.epochs={len((folder / 'metrics.csv').read_text().splitlines())}")  # fmt: skip
    assert resumed.returncode == 0, resumed.stderr


@pytest.mark.skipif(os.name != "posix", reason="a shell")
@pytest.mark.parametrize(
    ("redirected", "code"), [("<&-", 2), (">&-", 0), ("2>&-", 0), (">&- 2>&-", 0)]
)
def test_closed_streams_are_no_crash(
    redirected: str, code: int, environment: dict[str, str], tmp_path: Path
) -> None:
    song = write_tone(tmp_path / "song.wav", 0)
    words = "" if "<" in redirected else str(song)
    done = subprocess.run(
        ["sh", "-c", f"{sys.executable} -m wavemel classify {words} {redirected}"],
        env=environment,
        capture_output=True,
        check=False,
    )
    assert done.returncode == code, done.stderr
    assert b"Traceback" not in done.stderr
    if code:
        assert b"list of paths on standard input is empty" in done.stderr


@pytest.mark.skipif(os.name != "posix", reason="pipes")
@pytest.mark.parametrize(
    "words",
    [
        ("classify", "song.wav"),
        ("classify", "--", "song.wav"),
        ("listen", "--rate", "1000", "--channels", "1"),
        ("tag", "song.wav", "--all"),
        ("watch", ".", "--once", "--settle", "0"),
    ],
)
def test_a_reader_that_has_gone_ends_every_command_quietly(
    words: tuple[str, ...], environment: dict[str, str], tmp_path: Path
) -> None:
    song = write_tone(tmp_path / "song.wav", 0)
    reader, output = os.pipe()
    os.close(reader)
    with song.open("rb") as samples:
        samples.seek(44)  # behind the header: raw
        done = subprocess.run(
            [sys.executable, "-m", "wavemel", *words],
            stdin=samples,
            stdout=output,
            stderr=subprocess.PIPE,
            env=environment,
            cwd=tmp_path,
            text=True,
            check=False,
        )
    os.close(output)
    said = [line for line in done.stderr.splitlines() if not line.startswith("watching")]
    assert (done.returncode, said) == (141, [])


@pytest.mark.skipif(os.name != "posix", reason="a shell")
@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("listen 0>other", "standard input cannot be read: it is open for writing"),
        ("classify 0>other", "standard input cannot be read: it is open for writing"),
        ("classify - 0>other", "standard input cannot be read: it is open for writing"),
        (
            "classify song.wav 1<song.wav",
            "standard output cannot be written: it is open for reading",
        ),
    ],
)
def test_streams_the_wrong_way_round_are_one_sentence(
    words: str, said: str, environment: dict[str, str], tmp_path: Path
) -> None:
    write_tone(tmp_path / "song.wav", 0)
    done = subprocess.run(
        ["sh", "-c", f"exec {sys.executable} -m wavemel {words}"],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (2, f"wavemel: {said}\n")


@pytest.mark.skipif(os.name != "posix", reason="a limit that the shell sets")
def test_a_file_that_may_not_grow_is_one_sentence(
    environment: dict[str, str], tmp_path: Path
) -> None:
    song = write_tone(tmp_path / "song.wav", 0, 30)
    words = f"classify {song} --whole --timeline --format jsonl"
    done = subprocess.run(
        ["sh", "-c", f"ulimit -f 1; {sys.executable} -m wavemel {words} > {tmp_path / 'out'}"],
        # Unbuffered, Python takes a part that is written for all.
        env={key: value for key, value in environment.items() if key != "PYTHONUNBUFFERED"},
        capture_output=True,
        text=True,
        check=False,
    )
    said = "wavemel: a file cannot be written or read: File too large\n"
    assert (done.returncode, done.stderr) == (2, said)


@pytest.mark.skipif(os.name != "posix", reason="names of bytes")
def test_names_that_standard_output_cannot_hold(run: Run, tmp_path: Path) -> None:
    song = write_tone(tmp_path / "a.wav", 0)
    for name in ("日本.wav", os.fsdecode(b"\xff.wav")):
        (tmp_path / name).write_bytes(song.read_bytes())
    for encoding in ("cp1252", "utf-8"):
        done = run("tag", ".", "--min-confidence", "0", "--unsure", PYTHONIOENCODING=encoding)
        assert done.code == 0, done.err
        assert done.out.count(b"write ") == 3, done.out
        assert (b"\\u65e5" in done.out) == (encoding != "utf-8")


@pytest.mark.parametrize(
    "words",
    [
        ("classify", "song.wav", "--out", "o" * 300 + ".csv"),
        ("classify", "song.wav", "--model", "m" * 300),
        ("classify", "song.wav", "--seconds", "inf"),
        ("explain", "song.wav", "--limit", "inf"),
        ("explain", "song.wav", "--device", "nonsense"),
        ("explain", "song.wav", "--to", "song.wav"),
    ],
)
def test_what_no_path_or_number_can_be_is_one_sentence(
    words: tuple[str, ...], environment: dict[str, str], tmp_path: Path
) -> None:
    write_tone(tmp_path / "song.wav", 0)
    # The model that ships: the tiny one has no weights for torch.
    env = {k: v for k, v in environment.items() if not k.startswith("WAVEMEL_MODEL")}
    done = subprocess.run(
        [sys.executable, "-m", "wavemel", *words],
        env=env,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    told = [line for line in done.stderr.splitlines() if line.startswith("wavemel:")]
    assert len(told) == 1
    assert "Traceback" not in done.stderr
