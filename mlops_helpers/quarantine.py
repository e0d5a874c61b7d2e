"""Which rows break the contract, one by one: a model must not learn from them.

`contracts.validate_applications` refuses a whole file and says why. A lender's files keep the rows
of a week in which a feed was broken, long after it was mended; they are left out of training row
by row, and counted. The rules are those of `contracts`, for columns that have their types.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from mlops_helpers.contracts import (
    CATEGORICAL,
    EARLIEST,
    FEATURES,
    LATEST,
    LIMITS,
    MAY_BE_MISSING,
    NUMERIC,
    OUTCOME,
    TARGET,
)

__all__ = ["broken_rows"]


def broken_rows(frame: pd.DataFrame, *, labelled: bool = True) -> pd.Series:
    """Whether each row breaks the contract by itself: a boolean Series on the index of `frame`.

    Judged are the features, `applied_at` and, if `labelled`, the outcome. Repeated ids are no
    fault of one row, see `training_windows.choose_rows`. Raises ValueError for columns that are
    not there or hold no numbers or times: a frame of another schema has no good rows.
    """
    _check_types(frame, labelled)
    broken = frame["applied_at"].isna() | ~frame["applied_at"].between(EARLIEST, LATEST)
    for name in FEATURES:
        values = frame[name]
        if name not in MAY_BE_MISSING:
            broken |= values.isna()
        if name in LIMITS:
            broken |= values.notna() & ~values.between(*LIMITS[name])
            broken |= np.isinf(values.to_numpy(np.float64, na_value=np.nan))
    broken |= frame["num_credit_lines"].notna() & (frame["num_credit_lines"] % 1 != 0)
    if labelled:
        at = frame["outcome_at"]
        broken |= ~frame[TARGET].isin([0, 1]) | ~at.between(EARLIEST, LATEST)
        broken |= ~(at > frame["applied_at"])
    return broken.astype(bool)


def _check_types(frame: pd.DataFrame, labelled: bool) -> None:
    times = ("applied_at", "outcome_at") if labelled else ("applied_at",)
    numbers = (*NUMERIC, TARGET) if labelled else NUMERIC
    wanted = ("applied_at", *FEATURES, *(OUTCOME if labelled else ()))
    if lacking := [name for name in wanted if name not in frame.columns]:
        raise ValueError(
            f"the applications lack the columns {lacking}, must have {list(wanted)}: rows of "
            "another schema cannot be learnt from. Read them with data.load_stream."
        )
    kinds = frame.dtypes
    wrong = [n for n in numbers if not pd.api.types.is_numeric_dtype(kinds[n])]
    wrong += [n for n in times if not isinstance(kinds[n], pd.DatetimeTZDtype)]
    wrong += [n for n in CATEGORICAL if pd.api.types.is_numeric_dtype(kinds[n])]
    if wrong:
        told = ", ".join(f"{name} is {kinds[name]}" for name in wrong)
        raise ValueError(
            f"{told}: must be numbers, words, and times with a zone, as in the contract. Read the "
            "applications with data.load_stream."
        )
