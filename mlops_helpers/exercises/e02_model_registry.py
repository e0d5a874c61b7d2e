"""Checks of notebook 2: who served when, and a gate that must fail closed."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pandas as pd

from mlops_helpers.exercises.engine import NotAttempted, Wrong, exercise, number

DAY = pd.Timestamp("2024-01-01", tz="UTC")
EVENTS = (  # day, event, version, replaced
    (0, "registered", 1, None),
    (1, "gate passed", 1, None),
    (2, "promoted", 1, None),
    (5, "registered", 2, None),
    (9, "promoted", 2, 1),
    (12, "registered", 3, None),
    (13, "gate refused", 3, None),
    (14, "promotion refused", 3, None),
    (20, "rolled back", 1, 2),
    (25, "registered", 4, None),
    (26, "promoted", 4, 1),
    (29, "promoted", 2, 4),
)
FIRST_DAY = 10  # asked about first: an untouched stub shows itself there
FIRST_CASE = "a little better"  # the same for the gate


@exercise(
    "2.1",
    title="Who served on that day?",
    hints=(
        "Keep only the rows whose event changes the champion.",
        "Of those, keep the ones that had happened by then. Which row decides?",
    ),
)
def champion_at(answer: Callable[[pd.DataFrame, pd.Timestamp], int]) -> str:
    """Before, between and after promotions, after a rollback, at the very moment."""
    history = pd.DataFrame(
        {
            "event": [event for _, event, _, _ in EVENTS],
            "version": pd.array([version for _, _, version, _ in EVENTS], dtype="Int64"),
            "replaced": pd.array([old for _, _, _, old in EVENTS], dtype="Int64"),
            "when": [DAY + pd.Timedelta(days=day) for day, _, _, _ in EVENTS],
        }
    )

    def told(day: float) -> int:
        when = DAY + pd.Timedelta(days=day)
        try:
            got = answer(history.copy(), when)
        except NotAttempted as nothing:
            if day == FIRST_DAY:
                raise
            raise Wrong(f"asked about day {day:g}, it answered nothing") from nothing
        return int(number(got, f"the version on day {day:g}"))

    told(FIRST_DAY)  # what fails on every day shows itself here as well
    try:
        nobody = told(1.5)
    except Wrong as failed:
        error = failed.__cause__
        nothing = error is None or isinstance(error, NotAttempted)
        how = "it gave no number" if nothing else f"it raised {type(error).__name__}"
        raise Wrong(
            f"asked about a time before the first promotion, {how}; nobody served then, so 0"
        ) from failed
    if nobody != 0:
        raise Wrong("before the first promotion nobody served: the answer must be 0")
    if told(10) == 1:
        raise Wrong("after the second promotion it still names the first champion")
    if told(6) != 1:
        raise Wrong("between the two promotions the first one served; being registered is no role")
    if told(10) != 2:
        raise Wrong("after the second promotion the second version served")
    if told(15) != 2:
        raise Wrong("a promotion that was refused changes nothing, and neither does its gate")
    if told(30) == 4:
        raise Wrong("the highest number is not always the last: version 2 was promoted after 4")
    if told(22) != 1:
        raise Wrong("a rollback changes the champion as well, to the version in its row")
    if told(9) != 2:
        raise Wrong("at the very moment of the promotion the new version serves")
    return "from the history alone, at any moment"


@exercise(
    "2.2",
    title="The gate that approves what it could not compare",
    fault=True,
    hints=(
        "What is `approved` before anything was compared?",
        "Is NaN < -0.02? Is NaN >= -0.02? Ask for the reason to approve, not to refuse.",
        "Start from refusing, and let only a real number change that.",
    ),
)
def approve_safely(answer: Callable[[Callable[[], object]], bool]) -> str:
    """Approves up to the margin; a crash, NaN, None and a loss all refuse; it never raises."""

    def told(compare: Callable[[], object], what: str) -> bool:
        try:
            got = answer(compare)
        except NotAttempted as nothing:
            if what == FIRST_CASE:
                raise
            raise Wrong(
                f"{what}: the gate answered nothing; it must answer True or False"
            ) from nothing
        if not isinstance(got, bool | np.bool_):
            raise Wrong(f"{what}: it returned a {type(got).__name__}, must be True or False")
        return bool(got)

    def approved_without_evidence(compare: Callable[[], object], what: str) -> bool:
        try:
            return told(compare, what)
        except Wrong as failed:
            if failed.__cause__ is None or isinstance(failed.__cause__, NotAttempted):
                raise  # not an exception of the answer's
            raised = type(failed.__cause__).__name__
            raise Wrong(
                f"{what} and the gate failed with it ({raised}); it must answer False"
            ) from failed

    if not told(lambda: 0.01, FIRST_CASE):
        raise Wrong("a candidate that is a little better is refused; nobody will use this gate")
    if told(lambda: -0.1, "much worse"):
        raise Wrong("a candidate that is much worse is approved")
    if not told(lambda: -0.01, "a small loss"):
        raise Wrong("a loss of 0.01 is within the margin of 0.02 and must pass")
    if not told(lambda: -0.02, "a loss of exactly 0.02"):
        raise Wrong("a loss of exactly 0.02 is no more than 0.02 and must pass")
    if not told(lambda: 0.10, "much better"):
        raise Wrong("a candidate that is much better is refused; only losses are limited")
    for error in (ConnectionError("no route"), KeyError("auc"), ZeroDivisionError()):
        if approved_without_evidence(_raising(error), "compare() failed"):
            raise Wrong(
                f"the comparison crashed with {type(error).__name__} and the gate approved: no "
                "evidence, yet a promotion"
            )
    if approved_without_evidence(lambda: math.nan, "compare() gave NaN"):
        raise Wrong("the comparison gave NaN and the gate approved; NaN is smaller than nothing")
    if approved_without_evidence(lambda: None, "compare() returned None"):
        raise Wrong("the comparison returned nothing and the gate approved")
    return "it fails closed"


def _raising(error: Exception) -> Callable[[], object]:
    def compare() -> object:
        raise error

    return compare
