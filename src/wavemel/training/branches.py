"""Networks whose branches start from other runs: their weights, and whether those heard too much."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from wavemel.checkpoint import load_checkpoint
from wavemel.data.leaks import LeakReport, leak_check
from wavemel.data.sources.table_file import read_rows
from wavemel.data.table import SPLITS, as_table
from wavemel.errors import ConfigError, ModelError
from wavemel.training.dataset import Dataset
from wavemel.training.task import GenreTask


def start_from_branches(task: GenreTask, initial: dict[str, str], data: Dataset) -> None:
    """Copy the trained feature extractors of other runs into a network's branches.

    Raises
    ------
    ConfigError
        The network has no such branch.
    ModelError
        A run cannot be loaded, is of another kind, shape, audio or class list, or has learnt
        from, or been chosen by, what this one is validated or tested on.
    """
    branches = getattr(task.model.network, "branches", {})
    for branch, run in initial.items():
        if branch not in branches:
            raise ConfigError(
                f"training.initial names the branch {branch!r}, which this network does not have"
            )
        try:
            trained = load_checkpoint(run, expect=data.classes)
        except ModelError as error:
            raise ModelError(
                f"branch {branch!r} starts from the run that training.initial.{branch} names: {error}; "
                f"train a {branches[branch]!r} first and name its folder, as in "
                f"--set training.initial.{branch}=RUN, or let 'wavemel reproduce' train the whole set"
            ) from error
        if (trained.experiment.audio, trained.experiment.mel) != (
            task.experiment.audio,
            task.experiment.mel,
        ):
            raise ModelError(
                f"{run} was trained with other audio or mel settings than this branch gets"
            )
        source = trained.model.network.state_dict()
        target = getattr(task.model.network, branch)
        wanted = target.state_dict()
        given = {k: v for k, v in source.items() if k in wanted}
        if set(given) != set(wanted) or any(given[k].shape != wanted[k].shape for k in wanted):
            raise ModelError(f"{run} is not a trained {branches[branch]!r} of this branch's shape")
        _check_heard(Path(run), data.table)
        target.load_state_dict(given)


def _check_heard(run: Path, table: pd.DataFrame) -> None:
    """Raise ModelError where a run has learnt what the clips of ``table`` shall test."""
    if not table["split"].isin(["validation", "test"]).any():
        return
    file = run / "table.csv"
    if not file.is_file():
        raise ModelError(
            f"{run} does not say which clips it has learnt from ({file.name} is missing), so whether "
            "it has heard this run's test clips cannot be told: start from a run folder"
        )
    theirs = as_table(read_rows(file), str(file))
    crossing: set[tuple[str, str]] = set()
    # What they were validated on may have chosen their epoch, as it may choose this run's.
    for heard, held in (("training", ("validation", "test")), ("validation", ("test",))):
        sides = (theirs[theirs["split"] == heard], table[table["split"].isin(held)])
        both = [side.assign(split=name) for side, name in zip(sides, SPLITS, strict=False)]
        crossing |= _crossing(leak_check(pd.concat(both, ignore_index=True)))
    # Where this run's own split leaks, its report says so already.
    new = crossing - _crossing(leak_check(table))
    if new:
        what, name = sorted(new)[0]
        more = f", and {len(new) - 1} more" if len(new) > 1 else ""
        raise ModelError(
            f"{run} has learnt from what this run holds out ({what} {name!r}{more}): figures on it "
            "would flatter. Start from a run of the same split, or split as it was"
        )


def _crossing(found: LeakReport) -> set[tuple[str, str]]:
    kinds = (("artist", found.artists), ("album", found.albums), ("recording", found.twins))
    return {(kind, name) for kind, names in kinds for name in names}
