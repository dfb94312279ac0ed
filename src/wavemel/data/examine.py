"""What a scan finds out about one file, by decoding all of it."""

from __future__ import annotations

from dataclasses import dataclass

from wavemel.audio import locate
from wavemel.audio.decode import decode
from wavemel.audio.verdict import judge, sample_digest
from wavemel.errors import AudioError

#: Raised whenever what is found, or how it is judged, changes: older findings are then made anew.
VERSION = 1
#: Faults of the machine or the installation, not of the bytes: looked at again in the next scan.
PASSING = frozenset({"missing", "permission", "no-decoder", "crashed"})


@dataclass(frozen=True)
class Finding:
    """One file as found.

    ``status`` is ok, unreadable or silent (length and twins are the scan's
    business); ``kind`` is the `AudioError.reason` where it is unreadable.
    """

    status: str
    kind: str = ""
    reason: str = ""
    seconds: float | None = None
    rate: int | None = None
    channels: int | None = None
    content: str | None = None
    digest: str | None = None


CRASHED = Finding("unreadable", "crashed", "the decoder crashed on it")


def examine(path: str) -> Finding:
    """Decode a file and say what it holds; a file that yields nothing is a finding, not an error."""
    content = None
    try:
        content = locate.content_hash(path)
        decoded = decode(path)
    except AudioError as error:
        return Finding("unreadable", error.reason, error.message, content=content)
    except MemoryError:
        return Finding("unreadable", "crashed", "is too long for this machine's memory")
    verdict = judge(decoded.samples, decoded.rate, min_seconds=0.0)
    reason = verdict.reason
    if verdict.status == "ok" and not decoded.complete:
        reason = f"damaged or cut short; {decoded.seconds:.1f} s of it decode"
    return Finding(
        verdict.status,
        reason=reason,
        seconds=decoded.seconds,
        rate=decoded.rate,
        channels=decoded.channels,
        content=content,
        digest=sample_digest(decoded.samples),
    )
