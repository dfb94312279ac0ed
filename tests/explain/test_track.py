import itertools
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch
from known_answers import HEARD, RATE, WHEN, checkpoint, write_sound
from tiny_model import CLASSES, save_run, sounds
from tiny_runs import NETWORKS, tiny

from wavemel.audio.load import load
from wavemel.checkpoint import Checkpoint, load_checkpoint
from wavemel.ensemble import Ensemble
from wavemel.errors import AudioError, ConfigError, ModelError
from wavemel.evaluation.predict import predict
from wavemel.explain.numbers import as_numbers, band_shares, over_time, summary, time_shares
from wavemel.explain.track import Question, explain_track
from wavemel.export import Options, export
from wavemel.features.frontend import FrontEnd
from wavemel.inference.classifier import Classifier
from wavemel.networks.model import GenreModel, build_model


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_sound(tmp_path_factory.mktemp("sound") / "a.wav")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    for name, network in NETWORKS.items():
        save_run(folder / name, network)
    return folder


@pytest.mark.parametrize("kind", ["mel", "wave", "both"])
def test_attribution_lies_where_the_network_listens(kind: str, sound: Path) -> None:
    explanation = explain_track(checkpoint(kind), sound, Question(genre="yes"))
    assert set(explanation.maps) == ({"wave", "mel"} if kind == "both" else {kind})
    for values in explanation.maps.values():
        bands = np.abs(values).sum(1)
        near = np.abs(explanation.grid.centres - HEARD) < 150
        assert bands[near].sum() / bands.sum() > 0.9
        moments = np.arange(values.shape[1]) * explanation.frame_seconds
        inside = (moments > WHEN[0] - 0.1) & (moments < WHEN[1] + 0.1)
        positive = np.maximum(values, 0).sum(0)
        assert positive[inside].sum() / positive.sum() > 0.6
        assert values[:, inside].sum() > 0
    numbers = as_numbers(explanation, "known")
    best = max(numbers["bands"], key=lambda row: row["share"])
    assert best["low_hz"] <= HEARD <= best["high_hz"]


def test_the_answer_pools_windows_as_the_model_does(sound: Path, tmp_path: Path) -> None:
    save_run(tmp_path / "run", NETWORKS["mel"], pooling="geometric")
    explanation = explain_track(load_checkpoint(tmp_path / "run"), sound, Question())
    each = np.stack([w.probabilities for w in explanation.windows])
    assert len(each) > 2
    roots = each.prod(axis=0) ** (1 / len(each))
    assert explanation.probabilities == pytest.approx(roots / roots.sum())
    assert explanation.probabilities != pytest.approx(each.mean(axis=0), abs=1e-3)


@pytest.mark.parametrize("kind", ["mel", "wave", "both"])
def test_integrated_gradients_are_complete(kind: str, sound: Path) -> None:
    known = checkpoint(kind)
    explanation = explain_track(known, sound, Question(genre="yes", limit=4.0, steps=64))
    waveform = torch.from_numpy(load(sound, RATE, seconds=4.0))[None]
    with torch.no_grad():
        inputs = known.model.front_end(waveform)
        change = known.model.network(*inputs) - known.model.network(*map(torch.zeros_like, inputs))
    whole = sum(float(values.sum()) for values in explanation.maps.values())
    assert len(explanation.windows) == 1
    assert whole == pytest.approx(float(change[0, 0]), rel=0.03)
    assert explanation.change == pytest.approx(abs(float(change[0, 0])), rel=1e-4)
    assert explanation.delta is not None
    assert explanation.delta == pytest.approx(abs(whole - float(change[0, 0])), abs=1e-3)


def test_more_steps_come_closer(runs: Path, sound: Path) -> None:
    mel = load_checkpoint(runs / "mel")
    few, many = (explain_track(mel, sound, Question(steps=n)).delta for n in (2, 128))
    assert few is not None
    assert many is not None
    assert many < few / 3


@pytest.mark.parametrize("name", NETWORKS)
def test_probabilities_are_those_of_evaluation(name: str, runs: Path, sound: Path) -> None:
    loaded = load_checkpoint(runs / name)
    rows = pd.DataFrame({"path": [str(sound)], "artist": ["x"], "genre": [CLASSES[0]]})
    table = predict(loaded, rows, precision="32")
    explanation = explain_track(loaded, sound, Question(steps=2))
    columns = [f"p_{c}" for c in loaded.classes]
    np.testing.assert_allclose(explanation.probabilities, table[columns].mean(), atol=1e-5)
    assert [w.start for w in explanation.windows] == list(table["start"])
    assert explanation.genre == explanation.answer == loaded.classes[table[columns].mean().argmax()]


