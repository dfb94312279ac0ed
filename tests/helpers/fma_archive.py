"""Archives in FMA's exact form, with generated audio: zips, checksums, tracks.csv, genres.csv, every known fault."""

from __future__ import annotations

import ast
import csv
import hashlib
import io
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import soundfile

GENRES = {
    "Hip-Hop": 21, "Rock": 12, "Pop": 10, "Folk": 17,
    "Experimental": 38, "International": 2, "Electronic": 15, "Instrumental": 1235,
}  # fmt: skip
COLUMNS = {
    "album": "comments date_created date_released engineer favorites id information listens producer tags title tracks type",
    "artist": "active_year_begin active_year_end associated_labels bio comments date_created favorites id latitude location "
    "longitude members name related_projects tags website wikipedia_page",
    "set": "split subset",
    "track": "bit_rate comments composer date_created date_recorded duration favorites genre_top genres genres_all "
    "information interest language_code license listens lyricist number publisher tags title",
}
HEADER = [(first, second) for first, names in COLUMNS.items() for second in names.split()]
assert len(HEADER) == 52

#: The faults of FMA-small as published: what a scan must find by itself.
SHORT = (98565, 98567, 98569)
NO_AUDIO = (99134, 108925, 133297)
SILENT = (72059, 110736, 119979)
TWINS = ((114236, 125820), (144938, 145707), (45102, 51785))
ODD = {71: "mono", 72: "48k", 73: "22k"}


@dataclass(frozen=True)
class Track:
    """One row of tracks.csv."""

    id: int
    genre: str
    split: str = "training"
    subset: str = "small"
    artist_id: int = 1
    album_id: int = 1
    genres: tuple[int, ...] = ()
    artist: str = ""
    licence: str = "Attribution-NonCommercial-ShareAlike 3.0 International"

    @property
    def inner(self) -> str:
        return f"{self.id // 1000:03d}/{self.id:06d}.mp3"


