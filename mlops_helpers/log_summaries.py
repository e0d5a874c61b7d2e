"""Aggregates of the prediction log, counted by the database: what a dashboard asks again and again.

Only counts and order statistics leave the database, never its rows. Reached through the methods
of `predictions.PredictionLog`; windows are [start, end) of `scored_at`. Predictions in the shadow
(`shadowing`) answered nobody and are not counted.
"""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import sqlalchemy as sa

from mlops_helpers import tables
from mlops_helpers.sql_frames import utc_series
from mlops_helpers.tables import predictions

__all__ = ["daily_volume", "latency", "score_histogram"]

_DAY = 86_400_000_000  # microseconds
_MOST_BINS = 1_000  # a statement holds no more than some thousand numbers
_QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}

When = pd.Timestamp | None


def daily_volume(connection: sa.Connection, start: When = None, end: When = None) -> pd.DataFrame:
    """Volume and decisions of each UTC day and version that has predictions.

    Columns `day, model_version, n, approved, approval_rate, mean_probability`.
    """
    # a database cuts a quotient towards zero, which before 1970 is the next day's
    since_midnight = (predictions.c.scored_at % _DAY + _DAY) % _DAY
    day = ((predictions.c.scored_at - since_midnight) // _DAY).label("day")
    approved = sa.case((predictions.c.decision == "approve", 1), else_=0)
    query = (
        sa.select(
            day,
            predictions.c.model_version,
            sa.func.count().label("n"),
            sa.func.sum(approved, type_=sa.BigInteger).label("approved"),
            sa.func.avg(predictions.c.probability, type_=sa.Double).label("mean_probability"),
        )
        .where(*tables.within(start, end), tables.traffic())
        .group_by("day", predictions.c.model_version)
        .order_by("day", predictions.c.model_version)
    )
    frame = _table(connection, query)
    whole = dict.fromkeys(("day", "model_version", "n", "approved"), "int64")
    frame = frame.astype({**whole, "mean_probability": "float64"})
    frame["day"] = utc_series(frame["day"] * _DAY)
    frame.insert(4, "approval_rate", frame["approved"] / frame["n"])
    return frame


def score_histogram(
    connection: sa.Connection,
    start: When = None,
    end: When = None,
    *,
    bins: int | Sequence[float] = 20,
) -> pd.DataFrame:
    """How many predictions of each version fall in each bin [bin_low, bin_high).

    `bins` is a number (at most 1,000) of equal bins over [0, 1], or rising edges from 0 to 1; the
    last bin includes 1. Columns `model_version, bin_low, bin_high, n`; empty bins are there with 0.
    """
    edges = _edges(bins)
    last = len(edges) - 2
    steps = [(predictions.c.probability < float(edge), i) for i, edge in enumerate(edges[1:-1])]
    number = sa.case(*steps, else_=last) if steps else sa.literal_column("0")
    query = (
        sa.select(predictions.c.model_version, number.label("bin"), sa.func.count().label("n"))
        .where(*tables.within(start, end), tables.traffic())
        .group_by(predictions.c.model_version, sa.text("bin"))
    )
    found = _table(connection, query).astype("int64")
    versions = sorted(found["model_version"].unique())
    keys = ["model_version", "bin"]
    every = pd.MultiIndex.from_product([versions, range(last + 1)], names=keys)
    frame = found.set_index(keys)["n"].reindex(every, fill_value=0).reset_index()
    place = frame.pop("bin").to_numpy(int)
    frame.insert(1, "bin_low", edges[place])
    frame.insert(2, "bin_high", edges[place + 1])
    return frame.astype({"model_version": "int64", "n": "int64"})


def _edges(bins: int | Sequence[float]) -> np.ndarray:
    number = int(bins) if isinstance(bins, numbers.Integral) else 0
    try:
        edges = np.linspace(0, 1, number + 1) if number > 0 else np.array(bins, float).reshape(-1)
    except (TypeError, ValueError):
        edges = np.empty(0)
    rising = len(edges) > 1 and edges[0] == 0 and edges[-1] == 1 and (np.diff(edges) > 0).all()
    if not rising or len(edges) > _MOST_BINS + 1:
        raise ValueError(
            f"bins == {bins!r:.100}; must be 1 to {_MOST_BINS:,}, or rising edges from 0 to 1"
        )
    return edges


def latency(connection: sa.Connection, start: When = None, end: When = None) -> pd.DataFrame:
    """Latency quantiles of each version in milliseconds: `model_version, n, p50, p95, p99`.

    Exact order statistics; predictions without a measured latency are left out.
    """
    version, measured = predictions.c.model_version, predictions.c.latency_ms
    where = (*tables.within(start, end), tables.traffic(), measured.is_not(None))
    counts = sa.select(version, sa.func.count()).where(*where).group_by(version).order_by(version)
    rows = []
    for v, n in connection.execute(counts).all():
        ordered = sa.select(measured).where(*where, version == v).order_by(measured)
        ranks = {name: max(0, int(np.ceil(q * n)) - 1) for name, q in _QUANTILES.items()}
        values = {k: connection.scalar(ordered.offset(r).limit(1)) for k, r in ranks.items()}
        rows.append({"model_version": v, "n": n, **values})
    columns = {"model_version": "int64", "n": "int64", **dict.fromkeys(_QUANTILES, "float64")}
    return pd.DataFrame(rows, columns=list(columns)).astype(columns)


def _table(connection: sa.Connection, query: sa.Select[Any]) -> pd.DataFrame:
    result = connection.execute(query)
    return pd.DataFrame(result.all(), columns=list(result.keys()))
