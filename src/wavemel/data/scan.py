"""Decode every file of a corpus once and say which clips can be used, and why the others cannot."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from wavemel.audio.locate import fingerprint
from wavemel.data.cachedir import cache_dir
from wavemel.data.examine import CRASHED, Finding, examine
from wavemel.data.index import ScanIndex
from wavemel.data.table import COLUMNS, Corpus
from wavemel.errors import AudioError, DataError
from wavemel.progress import progress
from wavemel.workers import Crashed, map_files

log = logging.getLogger(__name__)

#: Shorter clips are left out of training and evaluation: FMA's stubs of 0.5 to 1.6 s are no music.
MIN_SECONDS = 2.0
_FOUND = ("seconds", "rate", "channels", "status", "reason", "content", "digest")
#: Findings are written to the index as they come, this many at a time.
_BATCH = 16


def scan(
    corpus: Corpus,
    *,
    workers: int | None = None,
    min_seconds: float = MIN_SECONDS,
    cache: bool = True,
) -> Corpus:
    """Return the corpus with seconds, rate, channels, status, reason, content and digest filled in.

    A status is given by the first rule that holds: ``unreadable`` (missing,
    damaged, no audio), ``short``, ``silent``, ``unlabelled``, ``duplicate``
    (decodes to the same samples as a clip of an earlier path), ``ok``. An
    ``ok`` clip can have a reason too: what is odd about it.

    Findings are remembered by path, size and time of change, as they come: a
    scan that was stopped continues, and a second one is instant.

    Parameters
    ----------
    corpus : as its source opened it.
    workers : processes that decode; one a core by default, 0 for none.
    min_seconds : shorter clips are left out.
    cache : look into the index, and write it.

    Raises
    ------
    DataError
        Not one of the files exists.
    """
    paths = corpus.table["path"].tolist()
    keys, findings = _stat_all(paths)
    if len(keys) == 0 and all(f.kind == "missing" for f in findings.values()):
        raise DataError(
            f"none of the {len(paths)} files of {corpus.name} exists (first: {paths[0]}): "
            "paths in a table are relative to the table's folder"
        )
    with _index(cache) as index:
        if index is not None:
            findings |= index.get(keys)
        todo = [path for path in paths if path not in findings]
        log.info("scanning %d of %d files, the others are known", len(todo), len(paths))
        for path, finding in _examine_all(todo, keys, index, workers):
            findings[path] = finding
    table = _judge(corpus.table, [findings[path] for path in paths], min_seconds)
    return dataclasses.replace(corpus, table=table, notes=corpus.notes + _notes(table))


def usable(table: pd.DataFrame) -> pd.DataFrame:
    """Return the clips that nothing speaks against; before a scan, all that have a genre."""
    return table[(table["status"].fillna("ok") == "ok") & table["genre"].notna()]


def left_out(table: pd.DataFrame) -> pd.DataFrame:
    """Return path, genre, status and reason of the clips that are not `usable`."""
    columns = ["path", "genre", "status", "reason"]
    return table.drop(usable(table).index)[columns].reset_index(drop=True)


def _stat_all(paths: list[str]) -> tuple[dict[str, tuple[int, int]], dict[str, Finding]]:
    """Return the fingerprints of the files that are there, and findings on those that are not."""
    keys: dict[str, tuple[int, int]] = {}
    absent: dict[str, Finding] = {}
    for path in paths:
        try:
            keys[path] = fingerprint(path)
        except AudioError as error:
            absent[path] = Finding("unreadable", error.reason, error.message)
    return keys, absent


@contextlib.contextmanager
def _index(wanted: bool) -> Iterator[ScanIndex | None]:
    if not wanted:
        yield None
        return
    with contextlib.closing(ScanIndex(index_file())) as index:
        yield index


def index_file() -> Path:
    """Return where the index lies."""
    return cache_dir() / "scan.sqlite"


def _examine_all(
    todo: list[str],
    keys: dict[str, tuple[int, int]],
    index: ScanIndex | None,
    workers: int | None,
) -> Iterator[tuple[str, Finding]]:
    """Examine files in worker processes and remember what is found, whatever ends the work."""
    if not todo:
        return
    fresh: list[tuple[str, tuple[int, int], Finding]] = []
    with progress("scanning", len(todo)) as ticker:
        try:
            for i, result in map_files(examine, todo, workers=workers):
                finding = CRASHED if isinstance(result, Crashed) else result
                fresh.append((todo[i], keys[todo[i]], finding))
                if index is not None and len(fresh) >= _BATCH:
                    index.put(fresh)
                    fresh.clear()
                ticker.advance()
                yield todo[i], finding
        finally:
            if index is not None:
                index.put(fresh)


def _judge(table: pd.DataFrame, findings: list[Finding], min_seconds: float) -> pd.DataFrame:
    """Fill in what was found and apply the rules that need the whole table or the caller's choice."""
    found = pd.DataFrame(
        {name: [getattr(f, name) for f in findings] for name in _FOUND}, index=table.index
    ).astype({name: COLUMNS[name] for name in _FOUND})
    scanned = table.assign(**{name: found[name] for name in _FOUND})
    scanned["reason"] = scanned["reason"].mask(scanned["reason"] == "", pd.NA)

    short = (scanned["status"] != "unreadable") & (scanned["seconds"] < min_seconds).fillna(False)
    scanned.loc[short, "reason"] = [
        f"{seconds:.2f} s, less than {min_seconds:g} s" for seconds in scanned["seconds"][short]
    ]
    scanned.loc[short, "status"] = "short"
    unlabelled = (scanned["status"] == "ok") & scanned["genre"].isna()
    scanned.loc[unlabelled, ["status", "reason"]] = ["unlabelled", "has no genre"]

    ok = scanned[scanned["status"] == "ok"].sort_values("path", kind="stable")
    first = ok.drop_duplicates("digest").set_index("digest")[["path", "genre"]]
    for row in ok[ok.duplicated("digest")].itertuples():
        twin = first.loc[row.digest]
        reason = f"same samples as {twin['path']}"
        if twin["genre"] != row.genre:
            reason += f", which is labelled {twin['genre']!r}, not {row.genre!r}"
        scanned.loc[row.Index, ["status", "reason"]] = ["duplicate", reason]
    return scanned


def _notes(table: pd.DataFrame) -> tuple[str, ...]:
    """Return what a report must say about twins that carry two labels."""
    twice = table[(table["status"] == "duplicate") & table["reason"].str.contains("labelled")]
    if twice.empty:
        return ()
    return (
        f"{len(twice)} clips decode to the same samples as a clip of another genre; "
        f"the first by path is kept (first case: {twice['path'].iloc[0]}, {twice['reason'].iloc[0]})",
    )
