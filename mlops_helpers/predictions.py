"""The log of predictions, outcomes, metrics, alerts, experiments and steps, in SQL.

Every write is one transaction: all of its rows are there, or none. Every write may be repeated: a
prediction and an outcome keep their first version, a metric and an alert take the latest, and a
step of an experiment (`experiments.Experiments`) that has been taken is not taken twice.
Windows are half-open, [start, end), and all times aware UTC.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import pandas as pd
import sqlalchemy as sa

from mlops_helpers import (
    log_alerts,
    log_deliveries,
    log_experiments,
    log_health,
    log_plans,
    log_steps,
    log_store,
    log_summaries,
    sql_frames,
    tables,
)
from mlops_helpers.log_outcomes import OutcomeReceipt, checked_outcomes, record
from mlops_helpers.log_reading import chunks, window_query, with_labels
from mlops_helpers.log_rows import checked, required, searched
from mlops_helpers.tables import metrics, predictions

if TYPE_CHECKING:
    from mlops_helpers.experiment_plan import ExperimentPlan
    from mlops_helpers.exposure_sums import ExposureSums
    from mlops_helpers.lifecycle import Stage

__all__ = ["METRIC_COLUMNS", "OutcomeReceipt", "PredictionLog"]

Answer = TypeVar("Answer")
METRIC_COLUMNS = tuple(column.name for column in metrics.columns)
_METRIC_DEFAULTS = {
    "subject": "",
    "model_version": pd.NA,
    "low": np.nan,
    "high": np.nan,
    "reference": np.nan,
    "severity": "none",
}


class PredictionLog:
    """A prediction log at an SQLAlchemy URL; the tables are made on first use.

    Close it, or use it as a context manager, before its database file is copied.
    """

    def __init__(self, url: str) -> None:
        """Open the store, as `log_store.connect` does."""
        self._engine = log_store.connect(url)

    def append(self, frame: pd.DataFrame) -> int:
        """Store predictions (columns of `scoring.PREDICTION_COLUMNS`); return how many were new.

        A `prediction_id` that is already stored, or repeated in `frame`, is left as it first came
        and not counted; if it comes again with other content (another score, other features),
        that content is dropped without a word: nothing is compared. Raises `ValueError` naming
        every column that cannot be stored.
        """
        rows = checked(frame, predictions)
        with log_store.writing(self._engine) as connection:
            return tables.insert_new(connection, predictions, rows)

    def record_outcomes(self, frame: pd.DataFrame) -> OutcomeReceipt:
        """Store outcomes (`prediction_id`, `default`, `outcome_at`) that arrived; count the rest.

        Other columns are ignored. Raises `ValueError` for labels other than 0 and 1, and for dates
        before the prediction's.
        """
        rows = checked_outcomes(frame)
        with log_store.writing(self._engine) as connection:
            return record(connection, rows)

    def window(
        self,
        start: pd.Timestamp | None = None,
        end: pd.Timestamp | None = None,
        *,
        model_version: int | None = None,
        experiment: str | None = None,
        shadow: bool = True,
    ) -> pd.DataFrame:
        """Predictions scored in [start, end) in order of time, with their outcomes where known.

        Columns of `append` plus `default` (float, NaN while unknown) and `outcome_at` (NaT).
        None leaves a bound or a filter out. shadow=False leaves out what a version said in the
        shadow of the champion (`shadowing`), which answered nobody: ask so for what was served.
        """
        filters = {"model_version": model_version, "experiment": experiment, "shadow": shadow}
        return with_labels(self._read(window_query(start, end, **filters)))

    def windows(
        self,
        start: pd.Timestamp | None = None,
        end: pd.Timestamp | None = None,
        *,
        model_version: int | None = None,
        experiment: str | None = None,
        shadow: bool = True,
        chunk_rows: int = 50_000,
    ) -> Iterator[pd.DataFrame]:
        """The rows of `window` in the same order, at most `chunk_rows` at a time; none are empty.

        Memory is bounded by a chunk, however long the window. All chunks show the log as it was
        when the first was read; to stop early, close the iterator.
        """
        if chunk_rows < 1:
            raise ValueError(f"chunk_rows == {chunk_rows}; must be at least 1")
        filters = {"model_version": model_version, "experiment": experiment, "shadow": shadow}
        return chunks(self._engine, window_query(start, end, **filters), chunk_rows)

    def daily_volume(
        self, start: pd.Timestamp | None = None, end: pd.Timestamp | None = None
    ) -> pd.DataFrame:
        """`day, model_version, n, approved, approval_rate, mean_probability` of each UTC day.

        Here and in the other sums, what was said in the shadow of a champion is not counted.
        """
        return self._ask(partial(log_summaries.daily_volume, start=start, end=end))

    def score_histogram(
        self,
        bins: int | Sequence[float] = 20,
        *,
        start: pd.Timestamp | None = None,
        end: pd.Timestamp | None = None,
    ) -> pd.DataFrame:
        """`model_version, bin_low, bin_high, n`: bins is a number, or edges from 0 to 1."""
        histogram = partial(log_summaries.score_histogram, start=start, end=end, bins=bins)
        return self._ask(histogram)

    def latency(
        self, start: pd.Timestamp | None = None, end: pd.Timestamp | None = None
    ) -> pd.DataFrame:
        """`model_version, n, p50, p95, p99` in milliseconds, of predictions that measured it."""
        return self._ask(partial(log_summaries.latency, start=start, end=end))

    def health_figures(
        self, start: pd.Timestamp, end: pd.Timestamp, *, as_of: pd.Timestamp, usual_days: int
    ) -> log_health.HealthFigures:
        """What `health.health_report` is made of, all from one state of the store."""
        with log_store.reading(self._engine) as connection:
            return log_health.read(connection, start, end, as_of=as_of, usual_days=usual_days)

    def append_metrics(self, frame: pd.DataFrame) -> int:
        """Store metric rows (`METRIC_COLUMNS`); the same metric again replaces its value.

        `metric`, `value`, `window_start` and `window_end` are needed, the rest may be left out: no
        subject, no model version, no interval, no reference, severity "none". Returns how many.
        """
        rows = checked(_with_defaults(frame), metrics).as_dicts()
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
        query = sa.select(metrics)
        if name is not None:
            query = query.where(metrics.c.metric == searched("name", name))
        frame = self._read(query.order_by(*order, metrics.c.model_version))
        frame["model_version"] = frame["model_version"].astype("Int64").replace(0, pd.NA)
        return frame

    def append_alerts(self, frame: pd.DataFrame, *, channels: Sequence[str] = ()) -> int:
        """Store the alerts of `alerts.evaluate_rules`; one that is known is brought up to date.

        In the same transaction a delivery is stored for each of the `channels` (names) and each
        alert that opened, opened again or was resolved; `outbox.deliver` sends them. Returns how
        many alerts were stored: all but those that are older than what the log has.
        """
        with log_store.writing(self._engine) as connection:
            return log_alerts.append(connection, frame, channels)

    def alerts(self, status: str | None = None) -> pd.DataFrame:
        """Alerts in the order in which they were opened; only "open" or "resolved" if given."""
        return self._ask(partial(log_alerts.read, status=status))

    def deliveries(self, status: str | None = None) -> pd.DataFrame:
        """What was or is to be told; only "pending", "sent" or "given up" if given."""
        return self._ask(partial(log_deliveries.read, status=status))

    @property
    def outbox(self) -> log_deliveries.Outbox:
        """The deliveries as `outbox.deliver` works on them; `requeue` takes up what it gave up."""
        return log_deliveries.Outbox(self._engine)

    def change_experiment(self, name: str, step: log_plans.Step) -> dict[str, Any]:
        """Keep what `step` makes of an experiment's record, in one transaction; return it.

        For `experiments.Experiments`, which knows the steps. Whatever `step` raises is raised, and
        nothing is stored then.
        """
        with log_store.writing(self._engine) as connection:
            return log_plans.change(connection, name, step)

    def experiments(self) -> list[dict[str, Any]]:
        """The records of all experiments by name, with their `status`; times are ISO text.

        A damaged one has only its name, the status "damaged" and `damage`, in words.
        """
        return self._ask(log_plans.records)

    def experiment(self, name: str) -> dict[str, Any] | None:
        """The record of one, None if there is none; `LogError` if it is damaged."""
        return self._ask(partial(log_plans.record, name=name))

    def exposure_sums(
        self,
        plan: ExperimentPlan,
        *,
        as_of: pd.Timestamp,
        stages: Sequence[Stage] | None = None,
    ) -> ExposureSums:
        """What `exposure_sums.from_rows` makes of the experiment's rows, summed by the database.

        Without `stages` by those of its record. Raises `ValueError` for an experiment of which the
        log has neither a record nor a row.
        """
        with log_store.reading(self._engine) as connection:
            lived = log_plans.lived(connection, plan.name) if stages is None else stages
            return log_experiments.read(connection, plan, as_of=as_of, stages=lived)

    def save_step(self, step: Mapping[str, Any]) -> None:
        """Keep how a stage of a scheduled run stands, under `step["key"]` and `step["stage"]`.

        Fields: `key, stage, status` (running, done, failed or skipped), `started_at` (aware), and
        as wanted `seconds` (None while it runs), `attempts` (1), `told` ("") and `result` (JSON
        values by name, {}). The same stage again replaces what was there. Raises `ValueError`
        naming what is missing, unknown or beyond its rule; nothing is stored then.
        """
        with log_store.writing(self._engine) as connection:
            log_steps.save(connection, step)

    def steps(self, key: str | None = None) -> pd.DataFrame:
        """The stages in order of time; only those of a run if given. `result` holds dicts."""
        return self._ask(partial(log_steps.read, key=key))

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

    def _ask(self, question: Callable[[sa.Connection], Answer]) -> Answer:
        with log_store.reading(self._engine) as connection:
            return question(connection)


def _with_defaults(frame: pd.DataFrame) -> pd.DataFrame:
    """The metrics with what they leave out; no model version is kept as 0."""
    required(frame, metrics.name)
    if not frame.columns.is_unique:
        return frame  # to be refused by name
    filled = frame.assign(**{c: v for c, v in _METRIC_DEFAULTS.items() if c not in frame})
    version = filled["model_version"].astype(object)
    if (version.where(version.notna(), 1) == 0).any():
        raise ValueError("model_version == 0 in metrics; leave it missing where there is no model")
    filled["model_version"] = version.where(version.notna(), 0)
    subject = filled["subject"].astype(object)
    filled["subject"] = subject.where(subject.notna(), "")
    return filled
