"""Checks of notebook 3, continued: thirteen tests at five per cent, and how often one rings.

Any method that keeps the chance of *any* false alarm is accepted, Bonferroni's, Holm's and stricter
ones alike; simulated months tell them from those that keep something else. Two methods keep it for
features that are independent or go together, but not for any features: Šidák's, and the steps from
above (Hochberg, Hommel; they rest on the inequality of Simes). Months in which small p-values take
turns tell these.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from mlops_helpers.exercises.engine import NotAttempted, Wrong, exercise

Alarms = Callable[[pd.Series, float], list[str]]

FEATURES = 13
ALPHA = 0.05
_MONTHS = 250
_MOST = ALPHA + 3 * (ALPHA * (1 - ALPHA) / _MONTHS) ** 0.5  # alpha and three Monte Carlo errors
_MOVED = 1e-12  # the p-value of a feature that moved beyond doubt


@exercise(
    "3.4",
    title="Find the fault: thirteen tests at five per cent",
    fault=True,
    hints=(
        "Each quiet feature rings in 5 % of the months. In how many does none of thirteen ring?",
        "Five per cent have to be enough for all the tests that were made. How many were made? A "
        "feature without data was not tested.",
        "Compare each p-value with alpha divided by the number of tests (Bonferroni); or go from "
        "the smallest up, divide by the number of those that are left, and stop at the first that "
        "fails (Holm).",
    ),
)
def thirteen_tests(answer: Alarms) -> str:
    """`answer(p_values, alpha)` returns the names of the features that alarm."""
    if not _names(answer, _month(0.7, moved=(4, 8))):
        raise Wrong(
            "two features of thirteen have p-values of 1e-12 and nobody hears of it: a monitor "
            "that is never wrong because it never rings is of no use"
        )
    answer = _once_more(answer)
    _right_names(answer)
    _quiet_months(answer)
    _moved_months(answer)
    _counts_and_level(answer)
    _taking_turns(answer)
    _without_data(answer)
    return (
        "five per cent for all the tests together, whatever the features have to do with each "
        "other, and a feature that really moved is still heard"
    )


def _right_names(answer: Alarms) -> None:
    found = _names(answer, _month(0.7))
    if found:
        raise Wrong(f"all thirteen p-values are 0.7, as quiet as can be, and you name {len(found)}")
    for place in (0, 7, 12):
        found = _names(answer, _month(0.7, moved=(place,)))
        if not found:
            raise Wrong(
                "two features that moved are heard; one that moved alone (p = 1e-12) is not: what "
                "is it waiting for?"
            )
        if found != [f"feature {place + 1:02d}"]:
            raise Wrong(
                f"only feature {place + 1:02d} moved (p = 1e-12, all others 0.7) and you name "
                f"{', '.join(found)}: whose p-value is compared with whose bound?"
            )
    found = _names(answer, _month(0.03))
    if 0 < len(found) < FEATURES:
        raise Wrong(
            f"thirteen features with one and the same p-value of 0.03, and you name {len(found)} "
            "of them: once a step fails, none of the later ones may pass"
        )


def _quiet_months(answer: Alarms) -> None:
    rate = _any_false(answer, _p_values(seed=1, correlation=0.0))
    if rate > _MOST:
        told = f"in {rate:.0%} of simulated quiet months at least one feature alarms"
        if rate > 0.9:
            raise Wrong(f"{told}: it rings whatever the p-values are")
        if rate > 0.4:
            raise Wrong(f"{told}: each test keeps its 5 %, and all thirteen together do not")
        raise Wrong(f"{told}, and {ALPHA:.0%} were promised: better than before, not yet enough")
    rate = _any_false(answer, _p_values(seed=2, correlation=0.8))
    if rate > _MOST:
        raise Wrong(
            f"as long as the features are independent it keeps its promise; when they go together, "
            f"as incomes and loan amounts do, a feature alarms in {rate:.0%} of quiet months"
        )
    if _rings_for_any(answer, 0.0041):
        raise Wrong(
            "it rings for a lone p-value of 0.0041, and the smallest of thirteen quiet ones is "
            "below that in 5.2 % of the months: how many tests were made?"
        )


def _moved_months(answer: Alarms) -> None:
    """Some features really moved: they are named, and the promise holds for the others."""
    found = _names(answer, _month(_MOVED))
    if len(found) < FEATURES:
        raise Wrong(
            f"all thirteen features moved beyond doubt and you name {len(found)}; whoever has to "
            "repair them wants to know of each"
        )
    for moved, seed in ((1, 3), (6, 4)):
        months = _p_values(seed=seed, correlation=0.0)
        months[:, :moved] = _MOVED
        rate = _any_false(answer, months, quiet_from=moved)
        if rate > _MOST and (moved == 1 and rate > 0.2):
            raise Wrong(
                f"when one feature really moved, a quiet one is named beside it in {rate:.0%} of "
                "the months: one true alarm does not make the others more believable"
            )
        if rate > _MOST:
            raise Wrong(
                f"when {moved} of thirteen features really moved, a quiet one is named as well in "
                f"{rate:.0%} of the months; you bound the *share* of false alarms among all "
                "alarms, and the chance of *any* false alarm was asked for"
            )


def _counts_and_level(answer: Alarms) -> None:
    many = _any_false(answer, _p_values(seed=5, correlation=0.0, features=60, months=150))
    if many > 0.12:  # 5 % and nearly four Monte Carlo errors
        raise Wrong(
            f"with sixty features instead of thirteen one alarms in {many:.0%} of quiet months: "
            "where does the number of tests come from?"
        )
    if not _names(answer, _month(0.7).where(lambda p: p.index != "feature 06", 5e-4)):
        raise Wrong(
            "a p-value of 0.0005 is the smallest of thirteen quiet ones in 0.7 % of the months, "
            "and it does not ring: far stricter than was promised, and deaf to what matters"
        )
    if not _names(answer, pd.Series({"income": 0.006, "debt": 0.5, "amount": 0.9})):
        raise Wrong(
            "three features were looked at, one has a p-value of 0.006, and nothing rings: are "
            "there always thirteen?"
        )
    if _names(answer, _month(0.7).where(lambda p: p.index != "feature 06", 0.003), alpha=0.01):
        raise Wrong("asked for alpha = 0.01, it rings as if it had been asked for 0.05")
    if not _names(answer, _month(0.7).where(lambda p: p.index != "feature 06", 0.0042), alpha=0.2):
        raise Wrong("asked for alpha = 0.2, it is as strict as for 0.05: `alpha` is not used")


def _taking_turns(answer: Alarms) -> None:
    """Features that avoid each other: each p-value is uniform, and few are small at once."""
    if _rings_for_any(answer, 0.0039):
        raise Wrong(
            "it rings for a lone p-value of 0.0039, whichever feature has it; that is a hair too "
            "much. If the features take turns (when one is low, no other is), one of thirteen is "
            f"below 0.0039 in {FEATURES * 0.0039:.2%} of quiet months. A bound that multiplies "
            "chances (Šidák's) holds for features that are independent or go together, not for any"
        )
    # Forty cells of width alpha / 2; both features are in the second at once, never in the first.
    partner = [2, 1, 0, *range(3, 40)]
    depths = np.linspace(0.1, 0.9, 5)
    months = np.array([[a + d, b + d] for a, b in enumerate(partner) for d in depths]) * ALPHA / 2
    rate = _any_false(answer, months)
    if rate > ALPHA + 1e-9:
        raise Wrong(
            "two features that are seldom low together, but at times both just below 0.05: one "
            f"alarms in {rate:.1%} of quiet months. To begin with the largest p-value (Hochberg, "
            "Hommel) is right for features that are independent or go together, not for any"
        )


def _rings_for_any(answer: Alarms, p: float) -> bool:
    """Whether a lone p-value `p` rings whichever feature has it: parts may be unequal."""
    months = [_month(0.7) for _ in range(FEATURES)]
    for place, month in enumerate(months):
        month.iloc[place] = p
    return all(_names(answer, month) for month in months)


def _without_data(answer: Alarms) -> None:
    holes = _month(np.nan)
    holes.iloc[[2, 5, 9]] = 0.006, 0.5, 0.9
    found = _names(answer, holes)
    if set(found) - {"feature 03", "feature 06", "feature 10"}:
        raise Wrong("it names a feature without data (p is NaN) among those that moved")
    if found != ["feature 03"]:
        raise Wrong(
            "ten of thirteen features have no data, one of the three others has a p-value of "
            "0.006, and it does not ring: a feature without any data is no test, and a test that "
            "was not made needs no part of the 5 % (the drift report counts what was planned "
            "before the data were seen, which is stricter)"
        )
    for nothing, told in ((_month(np.nan), "thirteen without data"), (_month(0.5)[:0], "none")):
        if _names(answer, nothing):
            raise Wrong(f"of features there are {told}, and yet it rings")


def _month(p: float, *, moved: tuple[int, ...] = ()) -> pd.Series:
    """Thirteen features with the p-value `p`, and those at the places `moved` beyond doubt."""
    values = np.full(FEATURES, p)
    values[list(moved)] = _MOVED
    return _series(values)


def _series(values: NDArray[np.float64]) -> pd.Series:
    return pd.Series(values, index=[f"feature {i + 1:02d}" for i in range(len(values))])


def _p_values(
    *, seed: int, correlation: float, features: int = FEATURES, months: int = _MONTHS
) -> NDArray[np.float64]:
    """Quiet months: each p-value uniform, any two of a month as correlated as asked for."""
    rng = np.random.default_rng(seed)
    own, common = rng.normal(size=(months, features)), rng.normal(size=(months, 1))
    return stats.norm.sf(np.sqrt(1 - correlation) * own + np.sqrt(correlation) * common)


def _any_false(answer: Alarms, months: NDArray[np.float64], *, quiet_from: int = 0) -> float:
    """The share of months in which a feature alarms that is quiet: `quiet_from` and later ones."""
    names = _series(months[0]).index
    quiet = set(names[quiet_from:])
    asked = (_listed(answer(pd.Series(month, index=names), ALPHA), names) for month in months)
    return sum(not quiet.isdisjoint(found) for found in asked) / len(months)


def _once_more(answer: Alarms) -> Alarms:
    """The same answer, for which nothing is no longer an untouched stub."""

    def asked(p_values: pd.Series, alpha: float) -> list[str]:
        try:
            return answer(p_values, alpha)
        except NotAttempted as nothing:
            raise Wrong(
                "when no feature alarms it returns nothing at all; it must return an empty list"
            ) from nothing

    return asked


def _names(answer: Alarms, p_values: pd.Series, alpha: float = ALPHA) -> list[str]:
    """What the answer names, in the order of the features, or `Wrong`."""
    kept = p_values.copy()
    found = answer(p_values, alpha)
    if not p_values.equals(kept):
        raise Wrong("it changed the p-values that it was given; work on a copy")
    listed = _listed(found, kept.index)
    return [name for name in kept.index if name in listed]


def _listed(found: object, names: pd.Index) -> set[str]:
    """What was returned as a set of names, or `Wrong`."""
    if isinstance(found, str | Mapping | pd.DataFrame) or not isinstance(found, Iterable):
        raise Wrong(f"it returned a {type(found).__name__}, must be a list of features' names")
    listed = list(found)
    strange = [name for name in listed if not isinstance(name, str) or name not in names]
    if strange:
        raise Wrong(
            f"it returned {strange[0]!r} where a feature's name must be; return the names of those "
            "that alarm, not all of them with a mark"
        )
    if len(set(listed)) < len(listed):
        raise Wrong(f"it names {max(listed, key=listed.count)!r} twice")
    return set(listed)
