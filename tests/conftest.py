"""What tests share: where real music lies, and a cache folder of their own."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]

# A shell starts background jobs with Ctrl-C ignored, and children inherit that: tests that send it
# would wait for ever. A handler, unlike SIG_IGN, is reset to the default in children.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep every test's cache away from the user's."""
    monkeypatch.setenv("WAVEMEL_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(scope="session")
def unprivileged() -> list[str]:
    """Words before a command that has to mind access rights, also where root runs the tests."""
    if sys.platform == "win32":
        pytest.skip("access rights are those of POSIX")
    if os.geteuid() != 0:
        return []
    if shutil.which("setpriv") is None:
        pytest.skip("root may read and write everything, and there is no setpriv")
    return ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of real music that is not part of the repository; see CONTRIBUTING.md."""
    folder = Path(os.environ.get("WAVEMEL_REAL_DATA", REPOSITORY.parent / "shared" / "data"))
    if not (folder / "emotify" / "tracks.csv").is_file():
        pytest.skip(
            f"REAL MUSIC IS MISSING: no emotify/tracks.csv in {folder}; set WAVEMEL_REAL_DATA"
        )
    return folder


@pytest.fixture(scope="session")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole cross-validated comparison of two networks and the SVM; tests change copies of it alone."""
    # Here, for most tests need no torch.
    from tiny_runs import DATA, QUIET, write_configs

    from wavemel.data.splits import SplitChoice
    from wavemel.reproduce import Plan, reproduce

    monkeypatch = pytest.MonkeyPatch()
    base = tmp_path_factory.mktemp("reproduce")
    monkeypatch.setenv("WAVEMEL_CACHE", str(base / "cache"))
    configs = write_configs(base / "configs", "wave", "mel")
    plan = Plan(DATA, str(configs), base / "report", SplitChoice(), folds="all", workers=0)
    reproduce(plan, QUIET)
    monkeypatch.undo()
    return base / "report"
