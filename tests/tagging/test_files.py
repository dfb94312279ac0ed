"""Reading and writing genres in each kind of file: nothing but the genres changes."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable
from pathlib import Path

import av
import mutagen
import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mutagen.apev2 import APEv2
from mutagen.flac import FLAC, Picture
from mutagen.id3 import APIC, COMM, ID3, TALB, TCON, TIT2, TPE1, TXXX, Encoding
from mutagen.mp4 import MP4, MP4Cover, MP4FreeForm
from mutagen.ogg import OggPage

from wavemel.errors import MissingExtraError
from wavemel.tagging.errors import TagError
from wavemel.tagging.files import read_genres, write_genres

GENRES = ["Electronica", "Dance", "Música clássica"]
COVER = b"\xff\xd8\xff\xe0" + bytes(range(256)) * 40
Song = Callable[..., Path]
FUZZ = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def _tag_richly(path: Path) -> None:
    """Give a file a title, two artists, a tag of its own making and a cover."""
    audio = mutagen.File(path)
    if audio.tags is None:
        audio.add_tags()
    if isinstance(audio, MP4):
        audio["\xa9nam"], audio["\xa9ART"] = ["Title"], ["One", "Two"]
        audio["----:com.apple.iTunes:MOOD"] = [MP4FreeForm(b"calm")]
        audio["covr"] = [MP4Cover(COVER)]
        audio["\xa9gen"] = ["Old"]
    elif hasattr(audio.tags, "getall"):
        for frame in (
            TIT2(encoding=Encoding.UTF16, text=["Títle"]),
            TPE1(encoding=Encoding.UTF8, text=["One", "Two"]),
            TALB(encoding=Encoding.LATIN1, text=["Album"]),
            TXXX(encoding=Encoding.UTF8, desc="MOOD", text=["calm"]),
            COMM(encoding=Encoding.UTF8, lang="deu", desc="", text=["Guten Tag"]),
            APIC(encoding=Encoding.UTF8, mime="image/jpeg", type=3, desc="", data=COVER),
        ):
            audio.tags.add(frame)
    else:
        audio["TITLE"], audio["Artist"], audio["mood"] = "Títle", ["One", "Two"], "calm"
        audio["GENRE"] = ["Old"]
        if isinstance(audio, FLAC):
            picture = Picture()
            picture.data, picture.type, picture.mime = COVER, 3, "image/jpeg"
            audio.add_picture(picture)
        else:
            # Long enough to fill pages of Ogg, so that those after it are numbered anew.
            audio["METADATA_BLOCK_PICTURE"] = "A" * 150_000
    audio.save()


def _other_tags(path: Path) -> list[tuple[str, str]]:
    audio = mutagen.File(path)
    kept = [(k, repr(audio.tags[k])) for k in audio.tags.keys()]  # noqa: SIM118
    if isinstance(audio, FLAC):
        kept += [("picture", repr(p.data)) for p in audio.pictures]
    return sorted(pair for pair in kept if pair[0].lower() not in ("tcon", "genre", "\xa9gen"))


def _outside_tags(path: Path) -> object:
    """Return the bytes of a file that are no tag, found without wavemel's parsers."""
    data = path.read_bytes()
    if data[:4] == b"OggS":
        pages = []
        with path.open("rb") as file:
            while file.tell() < len(data):
                pages.append(OggPage(file))
        packets = OggPage.to_packets(pages, strict=False)
        ends = [page.position for page in pages if page.position > 0]
        return packets[:1], packets[2:], ends
    if data[:4] in (b"RIFF", b"FORM"):
        at = next((i for i in (data.find(b"id3 "), data.find(b"ID3 ")) if i >= 0), len(data))
        return data[:4] + data[8:at]
    if data[4:8] == b"ftyp":
        at = data.index(b"mdat") - 4
        return data[at : at + int.from_bytes(data[at : at + 4])]
    if data[:4] == b"fLaC":
        at, last, blocks = 4, 0, []
        while not last:
            last, size = data[at] & 0x80, int.from_bytes(data[at + 1 : at + 4])
            if data[at] & 0x7F not in (1, 4):
                blocks.append(data[at + 4 : at + 4 + size])
            at += 4 + size
        return blocks, data[at:]
    size = 0
    if data[:3] == b"ID3":
        size = 10 + sum(
            byte << shift for byte, shift in zip(data[6:10], (21, 14, 7, 0), strict=True)
        )
    return data[size:]


def test_genres_come_back_as_written_one_value_each(kind: str, song: Song) -> None:
    path = song(kind)
    assert read_genres(path) == []
    write_genres(path, GENRES)
    assert read_genres(path) == GENRES
    audio = mutagen.File(path)
    raw = audio["\xa9gen"] if isinstance(audio, MP4) else audio.get("TCON") or audio["genre"]
    assert list(raw) == GENRES


