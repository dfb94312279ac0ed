"""The sentences that sum a comparison up: what its paired tests allow to be said, and no more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from wavemel.reports.results import seeds_of
from wavemel.reports.wording import is_significant, listing, p_value, pair_p, percent


@dataclass(frozen=True)
class _Contender:
    """What the headline ranks: a model, or a recipe with the mean over its seeds."""

    name: str
    #: With ``top1``, ``top1_ci95`` and ``n``.
    figures: dict[str, Any]
    #: The model by which paired tests know it; of a recipe, its seeds averaged. Empty where none is.
    tested_as: str
    seeds: int = 1

    @property
    def top1(self) -> float:
        return float(self.figures["top1"])


@dataclass(frozen=True)
class _Contest:
    """Networks and baselines, each with the best first, and the paired tests between them."""

    networks: list[_Contender]
    baselines: list[_Contender]
    pairs: list[dict[str, Any]]
    #: What ``n`` counts.
    clips: str

    def pair(self, one: _Contender, other: _Contender) -> dict[str, Any] | None:
        """Return the paired test between two, ``a`` being the first; None where there was none."""
        for pair in self.pairs:
            if (pair["a"], pair["b"]) == (one.tested_as, other.tested_as):
                return pair
            if (pair["b"], pair["a"]) == (one.tested_as, other.tested_as):
                return {**pair, "a": pair["b"], "b": pair["a"], "difference": -pair["difference"]}
        return None

    def beats(self, one: _Contender, other: _Contender) -> bool:
        """Return whether one has more right than the other, and significantly so where tested."""
        pair = self.pair(one, other)
        if pair is None or not is_significant(pair):
            return False
        return one.top1 > other.top1 and pair["difference"] > 0


def headline(results: dict[str, Any]) -> tuple[str, list[str]]:
    """Return the sentence that sums the results up, and sentences that qualify it.

    Where networks have several seeds it is about recipes: the mean over seeds,
    of whole tracks, and tests of the seeds' averaged answers. A single seed may
    be a lucky one, and the best of several is.
    """
    contest = _contest(results)
    ranked = contest.networks or contest.baselines
    best = ranked[0]
    what = "network" if contest.networks else "baseline"
    stands = _stands(best, contest.clips)
    details: list[str] = []
    if len(ranked) == 1:
        sentence = f"{best.name} gets {stands}."
    else:
        second = ranked[1]
        pair = contest.pair(best, second)
        both = f"{best.name} gets {stands}, {second.name} {percent(second.top1)}."
        if best.top1 == second.top1:
            level = [c.name for c in ranked if c.top1 == best.top1]
            sentence = f"{listing(level)} are level: {stands}."
        elif contest.beats(best, second):
            sentence = f"{best.name} is ahead of every other {what}: {stands}."
            if not all(contest.beats(best, other) for other in ranked[1:]):
                sentence = f"{best.name} is ahead: {stands}."
        elif pair is not None and not is_significant(pair):
            sentence = f"No significant difference between the best two {what}s: {both}"
        else:
            # They were not set against each other, so nothing is known of significance.
            sentence = both
        details += [_comparison(contest, best, other) for other in ranked[1:]]
    if contest.networks and contest.baselines:
        details.append(_against_baseline(contest, best, contest.baselines[0]))
    return sentence, details


def _contest(results: dict[str, Any]) -> _Contest:
    models, over_seeds = results["models"], results.get("over_seeds") or []
    split = models[0]["split"]
    networks = [m for m in models if m["kind"] == "network"]
    baselines = [_Contender(m["name"], m, m["name"]) for m in models if m["kind"] == "baseline"]
    if not over_seeds:
        alone = [_Contender(m["name"], m, m["name"]) for m in networks]
        return _Contest(_ranked(alone), _ranked(baselines), results["pairs"], f"{split} clips")
    recipes = [_recipe(row, models) for row in over_seeds]
    several = {name for row in over_seeds for name in seeds_of(models, row["name"])}
    recipes += [
        _Contender(m["name"], m["track"], m["name"])
        for m in networks
        if m["experiment"] and m["name"] not in several
    ]
    pairs = results.get("track_pairs") or []
    return _Contest(_ranked(recipes), _ranked(baselines), pairs, f"whole {split} tracks")


def _recipe(row: dict[str, Any], models: list[dict[str, Any]]) -> _Contender:
    seeds = set(seeds_of(models, row["name"]))
    averaged = [m["name"] for m in models if set(m.get("members") or ()) == seeds]
    return _Contender(row["name"], row, averaged[0] if averaged else "", len(row["seeds"]))


def _ranked(contenders: list[_Contender]) -> list[_Contender]:
    return sorted(contenders, key=lambda c: -c.top1)


def _stands(best: _Contender, clips: str) -> str:
    mean = f", the mean of {best.seeds} seeds" if best.seeds > 1 else ""
    return f"{percent(best.top1)} of {best.figures['n']:,} {clips} right{mean}{_range(best)}"


def _range(contender: _Contender) -> str:
    bounds = contender.figures["top1_ci95"]
    return (
        f" (95\u00a0% interval {100 * bounds[0]:.1f}–{100 * bounds[1]:.1f}\u00a0%)"
        if bounds
        else ""
    )


def _points(value: float) -> str:
    return f"{100 * abs(value):.1f}\u00a0points"


def _comparison(contest: _Contest, best: _Contender, other: _Contender) -> str:
    pair = contest.pair(best, other)
    level = best.top1 == other.top1
    lead = f"{best.name} over {other.name}: {_points(best.top1 - other.top1)}"
    if pair is None:
        return f"{lead}, without a paired test."
    if _stand_in(pair, best, other):
        return f"{f'{best.name} and {other.name} are level' if level else lead}; {_tested(pair)}."
    p, name = pair_p(pair)
    if level:
        return f"{best.name} and {other.name} are level (p\u00a0{_equals(p)})."
    end = "significant" if is_significant(pair) else "not significant"
    return f"{lead}, {end} (p\u00a0{_equals(p)}{', ' + name if name else ''})."


def _against_baseline(contest: _Contest, best: _Contender, baseline: _Contender) -> str:
    start = f"The best baseline, {baseline.name}, gets {percent(baseline.top1)}{_range(baseline)}"
    pair = contest.pair(best, baseline)
    gap = best.top1 - baseline.top1
    side = "below" if gap > 0 else "above"
    where = f"{_points(gap)} {side} {best.name}" if gap else f"as much as {best.name}"
    if pair is not None and _stand_in(pair, best, baseline):
        return f"{start}: {where}; {_tested(pair)}."
    if gap == 0:
        return f"{start}: {where}."
    if pair is None:
        return f"{start}: {where}, without a paired test."
    p, _ = pair_p(pair)
    end = "a significant difference" if is_significant(pair) else "no significant difference"
    return f"{start}: {where}, {end} (p\u00a0{_equals(p)})."


def _stand_in(pair: dict[str, Any], one: _Contender, other: _Contender) -> bool:
    """Return whether a test is of other models, by name, than the figures beside it."""
    return (pair["a"], pair["b"]) != (one.name, other.name)


def _tested(pair: dict[str, Any]) -> str:
    """Return what was found of the models that were tested in place of recipes."""
    p, name = pair_p(pair)
    sign = "−" if pair["difference"] < 0 else ""
    end = "significant" if is_significant(pair) else "not significant"
    return (
        f"as tested, “{pair['a']}” over “{pair['b']}”: {sign}{_points(pair['difference'])}, {end} "
        f"(p\u00a0{_equals(p)}{', ' + name if name else ''})"
    )


def _equals(p: float | None) -> str:
    text = p_value(p)
    return text if text.startswith("<") else f"=\u00a0{text}"
