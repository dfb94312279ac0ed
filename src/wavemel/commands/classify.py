"""`wavemel classify`: any file, any length, a whole library."""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO

import typer

if TYPE_CHECKING:
    from wavemel.inference.bundle import Bundle
    from wavemel.inference.reading import Reading
    from wavemel.library.find import Found
    from wavemel.library.store import Done
    from wavemel.library.worker import Job

Paths = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="PATH...",
        help="Files, folders (with all below), patterns ('music/**/*.mp3'), zip members "
        "(a.zip!/b.mp3), or - for audio on standard input. Without any, a list of paths is read "
        "from standard input: one a line, or separated by NUL bytes.",
    ),
]
Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        "-m",
        help="Name or path of an exported model [default: $WAVEMEL_MODEL, else the one that comes "
        "with wavemel, else your only one].",
    ),
]
Whole = Annotated[bool, typer.Option("--whole", help="Read every file from beginning to end.")]
Seconds = Annotated[
    float | None,
    typer.Option(metavar="S", help="Read about S seconds of every file, spread over it."),
]
Tolerance = Annotated[
    float,
    typer.Option(metavar="T", help="How far a probability may be from what --whole would give."),
]
MinConfidence = Annotated[
    float | None,
    typer.Option(
        metavar="P",
        help="Call an answer unsure where its probability is below P [default: the model's own "
        "threshold].",
        min=0,
        max=1,
    ),
]
Workers = Annotated[
    int | None,
    typer.Option("--workers", "--jobs", "-j", help="Processes [default: one a core].", min=1),
]


def classify(
    paths: Paths = None,
    model: Model = None,
    top: Annotated[
        int | None, typer.Option(help="Genres a file [default: all; 3 in a table].", min=1)
    ] = None,
    timeline: Annotated[
        bool, typer.Option("--timeline", help="Show every window that was read, too.")
    ] = False,
    form: Annotated[
        str | None,
        typer.Option(
            "--format",
            "-f",
            metavar="table|json|jsonl|csv|parquet",
            help="Form of the results [default: by the ending of --out, else table].",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            help="Keep results in FILE. Run again, it goes on where it stopped (even after a "
            "crash) and does changed files again; FILE.state is its memory.",
        ),
    ] = None,
    workers: Workers = None,
    seconds: Seconds = None,
    whole: Whole = False,
    tolerance: Tolerance = 0.1,
    min_confidence: MinConfidence = None,
) -> None:
    """Tell the genre of audio files.

    By default it reads as few windows, spread over each file, as give every
    genre's probability within --tolerance of what reading the --whole file would
    give, with 95 % confidence.

    It exits 0 when all went well, 1 when some files failed (each has a row that
    says why), 2 when the call was wrong.

    Examples:

      wavemel classify song.mp3

      wavemel classify music/ --out genres.csv

      find music -name '*.flac' -print0 | wavemel classify --format jsonl
    """
    from wavemel.inference.models import find_model
    from wavemel.library.find import find, read_list
    from wavemel.outputs import Layout, output_for

    how = reading(whole, seconds, tolerance)
    output = output_for(out, form)
    bundle = find_model(model)
    layout = Layout(bundle.description.classes, top, timeline)
    if paths == ["-"]:
        raise typer.Exit(_standard_input(bundle, how, min_confidence, output, layout, out))
    if not paths:
        if sys.stdin.isatty():
            raise typer.BadParameter("give files or folders, or a list on standard input", None)
        paths = read_list(sys.stdin.buffer.read())
    files = list(find(paths))
    if not files:
        from wavemel.errors import DataError

        raise DataError(
            f"no audio files in {', '.join(paths[:3])}" if paths else "the list of paths is empty"
        )
    run = _Run(bundle, how, min_confidence, timeline, workers)
    raise typer.Exit(
        run.kept(files, output, layout, out) if out else run.shown(files, output, layout)
    )


def reading(whole: bool, seconds: float | None, tolerance: float) -> Reading:
    """Return how much to read, from the options that say so."""
    from wavemel.errors import ConfigError
    from wavemel.inference.reading import Reading

    try:
        return Reading(whole, seconds, tolerance)
    except ValueError as error:
        raise ConfigError(str(error)) from error


@dataclass
class _Run:
    bundle: Bundle
    reading: Reading
    min_confidence: float | None
    timeline: bool
    workers: int | None

    def shown(self, files: list[Found], output: Any, layout: Any) -> int:
        """Write results to standard output as they come; return the exit code."""
        from wavemel.library.library import Library

        library = Library(self._job(), self.bundle.description, self.workers)
        tally = _Tally(self.reading)
        with ExitStack() as stack:
            sink = standard_output()
            bar = stack.enter_context(_bar(len(files)))
            writer = output.open(sink, layout)
            for done in library.classify(files):
                writer.write(done.row)
                sink.flush()
                tally.add(done)
                bar.advance()
            writer.close()
            sink.flush()
        return tally.end(len(files))

    def kept(self, files: list[Found], output: Any, layout: Any, out: Path) -> int:
        """Keep results in a file and its store; return the exit code."""
        from wavemel.library.library import Library
        from wavemel.library.outfile import OutFile, store_path
        from wavemel.library.store import Store

        file = OutFile(out, output, layout)
        about = shared_settings(self.bundle, self.reading, self.min_confidence, self.timeline)
        library = Library(self._job(), self.bundle.description, self.workers)
        tally = _Tally(self.reading)
        store = Store(store_path(out), about)
        try:
            file.begin(store)
            with _bar(len(files)) as bar:

                def skipped(path: str, failed: bool) -> None:
                    tally.skip(failed)
                    bar.advance()

                for done in library.resume(files, store, file, skipped):
                    tally.add(done)
                    bar.advance()
            file.end(store)
        finally:
            store.close()
        code = tally.end(len(files))
        print(f"results: {out}", file=sys.stderr)
        return code

    def _job(self) -> Job:
        return job_for(self.bundle, self.reading, self.min_confidence, self.timeline)


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


def shared_settings(
    bundle: Bundle, how: Reading, min_confidence: float | None, timeline: bool
) -> dict[str, str]:
    """Return what all results of one store must share."""
    return {
        "model": bundle.description.label,
        "reading": str(how),
        "min_confidence": str(min_confidence),
        "timeline": "yes" if timeline else "no",
    }


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


def _standard_input(
    bundle: Bundle, how: Reading, min_confidence: float | None, output: Any, layout: Any, out: Any
) -> int:
    """Classify audio on standard input; return the exit code."""
    from wavemel.errors import AudioError, ConfigError
    from wavemel.inference.file import File2Result
    from wavemel.inference.probabilities import Windows2Probabilities
    from wavemel.outputs.rows import error_row, result_row

    if out is not None:
        raise ConfigError("--out is for files: redirect standard output, as in > FILE")
    ask = File2Result(Windows2Probabilities(bundle), how, min_confidence)
    sink = standard_output()
    writer = output.open(sink, layout)
    failed = False
    try:
        row = result_row("-", ask(sys.stdin.buffer), timeline=layout.timeline)
    except AudioError as error:
        row = error_row("-", error.reason, error.message, bundle.description.label)
        failed = True
    writer.write(row)
    writer.close()
    sink.flush()
    return int(failed)


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
    from contextlib import nullcontext

    from wavemel.progress import Ticker, progress

    return progress("classifying", count) if count > 1 else nullcontext(Ticker())


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("classify")(classify)
