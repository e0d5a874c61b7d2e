"""When a simulated loan defaults: a date for each default, from a distribution that is known.

The simulation (`simulation`) says *whether* a loan defaults within `LABEL_DELAY`; this says when.
With x = (days since the application - 30) / (182 - 30) between 0 and 1, of the loans that default

    F(x) = 1 - (1 - x^2)^3        have done so by x,

Kumaraswamy's distribution with a = 2 and b = 3: nobody in the first 30 days (no instalment is due
yet), most about day 98, hardly anybody at the end. As few loans default at all, the hazard of a
portfolio (defaults per day among the loans still alive) has its peak there as well. So the true
share defaulted by an age is P(default) * F, and a measured vintage curve can be held against it.
That the date does not depend on the risk of the loan is a simplification.

Source: P. Kumaraswamy (1980), Journal of Hydrology 46, 79-88.
"""

from __future__ import annotations

import hashlib

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from mlops_helpers.simulation import LABEL_DELAY

__all__ = ["FIRST", "default_dates", "share_by"]

FIRST = pd.Timedelta(days=30)
"""No loan defaults before this age; the last does so before `simulation.LABEL_DELAY` is over."""
_A, _B = 2.0, 3.0


def default_dates(frame: pd.DataFrame, *, seed: int) -> pd.Series:
    """The date of default of each row of `frame`, missing for a loan that is repaid.

    `frame` holds `application_id`, `applied_at` (with a zone) and `default` (0 or 1). Returns a
    series `defaulted_at` (UTC, whole seconds) on the index of `frame`, at least `FIRST` and at most
    `LABEL_DELAY` after `applied_at`. A date depends on `seed` and the id alone, so the same loan
    has the same one in any frame and any order. Raises `ValueError` naming a missing column and
    values that are none.

    >>> loan = pd.DataFrame({"application_id": ["S1"], "default": [1],
    ...                      "applied_at": pd.to_datetime(["2024-01-01"], utc=True)})
    >>> default_dates(loan, seed=1).iloc[0] - loan["applied_at"].iloc[0] < LABEL_DELAY
    True
    """
    missing = [c for c in ("application_id", "applied_at", "default") if c not in frame.columns]
    if missing:
        raise ValueError(
            f"frame has no column {missing[0]!r}; default_dates needs 'application_id', "
            "'applied_at' and 'default', as simulate_applications returns them."
        )
    applied, default = frame["applied_at"], frame["default"]
    if not isinstance(applied.dtype, pd.DatetimeTZDtype) and len(frame):
        raise ValueError(f"applied_at is of type {applied.dtype}, must hold times with a zone.")
    wrong = default[~default.isin([0, 1])]
    if len(wrong):
        raise ValueError(f"default is {wrong.iloc[0]} in {len(wrong)} rows; must be 0 or 1.")
    gone = (default == 1).to_numpy()
    begin = applied[gone].astype("datetime64[us, UTC]")
    if begin.isna().any():
        raise ValueError(
            f"applied_at is missing for {begin.isna().sum()} defaults; a date of default counts "
            "from it."
        )
    luck = np.array([_uniform(seed, name) for name in frame["application_id"][gone]])
    x = (1.0 - (1.0 - luck) ** (1.0 / _B)) ** (1.0 / _A)  # F solved for x
    seconds = np.floor(FIRST.total_seconds() + x * (LABEL_DELAY - FIRST).total_seconds())
    dates = pd.Series(pd.NaT, index=frame.index, dtype="datetime64[us, UTC]", name="defaulted_at")
    dates[gone] = begin + pd.to_timedelta(seconds, unit="s").as_unit("us").to_numpy()
    return dates


def share_by(age: ArrayLike) -> NDArray[np.float64]:
    """Of the loans that default, the share that has done so by an age in days (any shape): F.

    >>> share_by([30, 106, 182]).round(3).tolist()
    [0.0, 0.578, 1.0]
    """
    first, last = FIRST / pd.Timedelta(days=1), LABEL_DELAY / pd.Timedelta(days=1)
    x = np.clip((np.asarray(age, dtype=np.float64) - first) / (last - first), 0.0, 1.0)
    return 1.0 - (1.0 - x**_A) ** _B


def _uniform(seed: int, name: object) -> float:
    """A number in [0, 1) that only `seed` and `name` decide, the same on any machine."""
    text = f"{int(seed)}/{name}".encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest()) / 2.0**64
