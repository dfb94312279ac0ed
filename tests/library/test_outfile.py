"""The file of results follows its store, wherever a process is stopped."""

from pathlib import Path

import pytest

from wavemel.errors import Terminated
from wavemel.library.done import Done
from wavemel.library.outfile import OutFile, store_path
from wavemel.library.store import Store
from wavemel.outputs import OUTPUTS, Layout
from wavemel.outputs.rows import error_row

STEPS = ("_catch_up", "_write", "_note")


def result(path: str) -> Done:
    return Done(path, error_row(path, "missing", "is not there", "m"))


def opened(folder: Path, form: str, said: list[str]) -> tuple[OutFile, Store]:
    out = folder / f"out.{form}"
    file, store = (
        OutFile(out, OUTPUTS[form], Layout(("rock",)), said.append),
        Store(store_path(out)),
    )
    file.begin(store)
    return file, store


def held(folder: Path, form: str) -> list[str]:
    """Return the names of the files whose rows stand in the file, in their order."""
    lines = (folder / f"out.{form}").read_text().splitlines()
    return [n for line in lines for n in "abc" if f"/music/{n}.mp3" in line]


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_stopped_at_any_step_no_row_is_lost_twice_there_or_put_aside(
    form: str, step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    file, store = opened(tmp_path, form, said)
    file.add(store, result("/music/a.mp3"))

    def stopped(*_: object) -> None:
        raise Terminated

    with monkeypatch.context() as patch:
        patch.setattr(OutFile, step, stopped)
        with pytest.raises(Terminated):
            file.add(store, result("/music/b.mp3"))
    before = held(tmp_path, form)
    assert before == (["a", "b"] if step == "_note" else ["a"])
    # Another process was at it all the time, and does what the first has left to do.
    other, its_store = opened(tmp_path, form, said)
    other.add(its_store, result("/music/c.mp3"))
    assert held(tmp_path, form) == ["a", "b", "c"]
    assert said == []
    assert {p.name for p in tmp_path.iterdir() if ".state" not in p.name} == {f"out.{form}"}
    store.close()
    its_store.close()


def test_a_row_that_follows_deleted_ones_is_written(tmp_path: Path) -> None:
    file, store = opened(tmp_path, "jsonl", [])
    file.add(store, result("/music/a.mp3"))
    folder = str(tmp_path)
    file.add(store, Done(folder, error_row(folder, "permission", "cannot be read", "m")))
    store.retire()
    assert store.count() == 1
    file.add(store, result("/music/c.mp3"))
    assert held(tmp_path, "jsonl")[-1] == "c"
    store.close()
