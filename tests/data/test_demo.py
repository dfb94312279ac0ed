"""DATA `demo`: its spelling, its table, and that it says what it is."""

from __future__ import annotations

from pathlib import Path

import pytest
import soundfile

from wavemel.data.cachedir import cache_dir
from wavemel.data.sources import open_corpus
from wavemel.data.sources.demo import DemoSource, parse
from wavemel.data.synth import GENRES
from wavemel.data.synth.corpus import Spec
from wavemel.errors import DataError

SMALL = "demo:clips=40,seconds=1,rate=4000"


def test_spelling() -> None:
    assert parse("demo") == Spec()
    assert parse("demo:clips=400,seconds=10,rate=16000,seed=1") == Spec(400, 10.0, 16000, 1)
    assert parse("demo: seed = 3") == Spec(seed=3)
    assert parse("demo:seconds=2.5").seconds == 2.5


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ("demo:clip=400", "did you mean 'clips'"),
        ("demo:colour=red", r"known: clips, rate, seconds, seed"),
        ("demo:clips", "write key=value"),
        ("demo:", "write key=value"),
        ("demo:clips=", "write key=value"),
        ("demo:clips=80,", "write key=value"),
        ("demo:clips=80,clips=80", "given twice"),
        ("demo:clips=many", "clips must be a whole number"),
        ("demo:clips=80.5", "clips must be a whole number"),
        ("demo:clips=81", "multiple of 8"),
        ("demo:clips=8", "from 40"),
        ("demo:seconds=nan", "seconds must be a number from 1 to 120"),
        ("demo:seconds=0", "seconds must be"),
        ("demo:rate=12", "rate must be"),
        ("demo:seed=-1", "seed must be"),
    ],
)
def test_bad_settings_are_refused_in_a_sentence(data: str, sentence: str) -> None:
    with pytest.raises(DataError, match=sentence) as caught:
        parse(data)
    assert repr(data) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_it_answers_to() -> None:
    source = DemoSource()
    assert source.matches("demo")
    assert source.matches("demo:seed=1")
    assert not source.matches("demos")
    assert not source.matches("./demo")


def test_open() -> None:
    corpus = open_corpus(SMALL)
    assert corpus.name == "demo"
    assert corpus.synthetic
    assert corpus.split_origin == "given"
    assert "synthetic" in corpus.notes[0]
    assert "nothing about real music" in " ".join(corpus.notes)
    assert corpus.classes == GENRES
    table = corpus.table
    assert len(table) == 40
    assert set(table["split"]) == {"training", "validation", "test"}
    assert set(table["fold"]) == set(range(5))
    assert table["artist"].nunique() == 40
    assert cache_dir() in corpus.root.parents
    for path in table["path"]:
        assert Path(path).is_absolute()
        assert soundfile.info(path).frames == 4000


def test_open_again_makes_only_what_is_gone() -> None:
    first = open_corpus(SMALL)
    gone, kept = (Path(p) for p in first.table["path"][:2])
    content, stamp = gone.read_bytes(), kept.stat().st_mtime_ns
    gone.unlink()
    again = open_corpus(SMALL)
    assert gone.read_bytes() == content
    assert kept.stat().st_mtime_ns == stamp
    assert again.table.equals(first.table)


def test_a_file_where_the_cache_should_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("here first")
    monkeypatch.setenv("WAVEMEL_CACHE", str(tmp_path / "file"))
    with pytest.raises(DataError, match="set WAVEMEL_CACHE"):
        open_corpus(SMALL)


def test_cache_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WAVEMEL_CACHE", str(tmp_path))
    assert cache_dir() == tmp_path
    monkeypatch.setenv("WAVEMEL_CACHE", "~/music")
    assert cache_dir() == Path.home() / "music"
    monkeypatch.delenv("WAVEMEL_CACHE")
    assert cache_dir().name == "wavemel"
