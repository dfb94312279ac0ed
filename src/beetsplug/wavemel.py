"""wavemel as a plugin of beets (2.7 and newer): genres for imports and for what a query finds.

In beets' configuration::

    plugins: wavemel
    wavemel:
        auto: yes            # on import
        force: no            # replace genres that are there
        model:               # wavemel's default
        min_confidence: 0.5
        count: 1             # at most this many of the model's genres
        mapping:             # a file: electronic = Electronica; Dance
        unsure: no           # take also what the model is unsure of
        source: track        # or album: one answer for all tracks of an album

Files are written where beets writes them: on import, where it applies a match. What
is imported as it is (``beet import -A``, or "as is") stays as it is, and its genre
stands in beets' library until ``beet write``. ``beet wavemel`` writes at once.

An album's own genres come from the mean over its tracks either way.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from beets import ui
from beets.library import Album, Item
from beets.plugins import BeetsPlugin

import wavemel
from wavemel.errors import AudioError, WavemelError
from wavemel.tagging.mapping import GenreMap, read_mapping
from wavemel.tagging.plan import decide
from wavemel.tagging.verdicts import Verdict, mean_verdict

if TYPE_CHECKING:
    from wavemel.inference.classifier import Classifier


class WavemelPlugin(BeetsPlugin):
    """Fills ``genres`` by listening."""

    def __init__(self) -> None:
        super().__init__()
        if "genres" not in Item._fields:
            raise ui.UserError("the wavemel plugin needs beets 2.7 or newer (genres as a list)")
        self.config.add(
            {
                "auto": True,
                "force": False,
                "pretend": False,
                "model": None,
                "min_confidence": 0.5,
                "count": 1,
                "mapping": None,
                "unsure": False,
                "source": "track",
            }
        )
        if self.config["auto"].get(bool):
            self.import_stages = [self.imported]

    @cached_property
    def classifier(self) -> Classifier:
        """The model, loaded when the first track is heard."""
        try:
            return wavemel.load(self.config["model"].get())
        except WavemelError as error:
            raise ui.UserError(f"wavemel: {error}") from error

    @cached_property
    def mapping(self) -> GenreMap:
        """The table from the model's genres to one's own."""
        if not self.config["mapping"].get():
            return GenreMap({})
        try:
            mapping = read_mapping(self.config["mapping"].as_filename())
            mapping.check(self.classifier.classes, complete=True)
        except WavemelError as error:
            raise ui.UserError(f"wavemel: {error}") from error
        return mapping

    @cached_property
    def limits(self) -> tuple[float, int]:
        """The least probability of a genre, and how many of the model's genres a track gets."""
        least, count = self.config["min_confidence"].as_number(), self.config["count"].get(int)
        if not 0 <= least <= 1:
            raise ui.UserError(f"wavemel: min_confidence is a probability from 0 to 1, not {least}")
        if count < 1:
            raise ui.UserError(f"wavemel: count is 1 or more, not {count}")
        return least, count

    def commands(self) -> Sequence[ui.Subcommand]:
        """Return ``beet wavemel [-f] [-p] [QUERY]``."""
        command = ui.Subcommand("wavemel", help="tell genres by listening")
        command.parser.add_option(
            "-f", "--force", action="store_true", help="replace genres that are there"
        )
        command.parser.add_option(
            "-p", "--pretend", action="store_true", help="show changes but make none"
        )
        command.parser.add_option(
            "-a", "--album", action="store_true", help="match albums instead of tracks"
        )

        def run(lib: Any, options: Any, query: list[str]) -> None:
            given = {"force": options.force, "pretend": options.pretend}
            self.config.set_args({key: value for key, value in given.items() if value})
            if options.album:
                for album in lib.albums(query):
                    self.album(album, write=ui.should_write())
            else:
                for item in lib.items(query):
                    self.tracks([item], write=ui.should_write())

        command.func = run
        return [command]

    def imported(self, session: Any, task: Any) -> None:
        """Fill genres of what is being imported; beets then writes the files, unless left as they are."""
        if task.is_album:
            self.album(task.album, write=False)
        else:
            self.tracks(task.imported_items(), write=False)

    def album(self, album: Album, *, write: bool) -> None:
        """Fill the genres of an album and of its tracks."""
        items = list(album.items())
        force = self.config["force"].get(bool)
        if not force and album.genres and all(item.genres for item in items):
            return
        verdicts = [self._verdict(item) for item in items]
        whole = mean_verdict(verdicts)
        own = self.config["source"].as_choice(["track", "album"]) == "track"
        for item, verdict in zip(items, verdicts, strict=True):
            self._fill(item, verdict if own else whole, write=write)
        # Tracks keep their own genres: nothing is inherited.
        if self._decided(album, whole) and not self.config["pretend"].get(bool):
            album.store(fields=["genres"], inherit=False)

    def tracks(self, items: Iterable[Item], *, write: bool) -> None:
        """Fill the genres of tracks, each on its own."""
        for item in items:
            if not item.genres or self.config["force"].get(bool):
                self._fill(item, self._verdict(item), write=write)

    def _verdict(self, item: Item) -> Verdict:
        _ = self.limits  # What is wrong with them is said before a track is heard.
        path = os.fsdecode(item.path)
        try:
            result = self.classifier.classify(path)
        except AudioError as error:
            self._log.warning("{}", error)
            return Verdict(path, error=error.message)
        genres = [(found.genre, found.probability) for found in result.genres]
        return Verdict(path, genres, result.unsure)

    def _fill(self, item: Item, verdict: Verdict, *, write: bool) -> None:
        if self._decided(item, verdict) and not self.config["pretend"].get(bool):
            item.try_sync(write=write, move=False)

    def _decided(self, thing: Item | Album, verdict: Verdict) -> bool:
        """Set the genres of an item or album; return whether they are new."""
        before = list(thing.genres or [])
        least, count = self.limits
        after, why = decide(
            verdict,
            before,
            overwrite=self.config["force"].get(bool),
            min_confidence=least,
            mapping=self.mapping,
            top=count,
            unsure=self.config["unsure"].get(bool),
        )
        if after == before:
            self._log.debug("{}: left alone, {}", thing, why)
            return False
        self._log.info("{}: {} ({})", thing, "; ".join(after), why)
        thing.genres = after
        if self.config["pretend"].get(bool):
            ui.show_model_changes(thing, fields=["genres"])
        return True
