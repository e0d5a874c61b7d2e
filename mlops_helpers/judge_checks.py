"""The rows of a verdict's table: one check each, with its figure, its limit and a reason.

A check that raises is refused by name: nothing that could not be computed speaks for a change.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypedDict

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from mlops_helpers.business import UNKNOWN, Interval, in_words

__all__ = ["Row", "arrays", "compared", "enough", "no_harm", "not_compared"]


class Row(TypedDict):
    """One line of the table; `value`, `low` and `high` are NaN where nothing was compared."""

    check: str
    value: float
    low: float
    high: float
    limit: float
    passed: bool
    reason: str


def compared(name: str, measure: Callable[[], Interval], limit: float) -> Row:
    """A metric's difference, which must lie above `limit` with its whole interval."""
    try:
        found = measure()
    except Exception as problem:  # noqa: BLE001 - fails closed: the check is refused, by name
        return _row(name, UNKNOWN, limit, passed=False, reason=_failed(name, problem))
    reason = f"{name} difference {_figures(found)}, must lie above {in_words(limit)}"
    return _row(name, found, limit, passed=found.low > limit, reason=reason)


def no_harm(name: str, measure: Callable[[], tuple[Interval, str]], limit: float) -> Row:
    """A difference that must not lie below `limit` with its whole interval.

    `measure` gives the interval and a sentence in which {figures} stands for it.
    """
    try:
        found, told = measure()
    except Exception as problem:  # noqa: BLE001 - fails closed: the check is refused, by name
        return _row(name, UNKNOWN, limit, passed=False, reason=_failed(name, problem))
    figures = f"{_figures(found)}, must not surely lie below {in_words(limit)}"
    reason = told.replace("{figures}", figures)
    return _row(name, found, limit, passed=found.high >= limit, reason=reason)


def not_compared(name: str, limit: float) -> Row:
    """The row of a metric that was not looked at, because the evidence is unfit."""
    reason = f"{name} was not compared: the evidence is unfit"
    return _row(name, UNKNOWN, limit, passed=False, reason=reason)


def enough(
    columns: Mapping[str, ArrayLike],
    groups: pd.DataFrame | None,
    *,
    min_rows: int,
    min_defaults: int,
) -> Row:
    """The first check: are these rows fit to be compared on at all?

    `columns`: outcomes, champion, challenger and amounts, in this order.
    """
    n, fault = float("nan"), ""
    try:
        read = dict(zip(columns, arrays(*columns.values()), strict=True))
    except (TypeError, ValueError) as problem:
        fault = f"the columns cannot be read ({type(problem).__name__}: {problem})"
    else:
        label = next(iter(read.values()))
        n = float(label.size)
        fault = _fault(read, groups) or _shortage(label, min_rows, min_defaults)
    told = fault or f"{label.size} rows, {int(label.sum())} defaults"
    count = Interval(n, float("nan"), float("nan"), 0)
    return _row("evidence", count, float(min_rows), passed=not fault, reason=told)


def arrays(*columns: ArrayLike) -> tuple[np.ndarray, ...]:
    """The columns as arrays of floats; what is missing is NaN."""
    return tuple(pd.Series(np.ravel(c)).to_numpy(dtype=float, na_value=np.nan) for c in columns)


def _row(name: str, found: Interval, limit: float, *, passed: bool, reason: str) -> Row:
    return {
        "check": name,
        "value": found.value,
        "low": found.low,
        "high": found.high,
        "limit": limit,
        "passed": bool(passed),
        "reason": reason,
    }


def _figures(found: Interval) -> str:
    return f"{in_words(found.value)} [{in_words(found.low)}, {in_words(found.high)}]"


def _failed(name: str, problem: Exception) -> str:
    return f"{name} could not be compared ({type(problem).__name__}: {problem})"


def _fault(columns: Mapping[str, np.ndarray], groups: pd.DataFrame | None) -> str:
    """What cannot be about the values, in words; empty when nothing is wrong."""
    sizes = {name: array.size for name, array in columns.items()}
    sizes |= {} if groups is None else {"groups": len(groups)}
    if len(set(sizes.values())) > 1:
        return "lengths differ: " + ", ".join(f"{name} {size}" for name, size in sizes.items())
    missing = {name: int((~np.isfinite(array)).sum()) for name, array in columns.items()}
    if any(missing.values()):
        return "values missing: " + ", ".join(f"{name} {n}" for name, n in missing.items())
    label, old, new, dollars = columns.values()
    if not np.isin(label, (0, 1)).all():
        return "an outcome is neither 0 nor 1"
    for name, scores in (("champion", old), ("challenger", new)):
        if scores.size and not (scores.min() >= 0 and scores.max() <= 1):
            return f"a probability of the {name} lies outside 0 to 1"
    if dollars.size and dollars.min() < 0:
        return f"an amount is {dollars.min():g} dollars, below 0"
    return ""


def _shortage(label: np.ndarray, min_rows: int, min_defaults: int) -> str:
    defaults, repaid = int(label.sum()), int((1 - label).sum())
    if label.size >= min_rows and min(defaults, repaid) >= min_defaults:
        return ""
    return (
        f"{label.size} rows (needs {min_rows}), {defaults} defaults and {repaid} repaid "
        f"(needs {min_defaults} of each)"
    )
