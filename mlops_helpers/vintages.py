"""Vintage curves: of the loans of a quarter, the share that has defaulted by each age.

Age is counted in calendar months, as lenders do: a loan of the 31st of January is one month on book
on the last of February. A cell of the table is stated only when every loan of the vintage has
reached the age; younger cells are missing and marked. To divide the defaults seen so far by all
loans, or by those that had the time, bends the curve at its young end in either direction.

Where the date of a default is not in the data but a fixed delay stands for it (the public file of
LendingClub says how a loan ended, not when), there is no curve, only its last point. The table
says so (`timing` is "assumed") and states no age below that delay.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd
from statsmodels.stats.proportion import proportion_confint

from mlops_helpers.performance_windows import moment_of, refuse, spans, utc

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
Timing = Literal["recorded", "assumed"]
_SAME_AGE = pd.Timedelta(days=3)  # half a year is 181 to 184 days


def vintage_curves(
    loans: pd.DataFrame,
    *,
    as_of: pd.Timestamp,
    freq: str = "QS",
    months: int | Sequence[int] = 12,
    timing: Timing | None = None,
    level: float = 0.95,
) -> pd.DataFrame:
    """The share of each vintage that has defaulted by each age, with Wilson's limits.

    `loans` holds `applied_at` and `defaulted_at` (with a zone; missing: not defaulted, as far as is
    known) and, to be checked against it, `default` if there is one. Loans applied for after `as_of`
    are left out. `freq` divides `applied_at` ("QS": quarters); `months` are the ages in whole
    calendar months, or the greatest of 0, 1, 2, …. Returns `COLUMNS`, a row for each vintage with
    loans and each age: `vintage` is its start, `n` its loans; `share`, `defaults` and limits are
    missing unless the cell is `complete`: the vintage is closed and all of its loans had reached
    the age by `as_of`. So a curve never falls.

    `timing` is what `default_timing` says of the dates, unless given. "assumed": ages below the
    delay are not complete, since nobody knows who had defaulted by then. Raises `ValueError` naming
    the column or value for missing columns, naive times, defaults before their application or
    without a date, and ages below 0.
    """
    moment, ages, frame = moment_of(as_of), _ages(months), _checked(loans)
    if timing not in (None, "recorded", "assumed"):
        raise ValueError(f"timing is {timing!r}, must be 'recorded', 'assumed' or None.")
    timing = default_timing(frame) if timing is None else timing
    assumed = timing == "assumed" and frame["defaulted_at"].notna().any()
    frame = frame[frame["applied_at"] <= moment].sort_values("applied_at", kind="stable")
    delay = (frame["defaulted_at"] - frame["applied_at"]).max()
    curves = []
    for begin, end, first, last in spans(frame["applied_at"], freq):
        part = _curve(frame.iloc[first:last], ages, moment, delay if assumed else None)
        curves.append(
            part.assign(vintage=begin, timing=timing, complete=part["complete"] & (end <= moment))
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
    """Whether `defaulted_at` says when loans defaulted, or repeats one fixed delay.

    "assumed" when all defaults of `loans` (columns of `vintage_curves`) lie at the same age, give
    or take the days in which calendar months differ; a single default cannot show otherwise and
    counts as assumed, too. Without any default there is nothing to assume: "recorded".

    >>> at = pd.Series(pd.to_datetime(["2024-01-01", "2024-03-01"], utc=True))
    >>> default_timing(pd.DataFrame({"applied_at": at, "defaulted_at": at + pd.Timedelta("182D")}))
    'assumed'
    """
    frame = _checked(loans)
    ages = (frame["defaulted_at"] - frame["applied_at"]).dropna()
    return "assumed" if len(ages) and ages.max() - ages.min() <= _SAME_AGE else "recorded"


def _curve(
    part: pd.DataFrame, ages: list[int], as_of: pd.Timestamp, delay: pd.Timedelta | None
) -> pd.DataFrame:
    """`months_on_book, n, defaults, complete` of the loans of a vintage; no age below a `delay`."""
    applied, defaulted = part["applied_at"], part["defaulted_at"]
    rows = []
    for age in ages:
        reached = applied + pd.DateOffset(months=age)
        told = delay is None or bool((reached >= applied + delay).all())
        by_then = int((defaulted <= reached).sum())
        rows.append((age, len(part), by_then, told and bool(reached.max() <= as_of)))
    return pd.DataFrame(rows, columns=["months_on_book", "n", "defaults", "complete"])


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
