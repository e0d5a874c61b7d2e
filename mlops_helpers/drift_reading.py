"""What a column holds, and its values in order or its categories with their counts.

A column holds numbers, categories (text, yes/no, anything mixed), or neither: times always move,
spans of time and complex numbers are no quantities here. Infinite values are values.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from numbers import Number
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = [
    "Cells",
    "Kind",
    "ascending",
    "category_counts",
    "cells_of",
    "described",
    "floats",
    "kind_of",
    "naming",
    "reread",
]

Cells = Literal["yes/no", "numbers", "words"]
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
        found = types.infer_dtype(column, skipna=True)
        if found.startswith("mixed") and _all_numbers(column):
            return "numbers"
        return _OBJECTS.get(found, "categories")
    return "categories"


def cells_of(column: pd.Series) -> Cells:
    """What the cells of a column of categories are, whatever type carries them."""
    dtype = column.dtype
    of = pd.Series(dtype.categories) if isinstance(dtype, pd.CategoricalDtype) else column
    types = pd.api.types
    if types.is_bool_dtype(of.dtype) or types.infer_dtype(of, skipna=True) == "boolean":
        return "yes/no"
    return "numbers" if kind_of(of) == "numbers" else "words"


def reread(column: pd.Series, was: Kind, cells: Cells, *, binary: bool) -> pd.Series | None:
    """A column of the other one of the kinds numbers and categories, read as what it `was`.

    Yes and no are 1 and 0, numbers as categories are numbers: another type, the same kind of
    values. `cells` is of the reference's categories, `binary` says that its numbers are all 0 or 1.
    None if the values are of another kind.
    """
    if was == "numbers":
        now = cells_of(column)
        if now == "numbers" or (now == "yes/no" and binary):
            return pd.Series(floats(column.astype(object)))
        return None
    if cells == "numbers":
        return column.astype("category")
    values = floats(column)
    if cells == "yes/no" and np.isin(values[~np.isnan(values)], (0.0, 1.0)).all():
        return pd.Series(values, dtype=object).map({0.0: False, 1.0: True})
    return None


@contextmanager
def naming(name: str) -> Iterator[None]:
    """Whatever is wrong with a column, the error says which one: a `ValueError` with its name."""
    try:
        yield
    except Exception as error:
        if isinstance(error, ValueError) and repr(name) in str(error):
            raise
        raise ValueError(
            f"column {name!r} cannot be read ({type(error).__name__}: {error}); "
            "mend its cells or leave it out"
        ) from error


def _all_numbers(column: pd.Series) -> bool:
    known = column[column.notna()]
    return all(isinstance(x, Number) and not isinstance(x, bool | complex) for x in known)


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
    """How often each category occurs, by its name; missing values are none.

    Of numbers that are categories 1.0 has the name of 1.
    """
    dtype = column.dtype
    if isinstance(dtype, pd.ArrowDtype) and dtype.kind == "O":  # lists: nothing counts them
        column = column.astype(object)
    if column.dtype == object:
        column = column[column.notna()].map(str)
    counts = column.value_counts()
    counts = counts[counts > 0].astype("int64")
    named = isinstance(dtype, pd.CategoricalDtype) and cells_of(column) == "numbers"
    names = [_number_name(x) for x in counts.index] if named else counts.index.map(str)
    counts.index = pd.Index(names, dtype=object)
    return counts if counts.index.is_unique else counts.groupby(level=0).sum()


def _number_name(number: object) -> str:
    whole = isinstance(number, float) and number.is_integer()
    return str(int(number)) if whole else str(number)  # type: ignore[call-overload]
