"""`wavemel tag`: genres into files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from wavemel.commands.classify import Model, Workers
from wavemel.commands.endings import INTERRUPTED, Stopped
from wavemel.commands.tag_files import changed_since, checked, store_of, verdicts_of
from wavemel.commands.tag_lines import left_alone, say, show_changes, show_outcome
from wavemel.errors import ConfigError, Terminated
from wavemel.signals import ended_in_order

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
        bool,
        typer.Option(
            "--force", help="With --undo or --from: write also to files that have changed since."
        ),
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

    With --from, a file that has changed since it was classified is not tagged. The
    memory beside the results (FILE.state) tells; without it, that is not known.

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
    # Once: a pipe, as in <(...), would be empty the second time.
    table = None if mapping is None else read_mapping(mapping)
    kept_in = Journal(journal or new_journal()) if apply and backup else None
    if kept_in is not None:
        kept_in.begin()
    with _told_of_a_stop("nothing was written"):
        verdicts, classes, passed_over = verdicts_of(
            paths or [], results, model, overwrite, workers
        )
        changes = plan(
            track(verdicts, "reading tags"),
            overwrite=overwrite,
            min_confidence=min_confidence,
            mapping=checked(table, verdicts, classes),
            top=top,
            unsure=unsure,
            changed=changed_since(verdicts, None if force else results),
        )
    show_changes(changes, show_all, planned=not apply)
    failed = sum(change.failed for change in changes)
    writes = sum(change.writes for change in changes)
    left = left_alone(len(changes) - failed - writes, passed_over)
    if not apply:
        hint = "; --apply writes" if writes else ""
        say(f"{writes} files to tag, {left}, {failed} failed{hint}")
        raise typer.Exit(1 if failed else 0)

    from wavemel.tagging.apply import apply as write

    written = 0
    back = "" if kept_in is None else f"take it back with: wavemel tag --undo {kept_in.path}"
    kept = f"what was written is kept; {back}".removesuffix("; ")
    with _told_of_a_stop(kept), store_of(results) as store:
        outcomes = write(changes, kept_in, keep_times=keep_times, store=store)
        for outcome in track(outcomes, "tagging", writes):
            show_outcome(outcome)
            written += outcome.status == "written"
            failed += outcome.status == "failed"
    say(f"{written} files tagged, {left}, {failed} failed")
    if back and written:
        say(back)
    raise typer.Exit(1 if failed else 0)


@contextmanager
def _told_of_a_stop(sentence: str) -> Iterator[None]:
    """Say what becomes of the work where Ctrl-C or SIGTERM ends it."""
    try:
        with ended_in_order():
            yield
    except (KeyboardInterrupt, Terminated) as end:
        say(f"stopped: {sentence}")
        raise Stopped(end.code if isinstance(end, Terminated) else INTERRUPTED) from None


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
    elif "force" in given and "results" not in given:
        raise ConfigError("--force is for files that have changed: give --undo or --from too")
    if "results" in given:
        for name in _CLASSIFYING:
            if name in given:
                raise ConfigError(
                    f"{given[name]} classifies anew and --from takes old results: give one of them"
                )
    if "journal" in given and given.get("backup") == "--no-backup":
        raise ConfigError("--journal says where the journal lies, and --no-backup keeps none")


def _undo(paths: list[str], journal: Path | None, *, force: bool, keep_times: bool) -> None:
    from wavemel.tagging.journal import Journal, last_journal
    from wavemel.tagging.undo import undo

    given = [*map(Path, paths), *([journal] if journal else [])]
    if len(given) > 1:
        raise ConfigError("--undo takes one journal")
    source = given[0] if given else last_journal()
    say(f"undoing {source}")
    counts = {"written": 0, "kept": 0, "failed": 0}
    with _told_of_a_stop("what was restored is kept, run again to go on"):
        for outcome in undo(Journal(source), force=force, keep_times=keep_times):
            counts[outcome.status] += 1
            show_outcome(outcome)
    say(
        f"{counts['written']} files restored, {counts['kept']} had nothing to restore, "
        f"{counts['failed']} failed"
    )
    raise typer.Exit(1 if counts["failed"] else 0)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("tag")(tag)
