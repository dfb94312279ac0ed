"""What `wavemel classify` does with what was typed; nothing here knows how it was parsed."""

from __future__ import annotations

import os
import sys
import time
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from wavemel.commands.endings import INTERRUPTED, Stopped
from wavemel.errors import ConfigError, DataError, Terminated
from wavemel.signals import ended_in_order

if TYPE_CHECKING:
    from wavemel.inference.bundle import Bundle
    from wavemel.inference.reading import Reading
    from wavemel.library.done import Done
    from wavemel.library.find import Found
    from wavemel.library.worker import Job
    from wavemel.outputs import Layout, Output


@dataclass(frozen=True)
class Request:
    """The options of `wavemel classify`; see its help."""

    paths: tuple[str, ...] = ()
    model: str | None = None
    top: int | None = None
    timeline: bool = False
    form: str | None = None
    out: Path | None = None
    prune: bool = False
    workers: int | None = None
    seconds: float | None = None
    whole: bool = False
    tolerance: float = 0.2
    min_confidence: float | None = None


def run(request: Request) -> int:
    """Classify what was asked for; return the exit code.

    Raises
    ------
    WavemelError
        The call was wrong.
    Stopped
        By Ctrl-C, or SIGTERM.
    """
    if request.out == Path("-"):
        request = replace(request, out=None)  # as other programs call standard output
    try:
        with ended_in_order():
            return _run(request)
    except (KeyboardInterrupt, Terminated) as end:
        kept = "" if request.out is None else ": what was done is kept, run again to go on"
        print(f"wavemel: stopped{kept}", file=sys.stderr)
        raise Stopped(end.code if isinstance(end, Terminated) else INTERRUPTED) from None


def _run(request: Request) -> int:
    # Products as small as a spectrogram's are faster on one core, and so is starting.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from wavemel.inference.models import find_model
    from wavemel.outputs import Layout, output_for

    how = reading(request.whole, request.seconds, request.tolerance)
    output = output_for(request.out, request.form)
    if request.out is None:
        output.check(terminal=sys.stdout.isatty())
    bundle = find_model(request.model)
    layout = Layout(bundle.description.classes, request.top, request.timeline)
    job = job_for(bundle, how, request.min_confidence, request.timeline)
    if request.paths == ("-",):
        if request.out is not None:
            raise ConfigError("--out is for files: redirect standard output, as in > FILE")
        if sys.stdin.isatty():
            raise ConfigError("- reads audio from standard input: pipe a file into it")
        return _standard_input(bundle, job, output, layout)
    if "-" in request.paths:
        raise ConfigError("- (audio on standard input) stands alone; a file of that name is ./-")
    paths = request.paths or _listed()
    folders = [path for path in paths if os.path.isdir(path)]
    if request.prune and (request.out is None or not folders):
        raise ConfigError("--prune drops results in --out of files of a folder: give both")
    files = _files(paths)
    if request.out is None:
        return _show(files, bundle, job, request.workers, output, layout)
    keep = _Keep(request.out, output, layout, request.workers, folders, request.prune)
    return keep(files, bundle, job)


def reading(whole: bool, seconds: float | None, tolerance: float) -> Reading:
    """Return how much to read, from the options that say so."""
    from wavemel.inference.reading import Reading

    try:
        return Reading(whole, seconds, tolerance)
    except ValueError as error:
        raise ConfigError(str(error)) from error


def _listed() -> tuple[str, ...]:
    from wavemel.library.find import list_on

    if sys.stdin.isatty():
        raise ConfigError("give files or folders, or a list of them on standard input")
    paths = tuple(list_on(sys.stdin.buffer))
    if not paths:
        raise DataError("the list of paths on standard input is empty")
    return paths


def _files(paths: tuple[str, ...]) -> list[Found]:
    from wavemel.library.find import find

    files = list(find(paths))
    if not files:
        raise DataError(f"no audio files in {', '.join(paths[:3])}")
    return files


def _show(
    files: list[Found],
    bundle: Bundle,
    job: Job,
    workers: int | None,
    output: Output,
    layout: Layout,
) -> int:
    """Write results to standard output as they come; return the exit code."""
    from wavemel.library.library import Library

    library = Library(job, bundle.description, workers)
    tally = _Tally(job.reading)
    sink = standard_output()
    with _bar(len(files)) as bar:
        writer = output.open(sink, layout)
        for done in library.classify(files):
            writer.write(done.row)
            sink.flush()
            tally.add(done)
            bar.advance()
        writer.close()
        sink.flush()
    return tally.end(len(files))


