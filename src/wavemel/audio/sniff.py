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
#: What libsndfile would read, or look for music in, and is no audio file. Of a MIDI sample dump it
#: prints every damaged byte to standard output, where the results go; in archives it finds the
#: frames of MP3s, and would take one for a song.
_REFUSED = (
    (0, b"\xf0\x7e", "a MIDI sample dump, which is not read"),
    (0, b"PK\x03\x04", "a ZIP archive: name what is in it, as in music.zip!/song.mp3"),
    (0, b"PK\x05\x06", "an empty ZIP archive"),
    (257, b"ustar", "a tar archive: unpack it first"),
    (0, b"\x1f\x8b", "compressed (gzip): unpack it first"),
    (0, b"BZh", "compressed (bzip2): unpack it first"),
    (0, b"\xfd7zXZ\0", "compressed (xz): unpack it first"),
    (0, b"\x28\xb5\x2f\xfd", "compressed (Zstandard): unpack it first"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive: unpack it first"),
    (0, b"Rar!", "a RAR archive: unpack it first"),
    (0, b"%PDF-", "a PDF document"),
    (0, b"SQLite format 3\0", "a database"),
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


def refused(head: bytes) -> str | None:
    """Return what a file is that is no audio, by its first `HEAD` bytes, where that is known."""
    for offset, magic, what in _REFUSED:
        if head.startswith(magic, offset):
            return what
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
