"""`wavemel watch`: classify what is put into a folder."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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

if TYPE_CHECKING:
    from wavemel.library.done import Done
    from wavemel.library.find import Found
    from wavemel.library.outfile import OutFile
    from wavemel.library.store import Store

#: Milliseconds between looks at files that settle.
_TICK = 500


def watch(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Watched with all below it.")],
    model: Model = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            help="File of results (.jsonl, .csv) [default: one a folder, among the user's state].",
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
    tag: Annotated[
        bool, typer.Option("--tag", help="Write genre tags, too (see 'wavemel tag --help').")
    ] = False,
    tag_confidence: Annotated[
        float, typer.Option(metavar="P", help="Only genres of at least this probability.")
    ] = 0.5,
    mapping: Annotated[
        Path | None, typer.Option(help="A table from the model's genres to tags.")
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

    Examples:

      wavemel watch ~/Music --out genres.jsonl

      wavemel watch ~/Inbox --tag --tag-confidence 0.7
    """
    try:
        import watchfiles
    except ImportError as error:
        from wavemel.errors import MissingExtraError

        raise MissingExtraError("watch", "watching a folder") from error
    from wavemel.commands.classifying import job_for, reading, shared_settings, standard_output
    from wavemel.errors import ConfigError
    from wavemel.inference.models import find_model
    from wavemel.library.library import Library
    from wavemel.library.outfile import OutFile, store_path
    from wavemel.library.store import Store
    from wavemel.outputs import OUTPUTS, Layout, output_for

    if not folder.is_dir():
        raise ConfigError(f"{folder} is no folder")
    folder = Path(os.path.abspath(folder))  # as changes are reported
    out = out or _default_out(folder)
    output = output_for(out, None)
    if not (output.appendable and OUTPUTS[form].appendable):
        raise ConfigError("watch writes rows as they come: jsonl, csv or table")
    tagger = None
    if tag:
        tagger = _Tagger(tag_confidence, mapping)
    how = reading(whole, seconds, tolerance)
    bundle = find_model(model)
    layout = Layout(bundle.description.classes)
    job = job_for(bundle, how, min_confidence)
    library = Library(job, bundle.description, workers)
    file = OutFile(out, output, layout)
    store = Store(store_path(out), shared_settings(bundle, job))
    sink = standard_output()
    writer = OUTPUTS[form].open(sink, layout)
    print(f"watching {folder}; results go to {out}", file=sys.stderr, flush=True)
    try:
        file.begin(store)
        with _ending_on_sigterm():
            for found in _complete(watchfiles, folder, settle, once, polling):
                for done in library.resume(_not_moved(found, store, file), store, file):
                    writer.write(done.row)
                    sink.flush()
                    if tagger is not None:
                        tagger(done, store)
        file.end(store)
    finally:
        store.close()


def _complete(
    watchfiles: Any, folder: Path, settle: float, once: bool, polling: bool
) -> Iterator[list[Found]]:
    """Yield files that are complete: those that are there, then those that come."""
    from wavemel.errors import ConfigError
    from wavemel.library.find import Found, find
    from wavemel.library.watching import Settling

    settling = Settling(settle)
    settling.touch(f.path for f in find([os.fspath(folder)]) if f.reason is None)
    changes = watchfiles.watch(
        folder,
        debounce=_TICK,
        step=50,
        rust_timeout=_TICK,
        yield_on_timeout=True,
        watch_filter=None,
        force_polling=polling or None,
        ignore_permission_denied=True,
    )
    while True:
        complete = settling.complete()
        if complete:
            yield [Found(path) for path in complete]
        if once and not len(settling):
            return
        try:
            changed = next(changes, None)
        except OSError as error:  # what the system can watch is limited
            raise ConfigError(
                f"{folder} cannot be watched ({error}): --polling looks again and again instead"
            ) from error
        if changed is None:
            return
        paths = {path for kind, path in changed if kind != watchfiles.Change.deleted}
        # A folder that was moved here is one change, and so is a file within it.
        settling.touch(f.path for f in find(sorted(paths)) if _is_ours(f))


def _is_ours(found: Found) -> bool:
    from wavemel.library.find import is_audio

    return found.reason is None and is_audio(found.path)


def _not_moved(found: list[Found], store: Store, file: OutFile) -> list[Found]:
    """Give renamed files their results under the new name; return the others."""
    left = []
    moved = False
    for one in found:
        with store.transaction():
            row = store.moved_here(one.path)
        if row is None:
            left.append(one)
        else:
            moved = True
    if moved:
        file.end(store)
    return left


class _Tagger:
    """Writes the genres of results into their files, with one journal for the whole watch."""

    def __init__(self, confidence: float, mapping: Path | None) -> None:
        from wavemel.tagging.errors import require_mutagen
        from wavemel.tagging.journal import Journal, new_journal
        from wavemel.tagging.mapping import read_mapping

        require_mutagen()
        self._confidence = confidence
        self._mapping = read_mapping(mapping) if mapping is not None else None
        self._journal = Journal(new_journal())

    def __call__(self, done: Done, store: Store) -> None:
        from wavemel.outputs.rows import one_line
        from wavemel.tagging.apply import apply
        from wavemel.tagging.plan import plan
        from wavemel.tagging.verdicts import Verdict

        genres = [(g["genre"], g["probability"]) for g in done.row["genres"]]
        verdict = Verdict(done.path, genres, done.row["unsure"], done.row["error"])
        changes = plan([verdict], min_confidence=self._confidence, mapping=self._mapping)
        for outcome in apply(changes, self._journal):
            said = "; ".join(outcome.genres) or outcome.message
            print(f"{outcome.status} {one_line(done.path)}: {said}", file=sys.stderr, flush=True)
            if outcome.status == "written":
                store.accept(done.path)


def _default_out(folder: Path) -> Path:
    import hashlib

    import platformdirs

    where = os.fsencode(folder.resolve())
    name = f"{folder.resolve().name or 'root'}-{hashlib.sha256(where).hexdigest()[:8]}.jsonl"
    place = Path(platformdirs.user_state_dir("wavemel")) / "watch"
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
        print("stopped", file=sys.stderr)
    finally:
        signal.signal(signal.SIGTERM, before)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("watch")(watch)
