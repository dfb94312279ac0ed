"""Descriptions of experiments: the shipped ones, changes to them, and what is refused."""

import dataclasses
import json
from pathlib import Path

import pytest

from wavemel.errors import ConfigError
from wavemel.experiment import (
    CONFIGS,
    Experiment,
    TrainingConfig,
    branches_first,
    complete,
    config_set,
    find_config,
    load_experiment,
    make_experiment,
    network_arguments,
)
from wavemel.features.augment import AUGMENTATIONS, make_augmentations
from wavemel.networks.base import network_config

SHIPPED = [p for p in sorted(CONFIGS.rglob("*.yaml")) if p.stem != "base"]


@pytest.mark.parametrize("file", SHIPPED, ids=lambda p: p.relative_to(CONFIGS).as_posix())
def test_every_shipped_config_describes_a_network_that_can_be_built(file: Path) -> None:
    experiment = load_experiment(file)
    assert experiment.name == file.stem
    again = make_experiment(experiment.as_dict(), "itself")
    assert again == experiment


@pytest.mark.parametrize("file", SHIPPED, ids=lambda p: p.relative_to(CONFIGS).as_posix())
def test_a_complete_description_is_of_the_same_network_and_leaves_nothing_open(file: Path) -> None:
    experiment = load_experiment(file)
    whole = complete(experiment)
    assert complete(whole) == whole
    # As it comes back from a run's folder.
    again = make_experiment(json.loads(json.dumps(whole.as_dict())), "itself")
    assert again == whole
    arguments = [network_arguments(e, classes=3) for e in (experiment, again)]
    configs = [network_config(**found) for found in arguments]
    assert configs[0] == configs[1]
    given = {"classes", "rate", "seconds", "bands"}
    assert whole.network.keys() == {"name", *dataclasses.asdict(configs[0])} - given
    assert list(whole.augment) == list(experiment.augment)
    assert make_augmentations(whole.augment) == make_augmentations(experiment.augment)
    for name, options in whole.augment.items():
        assert options.keys() == {f.name for f in dataclasses.fields(AUGMENTATIONS[name])}


def test_the_papers_settings() -> None:
    wave, mel, combined = (load_experiment(f"paper/{n}") for n in ("wave", "mel", "combined"))
    for experiment in (wave, mel, combined):
        training = experiment.training
        assert (training.optimiser, training.learning_rate) == ("adam", 1e-3)
        assert (training.batch_size, training.epochs) == (16, 25)
        assert (experiment.audio.rate, experiment.audio.seconds) == (44_100, 15.0)
        assert (experiment.mel.n_fft, experiment.mel.bands, experiment.mel.hop) == (2048, 128, 528)
        assert set(experiment.augment) == {"noise", "stretch"}
    decays = [e.training.weight_decay for e in (wave, mel, combined)]
    assert decays == [1e-4, 1e-5, 1e-5]


def test_changes() -> None:
    changed = load_experiment(
        "paper/wave",
        ["training.epochs=3", "training.learning_rate=1e-4", "network.filters=[4, 8]",
         "network.kernels=[5, 3]", "training.patience=", "seed=7"],
    )  # fmt: skip
    assert changed.training.epochs == 3
    assert changed.training.learning_rate == 1e-4
    assert changed.network["filters"] == [4, 8]
    assert changed.seed == 7
    assert changed.augment == load_experiment("paper/wave").augment


def test_precision_may_be_typed_as_a_number() -> None:
    assert load_experiment("paper/wave", ["training.precision=32"]).training.precision == "32"


