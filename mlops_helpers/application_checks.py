"""Can these applications be answered and analysed later? Asked before anybody is answered.

One row that the analysis cannot use would stand in its way for ever: the log mends nothing.
"""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from mlops_helpers.contracts import FEATURES
from mlops_helpers.scoring import utc_times

__all__ = ["AMOUNTS", "checked_applications", "times_of"]

AMOUNTS = (0.01, 1e12)
"""The least and the greatest loan, in US dollars: sums of their squares stay what a double holds,
and PostgreSQL refuses to square what is beyond (1e200, 1e-200)."""


def times_of(applications: pd.DataFrame, scored_at: pd.Timestamp | pd.Series | None) -> pd.Series:
    """When each is scored, in UTC: `scored_at`, or by default the column `applied_at`.

    Raises `TypeError` for what is no frame or no time, `ValueError` as `scoring.utc_times` does.
    """
    if not isinstance(applications, pd.DataFrame):
        raise TypeError(
            f"applications came as {type(applications).__name__}, must be a DataFrame with a row "
            "for each."
        )
    if not (scored_at is None or isinstance(scored_at, pd.Series | datetime)):
        raise TypeError(
            f"scored_at came as {type(scored_at).__name__}, must be one aware pd.Timestamp or a "
            "Series with one for each application."
        )
    if scored_at is None and "applied_at" not in applications.columns:
        raise ValueError("applications lack the column 'applied_at'; give scored_at instead.")
    return utc_times(
        applications["applied_at"] if scored_at is None else scored_at, len(applications)
    )


def checked_applications(
    applications: pd.DataFrame,
    scored_at: pd.Timestamp | pd.Series | None,
    latency_ms: ArrayLike | None,
) -> tuple[pd.Series, NDArray[np.float64]]:
    """The time (as `times_of` has it) and the latency (ms, NaN if not told) of each.

    Raises `ValueError` for columns that lack or come twice, for a loan amount that is missing or
    beyond `AMOUNTS`, for latencies that are no numbers or not one for each; and as `times_of`.
    """
    if isinstance(applications, pd.DataFrame):
        _check_columns(applications.columns, scored_at is None)
    times = times_of(applications, scored_at)
    _check_amounts(applications)
    return times, _latencies(latency_ms, len(applications))


def _check_columns(columns: pd.Index, timed: bool) -> None:
    needed = ["application_id", *(("applied_at",) if timed else ()), *FEATURES]
    if lacks := [name for name in needed if name not in columns]:
        raise ValueError(
            f"applications lack the columns {lacks}; each is decided by its id, at its time, from "
            "its features."
        )
    twice = columns[columns.duplicated()]
    if repeated := [name for name in needed if name in twice]:
        raise ValueError(f"applications have the columns {repeated} more than once; keep one.")


def _check_amounts(applications: pd.DataFrame) -> None:
    given = applications["loan_amount"]
    amounts = pd.to_numeric(given, errors="coerce").to_numpy("float64", na_value=np.nan)
    low, high = AMOUNTS
    wrong = ~((amounts >= low) & (amounts <= high))
    if wrong.any():
        first = int(wrong.argmax())
        raise ValueError(
            f"loan_amount == {given.iloc[first]} in {wrong.sum()} applications, first of them "
            f"{applications['application_id'].iloc[first]!r}; must be a number from {low:g} to "
            f"{high:g} (US dollars), else the experiment could not be analysed. Leave them out."
        )


def _latencies(latency_ms: ArrayLike | None, n: int) -> NDArray[np.float64]:
    try:
        given = np.asarray(np.nan if latency_ms is None else latency_ms, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"latency_ms is {latency_ms!r:.80}, must be milliseconds: a number, or one for each "
            "application."
        ) from error
    if given.shape not in ((), (n,)):
        raise ValueError(
            f"latency_ms has the shape {given.shape} for {n} applications; give one number, or one "
            "for each."
        )
    return np.broadcast_to(given, n)
