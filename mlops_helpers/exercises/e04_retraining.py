"""Checks of notebook 04: a trigger that is beyond doubt, and rows that are fit to judge on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd

from mlops_helpers.exercises.engine import Wrong, exercise, kind


@exercise(
    "4.1",
    title="When does a trigger fire?",
    hints=(
        "Two questions: is the drop large enough to matter, and is it surely a drop at all?",
        "The first compares the estimate with the limit, the second the lower end with 0.",
        "Both must be true; a NaN makes a comparison false by itself.",
    ),
)
def trigger(answer: Callable[..., Any]) -> str:
    """`answer(value, low, high, limit)` says whether a performance trigger fires."""
    cases = (
        ((0.05, 0.03, 0.07, 0.02), True, "a large and certain drop must fire"),
        ((0.05, -0.02, 0.12, 0.02), False, "a drop whose interval includes 0 may be chance"),
        (
            (0.01, 0.005, 0.015, 0.02),
            False,
            "a certain drop below the limit is too small to act on",
        ),
        ((-0.05, -0.07, -0.03, 0.02), False, "a model that became better fires nothing"),
        (
            (0.03, 0.01, 0.05, 0.02),
            True,
            "the interval must exclude 0, it need not exclude the limit",
        ),
        ((float("nan"),) * 3 + (0.02,), False, "a drop nobody knows (NaN) is no reason"),
    )
    for arguments, expected, lesson in cases:
        found = answer(*arguments)
        if not isinstance(found, bool) and type(found).__name__ != "bool":
            raise Wrong(f"it returned {kind(found)}, must be True or False")
        if bool(found) != expected:
            value, low, high, limit = arguments
            raise Wrong(
                f"{lesson}: drop {value:g} with interval [{low:g}, {high:g}] and limit {limit:g} "
                f"gave {bool(found)}"
            )
    return "size and certainty are two questions, and your trigger asks both"


@exercise(
    "4.2",
    title="Find the fault: rows that are fit to judge on",
    fault=True,
    hints=(
        "Which of the rows returned has the challenger already been fitted on?",
        "`trained_until` has a date for each model. Which of the two dates protects both?",
        "And on the day of the judgement, which outcomes does nobody know yet?",
    ),
)
def fair_rows(answer: Callable[..., Any]) -> str:
    """`answer(frame, trained_until, today)` returns the rows on which two models may be judged."""
    months = pd.date_range("2030-01-01", periods=12, freq="MS", tz="UTC")
    frame = pd.DataFrame(
        {
            "application_id": [f"{month:%m}" for month in months],
            "applied_at": months,
            "outcome_at": months + pd.DateOffset(months=3),
            "default": [0, 1] * 6,
        }
    )
    champion, challenger = months[2], months[5]
    for dates in ((champion, challenger), (challenger, champion)):
        found = answer(frame.copy(), dates, months[10])
        if not isinstance(found, pd.DataFrame) or "application_id" not in found:
            raise Wrong(f"it returned {kind(found)}, must be rows of the frame")
        if found["application_id"].duplicated().any():
            raise Wrong("some rows are returned twice; a loan is judged once")
        _refuse_unfair(set(found["application_id"]), frame, champion, challenger, months[10])
    return "neither model has seen a row, and every outcome is known on the day"


def _refuse_unfair(
    chosen: set[str],
    frame: pd.DataFrame,
    champion: pd.Timestamp,
    challenger: pd.Timestamp,
    today: pd.Timestamp,
) -> None:
    rows = frame[frame["application_id"].isin(chosen)]
    if (rows["applied_at"] < min(champion, challenger)).any():
        raise Wrong("some rows are older than the end of both trainings: both models know them")
    if (rows["applied_at"] < max(champion, challenger)).any():
        raise Wrong("some rows were in the training of one of the two models: it has an advantage")
    if (rows["outcome_at"] > today).any():
        raise Wrong("some outcomes lie in the future of the day on which you judge")
    ended = max(champion, challenger)
    fair = (frame["applied_at"] >= ended) & (frame["outcome_at"] <= today)
    missing = frame[fair & ~frame["application_id"].isin(chosen)]
    if missing.empty:
        return
    if rows.empty:
        raise Wrong(
            f"it returns no rows, and {len(missing)} are unseen by both models with an outcome "
            "that is known today: nothing would ever be judged"
        )
    starts, ends = missing["applied_at"] == ended, missing["outcome_at"] == today
    causes = []
    if (starts | ends).all():  # else the edges are not what was overlooked
        if starts.any():
            causes.append("a training that ends at a moment does not contain that moment")
        if ends.any():
            causes.append("an outcome seen today is known today")
    count = "1 fair row is" if len(missing) == 1 else f"{len(missing)} fair rows are"
    raise Wrong(
        f"{count} missing: "
        + ("; ".join(causes) or "unseen by both models, and their outcomes are known today")
    )
