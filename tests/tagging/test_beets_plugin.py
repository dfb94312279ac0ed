"""The plugin inside a real beets, in a process of its own, with a stand-in for the model."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace

import mutagen
import pytest

from wavemel.tagging.files import read_genres, write_genres

pytestmark = pytest.mark.slow

#: Imports beets once; each line it reads is a call, made in a fork of its own.
SERVER = """
import json, os, sys
from types import SimpleNamespace as N
import wavemel
from wavemel.errors import AudioError, ModelError

answers = json.loads(sys.argv[1])

class Model:
    classes = ("electronic", "pop", "rock")
    def classify(self, path):
        name = path.rpartition("/")[2]
        if name not in answers:
            raise AudioError(path, "damaged", "is damaged")
        *pairs, unsure = answers[name]
        return N(genres=tuple(N(genre=g, probability=p) for g, p in pairs), unsure=unsure)

def load(model=None):
    if model == "none":
        raise ModelError("there is no model 'none'")
    print("loaded", model, file=sys.stderr)
    return Model()

wavemel.load = load
from beets import ui
import beets.autotag, beets.importer, beetsplug.wavemel

for line in sys.stdin:
    folder, *words = json.loads(line)
    child = os.fork()
    if not child:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for name, number in (("out", 1), ("err", 2)):
            os.dup2(os.open(f"{folder}/{name}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
        os.environ["BEETSDIR"] = folder
        ui.main(words)
        sys.exit()
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
ANSWERS = {
    "a.mp3": [("electronic", 0.9), ("rock", 0.1), False],
    "b.flac": [("rock", 0.6), ("electronic", 0.4), False],
    "c.ogg": [("pop", 0.9), ("electronic", 0.1), True],
}
Song = Callable[..., Path]
Beet = Callable[..., SimpleNamespace]


@pytest.fixture(scope="module")
def server() -> Iterator[Callable[[list[str]], int]]:
    pytest.importorskip("beets")
    with subprocess.Popen(
        [sys.executable, "-c", SERVER, json.dumps(ANSWERS)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None

        def ask(words: list[str]) -> int:
            print(json.dumps(words), file=process.stdin, flush=True)
            return int(process.stdout.readline())

        yield ask
        process.stdin.close()


@pytest.fixture
def songs(song: Song, tmp_path: Path) -> list[Path]:
    (tmp_path / "music").mkdir()

    kinds = {"mp3": "a.mp3", "flac": "b.flac", "ogg": "c.ogg"}
    made = [song(kind, f"music/{name}") for kind, name in kinds.items()]
    for path in made:
        audio = mutagen.File(path, easy=True)
        if audio.tags is None:
            audio.add_tags()
        audio["title"], audio["artist"], audio["album"] = path.stem, "Artist", "Album"
        audio.save()
    return made


@pytest.fixture
def beet(tmp_path: Path, server: Callable[[list[str]], int]) -> Beet:
    folder = tmp_path / "beets"
    folder.mkdir()

    def call(*words: str, **config: object) -> SimpleNamespace:
        (folder / "config.yaml").write_text(
            json.dumps(
                {
                    "directory": str(tmp_path / "library"),
                    "library": str(folder / "library.db"),
                    "plugins": "wavemel",
                    "import": {"copy": False, "write": True},
                    "ui": {"color": False},
                    "wavemel": config,
                }
            )
        )
        code = server([str(folder), *words])
        return SimpleNamespace(
            returncode=code,
            stdout=(folder / "out").read_text(),
            stderr=(folder / "err").read_text(),
        )

    return call


def _import(beet: Beet, songs: Iterable[Path], *words: str, **config: object) -> None:
    done = beet("import", "-A", "-q", *words, *map(str, songs), **config)
    assert done.returncode == 0, done.stderr


def _genres(beet: Beet, *query: str) -> str:
    return beet("ls", "-f", "$title: $genres", *query).stdout


def test_an_import_fills_genres_that_beets_then_writes(beet: Beet, songs: list[Path]) -> None:
    write_genres(songs[1], ["Old", "Genres"])
    _import(beet, songs, "-s")
    assert _genres(beet).splitlines() == ["a: electronic", "b: Old; Genres", "c: "]
    # Imported as they are, files are not written; beets does that, now or later.
    assert [read_genres(song) for song in songs] == [[], ["Old", "Genres"], []]
    beet("write")
    assert [read_genres(song) for song in songs] == [["electronic"], ["Old", "Genres"], []]


def test_an_album_gets_the_mean_of_its_tracks(beet: Beet, songs: list[Path]) -> None:
    _import(beet, [songs[0].parent], min_confidence=0.45)
    assert _genres(beet).splitlines() == ["a: electronic", "b: rock", "c: "]
    assert beet("ls", "-a", "-f", "$genres").stdout == "electronic\n"


def test_an_album_may_give_its_genres_to_all_tracks(
    beet: Beet, songs: list[Path], tmp_path: Path
) -> None:
    mapping = tmp_path / "map.txt"
    mapping.write_text("electronic = Electronica; Dance\n")
    given = {"source": "album", "mapping": str(mapping), "min_confidence": 0.4}
    _import(beet, [songs[0].parent], **given)
    assert _genres(beet).splitlines() == [f"{name}: Electronica; Dance" for name in "abc"]
    beet("write")
    assert [read_genres(song) for song in songs] == [["Electronica", "Dance"]] * 3


def test_the_command_shows_then_writes_and_replaces_on_demand(
    beet: Beet, songs: list[Path]
) -> None:
    _import(beet, songs, "-s", auto=False)
    assert _genres(beet).splitlines() == ["a: ", "b: ", "c: "]
    pretended = beet("wavemel", "-p", "title:a")
    assert "electronic" in pretended.stdout
    assert read_genres(songs[0]) == []
    assert beet("wavemel").returncode == 0
    assert [read_genres(song) for song in songs] == [["electronic"], ["rock"], []]
    beet("modify", "-y", "title:a", "genres=By hand")
    assert "loaded" not in beet("wavemel", "title:a").stderr
    assert read_genres(songs[0]) == ["By hand"]
    beet("wavemel", "-f", "title:a")
    assert read_genres(songs[0]) == ["electronic"]
    assert _genres(beet, "title:a") == "a: electronic\n"


def test_a_file_that_cannot_be_heard_is_a_warning(beet: Beet, songs: list[Path]) -> None:
    odd = songs[0].rename(songs[0].with_name("d.mp3"))
    _import(beet, [odd], "-s", auto=False)
    done = beet("wavemel")
    assert done.returncode == 0
    assert "d.mp3: is damaged" in done.stderr


def test_a_missing_model_or_a_wrong_mapping_is_one_sentence(
    beet: Beet, songs: list[Path], tmp_path: Path
) -> None:
    _import(beet, songs, "-s", auto=False)
    mapping = tmp_path / "map.txt"
    mapping.write_text("rok = Rock\n")
    for config, said in (
        ({"model": "none"}, "there is no model 'none'"),
        ({"mapping": str(mapping)}, "did you mean 'rock'"),
    ):
        done = beet("wavemel", **config)
        assert done.returncode == 1
        assert said in done.stderr
        assert "Traceback" not in done.stderr


def test_limits_that_cannot_be_met_are_one_sentence(beet: Beet, songs: list[Path]) -> None:
    _import(beet, songs, "-s", auto=False)
    for config, said in (
        ({"min_confidence": 7}, "wavemel: min_confidence is a probability from 0 to 1, not 7"),
        ({"count": 0}, "wavemel: count is 1 or more, not 0"),
    ):
        for words in (("wavemel",), ("import", "-A", "-q", str(songs[0].parent))):
            done = beet(*words, **config, force=True)
            assert done.returncode == 1
            assert said in done.stderr
            assert "loaded" not in done.stderr
            assert "Traceback" not in done.stderr


def test_no_model_is_loaded_until_one_is_needed(beet: Beet, songs: list[Path]) -> None:
    assert "loaded" not in beet("ls").stderr
