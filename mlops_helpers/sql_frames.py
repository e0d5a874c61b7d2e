"""Rows of a query as frames: aware times, missing values, types. (`log_rows`: the other way.)

Times are stored as whole microseconds since 1970-01-01 UTC: one meaning on every database, exact,
and sorted by a plain index. (In SQLite's shell: `datetime(scored_at / 1000000, 'unixepoch')`.)
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import sqlalchemy as sa

__all__ = ["Utc", "epoch", "frame_of", "read", "read_in_chunks", "utc_series"]


class Utc(sa.types.TypeDecorator[int]):
    """Microseconds since 1970 UTC; the marker by which columns of times are found."""

    impl = sa.BigInteger
    cache_ok = True


def read(connection: sa.Connection, query: sa.Select[Any]) -> pd.DataFrame:
    """The rows of a query, with the same types whether there are any or not."""
    return frame_of(connection.execute(query).all(), query)


def read_in_chunks(
    connection: sa.Connection, query: sa.Select[Any], rows: int
) -> Iterator[pd.DataFrame]:
    """The rows of a query in frames of at most so many; the rest stays with the database.

    On PostgreSQL through a cursor of the server, which without being asked sends everything.
    """
    result = connection.execute(query, execution_options={"yield_per": rows})
    for part in result.partitions():
        yield frame_of(part, query)


def frame_of(rows: list[Any], query: sa.Select[Any]) -> pd.DataFrame:
    """Rows of a query as a frame, column by column: a table of Python objects would be slow."""
    columns = list(zip(*rows, strict=True)) or [()] * len(query.selected_columns)
    return pd.DataFrame(
        {
            column.name: _series(list(values), column.type)
            for column, values in zip(query.selected_columns, columns, strict=True)
        }
    )


def utc_series(times: pd.Series) -> pd.Series:
    """Microseconds since 1970 (or missing) as `datetime64[us, UTC]`."""
    return pd.to_datetime(times.astype("Int64"), unit="us", utc=True).dt.as_unit("us")


def epoch(when: pd.Timestamp) -> int:
    """Microseconds since 1970 of an aware time."""
    return (pd.Timestamp(when) - pd.Timestamp(0, tz="UTC")) // pd.Timedelta(microseconds=1)


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
