"""Checks of notebook 3, continued: a limit and a patience that keep calm and still notice.

The weeks are drawn as the stability index of 300 applications against a reference of 5,000 behaves:
a multiple of a chi-square variable, moved by what really happened. Three weeks in a hundred are odd
for themselves (a holiday, an advertisement) and over when anybody looks. The weeks are independent,
so the check needs no simulated years: it computes the shares exactly.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from mlops_helpers.alerts import Rule
from mlops_helpers.exercises.engine import Wrong, exercise, number

WEEKS = 52
SHIFT = 0.08
"""The lasting shift's index without noise: incomes moved by 0.28 standard deviations."""
MOST_FALSE, LEAST_NOTICED, WITHIN = 0.05, 0.90, 6

_ROWS, _REFERENCE, _BINS = 300, 5_000, 10
_ODD_WEEKS, _ODD_INDEX = 0.03, 0.30


def weekly_index(*, seed: int, years: int, shift: float = 0.0) -> NDArray[np.float64]:
    """Simulated stability indices, a row for each year and a column for each of its 52 weeks.

    `shift` is what the index would be without noise; it lasts from the first week to the last.
    """
    rng = np.random.default_rng(seed)
    noise = 1 / _ROWS + 1 / _REFERENCE
    odd = np.where(rng.random((years, WEEKS)) < _ODD_WEEKS, _ODD_INDEX, 0.0)
    return noise * rng.noncentral_chisquare(_BINS - 1, (shift + odd) / noise)


def chance_of_alert(rule: Rule, *, weeks: int, shift: float = 0.0) -> float:
    """The exact chance that an alert opens within so many weeks of `weekly_index`."""
    if rule.patience > weeks:
        return 0.0
    noise = 1 / _ROWS + 1 / _REFERENCE
    level = (_BINS - 1) * noise if rule.over == "null" else 0.0
    ordinary, odd = (
        float(stats.ncx2.sf((rule.limit + level) / noise, _BINS - 1, index / noise))
        if index
        else float(stats.chi2.sf((rule.limit + level) / noise, _BINS - 1))
        for index in (shift, shift + _ODD_INDEX)
    )
    breach = (1 - _ODD_WEEKS) * ordinary + _ODD_WEEKS * odd
    # The chances of a run of 0, 1, … weeks above the limit that has not opened an alert.
    runs = np.zeros(rule.patience)
    runs[0] = 1.0
    opened = 0.0
    for _ in range(weeks):
        opened += breach * runs[-1]
        runs = np.append((1 - breach) * runs.sum(), breach * runs[:-1])
    return float(opened)


@exercise(
    "3.6",
    title="A rule that keeps calm",
    hints=(
        "Plot one quiet year and one with the shift. Which heights do single odd weeks reach, and "
        "for how many weeks in a row?",
        "No limit helps against a single odd week, since it is higher than the shift; only waiting "
        "for a second or third week does. And who waits can afford a lower limit.",
        "Try each patience from 1 to 6 with limits from 0.03 to 0.15: the share of quiet years "
        "with an alert, and the share of shifted years with one in the first six weeks.",
    ),
)
def calm_rule(answer: object) -> str:
    """`answer` is a `Rule`, or a mapping with its "limit" and "patience"."""
    rule = _rule(answer)
    # Judged by the figures that are shown, so that they never contradict the verdict.
    false = round(chance_of_alert(rule, weeks=WEEKS), 3)
    noticed = round(chance_of_alert(rule, weeks=WITHIN, shift=SHIFT), 3)
    ever = chance_of_alert(rule, weeks=WEEKS, shift=SHIFT)
    noisy, deaf = false > MOST_FALSE, noticed < LEAST_NOTICED
    heard = f"it notices the shift within {WITHIN} weeks in {noticed:.1%} of the years"
    calm = f"it raises a false alert in {false:.1%} of the quiet years"
    if noisy and deaf:
        raise Wrong(
            f"{calm}, and {heard}: it is neither calm nor awake, so another trade between the two "
            "fields is better in both"
        )
    if noisy:
        why = (
            "a single odd week is enough for it"
            if rule.patience == 1
            else "weeks in which nothing happened are above its limit too often in a row"
        )
        raise Wrong(f"{heard}, but {calm} ({MOST_FALSE:.0%} are allowed): {why}")
    if deaf:
        if rule.patience > WITHIN:
            raise Wrong(
                f"it waits for {rule.patience} weeks in a row and has {WITHIN} to notice: calm, "
                "and too late whatever the limit"
            )
        end = (
            "it would in the course of the year, too late"
            if ever > LEAST_NOTICED
            else "even a whole year of the shift passes by in many cases"
        )
        raise Wrong(f"{calm}, but {heard} ({LEAST_NOTICED:.0%} are asked for); {end}")
    return f"{calm}, and {heard}"


def _rule(answer: object) -> Rule:
    """The answer as a rule, or `Wrong` for what could never be one."""
    if isinstance(answer, Rule):
        if answer.direction != "above":
            raise Wrong("your rule fires when the index is low; a low index is a quiet week")
        return answer
    if not isinstance(answer, Mapping):
        raise Wrong(f"your answer is a {type(answer).__name__}, must be a Rule or a dict")
    fields: dict[str, Any] = dict(answer)
    if set(fields) != {"limit", "patience"}:
        raise Wrong(f"your dict has {sorted(map(str, fields))}, must have limit and patience")
    limit = number(fields["limit"], "the limit")
    patience = number(fields["patience"], "the patience")
    if patience != int(patience) or patience < 1:
        raise Wrong(f"a patience of {patience:g} weeks: it must be a whole number, 1 or more")
    if limit <= 0:
        raise Wrong(f"a limit of {limit:g}: the index of any two samples is above it")
    return Rule("calm", "psi", limit, "above", "medium", patience=int(patience))
