"""How long one waits until the outcome of an application is known, whatever it is.

Of young applications only the early outcomes are known, and these are mostly defaults: rows
younger than this delay are no fair sample. One loan with a wrong date must not stretch it.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlops_helpers.contracts import EARLIEST, LATEST, TARGET

__all__ = ["label_delay"]

COVERED = 0.995
"""Share of an outcome's loans that the delay covers; the rest may be wrong dates."""
FEW = 20
"""From so many loans of an outcome on, the longest wait alone never decides."""
MANY = 100
"""From so many on, a delay beyond `JUMP` times what three in four loans need is refused."""
JUMP = 4.0


def label_delay(frame: pd.DataFrame, as_of: pd.Timestamp) -> pd.Timedelta:
    """The wait after which 99.5 % of the repaid and 99.5 % of the defaulted loans were known.

    The longer one of the two. Read from `applied_at`, `outcome_at` and the outcome of the rows that
    are known at `as_of`, whatever else is wrong with them; a row whose dates or outcome break the
    contract does not count. Of at least 20 loans of an outcome the longest wait is passed over.
    NaT if no outcome is known: then nothing is old enough, as every comparison with it is False.

    Raises ValueError where more loans than that have strange dates, so that the delay is more
    than four times as long as three in four loans of the same outcome needed (of at least 100).
    """
    applied, told = (
        frame[name].to_numpy("datetime64[us]") for name in ("applied_at", "outcome_at")
    )
    outcome = frame[TARGET].to_numpy(np.float64, na_value=np.nan)
    first, last, now = (np.datetime64(t.tz_convert(None), "us") for t in (EARLIEST, LATEST, as_of))
    known = (told <= min(now, last)) & (applied >= first) & (told > applied)
    waits = [
        told[mine] - applied[mine] for mine in (known & (outcome == 0), known & (outcome == 1))
    ]
    found = [_wait(part) for part in waits if len(part)]
    return max(found) if found else pd.NaT


def _wait(waits: NDArray[np.timedelta64]) -> pd.Timedelta:
    n = len(waits)
    rank = math.ceil(COVERED * n)
    if n >= FEW:
        rank = min(rank, n - 1)
    places = [rank - 1, math.ceil(0.75 * n) - 1]
    wait, usual = (pd.Timedelta(w) for w in np.partition(waits, places)[places])
    if n >= MANY and wait > JUMP * usual:
        raise ValueError(
            f"{1 - COVERED:.1%} of {n:,} loans of one outcome waited {wait.days:,} days or longer, "
            f"three in four at most {usual.days:,}; the delay of labels must not be more than "
            f"{JUMP:g} times that. Mend the dates (applied_at, outcome_at), or state label_delay."
        )
    return wait
