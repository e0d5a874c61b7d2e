"""What the health report asks the store: counts and order statistics, in one view of it.

Only counts leave the database, never its predictions, and those in the shadow (`shadowing`) are
not among them. Reached through `predictions.PredictionLog.health_figures`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import sqlalchemy as sa
from scipy import stats

from mlops_helpers import log_alerts, log_summaries, sql_frames, tables
from mlops_helpers.contracts import FEATURES, LIMITS
from mlops_helpers.sql_frames import epoch
from mlops_helpers.tables import deliveries, metrics, outcomes, predictions

__all__ = ["Counts", "HealthFigures", "Quantile", "read"]

_QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


@dataclass(frozen=True)
class Counts:
    """Counts of the predictions scored in a window.

    `predicted` is the mean probability of those with an outcome (NaN without any); `missing` and
    `out_of_contract` count rows by column.
    """

    n: int
    approved: int
    labelled: int
    defaults: int
    predicted: float
    missing: dict[str, int]
    out_of_contract: dict[str, int]


@dataclass(frozen=True)
class Quantile:
    """A quantile of the latencies in milliseconds with its 95 % interval; NaN if unknown."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class HealthFigures:
    """All that the health report is made of.

    `alerts` have the recoveries that were told until `as_of`. `messages` counts what was to be told
    by then; `troubled` are those that were not sent by then, and those about events of the window
    that not everybody got.
    """

    window: Counts
    before: Counts
    days_before: pd.Series
    timed: int
    latency: dict[str, Quantile]
    metrics: pd.DataFrame
    alerts: pd.DataFrame
    messages: int
    troubled: pd.DataFrame


def read(
    connection: sa.Connection,
    start: pd.Timestamp,
    end: pd.Timestamp,
    *,
    as_of: pd.Timestamp,
    usual_days: int,
) -> HealthFigures:
    """The figures of [start, end), and of the days before `start` as what is usual.

    `days_before` holds the predictions of each of those days, from the first that has any.
    """
    first = start - pd.Timedelta(days=usual_days)
    volume = log_summaries.daily_volume(connection, first, start)
    each = volume.groupby("day")["n"].sum()
    if len(each):
        last = (start - pd.Timedelta(microseconds=1)).floor("D")
        each = each.reindex(pd.date_range(each.index[0], last, freq="D"), fill_value=0)
    timed, latency = _latency(connection, start, end)
    return HealthFigures(
        window=_counts(connection, start, end, as_of),
        before=_counts(connection, first, start, as_of),
        days_before=each,
        timed=timed,
        latency=latency,
        metrics=_metrics(connection, start, end, as_of),
        alerts=_alerts(connection, as_of),
        messages=_messages(connection, as_of),
        troubled=_troubled(connection, start, end, as_of),
    )


def _counts(
    connection: sa.Connection, start: pd.Timestamp, end: pd.Timestamp, as_of: pd.Timestamp
) -> Counts:
    """One pass over the window, with the outcomes that were there at `as_of`."""
    known = outcomes.c["default"].is_not(None)
    columns = {
        "n": sa.func.count(),
        "approved": tables.number(predictions.c.decision == "approve"),
        "labelled": tables.number(known),
        "defaults": tables.number(outcomes.c["default"] == 1),
        "predicted": sa.func.avg(sa.case((known, predictions.c.probability))),
    }
    columns |= {f"missing {c}": tables.number(predictions.c[c].is_(None)) for c in FEATURES}
    for column, (low, high) in LIMITS.items():
        outside = [predictions.c[column] < low] if np.isfinite(low) else []
        outside += [predictions.c[column] > high] if np.isfinite(high) else []
        columns[f"outside {column}"] = tables.number(sa.or_(*outside))
    in_time = sa.and_(
        outcomes.c.prediction_id == predictions.c.prediction_id,
        outcomes.c.outcome_at <= epoch(as_of),
    )
    query = (
        sa.select(*(value.label(name) for name, value in columns.items()))
        .select_from(predictions.outerjoin(outcomes, in_time))
        .where(*tables.within(start, end), tables.traffic())
    )
    row = connection.execute(query).mappings().one()
    return Counts(
        **{name: int(row[name]) for name in ("n", "approved", "labelled", "defaults")},
        predicted=float("nan") if row["predicted"] is None else float(row["predicted"]),
        missing={c: int(row[f"missing {c}"]) for c in FEATURES},
        out_of_contract={c: int(row[f"outside {c}"]) for c in LIMITS},
    )


