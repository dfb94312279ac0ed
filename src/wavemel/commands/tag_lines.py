"""What `wavemel tag` says: a line a file, a diff on a terminal, and sentences for people."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from wavemel.tagging.apply import Outcome
    from wavemel.tagging.plan import Change


def show_changes(changes: Iterable[Change], show_all: bool, *, planned: bool) -> None:
    """Print what is to be written, or failed; with ``show_all`` also what is left alone, and why."""
    from wavemel.tagging.errors import shown

    for change in changes:
        path = shown(change.path)
        if change.failed:
            _line("failed", path, change.why, "red")
        elif change.writes and planned:
            if sys.stdout.isatty():
                _print_diff(path, change)
            else:
                typer.echo(
                    f"write {path}: {_named(change.before)} -> {_named(change.after)} ({change.why})"
                )
        elif show_all and not change.writes:
            _line("keep", path, f"{_named(change.before)} ({change.why})", "dim")


def _print_diff(path: str, change: Change) -> None:
    from rich.console import Console
    from rich.text import Text

    diff = Text(path, style="bold")
    if change.before:
        diff.append(f"\n  - {_named(change.before)}", style="not bold red")
    diff.append(f"\n  + {_named(change.after)}", style="not bold green")
    diff.append(f"   {change.why}", style="not bold dim")
    Console().print(diff, soft_wrap=True)


def show_outcome(outcome: Outcome) -> None:
    """Print what has become of one file."""
    from wavemel.tagging.errors import shown

    said = "; ".join(part for part in (_named(outcome.genres), outcome.message) if part)
    if outcome.status == "failed":
        said = outcome.message
    style = {"written": "green", "kept": "dim", "failed": "red"}[outcome.status]
    _line(outcome.status, shown(outcome.path), said, style)


def _line(word: str, path: str, said: str, style: str) -> None:
    if sys.stdout.isatty():
        from rich.console import Console
        from rich.text import Text

        Console().print(Text.assemble((word, style), f" {path}: {said}"), soft_wrap=True)
    else:
        typer.echo(f"{word} {path}: {said}")


def _named(genres: Sequence[str]) -> str:
    """Return genres as one line; those that stand in files already may hold anything."""
    from wavemel.tagging.errors import shown

    return shown("; ".join(genres)) or "(none)"


def say(sentence: str) -> None:
    """Print a sentence for people, beside the results."""
    typer.echo(sentence, err=True)


def left_alone(kept: int, passed_over: int) -> str:
    """Return how many files are left alone, and how many of those for their kind."""
    if not passed_over:
        return f"{kept} left alone"
    return (
        f"{kept + passed_over} left alone ({passed_over} of kinds that hold no tags wavemel writes)"
    )
