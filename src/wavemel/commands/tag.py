"""`wavemel tag`: genres into files."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wavemel.commands.classify import Model, Workers
from wavemel.errors import ConfigError, DataError, ModelError

if TYPE_CHECKING:
    from wavemel.library.find import Found
    from wavemel.library.store import Store
    from wavemel.tagging.apply import Outcome
    from wavemel.tagging.mapping import GenreMap
    from wavemel.tagging.plan import Change
    from wavemel.tagging.verdicts import Verdict

#: What a folder is searched for; a file named outright is judged by its content.
ENDINGS = (
    ".mp3", ".flac", ".ogg", ".oga", ".opus", ".m4a", ".m4b", ".mp4", ".wav", ".aif", ".aiff", ".aifc",
)  # fmt: skip

Mapping = Annotated[
    Path | None,
    typer.Option(
        help="A table from the model's genres to tags, a line each: 'electronic = Electronica; "
        "Dance'. Nothing after the '=' leaves such files untouched."
    ),
]
MinConfidence = Annotated[
    float, typer.Option(metavar="P", help="Only genres of at least this probability.")
]
Top = Annotated[int, typer.Option(metavar="K", help="At most this many genres a file.")]
Unsure = Annotated[bool, typer.Option("--unsure", help="Take also what the model is unsure of.")]
#: What fits --undo.
_UNDOING = {"undo", "paths", "journal", "force", "keep_times"}
#: What does not go with --from.
_CLASSIFYING = ("model", "workers")


def tag(
    context: typer.Context,
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PATH...",
            help="Files, folders (with all below) and patterns ('music/**/*.mp3'), which are "
            "classified; with --from, files and folders whose results to take; with --undo, a "
            "journal.",
        ),
    ] = None,
    results: Annotated[
        Path | None,
        typer.Option(
            "--from", help="Take what 'wavemel classify --out' wrote (.jsonl, .csv, ...)."
        ),
    ] = None,
    model: Model = None,
    workers: Workers = None,
    apply: Annotated[bool, typer.Option("--apply", help="Write; without it, only show.")] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace genres that files have already.")
    ] = False,
    min_confidence: MinConfidence = 0.5,
    top: Top = 1,
    mapping: Mapping = None,
    unsure: Unsure = False,
    backup: Annotated[
        bool,
        typer.Option(help="Keep a journal of the old genres, so that --undo can restore them."),
    ] = True,
    journal: Annotated[
        Path | None,
        typer.Option(
            help="Where the journal lies [default: a new one in $WAVEMEL_STATE, else among the "
            "user's state]."
        ),
    ] = None,
    undo: Annotated[
        bool, typer.Option("--undo", help="Restore the genres of the last, or the given, journal.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Undo also where a file has changed since.")
    ] = False,
    keep_times: Annotated[
        bool, typer.Option("--keep-times", help="Leave the files' modification times as they are.")
    ] = False,
    show_all: Annotated[
        bool, typer.Option("--all", help="Show also the files that are left alone, and why.")
    ] = False,
) -> None:
    """Write genre tags: show the changes, or with --apply make them.

    Genres are written where there are none (or with --overwrite), as one value
    each. The audio, other tags and pictures stay as they are.

    A genre counts also where other programs put it, and is left there: in an
    ID3v1 or APEv2 tag of an MP3, the INFO list of a WAV, an ID3 tag around a FLAC.

    A file is replaced whole: of several hard links to it, the others keep the old
    one. A symbolic link stays, and the file that it leads to is tagged.

    It exits 0 when all went well, 1 when some files failed (each has a line that
    says why), 2 when the call was wrong.

    Examples:

      wavemel tag ~/Music

      wavemel tag --from genres.parquet --min-confidence 0.7 --apply

      wavemel tag --undo
    """
    _check(_given(context))
    from wavemel.tagging.errors import require_mutagen

    require_mutagen()
    if undo:
        _undo(paths or [], journal, force=force, keep_times=keep_times)
        return
    if "-" in (paths or []):
        raise ConfigError("- (standard input) holds no tags to write; a file of that name is ./-")
    if results is None and not paths:
        raise ConfigError("nothing to tag: give PATHs, --from RESULTS, or --undo")
    from wavemel.progress import track
    from wavemel.tagging.journal import Journal, new_journal
    from wavemel.tagging.mapping import read_mapping
    from wavemel.tagging.plan import check_limits, plan

    # What is wrong with these is said before hours of listening.
    check_limits(min_confidence, top)
    if mapping is not None:
        read_mapping(mapping)
    kept_in = Journal(journal or new_journal()) if apply and backup else None
    if kept_in is not None:
        kept_in.begin()
    verdicts, classes, passed_over = _verdicts(paths or [], results, model, overwrite, workers)
    changes = plan(
        track(verdicts, "reading tags"),
        overwrite=overwrite,
        min_confidence=min_confidence,
        mapping=read_map(mapping, verdicts, classes),
        top=top,
        unsure=unsure,
    )
    _show_changes(changes, show_all, planned=not apply)
    failed = sum(change.failed for change in changes)
    writes = sum(change.writes for change in changes)
    left = _left_alone(len(changes) - failed - writes, passed_over)
    if not apply:
        hint = "; --apply writes" if writes else ""
        say(f"{writes} files to tag, {left}, {failed} failed{hint}")
        raise typer.Exit(1 if failed else 0)

    from wavemel.tagging.apply import apply as write

    written = 0
    with _store_of(results) as store:
        outcomes = write(changes, kept_in, keep_times=keep_times, store=store)
        for outcome in track(outcomes, "tagging", writes):
            _show_outcome(outcome)
            written += outcome.status == "written"
            failed += outcome.status == "failed"
    say(f"{written} files tagged, {left}, {failed} failed")
    if kept_in is not None and written:
        say(f"take it back with: wavemel tag --undo {kept_in.path}")
    raise typer.Exit(1 if failed else 0)


def _given(context: typer.Context) -> dict[str, str]:
    """Return the parameters that were typed, each with the option by which it was."""
    typed = {}
    for parameter in context.command.params:
        name = parameter.name or ""
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            # Of '--backup/--no-backup' the second says no.
            options = (
                parameter.opts if context.params[name] is not False else parameter.secondary_opts
            )
            typed[name] = next((each for each in options if each.startswith("--")), name)
    return typed


def _check(given: dict[str, str]) -> None:
    """Raise ConfigError where options do not fit together: none is to be without effect unsaid.

    Parameters
    ----------
    given : parameters of `tag`, each with the option by which it was given.
    """
    if "undo" in given:
        for name, option in given.items():
            if name not in _UNDOING:
                raise ConfigError(f"--undo restores what a journal says, and takes no {option}")
    elif "force" in given:
        raise ConfigError("--force says how to undo: give --undo too")
    if "results" in given:
        for name in _CLASSIFYING:
            if name in given:
                raise ConfigError(
                    f"{given[name]} classifies anew and --from takes old results: give one of them"
                )
    if "journal" in given and given.get("backup") == "--no-backup":
        raise ConfigError("--journal says where the journal lies, and --no-backup keeps none")


def live_verdicts(
    paths: Sequence[str], model: str | None, *, overwrite: bool = True, workers: int | None = None
) -> tuple[list[Verdict], list[str], int]:
    """Classify files now, as `wavemel classify` does.

    Returns a verdict each, all genres of the model, and how many files of
    folders are of kinds without tags. The only place here that knows the
    classifier. Files that have a genre are not listened to unless ``overwrite``.
    """
    from wavemel.commands.classifying import job_for
    from wavemel.inference.models import find_model
    from wavemel.inference.reading import Reading
    from wavemel.library.library import Library
    from wavemel.progress import track
    from wavemel.tagging.verdicts import Verdict

    bundle = find_model(model)
    files, passed_over = _files(paths)
    if not files:
        raise DataError(f"no audio files that hold tags in {', '.join(paths[:3])}")
    settled = {} if overwrite else _settled(files)
    asked = [found for found in files if found.path not in settled]
    library = Library(job_for(bundle, Reading(), None), bundle.description, workers)
    heard = {}
    for done in track(library.classify(asked), "classifying", len(asked)):
        row = done.row
        genres = [(each["genre"], each["probability"]) for each in row["genres"]]
        heard[done.path] = Verdict(done.path, genres, row["unsure"], row["error"])
    by_path = {**settled, **heard}
    verdicts = [by_path[found.path] for found in files]
    return verdicts, list(bundle.description.classes), passed_over


def _settled(files: Sequence[Found]) -> dict[str, Verdict]:
    """Return verdicts on the files that need not be listened to: they have a genre, or no tags to read."""
    from wavemel.progress import track
    from wavemel.tagging.errors import TagError
    from wavemel.tagging.files import read_genres
    from wavemel.tagging.verdicts import Verdict

    made = {}
    for found in track(files, "reading tags"):
        if found.reason is not None:
            continue
        try:
            if read_genres(found.path):
                made[found.path] = Verdict(found.path)
        except TagError as error:
            made[found.path] = Verdict(found.path, error=error.message)
    return made


def _verdicts(
    paths: Sequence[str],
    results: Path | None,
    model: str | None,
    overwrite: bool,
    workers: int | None,
) -> tuple[list[Verdict], list[str] | None, int]:
    """Return the same as `live_verdicts`; the genres are None where they are not known."""
    if results is None:
        return live_verdicts(paths, model, overwrite=overwrite, workers=workers)
    from wavemel.tagging.verdicts import read_results

    verdicts = read_results(results)
    if paths:
        wanted = [os.path.abspath(path) for path in paths]
        verdicts = [v for v in verdicts if any(_within(v.path, path) for path in wanted)]
        if not verdicts:
            raise ConfigError(f"{results} holds none of the PATHs given")
    there = say_gone(verdicts, results)
    if verdicts and not there:
        raise DataError(
            f"{results}: none of its files is where it was: moved, or on a disk that is away?"
        )
    return there, None, 0


def say_gone(verdicts: Sequence[Verdict], results: Path) -> list[Verdict]:
    """Return the verdicts on files that are there, and say of how many others there are results."""
    from wavemel.audio.locate import is_gone
    from wavemel.tagging.errors import shown

    gone = {verdict.path for verdict in verdicts if is_gone(verdict.path)}
    if gone:
        say(
            f"note: {results} holds results of {len(gone)} files that are gone, such as "
            f"{shown(min(gone))} (classify --prune drops them)"
        )
    return [verdict for verdict in verdicts if verdict.path not in gone]


@contextmanager
def _store_of(results: Path | None) -> Iterator[Store | None]:
    """Open what remembers how results were made, so that tagged files are not classified again."""
    from wavemel.library.outfile import regular, store_path
    from wavemel.library.store import Store

    path = None if results is None else store_path(regular(results))
    if path is None or not path.is_file():
        yield None
        return
    try:
        store = Store(path)
    except ModelError as error:
        say(f"note: {error} (classify will do the tagged files again)")
        yield None
        return
    with closing(store):
        yield store


def _within(path: str, folder: str) -> bool:
    path = os.path.abspath(path)
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)


def _files(paths: Sequence[str]) -> tuple[list[Found], int]:
    """Return the files to tag, and how many of folders are left out for their kind.

    Those are taken that are named outright, and those of a folder whose ending
    says that they hold tags.
    """
    from wavemel.library.find import find

    named = {os.path.abspath(path) for path in paths}
    everything = list(find(paths))
    taken = [
        found
        for found in everything
        if found.reason is not None
        or found.path.lower().endswith(ENDINGS)
        or os.path.abspath(found.path) in named
    ]
    return taken, len(everything) - len(taken)


def _left_alone(kept: int, passed_over: int) -> str:
    if not passed_over:
        return f"{kept} left alone"
    return (
        f"{kept + passed_over} left alone ({passed_over} of kinds that hold no tags wavemel writes)"
    )


def read_map(
    path: Path | None, verdicts: Iterable[Verdict], classes: list[str] | None
) -> GenreMap | None:
    """Return the table in a file, checked against the genres that can come, None without a file."""
    if path is None:
        return None
    from wavemel.tagging.mapping import read_mapping

    mapping = read_mapping(path)
    seen = {genre for verdict in verdicts for genre, _ in verdict.genres}
    for genre in mapping.check(classes or seen, complete=classes is not None):
        say(f"note: {mapping.origin} names {genre!r}, which no result does")
    return mapping


def _undo(paths: list[str], journal: Path | None, *, force: bool, keep_times: bool) -> None:
    from wavemel.tagging.journal import Journal, last_journal
    from wavemel.tagging.undo import undo

    given = [*map(Path, paths), *([journal] if journal else [])]
    if len(given) > 1:
        raise ConfigError("--undo takes one journal")
    source = given[0] if given else last_journal()
    say(f"undoing {source}")
    counts = {"written": 0, "kept": 0, "failed": 0}
    for outcome in undo(Journal(source), force=force, keep_times=keep_times):
        counts[outcome.status] += 1
        _show_outcome(outcome)
    say(
        f"{counts['written']} files restored, {counts['kept']} had nothing to restore, "
        f"{counts['failed']} failed"
    )
    raise typer.Exit(1 if counts["failed"] else 0)


def _show_changes(changes: Iterable[Change], show_all: bool, *, planned: bool) -> None:
    from wavemel.tagging.errors import shown

    for change in changes:
        path = shown(change.path)
        if change.failed:
            _line("failed", path, change.why, "red")
        elif change.writes and planned:
            if sys.stdout.isatty():
                _print_diff(path, change)
            else:
                typer.echo(
                    f"write {path}: {_named(change.before)} -> {_named(change.after)} ({change.why})"
                )
        elif show_all and not change.writes:
            _line("keep", path, f"{_named(change.before)} ({change.why})", "dim")


def _print_diff(path: str, change: Change) -> None:
    from rich.console import Console
    from rich.text import Text

    diff = Text(path, style="bold")
    if change.before:
        diff.append(f"\n  - {_named(change.before)}", style="not bold red")
    diff.append(f"\n  + {_named(change.after)}", style="not bold green")
    diff.append(f"   {change.why}", style="not bold dim")
    Console().print(diff, soft_wrap=True)


def _show_outcome(outcome: Outcome) -> None:
    from wavemel.tagging.errors import shown

    said = "; ".join(part for part in (_named(outcome.genres), outcome.message) if part)
    if outcome.status == "failed":
        said = outcome.message
    style = {"written": "green", "kept": "dim", "failed": "red"}[outcome.status]
    _line(outcome.status, shown(outcome.path), said, style)


def _line(word: str, path: str, said: str, style: str) -> None:
    if sys.stdout.isatty():
        from rich.console import Console
        from rich.text import Text

        Console().print(Text.assemble((word, style), f" {path}: {said}"), soft_wrap=True)
    else:
        typer.echo(f"{word} {path}: {said}")


def _named(genres: Sequence[str]) -> str:
    return "; ".join(genres) or "(none)"


def say(sentence: str) -> None:
    """Print a sentence for people, beside the results."""
    typer.echo(sentence, err=True)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("tag")(tag)
