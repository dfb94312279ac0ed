"""The Free Music Archive data set, read where it lies: zips, unpacked folders, or a slice.

Source: Defferrard, Benzi, Vandergheynst, Bresson 2017, "FMA: A Dataset For Music Analysis".
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from wavemel.data.fetch.archives import ARCHIVES, LICENCE, METADATA, Archive, data_folder
from wavemel.data.fetch.slices import slice_name
from wavemel.data.fetch.unpack import open_zip
from wavemel.data.fma_metadata import find_metadata, load_genres, load_tracks
from wavemel.data.fma_tables import genre_names, in_subset
from wavemel.data.leaks import same_name
from wavemel.data.sources import SOURCES
from wavemel.data.table import Corpus, as_table
from wavemel.errors import DataError

AUDIO = {name: archive for name, archive in ARCHIVES.items() if archive.subset}
#: Where a subset's clips may be found: its own archive, else one that contains it.
#: fma-full holds whole tracks, not clips, and so stands for nothing but itself.
HOLDERS = {
    "fma-small": ("fma-small", "fma-medium", "fma-large"),
    "fma-medium": ("fma-medium", "fma-large"),
    "fma-large": ("fma-large",),
    "fma-full": ("fma-full",),
}
SPELLING = re.compile(r"(fma-(?:small|medium|large|full))(?::(.+))?")
CLIP = re.compile(r"(?:.*/)?(\d{3}/\d{6}\.mp3)")


@dataclass(frozen=True)
class Place:
    """Where a subset was found: its audio (folder or zip), its metadata, and which clips are wanted."""

    archive: Archive
    audio: Path
    metadata: Path
    is_slice: bool = False

    @property
    def root(self) -> Path:
        """Folder that audio and metadata lie in."""
        return self.metadata.parent


class FmaSource:
    """``fma-small`` (or medium, large, full), ``fma-small:25``, ``fma-small:FOLDER``, or a path to either."""

    order = 10

    def matches(self, data: str) -> bool:
        """Return whether ``data`` is one of the names, or a folder or zip that has FMA's form."""
        return SPELLING.fullmatch(data) is not None or _audio_name(_absolute(data)) is not None

    def open(self, data: str) -> Corpus:
        """Return the corpus; raise DataError that says how to fetch what is not there."""
        spelled = SPELLING.fullmatch(data)
        if spelled is None:
            path = _absolute(data)
            place = _at_path(path, AUDIO[_audio_name(path) or ""])
        elif spelled[2] and spelled[2].isdigit():
            place = _slice(AUDIO[spelled[1]], int(spelled[2]))
        elif spelled[2]:
            place = _in_folder(AUDIO[spelled[1]], _absolute(spelled[2]), f" --to {spelled[2]}")
        else:
            place = _in_folder(AUDIO[spelled[1]], data_folder())
        return open_place(place)


def _absolute(data: str) -> Path:
    return Path(os.path.abspath(Path(data).expanduser()))


def _has_clips(folder: Path) -> bool:
    return any(re.fullmatch(r"\d{3}", name) for name in os.listdir(folder))


def _audio_name(path: Path) -> str | None:
    """Return which archive a folder or zip of FMA's form is or holds; None if it has another form."""
    if path.is_file():
        return next((n for n, a in AUDIO.items() if path.name == a.file), None)
    if not path.is_dir():
        return None
    if path.name in {a.stem for a in AUDIO.values()} and _has_clips(path):
        return next(n for n, a in AUDIO.items() if path.name == a.stem)
    if not find_metadata(path):
        return None
    return next(
        (n for n, a in AUDIO.items() if (path / a.stem).is_dir() or (path / a.file).is_file()), None
    )


def _at_path(path: Path, archive: Archive) -> Place:
    """Return the place of audio that was named by its path, or of the only audio in a folder."""
    if path.name in (archive.stem, archive.file):
        metadata = find_metadata(path.parent) or (find_metadata(path) if path.is_dir() else None)
        if metadata is None:
            raise _not_fetched(METADATA, path.parent, f" --to {path.parent}")
        return Place(archive, path, metadata, _is_slice(path.parent))
    held = [n for n, a in AUDIO.items() if (path / a.stem).is_dir() or (path / a.file).is_file()]
    if len(held) > 1:
        raise DataError(f"{path} holds {', '.join(held)}: say which, as in {held[0]}:{path}")
    return _in_folder(archive, path, f" --to {path}")


