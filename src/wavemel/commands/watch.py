"""`wavemel watch`: classify what is put into a folder."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wavemel.commands.classify import (
    MinConfidence,
    Model,
    Seconds,
    Tolerance,
    Whole,
    Workers,
)
from wavemel.commands.classifying import Request
from wavemel.errors import ConfigError

if TYPE_CHECKING:
    from wavemel.library.find import Found
    from wavemel.library.library import Library
    from wavemel.library.outfile import OutFile
    from wavemel.library.store import Store
    from wavemel.outputs import Layout, Output
    from wavemel.outputs.rows import Row
    from wavemel.tagging.apply import Outcome
    from wavemel.tagging.following import Follower, Rules

#: Seconds that a file can be asked to rest: one that grows may pause, but not for longer.
_LONGEST_SETTLE = 3600.0


def watch(
    name: Annotated[str, typer.Argument(metavar="FOLDER", help="Watched with all below it.")],
    model: Model = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            help="File of results (.jsonl, .csv) [default: one a folder, in $WAVEMEL_STATE/watch, "
            "else among the user's state].",
        ),
    ] = None,
    form: Annotated[
        str,
        typer.Option("--format", "-f", metavar="table|jsonl|csv", help="Form of what it prints."),
    ] = "table",
    settle: Annotated[
        float,
        typer.Option(metavar="S", help="A file is complete when it has not changed for S seconds."),
    ] = 2.0,
    once: Annotated[
        bool, typer.Option("--once", help="End when nothing is left to do, instead of waiting.")
    ] = False,
    prune: Annotated[
        bool,
        typer.Option(
            "--prune", help="With --once: drop results of files that are gone from FOLDER."
        ),
    ] = False,
    tag: Annotated[
        bool, typer.Option("--tag", help="Write genre tags, too (see 'wavemel tag --help').")
    ] = False,
    tag_confidence: Annotated[
        float | None,
        typer.Option(
            metavar="P",
            help="With --tag: only genres of at least this probability [default: 0.5].",
        ),
    ] = None,
    mapping: Annotated[
        Path | None, typer.Option(help="With --tag: a table from the model's genres to tags.")
    ] = None,
    workers: Workers = None,
    seconds: Seconds = None,
    whole: Whole = False,
    tolerance: Tolerance = Request.tolerance,
    min_confidence: MinConfidence = None,
    polling: Annotated[
        bool, typer.Option("--polling", help="Look again and again: for network folders.")
    ] = False,
) -> None:
    """Classify what lies in a folder, and what is put there, once it is complete.

    Started again, it goes on where it stopped. Half-copied files wait until they
    rest, and are done again should they go on growing. A renamed file keeps its
    result under its new name.

    With --tag every file is tagged once, those too whose results are older; genres
    that a file has stay, and one that you take out again stays out.

    It ends with 1 where the folder is deleted or moved, and with --once where files
    failed (each has a row that says why), or could not be tagged.

    Examples:

      wavemel watch ~/Music --out genres.jsonl

      wavemel watch ~/Inbox --tag --tag-confidence 0.7
    """
    from wavemel.commands.classifying import job_for, reading, shared_settings
    from wavemel.inference.models import find_model
    from wavemel.library.library import Library
    from wavemel.library.outfile import OutFile, regular, store_path
    from wavemel.library.store import Store
    from wavemel.library.watching import Watched
    from wavemel.outputs import Layout

    # A variable that is not set: as a path it would be the current folder.
    if not name or not os.path.isdir(name):
        raise ConfigError(f"{name or 'an empty name'} is no folder")
    folder = Path(os.path.abspath(name))  # as changes are reported
    if not 0 <= settle <= _LONGEST_SETTLE:
        raise ConfigError(f"--settle is from 0 to {_LONGEST_SETTLE:g} seconds, not {settle:g}")
    if prune and not once:
        raise ConfigError("--prune drops results when all else is done: give --once too")
    watched = Watched(folder, settle, once=once, polling=polling, say=_say)
    shown = _shown_as(form)
    out = regular(out or _default_out(folder))
    output = _kept_as(out)
    rules = _rules(tag, tag_confidence, mapping)
    how = reading(whole, seconds, tolerance)
    bundle = find_model(model)
    if rules is not None and rules.mapping is not None:
        rules.mapping.check(bundle.description.classes, complete=True)
    layout = Layout(bundle.description.classes)
    job = job_for(bundle, how, min_confidence)
    library = Library(job, bundle.description, workers)
    file = OutFile(out, output, layout, _say)
    store = Store(store_path(out), shared_settings(bundle, job))
    _say(f"watching {folder}; results go to {out}")
    with ExitStack() as opened:
        opened.callback(store.close)
        file.begin(store)
        follower = None
        if rules is not None:
            follower = opened.enter_context(closing(_follower(rules, store, out)))
        keeper = _Keeper(library, store, file, _Shown(shown, layout), follower)
        with _ending_on_sigterm():
            for found in watched:
                keeper(found)
            # Not before: a file that is gone may have been renamed, and takes its result along.
            if prune and not watched.lost and (gone := store.missing([os.fspath(folder)])):
                store.drop(gone)
                _say(f"{len(gone)} results are of files that are gone: dropped")
        file.end(store)
    if watched.lost:
        _say(f"{folder} is gone: the watch has ended")
    raise typer.Exit(1 if watched.lost or (once and keeper.failed) else 0)


def _shown_as(name: str) -> Output:
    """Return the form of what is printed; raise ConfigError for one that needs all rows."""
    from wavemel.outputs import OUTPUTS
    from wavemel.registry import suggest

    growing = {known: output for known, output in OUTPUTS.items() if output.appendable}
    if name not in growing:
        raise ConfigError(
            f"--format {name!r}: watch writes rows as they come{suggest(name, growing)}"
        )
    return growing[name]


def _kept_as(out: Path) -> Output:
    """Return the form of the file of results; raise ConfigError for one that cannot grow."""
    from wavemel.outputs import OUTPUTS

    growing = [output for _, output in OUTPUTS.items() if output.appendable]
    for output in growing:
        if out.suffix.lower() in output.suffixes:
            return output
    endings = sorted(suffix for output in growing for suffix in output.suffixes)
    raise ConfigError(
        f"--out {out}: watch writes rows as they come, into files that end in {', '.join(endings)}"
    )


class _Shown:
    """Rows to standard output, each at once."""

    def __init__(self, output: Output, layout: Layout) -> None:
        from wavemel.commands.classifying import standard_output

        self._sink = standard_output()
        self._writer = output.open(self._sink, layout)

    def __call__(self, row: Row) -> None:
        self._writer.write(row)
        self._sink.flush()


class _Keeper:
    """Classifies complete files, keeps and shows their results, and has them tagged."""

    def __init__(
        self,
        library: Library,
        store: Store,
        file: OutFile,
        show: _Shown,
        follower: Follower | None,
    ) -> None:
        self._library, self._store, self._file = library, store, file
        self._show, self._follower = show, follower
        #: How many files could not be classified, now or before, or not be tagged.
        self.failed = 0

    def __call__(self, found: list[Found]) -> None:
        """Do with files what is still to be done."""
        if self._follower is not None:
            paths = [f.path for f in found if f.reason is None]
            for path in paths:
                self._store.moved_here(path)  # It is to be known by its new name.
            self._tell(self._follower.catch_up(paths))
        for done in self._library.resume(found, self._store, self._file, self._skipped):
            self.failed += done.row["error"] is not None
            self._show(done.row)
            if self._follower is not None:
                self._tell(self._follower.tag(done.path, done.row))

    def _skipped(self, path: str, failed: bool) -> None:
        self.failed += failed

    def _tell(self, outcomes: Iterable[Outcome]) -> None:
        from wavemel.outputs.rows import one_line

        for outcome in outcomes:
            self.failed += outcome.status == "failed"
            said = "; ".join(outcome.genres) or outcome.message
            status = "left alone" if outcome.status == "kept" else outcome.status
            _say(f"{status} {one_line(outcome.path)}: {said}")


def _rules(tag: bool, confidence: float | None, mapping: Path | None) -> Rules | None:
    """Return how to tag, None where nothing is to be; raise ConfigError for what does not fit."""
    if not tag:
        for option, given in (("--tag-confidence", confidence), ("--mapping", mapping)):
            if given is not None:
                raise ConfigError(f"{option} says how to tag: give --tag too")
        return None
    from wavemel.tagging.errors import require_mutagen
    from wavemel.tagging.following import Rules
    from wavemel.tagging.mapping import read_mapping

    require_mutagen()
    confidence = 0.5 if confidence is None else confidence
    if not 0 <= confidence <= 1:
        raise ConfigError(f"--tag-confidence is a probability from 0 to 1, not {confidence:g}")
    return Rules(confidence, None if mapping is None else read_mapping(mapping))


def _follower(rules: Rules, store: Store, out: Path) -> Follower:
    """Return what tags by these rules, with its ledger beside the store."""
    from wavemel.tagging.following import Follower
    from wavemel.tagging.journal import new_journal

    return Follower(rules, store, out.with_name(f"{out.name}.tagged"), new_journal())


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)


def _default_out(folder: Path) -> Path:
    import hashlib

    from wavemel.tagging.journal import watches

    where = os.fsencode(folder.resolve())
    name = f"{folder.resolve().name or 'root'}-{hashlib.sha256(where).hexdigest()[:8]}.jsonl"
    place = watches()
    place.mkdir(parents=True, exist_ok=True)
    return place / name


@contextmanager
def _ending_on_sigterm() -> Iterator[None]:
    """Let the signal by which services are stopped end the watch as Ctrl-C does."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    except KeyboardInterrupt:
        _say("stopped")
    finally:
        signal.signal(signal.SIGTERM, before)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("watch")(watch)
