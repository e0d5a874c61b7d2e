"""The log of predictions, outcomes, metrics, alerts and experiments, in SQLite or PostgreSQL.

Every write is one transaction: all of its rows are there, or none. Every write may be repeated: a
prediction, an outcome and the plan of an experiment keep their first version, a metric and an
alert take the latest.
Windows are half-open, [start, end), and all times aware UTC.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Any

import numpy as np
import pandas as pd
import sqlalchemy as sa

from mlops_helpers import log_store, log_summaries, sql_frames, tables
from mlops_helpers.tables import alerts, experiments, metrics, outcomes, predictions

__all__ = ["METRIC_COLUMNS", "RESULT_FIELDS", "OutcomeReceipt", "PredictionLog"]

METRIC_COLUMNS = tuple(column.name for column in metrics.columns)
RESULT_FIELDS = ("analysed", "conclusion", "verdict")  # of an experiment; all others are its plan
_OUTCOME_COLUMNS = [column.name for column in outcomes.columns]
_METRIC_DEFAULTS = {
    "subject": "",
    "model_version": pd.NA,
    "low": np.nan,
    "high": np.nan,
    "reference": np.nan,
    "severity": "none",
}
_IDS_AT_ONCE = 10_000  # below the limits on bound values of both databases


@dataclass(frozen=True)
class OutcomeReceipt:
    """What became of the outcomes that were handed in; the four add up to their number.

    stored: new. repeated: already there, the same. unknown: no such prediction, not stored.
    contradicting: another label or another date than the one stored first, which stays.
    """

    stored: int
    repeated: int
    unknown: int
    contradicting: int


class PredictionLog:
    """A prediction log at an SQLAlchemy URL; the tables are made on first use.

    Close it, or use it as a context manager, before its database file is copied.
    """

    def __init__(self, url: str) -> None:
        """Open the store, as `log_store.connect` does."""
        self._engine = log_store.connect(url)

    def append(self, frame: pd.DataFrame) -> int:
        """Store predictions (columns of `scoring.PREDICTION_COLUMNS`); return how many were new.

        A `prediction_id` that is already stored, or repeated in `frame`, is left as it first came.
        """
        rows = sql_frames.to_rows(frame, predictions)
        _refuse(rows, "probability", lambda p: 0 <= p <= 1, "within [0, 1]")
        _refuse(rows, "decision", ("approve", "decline").__contains__, "approve or decline")
        _refuse(rows, "latency_ms", lambda ms: ms is None or ms >= 0, "0 or more")
        with log_store.writing(self._engine) as connection:
            return tables.insert_new(connection, predictions, rows)

    def record_outcomes(self, frame: pd.DataFrame) -> OutcomeReceipt:
        """Store outcomes (`prediction_id`, `default`, `outcome_at`) that arrived; count the rest.

        Other columns are ignored. Raises `ValueError` for labels other than 0 and 1.
        """
        absent = [name for name in _OUTCOME_COLUMNS if name not in frame.columns]
        if absent:
            raise ValueError(f"outcomes lack the columns {absent}; they need {_OUTCOME_COLUMNS}")
        rows = sql_frames.to_rows(frame[_OUTCOME_COLUMNS], outcomes)
        _refuse(rows, "default", (0, 1).__contains__, "0 or 1")
        ids = [row["prediction_id"] for row in rows]
        with log_store.writing(self._engine) as connection:
            known = _stored(connection, predictions.c.prediction_id, ids, predictions.c.scored_at)
            early = [
                r
                for r in rows
                if r["prediction_id"] in known and r["outcome_at"] < known[r["prediction_id"]][0]
            ]
            if early:
                raise ValueError(
                    f"outcome_at is before scored_at in {len(early)} rows; an outcome comes after "
                    f"its prediction; first of them: {early[0]['prediction_id']}"
                )
            joined = [row for row in rows if row["prediction_id"] in known]
            stored = tables.insert_new(connection, outcomes, joined)
            label = (outcomes.c["default"], outcomes.c.outcome_at)
            there = _stored(connection, outcomes.c.prediction_id, ids, *label)
        other = sum(there[r["prediction_id"]] != (r["default"], r["outcome_at"]) for r in joined)
        return OutcomeReceipt(
            stored=stored,
            repeated=len(joined) - stored - other,
            unknown=len(rows) - len(joined),
            contradicting=other,
        )

    def window(
        self,
        start: pd.Timestamp | None = None,
        end: pd.Timestamp | None = None,
        *,
        model_version: int | None = None,
        experiment: str | None = None,
    ) -> pd.DataFrame:
        """Predictions scored in [start, end) in order of time, with their outcomes where known.

        Columns of `append` plus `default` (float, NaN while unknown) and `outcome_at` (NaT).
        None leaves a bound or a filter out.
        """
        query = (
            sa.select(predictions, outcomes.c["default"], outcomes.c.outcome_at)
            .join(outcomes, isouter=True)
            .where(*tables.within(start, end))
            .order_by(predictions.c.scored_at, predictions.c.prediction_id)
        )
        if model_version is not None:
            query = query.where(predictions.c.model_version == int(model_version))
        if experiment is not None:
            query = query.where(predictions.c.experiment == experiment)
        return self._read(query).astype({"default": "float64"})

    def daily_volume(
        self, start: pd.Timestamp | None = None, end: pd.Timestamp | None = None
    ) -> pd.DataFrame:
        """`day, model_version, n, approved, approval_rate, mean_probability` of each UTC day."""
        return self._summary(partial(log_summaries.daily_volume, start=start, end=end))

    def score_histogram(
        self,
        bins: int | Sequence[float] = 20,
        *,
        start: pd.Timestamp | None = None,
        end: pd.Timestamp | None = None,
    ) -> pd.DataFrame:
        """`model_version, bin_low, bin_high, n`: bins is a number, or edges from 0 to 1."""
        histogram = partial(log_summaries.score_histogram, start=start, end=end, bins=bins)
        return self._summary(histogram)

    def latency(
        self, start: pd.Timestamp | None = None, end: pd.Timestamp | None = None
    ) -> pd.DataFrame:
        """`model_version, n, p50, p95, p99` in milliseconds, of predictions that measured it."""
        return self._summary(partial(log_summaries.latency, start=start, end=end))

    def append_metrics(self, frame: pd.DataFrame) -> int:
        """Store metric rows (`METRIC_COLUMNS`); the same metric again replaces its value.

        `metric`, `value`, `window_start` and `window_end` are needed, the rest may be left out: no
        subject, no model version, no interval, no reference, severity "none". Returns how many.
        """
        filled = frame.assign(**{c: v for c, v in _METRIC_DEFAULTS.items() if c not in frame})
        filled["model_version"] = filled["model_version"].astype("Int64").fillna(0)
        filled["subject"] = filled["subject"].fillna("")
        rows = sql_frames.to_rows(filled, metrics)
        for row in rows:
            if row["window_end"] < row["window_start"]:
                raise ValueError(
                    f"window_end of metric {row['metric']!r} is before its window_start; "
                    "a window is [window_start, window_end)"
                )
        return self._upsert(metrics, rows)

    def metrics(self, name: str | None = None) -> pd.DataFrame:
        """Metric rows in order of time; only those of metric `name` if given."""
        order = (metrics.c.window_start, metrics.c.metric, metrics.c.subject)
        query = sa.select(metrics).order_by(*order, metrics.c.model_version)
        frame = self._read(query if name is None else query.where(metrics.c.metric == name))
        frame["model_version"] = frame["model_version"].astype("Int64").replace(0, pd.NA)
        return frame

    def append_alerts(self, frame: pd.DataFrame) -> int:
        """Store the alerts of `alerts.evaluate_rules`; one that is known is brought up to date."""
        return self._upsert(alerts, sql_frames.to_rows(frame, alerts))

    def alerts(self, status: str | None = None) -> pd.DataFrame:
        """Alerts in the order in which they were opened; only "open" or "resolved" if given."""
        query = sa.select(alerts).order_by(alerts.c.opened_at, alerts.c.rule, alerts.c.subject)
        return self._read(query if status is None else query.where(alerts.c.status == status))

    def save_experiment(self, record: Mapping[str, Any]) -> None:
        """Keep an experiment's record (JSON values and times) under `record["name"]`.

        The fields of the first call are the plan and stay as they are; later calls may leave them
        out or repeat them, and add or replace `RESULT_FIELDS`. Raises `ValueError` naming every
        field of the plan that would change; nothing is stored then.
        """
        name = record.get("name")
        if not isinstance(name, str) or not name:
            raise ValueError(f"record['name'] == {name!r}; an experiment is kept under its name")
        text = json.dumps(dict(record), default=_as_json, sort_keys=True)
        with log_store.writing(self._engine) as connection:
            if tables.insert_new(connection, experiments, [{"name": name, "record": text}]):
                return
            mine = sa.select(experiments.c.record).where(experiments.c.name == name)
            stored = json.loads(connection.scalars(mine.with_for_update()).one())
            merged = _same_plan(stored, json.loads(text))
            row = {"name": name, "record": json.dumps(merged, sort_keys=True)}
            tables.upsert(connection, experiments, [row])

    def experiments(self) -> list[dict[str, Any]]:
        """The records of all experiments by name; times come back as ISO text."""
        with log_store.reading(self._engine) as connection:
            query = sa.select(experiments.c.record).order_by(experiments.c.name)
            return [json.loads(text) for text in connection.scalars(query)]

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()

    def __enter__(self) -> PredictionLog:
        """Return the log itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close it."""
        self.close()

    def _upsert(self, table: sa.Table, rows: list[dict[str, Any]]) -> int:
        with log_store.writing(self._engine) as connection:
            return tables.upsert(connection, table, rows)

    def _read(self, query: sa.Select[Any]) -> pd.DataFrame:
        with log_store.reading(self._engine) as connection:
            return sql_frames.read(connection, query)

    def _summary(self, summary: Callable[[sa.Connection], pd.DataFrame]) -> pd.DataFrame:
        with log_store.reading(self._engine) as connection:
            return summary(connection)


def _stored(
    connection: sa.Connection, column: sa.Column[str], ids: list[str], *more: sa.Column
) -> dict[str, tuple[Any, ...]]:
    """The rows behind those of `ids` that are in `column`: id -> values of `more`."""
    found: dict[str, tuple[Any, ...]] = {}
    for first in range(0, len(ids), _IDS_AT_ONCE):
        some = ids[first : first + _IDS_AT_ONCE]
        for key, *values in connection.execute(sa.select(column, *more).where(column.in_(some))):
            found[key] = tuple(values)
    return found


def _refuse(rows: list[dict[str, Any]], name: str, right: Callable[[Any], bool], rule: str) -> None:
    wrong = [row for row in rows if not right(row[name])]
    if wrong:
        raise ValueError(
            f"{name} == {wrong[0][name]!r} in {len(wrong)} rows; must be {rule}; "
            f"first of them: {wrong[0]['prediction_id']}"
        )


def _same_plan(stored: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """The stored record with what `given` adds to its results; refuses another plan."""
    plan = [field for field in given if field not in RESULT_FIELDS]
    changed = [field for field in plan if field not in stored or stored[field] != given[field]]
    if changed:
        told = "; ".join(
            f"{field} is {stored[field]!r}, not {given[field]!r}"
            if field in stored
            else f"{field} == {given[field]!r} was not planned"
            for field in changed
        )
        raise ValueError(
            f"experiment {stored['name']!r} is stored and its plan stays as it was: {told}. "
            "Give a changed plan a name of its own."
        )
    return {**stored, **given}


def _as_json(value: object) -> object:
    """What JSON has no word for: times as ISO text, NumPy numbers as Python's."""
    if isinstance(value, pd.Timestamp | pd.Timedelta):
        return value.isoformat()
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{value!r} ({type(value).__name__}) cannot be kept as JSON; convert it first")
