"""Rows of a query as frames: aware times, missing values, types. (`log_rows`: the other way.)

Times are stored as whole microseconds since 1970-01-01 UTC: one meaning on every database, exact,
and sorted by a plain index. (In SQLite's shell: `datetime(scored_at / 1000000, 'unixepoch')`.)
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import sqlalchemy as sa

__all__ = ["Utc", "epoch", "read", "read_in_chunks", "utc_series"]


_FETCHED = 500  # rows at a time
_1970 = pd.Timestamp(0, tz="UTC").as_unit("us")  # in nanoseconds it reaches 300 years only


class Utc(sa.types.TypeDecorator[int]):
    """Microseconds since 1970 UTC; the marker by which columns of times are found."""

    impl = sa.BigInteger
    cache_ok = True


def read(connection: sa.Connection, query: sa.Select[Any]) -> pd.DataFrame:
    """The rows of a query, with the same types whether there are any or not."""
    return _frame(connection.execute(query), query, sys.maxsize)


def read_in_chunks(
    connection: sa.Connection, query: sa.Select[Any], rows: int
) -> Iterator[pd.DataFrame]:
    """The rows of a query in frames of at most so many; the rest stays with the database.

    On PostgreSQL through a cursor of the server, which without being asked sends everything.
    """
    options = {"yield_per": min(rows, _FETCHED)}
    with connection.execute(query, execution_options=options) as result:  # closed if given up
        while len(frame := _frame(result, query, rows)):
            yield frame


def _frame(result: sa.CursorResult[Any], query: sa.Select[Any], rows: int) -> pd.DataFrame:
    """The next rows of a result, at most so many.

    Turned into columns a few at a time: as long as they last, rows are work for Python's garbage
    collector, which takes as long as the database does once there are many.
    """
    columns: list[list[Any]] = [[] for _ in query.selected_columns]
    while part := result.fetchmany(min(rows - len(columns[0]), _FETCHED)):
        for column, values in zip(columns, zip(*part, strict=True), strict=True):
            column.extend(values)
        if len(columns[0]) >= rows:
            break
    found = zip(query.selected_columns, columns, strict=True)
    return pd.DataFrame({column.name: _series(values, column.type) for column, values in found})


def utc_series(times: pd.Series) -> pd.Series:
    """Microseconds since 1970 (or missing) as `datetime64[us, UTC]`."""
    return pd.to_datetime(times.astype("Int64"), unit="us", utc=True).dt.as_unit("us")


def epoch(when: pd.Timestamp) -> int:
    """Microseconds since 1970 of an aware time, of year 1 to 9999; what is finer is cut."""
    return (pd.Timestamp(when) - _1970) // pd.Timedelta(microseconds=1)


def _series(values: list[Any], kind: sa.types.TypeEngine[Any]) -> pd.Series:
    if isinstance(kind, Utc):
        return _times(values)
    if isinstance(kind, sa.Integer) and None not in values:
        return pd.Series(values, dtype="int64")
    if isinstance(kind, sa.Text | sa.String):
        return pd.Series(values, dtype="str")
    return pd.Series(np.array(values, dtype="float64"))  # None becomes NaN


def _times(values: list[int | None]) -> pd.Series:
    """As `utc_series`, without the way through numbers that may be missing."""
    missing = np.iinfo("int64").min  # what NumPy calls not a time
    if None in values:
        values = [missing if value is None else value for value in values]
    instants = np.array(values, dtype="int64").view("datetime64[us]")
    return pd.Series(instants).dt.tz_localize("UTC")
