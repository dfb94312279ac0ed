"""A stream that goes on."""

import itertools
import json
import shutil
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from tiny_model import RATE, tiny_model

from wavemel.inference.classifier import Classifier
from wavemel.inference.live import Live, PcmReader


def portions(samples: np.ndarray, seed: int = 0) -> list[np.ndarray]:
    cuts = np.sort(np.random.default_rng(seed).integers(0, len(samples), 23))
    return [part.copy() for part in np.split(samples, cuts)]


@pytest.mark.parametrize("every", [0.25, 1.0, 3.0])
def test_results_are_those_of_the_windows(
    classifier: Classifier, song: np.ndarray, every: float
) -> None:
    live = Live(classifier.network, RATE, every=every, over=0)
    results = [r for part in portions(song) for r in live.feed(part)]
    assert not list(live.finish())
    assert [r.time for r in results] == [1 + i * every for i in range(1 + int(29 / every))]
    for result in results:
        window = song[int(result.start * RATE) : int(result.time * RATE)]
        expected = classifier.classify(window, RATE, whole=True)
        assert result.genres == result.window
        for ours, theirs in zip(result.genres, expected.genres, strict=True):
            assert ours.genre == theirs.genre
            assert ours.probability == pytest.approx(theirs.probability, abs=1e-5)


def test_a_result_is_the_mean_over_the_last_windows(
    classifier: Classifier, song: np.ndarray
) -> None:
    live = Live(classifier.network, RATE, every=1, over=4)
    results = list(live.feed(song.copy()))
    by_genre = [{g.genre: g.probability for g in r.window} for r in results]
    for i, result in enumerate(results):
        last = by_genre[max(0, i - 4) : i + 1]
        for g in result.genres:
            assert g.probability == pytest.approx(np.mean([w[g.genre] for w in last]), abs=1e-9)


def test_the_last_windows_are_pooled_as_the_model_says(
    model: Path, song: np.ndarray, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(model, tmp_path / "geometric"))
    about = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps(about | {"pooling": "geometric"}))
    live = Live(Classifier(folder).network, RATE, every=1, over=1)
    _, second = list(live.feed(song[: 2 * RATE].copy()))
    first, last = (
        {g.genre: g.probability for g in r.window}
        for r in Live(Classifier(folder).network, RATE, every=1, over=0).feed(
            song[: 2 * RATE].copy()
        )
    )
    roots = {genre: np.sqrt(first[genre] * last[genre]) for genre in first}
    for g in second.genres:
        assert g.probability == pytest.approx(roots[g.genre] / sum(roots.values()))


def test_silence_starts_afresh(classifier: Classifier, song: np.ndarray) -> None:
    live = Live(classifier.network, RATE, every=1, over=10)
    track = np.concatenate([song[: 3 * RATE], np.zeros(3 * RATE, np.float32), song[-2 * RATE :]])
    results = list(live.feed(track))
    assert [bool(r.genres) for r in results] == [True] * 3 + [False] * 3 + [True] * 2
    assert all(r.unsure for r in results[3:6])
    assert results[6].genres == results[6].window  # what came before the silence is forgotten


def test_other_rates_are_resampled(classifier: Classifier, song: np.ndarray) -> None:
    doubled = np.repeat(song, 2)
    live = Live(classifier.network, 2 * RATE, every=1)
    results = [r for part in portions(doubled) for r in live.feed(part)]
    results += live.finish()
    assert len(results) == 30
    assert results[-1].time == 30


def test_a_stream_shorter_than_a_window(classifier: Classifier, song: np.ndarray) -> None:
    live = Live(classifier.network, RATE)
    assert not list(live.feed(song[:4000].copy()))
    (result,) = live.finish()
    assert (result.start, result.time, result.unsure) == (0, 0.5, True)
    assert len(result.genres) == 3
    assert not list(Live(classifier.network, RATE).finish())


