"""Does anything stand on two sides of a split: an artist, an album, a recording?"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd


@dataclass(frozen=True)
class LeakReport:
    """What stands on more than one side of a split.

    ``artists``, ``albums``: names. ``twins``: one path for each recording
    that stands on two sides. ``test_clips``: how many there are;
    ``affected``: how many of them share an artist, album or recording with
    another side. ``known``: clips whose artist is known, of ``clips``.
    """

    artists: tuple[str, ...]
    albums: tuple[str, ...]
    twins: tuple[str, ...]
    test_clips: int
    affected: int
    known: int
    clips: int

    @property
    def leaks(self) -> bool:
        """Whether anything stands on two sides."""
        return bool(self.artists or self.albums or self.twins)

    @property
    def share(self) -> float:
        """Share of test clips that are affected."""
        return self.affected / self.test_clips if self.test_clips else 0.0

    def sentence(self) -> str:
        """Return the finding for the log and the report."""
        if not self.leaks:
            if not self.known:
                return (
                    "No recording stands on two sides of the split; the artists are not known, "
                    "so whether one does cannot be told."
                )
            unknown = self.clips - self.known
            tail = f" ({unknown} of {self.clips} clips have no known artist)" if unknown else ""
            return f"No artist, album or recording stands on two sides of the split{tail}."
        parts = [
            f"{len(names)} {kind}{'' if len(names) == 1 else 's'} ({_some(names)})"
            for kind, names in (
                ("artist", self.artists),
                ("album", self.albums),
                ("recording", self.twins),
            )
            if names
        ]
        verb = "stand" if len(parts) > 1 or not parts[0].startswith("1 ") else "stands"
        return (
            f"Leak: {', '.join(parts)} {verb} on two sides of the split; {self.affected} of "
            f"{self.test_clips} test clips ({self.share:.1%}) are affected, so figures on them "
            "flatter the network."
        )


def leak_check(table: pd.DataFrame) -> LeakReport:
    """Return what stands on two sides of the ``split`` column; clips in no split do not count.

    Artists and albums are compared without regard to case and spaces, albums
    by artist and title unless the artist is not known.
    """
    rows = table[table["split"].notna()]
    artist = same_name(rows["artist"])
    album = (artist.fillna("") + "\n" + same_name(rows["album"])).mask(rows["album"].isna())
    found = {}
    affected = pd.Series(False, index=rows.index)
    for what, key, name in (
        ("artists", artist, rows["artist"]),
        ("albums", album, rows["album"]),
        ("twins", rows["digest"], rows["path"]),
    ):
        sides = rows["split"].groupby(key).nunique()
        crossing = key.isin(sides.index[sides > 1]) & key.notna()
        affected |= crossing
        found[what] = tuple(sorted(name[crossing].groupby(key[crossing]).first()))
    test = rows["split"] == "test"
    return LeakReport(
        **found,
        test_clips=int(test.sum()),
        affected=int((affected & test).sum()),
        known=int(artist.notna().sum()),
        clips=len(rows),
    )


def same_name(names: pd.Series) -> pd.Series:
    """Return names in a form in which two spellings of one are equal; missing stays missing."""
    plain = names.astype("string").str.casefold().str.split().str.join(" ").astype("string")
    return plain.mask(plain == "", pd.NA)


def _some(names: tuple[str, ...], most: int = 3) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
