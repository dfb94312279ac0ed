from __future__ import annotations

import sys
from pathlib import Path

import fault_server
import fma_archive
import numpy as np
import pytest
import soundfile

from wavemel.commands import main as program


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> fma_archive.Archives:
    return fma_archive.build(tmp_path_factory.mktemp("offer"), fma_archive.make_tracks(6))


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, tmp_path: Path):
    """Run the program as its script does; return exit code, standard output and error."""
    monkeypatch.setenv("WAVEMEL_DATA", str(tmp_path / "data"))

    def run(*words: str | Path) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["wavemel", *map(str, words)])
        with pytest.raises(SystemExit) as exit_:
            program.main()
        out, err = capsys.readouterr()
        return int(exit_.value.code or 0), out, err

    return run


def test_fetch_says_where_it_is_and_how_to_use_it(
    archives: fma_archive.Archives, call, tmp_path: Path
) -> None:
    sums = archives.checksums_file()
    with fault_server.serve(archives.folder) as server:
        code, out, _ = call("data", "fetch", "fma-small", "--url", server.url, "--checksums", sums)
    assert code == 0
    assert f"fma-small is in {tmp_path / 'data' / 'fma_small.zip'}, complete and checked" in out
    assert "use it as: wavemel data scan fma-small\n" in out
    assert "each track's audio is its artist's" in out


def test_fetch_of_a_slice(
    archives: fma_archive.Archives, call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with fault_server.serve(archives.folder) as server:
        monkeypatch.setenv("WAVEMEL_FMA_URL", server.url)
        code, out, _ = call("data", "fetch", "fma-small", "--per-genre", "3", "--to", tmp_path)
    assert code == 0
    assert f"use it as: wavemel data scan {tmp_path}/fma_small_3_per_genre" in out
    assert len(list(tmp_path.glob("fma_small_3_per_genre/fma_small/*/*.mp3"))) == 24


def test_faults_are_one_sentence_and_exit_code_2(
    archives: fma_archive.Archives, call, tmp_path: Path
) -> None:
    with fault_server.serve(archives.folder) as server:
        server.ranges = False
        url = ("--url", server.url)
        for words, sentence in (
            (("fma-small", "--per-genre", "3", *url), "the server has no Range requests"),
            (("fma-small", *url), "what arrived is not the right file"),
            (("fma-smal", *url), "did you mean 'fma-small'"),
            (("fma-small", "--url", server.url + "elsewhere"), "404"),
        ):
            code, _, err = call("data", "fetch", *words)
            assert code == 2
            assert sentence in err
            assert err.startswith("wavemel: ")
            assert "Traceback" not in err
    code, _, err = call("data", "scan", "fma-small")
    assert code == 2
    assert "run 'wavemel data fetch fma-small'" in err


@pytest.fixture(scope="module")
def music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("music")
    draw = np.random.default_rng(0)
    for genre in ("folk", "rock & <roll>"):
        (root / genre).mkdir()
        for i in range(3):
            soundfile.write(root / genre / f"{i}.wav", draw.normal(0, 0.1, 24000), 8000)
    (root / "folk" / "bad.wav").write_bytes(b"no audio")
    return root


def test_info_prints_counts(music: Path, call) -> None:
    code, out, _ = call("data", "info", music, "--workers", "0")
    assert code == 0
    assert "6 usable clips of 7" in out
    assert [line.split() for line in out.splitlines() if line.startswith("folk")] == [
        ["folk", "3", "1", "0.00", "0"]
    ]
    assert "8000 Hz      6" in out


def test_info_writes_a_page_that_needs_nothing_else(music: Path, call, tmp_path: Path) -> None:
    code, out, _ = call("data", "info", music, "--workers", "0", "--out", tmp_path / "m.html")
    assert code == 0
    assert f"written: {tmp_path / 'm.html'}" in out
    page = (tmp_path / "m.html").read_text()
    assert "rock &amp; &lt;roll&gt;" in page
    assert "<roll>" not in page
    assert page.count("<svg") == 2
    assert "bad.wav" in page
    assert not any(f'{key}="http' in page for key in ("src", "href"))
    assert 'href="#results"' in page
    assert 'id="results"' in page


def test_info_writes_markdown_and_pictures(music: Path, call, tmp_path: Path) -> None:
    assert call("data", "info", music, "--workers", "0", "--out", tmp_path / "m.md")[0] == 0
    text = (tmp_path / "m.md").read_text()
    assert "| folk | 3 | 1 | 0.00 | 0 |" in text
    for name in ("data-balance", "data-mels"):
        assert f"(figures/{name}.svg)" in text
        assert (tmp_path / "figures" / f"{name}.svg").read_text().startswith("<svg")
    assert call("data", "info", music, "--workers", "0", "--out", tmp_path / "m.png")[0] == 0
    assert (tmp_path / "m.png").read_bytes().startswith(b"\x89PNG")


def test_info_refuses_what_it_cannot_write_before_it_scans(
    music: Path, call, tmp_path: Path
) -> None:
    for name, sentence in (("m.pdf", "ends in .html"), ("no/m.html", "there is no folder")):
        code, out, err = call("data", "info", music, "--out", tmp_path / name)
        assert code == 2
        assert sentence in err
        assert out == ""
