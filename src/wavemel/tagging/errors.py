"""Why a file's tags could not be read or written."""

from __future__ import annotations

from os import PathLike, fspath

from wavemel.errors import MissingExtraError, WavemelError


class TagError(WavemelError):
    """A file whose tags cannot be read or written; it is left as it was.

    Parameters
    ----------
    path : the file.
    message : the sentence for people, without the path.
    """

    def __init__(self, path: str | PathLike[str], message: str) -> None:
        self.path = fspath(path)
        self.message = message
        super().__init__(f"{shown(self.path)}: {message}")

    def __reduce__(self) -> tuple[type, tuple[str, str]]:
        return type(self), (self.path, self.message)


def shown(path: str) -> str:
    """Return ``path`` as one line that any terminal can print."""
    return path if path.isprintable() else ascii(path)


def require_mutagen() -> None:
    """Raise MissingExtraError unless mutagen is installed.

    It is an extra, and imported only where tags are touched, because its
    licence (GPL) is not ours.
    """
    try:
        import mutagen  # noqa: F401
    except ImportError:
        raise MissingExtraError("tags", "reading and writing tags") from None
