"""MP3: an ID3v2 tag before the audio; ID3v1 and APEv2 tags are read only."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import BinaryIO

from wavemel.audio import mpeg
from wavemel.tagging import id3
from wavemel.tagging.digest import Digest
from wavemel.tagging.formats import FORMATS, TagFormat, after_id3, id3_size

#: An ID3v1 tag and what some programs put around it end within this many bytes of the end.
TAIL = 256


class Mp3(TagFormat):
    """MPEG audio, layers 1 to 3, with ID3v2 in front; ID3v1 and APEv2 tags are left as they are."""

    order = 9

    def matches(self, file: BinaryIO, head: bytes) -> bool:
        """Return whether frames begin after any ID3v2 tags: others may be of a file in the file."""
        return mpeg.begins_with_frames(file, after_id3(file))

    def read(self, file: BinaryIO) -> list[str]:
        """Return the genres of the ID3v2 tag, or of an ID3v1 tag where that names none."""
        from mutagen.id3 import ID3, ID3NoHeaderError

        file.seek(0)
        try:
            return id3.genres_of(ID3(file, translate=False))
        except ID3NoHeaderError:
            return []

    def elsewhere(self, file: BinaryIO) -> list[str]:
        """Return the values of Genre in an APEv2 tag, which other programs write."""
        from mutagen.apev2 import APENoHeaderError, APETextValue, APEv2

        file.seek(0)
        try:
            value = APEv2(file).get("Genre")
        except APENoHeaderError:
            return []
        if not isinstance(value, APETextValue):
            return []
        return [genre for genre in value if genre.strip()]

    def check(self, file: BinaryIO) -> None:
        """Raise DamagedError where the ID3v2 tag holds a frame that ID3v2.4 cannot keep."""
        from mutagen.id3 import ID3, ID3NoHeaderError

        file.seek(0)
        with contextlib.suppress(ID3NoHeaderError):
            id3.check(ID3(file, translate=False))

    def write(self, file: BinaryIO, genres: Sequence[str]) -> None:
        """Replace TCON in an ID3v2.4 tag, which is made or upgraded where need be."""
        from mutagen.id3 import ID3, ID3NoHeaderError

        file.seek(0)
        tagged = id3_size(file.read(10)) > 0
        file.seek(0)
        try:
            # What only an ID3v1 tag says is taken over where there is no ID3v2 tag yet.
            tags = ID3(file, translate=False, load_v1=not tagged)
        except ID3NoHeaderError:
            tags = ID3()
        id3.set_genres(tags, genres)
        # mutagen would write the ID3v1 tag anew from ID3v2, and so lose what only the old one
        # says: put the end of the file aside meanwhile.
        size = file.seek(0, 2)
        file.seek(0)
        cut = min(size, max(id3_size(file.read(10)), size - TAIL))
        file.seek(cut)
        tail = file.read()
        file.truncate(cut)
        file.seek(0)
        tags.save(file, v2_version=4)
        file.seek(0, 2)
        file.write(tail)

    def rest(self, file: BinaryIO) -> tuple[str, str]:
        """Return digests of all bytes after the ID3v2 tag, and of its other frames."""
        from mutagen.id3 import ID3, ID3NoHeaderError

        audio = Digest()
        file.seek(0)
        audio.stream(file, id3_size(file.read(10)))
        file.seek(0)
        try:
            tags = ID3(file, translate=False)
        except ID3NoHeaderError:
            tags = None
        return audio.hex(), id3.others(tags)


FORMATS.register("mp3")(Mp3())
