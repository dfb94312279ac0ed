"""DATA ``demo``: a corpus that the package makes itself, so that everything can be tried without music.

``demo`` alone, or with settings: ``demo:clips=400,seconds=10,rate=16000,seed=1``.
"""

from __future__ import annotations

import math
from dataclasses import asdict, fields

from wavemel.data.cachedir import cache_dir
from wavemel.data.sources import SOURCES
from wavemel.data.synth.corpus import FOLDS, Spec, clips, make_files
from wavemel.data.synth.genres import GENRES
from wavemel.data.table import Corpus, as_table
from wavemel.errors import DataError
from wavemel.registry import suggest

NOTES = (
    "This corpus is synthetic: a program made every clip, with no recorded sound in it.",
    "Figures on it show that the machinery works; they say nothing about real music.",
)

_RANGES: dict[str, tuple[float, float]] = {
    "clips": (len(GENRES) * FOLDS, 1_000_000),
    "seconds": (1, 120),
    "rate": (4000, 96000),
    "seed": (0, 2**32 - 1),
}


def parse(data: str) -> Spec:
    """Return the settings that ``demo`` or ``demo:key=value,...`` spells.

    Raises
    ------
    DataError
        An unknown, doubled or malformed setting, or a value out of range.
    """
    name, colon, rest = data.partition(":")
    if name != "demo":
        raise DataError(f"{data!r} is not the demo corpus: write 'demo' or 'demo:clips=400'")
    values: dict[str, float] = {}
    for setting in rest.split(",") if colon else []:
        key, equals, text = (part.strip() for part in setting.partition("="))
        if not equals or not text:
            raise DataError(
                f"{data!r}: {setting!r} is no setting, write key=value ('demo:clips=400')"
            )
        if key not in _RANGES:
            known = [field.name for field in fields(Spec)]
            raise DataError(
                f"{data!r}: the demo corpus has no setting {key!r}{suggest(key, known)}"
            )
        if key in values:
            raise DataError(f"{data!r}: {key} is given twice")
        values[key] = _number(data, key, text)
    if values.get("clips", 0) % len(GENRES):
        raise DataError(
            f"{data!r}: clips must be a multiple of {len(GENRES)}, so that the genres are of equal size"
        )
    return Spec(**values)  # type: ignore[arg-type]


def _number(data: str, key: str, text: str) -> float:
    low, high = _RANGES[key]
    kind = float if key == "seconds" else int
    try:
        value = kind(text)
    except ValueError:
        value = math.nan
    # Written so that nan fails.
    if not low <= value <= high:
        what = "a number" if kind is float else "a whole number"
        raise DataError(f"{data!r}: {key} must be {what} from {low:,} to {high:,}, not {text!r}")
    return value


class DemoSource:
    """The synthetic corpus; see `wavemel.data.synth`."""

    order = 0

    def matches(self, data: str) -> bool:
        """Return whether ``data`` is ``demo`` or starts with ``demo:``."""
        return data == "demo" or data.startswith("demo:")

    def open(self, data: str) -> Corpus:
        """Make the clips that are not in the cache yet and return the corpus.

        Raises
        ------
        DataError
            See `parse`; or the cache folder cannot be made.
        """
        spec = parse(data)
        root = cache_dir() / "demo" / spec.folder
        try:
            root.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError) as error:
            raise DataError(
                f"the cache folder {root} cannot be made, a file is in its way: move it or set WAVEMEL_CACHE"
            ) from error
        wanted = clips(spec)
        make_files(spec, root, wanted)
        rows = (
            {
                "path": str((root / clip.file).absolute()),
                "genre": clip.genre,
                "artist": clip.artist,
                "title": f"Clip {clip.index + 1}",
                "split": clip.split,
                "fold": clip.fold,
            }
            for clip in wanted
        )
        return Corpus(
            name="demo",
            table=as_table(rows, data),
            root=root,
            synthetic=True,
            split_origin="given",
            notes=NOTES,
            extra=asdict(spec),
        )


SOURCES.register("demo")(DemoSource())
