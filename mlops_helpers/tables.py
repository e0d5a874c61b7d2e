"""The tables behind `PredictionLog`, and the only SQL that differs between databases."""

from __future__ import annotations

import itertools
from typing import Any

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from mlops_helpers.contracts import CATEGORICAL, NUMERIC
from mlops_helpers.log_rows import Rows
from mlops_helpers.sql_frames import Utc, epoch

__all__ = [
    "SCHEMA_VERSION",
    "SHADOW",
    "STEP_STATES",
    "alerts",
    "bit",
    "by_code_point",
    "deliveries",
    "experiments",
    "insert_new",
    "insert_selected",
    "metrics",
    "microsecond",
    "number",
    "outcomes",
    "predictions",
    "steps",
    "store",
    "traffic",
    "upsert",
    "within",
]

SCHEMA_VERSION = 3  # whoever changes a table adds the step to `upgrading`

STEP_STATES = ("running", "done", "failed", "skipped")
SHADOW = "shadow"  # variant of what a version would have said; an experiment's arm may be called so

_tables = sa.MetaData()


predictions = sa.Table(
    "predictions",
    _tables,
    sa.Column("prediction_id", sa.Text, primary_key=True),
    sa.Column("application_id", sa.Text, nullable=False),
    sa.Column("model_version", sa.Integer, nullable=False),
    sa.Column("scored_at", Utc, nullable=False),
    sa.Column("probability", sa.Double, nullable=False, info={"low": 0.0, "high": 1.0}),
    sa.Column("decision", sa.Text, nullable=False, info={"allowed": ("approve", "decline")}),
    sa.Column("experiment", sa.Text),
    sa.Column("variant", sa.Text),
    sa.Column("latency_ms", sa.Double, info={"low": 0.0}),
    *(sa.Column(name, sa.Double) for name in NUMERIC),
    *(sa.Column(name, sa.Text) for name in CATEGORICAL),
    sa.CheckConstraint("probability between 0 and 1", name="probability_is_one"),
    sa.CheckConstraint("decision in ('approve', 'decline')", name="decision_is_known"),
    sa.Index("predictions_by_time", "scored_at", "model_version"),
    # most predictions are in no experiment: their place in this index would cost every append
    sa.Index(
        "predictions_by_experiment",
        "experiment",
        "scored_at",
        sqlite_where=sa.text("experiment IS NOT NULL"),
        postgresql_where=sa.text("experiment IS NOT NULL"),
    ),
    sa.Index("predictions_by_version", "model_version", "scored_at"),
)
outcomes = sa.Table(
    "outcomes",
    _tables,
    sa.Column("prediction_id", sa.ForeignKey(predictions.c.prediction_id), primary_key=True),
    sa.Column("default", sa.Integer, nullable=False, info={"allowed": (0, 1)}),
    sa.Column("outcome_at", Utc, nullable=False),
    sa.CheckConstraint('"default" in (0, 1)', name="default_is_known"),
)
metrics = sa.Table(
    "metrics",
    _tables,
    sa.Column("metric", sa.Text, primary_key=True),
    sa.Column("subject", sa.Text, primary_key=True),
    sa.Column("model_version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("window_start", Utc, primary_key=True, autoincrement=False),
    sa.Column("window_end", Utc, primary_key=True, autoincrement=False),
    sa.Column("value", sa.Double),
    sa.Column("low", sa.Double),
    sa.Column("high", sa.Double),
    sa.Column("reference", sa.Double),
    sa.Column("severity", sa.Text),
)
alerts = sa.Table(
    "alerts",
    _tables,
    sa.Column("alert_id", sa.Text, primary_key=True),
    sa.Column("rule", sa.Text, nullable=False),
    sa.Column("metric", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("model_version", sa.Integer, nullable=False),
    sa.Column("severity", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("value", sa.Double),
    sa.Column("limit", sa.Double),
    sa.Column("times_seen", sa.Integer, nullable=False),
    sa.Column("opened_at", Utc, nullable=False),
    sa.Column("last_seen_at", Utc, nullable=False),
    sa.Column("resolved_at", Utc),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("owner", sa.Text, nullable=False, server_default=""),
)
deliveries = sa.Table(
    "deliveries",
    _tables,
    sa.Column("delivery_id", sa.Text, primary_key=True),
    sa.Column("alert_id", sa.Text, nullable=False),
    sa.Column("event", sa.Text, nullable=False),
    sa.Column("event_at", Utc, nullable=False),
    sa.Column("channel", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("next_attempt_at", Utc, nullable=False),
    sa.Column("claimed_until", Utc),
    sa.Column("sent_at", Utc),
    sa.Column("last_error", sa.Text, nullable=False, server_default=""),
    sa.Column("message", sa.Text, nullable=False),
    sa.Index("deliveries_by_status", "status", "next_attempt_at"),
    sa.Index("deliveries_by_alert", "alert_id", "channel", "event_at"),
)
experiments = sa.Table(
    "experiments",
    _tables,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("record", sa.Text, nullable=False),
)
steps = sa.Table(
    "steps",
    _tables,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("stage", sa.Text, primary_key=True),
    sa.Column("status", sa.Text, nullable=False, info={"allowed": STEP_STATES}),
    sa.Column("started_at", Utc, nullable=False),
    sa.Column("seconds", sa.DOUBLE_PRECISION, info={"low": 0.0}),  # as the upgrade says it
    sa.Column("attempts", sa.Integer, nullable=False, info={"low": 1}),
    sa.Column("told", sa.Text, nullable=False, server_default=""),
    sa.Column("result", sa.Text, nullable=False),
)
store = sa.Table(
    "store",
    _tables,
    sa.Column("schema_version", sa.Integer, primary_key=True, autoincrement=False),
)


def insert_new(
    connection: sa.Connection, table: sa.Table, rows: Rows | list[dict[str, Any]]
) -> int:
    """Insert the rows whose primary key is not there yet; return how many were.

    Of rows with the same key the first is inserted. Straight through the driver: building each row
    as a statement of SQLAlchemy's would take longer than the database does.
    """
    if not len(rows):
        return 0
    rows = rows if isinstance(rows, Rows) else Rows.of(rows)
    quote = connection.dialect.identifier_preparer.quote
    names = ", ".join(map(quote, rows.columns))
    keys = ", ".join(quote(column.name) for column in _keys(table))
    insert, ignore = (
        f"INSERT INTO {quote(table.name)} ({names})",
        f"ON CONFLICT ({keys}) DO NOTHING",
    )
    if connection.dialect.name == "postgresql":
        _copy(connection, quote(table.name), names, rows)
        # in the order of their keys: two writers of the same ones take their locks in one order
        chosen = f"SELECT {names} FROM {_COPIED} ORDER BY {keys}, copied_place"
        done = connection.exec_driver_sql(f"{insert} {chosen} {ignore}")
        connection.exec_driver_sql(f"DROP TABLE {_COPIED}")
        return done.rowcount
    statement = f"{insert} VALUES ({', '.join('?' * len(rows.columns))}) {ignore}"
    new = 0
    for chunk in rows.in_chunks(_ROWS_AT_ONCE):
        values = list(zip(*chunk, strict=True))
        new += connection.exec_driver_sql(statement, values, execution_options=_COUNTED).rowcount
    return new


def _copy(connection: sa.Connection, table: str, names: str, rows: Rows) -> None:
    """The rows into a temporary table of PostgreSQL's, three times as fast as one by one."""
    connection.exec_driver_sql(
        f"CREATE TEMPORARY TABLE {_COPIED} (LIKE {table}, copied_place BIGINT NOT NULL)"
    )
    places = itertools.count()
    command = f"COPY {_COPIED} ({names}, copied_place) FROM STDIN"
    with connection.connection.cursor() as cursor, cursor.copy(command) as copy:
        for chunk in rows.in_chunks(_ROWS_AT_ONCE):
            for row in zip(*chunk, places):  # noqa: B905 - there is always another place
                copy.write_row(row)


def insert_selected(connection: sa.Connection, table: sa.Table, query: sa.Select[Any]) -> int:
    """As `insert_new`, with rows that a query finds: the columns of the table in their order."""
    statement = _INSERT[connection.dialect.name](table)
    statement = statement.from_select([c.name for c in table.columns], query)
    statement = statement.on_conflict_do_nothing(index_elements=_keys(table))
    return connection.execute(statement, execution_options=_COUNTED).rowcount


def upsert(connection: sa.Connection, table: sa.Table, rows: list[dict[str, Any]]) -> int:
    """Insert the rows, replacing those whose primary key is there; return how many."""
    if not rows:
        return 0
    statement = _INSERT[connection.dialect.name](table)
    rest = {c.name: statement.excluded[c.name] for c in table.columns if not c.primary_key}
    statement = statement.on_conflict_do_update(index_elements=_keys(table), set_=rest)
    connection.execute(statement, _in_lock_order(connection, table, rows))
    return len(rows)


def within(start: pd.Timestamp | None, end: pd.Timestamp | None) -> list[sa.ColumnElement[bool]]:
    """Conditions for `scored_at` in [start, end), exact for bounds in nanoseconds too.

    Raises `ValueError` naming a naive bound, and for a window that ends before it starts.
    """
    bounds = []
    for name, when in (("start", start), ("end", end)):
        if when is not None and pd.Timestamp(when).tz is None:
            raise ValueError(f"{name} == {when} has no time zone; pd.Timestamp({name}, tz='UTC')")
    if start is not None and end is not None and pd.Timestamp(start) > pd.Timestamp(end):
        raise ValueError(f"start == {start} is after end == {end}; a window is [start, end)")
    if start is not None:
        bounds.append(predictions.c.scored_at >= microsecond(start))
    if end is not None:
        bounds.append(predictions.c.scored_at < microsecond(end))
    return bounds


def bit(condition: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
    """1 where the condition holds, 0 where it does not or is not known."""
    return sa.case((condition, 1), else_=0)


def number(condition: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
    """In how many rows the condition holds; 0 without any row."""
    return sa.func.coalesce(sa.func.sum(bit(condition)), 0)


def by_code_point(connection: sa.Connection, text: sa.ColumnElement[str]) -> sa.ColumnElement[str]:
    """A text to be sorted as Python does, whatever the language of the database."""
    return text.collate("C" if connection.dialect.name == "postgresql" else "BINARY")


def traffic() -> sa.ColumnElement[bool]:
    """Condition for predictions that somebody was answered with: all but those in the shadow."""
    variant, experiment = predictions.c.variant, predictions.c.experiment
    return sa.or_(variant.is_(None), variant != SHADOW, experiment.is_not(None))


def microsecond(when: pd.Timestamp) -> int:
    """The first whole microsecond at or after a time, for the log has no others."""
    return epoch(when) + (pd.Timestamp(when).nanosecond > 0)


def _keys(table: sa.Table) -> list[sa.Column[Any]]:
    return list(table.primary_key.columns)


def _in_lock_order(
    connection: sa.Connection, table: sa.Table, rows: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """PostgreSQL locks row by row: two writers of the same keys must take them in one order."""
    if connection.dialect.name != "postgresql":
        return rows
    names = [column.name for column in _keys(table)]
    return sorted(rows, key=lambda row: tuple(row[name] for name in names))


_COPIED = "copied_rows"  # lives for one insert
_ROWS_AT_ONCE = 5_000  # more are no faster; as many as this stay in the processor's cache
_COUNTED = {"preserve_rowcount": True}  # otherwise -1 for many rows
_INSERT = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
