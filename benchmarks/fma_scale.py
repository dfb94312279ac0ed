"""FMA at full scale without its audio: tables, splits and checks of 106,574 tracks, with time and peak memory.

    python benchmarks/fma_scale.py

Writes a tracks.csv of the real shape (106,574 rows, 52 columns, about 250 MiB with
its biographies; 8,000 / 17,000 / 81,574 tracks new in small / medium / large; 49,598 with a
top-level genre) and zips of 8,000 and 106,574 members, then runs each step in a
process of its own. "peak" is that process's largest resident memory, "import"
what it is before the step begins.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "helpers"))

import fma_archive
import numpy as np

TRACKS = {"small": 8_000, "medium": 17_000, "large": 81_574}
TOP_GENRES = 49_598
OTHERS = ("Blues", "Classical", "Country", "Easy-Listening", "Jazz", "Old-Time", "Soul", "Spoken")
CLIP = 4096


def make_tracks() -> list[fma_archive.Track]:
    """Return rows in FMA's proportions; artists have 1 to 20 tracks, all on one side."""
    draw = np.random.default_rng(0)
    count = sum(TRACKS.values())
    ids = np.sort(draw.choice(np.arange(2, 155_321), count, replace=False))
    subsets = draw.permutation(np.repeat(list(TRACKS), list(TRACKS.values())))
    artists = np.repeat(np.arange(count), draw.integers(1, 21, count))[:count]
    sides = draw.choice(["training", "validation", "test"], count, p=[0.8, 0.1, 0.1])
    small = list(fma_archive.GENRES)
    labelled = TOP_GENRES - TRACKS["small"] - TRACKS["medium"]
    tracks, seen, in_large = [], 0, 0
    for i in range(count):
        genre = ""
        if subsets[i] == "small":
            genre = small[seen % 8]
            seen += 1
        elif subsets[i] == "medium" or in_large < labelled:
            in_large += subsets[i] == "large"
            genre = str(draw.choice([*small, *OTHERS]))
        tracks.append(
            fma_archive.Track(
                int(ids[i]),
                genre,
                str(sides[artists[i]]),
                str(subsets[i]),
                int(artists[i]),
                int(artists[i]) * 3 + i % 3,
                tuple(draw.choice([2, 10, 12, 15, 17, 21, 38, 58, 103], draw.integers(1, 5))),
            )
        )
    return tracks


def build(folder: Path) -> None:
    """Write metadata (folder and zip) and two archives of small members."""
    tracks = make_tracks()
    text = fma_archive.tracks_csv(
        tracks, bio="A band of three from the hills, playing since they were young. " * 35
    )
    (folder / "fma_metadata").mkdir(parents=True)
    (folder / "fma_metadata" / "tracks.csv").write_bytes(text)
    (folder / "fma_metadata" / "genres.csv").write_bytes(fma_archive.genres_csv())
    fma_archive.write_zip(
        folder / "fma_metadata.zip",
        {"fma_metadata/tracks.csv": text, "fma_metadata/genres.csv": fma_archive.genres_csv()},
    )
    noise = np.random.default_rng(1).bytes(CLIP + 200_000)
    for stem, wanted in (("fma_small", ("small",)), ("fma_large", tuple(TRACKS))):
        chosen = [t for t in tracks if t.subset in wanted]
        with zipfile.ZipFile(folder / f"{stem}.zip", "w") as archive:
            sums = []
            for t in chosen:
                clip = noise[t.id : t.id + CLIP]
                archive.writestr(f"{stem}/{t.inner}", clip)
                sums.append(f"{hashlib.sha1(clip).hexdigest()}  {t.inner}\n")
            archive.writestr(f"{stem}/checksums", "".join(sums))


def load(folder: Path, what: str) -> str:
    from wavemel.data.sources import open_corpus

    corpus = open_corpus(f"{what}:{folder}")
    return f"{len(corpus.table):,} rows"


def load_zipped(folder: Path) -> str:
    from wavemel.data.fma_metadata import load_tracks

    return f"{len(load_tracks(folder / 'fma_metadata.zip')):,} rows"


def split(folder: Path, what: str, how: str) -> str:
    from wavemel.data.leaks import leak_check
    from wavemel.data.sources import open_corpus
    from wavemel.data.splits import SplitChoice, make_split

    corpus = open_corpus(f"{what}:{folder}")
    rows = corpus.table[corpus.table["genre"].notna()]
    start = time.process_time()
    made, _ = make_split(corpus, rows, SplitChoice(how))
    split_seconds = time.process_time() - start
    sentence = leak_check(made).sentence()
    whole = time.process_time() - start
    return f"split {split_seconds:.2f} s of CPU, leak check {whole - split_seconds:.2f} s: {sentence[:40]}..."


