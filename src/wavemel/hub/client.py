"""The hub's client library, imported only when used, and its errors as sentences."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wavemel.errors import MissingExtraError, ModelError

if TYPE_CHECKING:
    from huggingface_hub import HfApi

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")


@dataclass(frozen=True)
class Address:
    """A repository on the hub: ``OWNER/NAME``, and which of its revisions."""

    repository: str
    revision: str | None = None

    @property
    def name(self) -> str:
        """The repository's name without its owner."""
        return self.repository.partition("/")[2]


def read_address(text: str) -> Address:
    """Return the repository that ``OWNER/NAME`` or ``OWNER/NAME@REVISION`` means.

    Raises
    ------
    ModelError
        It is of another form.
    """
    repository, at, revision = text.partition("@")
    parts = repository.split("/")
    fits = len(parts) == 2 and all(_NAME.fullmatch(part) for part in parts)
    if not fits or (at and not revision) or "--" in repository or ".." in repository:
        raise ModelError(
            f"{text!r} is no model on the hub: say OWNER/NAME or OWNER/NAME@REVISION, "
            "as in someone/my-genres"
        )
    return Address(repository, revision or None)


def hub_api() -> HfApi:
    """Return the hub's client; ``HF_ENDPOINT`` and ``HF_TOKEN`` say where and as whom.

    Raises
    ------
    MissingExtraError
        huggingface_hub is not installed.
    """
    try:
        from huggingface_hub import HfApi
        from huggingface_hub.utils import disable_progress_bars
    except ImportError as error:
        raise MissingExtraError("hub", "the Hugging Face hub") from error
    if not sys.stderr.isatty():
        disable_progress_bars()
    # Read here, not by the library at its import, so that both are those of this moment.
    return HfApi(
        endpoint=os.environ.get("HF_ENDPOINT") or None,
        token=os.environ.get("HF_TOKEN") or None,
        library_name="wavemel",
    )


@contextmanager
def hub_errors(api: HfApi, repository: str, doing: str, file: str = "") -> Iterator[None]:
    """Turn what the hub and the network can answer into one sentence.

    Parameters
    ----------
    api : the client, for the hub's address.
    repository : what was asked for.
    doing : ``"reading"`` or ``"writing"``, as the sentences say it.
    file : the one file of it that was asked for.
    """
    from huggingface_hub import errors as e

    where = api.endpoint
    try:
        yield
    except e.GatedRepoError as error:
        raise ModelError(
            f"{repository} is given only to those who accept its terms: accept them at "
            f"{where}/{repository} and set HF_TOKEN to a token of yours"
        ) from error
    except e.RevisionNotFoundError as error:
        raise ModelError(f"{repository} has no such revision at {where}") from error
    except e.RepositoryNotFoundError as error:
        raise ModelError(
            f"there is no model {repository} at {where} that you may see: check the name, or, if it "
            f"is private, set HF_TOKEN to a token that allows {doing}"
        ) from error
    except e.OfflineModeIsEnabled as error:
        raise ModelError(f"{where} is not asked, for HF_HUB_OFFLINE is set: unset it") from error
    except e.HfHubHTTPError as error:
        raise ModelError(_answer(error, where, repository, doing, file)) from error
    except (e.HTTPError, e.LocalEntryNotFoundError, e.FileMetadataError) as error:
        cause = error.__cause__ or error
        if isinstance(cause, e.HfHubHTTPError):
            # Its answer to the question of where a file lies; it was reached.
            raise ModelError(_answer(cause, where, repository, doing, file)) from error
        foreign = isinstance(cause, e.FileMetadataError)
        what = "does not answer as a hub does" if foreign else "cannot be reached"
        raise ModelError(f"{where} {what}: {_short(cause)}") from error
    except OSError as error:
        if error.errno is not None:
            raise  # this machine's: a full disk, a folder that may not be written
        raise ModelError(f"{repository} was not transferred whole: {_short(error)}") from error
    except (TypeError, ValueError, LookupError, AttributeError) as error:
        # The client takes every answer of status 200 for a hub's, and fails where it is none.
        raise ModelError(
            f"{where} does not answer as a hub does: what it says of {repository} cannot be read "
            "(is HF_ENDPOINT right?)"
        ) from error


def _answer(error: Exception, where: str, repository: str, doing: str, file: str) -> str:
    response = error.response  # type: ignore[attr-defined]
    status = response.status_code
    if status in (401, 403):
        return (
            f"{where} does not allow {doing} {repository} (HTTP {status}): set HF_TOKEN to a token "
            "that does"
        )
    if status == 429:
        return f"{where} was asked too often (HTTP 429): try again later"
    if status == 404 and file:
        return f"{where} lists {file} in {repository}, but the file is missing there (HTTP 404)"
    said = _short(getattr(error, "server_message", None) or "")
    return f"{where} answers {repository} with HTTP {status}{f': {said}' if said else ''}"


def _short(said: object) -> str:
    return " ".join(str(said).split())[:200]