def test_id3_is_version_2_4(song: Song) -> None:
    for kind in ("mp3", "wav", "aiff"):
        path = song(kind)
        write_genres(path, GENRES)
        data = path.read_bytes()
        assert data[data.index(b"ID3\x04") :][3] == 4
        assert b"Electronica\x00Dance\x00" in data


def test_audio_bytes_and_samples_are_untouched(
    kind: str, song: Song, decoded: Callable[[Path], bytes]
) -> None:
    path = song(kind)
    samples, outside = decoded(path), _outside_tags(path)
    for genres in (GENRES, ["G" * 70_000], ["x"], []):
        write_genres(path, genres)
        assert _outside_tags(path) == outside
        assert decoded(path) == samples


def test_other_tags_and_pictures_survive(
    kind: str, song: Song, decoded: Callable[[Path], bytes]
) -> None:
    path = song(kind)
    _tag_richly(path)
    others, samples, outside = _other_tags(path), decoded(path), _outside_tags(path)
    assert len(others) >= 4
    for genres in (GENRES, []):
        write_genres(path, genres)
        assert read_genres(path) == genres
        assert _other_tags(path) == others
        assert decoded(path) == samples
        assert _outside_tags(path) == outside


def test_taking_genres_out_of_a_file_without_any_changes_no_tag(kind: str, song: Song) -> None:
    path = song(kind)
    _tag_richly(path)
    write_genres(path, [])
    assert read_genres(path) == []


@pytest.mark.parametrize(
    ("kind", "name"), [("flac", "a.mp3"), ("mp3", "a.wav"), ("opus", "a.mp3"), ("wav", "a.ogg"), ("m4a", "noext")]
)  # fmt: skip
def test_the_content_tells_the_kind_not_the_name(kind: str, name: str, song: Song) -> None:
    path = song(kind, name)
    write_genres(path, GENRES)
    assert read_genres(path) == GENRES


def test_flac_behind_an_id3_tag_keeps_it(song: Song, decoded: Callable[[Path], bytes]) -> None:
    path = song("flac")
    samples = decoded(path)
    front = b"ID3\x04\x00\x00\x00\x00\x00\x0a" + bytes(10)
    path.write_bytes(front + path.read_bytes())
    write_genres(path, GENRES)
    assert path.read_bytes().startswith(front + b"fLaC")
    assert read_genres(path) == GENRES
    assert decoded(path) == samples


def _with_foreign_genre(path: Path, kind: str) -> bytes:
    """Put a genre into a tag that is never written; return what of the file it is."""
    data = path.read_bytes()
    if kind == "flac":
        front = io.BytesIO()
        id3 = ID3()
        id3.add(TCON(encoding=Encoding.UTF8, text=["Rock", "Pop"]))
        id3.save(front)
        path.write_bytes(front.getvalue() + data)
        return front.getvalue()
    ape = APEv2()
    ape["GENRE"] = ["Rock", "Pop"]
    ape.save(path)
    return path.read_bytes()[len(data) :]


@pytest.mark.parametrize("kind", ["mp3", "flac"])
def test_a_genre_in_a_tag_of_another_kind_counts_and_stays(kind: str, song: Song) -> None:
    path = song(kind)
    foreign = _with_foreign_genre(path, kind)
    assert foreign in path.read_bytes()
    assert read_genres(path) == ["Rock", "Pop"]
    written = write_genres(path, GENRES, expected=["Rock", "Pop"])
    assert (written.before, read_genres(path)) == ([], GENRES)
    assert foreign in path.read_bytes()
    write_genres(path, [])
    assert read_genres(path) == ["Rock", "Pop"]
    assert foreign in path.read_bytes()


@pytest.mark.parametrize("kind", ["mp3", "flac"])
def test_a_damaged_tag_of_another_kind_is_no_obstacle(kind: str, song: Song) -> None:
    path = song(kind)
    foreign = _with_foreign_genre(path, kind)
    broken = foreign.replace(b"Rock\0Pop", b"\xff\xfe\xff\xfe\xff\xfe\xff\xfe").replace(
        b"GENRE\0", b"\xffENRE\0"
    )
    assert broken != foreign
    path.write_bytes(path.read_bytes().replace(foreign, broken))
    assert read_genres(path) == []
    write_genres(path, GENRES)
    assert read_genres(path) == GENRES
    assert broken in path.read_bytes()


def test_vorbis_comments_that_are_no_utf8_are_refused_and_kept(song: Song) -> None:
    path = song("flac")
    audio = FLAC(path)
    audio["comment"] = "@@@@"
    audio.save()
    path.write_bytes(path.read_bytes().replace(b"@@@@", b"\xe9\xe8\xff!"))
    before = path.read_bytes()
    with pytest.raises(TagError, match="no UTF-8 text, would be lost"):
        write_genres(path, GENRES)
    assert path.read_bytes() == before