def members(folder: Path, stem: str) -> str:
    from wavemel.data.fetch.unpack import check_members, open_zip

    file = folder / f"{stem}.zip"
    with open_zip(file) as archive:
        check_members(archive.infolist(), str(file), file.stat().st_size, top=stem)
        return f"{len(archive.infolist()):,} members"


def unpack_and_verify(folder: Path, stem: str) -> str:
    import shutil

    from wavemel.data.fetch.unpack import unpack
    from wavemel.data.fetch.verify import verify_folder

    target = folder / "unpacked" / stem
    shutil.rmtree(target, ignore_errors=True)
    start = time.process_time()
    unpack(folder / f"{stem}.zip", target)
    middle = time.process_time()
    count = verify_folder(target)
    end = time.process_time()
    return f"unpack {middle - start:.2f} s of CPU, SHA-1 of {count:,} files {end - middle:.2f} s"


def hash_throughput(folder: Path) -> str:
    from wavemel.data.fetch.download import verify

    file = folder / "big"
    if not file.exists():
        file.write_bytes(bytes(1 << 29))
    sha1 = hashlib.sha1(bytes(1 << 29)).hexdigest()
    start = time.process_time()
    verify(file, sha1)
    return f"{0.5 / (time.process_time() - start):.2f} GiB a second of CPU"


STEPS: dict[str, Callable[[Path], str]] = {
    "read tracks.csv out of the zip": load_zipped,
    "the same again (from the cache)": load_zipped,
    "open fma-small, tracks.csv unpacked": lambda f: load(f, "fma-small"),
    "open fma-small again": lambda f: load(f, "fma-small"),
    "open fma-large, 106,574 rows": lambda f: load(f, "fma-large"),
    "small: official split": lambda f: split(f, "fma-small", "official"),
    "small: artist-disjoint split": lambda f: split(f, "fma-small", "artist"),
    "large: official split": lambda f: split(f, "fma-large", "official"),
    "large: artist-disjoint split": lambda f: split(f, "fma-large", "artist"),
    "check the zip's directory, 8,000 clips": lambda f: members(f, "fma_small"),
    "check the zip's directory, 106,574 clips": lambda f: members(f, "fma_large"),
    "unpack and verify 8,000 clips of 4 KiB": lambda f: unpack_and_verify(f, "fma_small"),
    "SHA-1 of an archive": hash_throughput,
}


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def run_step(folder: Path, name: str) -> None:
    """Run one step in this process and print what it took as JSON."""
    # Imports are not the step's time.
    import pyarrow.csv
    import pyarrow.parquet  # noqa: F401

    import wavemel.data.splits  # noqa: F401
    from wavemel.data.sources import SOURCES

    SOURCES.items()

    before = peak_mib()
    start, cpu = time.perf_counter(), time.process_time()
    said = STEPS[name](folder)
    took = {"seconds": time.perf_counter() - start, "cpu_seconds": time.process_time() - cpu}
    print(json.dumps(took | {"import_mib": before, "peak_mib": peak_mib(), "said": said}))


def in_own_process(folder: Path, name: str, cache: str) -> dict:
    call = [sys.executable, __file__, "--folder", str(folder), "--step", name]
    environment = os.environ | {"WAVEMEL_CACHE": cache}
    done = subprocess.run(call, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    return json.loads(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).parent / "results" / "fma_scale.json"
    )
    parser.add_argument("--folder", type=Path, help="where the archives are (made if missing)")
    parser.add_argument("--step", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.step:
        run_step(arguments.folder, arguments.step)
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary) / "fma"
        if not (folder / "fma_large.zip").exists():
            build(folder)
        size = (folder / "fma_metadata" / "tracks.csv").stat().st_size / 2**20
        print(f"tracks.csv: {size:,.0f} MiB")
        # Each repetition has a cache of its own, so that the first of two equal steps has none.
        runs: dict[str, list[dict]] = {name: [] for name in STEPS}
        for _ in range(arguments.repeat):
            with tempfile.TemporaryDirectory() as cache:
                for name in STEPS:
                    runs[name].append(in_own_process(folder, name, cache))
        rows = []
        for name, took in runs.items():
            row: dict = {"step": name}
            for key in ("seconds", "cpu_seconds", "import_mib", "peak_mib"):
                row[key] = round(statistics.median(run[key] for run in took), 2)
            row["said"] = took[-1]["said"]
            rows.append(row)
            print(
                f"{name:42} {row['seconds']:7.2f} s {row['cpu_seconds']:7.2f} s of CPU "
                f"peak {row['peak_mib']:6,.0f} MiB  {row['said']}"
            )
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    report = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        # Of other work on the machine: with more than a process a core, only CPU seconds say much.
        "load_average": round(os.getloadavg()[2], 1),
        "tracks_csv_mib": round(size),
        "repeat": arguments.repeat,
        "steps": rows,
    }
    arguments.out.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
