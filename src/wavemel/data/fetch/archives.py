"""The archives of the Free Music Archive data set: where they are and how they are known to be whole."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from wavemel.errors import DataError
from wavemel.registry import suggest

BASE_URL = "https://os.unil.cloud.switch.ch/fma/"
URL_VARIABLE = "WAVEMEL_FMA_URL"
FOLDER_VARIABLE = "WAVEMEL_DATA"
LICENCE = (
    "FMA metadata: CC BY 4.0 (Defferrard et al. 2017); each track's audio is its artist's, "
    "under the licence in the column 'licence'"
)


@dataclass(frozen=True)
class Archive:
    """One published zip.

    ``gib`` is its rough size, for people; the server's figure is what counts.
    ``subset`` is the largest ``set.subset`` that its clips belong to.
    """

    name: str
    file: str
    sha1: str
    gib: float
    subset: str = ""

    @property
    def stem(self) -> str:
        """Name of the zip's only top folder."""
        return self.file.removesuffix(".zip")


# github.com/mdeff/fma, README, section "Data".
ARCHIVES: dict[str, Archive] = {
    archive.name: archive
    for archive in (
        Archive(
            "fma-metadata", "fma_metadata.zip", "f0df49ffe5f2a6008d7dc83c6915b31835dfe733", 0.33
        ),
        Archive(
            "fma-small", "fma_small.zip", "ade154f733639d52e35e32f5593efe5be76c6d70", 7.2, "small"
        ),
        Archive(
            "fma-medium", "fma_medium.zip", "c67b69ea232021025fca9231fc1c7c1a063ab50b", 22, "medium"
        ),
        Archive(
            "fma-large", "fma_large.zip", "497109f4dd721066b5ce5e5f250ec604dc78939e", 93, "large"
        ),
        Archive(
            "fma-full", "fma_full.zip", "0f0ace23fbe9ba30ecb7e95f763e435ea802b8ab", 879, "large"
        ),
    )
}
METADATA = ARCHIVES["fma-metadata"]


def archive_called(name: str) -> Archive:
    """Return the archive of that name; raise DataError with the nearest name where there is none."""
    if name not in ARCHIVES:
        raise DataError(f"there is no archive called {name!r}{suggest(name, ARCHIVES)}")
    return ARCHIVES[name]


def data_folder(given: str | os.PathLike[str] | None = None) -> Path:
    """Return where archives are kept: ``given``, $WAVEMEL_DATA, or the user's own data folder."""
    if given:
        return Path(os.path.abspath(Path(given).expanduser()))
    if os.environ.get(FOLDER_VARIABLE):
        return Path(os.path.abspath(Path(os.environ[FOLDER_VARIABLE]).expanduser()))
    from platformdirs import user_data_path

    return user_data_path("wavemel", appauthor=False)


def base_address(given: str | None = None) -> str:
    """Return the folder the archives lie in: ``given``, $WAVEMEL_FMA_URL, or the public one.

    Raises
    ------
    DataError
        The address is no http or https address.
    """
    address = given or os.environ.get(URL_VARIABLE) or BASE_URL
    if not re.match(r"https?://[^/\s]+", address):
        where = "--url" if given else URL_VARIABLE
        raise DataError(f"{where} {address!r} is no address that starts with http:// or https://")
    return address.rstrip("/") + "/"


def read_checksums(text: str, where: str) -> dict[str, str]:
    """Return file name to SHA-1 of a list as ``sha1sum`` writes it.

    Raises
    ------
    DataError
        A line has another form.
    """
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        match = re.fullmatch(r"([0-9a-fA-F]{40}) [ *](.+)", line.rstrip())
        if match is None:
            raise DataError(f"{where}, line {number}: expected a SHA-1, two spaces and a file name")
        found[match[2].removeprefix("./")] = match[1].lower()
    return found


def known_checksums(file: str | os.PathLike[str] | None = None) -> dict[str, str]:
    """Return zip name to SHA-1: the published ones, or those of the user's own list for an own address.

    Raises
    ------
    DataError
        The list cannot be read.
    """
    if file is None:
        return {archive.file: archive.sha1 for archive in ARCHIVES.values()}
    try:
        return read_checksums(Path(file).expanduser().read_text(encoding="utf-8"), str(file))
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"the list of checksums {file} cannot be read: {error}") from error