def test_another_network_starts_afresh() -> None:
    merged = load_experiment("light/wave")
    assert merged.network == {"name": "wave", "stride": 4}
    assert load_experiment("light/mel").network == {"name": "mel"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("training.epoch=3", "unknown key 'training.epoch'.*did you mean 'epochs'"),
        ("trianing.epochs=3", "unknown key 'trianing'.*did you mean 'training'"),
        ("training.epochs=many", "training.epochs"),
        ("training.epochs=0", "at least 1"),
        ("training.precision=16", "precision"),
        ("network.name=cnn", "no network called 'cnn'"),
        ("network.filtrs=[1]", "did you mean 'filters'"),
        ("augment.noise.snr=3", "did you mean 'snr_db'"),
        ("evaluation.overlap=1", "overlap"),
        ("evaluation.pooling=median", "pooling"),
        ("seed", "key=value"),
        ("seed=-1", "seed must be at least 0"),
        ("audio.rate=0", "audio.rate must be"),
        ("audio.seconds=.nan", "audio.seconds must be a number"),
        ("mel.hop=0", "mel.hop must be"),
        ("training.batch_size=1", "batch_size must be at least 2"),
        ("training.learning_rate=-1", "learning_rate must be"),
        ("training.label_smoothing=3", "label_smoothing must be"),
        ("training.patience=-1", "patience must be"),
        ("training.learning_rate=.inf", "learning_rate must be a number up to"),
        ("training.learning_rate=1e6", "learning_rate must be at most 1,000"),
        ("name=../x", "name becomes a folder's name"),
        ("name=.hidden", "name becomes a folder's name"),
        ("network={name: mel-res, levels: 'no'}", "levels is true or false, not 'no'"),
        ("training.mixup=.inf", "mixup must be a number up to"),
        ("training.mixup=.nan", "mixup must be a number up to"),
        ("training.epochs=99999999999999999999", "epochs must be a number up to"),
        ("training.epochs=2000000", "epochs must be at most 1,000,000"),
        ("seed=4294967296", "seed must be a number up to 4,294,967,295"),
        ("audio.seconds=.inf", "audio.seconds must be a number up to"),
        ("audio.rate=3000000000", "audio.rate must be at most"),
        ("mel.top_db=-5", "mel.top_db must be at least 1"),
        ("mel.fmin=-1", "mel.fmin must be at least 0 and under the highest frequency, 22050"),
        ("mel.fmin=30000", "mel.fmin must be"),
        ("mel.fmax=23000", "mel.fmax must be at most 22050 Hz"),
        ("mel.fmax=0", "under the highest frequency, 0 Hz"),
        ("network.dropout=.nan", "network.dropout must be a number up to"),
        ("network.filters=[1, 99999999999999999999]", "network.filters must be a number up to"),
        ("augment.pitch.bands=99999999999999999999", "pitch.bands must be a number up to"),
        ("training.initial.mel=runs/mel", "which network 'wave' does not have"),
        ("network.dropout=2", "cannot be built"),
        ("network.stride=0", "cannot be built|stride"),
        ("network.pool=0", "cannot be built|pool|zero"),
        ("network.filters=0", "network 'wave'"),
        ("network.name=[1]", "network has no name"),
        ("network.frozen=true", "no option 'frozen'"),
        ("network.seconds=3", "'seconds' is 15.0 by the rest"),
        ("augment.noise.snr_db=[a, b]", "snr_db"),
        ("name.a=1", "name"),
        ("name=2001-99-99", "the value is not YAML"),
        ("augment.noise.probability.x=1", "has no keys"),
    ],
)
def test_bad_changes_are_refused_by_name(change: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_experiment("paper/wave", [change])


def test_several_genres_have_no_geometric_mean() -> None:
    with pytest.raises(ConfigError, match="pooling=geometric is for one genre a clip"):
        load_experiment("paper/wave", ["evaluation.pooling=geometric", "labels=genres"])


def test_frozen_branches_need_trained_weights_and_skips_need_odd_kernels() -> None:
    with pytest.raises(ConfigError, match="freeze random weights"):
        load_experiment("light/combined", ["network.frozen=true"])
    with pytest.raises(ConfigError, match="cannot be built"):
        load_experiment("light/mel", ["network.kernel=[2, 2]"])


def test_a_shipped_config_can_be_the_base_of_ones_own(tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text("base: strong/mel-res\ntraining: {epochs: 3}")
    made = load_experiment(own).as_dict()
    shipped = load_experiment("strong/mel-res").as_dict()
    assert made.pop("training") == shipped.pop("training") | {"epochs": 3}
    assert made.pop("name") == "own"
    assert {**made, "name": shipped["name"]} == shipped
    # A file beside it goes first.
    (tmp_path / "strong").mkdir()
    (tmp_path / "strong" / "mel-res").write_text("seed: 5")
    assert load_experiment(own).seed == 5
    own.write_text("base: strong/mel-ress")
    with pytest.raises(
        ConfigError, match=r"own\.yaml: there is no config .* mean 'strong/mel-res'"
    ):
        load_experiment(own)


def test_bad_files(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="did you mean 'paper/wave'"):
        find_config("paper/wav")
    with pytest.raises(ConfigError, match="did you mean 'paper'"):
        config_set("papr")
    broken = tmp_path / "broken.yaml"
    broken.write_text("network: [")
    with pytest.raises(ConfigError, match="not YAML"):
        load_experiment(broken)
    a, b = tmp_path / "a.yaml", tmp_path / "b.yaml"
    a.write_text("base: b.yaml")
    b.write_text("base: a.yaml")
    with pytest.raises(ConfigError, match="circle"):
        load_experiment(a)
    for base in ("3", "[base.yaml]", "{a: 1}", "true"):
        a.write_text(f"base: {base}")
        with pytest.raises(ConfigError, match=r"a\.yaml: base must name a config, as in"):
            load_experiment(a)
    a.write_text("name: 2001-99-99")
    with pytest.raises(ConfigError, match="is not YAML: month must be"):
        load_experiment(a)
    lost = tmp_path / "lost.yaml"
    lost.write_text("base: nowhere.yaml")
    with pytest.raises(ConfigError, match="nowhere"):
        load_experiment(lost)


def test_sets_come_in_the_papers_order() -> None:
    assert [p.stem for p in config_set("paper")] == ["wave", "mel", "combined"]


def test_experiments_come_after_those_that_they_start_from() -> None:
    names = {
        "fusion": ["raw", "spec"],
        "over": ["fusion", "elsewhere/run"],
        "raw": [],
        "spec": ["raw"],
    }

    def experiments(names: dict[str, list[str]]) -> list[Experiment]:
        return [
            Experiment(name, training=TrainingConfig(initial={run: run for run in runs}))
            for name, runs in names.items()
        ]

    ordered = branches_first(experiments(names))
    assert [e.name for e in ordered] == ["raw", "spec", "fusion", "over"]
    with pytest.raises(ConfigError, match="'raw' from 'fusion' from 'raw'"):
        branches_first(experiments({"raw": ["fusion"], "fusion": ["raw"]}))


def test_a_folder_without_configs_is_told_as_such(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text("seed: 1\n")
    with pytest.raises(ConfigError, match=r"holds no configs: .*base\.yaml is none"):
        config_set(str(tmp_path))


def test_an_encoders_folder_is_named_in_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine").mkdir()
    monkeypatch.chdir(tmp_path)
    for given, kept in (
        ("hf:./mine", f"hf:{tmp_path / 'mine'}"),
        ("hf:mine", f"hf:{tmp_path / 'mine'}"),
        ("musicnn:./mine", f"musicnn:{tmp_path / 'mine'}"),
        ("hf:facebook/wav2vec2-base", "hf:facebook/wav2vec2-base"),
        ("musicnn:MSD_musicnn", "musicnn:MSD_musicnn"),
    ):
        made = load_experiment("encoder/musicnn", [f"network.encoder={given}"])
        assert made.network["encoder"] == kept
