"""Words and sentences of a report."""

from typing import Any

import pytest

from wavemel.reports.wording import (
    accuracy_note,
    duration,
    is_fma_small,
    is_significant,
    lone_genres,
    p_value,
    pooling_sentence,
    verdict,
)


def pair(a: str, b: str, difference: float, p: float | None, half: float = 0.05) -> dict[str, Any]:
    bounds = [difference - half, difference + half]
    keys = dict.fromkeys(("mcnemar_p", "permutation_p", "holm_p"), p)
    return {"a": a, "b": b, "difference": difference, "difference_ci95": bounds, **keys}


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
