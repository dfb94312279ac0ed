"""How the program ends: one sentence and an exit code for whatever a user can cause.

0: all went well. 1: some files failed. 2: the call, a file or an option was
wrong. 130: stopped by Ctrl-C. 141: the reader of what was printed had gone. 143: stopped
by SIGTERM.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from wavemel.errors import Terminated, WavemelError

INTERRUPTED = 130
#: What a shell makes of SIGPIPE.
UNREAD = 141


class Stopped(SystemExit):
    """The end of a command that was stopped, and has said what became of its work."""


@contextmanager
def one_sentence() -> Iterator[None]:
    """Turn what a user can cause into one sentence and an exit code."""
    _open_closed_streams()
    _escape_what_cannot_be_shown()
    try:
        yield
    except WavemelError as error:
        _fail(str(error))
    except KeyboardInterrupt:
        print("What was finished is kept.", file=sys.stderr)
        raise SystemExit(INTERRUPTED) from None
    except SystemExit as end:
        # Typer makes 1 of this, as if a file had failed.
        if isinstance(end.__context__, BrokenPipeError):
            _unread()
        # Typer ends silently on Ctrl-C; people want to know what became of their work.
        untold = end.code == INTERRUPTED or isinstance(end, Terminated)
        if untold and not isinstance(end, Stopped):
            print("What was finished is kept.", file=sys.stderr)
        raise
    except BrokenPipeError:
        _unread()
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            _fail(
                f"the disk is full{f' ({error.filename})' if error.filename else ''}: free space and run again"
            )
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.EFBIG, errno.EIO):
            _fail(f"{error.filename or 'a file'} cannot be written or read: {error.strerror}")
        if error.errno == errno.EBADF and (wrong := _wrong_way_round()):
            _fail(wrong)
        if error.filename is not None and error.strerror:
            # A file where a folder should be, a name that is too long: all that a path can be.
            _fail(f"{os.fsdecode(error.filename)}: {error.strerror[0].lower()}{error.strerror[1:]}")
        raise


def _open_closed_streams() -> None:
    """Give streams that the caller has closed (``<&-``) to nowhere: Python has None for them."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            # In this order each takes the number that is its own.
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115


def _escape_what_cannot_be_shown() -> None:
    """Let names be printed that standard output's encoding lacks, or that are no text at all."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _drop_output() -> None:
    """Let go of what cannot be written any more: Python would try again at its end, and complain."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _wrong_way_round() -> str | None:
    """Return what is wrong where the caller has given a stream for the other direction (``0>FILE``)."""
    # No bytes, and still refused.
    try:
        os.read(sys.stdin.fileno(), 0)
    except OSError:
        return "standard input cannot be read: it is open for writing"
    try:
        os.write(sys.stdout.fileno(), b"")
    except OSError:
        return "standard output cannot be written: it is open for reading"
    return None


def _unread() -> NoReturn:
    """End: the reader (head, less) has gone, and no message can reach it."""
    _drop_output()
    raise SystemExit(UNREAD) from None


def _fail(sentence: str) -> None:
    try:
        sys.stdout.flush()
    except OSError:
        _drop_output()
    print(f"wavemel: {sentence}", file=sys.stderr)
    raise SystemExit(2)
