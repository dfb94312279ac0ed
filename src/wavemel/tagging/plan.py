"""What would be written, file by file, and why."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from wavemel.errors import ConfigError
from wavemel.tagging.errors import TagError, shown
from wavemel.tagging.files import check_writable, links_note, read_genres
from wavemel.tagging.mapping import GenreMap
from wavemel.tagging.verdicts import Verdict


@dataclass(frozen=True)
class Change:
    """One file: the genres it has, those it gets (the same, where it is left alone), and why."""

    path: str
    before: list[str]
    after: list[str]
    why: str
    failed: bool = False

    @property
    def writes(self) -> bool:
        """Whether anything is to be written."""
        return not self.failed and self.before != self.after


def plan(
    results: Iterable[Verdict],
    *,
    overwrite: bool = False,
    min_confidence: float = 0.5,
    mapping: GenreMap | None = None,
    top: int = 1,
    unsure: bool = False,
    check: bool = True,
    changed: Callable[[str], bool] = lambda path: False,
) -> list[Change]:
    """Return what is to be done with each file; nothing is written.

    Of the names that lead to one file, the first by which it is to be written counts.

    Parameters
    ----------
    overwrite : replace genres that a file has already.
    min_confidence : only genres of at least this probability.
    mapping : from the model's genres to tags.
    top : at most this many of the model's genres a file.
    unsure : write also what the classifier is unsure of.
    check : fail here where it shows that a file cannot be written to, and not when it is.
    changed : whether a file is another than the one that was classified: a genre of that is
        not written to it.

    Raises
    ------
    ConfigError
        ``min_confidence`` is no probability or ``top`` is below 1.
    """
    check_limits(min_confidence, top)
    changes = []
    taken: dict[str, str] = {}
    for verdict in results:
        if verdict.error is not None:
            why = f"not classified: {verdict.error}"
            changes.append(Change(verdict.path, [], [], why, failed=True))
            continue
        try:
            before = read_genres(verdict.path)
        except TagError as error:
            changes.append(Change(verdict.path, [], [], error.message, failed=True))
            continue
        # A second write by another name would find the genres of the first, and fail.
        file = os.path.realpath(verdict.path)
        if file in taken:
            why = f"the same file as {shown(taken[file])}"
            changes.append(Change(verdict.path, before, before, why))
            continue
        after, why = decide(
            verdict,
            before,
            overwrite=overwrite,
            min_confidence=min_confidence,
            mapping=mapping,
            top=top,
            unsure=unsure,
        )
        change = Change(verdict.path, before, after, why)
        if change.writes:
            change = _possible(change, check, changed)
        if change.writes:
            taken[file] = verdict.path
        changes.append(change)
    return changes


def _possible(change: Change, check: bool, changed: Callable[[str], bool]) -> Change:
    """Return a change with what is to be said of it, a failed one where it cannot be made."""
    if changed(change.path):
        why = "has changed since it was classified: run classify again, or give --force"
        return replace(change, after=change.before, why=why, failed=True)
    if not check:
        return change
    try:
        note = links_note(check_writable(change.path))
    except TagError as error:
        return replace(change, after=change.before, why=error.message, failed=True)
    return replace(change, why="; ".join(filter(None, (change.why, note))))


def check_limits(min_confidence: float, top: int) -> None:
    """Raise ConfigError where ``min_confidence`` is no probability or ``top`` is below 1."""
    if not 0 <= min_confidence <= 1:
        raise ConfigError(f"--min-confidence is a probability from 0 to 1, not {min_confidence}")
    if top < 1:
        raise ConfigError(f"--top is 1 or more, not {top}")


def decide(
    verdict: Verdict,
    before: list[str],
    *,
    overwrite: bool = False,
    min_confidence: float = 0.5,
    mapping: GenreMap | None = None,
    top: int = 1,
    unsure: bool = False,
) -> tuple[list[str], str]:
    """Return the genres that a file with the genres ``before`` gets, and why; options as for `plan`."""
    if before and not overwrite:
        return before, "has a genre"
    if not verdict.genres:
        return before, "no genre was found"
    if verdict.unsure and not unsure:
        return before, "the classifier is unsure"
    return _wanted(verdict, min_confidence, mapping or GenreMap({}), top, before)


def _wanted(
    verdict: Verdict, min_confidence: float, mapping: GenreMap, top: int, before: list[str]
) -> tuple[list[str], str]:
    sure = [pair for pair in verdict.genres[:top] if pair[1] >= min_confidence]
    if not sure:
        genre, probability = verdict.genres[0]
        return before, f"{genre} {probability:.2f} is below {min_confidence:g}"
    if not mapping.tags(sure[0][0]):
        return before, f"the mapping leaves {sure[0][0]} untouched"
    tags: dict[str, str] = {}
    for genre, _ in sure:
        for tag in mapping.tags(genre):
            tags.setdefault(tag.casefold(), tag)
    after = list(tags.values())
    why = ", ".join(f"{genre} {probability:.2f}" for genre, probability in sure)
    return after, why if after != before else f"has it already ({why})"
