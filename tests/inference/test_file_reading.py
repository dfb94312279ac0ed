"""How much of a track is read, and in which order."""

import json
import random
import shutil
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tiny_model import RATE

import wavemel
from wavemel.inference.classifier import Classifier
from wavemel.inference.file import File2Result
from wavemel.inference.reading import Reading
from wavemel.inference.windows import Samples2Windows


class CountingNetwork:
    """Answers by the mean level of a window, and counts them."""

    batch = 4

    def __init__(self, classifier: Classifier) -> None:
        self.description = classifier.description
        self.asked = self.at_once = 0

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        self.asked += len(samples)
        self.at_once = max(self.at_once, len(samples))
        p = np.clip(np.abs(samples).mean(axis=1).astype(np.float64), 0, 1)
        return np.stack([p, (1 - p) / 2, (1 - p) / 2], axis=1)


def long_track(levels: np.ndarray) -> np.ndarray:
    """Two minutes of a square wave whose level, and so its probability, is known."""
    square = np.sign(np.sin(np.arange(120 * RATE) / 5)).astype(np.float32)
    return square * np.repeat(levels, len(square) // len(levels)).astype(np.float32)


class EndlessNoise:
    """A decoder's interface to an hour of noise that is made as it is read."""

    rate = RATE
    channels = 1
    announced = 3600 * RATE
    complete = True
    replaced = 0

    def is_seekable(self) -> bool:
        return False

    def restart(self) -> None:
        self.seek(0)

    def seek(self, frame: int) -> int:
        return frame

    def blocks(self, frames: int | None = None) -> Iterator[np.ndarray]:
        rng = np.random.default_rng(0)
        for _ in range((frames or self.announced) // RATE):
            yield 0.1 * rng.standard_normal(RATE, dtype=np.float32)

    def close(self) -> None:
        pass


def test_memory_does_not_grow_with_the_track(classifier: Classifier) -> None:
    tracemalloc.start()
    try:
        ask = File2Result(CountingNetwork(classifier), Reading(whole=True))
        result = ask.stream(EndlessNoise(), "x")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(result.timeline) == 2 * 3600 - 1
    assert result.seconds_read == 3600
    assert peak < 3600 * RATE * 4 / 8  # of its samples; the timeline is most of it


def test_a_steady_track_needs_few_windows(classifier: Classifier) -> None:
    network = CountingNetwork(classifier)
    result = File2Result(network).stream(_stream(long_track(np.array([0.4]))), "x")
    assert result.genres[1].probability == pytest.approx(0.4, abs=1e-3) or (
        result.genres[0].probability == pytest.approx(0.4, abs=1e-3)
    )
    assert not result.whole
    assert network.asked < 30  # of 239
    assert result.seconds_read < 30
    assert result.seconds == 120


def test_a_changing_track_needs_more_windows_and_comes_as_close(classifier: Classifier) -> None:
    rng = np.random.default_rng(3)
    asked = []
    for spread in (0.0, 0.1, 0.25):
        track = long_track(np.clip(0.5 + rng.uniform(-spread, spread, 60), 0, 1))
        network = CountingNetwork(classifier)
        some = File2Result(network, Reading(tolerance=0.1)).stream(_stream(track), "x")
        asked.append(network.asked)
        whole = File2Result(CountingNetwork(classifier), Reading(whole=True)).stream(
            _stream(track), "x"
        )
        assert some.genre == whole.genre
        assert some.probability == pytest.approx(whole.probability, abs=0.1)
    assert asked == sorted(asked)
    assert asked[0] < asked[2]


@pytest.mark.parametrize(
    "reading", [Reading(seconds=40), Reading(tolerance=0.01), Reading(whole=True)]
)
def test_however_much_is_read_only_a_batch_is_held_at_once(
    classifier: Classifier, reading: Reading
) -> None:
    track = long_track(np.random.default_rng(0).uniform(0, 1, 60))
    network = CountingNetwork(classifier)
    File2Result(network, reading).stream(_stream(track), "x")
    assert network.asked >= 40
    assert network.at_once == network.batch


def test_seconds_bound_what_is_read(classifier: Classifier) -> None:
    track = long_track(np.random.default_rng(0).uniform(0, 1, 60))
    for seconds in (1, 5.5, 40):
        result = classifier.classify(track, RATE, seconds=seconds)
        assert result.seconds_read <= seconds
        assert result.seconds_read > seconds / 2
        assert len(result.timeline) == int(seconds)
    assert classifier.classify(track, RATE, seconds=500).whole


def test_windows_are_spread_over_the_file(classifier: Classifier, wav: Path) -> None:
    starts = [w.start for w in classifier.classify(wav, seconds=4).timeline]
    assert starts == sorted(starts)
    assert starts[0] < 9 < 20 < starts[-1]


def _stream(track: np.ndarray):
    from wavemel.inference.windows import ArrayStream

    return ArrayStream(track, RATE)


def test_a_short_track_is_read_once_not_in_pieces_first(
    classifier: Classifier, song: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the windows that are likely to be needed cost more than the whole, no piece is read."""
    asked = []
    at = Samples2Windows.at

    def counted(self: Samples2Windows, *where: object) -> object:
        asked.append(where)
        return at(self, *where)

    monkeypatch.setattr(Samples2Windows, "at", counted)
    short = classifier.classify(song[: 3 * RATE], RATE)
    assert short.whole
    assert not asked
    assert not classifier.classify(np.tile(song, 20), RATE).whole
    assert asked


def test_a_track_that_turns_out_to_need_all_its_windows_is_not_read_again(
    model: Path, song: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(shutil.copytree(model, tmp_path / "steady"))
    about = json.loads((folder / "model.json").read_text())
    # Neighbours do not overlap, and windows are said to vary less than they do.
    (folder / "model.json").write_text(json.dumps(about | {"overlap": 0, "window_variation": 0.05}))
    asked = []
    at = Samples2Windows.at

    def counted(self: Samples2Windows, stream: object, start: float) -> object:
        asked.append(start)
        return at(self, stream, start)

    monkeypatch.setattr(Samples2Windows, "at", counted)
    classifier = Classifier(folder)
    some = classifier.classify(song[: 8 * RATE], RATE, tolerance=0.02)
    assert sorted(asked) == list(range(8))
    assert some.seconds_read == 8
    whole = classifier.classify(song[: 8 * RATE], RATE, whole=True)
    assert [(g.genre, pytest.approx(g.probability, abs=1e-6)) for g in some.genres] == [
        (g.genre, g.probability) for g in whole.genres
    ]


def test_windows_are_not_spread_over_a_length_that_is_a_guess(tmp_path: Path) -> None:
    """An MP3 without a count of frames whose first ones are large: most of it lies behind its guessed end."""
    t = np.arange(120 * 44_100) / 44_100
    sound = np.random.default_rng(0).standard_normal(len(t)) * np.where(t < 30, 0.2, 1e-3)
    song = tmp_path / "song.mp3"
    soundfile.write(song, sound, 44_100, bitrate_mode="VARIABLE", compression_level=0.3)
    data = song.read_bytes()
    # The first frame holds the count alone: without it, the length is libsndfile's guess.
    song.write_bytes(data[data.index(data[:2], 100) :])
    result = wavemel.load().classify(song)
    assert result.whole
    assert result.seconds == pytest.approx(120, abs=1)


def test_an_mp3_that_stops_in_damage_is_not_complete(tmp_path: Path) -> None:
    t = np.arange(60 * 44_100) / 44_100
    song = tmp_path / "song.mp3"
    soundfile.write(
        song,
        0.1 * np.sin(2 * np.pi * 440 * t),
        44_100,
        bitrate_mode="CONSTANT",
        compression_level=0.3,
    )
    data = song.read_bytes()
    data = data[data.index(data[:2], 100) :]
    at = len(data) // 10
    song.write_bytes(data[:at] + random.Random(7).randbytes(65536) + data[at:])
    for whole in (False, True):
        result = wavemel.load().classify(song, whole=whole)
        assert not result.complete or result.seconds > 55
        if result.seconds < 55:
            assert "damaged or cut short" in result.notes[0]
            assert result.unsure  # a tenth of it