def make_tracks(
    per_genre: int = 25, *, genres: Iterable[str] = GENRES, first_id: int = 2, step: int = 3
) -> list[Track]:
    """Tracks split 80/10/10 within each genre, two clips an artist, no artist in two splits."""
    tracks = []
    number = first_id
    for genre in genres:
        for i in range(per_genre):
            split = "training"
            if i >= per_genre - max(1, per_genre // 10) * 2:
                split = "test" if i >= per_genre - max(1, per_genre // 10) else "validation"
            artist = (
                1000 * (1 + list(GENRES).index(genre))
                + {"training": 0, "validation": 400, "test": 700}[split]
                + i // 2
            )
            tracks.append(
                Track(
                    number, genre, split, artist_id=artist, album_id=artist, genres=(GENRES[genre],)
                )
            )
            number += step
    return tracks


def real_tracks(folder: Path) -> list[Track]:
    """The real ids, splits and genres of FMA-small (an artist a track and split: the table names none)."""
    with open(folder / "fma_small_tracks.csv", newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    return [
        Track(
            int(row["track_id"]),
            row["genre_top"],
            row["split"],
            row["subset"],
            artist_id=int(row["track_id"]),
            album_id=int(row["track_id"]),
            genres=tuple(ast.literal_eval(row["genres"])),
        )
        for row in rows
    ]


def tracks_csv(tracks: Iterable[Track], bio: str = "Löst, in translation\r\n") -> bytes:
    """The file with its two header rows, its third line, and texts that hold quotes, commas and line breaks."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["", *(first for first, _ in HEADER)])
    writer.writerow(["", *(second for _, second in HEADER)])
    writer.writerow(["track_id", *[""] * 52])
    for track in tracks:
        values = dict.fromkeys(HEADER, "")
        values |= {
            ("album", "id"): track.album_id,
            ("album", "information"): f'<p>Album "{track.album_id}",\nmade at home</p>',
            ("album", "title"): f"Album {track.album_id}",
            ("artist", "bio"): bio,
            ("artist", "id"): track.artist_id,
            ("artist", "name"): track.artist or f"Artist {track.artist_id}",
            ("set", "split"): track.split,
            ("set", "subset"): track.subset,
            ("track", "duration"): 168,
            ("track", "genre_top"): track.genre,
            ("track", "genres"): list(track.genres),
            ("track", "genres_all"): list(track.genres),
            ("track", "license"): track.licence,
            ("track", "tags"): [],
            ("track", "title"): f"Title, {track.id}",
        }
        writer.writerow([track.id, *(values[column] for column in HEADER)])
    return out.getvalue().encode()


def genres_csv() -> bytes:
    lines = ["genre_id,#tracks,parent,title,top_level"]
    lines += [f"{number},100,0,{title},{number}" for title, number in GENRES.items()]
    lines += ["58,50,38,Psych-Folk,38", "103,12,17,Singer-Songwriter,17"]
    return ("\n".join(lines) + "\n").encode()


def tone(track: Track, seconds: float = 3.0, rate: int = 44100, channels: int = 2) -> np.ndarray:
    """Samples that differ from genre to genre (pitch) and from clip to clip (detuning, noise)."""
    draw = np.random.default_rng(track.id)
    place = list(GENRES).index(track.genre) if track.genre in GENRES else 0
    time = np.arange(round(seconds * rate)) / rate
    pitch = 110 * 2 ** (place / 2) * draw.uniform(0.97, 1.03)
    wave = sum(np.sin(2 * np.pi * pitch * k * time + draw.uniform(0, 6)) / k for k in (1, 2, 3))
    wave = 0.2 * wave * (1 + np.sin(2 * np.pi * (1 + place) * time)) / 2
    samples = wave[:, None] + 0.02 * draw.standard_normal((len(time), channels))
    return samples.astype(np.float32)


def mp3(samples: np.ndarray, rate: int = 44100) -> bytes:
    file = io.BytesIO()
    soundfile.write(
        file, samples, rate, format="MP3", bitrate_mode="CONSTANT", compression_level=0.99
    )
    return file.getvalue()


def clip(track: Track, seconds: float = 3.0) -> bytes:
    """One clip as FMA has it: faults where the published list has them."""
    if track.id in NO_AUDIO:
        return {99134: b"", 108925: b"ID3\x04" + bytes(60), 133297: b"no audio here " * 20}[
            track.id
        ]
    if track.id in SILENT:
        return mp3(tone(track, seconds) * 1e-7)
    kind = ODD.get(track.id, "")
    rate = {"48k": 48000, "22k": 22050}.get(kind, 44100)
    length = 0.5 if track.id in SHORT else seconds
    return mp3(tone(track, length, rate, 1 if kind == "mono" else 2), rate)


def noise(track: Track) -> bytes:
    """Bytes that are no audio: for tests that only move them."""
    return np.random.default_rng(track.id).bytes(500 + track.id % 997)


@dataclass
class Archives:
    """A folder with an FMA archive and its metadata, as a server offers it."""

    folder: Path
    clips: dict[int, bytes]
    tracks: list[Track]
    sha1: dict[str, str] = field(default_factory=dict)

    def checksums_file(self) -> Path:
        file = self.folder / "sha1sums.txt"
        file.write_text("".join(f"{sha1}  {name}\n" for name, sha1 in self.sha1.items()))
        return file


def build(
    folder: Path,
    tracks: list[Track],
    make: Callable[[Track], bytes] = noise,
    *,
    stem: str = "fma_small",
    genres: bytes | None = None,
) -> Archives:
    """Write ``fma_small.zip`` and ``fma_metadata.zip`` (BZIP2 members) into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    clips = {track.id: make(track) for track in tracks}
    for first, second in TWINS:
        if first in clips and second in clips:
            # The same frames behind another tag: other bytes, equal samples.
            clips[second] = b"ID3\x04\x00\x00\x00\x00\x00\x0a" + bytes(10) + clips[first]
    members = {f"{stem}/README.txt": b"FMA: A Dataset For Music Analysis\n"}
    sums = "".join(f"{hashlib.sha1(clips[t.id]).hexdigest()}  {t.inner}\n" for t in tracks)
    members[f"{stem}/checksums"] = sums.encode()
    members |= {f"{stem}/{track.inner}": clips[track.id] for track in tracks}
    write_zip(folder / f"{stem}.zip", members)
    tables = {
        "fma_metadata/README.txt": b"metadata\n",
        "fma_metadata/tracks.csv": tracks_csv(tracks),
        "fma_metadata/genres.csv": genres or genres_csv(),
    }
    sums = "".join(
        f"{hashlib.sha1(data).hexdigest()}  {name.split('/')[1]}\n" for name, data in tables.items()
    )
    write_zip(folder / "fma_metadata.zip", tables | {"fma_metadata/checksums": sums.encode()})
    archives = Archives(folder, clips, tracks)
    for file in (f"{stem}.zip", "fma_metadata.zip"):
        archives.sha1[file] = hashlib.sha1((folder / file).read_bytes()).hexdigest()
    return archives


def write_zip(file: Path, members: dict[str, bytes]) -> None:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_BZIP2) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name, (2017, 4, 1, 0, 0, 0)), data, zipfile.ZIP_BZIP2)
