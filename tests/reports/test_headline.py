"""The headline says what the tests allow, and no more."""

from typing import Any

from wavemel.reports.headline import headline


def model(name: str, top1: float, kind: str = "network") -> dict[str, Any]:
    return {
        "name": name,
        "kind": kind,
        "top1": top1,
        "top1_ci95": [top1 - 0.1, top1 + 0.1],
        "n": 80,
        "split": "test",
    }


def pair(a: str, b: str, difference: float, p: float | None, half: float = 0.05) -> dict[str, Any]:
    bounds = [difference - half, difference + half]
    keys = dict.fromkeys(("mcnemar_p", "permutation_p", "holm_p"), p)
    return {"a": a, "b": b, "difference": difference, "difference_ci95": bounds, **keys}


def say(models: list[dict[str, Any]], pairs: list[dict[str, Any]], **more: Any) -> tuple[str, str]:
    sentence, details = headline({"models": models, "pairs": pairs, **more})
    return sentence.replace("\u00a0", " "), " ".join(details).replace("\u00a0", " ")


def test_a_lead_that_is_not_significant_is_no_lead() -> None:
    models = [model("wave", 0.5), model("mel", 0.55)]
    sentence, details = say(models, [pair("wave", "mel", -0.05, 0.4, 0.2)])
    assert sentence.startswith("No significant difference between the best two networks")
    assert "mel gets 55.0 % of 80 test clips right (95 % interval 45.0–65.0 %)" in sentence
    assert "mel over wave: 5.0 points, not significant (p = 0.400" in details


def test_a_significant_lead_is_told() -> None:
    models = [model("wave", 0.5), model("mel", 0.8)]
    sentence, details = say(models, [pair("wave", "mel", -0.3, 0.0001)])
    assert sentence.startswith("mel is ahead of every other network")
    assert "significant (p < 0.001" in details


def test_ahead_of_the_second_but_not_proven_against_the_third() -> None:
    models = [model("a", 0.8), model("b", 0.6), model("c", 0.5)]
    pairs = [pair("a", "b", 0.2, 0.01), pair("a", "c", 0.3, 0.2), pair("b", "c", 0.1, 0.5)]
    sentence, _ = say(models, pairs)
    assert sentence.startswith("a is ahead:")


def test_level_single_and_untested_models() -> None:
    assert say([model("a", 0.5), model("b", 0.5)], [])[0].startswith("a and b are level")
    models = [model("a", 0.5), model("b", 0.5)]
    assert "a and b are level (p = 1.000)" in say(models, [pair("a", "b", 0.0, 1.0)])[1]
    assert say([model("a", 0.5)], [])[0].startswith("a gets 50.0 %")
    # Nothing was tested, so nothing is said of significance.
    sentence, details = say([model("a", 0.6), model("b", 0.5)], [])
    assert sentence.startswith("a gets 60.0 % of 80 test clips right")
    assert sentence.endswith(", b 50.0 %.")
    assert details == "a over b: 10.0 points, without a paired test."


def test_the_best_baseline_is_named() -> None:
    models = [
        model("wave", 0.5),
        model("svm", 0.66, "baseline"),
        model("majority", 0.3, "baseline"),
    ]
    _, details = say(models, [pair("wave", "svm", -0.16, 0.03)])
    assert "The best baseline, svm, gets 66.0 %" in details
    assert "16.0 points above wave, a significant difference (p = 0.030)" in details
    assert "majority" not in details


def recipes(figures: dict[str, list[float]]) -> dict[str, Any]:
    """Return results of networks with the tracks' top-1 of each of their seeds."""
    models, over = [], []
    for name, each in figures.items():
        seeds = [f"{name} (seed {seed})" for seed in range(len(each))]
        for seed, top1 in zip(seeds, each, strict=True):
            # One window says less than the track, and another seed is the best there.
            made = model(seed, 1 - top1) | {"experiment": {"name": name}}
            models.append(made | {"track": {**model(seed, top1), "n": 80}})
        if len(each) > 1:
            title = f"{name}, {len(each)} seeds averaged"
            models.append(model(title, 0.9) | {"experiment": None, "members": seeds})
            row = model(name, sum(each) / len(each))
            over.append(row | {"seeds": list(range(len(each))), "top1_each": each})
    models.append(model("svm", 0.55, "baseline") | {"experiment": None, "track": None})
    return {"models": models, "over_seeds": over, "pairs": []}


def test_several_seeds_are_told_by_their_mean_and_tested_by_their_average() -> None:
    tested = [pair("svm", "wave, 2 seeds averaged", -0.1, 0.01)]
    sentence, details = say(**recipes({"wave": [0.6, 0.7]}), track_pairs=tested)
    assert sentence == (
        "wave gets 65.0 % of 80 whole test tracks right, the mean of 2 seeds "
        "(95 % interval 55.0–75.0 %)."
    )
    assert details == (
        "The best baseline, svm, gets 55.0 % (95 % interval 45.0–65.0 %): 10.0 points below wave; "
        "as tested, “wave, 2 seeds averaged” over “svm”: 10.0 points, significant (p = 0.010, "
        "permutation test, Holm-corrected)."
    )


def test_recipes_are_set_against_each_other_only_where_they_were_tested() -> None:
    both = recipes({"wave": [0.6, 0.7], "mel": [0.5, 0.6]})
    names = ("mel, 2 seeds averaged", "wave, 2 seeds averaged")
    sentence, details = say(**both, track_pairs=[pair(*names, -0.2, 0.5, 0.3)])
    assert sentence.startswith("No significant difference between the best two networks: wave gets")
    assert sentence.endswith(", mel 55.0 %.")
    assert "wave over mel: 10.0 points; as tested, “wave, 2 seeds averaged” over “mel" in details
    assert "20.0 points, not significant (p = 0.500" in details
    assert (
        "svm, gets 55.0 % (95 % interval 45.0–65.0 %): 10.0 points below wave, without" in details
    )
    sentence, _ = say(**both, track_pairs=[pair(*names, -0.2, 0.01)])
    assert sentence.startswith("wave is ahead of every other network: 65.0 %")
    # The mean over seeds says one thing, the averages another: neither is claimed.
    for tested in ([], [pair(*names, 0.2, 0.01)]):
        sentence, details = say(**both, track_pairs=tested)
        assert sentence.startswith("wave gets 65.0 %")
    assert "over “mel, 2 seeds averaged”: −20.0 points, significant" in details
    # Pairs of single seeds, as reports of earlier versions have them, are none of recipes.
    del both["models"][5], both["models"][2]
    sentence, details = say(**both, track_pairs=[pair("wave (seed 0)", "mel (seed 0)", 0.1, 0.01)])
    assert sentence.startswith("wave gets 65.0 %")
    assert "wave over mel: 10.0 points, without a paired test" in details


def test_a_recipe_of_one_seed_stands_beside_one_of_several() -> None:
    mixed = recipes({"wave": [0.6, 0.7], "mel": [0.8]})
    tested = [pair("mel (seed 0)", "wave, 2 seeds averaged", 0.1, 0.5, 0.2)]
    sentence, details = say(**mixed, track_pairs=tested)
    assert "mel (seed 0) gets 80.0 % of 80 whole test tracks right (95 % interval" in sentence
    assert sentence.endswith(", wave 65.0 %.")
    assert "mel (seed 0) over wave: 15.0 points; as tested, “mel (seed 0)” over “wave" in details
