"""Which files `wavemel tag` is about, and what is known of their genres: old results, or asked anew."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from wavemel.commands.tag_lines import say
from wavemel.errors import ConfigError, DataError, ModelError

if TYPE_CHECKING:
    from wavemel.library.find import Found
    from wavemel.library.store import Store
    from wavemel.tagging.mapping import GenreMap
    from wavemel.tagging.verdicts import Verdict

#: What a folder is searched for; a file named outright is judged by its content.
ENDINGS = (
    ".mp3", ".flac", ".ogg", ".oga", ".opus", ".m4a", ".m4b", ".mp4", ".wav", ".aif", ".aiff", ".aifc",
)  # fmt: skip


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


def verdicts_of(
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
        # Not one that is empty, of a variable that is not set: it would be the current folder.
        wanted = [os.path.abspath(path) for path in paths if path]
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


def changed_since(verdicts: Sequence[Verdict], results: Path | None) -> Callable[[str], bool]:
    """Return what says whether a file has changed since its result was made, as far as that is known."""
    from wavemel.library import origin
    from wavemel.library.outfile import regular, store_path

    if results is not None:
        try:
            store = store_path(regular(results))
            return origin.changed_since(store, [verdict.path for verdict in verdicts])
        except ModelError as error:
            say(f"note: {error}; whether files have changed since is not known")
    return lambda path: False


def say_changed(there: Sequence[Verdict], results: Path) -> None:
    """Say how many files, of those that are there, have changed since they were classified."""
    from wavemel.tagging.errors import shown

    has_changed = changed_since(there, results)
    changed = [verdict.path for verdict in there if has_changed(verdict.path)]
    if changed:
        say(
            f"note: {results} holds results of {len(changed)} files that have changed since, such "
            f"as {shown(min(changed))} (classify does them again)"
        )


@contextmanager
def store_of(results: Path | None) -> Iterator[Store | None]:
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


def checked(
    mapping: GenreMap | None, verdicts: Iterable[Verdict], classes: list[str] | None
) -> GenreMap | None:
    """Return a table, checked against the genres that can come."""
    if mapping is None:
        return None
    seen = {genre for verdict in verdicts for genre, _ in verdict.genres}
    for genre in mapping.check(classes or seen, complete=classes is not None):
        say(f"note: {mapping.origin} names {genre!r}, which no result does")
    return mapping