@pytest.mark.parametrize(
    ("seconds", "rate", "unsure"),
    [(1.2, RATE, True), (1.6, RATE, False), (3, RATE // 2, True), (3, RATE, False)],
)
def test_a_stream_is_unsure_where_a_file_is(
    song: np.ndarray, tmp_path: Path, seconds: float, rate: int, unsure: bool
) -> None:
    classifier = Classifier(tiny_model(tmp_path, seconds=2.0))
    samples = song[: int(seconds * rate)]
    file = classifier.classify(samples, rate, min_confidence=0)
    live = Live(classifier.network, rate, min_confidence=0)
    *_, last = [*live.feed(samples.copy()), *live.finish()]
    assert last.unsure == file.unsure == unsure


def test_samples_that_may_not_be_written_to(classifier: Classifier, song: np.ndarray) -> None:
    damaged = song[:RATE].copy()
    damaged[5] = np.nan
    read_only = np.frombuffer(damaged.tobytes(), np.float32)
    (result,) = Live(classifier.network, RATE).feed(read_only)
    (expected,) = Live(classifier.network, RATE).feed(damaged)
    assert result == expected


def test_impossible_settings(classifier: Classifier) -> None:
    for every in (0, np.nan, 1e300):
        with pytest.raises(ValueError, match="every must be positive, and at most 86,400 seconds"):
            Live(classifier.network, RATE, every=every)
    for over in (-1, np.nan, 1e300):
        with pytest.raises(ValueError, match="over must be from 0 to 86,400 seconds, not"):
            Live(classifier.network, RATE, over=over)
    for rate in (16, 10**9):
        with pytest.raises(ValueError, match=f"1,000,000, not {rate}"):
            Live(classifier.network, rate)
    with pytest.raises(ValueError, match="min_confidence"):
        Live(classifier.network, RATE, min_confidence=np.nan)
    Live(classifier.network, RATE, every=1e-300, over=86_400)  # a result a sample, then


def test_samples_that_are_none(classifier: Classifier, song: np.ndarray) -> None:
    live = Live(classifier.network, RATE)
    for samples in (song.reshape(-1, 2), song.astype(np.complex64), song.astype(np.int64)):
        with pytest.raises(ValueError, match=r"^samples "):
            list(live.feed(samples))


@pytest.mark.parametrize("rate", [RATE, 2 * RATE])
@pytest.mark.parametrize("kind", [np.int16, np.float64])
def test_samples_of_any_type(
    classifier: Classifier, song: np.ndarray, kind: type, rate: int
) -> None:
    expected = list(Live(classifier.network, rate, every=1).feed(song.copy()))
    scale = 32768 if kind is np.int16 else 1
    results = list(Live(classifier.network, rate, every=1).feed((song * scale).astype(kind)))
    for ours, theirs in zip(results, expected, strict=True):
        probabilities = [{g.genre: g.probability for g in r.genres} for r in (ours, theirs)]
        assert probabilities[0] == pytest.approx(probabilities[1], abs=0.05)
    quiet = np.random.default_rng(0).integers(-1, 2, 2 * rate).astype(np.int16)
    assert not any(result.genres for result in Live(classifier.network, rate).feed(quiet))


def test_memory_stays_flat_between_distant_results(
    classifier: Classifier, song: np.ndarray
) -> None:
    live = Live(classifier.network, RATE, every=300)
    list(live.feed(song[:RATE].copy()))
    tracemalloc.start()
    results = [r for _ in range(21) for part in portions(song) for r in live.feed(part)]
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [r.time for r in results] == [301, 601]
    assert most < 2e6  # 300 s of samples are 9.6 MB


@pytest.mark.parametrize(
    ("form", "kind", "scale"),
    [("s16le", "<i2", 2**15), ("s32le", "<i4", 2**31), ("f32le", "<f4", 1)],
)
def test_pcm_in_any_portions(form: str, kind: str, scale: int) -> None:
    frames = np.random.default_rng(0).uniform(-0.9, 0.9, (1000, 2))
    data = (frames * scale).astype(kind).tobytes()
    read = PcmReader(form, 2)
    cuts = [0, 1, 2, 7, 100, 1003, 1004, len(data)]
    parts = [read(data[a:b]) for a, b in itertools.pairwise(cuts)]
    joined = np.concatenate(parts)
    assert joined.dtype == np.float32
    np.testing.assert_allclose(joined, frames.mean(axis=1), atol=1e-4)


def test_pcm_that_is_no_number_is_silence(classifier: Classifier) -> None:
    data = np.full(2 * RATE, np.nan, "<f4").tobytes()
    (first, *_) = Live(classifier.network, RATE, every=1).feed(PcmReader("f32le", 1)(data))
    assert first.genres == ()
