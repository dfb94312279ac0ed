"""The headline says what the tests allow, and no more."""

from typing import Any

import pytest

from wavemel.reports.wording import (
    accuracy_note,
    duration,
    headline,
    is_fma_small,
    is_significant,
    lone_genres,
    p_value,
    pooling_sentence,
    verdict,
)


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


def say(models: list[dict[str, Any]], pairs: list[dict[str, Any]]) -> tuple[str, str]:
    sentence, details = headline({"models": models, "pairs": pairs})
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
    sentence, details = say([model("a", 0.6), model("b", 0.5)], [])
    assert sentence.startswith("No significant difference")
    assert "without a paired test" in details


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


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (pair("a", "b", 0.2, 0.01), True),
        (pair("a", "b", 0.2, 0.05), False),
        (pair("a", "b", 0.2, 0.01, half=0.3), False),  # the interval holds 0
        (pair("a", "b", 0.2, None), False),
        ({**pair("a", "b", 0.2, 0.01), "holm_p": 0.2}, False),  # corrected for many pairs
        ({**pair("a", "b", 0.2, 0.01), "difference_ci95": None}, True),
    ],
)
def test_significance_takes_both_p_and_interval(found: dict[str, Any], expected: bool) -> None:
    assert is_significant(found) is expected
    assert (verdict(found) == "no significant difference") is not expected


def test_who_is_ahead() -> None:
    assert verdict(pair("a", "b", 0.2, 0.01)) == "a is ahead"
    assert verdict(pair("a", "b", -0.2, 0.01)) == "b is ahead"


def test_macro_figures_without_interval_say_why() -> None:
    assert lone_genres({}) == lone_genres({"one_group": []}) == ""
    one = lone_genres({"one_group": ["rock"]})
    assert one.startswith("Macro figures have no interval")
    assert "whose clips are all of one artist" in one
    assert one.endswith(": rock.")
    many = lone_genres({"one_group": list("abcdef"), "n_scored": 6})
    assert "whose clips, or all others, are of one artist" in many
    assert many.endswith(": a, b, c and 3 more.")


def test_how_windows_become_a_track_is_told() -> None:
    assert pooling_sentence([{"name": "a"}, {"name": "b", "pooling": "mean"}]) == (
        "A track's probabilities are the mean of its windows'."
    )
    mixed = pooling_sentence([{"name": "a"}, {"name": "b", "pooling": "geometric"}])
    assert "mean of its windows' (a) and the geometric mean" in mixed
    assert mixed.endswith("(b).")


def test_why_the_papers_accuracy_is_not_top1() -> None:
    note = accuracy_note(8)
    assert "scores 0.875 and guessing 0.781" in note
    assert "a top-1 of 0.56, 0.40 and 0.44" in note
    assert "here answering" not in note
    assert "with the 4 here answering “no” to every genre scores 0.750 and guessing 0.625" in (
        accuracy_note(4)
    )


@pytest.mark.parametrize(
    ("name", "synthetic", "expected"),
    [
        ("fma_small", False, True),
        ("FMA-small", False, True),
        ("fma:small", False, True),
        ("fma_small", True, False),
        ("fma_medium", False, False),
        ("emotify", False, False),
    ],
)
def test_which_data_are_the_papers(name: str, synthetic: bool, expected: bool) -> None:
    assert is_fma_small({"name": name, "synthetic": synthetic}) is expected


def test_numbers_for_people() -> None:
    assert [duration(s) for s in (None, 3.14, 59.6, 75, 3599, 3600, 5025)] == [
        *("–", "3.1 s", "1 min 0 s", "1 min 15 s", "59 min 59 s", "1 h 0 min", "1 h 23 min"),
    ]
    assert [p_value(p) for p in (None, 0.0004, 0.05, 1.0)] == ["–", "< 0.001", "0.050", "1.000"]