def test_a_genre_against_another_is_the_difference_of_both(runs: Path, sound: Path) -> None:
    loaded = load_checkpoint(runs / "combined")
    a, b = (explain_track(loaded, sound, Question(genre=g)) for g in CLASSES[:2])
    both = explain_track(loaded, sound, Question(genre=CLASSES[0], against=CLASSES[1]))
    for name, values in both.maps.items():
        scale = np.abs(values).max()
        np.testing.assert_allclose(values, a.maps[name] - b.maps[name], atol=1e-3 * scale)


def test_grad_cam_finds_the_time(sound: Path) -> None:
    explanation = explain_track(checkpoint("mel"), sound, Question("yes", method="grad-cam"))
    values = explanation.maps["mel"]
    assert explanation.delta is None
    moments = np.arange(values.shape[1]) * explanation.frame_seconds
    band = int(np.abs(explanation.grid.centres - HEARD).argmin())
    best = moments[values[band].argmax()]
    assert WHEN[0] - 0.1 < best < WHEN[1] + 0.1


@pytest.mark.parametrize("name", NETWORKS)
def test_grad_cam_knows_no_frequency_of_a_waveform(name: str, runs: Path, sound: Path) -> None:
    explanation = explain_track(load_checkpoint(runs / name), sound, Question(method="grad-cam"))
    frames = explanation.spectrogram.shape[1]
    shapes = {key: values.shape for key, values in explanation.maps.items()}
    expected = {"wave": (1, frames), "mel": (16, frames)}
    assert shapes == {key: expected[key] for key in shapes}
    numbers = as_numbers(explanation, name)
    assert bool(numbers["bands"]) == ("mel" in shapes)
    assert numbers["times"]


def test_grad_cam_needs_a_convolutional_body(sound: Path) -> None:
    class Flat(type(checkpoint("mel").model.network)):  # type: ignore[misc]
        def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
            return inputs[0].mean(2)[:, :2]

    known = checkpoint("mel")
    known.model.network.__class__ = Flat
    with pytest.raises(ModelError, match="integrated-gradients"):
        explain_track(known, sound, Question(method="grad-cam"))


@pytest.mark.parametrize("method", ["integrated-gradients", "grad-cam"])
def test_an_ensemble_is_explained_as_one(method: str, sound: Path) -> None:
    both, mel = checkpoint("both"), checkpoint("mel")
    network = Ensemble([both.model.network, mel.model.network])
    front_end = FrontEnd(network.inputs, RATE, both.experiment.mel)
    joined = Checkpoint(GenreModel(front_end, network).eval(), both.experiment, both.classes, {})
    if method == "grad-cam":
        # The member that hears the waveform has no body over it.
        with pytest.raises(ModelError, match="'wave'"):
            explain_track(joined, sound, Question("yes", method=method))
        return
    explanation = explain_track(joined, sound, Question("yes", method=method))
    assert set(explanation.maps) == {"wave", "mel"}
    assert explanation.delta is not None
    assert explanation.change is not None
    assert explanation.delta < 0.05 * explanation.change


def burst(pitch: float, start: float, seed: int) -> np.ndarray:
    """Return a second of noise with a tone of .2 s in it."""
    time = np.arange(RATE) / RATE
    tone = np.sin(2 * np.pi * pitch * time) * ((time >= start) & (time < start + 0.2))
    noise = np.random.default_rng(seed).standard_normal(RATE)
    return (0.05 * noise + 0.3 * tone).astype(np.float32)


@pytest.fixture(scope="module")
def trained() -> Checkpoint:
    """Return `mel`, trained for a second or two to tell a low burst from a high one."""
    described = tiny("mel", mel={"n_fft": 256, "hop": 100, "bands": 24}, audio={"rate": RATE, "seconds": 1.0})  # fmt: skip
    torch.manual_seed(0)
    model = build_model(described, 2)
    draw = np.random.default_rng(0)
    labels = torch.arange(32) % 2
    waves = np.stack([burst((500, 2000)[i % 2], draw.uniform(0, 0.8), i) for i in range(32)])
    features = model.front_end(torch.from_numpy(waves))
    optimiser = torch.optim.Adam(model.network.parameters(), 0.01)
    for _ in range(40):
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(model.network(*features), labels).backward()
        optimiser.step()
    model.eval()
    assert (model.network(*features).argmax(1) == labels).float().mean() > 0.95
    return Checkpoint(model, described, ("low", "high"), {})


