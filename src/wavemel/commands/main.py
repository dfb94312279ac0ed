"""`wavemel`: the program's entry point, its commands and its exit codes.

0: all went well. 1: some files failed. 2: the call, a file or an option was
wrong. 130: stopped by Ctrl-C.
"""

from __future__ import annotations

import errno
import importlib
import os
import pkgutil
import sys
from typing import Annotated

import typer

import wavemel
from wavemel.errors import WavemelError

app = typer.Typer(
    name="wavemel",
    help="Tell the genre of music: train, compare and run convolutional networks.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich" if sys.stdout.isatty() else None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


#: As shells report a program that Ctrl-C has ended.
_INTERRUPTED = 130


def _version(wanted: bool) -> None:
    if wanted:
        print(f"wavemel {wavemel.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


def _register_commands() -> None:
    """Let every module of this package add its commands; none imports anything heavy to do so."""
    import wavemel.commands as package

    for module in pkgutil.iter_modules(package.__path__):
        register = getattr(
            importlib.import_module(f"{package.__name__}.{module.name}"), "register", None
        )
        if register is not None:
            register(app)


def main() -> None:
    """Run the command line; turn what a user can cause into one sentence and an exit code."""
    _register_commands()
    try:
        app()
    except WavemelError as error:
        _fail(str(error))
    except SystemExit as end:
        # Typer ends silently on Ctrl-C; people want to know what became of their work.
        if end.code == _INTERRUPTED:
            print("What was finished is kept.", file=sys.stderr)
        raise
    except BrokenPipeError:
        # The reader (head, less) has gone: no message can reach it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(141) from None
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            _fail(
                f"the disk is full{f' ({error.filename})' if error.filename else ''}: free space and run again"
            )
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            _fail(f"{error.filename or 'a file'} cannot be written or read: {error.strerror}")
        raise


def _fail(sentence: str) -> None:
    print(f"wavemel: {sentence}", file=sys.stderr)
    raise SystemExit(2)


if __name__ == "__main__":
    main()
