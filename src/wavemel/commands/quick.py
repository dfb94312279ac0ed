"""`wavemel classify` without typer, whose imports take longer than classifying a file.

What is typed is read by argparse, as typer would read it; whatever argparse
cannot make sense of (help, mistakes, rare forms) goes to typer, which then
says what is wrong. The options are those of `Request`; a test holds the three
together.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from wavemel.commands.classifying import Request


class _NotUnderstood(Exception):  # noqa: N818 - no error: typer's turn
    pass


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise _NotUnderstood


def parser() -> argparse.ArgumentParser:
    """Return what understands the plain forms of the options."""
    made = _Parser(add_help=False, allow_abbrev=False, argument_default=argparse.SUPPRESS)
    made.add_argument("paths", nargs="*")
    made.add_argument("--model", "-m")
    made.add_argument("--top", type=_at_least_one)
    made.add_argument("--timeline", action="store_true")
    made.add_argument("--format", "-f", dest="form")
    made.add_argument("--out", "-o", type=Path)
    made.add_argument("--prune", action="store_true")
    made.add_argument("--workers", "--jobs", "-j", type=_at_least_one)
    made.add_argument("--seconds", type=float)
    made.add_argument("--whole", action="store_true")
    made.add_argument("--tolerance", type=float)
    made.add_argument("--min-confidence", type=_share)
    return made


def read(words: Sequence[str]) -> Request | None:
    """Return what was asked for; None where typer must look at it."""
    if "--" in words:
        return None
    try:
        options, rest = parser().parse_known_args(words)
    except _NotUnderstood:
        return None
    if rest:
        return None
    values = vars(options)
    return Request(**{**values, "paths": tuple(values.get("paths", ()))})


def _at_least_one(text: str) -> int:
    if int(text) < 1:
        raise ValueError(text)
    return int(text)


def _share(text: str) -> float:
    if not 0 <= float(text) <= 1:
        raise ValueError(text)
    return float(text)
