"""What a file's first bytes say it is, whatever its name says."""

from __future__ import annotations

#: (offset, bytes, container): formats that libsndfile reads.
_SNDFILE = (
    (0, b"RIFF", "WAV"),
    (0, b"RIFX", "WAV"),
    (0, b"RF64", "WAV"),
    (0, b"riff", "Wave64"),
    (0, b"fLaC", "FLAC"),
    (0, b"OggS", "Ogg"),
    (0, b"FORM", "AIFF"),
    (0, b".snd", "AU"),
    (0, b"dns.", "AU"),
    (0, b"caff", "CAF"),
    (0, b"ID3", "MP3"),
)
#: (offset, bytes, what such a file is, what to do) of what is no audio file, though libsndfile might
#: take it for one: of a MIDI sample dump it prints every damaged byte to standard output, where the
#: results go; in archives it finds the frames of MP3s, and would take one for a song.
_REFUSED = (
    (0, b"\xf0\x7e", "a MIDI sample dump", ""),
    (0, b"PK\x03\x04", "a zip archive", "name what is in it, as in music.zip!/song.mp3"),
    (0, b"PK\x07\x08", "a zip archive", "name what is in it, as in music.zip!/song.mp3"),
    (0, b"PK\x05\x06", "an empty zip archive", ""),
    (257, b"ustar", "a tar archive", "unpack it first"),
    (0, b"\x1f\x8b", "a gzip archive", "unpack it first"),
    (0, b"BZh", "a bzip2 archive", "unpack it first"),
    (0, b"\xfd7zXZ\0", "an xz archive", "unpack it first"),
    (0, b"\x28\xb5\x2f\xfd", "a Zstandard archive", "unpack it first"),
    (0, b"\x04\x22\x4d\x18", "an LZ4 archive", "unpack it first"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive", "unpack it first"),
    (0, b"Rar!", "a RAR archive", "unpack it first"),
    (0, b"MSCF", "a cabinet archive", "unpack it first"),
    (2, b"-lh", "an LHA archive", "unpack it first"),
    (0, b"07070", "a cpio archive", "unpack it first"),
    (0, b"\xc7\x71", "a cpio archive", "unpack it first"),
    (0, b"!<arch>\n", "an ar archive", "unpack it first"),
    (0, b"%PDF", "a PDF document", ""),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an Office document", ""),
    (0, b"SQLite format 3\0", "a database", ""),
)
#: Bytes of a file's beginning that `sniff` and `refused` look at.
HEAD = 512
#: Formats that only PyAV (the extra ``av``) reads.
_LIBAV = (
    (4, b"ftyp", "MP4/M4A"),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "WMA"),
    (0, b"\x1a\x45\xdf\xa3", "Matroska/WebM"),
    (0, b"MAC ", "Monkey's Audio"),
    (0, b"wvpk", "WavPack"),
    (0, b"TTA1", "True Audio"),
    (0, b"MPCK", "Musepack"),
    (0, b"MP+", "Musepack"),
    (0, b"DSD ", "DSF"),
    (0, b"FRM8", "DSDIFF"),
    (0, b"#!AMR", "AMR"),
    (0, b"ADIF", "AAC"),
    (0, b"FLV", "FLV"),
    (8, b"AVI ", "AVI"),
)


def refused(head: bytes) -> tuple[str, str] | None:
    """Return what a file is that is no audio, and what to do with it, by its first `HEAD` bytes."""
    for offset, magic, what, cure in _REFUSED:
        if head.startswith(magic, offset):
            return what, cure
    return None


def sniff(head: bytes) -> tuple[str | None, bool]:
    """Return (container or None, whether libsndfile reads such files) by the first 16 bytes or more."""
    for offset, magic, container in _LIBAV:
        if head.startswith(magic, offset):
            return container, False
    for offset, magic, container in _SNDFILE:
        if head.startswith(magic, offset):
            return container, True
    if len(head) >= 2 and head[0] == 0xFF and head[1] & 0xF6 == 0xF0:
        return "AAC", False  # ADTS: MPEG sync with layer 0
    if len(head) >= 2 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0:
        return "MP3", True
    return None, True
