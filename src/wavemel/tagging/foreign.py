"""What a file is that is no audio file of a kind we tag, by how it begins.

The frames of an MP3 lie as they are in many an archive, and a search for them
would take the archive for the song.
"""

from __future__ import annotations

from wavemel.audio.sniff import HEAD, refused, sniff

#: (offset, bytes, what such a file is): it may hold sound, and no tags that we write.
_SIGNS = ((1, b"CD001", "a disk image"), (0, b"\x00\x00\x01\xba", "a film (MPEG)"))
#: Containers of audio that genres are written to; all others are foreign.
_OURS = ("MP3", "WAV", "AIFF", "FLAC", "Ogg", "MP4/M4A")
#: Containers of many things: (bytes, kinds that genres are written to, as they stand at 8).
_SHARED = ((b"RIFF", (b"WAVE",)), (b"FORM", (b"AIFF", b"AIFC")), (b"RIFX", ()), (b"RF64", ()))
#: MPEG transport streams repeat their sign after so many bytes.
_PACKET = 188


def foreign(head: bytes) -> str | None:
    """Return what a file is that is none to be tagged, None where nothing speaks against it.

    Parameters
    ----------
    head : the first `HEAD` bytes of its content, after any ID3v2 tags.
    """
    other = refused(head)
    if other is not None:
        return f"{other[0]}, no audio file"
    for offset, sign, what in _SIGNS:
        if head.startswith(sign, offset):
            return f"{what}, no audio file"
    if _is_old_tar(head):
        return "a tar archive, no audio file"
    if (
        head[:1] == b"G"
        and head[_PACKET : _PACKET + 1] == head[2 * _PACKET : 2 * _PACKET + 1] == b"G"
    ):
        return "a film (MPEG-TS), no audio file"
    for form, kinds in _SHARED:
        if head.startswith(form) and head[8:12] not in kinds:
            return f"{form.decode()} of a kind that holds no tags wavemel writes"
    container, _ = sniff(head)
    if container is not None and container not in _OURS:
        return f"{container}, which holds no tags wavemel writes"
    return None


def _is_old_tar(head: bytes) -> bool:
    """Return whether the checksum of a tar header holds: the first tar archives have no sign."""
    if len(head) < HEAD:
        return False
    said = head[148:156].strip(b" \0")
    if not said or not all(digit in b"01234567" for digit in said):
        return False
    return int(said, 8) == sum(head[:148]) + 8 * ord(" ") + sum(head[156:HEAD])