@dataclass(frozen=True)
class _Keep:
    """Keeps results in a file and its store."""

    out: Path
    output: Output
    layout: Layout
    workers: int | None
    folders: list[str]
    prune: bool

    def __call__(self, files: list[Found], bundle: Bundle, job: Job) -> int:
        """Classify what is still to be done; return the exit code."""
        from wavemel.library.library import Library
        from wavemel.library.outfile import OutFile, regular, store_path
        from wavemel.library.store import Store

        out = regular(self.out)
        file = OutFile(out, self.output, self.layout, _say)
        library = Library(job, bundle.description, self.workers)
        tally = _Tally(job.reading)
        store = Store(store_path(out), shared_settings(bundle, job))
        try:
            if any(not os.path.isabs(found.path) for found in files):
                store.keep_folder(os.getcwd())
            file.begin(store)
            with _bar(len(files)) as bar:

                def skipped(path: str, failed: bool) -> None:
                    tally.skip(failed)
                    bar.advance()

                for done in library.resume(files, store, file, skipped):
                    tally.add(done)
                    bar.advance()
            # What is kept of files that are gone is not dropped unasked: a disk may be away.
            gone = store.missing(self.folders, besides=(found.path for found in files))
            if gone and self.prune:
                store.drop(gone)
            file.end(store)
        finally:
            store.close()
        code = tally.end(len(files))
        if gone:
            said = "dropped" if self.prune else "--prune drops them"
            print(f"{len(gone)} results are of files that are gone: {said}", file=sys.stderr)
        print(f"results: {out}", file=sys.stderr)
        return code


def job_for(
    bundle: Bundle, how: Reading, min_confidence: float | None, timeline: bool = False
) -> Job:
    """Return what worker processes need to know."""
    from wavemel.library.worker import Job

    graph = bundle.graph
    return Job(
        model=str(graph.parent if graph.name == "model.onnx" else graph),
        reading=how,
        min_confidence=min_confidence,
        timeline=timeline,
    )


def shared_settings(bundle: Bundle, job: Job) -> dict[str, str]:
    """Return what all results of one store must share."""
    return {
        "model": bundle.description.label,
        "reading": str(job.reading),
        "min_confidence": str(job.min_confidence),
        "timeline": "yes" if job.timeline else "no",
    }


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr)


class _Tally:
    """Counts what a person wants to know at the end."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._start = time.monotonic()
        self._done = self._failed = self._unsure = self._before = 0
        self._read = self._length = 0.0

    def add(self, done: Done) -> None:
        self._done += 1
        self._failed += done.row["error"] is not None
        self._unsure += done.row["error"] is None and done.row["unsure"]
        self._read += done.row["seconds_read"] or 0
        self._length += done.row["seconds"] or 0

    def skip(self, failed: bool) -> None:
        self._before += 1
        self._failed += failed

    def end(self, files: int) -> int:
        """Print the summary; return the exit code."""
        seconds = time.monotonic() - self._start
        if files > 1:
            parts = [f"{files} files"]
            if self._before:
                parts.append(f"{self._before} done before")
            if self._failed:
                parts.append(f"{self._failed} failed")
            if self._unsure:
                parts.append(f"{self._unsure} unsure")
            said = ", ".join(parts)
            if self._done:
                said += f"; {seconds:.1f} s ({self._done / max(seconds, 1e-9):.1f} files a second)"
            print(said, file=sys.stderr)
        if self._length and self._read < 0.99 * self._length:
            how = (
                f"within {self._reading.tolerance:g} of the whole files' answers, in 95 of 100 cases"
                if self._reading.seconds is None
                else "as --seconds says"
            )
            print(
                f"read {self._read / 60:.1f} of {self._length / 60:.1f} minutes, {how}; "
                "--whole reads all",
                file=sys.stderr,
            )
        return 1 if self._failed else 0


def _standard_input(bundle: Bundle, job: Job, output: Output, layout: Layout) -> int:
    """Classify audio on standard input; return the exit code."""
    from wavemel.errors import AudioError
    from wavemel.inference.file import File2Result
    from wavemel.inference.probabilities import Windows2Probabilities
    from wavemel.library.done import Done
    from wavemel.outputs.rows import error_row, result_row

    ask = File2Result(Windows2Probabilities(bundle), job.reading, job.min_confidence)
    sink = standard_output()
    writer = output.open(sink, layout)
    try:
        row = result_row("-", ask(sys.stdin.buffer), timeline=job.timeline)
    except AudioError as error:
        row = error_row("-", error.reason, error.message, bundle.description.label)
    writer.write(row)
    writer.close()
    sink.flush()
    tally = _Tally(job.reading)
    tally.add(Done("-", row))
    return tally.end(files=1)


def standard_output() -> BinaryIO:
    """Return where rows go; on a terminal, above the progress bar."""
    return _Terminal() if sys.stdout.isatty() else sys.stdout.buffer  # type: ignore[return-value]


class _Terminal:
    """Hands text to whatever standard output is at the moment: a bar puts itself in between."""

    def write(self, data: bytes) -> int:
        return sys.stdout.write(data.decode("utf-8", "replace"))

    def flush(self) -> None:
        sys.stdout.flush()

    def seekable(self) -> bool:
        return False


def _bar(count: int) -> Any:
    from wavemel.progress import Ticker, progress

    return progress("classifying", count) if count > 1 else nullcontext(Ticker())
