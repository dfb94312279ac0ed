"""The synthetic corpus: balanced, artist-disjoint, and safe to kill while it is written."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
import soundfile

from wavemel.data.synth import GENRES
from wavemel.data.synth.corpus import FOLDS, Spec, clips, make_files

TINY = Spec(clips=40, seconds=1, rate=4000, seed=1)


@pytest.mark.parametrize("count", [40, 48, 160, 400, 480, 1600])
def test_split_and_folds_are_balanced_and_artist_disjoint(count: int) -> None:
    found = clips(Spec(clips=count))
    assert len(found) == count
    assert len({clip.file for clip in found}) == count
    assert set(Counter(clip.genre for clip in found).values()) == {count // 8}
    places: dict[str, set[tuple[str, str, int]]] = defaultdict(set)
    for clip in found:
        places[clip.artist].add((clip.genre, clip.split, clip.fold))
    assert all(len(place) == 1 for place in places.values())
    for part in ("split", "fold"):
        table = Counter((clip.genre, getattr(clip, part)) for clip in found)
        for value in {getattr(clip, part) for clip in found}:
            sizes = {table[genre, value] for genre in GENRES}
            assert len(sizes) == 1, (part, value)
            assert sizes != {0}
    assert {clip.fold for clip in found} == set(range(FOLDS))


def test_default_is_eighty_ten_ten_of_eighty_artists() -> None:
    found = clips(Spec())
    assert Counter(clip.split for clip in found) == {"training": 384, "validation": 48, "test": 48}
    assert len({clip.artist for clip in found}) == 80


def test_a_larger_corpus_holds_the_same_clips() -> None:
    small = {(c.file, c.artist) for c in clips(Spec(clips=160)) if c.index < 3}
    assert small <= {(c.file, c.artist) for c in clips(Spec(clips=480))}
    assert Spec(clips=160).folder == Spec(clips=480).folder


def test_settings_that_change_the_sound_change_the_folder() -> None:
    folders = {s.folder for s in (Spec(), Spec(seed=1), Spec(rate=8000), Spec(seconds=12.5))}
    assert len(folders) == 4


def test_files_are_what_was_asked_for(tmp_path: Path) -> None:
    wanted = clips(TINY)
    assert make_files(TINY, tmp_path, wanted) == 40
    for clip in wanted:
        samples, rate = soundfile.read(tmp_path / clip.file, dtype="float32")
        assert (rate, samples.shape) == (4000, (4000,))
        assert np.abs(samples).max() > 0.2
    assert soundfile.info(tmp_path / wanted[0].file).subtype == "PCM_16"
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(c.file for c in wanted)


def test_only_what_is_missing_is_made_again(tmp_path: Path) -> None:
    wanted = clips(TINY)
    make_files(TINY, tmp_path, wanted)
    before = {c.file: (tmp_path / c.file).read_bytes() for c in wanted}
    times = {c.file: (tmp_path / c.file).stat().st_mtime_ns for c in wanted}
    (tmp_path / wanted[3].file).unlink()
    (tmp_path / wanted[5].file).write_bytes(b"")
    old, new = tmp_path / f".{wanted[0].file}.1.tmp", tmp_path / f".{wanted[1].file}.2.tmp"
    for cut in (old, new):
        cut.write_bytes(before[wanted[0].file][:100])
    os.utime(old, (0, 0))

    assert make_files(TINY, tmp_path, wanted) == 2
    assert {c.file: (tmp_path / c.file).read_bytes() for c in wanted} == before
    untouched = [c.file for i, c in enumerate(wanted) if i not in (3, 5)]
    assert all((tmp_path / f).stat().st_mtime_ns == times[f] for f in untouched)
    assert not old.exists()
    assert new.exists()  # another run may be writing it
    assert make_files(TINY, tmp_path, wanted) == 0


def test_worker_processes_write_the_same_bytes(tmp_path: Path) -> None:
    wanted = clips(TINY)
    make_files(TINY, tmp_path / "one", wanted, workers=1)
    make_files(TINY, tmp_path / "two", wanted, workers=2)
    for clip in wanted:
        assert (tmp_path / "one" / clip.file).read_bytes() == (
            tmp_path / "two" / clip.file
        ).read_bytes()


KILLED = """
import sys
from pathlib import Path
from wavemel.data.synth.corpus import Spec, clips, make_files
spec = Spec(clips=400, seconds=1, rate=4000, seed=1)
make_files(spec, Path(sys.argv[1]), clips(spec), workers=1)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_a_killed_run_leaves_whole_files_only(tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path)])
    give_up = time.monotonic() + 60
    while len(list(tmp_path.glob("*.flac"))) < 5 and time.monotonic() < give_up:
        time.sleep(0.01)
    child.send_signal(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    there = list(tmp_path.glob("[!.]*.flac"))
    assert 5 <= len(there) < 400
    for path in there:
        assert len(soundfile.read(path)[0]) == 4000


UNGUARDED = """
import sys
from pathlib import Path
from wavemel.data.synth.corpus import Spec, clips, make_files
spec = Spec(clips=40, seconds=1, rate=4000, seed=1)
make_files(spec, Path(sys.argv[1]), clips(spec), workers=2)
print("done")
"""


def test_a_script_without_a_main_guard_still_gets_its_corpus(tmp_path: Path) -> None:
    script, folder = tmp_path / "script.py", tmp_path / "corpus"
    script.write_text(UNGUARDED)
    ran = subprocess.run(
        [sys.executable, str(script), str(folder)], capture_output=True, text=True, timeout=120
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.split() == ["done"]
    assert len(list(folder.glob("*.flac"))) == 40