def test_several_cases_of_genre_are_one_field(song: Song) -> None:
    path = song("ogg")
    audio = mutagen.File(path)
    before = list(audio.tags)
    audio.tags.extend([("Genre", "Rock"), ("title", "T"), ("gEnRe", "Pop"), ("GENRE", "")])
    audio.save()
    assert read_genres(path) == ["Rock", "Pop"]
    write_genres(path, ["Jazz"])
    assert list(mutagen.File(path).tags)[-2:] == [("title", "T"), ("GENRE", "Jazz")]
    assert len(list(mutagen.File(path).tags)) == len(before) + 2


def test_a_truncated_wav_is_refused(song: Song) -> None:
    # Its data chunk claims more than there is: a chunk put at the end would be heard as noise.
    path = song("wav")
    path.write_bytes(path.read_bytes()[:-1000])
    before = path.read_bytes()
    with pytest.raises(TagError):
        write_genres(path, GENRES)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "content", [b"", b"ID3", b"Only text.\n" * 500, b"\xff\xd8\xff\xe0JFIF" + bytes(5000)]
)
def test_what_is_no_audio_is_named(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.mp3"
    path.write_bytes(content)
    for call in (lambda: read_genres(path), lambda: write_genres(path, ["x"])):
        with pytest.raises(TagError, match=r"a\.mp3: holds nothing that genres can be written to"):
            call()
    assert path.read_bytes() == content
    assert os.listdir(tmp_path) == ["a.mp3"]


@FUZZ
@given(data=st.data())
def test_damaged_files_end_in_a_tag_error_or_keep_their_audio(
    data: st.DataObject,
    kind: str,
    templates: dict[str, Path],
    tmp_path: Path,
    decoded: Callable[[Path], bytes],
) -> None:
    garbled = bytearray(templates[kind].read_bytes())
    for _ in range(data.draw(st.integers(0, 4))):
        # Most of a file is audio: aim at the headers.
        at = data.draw(st.integers(0, min(len(garbled), 2000) - 1))
        garbled[at] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        del garbled[data.draw(st.integers(0, len(garbled))) :]
    path = tmp_path / "damaged"
    path.write_bytes(garbled)

    def heard() -> object:
        if kind == "mp3":
            # Where a decoder finds its first frame in damage hangs on what stands before.
            return _outside_tags(path)
        try:
            return decoded(path)
        except (soundfile.LibsndfileError, av.FFmpegError, IndexError, UnicodeDecodeError):
            return None

    samples = heard()
    try:
        written = write_genres(path, ["Rock", "Pop"])
    except TagError:
        assert path.read_bytes() == garbled
    else:
        assert read_genres(path) == ["Rock", "Pop"]
        assert samples is None or heard() == samples
        write_genres(path, written.before)
        assert read_genres(path) == written.before
    assert os.listdir(tmp_path) == ["damaged"]


@FUZZ
@given(genres=st.lists(st.text(min_size=1, max_size=20), max_size=4))
def test_any_genre_is_held_as_it_is_or_refused(
    genres: list[str], kind: str, templates: dict[str, Path], tmp_path: Path
) -> None:
    path = tmp_path / "song"
    path.write_bytes(templates[kind].read_bytes())
    try:
        write_genres(path, genres)
    except TagError:
        assert path.read_bytes() == templates[kind].read_bytes()
    else:
        assert read_genres(path) == genres


def test_a_genre_that_id3_would_read_as_a_number_is_refused(song: Song) -> None:
    path = song("mp3")
    with pytest.raises(TagError, match="cannot hold the genres"):
        write_genres(path, ["17"])
    assert read_genres(path) == []


def test_without_mutagen_the_extra_is_named(song: Song, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mutagen", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'wavemel\[tags\]'"):
        read_genres(song("mp3"))


@pytest.mark.real
def test_real_files_keep_all_but_their_genres(
    real_data: Path, tmp_path: Path, decoded: Callable[[Path], bytes]
) -> None:
    songs = [p for p in sorted((real_data / "library").iterdir()) if p.suffix in (".mp3", ".ogg")]
    assert songs
    for original in songs:
        path = tmp_path / original.name
        path.write_bytes(original.read_bytes())
        before, outside, others = read_genres(path), _outside_tags(path), _other_tags(path)
        write_genres(path, GENRES)
        assert read_genres(path) == GENRES
        assert _outside_tags(path) == outside
        assert _other_tags(path) == others
        write_genres(path, before)
        assert read_genres(path) == before
        assert _outside_tags(path) == outside
        path.unlink()


def test_digests_see_every_part(templates: dict[str, Path], tmp_path: Path) -> None:
    """A changed byte of audio never passes for the same (sampled places)."""
    from wavemel.tagging.formats import DamagedError, format_of

    rng = np.random.default_rng(0)
    for name, template in templates.items():
        data = template.read_bytes()
        path = tmp_path / name
        path.write_bytes(data)
        with path.open("rb") as file:
            known = format_of(file, str(path))
            audio = known.rest(file)[0]
        for at in rng.integers(len(data) * 2 // 3, len(data) - 1000, 5):
            path.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
            with path.open("rb") as file:
                try:
                    now = known.rest(file)[0]
                except DamagedError:
                    continue
                assert now != audio, (name, at)
