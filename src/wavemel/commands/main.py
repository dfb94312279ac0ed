"""`wavemel`: the program's commands; see `wavemel.commands.endings` for its exit codes."""

from __future__ import annotations

import importlib
import pkgutil
import sys
from typing import Annotated

import typer

import wavemel
from wavemel.commands.endings import one_sentence

app = typer.Typer(
    name="wavemel",
    help="Tell the genre of music: train, compare and run convolutional networks.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich" if sys.stdout.isatty() else None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


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
    """Run the command line; `wavemel.__main__` starts here for all but a plain `wavemel classify`."""
    _register_commands()
    with one_sentence():
        app()


if __name__ == "__main__":
    main()
