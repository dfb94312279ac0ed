"""Errors that a user can cause.

Each message is one sentence that names the file or option at fault and says
what to do. The command line prints it, without a traceback, and exits 2.
"""

from __future__ import annotations

from os import PathLike, fspath


class WavemelError(Exception):
    """Base of every error that a user can cause."""


class AudioError(WavemelError):
    """A file (or stream) that yields no samples.

    Parameters
    ----------
    path : path of the file, or a name for the stream.
    reason : a short machine-readable word (``missing``, ``permission``,
        ``empty``, ``not-audio``, ``damaged``, ``no-decoder``, ``no-samples``, ``silent``).
    message : the sentence for people, without the path.
    """

    def __init__(self, path: str | PathLike[str], reason: str, message: str) -> None:
        self.path = fspath(path)
        self.reason = reason
        self.message = message
        # repr() where a name holds newlines or undecodable bytes, so that one error is one line.
        shown = self.path if self.path.isprintable() else ascii(self.path)
        super().__init__(f"{shown}: {message}")

    def __reduce__(self) -> tuple[type, tuple[str, str, str]]:
        return type(self), (self.path, self.reason, self.message)


class DataError(WavemelError):
    """A data set that cannot be used as it is: missing file or column, empty split, ..."""


class ConfigError(WavemelError):
    """A description of an experiment that does not hold: unknown key, wrong type, ..."""


class ModelError(WavemelError):
    """A run folder, checkpoint or model file that cannot be used for what was asked."""


class Terminated(SystemExit):
    """The process ends by SIGTERM, in good order; 143 is what shells call that end."""

    def __init__(self) -> None:
        super().__init__(143)


class MissingExtraError(WavemelError):
    """Something that an optional part of the installation brings is not installed."""

    def __init__(self, extra: str, what: str) -> None:
        super().__init__(f"{what} needs an optional part: pip install 'wavemel[{extra}]'")
