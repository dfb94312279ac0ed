"""From whatever is given to a result."""

import io
import json
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
import soundfile
from encoders import AV_FORMATS, FORMATS, encoded, encoded_by_av
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_model import CLASSES, RATE, sounds

import wavemel
from wavemel.audio.resample import resample
from wavemel.errors import AudioError, ModelError
from wavemel.inference.classifier import Classifier
from wavemel.inference.result import TrackResult
from wavemel.outputs.rows import Row, error_row, result_row


def test_a_result_says_everything(classifier: Classifier, wav: Path, song: np.ndarray) -> None:
    result = classifier.classify(wav, whole=True)
    windows = np.stack([song[i : i + RATE] for i in range(0, len(song) - RATE + 1, RATE // 2)])
    expected = classifier.network(windows).mean(axis=0)
    assert {g.genre: pytest.approx(g.probability, abs=1e-6) for g in result.genres} == dict(
        zip(CLASSES, expected, strict=True)
    )
    assert [g.probability for g in result.genres] == pytest.approx(sorted(expected, reverse=True))
    assert (result.genre, result.probability) == (
        result.genres[0].genre,
        result.genres[0].probability,
    )
    assert sum(g.probability for g in result.genres) == pytest.approx(1)
    assert (result.seconds, result.seconds_read, result.whole) == (30.0, 30.0, True)
    assert [(w.start, w.end) for w in result.timeline[:3]] == [(0, 1), (0.5, 1.5), (1, 2)]
    assert len(result.timeline) == 59
    assert result.model == classifier.description.label
    assert (result.unsure, result.complete, result.notes) == (False, True, ())


def test_windows_become_a_track_as_the_model_says(model: Path, wav: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(model, tmp_path / "geometric"))
    about = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps(about | {"pooling": "geometric"}))
    classifier = Classifier(folder)
    result = classifier.classify(wav, whole=True)
    rows = [{g.genre: g.probability for g in w.genres} for w in result.timeline]
    roots = {c: np.prod([row[c] for row in rows]) ** (1 / len(rows)) for c in CLASSES}
    for g in result.genres:
        assert g.probability == pytest.approx(roots[g.genre] / sum(roots.values()), abs=1e-9)
    mean = Classifier(model).classify(wav, whole=True)
    assert {g.genre: g.probability for g in mean.genres}[result.genre] != pytest.approx(
        result.probability, abs=0.01
    )


def test_every_kind_of_source_agrees(classifier: Classifier, wav: Path, song: np.ndarray) -> None:
    expected = classifier.classify(wav)
    data = wav.read_bytes()
    same = [
        classifier.classify(str(wav)),
        classifier.classify(data),
        classifier.classify(io.BytesIO(data)),
        classifier.classify(memoryview(data)),
        classifier.classify(memoryview(song), RATE),
        classifier.classify(song, RATE),
        classifier.classify(np.stack([song, song], axis=1), RATE),
        classifier.classify((song * 0.5).astype(np.float64) * 2, RATE),
    ]
    with wav.open("rb") as file:
        same.append(classifier.classify(file))
    for result in same:
        assert [g.genre for g in result.genres] == [g.genre for g in expected.genres]
        for ours, theirs in zip(result.genres, expected.genres, strict=True):
            assert ours.probability == pytest.approx(theirs.probability, abs=1e-5)
        assert result.seconds_read == expected.seconds_read


def test_any_rate_and_length(classifier: Classifier, tmp_path: Path) -> None:
    x = sounds(1, 4.0, 48_000)[0]
    for rate in (8000, 11_025, 22_050, 44_100, 96_000):
        result = classifier.classify(x, rate)
        assert result.seconds == pytest.approx(4 * 48_000 / rate, abs=1e-3)
        assert len(result.genres) == 3


@pytest.mark.parametrize(("level", "said"), [(0.0, "digital silence"), (0.3, "a constant of 0.3")])
def test_silence_has_no_genre_and_says_so(classifier: Classifier, level: float, said: str) -> None:
    result = classifier.classify(np.full(20 * RATE, level, np.float32), RATE)
    assert result.genres == ()
    assert (result.genre, result.probability, result.unsure) == (None, None, True)
    assert result.notes == (f"silent ({said}): there is nothing to classify",)


def test_channels_that_cancel_out_are_no_silence(
    classifier: Classifier, song: np.ndarray, tmp_path: Path
) -> None:
    file = tmp_path / "opposed.wav"
    soundfile.write(file, np.stack([song, -song], axis=1), RATE, subtype="FLOAT")
    result = classifier.classify(file)
    assert result.genres == ()
    assert result.notes == (
        "silent (its 2 channels cancel each other out): there is nothing to classify",
    )


def test_what_the_model_was_not_taught_is_unsure(classifier: Classifier, song: np.ndarray) -> None:
    sure = classifier.classify(song, RATE, min_confidence=0.0)
    assert not sure.unsure
    low = classifier.classify(song[::2], RATE // 2, min_confidence=0.0)
    assert low.unsure
    assert low.notes == (f"recorded at {RATE // 2} Hz: without what the model hears above 2000 Hz",)
    nearly = classifier.classify(resample(song, RATE, 6000), 6000, min_confidence=0.0)
    assert not nearly.unsure
    assert "recorded at 6000 Hz" in nearly.notes[0]
    # Mostly padding. (The model's windows last a second, so one of less is too short anyway.)
    assert classifier.classify(song[: RATE // 2], RATE, min_confidence=0.0).unsure


def test_silent_stretches_have_no_vote(classifier: Classifier, song: np.ndarray) -> None:
    gap = np.concatenate([song[: 5 * RATE], np.zeros(20 * RATE, np.float32)])
    alone = classifier.classify(song[: 5 * RATE], RATE, whole=True)
    both = classifier.classify(gap, RATE, whole=True)
    assert both.notes == ("39 of 49 windows are silent",)
    assert both.seconds_read == 25
    assert both.probability == pytest.approx(alone.probability, abs=0.1)


def test_music_behind_long_silence_is_found(classifier: Classifier, song: np.ndarray) -> None:
    hidden = np.concatenate([np.zeros(200 * RATE, np.float32), song[: 2 * RATE]])
    result = classifier.classify(hidden, RATE)
    assert result.genre is not None
    assert result.whole


def test_short_files(classifier: Classifier, song: np.ndarray) -> None:
    short = classifier.classify(song[:1000], RATE)
    assert short.notes == ("0.1 s, shorter than the 1 s that the model hears",)
    assert short.unsure
    assert len(short.genres) == 3
    assert [(w.start, w.end) for w in short.timeline] == [(0, 0.125)]


def test_numbers_that_are_none(classifier: Classifier, song: np.ndarray, tmp_path: Path) -> None:
    damaged = song.copy()
    damaged[100:110] = np.nan
    soundfile.write(tmp_path / "nan.wav", damaged, RATE, subtype="FLOAT")
    result = classifier.classify(tmp_path / "nan.wav", whole=True)
    assert result.notes == ("10 samples are no finite numbers and count as 0",)
    soundfile.write(tmp_path / "all.wav", np.full(RATE, np.nan), RATE, subtype="FLOAT")
    with pytest.raises(AudioError, match="finite"):
        classifier.classify(tmp_path / "all.wav")


def test_a_header_that_promises_too_much(classifier: Classifier, wav: Path, tmp_path: Path) -> None:
    data = wav.read_bytes()
    (tmp_path / "cut.wav").write_bytes(data[: len(data) // 3])
    result = classifier.classify(tmp_path / "cut.wav", seconds=5)
    assert result.seconds == pytest.approx(10, abs=0.1)
    assert len(result.genres) == 3


def test_unsure_below_a_threshold(classifier: Classifier, wav: Path) -> None:
    probability = classifier.classify(wav, whole=True).probability
    assert probability is not None
    assert not classifier.classify(wav, whole=True, min_confidence=probability - 1e-6).unsure
    assert classifier.classify(wav, whole=True, min_confidence=probability + 1e-6).unsure


def test_impossible_calls(classifier: Classifier, wav: Path, song: np.ndarray) -> None:
    with pytest.raises(ValueError, match="need their rate"):
        classifier.classify(song)
    with pytest.raises(ValueError, match="files know their own"):
        classifier.classify(wav, 8000)
    with pytest.raises(ValueError, match="exclude"):
        classifier.classify(wav, whole=True, seconds=3)
    with pytest.raises(AudioError, match="does not exist"):
        classifier.classify(wav.parent / "none.wav")
    with pytest.raises(ValueError, match="nothing to classify"):
        classifier.classify(None)
    with pytest.raises(ValueError, match="mode 'rb'"), wav.open(encoding="latin-1") as text:
        classifier.classify(text)
    with pytest.raises(ValueError, match="not '8000'"):
        classifier.classify(song, "8000")
    with pytest.raises(ValueError, match="do not say what full scale is"):
        classifier.classify((song * 32767).astype(np.int64), RATE)
    for seconds in (0.0, np.inf, np.nan):
        with pytest.raises(ValueError, match="positive number"):
            classifier.classify(wav, seconds=seconds)
    with pytest.raises(ModelError, match="name is empty"):
        wavemel.load("").classify(wav)
    for mode in ("w+", "w+b"):
        with tempfile.NamedTemporaryFile(mode) as opened:
            opened.write("x" if mode == "w+" else wav.read_bytes())
            opened.seek(0)
            if mode == "w+":
                with pytest.raises(ValueError, match="mode 'rb'"):
                    classifier.classify(opened)
            else:
                assert classifier.classify(opened).genre is not None
    for several in (["a.mp3", "b.ogg"], (wav, wav), [b"RIFF"]):
        with pytest.raises(ValueError, match="one path, stream or array of samples at a time"):
            classifier.classify(several)
    for rate in (np.inf, np.nan, 0, -8000, 16, 1, True, 10**9, 10**400, 8000.5):
        with pytest.raises(ValueError, match=r"whole number of Hz from 1,000 to 1,000,000, not "):
            classifier.classify(song, rate)
    for confidence in (np.nan, 5, -0.1):
        with pytest.raises(ValueError, match="min_confidence must lie between 0 and 1, not"):
            classifier.classify(wav, min_confidence=confidence)
    listed = classifier.classify(song[:RATE].tolist(), RATE)
    assert listed.genres == classifier.classify(song[:RATE], RATE).genres


def test_load_is_lazy_and_finds_the_model(model: Path, wav: Path) -> None:
    assert wavemel.load(model).classes == CLASSES
    assert isinstance(wavemel.load(str(model)).classify(wav), TrackResult)


#: Half of the damage goes to the header, where it does most.
PLACES = st.one_of(st.floats(0, 1, exclude_max=True), st.floats(0, 0.02))


@pytest.fixture(scope="module")
def files(song: np.ndarray) -> dict[str, bytes]:
    """Short files of all kinds; a window and a half at least, so that the end is one of its own."""
    samples = resample(song[: 2 * RATE], RATE, 48_000)
    made = {name: encoded(samples, 48_000, name) for name in FORMATS}
    by_av = {n: encoded_by_av(samples, 48_000, *how) for n, how in AV_FORMATS.items()}
    return {**made, **by_av}


@pytest.mark.parametrize("name", [*FORMATS, *AV_FORMATS])
@settings(max_examples=25, deadline=None, derandomize=True, database=None)
@given(
    keep=st.one_of(st.just(1.0), st.floats(0, 1)),
    flips=st.lists(st.tuples(PLACES, st.integers(0, 7)), max_size=12),
    over=st.tuples(PLACES, st.sampled_from([b"", b"\xff" * 4, b"\x7f\xff\xff\xff", bytes(64)])),
    whole=st.booleans(),
)
def test_damaged_files_end_in_a_row_that_says_what_happened(
    classifier: Classifier,
    files: dict[str, bytes],
    name: str,
    keep: float,
    flips: list[tuple[float, int]],
    over: tuple[float, bytes],
    whole: bool,
) -> None:
    data = bytearray(files[name])
    for place, bit in flips:
        data[int(place * len(data))] ^= 1 << bit
    at = int(over[0] * len(data))
    data[at : at + len(over[1])] = over[1]
    said = row(classifier, bytes(data[: int(keep * len(data))]), whole)
    json.dumps(said, allow_nan=False)
    if said["error"] is not None:
        assert said["reason"] in {"empty", "not-audio", "damaged", "no-samples", "no-decoder"}
        return
    assert said["genres"] or said["notes"]
    assert all(0 <= g["probability"] <= 1 for g in said["genres"])
    assert said["seconds"] > 0


@settings(max_examples=40, deadline=None, derandomize=True, database=None)
@given(data=st.binary(max_size=400), name=st.sampled_from([*FORMATS, *AV_FORMATS]))
def test_noise_and_noise_behind_a_header_are_rows(
    classifier: Classifier, files: dict[str, bytes], data: bytes, name: str
) -> None:
    for each in (data, files[name][:48] + data):
        said = row(classifier, each, whole=False)
        assert said["error"] or said["genres"] or said["notes"]


def row(classifier: Classifier, data: bytes, whole: bool) -> Row:
    try:
        return result_row("x", classifier.classify(data, whole=whole))
    except AudioError as error:
        return error_row("x", error.reason, error.message, "m")
