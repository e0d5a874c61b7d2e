"""The policies on real loans: what can be said of them where nobody knows the truth.

    begin, months = lived_months(loans)
    run = run_policies(loans, begin=begin, months=months)
    loan_summary(run)

What cannot be known: only loans that were approved then are in the file. A policy can decline one
of them, and it is known what that saved or cost; nobody knows what those declined then would have
earned. There is no oracle and no repetition: intervals are those of other loans of the same months,
with every decision of the policies as it was, and not those of another history.
"""

from __future__ import annotations

import pandas as pd

from mlops_helpers.business import UNKNOWN, Interval, profit_interval
from mlops_helpers.contracts import TARGET
from mlops_helpers.delong import MIN_PER_CLASS
from mlops_helpers.label_waits import label_delay
from mlops_helpers.policies import BASELINE, PolicyRun

__all__ = ["LEAST_ROWS", "lived_months", "loan_summary"]

LEAST_ROWS = 500
"""Known outcomes before there can be a first champion."""


def lived_months(frame: pd.DataFrame, *, least_rows: int = LEAST_ROWS) -> tuple[pd.Timestamp, int]:
    """The first month in which a champion can be trained, and how many months are left from then.

    It needs `least_rows` applications whose outcome is known when the month begins, and
    `delong.MIN_PER_CLASS` of each class among them. Raises ValueError if there never are.
    """
    applied = frame["applied_at"]
    first, last = (_month(when) for when in (applied.min(), applied.max()))
    for begin in pd.date_range(first, last, freq="MS"):
        old = applied <= begin - label_delay(frame, begin)  # younger: early outcomes only
        known = frame.loc[old & (frame["outcome_at"] <= begin), TARGET]
        if len(known) >= least_rows and min(known.sum(), (1 - known).sum()) >= MIN_PER_CLASS:
            return begin, len(pd.date_range(begin, last, freq="MS"))
    raise ValueError(
        f"in no month from {first:%Y-%m} to {last:%Y-%m} the outcomes of {least_rows} applications "
        f"and {MIN_PER_CLASS} of each class are known; bring a longer span of loans."
    )


def loan_summary(run: PolicyRun, *, confidence: float = 0.95) -> pd.DataFrame:
    """A row a policy, in the columns of `policy_scores.summary`, from the profits of the loans.

    `profit` with `low, high` is the mean over all loans of the months lived through; `gain` with
    `gain_low, gain_high` the paired mean of the differences from "never". `worst_month` is the
    lowest month, with the interval of its own loans: it was picked for being low, so the next one
    is likely to be better.
    """
    month_of = run.month
    rows = []
    for name, earned in run.profits.items():
        told = run.monthly[run.monthly["policy"] == name]
        worst = told.loc[told["profit"].idxmin()]
        row: dict[str, object] = {"policy": name}
        row |= _told(profit_interval(earned, confidence=confidence), ("profit", "low", "high"))
        gain = profit_interval(earned - run.profits[BASELINE], confidence=confidence)
        row |= _told(gain, ("gain", "gain_low", "gain_high"))
        row |= {"trainings": float(told["trained"].sum())}
        row |= {"promotions": float(told["promoted"].sum())}
        of_worst = earned[month_of == worst["month"]]
        found = profit_interval(of_worst, confidence=confidence) if len(of_worst) else UNKNOWN
        row |= _told(found, ("worst_month", "worst_low", "worst_high"))
        rows.append(row | {"seeds": 1})
    return pd.DataFrame(rows)


def _told(found: Interval, names: tuple[str, str, str]) -> dict[str, float]:
    return dict(zip(names, (found.value, found.low, found.high), strict=True))


def _month(when: pd.Timestamp) -> pd.Timestamp:
    return when.normalize().replace(day=1)