def _in_folder(archive: Archive, folder: Path, option: str = "") -> Place:
    metadata = find_metadata(folder)
    for name in HOLDERS[archive.name]:
        for audio in (folder / AUDIO[name].stem, folder / AUDIO[name].file):
            if audio.exists():
                if metadata is None:
                    raise _not_fetched(METADATA, folder, option)
                return Place(archive, audio, metadata, _is_slice(folder))
    raise _not_fetched(archive, folder, option)


def _is_slice(folder: Path) -> bool:
    return re.fullmatch(r"fma_[a-z]+_\d+_per_genre(_seed\d+)?", folder.name) is not None


def _slice(archive: Archive, per_genre: int) -> Place:
    folder = data_folder() / slice_name(archive, per_genre)
    if not folder.is_dir():
        raise DataError(
            f"there is no slice {folder}: run 'wavemel data fetch {archive.name} --per-genre {per_genre}'"
        )
    return _in_folder(archive, folder)


def _not_fetched(archive: Archive, folder: Path, option: str) -> DataError:
    slices = sorted(folder.glob(f"{archive.stem}_*_per_genre")) if archive.subset else []
    have = f" (or name the slice that is there: {slices[0]})" if slices else ""
    return DataError(
        f"{archive.name} is not in {folder}: run 'wavemel data fetch {archive.name}{option}'{have}"
    )


def open_place(place: Place) -> Corpus:
    """Return the corpus of a place: official split, top-level genre as label.

    Beside the manifest's columns the table has ``track_id``, ``artist_id``,
    ``album_id``, ``licence``, ``subset``, and ``genres`` and ``genres_all``: all of a
    track's genres (with their ancestors), joined by ``|``.

    Raises
    ------
    DataError
        Metadata or archive have not FMA's form.
    """
    tracks = load_tracks(place.metadata)
    titles = load_genres(place.metadata)
    tracks = in_subset(tracks, place.archive.subset).copy()
    if tracks.empty:
        raise DataError(f"{place.metadata}: tracks.csv lists no track of {place.archive.name}")
    for column in ("genres", "genres_all"):
        tracks[column] = genre_names(tracks[column], titles)
    tracks["artist"] = _artist_names(tracks)
    prefix, there = _clips(place.audio)
    numbers = tracks.index.to_numpy()
    inner = [f"{number // 1000:03d}/{number:06d}.mp3" for number in numbers.tolist()]
    tracks["path"] = [prefix + name for name in inner]
    notes = [LICENCE]
    absent = int(np.sum([name not in there for name in inner]))
    if absent == len(tracks):
        raise DataError(f"{place.audio} holds none of the clips of {place.archive.name}")
    if absent:
        notes.append(
            f"{absent} of the {len(tracks)} clips of {place.archive.name} are not in {place.audio}; "
            "the scan lists them as unreadable"
        )
    if place.is_slice:
        notes.append(f"a slice of {place.archive.name}: {len(tracks)} clips, official split kept")
    bare = int(tracks["genre"].isna().sum())
    if bare:
        notes.append(
            f"{bare} of {len(tracks)} tracks have no top-level genre: only multi-label training uses them"
        )
    table = as_table(tracks.reset_index(), str(place.metadata))
    suffix = f"-{place.root.name.split('_', 2)[2].replace('_', '-')}" if place.is_slice else ""
    return Corpus(
        name=place.archive.name + suffix,
        table=table,
        root=place.root,
        split_origin="official",
        notes=tuple(notes),
    )


def _clips(audio: Path) -> tuple[str, set[str]]:
    """Return what to put before ``000/000002.mp3`` to get a path, and which clips are there."""
    if audio.is_dir():
        there: set[str] = set()
        for folder in sorted(os.listdir(audio)):
            if re.fullmatch(r"\d{3}", folder):
                there.update(f"{folder}/{name}" for name in os.listdir(audio / folder))
        return f"{audio}{os.sep}", there
    with open_zip(audio) as archive:
        names = [m for m in map(CLIP.fullmatch, archive.namelist()) if m]
    if not names:
        raise DataError(
            f"{audio} holds no clips of the form 000/000002.mp3: it is not FMA's archive"
        )
    prefix = names[0][0].removesuffix(names[0][1])
    return f"{audio}!/{prefix}", {match[1] for match in names if match[0] == prefix + match[1]}


def _artist_names(tracks: pd.DataFrame) -> pd.Series:
    """Return one name an artist id: two artists of one name must not be taken for one, nor one for two."""
    ids = tracks["artist_id"]
    first = tracks["artist"].groupby(ids).first()
    shared = first[same_name(first).duplicated(keep=False) & first.notna()].index
    names = first.to_dict()
    names.update({number: f"{names[number]} (#{number})" for number in shared})
    return ids.map(names).astype("string")


SOURCES.register("fma")(FmaSource())
