"""Files that were changed after training: other sound is refused, other tags are not."""

from pathlib import Path

import pandas as pd
import pytest
import soundfile as sf
from tones import write_tone

from wavemel.data.scan import scan
from wavemel.data.table import Corpus, as_table
from wavemel.errors import DataError
from wavemel.evaluation.unchanged import check_unchanged

RUN = Path("run")


@pytest.fixture
def rows(tmp_path: Path) -> pd.DataFrame:
    files = [write_tone(tmp_path / f"{i}.flac", i, 2.5, 8000) for i in range(2)]
    table = as_table([{"path": str(file), "genre": "folk"} for file in files], "here")
    return scan(Corpus("here", table, tmp_path), workers=0).table


def test_files_as_they_were_and_tables_that_know_nothing_pass(rows: pd.DataFrame) -> None:
    check_unchanged({RUN: rows})
    unscanned = rows.assign(content=pd.NA, digest=pd.NA, path="nowhere.mp3")
    check_unchanged({RUN: unscanned})


def test_other_sound_is_refused(rows: pd.DataFrame) -> None:
    path = rows["path"].iloc[1]
    write_tone(Path(path), 7, 2.5, 8000)
    with pytest.raises(DataError, match=r"1\.flac holds other sound than when run was trained"):
        check_unchanged({RUN: rows})
    # Of files alone that are asked about.
    check_unchanged({RUN: rows.iloc[:1]})


def test_other_tags_are_no_other_sound(rows: pd.DataFrame) -> None:
    path = Path(rows["path"].iloc[0])
    before = path.read_bytes()
    samples, rate = sf.read(path, dtype="int16")
    with sf.SoundFile(path, "w", rate, 1, "PCM_16") as file:
        file.genre = "folk"
        file.write(samples)
    assert path.read_bytes() != before
    check_unchanged({RUN: rows})
