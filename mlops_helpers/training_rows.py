"""Which rows a model may be trained and measured on, decided before anything is stored.

A figure "on later loans" is one only if every loan of the holdout was applied for after the last
one of the training rows. An application at the very instant of the last training row is not
later, so it is refused too; `timeline.split_by_time` never cuts within an instant.
"""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral

import pandas as pd

from mlops_helpers.contracts import FEATURES, TARGET
from mlops_helpers.timeline import Split

__all__ = [
    "FOLDS",
    "checked_seed",
    "checked_split",
    "checked_training_rows",
    "checked_weights",
    "demand",
    "told_overlap",
]

FOLDS = 4
"""Folds in order of time; the rows before the first one are only learnt from."""
TIME = "applied_at"
LARGEST_SEED = 2**32 - 1


def checked_split(split: Split) -> Split:
    """`split` itself if its parts can be learnt from and judged on.

    Raises TypeError for what is no Split of two frames, ValueError for rows without columns,
    times or outcomes that are needed, and for a holdout that is not entirely later.
    """
    if not isinstance(split, Split):
        raise TypeError(
            f"split is a {type(split).__name__}, must be a Split of training and holdout rows: "
            "data.split_by_time makes one, or Split(train, holdout)."
        )
    checked_training_rows(split.train)
    _check_rows(split.holdout, "holdout")
    last, first = split.train[TIME].max(), split.holdout[TIME].min()
    if told := told_overlap(last, first):
        raise ValueError(
            f"{told}: such a holdout flatters, or measures the past. Give only rows that were "
            "applied for after the last training row; data.split_by_time does."
        )
    return split


def checked_training_rows(train: pd.DataFrame) -> pd.DataFrame:
    """`train` itself if a model can learn from it: both classes, known times, enough rows.

    Raises TypeError for what is no frame, else ValueError.
    """
    _check_rows(train, "training")
    if train[TARGET].nunique() < 2:
        raise ValueError(
            f"the training rows hold {_counted(train)}, must hold 0 and 1: there is nothing to "
            "tell apart. Train on a longer span."
        )
    if len(train) <= FOLDS:
        raise ValueError(
            f"there are {len(train)} training rows, must be more than {FOLDS}, the number of "
            "folds. Train on a longer span."
        )
    return train


def checked_weights(weights: pd.Series, train: pd.DataFrame) -> pd.Series:
    """`weights` as float64 if there is one for each training row, on the same index.

    Raises TypeError for what is no Series of numbers, ValueError for another or an ambiguous
    index, for weights that are negative, missing or infinite, and for a class that weighs nothing.
    """
    if not isinstance(weights, pd.Series) or not pd.api.types.is_numeric_dtype(weights.dtype):
        kind = getattr(weights, "dtype", type(weights).__name__)
        raise TypeError(f"weights is a {kind}, must be a Series of numbers, one per training row.")
    if not train.index.is_unique or not weights.index.equals(train.index):
        raise ValueError(
            f"weights has {len(weights)} values and there are {len(train)} training rows, must "
            "stand on the same index, each label once, or a weight could meet another loan. Take "
            "those of training_windows.choose_rows."
        )
    values = weights.astype("float64")
    wrong = ~(values.ge(0) & values.lt(float("inf")))
    if wrong.any():
        raise ValueError(
            f"weights holds {values[wrong].iloc[0]} in {wrong.sum()} rows, must be finite numbers "
            "of 0 or more. To leave a row out, leave it out of the training rows."
        )
    if not values.groupby(train[TARGET]).sum().gt(0).all():
        raise ValueError(
            "weights leave only one class: all rows of the other weigh 0. Take a longer half-life."
        )
    return values


def told_overlap(last: pd.Timestamp, first: pd.Timestamp) -> str:
    """A sentence if a holdout from `first` is not later than training until `last`, else empty."""
    if first > last:
        return ""
    how = "at the very instant of" if first == last else "before"
    return f"the holdout begins at {first}, {how} the last training row ({last})"


def checked_seed(seed: int) -> int:
    """`seed` itself; TypeError for what is no whole number, ValueError beyond 32 bits."""
    if isinstance(seed, bool) or not isinstance(seed, Integral):
        raise TypeError(
            f"seed == {seed!r}, must be a whole number: without one a run cannot be repeated."
        )
    if not 0 <= seed <= LARGEST_SEED:
        raise ValueError(f"seed == {seed}, must lie within 0 and {LARGEST_SEED}.")
    return seed


def demand(kind: type, **given: object) -> None:
    """TypeError, by name, for an argument that is not of this kind."""
    for name, value in given.items():
        if not isinstance(value, kind):
            wanted = "mapping of names to values" if kind is Mapping else kind.__name__
            raise TypeError(f"{name} is a {type(value).__name__}, must be a {wanted}.")


def _check_rows(rows: pd.DataFrame, what: str) -> None:
    """What both parts need: a frame, rows, columns, times of one zone, known outcomes."""
    if not isinstance(rows, pd.DataFrame):
        raise TypeError(f"the {what} rows are a {type(rows).__name__}, must be a pandas DataFrame.")
    twice = sorted({str(name) for name in rows.columns[rows.columns.duplicated()]})
    missing = [name for name in (TIME, TARGET, *FEATURES) if name not in rows.columns]
    if missing or twice:
        told = f"lack the columns {missing}" if missing else f"have several columns named {twice}"
        raise ValueError(
            f"the {what} rows {told}; must have {TIME!r}, {TARGET!r} and every feature once. "
            "data.load_stream gives such rows."
        )
    if rows.empty:
        raise ValueError(f"there are no {what} rows. Choose dates inside the span of your loans.")
    times = rows[TIME]
    if not isinstance(times.dtype, pd.DatetimeTZDtype):
        raise ValueError(
            f"{TIME} of the {what} rows is {times.dtype}, must be times with a zone, or no two "
            "could be compared. Convert it with pd.to_datetime(…, utc=True)."
        )
    if times.isna().any():
        raise ValueError(
            f"{TIME} is missing in {times.isna().sum()} of {len(rows)} {what} rows, must be known "
            "for each: nobody could say what is later. Leave those rows out."
        )
    outcome = rows[TARGET]
    numeric = pd.api.types.is_numeric_dtype(outcome) and not pd.api.types.is_bool_dtype(outcome)
    if not (numeric and outcome.isin([0, 1]).all()):
        raise ValueError(
            f"the {what} rows hold {_counted(rows)}, as {outcome.dtype}; must hold the numbers 0 "
            "(repaid) and 1 (defaulted) and nothing else. Leave out loans whose outcome is not "
            "known, and convert text with .astype(int)."
        )


def _counted(rows: pd.DataFrame) -> str:
    found = rows[TARGET].value_counts(dropna=False)
    told = ", ".join(f"{value!r:.20} ({count} rows)" for value, count in found.head(5).items())
    return f"{TARGET} = {told}" + (", …" if len(found) > 5 else "")
