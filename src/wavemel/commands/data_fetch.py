"""`wavemel data fetch`: public data sets onto this disk."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from wavemel.commands.data import data_app


def fetch(
    name: Annotated[
        str,
        typer.Argument(
            help="fma-small (7.2 GiB), fma-medium (22), fma-large (93), fma-full (879) or fma-metadata (.3)."
        ),
    ],
    to: Annotated[
        Path | None,
        typer.Option(help="Folder to keep it in (default: $WAVEMEL_DATA, or your data folder)."),
    ] = None,
    per_genre: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=3,
            help="Fetch only N clips a genre, in the proportions of the official split, "
            "without the archive: 25 of fma-small are 200 clips.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Which clips --per-genre draws.")] = 0,
    unpack: Annotated[
        bool,
        typer.Option(
            "--unpack",
            help="Unpack the archive (it is read in place, without, and so fills the disk once).",
        ),
    ] = False,
    url: Annotated[
        str | None,
        typer.Option(
            help="Address of a folder that holds the archives: a mirror or your own ($WAVEMEL_FMA_URL)."
        ),
    ] = None,
    checksums: Annotated[
        Path | None,
        typer.Option(
            help="List of SHA-1 as sha1sum writes it, where your own address holds other archives than FMA's."
        ),
    ] = None,
    retries: Annotated[
        int, typer.Option(help="Attempts without a new byte before it gives up.", min=1)
    ] = 8,
) -> None:
    """Fetch FMA, whole or a slice, checked; run it again after any interruption to go on."""
    from wavemel.data.fetch.archives import LICENCE
    from wavemel.data.fetch.dataset import fetch_dataset
    from wavemel.data.fetch.http import Retries

    got = fetch_dataset(
        name,
        to=to,
        per_genre=per_genre,
        seed=seed,
        unpacked=unpack,
        url=url,
        checksums=checksums,
        retries=Retries(attempts=retries),
    )
    print(f"{name} is in {got.path}, complete and checked")
    if got.data:
        print(f"use it as: wavemel data scan {shlex.quote(got.data)}")
    print(LICENCE)


def register(app: typer.Typer) -> None:
    """Add ``fetch`` to the group ``data``."""
    data_app.command("fetch")(fetch)
