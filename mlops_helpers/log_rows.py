"""A frame checked against a table of the log, all faults at once, and handed over as plain rows.

Checked and converted a column at a time: nothing here walks over the rows in Python. What a column
may hold is written beside it in `tables`, as `info`: `low`, `high` or `allowed`.
"""

from __future__ import annotations

import numbers
import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import sqlalchemy as sa

from mlops_helpers.sql_frames import Utc

__all__ = ["WHOLE", "Rows", "checked", "required", "searched"]

_SURROGATE = re.compile("[\ud800-\udfff]")
_LONGEST_KEY = 1000  # bytes: two of them fit into a row of PostgreSQL's index
_EXACT = 2**53  # from here on a double does not hold every whole number
_FIRST, _LAST = pd.Timestamp(1, 1, 1), pd.Timestamp(9999, 12, 31, 23, 59, 59, 999_999)
_PLAIN = ("string", "empty", "integer", "floating", "boolean", "mixed-integer-float")
_AS_TEXT = ("string", "empty", "integer")
_WITHOUT_TEXT = ("empty", "integer", "floating", "boolean", "mixed-integer-float")
# float() takes more: "1_000", digits of other scripts
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
WHOLE = np.iinfo("int32")  # what an integer column holds on PostgreSQL


@dataclass(frozen=True)
class Rows:
    """Columns of a table as arrays of equal length; missing values are None."""

    columns: dict[str, np.ndarray]

    def __len__(self) -> int:
        """How many rows."""
        return len(next(iter(self.columns.values())))

    @classmethod
    def of(cls, rows: list[dict[str, Any]]) -> Rows:
        """Rows made by hand, all of the same columns."""
        columns = {name: np.empty(len(rows), dtype=object) for name in rows[0]}
        for name, values in columns.items():
            values[:] = [row[name] for row in rows]
        return cls(columns)

    def in_chunks(self, rows: int) -> Iterator[list[list[Any]]]:
        """The columns as lists of Python's own values, so many rows at a time."""
        for first in range(0, len(self), rows):
            yield [values[first : first + rows].tolist() for values in self.columns.values()]

    def as_dicts(self) -> list[dict[str, Any]]:
        """A dictionary for each row."""
        values = zip(*(values.tolist() for values in self.columns.values()), strict=True)
        return [dict(zip(self.columns, row, strict=True)) for row in values]


def required(frame: object, what: str) -> None:
    """Raise `TypeError` for what is no frame."""
    if not isinstance(frame, pd.DataFrame):
        raise TypeError(f"{what} came as {type(frame).__name__}; must be a DataFrame")


def searched(name: str, value: object) -> str:
    """A text to look for. Raises `ValueError` for what no stored text can be."""
    if not isinstance(value, str) or "\0" in value or _SURROGATE.search(value):
        raise ValueError(
            f"{name} == {value!r}; must be a text that UTF-8 can write, without the character zero"
        )
    return value


def checked(frame: pd.DataFrame, table: sa.Table) -> Rows:
    """The frame as rows for `table`: aware times as microseconds, missing values as None.

    Text columns take whole numbers as text, for an id of digits is the same id; a column with a
    default may be left out. Raises `TypeError` for what is no frame, and `ValueError` naming every
    column that is missing, unknown or there twice; or else every column with times without a zone,
    infinite numbers, missing or blank values that must be known, or values beyond their rule, each
    with the first of them, how many rows there are, and the first row's key.
    """
    required(frame, table.name)
    defaults = {c.name: c.server_default.arg for c in table.columns if c.server_default}
    frame = frame.assign(**{c: v for c, v in defaults.items() if c not in frame.columns})
    names = [column.name for column in table.columns]
    missing = [name for name in names if name not in frame.columns]
    unknown = [name for name in frame.columns if name not in names]
    repeated = frame.columns[frame.columns.duplicated()].tolist()
    if missing or unknown or repeated:
        twice = f", repeated columns {repeated}" if repeated else ""
        raise ValueError(
            f"{table.name}: missing columns {missing}, unknown columns {unknown}{twice}; "
            f"select exactly {names}"
        )
    key = frame[next(iter(table.primary_key.columns)).name]
    columns = [_Column(frame[column.name], column, key) for column in table.columns]
    faults = [fault for column in columns for fault in column.faults]
    if faults:
        count = f"{len(faults)} faults: " if len(faults) > 1 else ""
        raise ValueError(f"{table.name}: {count}{'. '.join(faults)}")
    return Rows({column.name: column.values for column in columns})


