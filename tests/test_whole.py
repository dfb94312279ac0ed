"""Folders that appear whole or not at all, whenever the process that makes them ends."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from wavemel.whole import new_folder, put_back

KILLED = """
import os, sys
from pathlib import Path
from wavemel.whole import new_folder

real, left = os.replace, int(sys.argv[2])

def replace(*paths):
    global left
    if not left:
        os._exit(9)  # as if killed: nothing of Python's runs any more
    left -= 1
    real(*paths)

os.replace = replace
with new_folder(Path(sys.argv[1]), lambda folder: None) as part:
    (part / "it").write_text("new")
"""


@pytest.fixture
def old(tmp_path: Path) -> Path:
    made = tmp_path / "mine.v2"
    made.mkdir()
    (made / "it").write_text("old")
    return made


def replace(folder: Path) -> None:
    with new_folder(folder, lambda folder: None) as part:
        (part / "it").write_text("new")


@pytest.mark.parametrize(("renames", "there"), [(0, "old"), (1, "old"), (2, "new"), (3, "new")])
def test_a_kill_at_any_moment_loses_nothing(renames: int, there: str, old: Path) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(old), str(renames)], check=False)
    assert done.returncode == (0 if renames == 3 else 9)
    put_back(old.parent)
    assert (old / "it").read_text() == there


def test_what_another_process_puts_back_meanwhile_is_replaced(
    old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, moved = os.replace, []

    def meddled(source: Path, target: Path) -> None:
        real(source, target)
        moved.append(source)
        if moved == [old]:
            put_back(old.parent)

    monkeypatch.setattr(os, "replace", meddled)
    replace(old)
    assert (old / "it").read_text() == "new"
    assert [entry.name for entry in old.parent.iterdir()] == [old.name]


def test_a_failure_between_the_renames_leaves_what_was_there(
    old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.replace

    def failing(source: Path, target: Path) -> None:
        if target == old:
            raise OSError(28, "No space left on device")
        real(source, target)

    monkeypatch.setattr(os, "replace", failing)
    with pytest.raises(OSError, match="No space left"):
        replace(old)
    assert (old / "it").read_text() == "old"
    assert [entry.name for entry in old.parent.iterdir()] == [old.name]


def test_only_what_was_being_replaced_is_put_back(tmp_path: Path) -> None:
    hidden = (
        ".mine.x7.replaced",
        ".mine.x7",
        ".replaced-by-wavemel",
        ".mine.x.replaced-by-wavemel",
    )
    for name in hidden:
        (tmp_path / name).mkdir()
    put_back(tmp_path)  # the last one is empty
    put_back(tmp_path / "nowhere")
    put_back(tmp_path / ("long" * 100))
    assert {entry.name for entry in tmp_path.iterdir()} == set(hidden)
