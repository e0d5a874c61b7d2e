"""Frames to rows of a table and back: aware times, missing values, types.

Times are stored as whole microseconds since 1970-01-01 UTC: one meaning on every database, exact,
and sorted by a plain index. (In SQLite's shell: `datetime(scored_at / 1000000, 'unixepoch')`.)
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import sqlalchemy as sa

__all__ = ["Utc", "epoch", "read", "to_rows", "utc_series"]


class Utc(sa.types.TypeDecorator[int]):
    """Microseconds since 1970 UTC; the marker by which columns of times are found."""

    impl = sa.BigInteger
    cache_ok = True


def read(connection: sa.Connection, query: sa.Select[Any]) -> pd.DataFrame:
    """The rows of a query, with the same types whether there are any or not."""
    result = connection.execute(query)
    frame = pd.DataFrame(result.all(), columns=list(result.keys()), dtype=object)
    for name, column in zip(frame.columns, query.selected_columns, strict=True):
        if isinstance(column.type, Utc):
            frame[name] = utc_series(frame[name])
        elif isinstance(column.type, sa.Integer) and not frame[name].isna().any():
            frame[name] = frame[name].astype("int64")
        elif isinstance(column.type, sa.Text | sa.String):
            frame[name] = frame[name].astype("str")
        else:
            frame[name] = frame[name].astype("float64")
    return frame


def to_rows(frame: pd.DataFrame, table: sa.Table) -> list[dict[str, Any]]:
    """The frame as rows for `table`: aware times as microseconds, missing values as None.

    Text columns take numbers as text; a column with a default may be left out. Raises `ValueError`
    naming columns that are missing or unknown, times without a zone, infinite numbers, and missing
    or blank values that must be known.
    """
    names = [column.name for column in table.columns]
    defaults = {c.name: c.server_default.arg for c in table.columns if c.server_default}
    frame = frame.assign(**{c: v for c, v in defaults.items() if c not in frame.columns})
    missing = [name for name in names if name not in frame.columns]
    unknown = [name for name in frame.columns if name not in names]
    if missing or unknown:
        raise ValueError(
            f"{table.name}: missing columns {missing}, unknown columns {unknown}; "
            f"select exactly {names}"
        )
    values = [_plain(frame[column.name], column) for column in table.columns]
    return [dict(zip(names, row, strict=True)) for row in zip(*values, strict=True)]


def utc_series(times: pd.Series) -> pd.Series:
    """Microseconds since 1970 (or missing) as `datetime64[us, UTC]`."""
    return pd.to_datetime(times.astype("Int64"), unit="us", utc=True).dt.as_unit("us")


def _plain(series: pd.Series, column: sa.Column) -> list[Any]:
    """One column as Python values, None for missing."""
    series = series.reset_index(drop=True)
    gone = series.isna()
    if gone.any() and not column.nullable:
        raise ValueError(
            f"{column.table.name}: column {column.name!r} is missing in {int(gone.sum())} rows; "
            "it must always be known"
        )
    if gone.all():
        return [None] * len(series)
    if isinstance(column.type, Utc):
        series = _microseconds(series, column.name)
    elif isinstance(column.type, sa.Integer):
        series = series.astype("Int64")
    elif isinstance(column.type, sa.Double):
        series = series.astype("float64")
        _require(np.isfinite(series) | gone, series, column, "finite")
    elif isinstance(column.type, sa.Text | sa.String):
        series = series.astype("str")  # an id of digits is the same id as a text
        if column.name.endswith("_id"):
            _require(series.str.strip() != "", series, column, "a text that is not blank")
    values = series.astype(object)
    return values.where(~gone, None).tolist() if gone.any() else values.tolist()


def _require(fine: pd.Series, series: pd.Series, column: sa.Column, rule: str) -> None:
    if not fine.all():
        raise ValueError(
            f"{column.table.name}: column {column.name!r} is {series[~fine].tolist()[0]!r} in "
            f"{int((~fine).sum())} rows; must be {rule}"
        )


def epoch(when: pd.Timestamp) -> int:
    """Microseconds since 1970 of an aware time."""
    return (pd.Timestamp(when) - pd.Timestamp(0, tz="UTC")) // pd.Timedelta(microseconds=1)


def _microseconds(series: pd.Series, name: str) -> pd.Series:
    if not isinstance(series.dtype, pd.DatetimeTZDtype):
        raise ValueError(
            f"column {name!r} has no time zone ({series.dtype}); a time without one means another "
            f"instant in every place: frame[{name!r}].dt.tz_localize(zone).dt.tz_convert('UTC')"
        )
    return pd.Series(series.dt.tz_convert(None).to_numpy("datetime64[us]").astype("int64"))
