from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from wavemel.data.scan import scan
from wavemel.data.sources import open_corpus
from wavemel.data.sources.gtzan import GENRES
from wavemel.errors import DataError

PER_GENRE = 5


def make_gtzan(folder: Path) -> Path:
    """GTZAN in small; one file of jazz is no audio, as jazz.00054 is not."""
    draw = np.random.default_rng(0)
    for genre in GENRES:
        (folder / genre).mkdir(parents=True)
        for i in range(PER_GENRE):
            name = f"{genre}.{54 if (genre, i) == ('jazz', 4) else i:05d}.wav"
            if name == "jazz.00054.wav":
                (folder / genre / name).write_bytes(b"\0" * 2000)
                continue
            soundfile.write(folder / genre / name, draw.normal(0, 0.1, 22050 * 2 + 50), 22050)
    return folder


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gtzan")
    make_gtzan(folder / "genres_original")
    return folder


def write_lists(folder: Path, **lists: list[str]) -> Path:
    folder.mkdir(exist_ok=True)
    for name, lines in lists.items():
        (folder / f"{name}.txt").write_text("\n".join(lines) + "\n")
    return folder


def fault_filtered(folder: Path) -> Path:
    return write_lists(
        folder,
        train_filtered=[f"{g}/{g}.{i:05d}.wav" for g in GENRES for i in (0, 1)],
        valid_filtered=[f"{g}/{g}.00002.wav" for g in GENRES],
        test_filtered=[f"{g}/{g}.00003.wav" for g in GENRES if g != "jazz"],
    )


@pytest.mark.parametrize("spelling", ["{}", "gtzan:{}", "gtzan:{}/genres_original"])
def test_folder_is_read_whole(spelling: str, root: Path) -> None:
    corpus = open_corpus(spelling.format(root))
    assert corpus.name == "gtzan"
    assert corpus.classes == GENRES
    assert len(corpus.table) == 50
    assert corpus.table["split"].isna().all()
    assert corpus.split_origin == ""
    assert any("Sturm" in note for note in corpus.notes)


def test_corrupt_jazz_is_found_by_the_scan(root: Path) -> None:
    table = scan(open_corpus(f"gtzan:{root}"), workers=0).table
    assert table.loc[table["status"] != "ok", "title"].tolist() == ["jazz.00054"]
    assert table.loc[table["status"] != "ok", "status"].tolist() == ["unreadable"]


def test_lists_of_the_user_give_the_split_and_filter(root: Path, tmp_path: Path) -> None:
    lists = fault_filtered(tmp_path / "lists")
    corpus = open_corpus(f"gtzan:{root},split={lists}")
    assert corpus.table["split"].value_counts().to_dict() == {
        "training": 20,
        "validation": 10,
        "test": 9,
    }
    assert corpus.split_origin == "given"
    assert not corpus.table["title"].isin(["jazz.00003", "jazz.00054"]).any()
    assert any("11 of 50 files stand in none" in note for note in corpus.notes)


def test_filtered_lists_go_before_others(root: Path, tmp_path: Path) -> None:
    lists = fault_filtered(tmp_path / "lists")
    write_lists(lists, train_full=["blues/blues.00004.wav"])
    assert len(open_corpus(f"gtzan:{root},split={lists}").table) == 39


def test_wrong_lists_are_one_sentence(root: Path, tmp_path: Path) -> None:
    lists = fault_filtered(tmp_path / "lists")
    (lists / "test_filtered.txt").unlink()
    with pytest.raises(DataError, match=r"no list called test\*\.txt"):
        open_corpus(f"gtzan:{root},split={lists}")
    write_lists(lists, test_filtered=["blues/blues.00000.wav"])
    with pytest.raises(DataError, match=r"blues\.00000 stands in the lists of two splits"):
        open_corpus(f"gtzan:{root},split={lists}")
    other = write_lists(tmp_path / "o", train=["a.wav"], valid=["b.wav"], test=["c.wav"])
    with pytest.raises(DataError, match="lists none of the files"):
        open_corpus(f"gtzan:{root},split={other}")
    with pytest.raises(DataError, match="no list"):
        open_corpus(f"gtzan:{root},split={tmp_path / 'missing'}")


def test_folder_that_is_not_gtzan_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is not GTZAN"):
        open_corpus(f"gtzan:{tmp_path}")
    with pytest.raises(DataError, match="gtzan:FOLDER"):
        open_corpus("gtzan")