@pytest.mark.parametrize(("answer", "pitch"), [("low", 500), ("high", 2000)])
def test_what_a_trained_network_went_by(
    answer: str, pitch: float, trained: Checkpoint, tmp_path: Path
) -> None:
    wave = burst(pitch, 0.5, 999)
    soundfile.write(tmp_path / "a.wav", wave, RATE, subtype="FLOAT")
    index = trained.classes.index(answer)
    question = Question(against=trained.classes[1 - index])
    explanation = explain_track(trained, tmp_path / "a.wav", question)
    assert explanation.genre == answer
    values = explanation.maps["mel"]
    moments = np.arange(values.shape[1]) * explanation.frame_seconds
    inside = (moments > 0.45) & (moments < 0.75)
    assert np.abs(values[:, inside]).mean() > 2 * np.abs(values[:, ~inside]).mean()

    # Without what speaks for it the score falls, and more than without as much at random.
    with torch.no_grad():
        (mel,) = trained.model.front_end(torch.from_numpy(wave)[None])

        def score_without(order: torch.Tensor) -> float:
            masked = mel.clone()
            masked.view(-1)[order[: mel.numel() // 10]] = 0
            logits = trained.model.network(masked)[0]
            return float(logits[index] - logits[1 - index])

        strongest = torch.from_numpy(values).flatten().argsort(descending=True)
        draw = torch.Generator().manual_seed(0)
        chance = [score_without(torch.randperm(mel.numel(), generator=draw)) for _ in range(10)]
        assert score_without(strongest) < min(chance)


def test_several_genres_a_clip_have_chances_of_their_own(runs: Path, sound: Path) -> None:
    loaded = load_checkpoint(runs / "mel")
    several = replace(loaded, experiment=replace(loaded.experiment, labels="genres"))
    question = Question(genre=CLASSES[1], limit=1.0, steps=3)
    explanation = explain_track(several, sound, question)
    with torch.no_grad():
        logits = loaded.model(torch.from_numpy(load(sound, RATE, seconds=1.0))[None])[0]
    np.testing.assert_allclose(explanation.probabilities, torch.sigmoid(logits), atol=1e-5)
    assert explanation.genre == CLASSES[1]


def test_nothing_is_left_changed(runs: Path, sound: Path) -> None:
    loaded = load_checkpoint(runs / "combined")
    before = {k: v.clone() for k, v in loaded.model.state_dict().items()}
    for method in ("integrated-gradients", "grad-cam"):
        explain_track(loaded, sound, Question(method=method, steps=3))
    assert all(torch.equal(v, before[k]) for k, v in loaded.model.state_dict().items())
    assert all(p.requires_grad and p.grad is None for p in loaded.model.parameters())
    assert not any(m._forward_hooks for m in loaded.model.modules())


def test_a_file_shorter_than_a_window(tmp_path: Path, runs: Path) -> None:
    path = write_sound(tmp_path / "short.wav", seconds=0.4)
    explanation = explain_track(load_checkpoint(runs / "mel"), path)
    assert explanation.seconds == pytest.approx(0.4)
    assert explanation.spectrogram.shape[1] == 1 + 3200 // 128
    assert 0 < explanation.padding < 1
    assert as_numbers(explanation, "known")["times"][-1]["end"] == 0.4
    assert any("after the file's end" in line for line in summary(explanation))
    limited = explain_track(load_checkpoint(runs / "mel"), path, Question(limit=0.3, steps=2))
    assert any("after the 0.3 s that were read" in line for line in summary(limited))


def test_shares_sum_to_one_and_cover_all(runs: Path, sound: Path) -> None:
    explanation = explain_track(load_checkpoint(runs / "combined"), sound)
    numbers = as_numbers(explanation, "m")
    for part in (numbers, *numbers["inputs"].values()):
        for key, low, high, end in (("bands", "low_hz", "high_hz", RATE / 2), ("times", "start", "end", 5.0)):  # fmt: skip
            rows = part[key]
            assert sum(abs(row["share"]) for row in rows) == pytest.approx(1, abs=1e-3)
            assert rows[0][low] == 0
            assert rows[-1][high] == end
            assert all(a[high] == b[low] for a, b in itertools.pairwise(rows))
    whole = sum(float(v.sum()) for v in explanation.maps.values())
    for key in ("bands", "times"):
        assert sum(row["attribution"] for row in numbers[key]) == pytest.approx(whole, rel=1e-4)
    assert len(numbers["timeline"]) == len(explanation.windows)
    assert json.loads(json.dumps(numbers, allow_nan=False)) == numbers


def test_a_long_file_has_bins_enough_to_read(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "long.wav", seconds=130.0)
    explanation = explain_track(checkpoint("mel"), path, Question("yes", steps=2))
    rows = time_shares(explanation, over_time(explanation))
    assert len(rows) == 65
    assert rows[1]["end"] == 4.0
    assert max(rows, key=lambda row: row["share"])["start"] == 2.0


@pytest.mark.parametrize(
    ("sound", "said"),
    [
        (np.zeros(40_000), "digital silence"),
        (np.full(40_000, 0.3), "a constant of 0.3"),
        (np.tile([[0.3, -0.3], [-0.3, 0.3]], (20_000, 1)), "its 2 channels cancel each other out"),
        (1e-4 * np.sin(np.arange(40_000)), "-83 dB RMS"),
    ],
)
def test_silence_is_not_explained(sound: np.ndarray, said: str, tmp_path: Path) -> None:
    file = tmp_path / "silent.wav"
    soundfile.write(file, sound, RATE, subtype="FLOAT")
    with pytest.raises(AudioError) as error:
        explain_track(checkpoint("both"), file)
    assert str(error.value) == f"{file}: is silent ({said}): there is nothing to explain"


def test_silence_before_the_music_is_its_limits_affair(tmp_path: Path) -> None:
    file = tmp_path / "late.wav"
    tone = 0.3 * np.sin(2 * np.pi * HEARD / RATE * np.arange(20_000))
    soundfile.write(file, np.concatenate([np.zeros(40_000), tone]), RATE)
    with pytest.raises(AudioError, match=r"is silent in its first 3 s \(digital silence\)"):
        explain_track(checkpoint("mel"), file, Question(limit=3.0))
    assert explain_track(checkpoint("mel"), file, Question(steps=2)).seconds == 7.5


def test_silent_windows_have_no_vote_as_in_classify(runs: Path, tmp_path: Path) -> None:
    file = tmp_path / "half.wav"
    samples = np.concatenate([sounds(1, 3.0)[0], np.zeros(4 * RATE)])
    soundfile.write(file, samples, RATE, subtype="FLOAT")
    loaded = load_checkpoint(runs / "mel")
    explanation = explain_track(loaded, file, Question(steps=2))
    export(runs / "mel", Options(name="m"), tmp_path / "m")
    classified = Classifier(tmp_path / "m").classify(file, whole=True)
    given = {g.genre: g.probability for g in classified.genres}
    np.testing.assert_allclose(explanation.probabilities, [given[c] for c in CLASSES], atol=1e-4)
    assert [w.start for w in explanation.windows] == [row.start for row in classified.timeline]
    # Evaluation counts them, and comes to other probabilities.
    rows = pd.DataFrame({"path": [str(file)], "artist": ["x"], "genre": [CLASSES[0]]})
    table = predict(loaded, rows, precision="32")
    counted = table[[f"p_{c}" for c in CLASSES]].mean()
    assert np.abs(explanation.probabilities - counted).max() > 0.01
    # The whole file is shown; what is silent says nothing.
    assert explanation.seconds == 7.0
    assert len(table) == len(explanation.windows) + explanation.silent
    moments = np.arange(explanation.maps["mel"].shape[1]) * explanation.frame_seconds
    assert not explanation.maps["mel"][:, moments > 4.1].any()
    assert explanation.spectrogram.shape == explanation.maps["mel"].shape
    numbers = as_numbers(explanation, "m")
    assert numbers["silent_windows"] == explanation.silent > 2
    assert numbers["times"][-1]["end"] == 7.0
    said = f"{explanation.silent} of {len(table)} windows are silent"
    assert any(said in line for line in summary(explanation))
    assert any(said in note for note in classified.notes)


def test_maps_of_nothing_say_nothing(sound: Path) -> None:
    explanation = explain_track(checkpoint("both"), sound, Question(steps=2))
    nothing = {name: np.zeros_like(values) for name, values in explanation.maps.items()}
    explanation = replace(explanation, maps=nothing)
    assert all(row["share"] == 0 for row in band_shares(explanation, explanation.maps["mel"]))
    assert "nothing that stands out" in summary(explanation)[0]


@pytest.mark.parametrize(
    ("question", "message"),
    [
        (Question(genre="jaz"), "no genre 'jaz'.*'jazz'"),
        (Question(against="polka"), "no genre 'polka'"),
        (Question(genre="jazz", against="jazz"), "against itself"),
        (Question(method="grad-can"), "no method of attribution called 'grad-can'.*'grad-cam'"),
        (Question(steps=0), "--steps"),
        (Question(limit=0.0), "--limit"),
    ],
)
def test_what_does_not_fit_is_refused(question: Question, message: str, runs: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        explain_track(load_checkpoint(runs / "mel"), "nowhere.wav", question)


def test_a_file_that_is_no_audio(runs: Path, tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"no audio at all" * 9)
    with pytest.raises(AudioError):
        explain_track(load_checkpoint(runs / "mel"), tmp_path / "a.wav")


def test_temperature_softens(runs: Path, sound: Path) -> None:
    mel = load_checkpoint(runs / "mel")
    sharp, soft = (explain_track(mel, sound, Question(steps=1, temperature=t)) for t in (1.0, 5.0))
    assert soft.probabilities.max() < sharp.probabilities.max()
    assert soft.probabilities.sum() == pytest.approx(1)
