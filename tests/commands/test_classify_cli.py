"""`wavemel classify`, as typed."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tiny_model import CLASSES, sounds
from tones import tone, write_tone
from typed import Run


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
    audio = (tmp_path / "music" / "a.wav").read_bytes()
    assert found("-", stdin=audio) == ["-"]
    forgotten = run("classify", stdin=audio)
    assert (forgotten.code, forgotten.out) == (2, b"")
    assert "standard input holds audio (WAV), no list of paths: give - to class" in forgotten.err


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
    assert "silent (a constant of 0.4" in notes[b"offset.wav"]
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
    assert "of 2.0 minutes, within 0.2 of the whole files' answers" in ran.err
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
    assert "reading 'tolerance 0.2', not 'whole'" in other.err
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


def test_a_dash_is_standard_output(run: Run, tmp_path: Path) -> None:
    write_tone(tmp_path / "a.wav", 0, 1.2)
    (row,) = run("classify", "a.wav", "--out", "-", "--format", "jsonl").rows()
    assert row["path"] == "a.wav"
    assert [p.name for p in tmp_path.iterdir()] == ["a.wav"]


def test_what_cannot_be_written_is_told_before_anything_is_done(run: Run, tmp_path: Path) -> None:
    write_tone(tmp_path / "a.wav", 0, 1.2)
    (tmp_path / "without" / "pyarrow").mkdir(parents=True)
    (tmp_path / "without" / "pyarrow" / "__init__.py").write_text("raise ImportError")
    path = os.pathsep.join([str(tmp_path / "without"), os.environ.get("PYTHONPATH", "")])
    for words in (("--out", "g.parquet"), ("--format", "parquet")):
        ran = run("classify", "a.wav", *words, PYTHONPATH=path)
        assert (ran.code, ran.out) == (2, b"")
        assert ran.err.endswith("pip install 'wavemel[parquet]'\n")
    assert list(tmp_path.glob("g.parquet*")) == []


@pytest.mark.skipif(os.name != "posix", reason="terminals")
def test_parquet_is_not_shown_on_a_terminal(environment: dict[str, str], tmp_path: Path) -> None:
    import pty

    write_tone(tmp_path / "a.wav", 0, 1.2)
    ours, terminal = pty.openpty()
    command = [sys.executable, "-m", "wavemel", "classify", "a.wav", "--format", "parquet"]
    ran = subprocess.run(
        command, stdout=terminal, stderr=subprocess.PIPE, env=environment, cwd=tmp_path, check=False
    )
    os.close(terminal)
    os.close(ours)
    assert ran.returncode == 2
    assert ran.stderr.startswith(b"wavemel: Parquet is no text: give --out FILE, or redirect")


def test_a_results_file_that_is_not_ours_is_kept(run: Run, tmp_path: Path) -> None:
    write_tone(tmp_path / "a.wav", 0, 1.2)
    (tmp_path / "notes.csv").write_text("mine")
    ran = run("classify", "a.wav", "--out", "notes.csv")
    assert ran.code == 2
    assert (tmp_path / "notes.csv").read_text() == "mine"
