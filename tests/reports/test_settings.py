"""How the networks were trained: every setting that is not a default, and no augmentation that is off."""

from typing import Any

from wavemel.experiment import complete, load_experiment
from wavemel.reports.settings import settings_table


def rows_of(results: dict[str, Any], *experiments: Any) -> dict[str, list[str]]:
    """Return the table's rows by label; the first models of the results get the experiments."""
    for model, experiment in zip(results["models"], experiments, strict=False):
        tree = experiment.as_dict()
        model |= {"experiment": tree, "network": tree["network"], "name": experiment.name}
    for model in results["models"][len(experiments) :]:
        model["experiment"] = None
    table = settings_table(results)
    assert table is not None
    return {row[0].text: [cell.text for cell in row[1:]] for row in table.rows}


def test_every_setting_of_the_recipe_is_told(results: dict[str, Any]) -> None:
    rows = rows_of(
        results, load_experiment("strong/mel-res"), load_experiment("strong/combined-res")
    )
    told = {
        "network": ["mel-res, dense [64]", "combined-res, dense [64]"],
        "heard": ["4 s at 16,000 Hz, a random stretch of the first 30 s"] * 2,
        "z-score of the mel spectrogram over": ["spectrogram"] * 2,
        "augmentation: speed": ["probability 0.5, rates [0.9, 1.1]"] * 2,
        "augmentation: filter": ["probability 0.5, strength 0.2, points 5"] * 2,
        "optimiser": [
            "adamw, rate 0.002, rising over the first 10.0\u00a0% of all steps, cosine schedule"
        ]
        * 2,
        "mixup, alpha": ["0.2"] * 2,
        "label smoothing": ["0.1"] * 2,
        "averaged weights, decay a step": ["0.98"] * 2,
        "windows of a track overlap by": ["0"] * 2,
        "windows become a track by their": ["geometric mean"] * 2,
        "first epochs, of the head alone": ["0", "5"],
        "rate of the branches, times": ["1", "0.1"],
        "branches start from": ["none", "wave: wave-res, mel: mel-res"],
    }
    assert {label: rows.get(label) for label in told} == told
    # What all of them leave at the default is no news.
    assert "sampling" not in rows
    assert "class weights" not in rows


def test_the_spectrogram_is_told_of_networks_that_hear_one(results: dict[str, Any]) -> None:
    wave, mel = load_experiment("strong/wave-res"), load_experiment("strong/mel-res")
    assert rows_of(results, wave, mel)["mel spectrogram"] == ["–", "64 bands, window 1024, hop 512"]
    assert rows_of(results, wave, mel)["z-score of the mel spectrogram over"] == [
        "–",
        "spectrogram",
    ]
    alone = rows_of(results, wave)
    assert not {"mel spectrogram", "z-score of the mel spectrogram over"} & alone.keys()
    assert "mel spectrogram" not in rows_of(results, load_experiment("encoder/musicnn"))


def test_augmentations_that_never_happen_are_none(results: dict[str, Any]) -> None:
    some = load_experiment(
        "strong/mel-res", ["augment.filter.probability=0", "augment.specaugment.probability=0"]
    )
    plain = load_experiment("ablation/plain")
    rows = rows_of(results, some, plain)
    assert not {"augmentation: filter", "augmentation: specaugment", "augmentation"} & rows.keys()
    assert rows["augmentation: pitch"] == ["probability 0.5, bands 1", "none"]
    assert rows["mixup, alpha"] == ["0.2", "0"]
    assert rows_of(results, plain)["augmentation"] == ["none"]


def test_a_complete_description_is_told_like_a_short_one(results: dict[str, Any]) -> None:
    short = load_experiment(
        "strong/combined-res", ["network.mel.filters=[8, 8]", "training.sampling=balanced"]
    )
    rows = rows_of(results, short)
    assert rows["network"] == ["combined-res, mel.filters [8, 8], dense [64]"]
    assert rows["sampling"] == ["balanced"]
    assert rows_of(results, complete(short)) == rows


def test_settings_of_other_versions_are_told_by_their_key(results: dict[str, Any]) -> None:
    rows_of(results, load_experiment("strong/mel-res"))
    old = results["models"][0]["experiment"]
    old["training"]["momentum"] = 0.9
    del old["training"]["mixup"], old["evaluation"]
    table = settings_table(results)
    assert table is not None
    rows = {row[0].text: row[1].text for row in table.rows}
    assert rows["training.momentum"] == "0.9"
    assert "mixup, alpha" not in rows


def test_each_fold_starts_from_its_own_branches(results: dict[str, Any]) -> None:
    initial = ["training.initial.wave=/home/me/runs/wave-res-fold0-seed1"]
    experiment = load_experiment("strong/combined-res", initial)
    one = rows_of(results, experiment)["branches start from"]
    assert one == ["wave: wave-res-fold0-seed1, mel: mel-res"]
    results["models"][0]["per_fold"] = [{}, {}]
    assert rows_of(results, experiment)["branches start from"] == [
        "wave: wave-res-seed1, mel: mel-res"
    ]
