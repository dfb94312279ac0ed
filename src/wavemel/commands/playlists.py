"""`wavemel playlists`: genres into lists of files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from wavemel.commands.tag import Mapping, MinConfidence, Top, Unsure
from wavemel.commands.tag_files import checked, say_changed, say_gone
from wavemel.commands.tag_lines import say


def playlists(
    results: Annotated[
        Path, typer.Argument(metavar="RESULTS", help="What 'wavemel classify --out' wrote.")
    ],
    to: Annotated[str, typer.Option(metavar="FOLDER", help="Folder of the playlists.")],
    format: Annotated[str, typer.Option(help="m3u (extended, UTF-8) or json.")] = "m3u",
    absolute: Annotated[
        bool, typer.Option("--absolute", help="Name files from the root, not from the folder.")
    ] = False,
    min_confidence: MinConfidence = 0.5,
    top: Top = 1,
    mapping: Mapping = None,
    unsure: Unsure = False,
) -> None:
    """Write one playlist a genre out of results.

    Playlists of earlier runs are replaced where the genre is the same; others in
    the folder are left, and named. A file of another origin is never replaced.

    M3U is UTF-8 text, a line a file: a name that is none, or holds line breaks, is
    left out, which is said and ends in exit code 1.
    """
    from wavemel.errors import ConfigError
    from wavemel.tagging.errors import shown
    from wavemel.tagging.mapping import read_mapping
    from wavemel.tagging.playlists import by_genre, others, write_playlists
    from wavemel.tagging.verdicts import read_results

    # A variable that is not set: as a path it would be the current folder.
    if not to:
        raise ConfigError("--to is an empty name: give the folder of the playlists")
    verdicts = read_results(results)
    # They stay in the playlists, which may be for a place where the files are.
    say_changed(say_gone(verdicts, results), results)
    lists = by_genre(
        verdicts,
        min_confidence=min_confidence,
        mapping=checked(None if mapping is None else read_mapping(mapping), verdicts, None),
        top=top,
        unsure=unsure,
    )
    written, unheld = write_playlists(lists, to, format=format, relative=not absolute)
    left_out = set(unheld)
    for playlist, path in zip(lists, written, strict=True):
        out = sum(name in left_out for name, _ in playlist.tracks)
        count = f"{len(playlist.tracks) - out} tracks" + (f", {out} left out" if out else "")
        typer.echo(f"{path}: {count}")
    for name in unheld:
        say(f"{shown(name)}: its name cannot stand in an M3U file (--format json holds it)")
    if not written:
        say("no result is sure enough for a playlist")
    for path in others(to, written, format=format):
        say(f"{shown(str(path))}: is a playlist of an earlier run, left as it is")
    raise typer.Exit(1 if unheld else 0)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("playlists")(playlists)