def _latency(
    connection: sa.Connection, start: pd.Timestamp, end: pd.Timestamp
) -> tuple[int, dict[str, Quantile]]:
    """How many latencies were measured, and their quantiles.

    The interval lies between two order statistics, whose ranks are binomial quantiles: no
    assumption about the distribution. It is unknown where the sample has no such ranks.
    Source: H. A. David and H. N. Nagaraja (2003), "Order Statistics", 3rd ed., section 7.1.
    """
    measured = predictions.c.latency_ms
    where = (*tables.within(start, end), tables.traffic(), measured.is_not(None))
    n = connection.scalar(sa.select(sa.func.count()).select_from(predictions).where(*where))
    ordered = sa.select(measured).where(*where).order_by(measured)

    def at(rank: float) -> float:
        """The value of a rank from 1 to n."""
        if not 1 <= rank <= n:
            return float("nan")
        return float(connection.scalar(ordered.offset(int(rank) - 1).limit(1)))

    found = {}
    for name, q in _QUANTILES.items():
        low, high = stats.binom.ppf([0.025, 0.975], n, q) if n else (0, 0)
        found[name] = Quantile(at(max(1, np.ceil(q * n))), at(low), at(high + 1))
    return int(n), found


def _alerts(connection: sa.Connection, as_of: pd.Timestamp) -> pd.DataFrame:
    """All alerts; one whose last event by `as_of` was a recovery has it, whatever came later."""
    frame = log_alerts.read(connection)
    query = sa.select(deliveries.c.alert_id, deliveries.c.event, deliveries.c.event_at)
    query = query.where(deliveries.c.event_at <= epoch(as_of))
    told = sql_frames.read(connection, query.order_by(deliveries.c.event_at, deliveries.c.event))
    last = told.drop_duplicates("alert_id", keep="last")
    over = last[last["event"] == "resolved"].set_index("alert_id")["event_at"]
    known = dict(zip(over.index, over, strict=True))
    pairs = zip(frame["alert_id"], frame["resolved_at"], strict=True)
    resolved = pd.Series([known.get(key, at) for key, at in pairs], index=frame.index)
    return frame.assign(resolved_at=pd.to_datetime(resolved, utc=True))


def _messages(connection: sa.Connection, as_of: pd.Timestamp) -> int:
    query = sa.select(sa.func.count()).select_from(deliveries)
    return int(connection.scalar(query.where(deliveries.c.event_at <= epoch(as_of))))


def _troubled(
    connection: sa.Connection, start: pd.Timestamp, end: pd.Timestamp, as_of: pd.Timestamp
) -> pd.DataFrame:
    """Nobody writes down when a delivery was given up: one that is so now counts as such."""
    later = sa.and_(deliveries.c.status == "sent", deliveries.c.sent_at > epoch(as_of))
    status = sa.case((later, "pending"), else_=deliveries.c.status).label("status")
    partly = (
        deliveries.c.last_error != "",
        deliveries.c.event_at >= epoch(start),
        deliveries.c.event_at <= epoch(end),
    )
    query = sa.select(status, deliveries.c.event_at, deliveries.c.channel)
    query = query.where(sa.or_(status != "sent", sa.and_(*partly)))
    query = query.where(deliveries.c.event_at <= epoch(as_of))
    return sql_frames.read(connection, query)


def _metrics(
    connection: sa.Connection, start: pd.Timestamp, end: pd.Timestamp, as_of: pd.Timestamp
) -> pd.DataFrame:
    """The rows of windows that overlap [start, end) and are over, the newest of each series."""
    begins, ends = metrics.c.window_start, metrics.c.window_end
    query = (
        sa.select(metrics)
        .where(begins < epoch(end), sa.or_(begins >= epoch(start), ends > epoch(start)))
        .where(ends <= epoch(as_of))
        .order_by(metrics.c.window_end, metrics.c.window_start)
    )
    frame = sql_frames.read(connection, query)
    return frame.drop_duplicates(["metric", "subject", "model_version"], keep="last")
