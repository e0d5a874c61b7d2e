"""Which rows break the contract, one by one: a model must not learn from them.

`contracts.validate_applications` refuses a whole file and says why. A lender's files keep the rows
of a week in which a feed was broken, long after it was mended; they are left out of training row
by row, and counted. The rules are those of `contracts`, for columns that have their types.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

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
    TIMES,
)

__all__ = ["broken_cells", "broken_rows", "schema_fault"]

Mask = NDArray[np.bool_]


def broken_rows(frame: pd.DataFrame, *, labelled: bool = True) -> pd.Series:
    """Whether each row breaks the contract by itself: a boolean Series on the index of `frame`.

    Judged are the features, `applied_at` and, if `labelled`, the outcome. Repeated ids are no
    fault of one row, see `training_windows.choose_rows`. Raises ValueError for columns that are
    not there or hold no numbers or times: a frame of another schema has no good rows.
    """
    if fault := schema_fault(frame, labelled=labelled):
        raise ValueError(fault)
    broken = np.any(list(broken_cells(frame).values()), axis=0)
    broken |= ~frame["applied_at"].between(EARLIEST, LATEST).to_numpy()
    if labelled:
        outcome = frame[TARGET].to_numpy(np.float64, na_value=np.nan)
        broken |= ~np.isin(outcome, (0.0, 1.0))
        broken |= ~frame["outcome_at"].between(EARLIEST, LATEST).to_numpy()
        broken |= ~(frame["outcome_at"] > frame["applied_at"]).to_numpy()
    return pd.Series(broken, index=frame.index)


def broken_cells(frame: pd.DataFrame) -> dict[str, Mask]:
    """For each feature, which rows hold a forbidden value, or lack one that is demanded."""
    found = {}
    for name in FEATURES:
        if name in CATEGORICAL:
            found[name] = frame[name].isna().to_numpy()
            continue
        values = frame[name].to_numpy(np.float64, na_value=np.nan)
        low, high = LIMITS[name]
        outside = (values < low) | (values > high) | np.isinf(values)
        if name == "num_credit_lines":
            outside |= ~np.isnan(values) & (np.floor(values) != values)
        found[name] = outside if name in MAY_BE_MISSING else outside | np.isnan(values)
    return found


def schema_fault(frame: pd.DataFrame, *, labelled: bool) -> str:
    """A sentence if columns are not there or hold other kinds of values, else empty."""
    outcome = OUTCOME if labelled else ()
    wanted = ("applied_at", *FEATURES, *outcome)
    if lacking := [name for name in wanted if name not in frame.columns]:
        return (
            f"the applications lack the columns {lacking}, must have {list(wanted)}: rows of "
            "another schema cannot be used. Read them with data.load_stream."
        )
    if twice := sorted({name for name in wanted if list(frame.columns).count(name) > 1}):
        return f"the applications have several columns named {twice}; which one is right?"
    kinds = dict(zip(frame.columns, frame.dtypes, strict=True))
    asked = dict.fromkeys((n for n in wanted if n in (*NUMERIC, TARGET)), "numbers")
    asked |= dict.fromkeys((n for n in wanted if n in TIMES), "times with a zone")
    asked |= dict.fromkeys(CATEGORICAL, "words")
    told = [
        f"{n} is {kinds[n]}, must be {kind}" for n, kind in asked.items() if kind != _kind(kinds[n])
    ]
    return f"{'; '.join(told)}. Read the applications with data.load_stream." if told else ""


def _kind(dtype: object) -> str:
    if isinstance(dtype, pd.DatetimeTZDtype):
        return "times with a zone"
    if pd.api.types.is_numeric_dtype(dtype) and not pd.api.types.is_bool_dtype(dtype):
        return "numbers"
    text = pd.api.types.is_string_dtype(dtype) or pd.api.types.is_object_dtype(dtype)
    return "words" if text or isinstance(dtype, pd.CategoricalDtype) else str(dtype)