class _Column:
    """One column of a frame on its way into a table: its values, or what is wrong with them."""

    def __init__(self, series: pd.Series, column: sa.Column[Any], key: pd.Series) -> None:
        self.name, self.rule, self.key = column.name, column.info, key
        indices = column.table.indexes
        self.indexed = column.primary_key or any(column.name in i.columns for i in indices)
        if isinstance(series.dtype, pd.CategoricalDtype | pd.ArrowDtype):
            series = series.astype(object)
        self.faults: list[str] = []
        self.gone = series.isna().to_numpy(bool)
        self.values = np.full(len(series), None, dtype=object)
        if self.gone.any() and not column.nullable:
            n = int(self.gone.sum())
            first = f"; first of them: row {int(self.gone.argmax())}"
            self.faults.append(
                f"column {self.name!r} is missing in {n} rows; it must always be known{first}"
            )
        if self.gone.all():
            return
        for kind, convert in _CONVERSIONS:
            if isinstance(column.type, kind):
                values = convert(self, series)
                break
        if self.faults:
            return
        if self.gone.any():
            values = values.astype(object)
            values[self.gone] = None
        self.values = values

    def refuse(self, wrong: np.ndarray, series: pd.Series | np.ndarray, rule: str) -> None:
        """Note a fault if there are rows with one; a missing value is never wrong here."""
        wrong = np.asarray(wrong, dtype=bool) & ~self.gone
        if wrong.any():
            row = int(wrong.argmax())
            value = series.iloc[row] if isinstance(series, pd.Series) else series[row]
            value = value.item() if isinstance(value, np.generic) else value
            self.faults.append(
                f"{self.name} == {_in_words(value)!r} in {int(wrong.sum())} rows; "
                f"must be {rule}; first of them: {_in_words(self.key.iloc[row])!s:.100}"
            )

    def times(self, series: pd.Series) -> np.ndarray:
        if series.dtype.kind != "M":
            self.faults.append(
                f"column {self.name!r} is {series.dtype}, not times with a time zone; times that "
                f"say their zone become such by pd.to_datetime(frame[{self.name!r}], utc=True)"
            )
            return self.values
        if not isinstance(series.dtype, pd.DatetimeTZDtype):
            self.faults.append(
                f"column {self.name!r} has no time zone ({series.dtype}); a time without one means "
                f"another instant in every place: frame[{self.name!r}].dt.tz_localize(zone)"
                ".dt.tz_convert('UTC')"
            )
            return self.values
        instants = series.dt.tz_convert(None)
        self.refuse((instants < _FIRST) | (instants > _LAST), series.dt.year, "of year 1 to 9999")
        if self.faults:
            return self.values
        if series.dt.unit == "ns":
            finer = instants.to_numpy("datetime64[ns]").astype("int64") % 1000 != 0
            self.refuse(finer, series, "in whole microseconds, as .dt.floor('us') makes them")
        return instants.to_numpy("datetime64[us]").astype("int64")

    def whole(self, series: pd.Series) -> np.ndarray:
        numbers = self.numbers(series)
        if self.faults:
            return numbers
        self.refuse(numbers % 1 != 0, series, "a whole number")
        low, high = self.rule.get("low", WHOLE.min), self.rule.get("high", WHOLE.max)
        if "allowed" in self.rule:
            told = " or ".join(map(str, self.rule["allowed"]))
            self.refuse(~np.isin(numbers, self.rule["allowed"]), series, told)
        else:
            self.refuse((numbers < low) | (numbers > high), series, f"within [{low}, {high}]")
        return numbers if self.faults else np.where(self.gone, 0, numbers).astype("int64")

    def numbers(self, series: pd.Series) -> np.ndarray:
        if self.foreign(series, "a number"):
            return self.values
        if series.dtype == object:  # in which nothing has more words than a float's NaN
            series = series.where(~self.gone, np.nan)
        if series.dtype.kind == "O" and pd.api.types.infer_dtype(series) not in _WITHOUT_TEXT:
            self.refuse(series.map(_is_no_number).to_numpy(bool), series, "a number")
            if self.faults:
                return self.values
        try:
            numbers = series.astype("float64").to_numpy()
        except (TypeError, ValueError, OverflowError):
            read = pd.to_numeric(series.astype("str"), errors="coerce").to_numpy("float64")
            unread = np.isnan(read) & ~self.gone
            self.refuse(unread if unread.any() else ~self.gone, series, "a number")
            return self.values
        self.refuse(~np.isfinite(numbers), numbers, "finite")
        large = np.abs(numbers) >= _EXACT
        if large.any() and not pd.api.types.is_float_dtype(series.dtype):
            pairs = zip(series.to_numpy(object)[large].tolist(), numbers[large], strict=True)
            large[large] = [_plain(given) != float(held) for given, held in pairs]
            self.refuse(large, series, "a number that a double holds exactly")
        return numbers

    def doubles(self, series: pd.Series) -> np.ndarray:
        numbers = self.numbers(series)
        if self.faults:
            return numbers
        low, high = self.rule.get("low", -np.inf), self.rule.get("high", np.inf)
        told = f"{low:g} or more" if np.isinf(high) else f"within [{low:g}, {high:g}]"
        self.refuse(~((numbers >= low) & (numbers <= high)), numbers, told)
        return numbers

    def untold(self, series: pd.Series) -> bool:
        """Refuse what would become a text by somebody's rule: 1.0, True, a time, a list."""
        rule = "a text or a whole number; write it as the text that is meant"
        if series.dtype == object:
            if pd.api.types.infer_dtype(series, skipna=True) not in _AS_TEXT:
                self.refuse(~series.map(_is_told).to_numpy(bool), series, rule)
        elif not pd.api.types.is_string_dtype(series.dtype) and series.dtype.kind not in "iu":
            self.refuse(~self.gone, series, rule)
        return bool(self.faults)

    def foreign(self, series: pd.Series, rule: str) -> bool:
        """Refuse bytes, lists, records and complex numbers, which would become something else."""
        if pd.api.types.is_complex_dtype(series.dtype):
            self.refuse(~self.gone, series, rule)
        elif series.dtype == object and pd.api.types.infer_dtype(series) not in _PLAIN:
            self.refuse(series.map(_is_foreign).to_numpy(bool), series, rule)
        return bool(self.faults)

    def texts(self, series: pd.Series) -> np.ndarray:
        if self.untold(series):
            return self.values
        try:
            series = series.astype("str")  # an id of digits is the same id as a text
            values = series.to_numpy(object)
            "".join(values[~self.gone]).encode()
        except UnicodeEncodeError:
            lone = series.map(lambda value: bool(_SURROGATE.search(str(value))))
            self.refuse(lone, series, "a text that UTF-8 can write")
            return self.values
        if self.name.endswith("_id"):
            self.refuse(series.str.strip() == "", series, "a text that is not blank")
        if self.indexed and (series.str.len() > _LONGEST_KEY // 4).any():
            size = series.str.encode("utf-8").str.len() > _LONGEST_KEY
            self.refuse(size, series.str[:20] + "…", f"at most {_LONGEST_KEY} bytes long")
        if "allowed" in self.rule:
            told = " or ".join(self.rule["allowed"])
            self.refuse(~series.isin(self.rule["allowed"]).to_numpy(bool), series, told)
        if "\0" in "".join(values[~self.gone]):
            nul = series.str.contains("\0", regex=False, na=False)
            self.refuse(nul, series, "a text without the character zero, which PostgreSQL lacks")
        return values


def _plain(value: object) -> object:
    """Python's own number: NumPy compares a large whole one as if it were a double."""
    return value.item() if isinstance(value, np.generic) else value


def _in_words(value: object) -> object:
    """The value, or the year of a time that Python has no word for: pandas raises there."""
    far = isinstance(value, pd.Timestamp) and not 1 <= value.year <= 9999
    return f"a time in the year {value.year}" if far else value


def _is_no_number(cell: object) -> bool:
    return isinstance(cell, str) and not _NUMBER.fullmatch(cell)


def _is_told(cell: object) -> bool:
    whole = isinstance(cell, numbers.Integral) and not isinstance(cell, bool)
    return whole or isinstance(cell, str | uuid.UUID)


def _is_foreign(cell: object) -> bool:
    return pd.api.types.is_list_like(cell) or isinstance(cell, bytes | bytearray | complex)


_CONVERSIONS = (
    (Utc, _Column.times),
    (sa.Integer, _Column.whole),
    (sa.Double, _Column.doubles),
    ((sa.Text, sa.String), _Column.texts),
)
