"""What stands in the way of a write shows before one is tried, and by a look at part of the file."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import mutagen
import numpy as np
import pytest
import soundfile
from mutagen.id3 import TIT2

from wavemel.tagging.errors import TagError
from wavemel.tagging.files import check_writable, read_genres, write_genres
from wavemel.tagging.formats import format_of
from wavemel.tagging.plan import plan
from wavemel.tagging.verdicts import Verdict

Song = Callable[..., Path]
#: An ID3v2.3 frame that says of itself that it is encrypted.
ENCRYPTED = b"XENC\0\0\0\x04\0\x40abcd"


def change(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 0xFF
    path.write_bytes(content)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-2000])


def no_text(path: Path) -> None:
    audio = mutagen.File(path)
    audio["comment"] = "@@@@"
    audio.save()
    path.write_bytes(path.read_bytes().replace(b"@@@@", b"\xe9\xe8\xff!"))


def first_page(path: Path) -> None:
    change(path, 40)


def last_page(path: Path) -> None:
    change(path, path.stat().st_size - 10)


def second_block(path: Path) -> None:
    change(path, 43)  # its length, behind that of STREAMINFO


def inner_box(path: Path) -> None:
    content = path.read_bytes()
    change(path, content.index(b"stts") - 2)


def encrypted_frame(path: Path) -> None:
    audio = mutagen.File(path)
    if audio.tags is None:
        audio.add_tags()
    audio.tags.add(TIT2(text=["T" * 40]))
    audio.tags.save(path, v2_version=3)
    content = path.read_bytes()
    at = content.index(b"TIT2")
    path.write_bytes(content[:at] + ENCRYPTED + content[at + len(ENCRYPTED) :])


DAMAGES = [
    ("flac", no_text, "would be lost"),
    ("flac", second_block, "metadata is cut off"),
    ("ogg", no_text, "is damaged"),  # with the checksum of the page
    ("ogg", first_page, "is damaged"),
    ("ogg", last_page, "is damaged"),
    ("ogg", cut, "is damaged"),
    ("opus", cut, "is damaged"),
    ("m4a-moov-first", cut, "is cut off"),
    ("m4a", inner_box, "is cut off"),
    ("mp3", encrypted_frame, "encrypted frame"),
    ("wav", encrypted_frame, "encrypted frame"),
    ("aiff", encrypted_frame, "encrypted frame"),
]


@pytest.mark.parametrize(("of", "damage", "said"), DAMAGES)
def test_damage_is_told_by_the_plan_as_by_the_write(
    of: str, damage: Callable[[Path], None], said: str, song: Song
) -> None:
    path = song(of)
    damage(path)
    before = path.read_bytes()
    assert read_genres(path) == []
    (planned,) = plan([Verdict(str(path), [("rock", 0.9)])])
    assert planned.failed
    assert said in planned.why
    with pytest.raises(TagError) as refused:
        write_genres(path, ["Rock"])
    assert (refused.value.message, path.read_bytes()) == (planned.why, before)


def said_where_nothing_may_be_written(code: str, path: Path, unprivileged: list[str]) -> str:
    """Return what ``code`` prints, which finds ``path`` in a folder without the right to write."""
    path.parent.chmod(0o555)
    command = [*unprivileged, sys.executable, "-c", code, str(path)]
    try:
        return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    finally:
        path.parent.chmod(0o755)


def test_a_folder_that_may_not_be_written_to_is_told_by_the_plan_as_by_the_write(
    song: Song, unprivileged: list[str]
) -> None:
    code = (
        "import sys; from wavemel.tagging.files import check_writable, write_genres\n"
        "for call in (check_writable, lambda path: write_genres(path, ['Rock'])):\n"
        "    try: call(sys.argv[1])\n"
        "    except Exception as error: print(error.message)"
    )
    said = said_where_nothing_may_be_written(code, song("mp3"), unprivileged)
    assert said == "lies in a folder that may not be written to\n" * 2


def test_a_journal_needs_a_place_that_may_be_written_to(
    tmp_path: Path, unprivileged: list[str]
) -> None:
    code = (
        "import sys; from wavemel.tagging.journal import Journal\n"
        "try: Journal(sys.argv[1]).begin()\n"
        "except Exception as error: print(error)"
    )
    said = said_where_nothing_may_be_written(code, tmp_path / "j.jsonl", unprivileged)
    assert "j.jsonl cannot be written: Permission denied; no file was tagged" in said


def test_what_is_whole_passes(kind: str, song: Song) -> None:
    path = song(kind)
    assert check_writable(path) == 0
    write_genres(path, ["Rock"])
    assert check_writable(path) == 0


class Counted(io.BytesIO):
    """Bytes that count how many of them are read."""

    read_so_far = 0

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size)
        self.read_so_far += len(data)
        return data


@pytest.mark.parametrize("ending", ["flac", "ogg"])
def test_a_look_reads_a_small_part_of_a_long_file(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"long.{ending}"
    rng = np.random.default_rng(0)
    with soundfile.SoundFile(path, "w", 44_100, 1) as long:
        for _ in range(120):
            long.write(rng.standard_normal(44_100) * 0.1)
    file = Counted(path.read_bytes())
    found = format_of(file, str(path))
    file.read_so_far = 0
    found.check(file)
    assert file.read_so_far < path.stat().st_size / 2
