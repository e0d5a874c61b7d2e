"""From text to numbers and times, keeping a list of what could not be read.

A value that cannot be read becomes missing in the result *and* True in the mask of a fault, so
that one bad cell neither stops the reading nor hides what is wrong elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

TEXT = "must be plain text in UTF-8 or a number (no list, no record, no other bytes)"
NUMBER = "must be a number (no text, no currency or per cent sign, no thousands separator)"
FINITE = "must be finite"
TIME = "must be a date or time in ISO 8601 (2023-05-01 or 2023-05-01T09:30:00Z)"
ZONE = "must say its time zone: write times in UTC with a Z at the end, or give dates only"
_LARGEST = int(np.finfo(float).max)
_CLOCK = r"\d[Tt ]\d"
_OFFSET = r"(?:[Zz]|[+-]\d{2}(?::?\d{2})?)\s*$"


@dataclass(frozen=True)
class Coerced:
    """The column as read, and for each rule broken a mask of the rows that broke it."""

    values: pd.Series
    faults: dict[str, pd.Series]
    notes: tuple[str, ...] = ()


def to_text(column: pd.Series) -> Coerced:
    """Return the column as trimmed text; blank is missing, and so is what is no text."""
    foreign = _foreign(column)
    text = column.mask(foreign).astype("str").str.strip()
    return Coerced(text.mask(text == ""), {TEXT: foreign})


def _foreign(column: pd.Series) -> pd.Series:
    """Return where cells are lists, records or bytes, which only object columns can hold."""
    if not pd.api.types.is_object_dtype(column):
        return pd.Series(False, index=column.index)
    odd = (bytes, complex, np.complexfloating)
    plain = column.map(lambda cell: pd.api.types.is_scalar(cell) and not isinstance(cell, odd))
    return ~plain.astype(bool)


def _too_large(column: pd.Series) -> pd.Series:
    """Return where whole numbers are beyond any float, which only object columns can hold."""
    if not pd.api.types.is_object_dtype(column):
        return pd.Series(False, index=column.index)
    return column.map(lambda cell: isinstance(cell, int) and abs(cell) > _LARGEST).astype(bool)


def to_number(column: pd.Series) -> Coerced:
    """Return the column as float64."""
    present = column.notna()
    kinds = pd.api.types
    times = kinds.is_datetime64_any_dtype(column) or kinds.is_timedelta64_dtype(column)
    if times or kinds.is_complex_dtype(column):
        return Coerced(pd.Series(np.nan, index=column.index), {NUMBER: present})
    if pd.api.types.is_bool_dtype(column):
        column = column.astype("float64")
    large = _too_large(column)
    readable = column.mask(_foreign(column) | large)
    values = pd.to_numeric(readable, errors="coerce").astype("float64")
    infinite = np.isinf(values) | large
    unread = present & values.isna() & ~large
    return Coerced(values.mask(infinite), {NUMBER: unread, FINITE: infinite})


def to_time(column: pd.Series) -> Coerced:
    """Return the column as aware UTC times in microseconds.

    A date without a time of day is read as midnight UTC and noted; a time of day without a zone
    is a fault, because guessing it would move applications between days and months.
    """
    present = column.notna()
    missing = pd.Series(pd.NaT, index=column.index, dtype="datetime64[us, UTC]")
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        return Coerced(column.dt.tz_convert("UTC").dt.as_unit("us"), {})
    if pd.api.types.is_numeric_dtype(column):
        return Coerced(missing, {TIME: present})
    if pd.api.types.is_datetime64_dtype(column):
        naive = present & (column != column.dt.normalize())
        values = column.dt.tz_localize("UTC").dt.as_unit("us")
        dates_only = present & ~naive
    else:
        text = column.mask(_foreign(column)).astype("str").str.strip()
        values = pd.to_datetime(text, format="ISO8601", utc=True, errors="coerce")
        values = values.dt.as_unit("us")
        clock = text.str.contains(_CLOCK, regex=True, na=False)
        naive = clock & values.notna() & ~text.str.contains(_OFFSET, regex=True, na=False)
        dates_only = values.notna() & ~clock
    faults = {TIME: present & values.isna(), ZONE: naive}
    notes = (f"{int(dates_only.sum())} read as dates, midnight UTC",) if dates_only.any() else ()
    return Coerced(values.mask(naive), faults, notes)
