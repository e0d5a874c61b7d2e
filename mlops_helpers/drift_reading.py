"""What a column holds, and its values in order or its categories with their counts.

A column holds numbers, categories (text, yes/no, anything mixed), or neither: times always move,
spans of time and complex numbers are no quantities here. Infinite values are values.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = ["Kind", "ascending", "category_counts", "described", "floats", "kind_of"]

Kind = Literal["numbers", "categories", "times", "spans of time", "complex numbers", "nothing"]
_OBJECTS: dict[str, Kind] = {
    **dict.fromkeys(("integer", "floating", "mixed-integer-float", "decimal"), "numbers"),
    **dict.fromkeys(("datetime", "datetime64", "date", "time", "period"), "times"),
    **dict.fromkeys(("timedelta", "timedelta64"), "spans of time"),
    "complex": "complex numbers",
    "empty": "nothing",
}


def kind_of(column: pd.Series) -> Kind:
    """What a column holds, by its type; of objects by what they are."""
    dtype = column.dtype
    types = pd.api.types
    if types.is_complex_dtype(dtype):
        return "complex numbers"
    if types.is_datetime64_any_dtype(dtype) or isinstance(dtype, pd.PeriodDtype):
        return "times"
    if types.is_timedelta64_dtype(dtype):
        return "spans of time"
    if types.is_numeric_dtype(dtype) and not types.is_bool_dtype(dtype):
        return "numbers"
    if types.is_object_dtype(dtype):
        return _OBJECTS.get(types.infer_dtype(column, skipna=True), "categories")
    return "categories"


def described(kind: Kind, column: pd.Series) -> str:
    """What a column holds, in the words of a note."""
    plain = column.dtype != object and kind in ("numbers", "categories")
    return str(column.dtype) if plain else kind


def floats(column: pd.Series) -> NDArray[np.float64]:
    """Numbers in their order, NaN where missing; whole ones beyond any float are infinite."""
    try:
        return column.to_numpy(np.float64, na_value=np.nan)
    except OverflowError:
        return np.array([_as_float(value) for value in column])


def ascending(column: pd.Series) -> NDArray[np.float64]:
    """Numbers that are not missing, in ascending order."""
    values = np.sort(floats(column))  # missing ones last
    return values[: np.searchsorted(values, np.nan)]


def _as_float(value: object) -> float:
    if pd.isna(value):
        return np.nan
    try:
        return float(value)  # type: ignore[arg-type]
    except OverflowError:
        return np.inf if value > 0 else -np.inf  # type: ignore[operator]


def category_counts(column: pd.Series) -> pd.Series:
    """How often each category occurs, by its name; missing values are none."""
    if column.dtype == object:
        column = column[column.notna()].map(str)
    counts = column.value_counts()
    counts = counts[counts > 0].astype("int64")
    counts.index = pd.Index(counts.index.map(str), dtype=object)
    return counts if counts.index.is_unique else counts.groupby(level=0).sum()
