"""Where a file of MPEG audio begins: frames that follow each other, not any that can be found."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

#: Junk before the first frame that is searched, in bytes: two frames of the longest kind, as a
#: recording of a stream begins anywhere within one.
JUNK = 4096
#: Zero bytes that are passed over before that.
ZEROS = 1 << 20
#: Frames that must follow each other: where they begin at once, and where they are behind junk.
AT_ONCE, BEHIND_JUNK = 2, 4
#: Places of a file at which its frames are looked at.
_PROBES = 32

#: kbit/s by index 1 to 14, for (MPEG-1?, layer).
_RATES = {
    (True, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
#: Hz by the bits of the version: 0 is MPEG-2.5, 2 is MPEG-2, 3 is MPEG-1.
_SAMPLES = {0: (11025, 12000, 8000), 2: (22050, 24000, 16000), 3: (44100, 48000, 32000)}


@dataclass(frozen=True)
class Frame:
    """What the header of one frame says; ``size`` in bytes, header included."""

    version: int
    layer: int
    samples_per_second: int
    size: int

    def goes_with(self, other: Frame | None) -> bool:
        """Return whether both can be of one stream."""
        return other is not None and (self.version, self.layer, self.samples_per_second) == (
            other.version, other.layer, other.samples_per_second,
        )  # fmt: skip


def frame_at(data: bytes, at: int) -> Frame | None:
    """Return the frame whose header stands at ``at``, None where none does.

    Source: ISO/IEC 11172-3, section 2.4.1.3, and 13818-3 for the lower rates.
    """
    if len(data) < at + 4 or data[at] != 0xFF or data[at + 1] & 0xE0 != 0xE0:
        return None
    version, layer = data[at + 1] >> 3 & 3, 4 - (data[at + 1] >> 1 & 3)
    rate, samples, padding = data[at + 2] >> 4, data[at + 2] >> 2 & 3, data[at + 2] >> 1 & 1
    if version == 1 or layer == 4 or rate in (0, 15) or samples == 3:
        return None
    bits = _RATES[version == 3, layer][rate - 1] * 1000
    per_second = _SAMPLES[version][samples]
    if layer == 1:
        size = (12 * bits // per_second + padding) * 4
    else:
        size = (72 if layer == 3 and version != 3 else 144) * bits // per_second + padding
    return Frame(version, layer, per_second, size)


def begins_with_frames(file: BinaryIO, start: int) -> bool:
    """Return whether the content from ``start`` on begins as MPEG audio does.

    Zero bytes may stand in front, then up to `JUNK` others where more frames
    than usual follow.
    """
    start = after_zeros(file, start)
    file.seek(start)
    data = file.read(JUNK + 4)
    for at in _sync_words(data):
        if _follow_each_other(file, start + at, BEHIND_JUNK if at else AT_ONCE):
            return True
    return False


def has_constant_rate(file: BinaryIO) -> bool:
    """Return whether frames all over a file are of one size, so that their count follows from the file's.

    Looks at `_PROBES` places; leaves the file's position where it was.
    """
    position = file.tell()
    size = file.seek(0, os.SEEK_END)
    sizes = []
    for i in range(_PROBES):
        start = size * i // _PROBES
        file.seek(start)
        for at in _sync_words(file.read(JUNK + 4)):
            if _follow_each_other(file, start + at, BEHIND_JUNK):
                file.seek(start + at)
                frame = frame_at(file.read(4), 0)
                sizes += [frame.size] if frame is not None else []
                break
    file.seek(position)
    # Padding makes a frame of layer 1 four bytes longer, others one.
    return len(sizes) > _PROBES // 2 and max(sizes) - min(sizes) <= 4


def after_zeros(file: BinaryIO, start: int) -> int:
    """Return where the first byte from ``start`` on lies that is not zero, or up to `ZEROS` on."""
    end = start + ZEROS
    while start < end:
        file.seek(start)
        data = file.read(JUNK)
        if kept := len(data.lstrip(b"\0")):
            return start + len(data) - kept
        if not data:
            break
        start += len(data)
    return start


def _sync_words(data: bytes) -> Iterator[int]:
    at = data.find(b"\xff")
    while 0 <= at <= JUNK:
        if frame_at(data, at) is not None:
            yield at
        at = data.find(b"\xff", at + 1)


def _follow_each_other(file: BinaryIO, at: int, count: int) -> bool:
    first = None
    for _ in range(count):
        file.seek(at)
        frame = frame_at(file.read(4), 0)
        if frame is None or not frame.goes_with(first or frame):
            return False
        first, at = first or frame, at + frame.size
    return True
