"""The table from a model's genres to one's own tags: ``electronic = Electronica; Dance``."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from os import PathLike
from pathlib import Path

from wavemel.errors import ConfigError


class GenreMap(Mapping[str, tuple[str, ...]]):
    """Genres of the model, in any case, to tags; no tags means: leave such files untouched."""

    def __init__(self, tags: Mapping[str, Iterable[str]], origin: str = "the mapping") -> None:
        self.origin = origin
        self._tags = {genre.casefold(): tuple(own) for genre, own in tags.items()}
        self._names = {genre.casefold(): genre for genre in tags}

    def __getitem__(self, genre: str) -> tuple[str, ...]:
        return self._tags[genre.casefold()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names.values())

    def __len__(self) -> int:
        return len(self._tags)

    def tags(self, genre: str) -> tuple[str, ...]:
        """Return the tags for a genre: its own name where the table does not list it."""
        return self._tags.get(genre.casefold(), (genre,))

    def check(self, known: Iterable[str], *, complete: bool) -> list[str]:
        """Compare the table with the genres of the model, or with those seen in results.

        Parameters
        ----------
        known : genres that exist.
        complete : whether there are no others. If there may be, only a name
            that is nearly one of ``known`` is taken for a mistake.

        Returns
        -------
        list of str
            Genres of the table that ``known`` does not hold.

        Raises
        ------
        ConfigError
            The table names a genre that does not exist; it says which is nearest.
        """
        names = {genre.casefold(): genre for genre in known}
        unknown = [genre for folded, genre in self._names.items() if folded not in names]
        free = [folded for folded in names if folded not in self._names]
        for genre in unknown:
            near = difflib.get_close_matches(genre.casefold(), free, n=1, cutoff=0.75)
            if near:
                raise ConfigError(
                    f"{self.origin}: there is no genre {genre!r} (did you mean {names[near[0]]!r}?)"
                )
            if complete:
                raise ConfigError(
                    f"{self.origin}: there is no genre {genre!r} (known: {', '.join(sorted(names.values()))})"
                )
        return unknown


def read_mapping(path: str | PathLike[str]) -> GenreMap:
    """Return the table in a file: a line a genre, ``#`` starts a comment, tags are set apart by ``;``.

    Raises
    ------
    ConfigError
        The file is missing, a line has no ``=``, or a genre stands twice.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError(f"the mapping {path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"the mapping {path} is not UTF-8 text") from error
    table: dict[str, list[str]] = {}
    lines: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        line = _without_comment(line)
        if not line:
            continue
        genre, equals, right = (part.strip() for part in line.partition("="))
        if not equals or not genre:
            raise ConfigError(
                f"{path}, line {number}: {line!r} is not of the form 'genre = Tag; Another tag'"
            )
        folded = genre.casefold()
        if folded in lines:
            raise ConfigError(
                f"{path}, line {number}: {genre!r} stands in line {lines[folded]} already"
            )
        lines[folded] = number
        table[genre] = [tag for part in right.split(";") if (tag := part.strip())]
    return GenreMap(table, str(path))


def _without_comment(line: str) -> str:
    """Cut at a ``#`` that starts a word: ``C#`` is a name."""
    for at, char in enumerate(line):
        if char == "#" and (at == 0 or line[at - 1].isspace()):
            return line[:at].strip()
    return line.strip()
