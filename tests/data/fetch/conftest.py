from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import fault_server
import fma_archive
import pytest


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> fma_archive.Archives:
    """An archive of 8 x 40 clips (of noise: these tests only move bytes)."""
    return fma_archive.build(tmp_path_factory.mktemp("offer"), fma_archive.make_tracks(40))


@pytest.fixture
def server(archives: fma_archive.Archives) -> Iterator[fault_server.Server]:
    with fault_server.serve(archives.folder) as state:
        yield state


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's data folder."""
    monkeypatch.setenv("WAVEMEL_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("WAVEMEL_FMA_URL", raising=False)
    return tmp_path / "data"
