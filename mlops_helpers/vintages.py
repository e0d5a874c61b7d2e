"""Vintage curves: of the loans of a quarter, the share that has defaulted by each age.

Age is counted in calendar months, as lenders do: a loan of the 31st of January is one month on book
on the last of February. A cell of the table is stated only when every loan of the vintage has
reached the age; younger cells are missing and marked. To divide the defaults seen so far by all
loans, or by those that had the time, bends the curve at its young end in either direction.

Where the date of a default is not in the data but a fixed delay stands for it (the public file of
LendingClub says how a loan ended, not when), there is no curve, only its end: the share of all
defaults, whenever they came. The table says so (`timing` is "assumed") and states that one share
at the assumed age alone: below it nobody knows, and beyond it nothing is left to happen.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd
from statsmodels.stats.proportion import proportion_confint

from mlops_helpers.performance_windows import (
    moment_of,
    refuse,
    refuse_twice,
    spans,
    utc,
)

__all__ = ["COLUMNS", "default_timing", "vintage_curves"]

COLUMNS = (
    "vintage",
    "months_on_book",
    "n",
    "defaults",
    "share",
    "low",
    "high",
    "complete",
    "timing",
)
Timing = Literal["recorded", "assumed", "unknown"]
_CELL = ["months_on_book", "n", "defaults", "complete"]
_SAME_AGE = pd.Timedelta(days=3)  # half a year is 181 to 184 days


def vintage_curves(
    loans: pd.DataFrame,
    *,
    as_of: pd.Timestamp,
    freq: str = "QS",
    months: int | Sequence[int] = 12,
    timing: Literal["recorded", "assumed"] | None = None,
    level: float = 0.95,
) -> pd.DataFrame:
    """The share of each vintage that has defaulted by each age, with Wilson's limits.

    `loans` holds `applied_at` and `defaulted_at` (with a zone; missing: not defaulted, as far as is
    known) and, to be checked against it, `default` if there is one. The loans are seen as they were
    at `as_of`: those applied for later are left out, and who defaults later has not defaulted, also
    where `timing` is decided. `freq` divides `applied_at` ("QS": quarters); `months` are the ages
    in whole calendar months, or the greatest of 0, 1, 2, …. Returns `COLUMNS`, a row for each
    vintage with loans and each age: `vintage` is its start, `n` its loans; `share`, `defaults` and
    limits are missing unless the cell is `complete`: the vintage is closed and all of its loans had
    reached the age by `as_of`. So a curve never falls.

    `timing` is what `default_timing` says of the dates known at `as_of`, unless given. "assumed":
    every vintage has one point, at the assumed age in whole months (182 days: 6, 365 days: 12; its
    row is added if `months` lacks it), once that age is over for all of its loans. Its share is the
    final one, of the loans that defaulted at whatever age: it is no share defaulted by that age,
    and no curve may be drawn through it. All other ages are not complete. "unknown": nobody had
    defaulted by `as_of`, so that nobody can tell which of the two it is, and no cell is complete;
    pass "recorded" if the dates are real, and the shares so far are 0.

    Raises `ValueError` naming the column or value for columns that are missing or there twice,
    naive times, defaults before their application or without a date, and ages below 0.
    """
    moment, ages = moment_of(as_of), _ages(months)
    if timing not in (None, "recorded", "assumed"):
        raise ValueError(f"timing is {timing!r}, must be 'recorded', 'assumed' or None.")
    frame = _as_known(_checked(loans), moment)
    told: Timing = default_timing(frame) if timing is None else timing
    delay = (frame["defaulted_at"] - frame["applied_at"]).max()  # missing without a default
    assumed = _whole_months(delay) if told == "assumed" and not pd.isna(delay) else None
    if assumed is not None:
        ages = sorted({*ages, assumed})
    curves = []
    for begin, end, first, last in spans(frame["applied_at"], freq):
        loans_of = frame.iloc[first:last]
        if told == "recorded":
            part = _curve(loans_of, ages, moment)
        else:
            part = _end(loans_of, ages, moment, assumed, delay)
        curves.append(
            part.assign(vintage=begin, timing=told, complete=part["complete"] & (end <= moment))
        )
    if not curves:
        return pd.DataFrame(columns=list(COLUMNS))
    table = pd.concat(curves, ignore_index=True)
    low, high = proportion_confint(
        table["defaults"].to_numpy(), table["n"].to_numpy(), alpha=1 - level, method="wilson"
    )
    share = table["defaults"] / table["n"]
    low, high = np.minimum(low, share), np.maximum(high, share)  # rounding, at shares of 0 and 1
    counted = table.assign(share=share, low=low, high=high)
    hidden = {c: counted[c].where(counted["complete"]) for c in ("share", "low", "high")}
    hidden["defaults"] = counted["defaults"].astype("Int64").where(counted["complete"])
    return counted.assign(**hidden)[list(COLUMNS)]


def default_timing(loans: pd.DataFrame) -> Timing:
    """Whether `defaulted_at` says when loans defaulted, repeats one fixed delay, or cannot tell.

    "assumed" when all defaults of `loans` (columns of `vintage_curves`) lie at the same age, give
    or take the days in which calendar months differ; a single default cannot show otherwise and
    counts as assumed, too. Without any default: "unknown".

    >>> at = pd.Series(pd.to_datetime(["2024-01-01", "2024-03-01"], utc=True))
    >>> default_timing(pd.DataFrame({"applied_at": at, "defaulted_at": at + pd.Timedelta("182D")}))
    'assumed'
    """
    frame = _checked(loans)
    ages = (frame["defaulted_at"] - frame["applied_at"]).dropna()
    if ages.empty:
        return "unknown"
    return "assumed" if ages.max() - ages.min() <= _SAME_AGE else "recorded"


def _as_known(frame: pd.DataFrame, as_of: pd.Timestamp) -> pd.DataFrame:
    """The loans there were at `as_of`, in order; who defaulted later had not defaulted."""
    frame = frame[frame["applied_at"] <= as_of].sort_values("applied_at", kind="stable")
    return frame.assign(defaulted_at=frame["defaulted_at"].where(frame["defaulted_at"] <= as_of))


def _whole_months(delay: pd.Timedelta) -> int:
    """The age in whole months that a fixed delay stands for, rounded up beyond `_SAME_AGE`."""
    month = pd.Timedelta(days=365.25) / 12
    return max(math.ceil((delay - _SAME_AGE) / month), 0)


def _curve(part: pd.DataFrame, ages: list[int], as_of: pd.Timestamp) -> pd.DataFrame:
    """`_CELL` of the loans of a vintage whose defaults have their dates."""
    applied, defaulted = part["applied_at"], part["defaulted_at"]
    rows = []
    for age in ages:
        reached = applied + pd.DateOffset(months=age)
        rows.append((age, len(part), int((defaulted <= reached).sum()), reached.max() <= as_of))
    return pd.DataFrame(rows, columns=_CELL)


def _end(
    part: pd.DataFrame, ages: list[int], as_of: pd.Timestamp, age: int | None, delay: pd.Timedelta
) -> pd.DataFrame:
    """`_CELL` of the loans of a vintage of which only the end is known, after `delay`, if that."""
    defaults, over = int(part["defaulted_at"].notna().sum()), False
    if age is not None:
        reached = part["applied_at"] + pd.DateOffset(months=age)
        over = max(reached.max(), part["applied_at"].max() + delay) <= as_of
    return pd.DataFrame([(a, len(part), defaults, over and a == age) for a in ages], columns=_CELL)


def _ages(months: int | Sequence[int]) -> list[int]:
    ages = list(range(months + 1)) if isinstance(months, int) else sorted({*months})
    if not ages or ages[0] < 0 or any(age != int(age) for age in ages):
        raise ValueError(f"months is {months!r}, must be whole ages of 0 or more months.")
    return [int(age) for age in ages]


def _checked(loans: pd.DataFrame) -> pd.DataFrame:
    """`applied_at` and `defaulted_at` in UTC; refuses dates that contradict each other."""
    missing = [c for c in ("applied_at", "defaulted_at") if c not in loans.columns]
    if missing:
        raise ValueError(
            f"loans have no column {missing[0]!r}; vintages need 'applied_at' and 'defaulted_at' "
            "(missing for a loan that has not defaulted): see default_times.default_dates."
        )
    refuse_twice(loans, ["applied_at", "defaulted_at", "default"], "the frame of loans")
    frame = pd.DataFrame({c: utc(loans[c], c) for c in ("applied_at", "defaulted_at")})
    applied, defaulted = frame["applied_at"], frame["defaulted_at"]
    refuse(applied, applied.isna(), "must not be missing; a vintage counts from it")
    refuse(defaulted, defaulted < applied, "must not be before applied_at")
    if "default" in loans.columns:
        default = loans["default"]
        undated = (default == 1) & defaulted.isna()
        refuse(default, undated, "and defaulted_at is missing there; the curve would leave it out")
        dated = (default == 0) & defaulted.notna()
        refuse(default, dated, "and defaulted_at is given there; one of them is wrong")
    return frame
