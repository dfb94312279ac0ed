"""Work in processes: everything is done once, and a crash costs one item."""

from __future__ import annotations

import pytest
from tones import die_on_three, fail_on_three

from wavemel.workers import Crashed, map_files


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_every_item_is_done_once(workers: int) -> None:
    done = dict(map_files(abs, [-3, 2, -1, 0, -9], workers=workers))
    assert done == {0: 3, 1: 2, 2: 1, 3: 0, 4: 9}


def test_nothing_to_do() -> None:
    assert list(map_files(abs, [], workers=2)) == []


def test_a_crash_costs_one_item() -> None:
    done = dict(map_files(die_on_three, list(range(40)), workers=2, chunk=4))
    assert isinstance(done.pop(3), Crashed)
    assert done == {i: 2 * i for i in range(40) if i != 3}


@pytest.mark.parametrize("workers", [0, 2])
def test_what_the_function_raises_ends_the_work(workers: int) -> None:
    with pytest.raises(ValueError, match="three"):
        list(map_files(fail_on_three, list(range(8)), workers=workers))
