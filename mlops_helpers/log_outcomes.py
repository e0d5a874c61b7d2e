"""Labels that arrive months after their predictions: stored once, and every one accounted for.

The batch is laid into a temporary table and joined there: a million labels take the same few
statements as ten, and what is asked of them is asked of one state of the predictions.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import sqlalchemy as sa

from mlops_helpers import tables
from mlops_helpers.log_rows import Rows, checked, required
from mlops_helpers.sql_frames import Utc
from mlops_helpers.tables import outcomes, predictions

__all__ = ["OutcomeReceipt", "checked_outcomes", "record"]

_COLUMNS = [column.name for column in outcomes.columns]
_NAMED = 10  # ids that a receipt names of each kind

_arrived = sa.Table(
    "arrived_outcomes",
    sa.MetaData(),
    sa.Column("place", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("prediction_id", sa.Text, nullable=False),
    sa.Column("default", sa.Integer, nullable=False),
    sa.Column("outcome_at", Utc, nullable=False),
    sa.Column("scored_at", Utc),  # of its prediction; missing if there is none
    prefixes=["TEMPORARY"],
)


@dataclass(frozen=True)
class OutcomeReceipt:
    """What became of the outcomes that were handed in; the four add up to their number.

    stored: new. repeated: already there, the same. unknown: no such prediction, not stored.
    contradicting: another label or another date than the one stored first, which stays.
    unknown_ids, contradicting_ids: the first ten of each, in the order in which they came; two
        receipts are equal if their counts are.
    """

    stored: int
    repeated: int
    unknown: int
    contradicting: int
    unknown_ids: tuple[str, ...] = field(default=(), compare=False)
    contradicting_ids: tuple[str, ...] = field(default=(), compare=False)


def checked_outcomes(frame: pd.DataFrame) -> Rows:
    """The outcomes in a frame as rows; other columns are ignored. Raises `ValueError`."""
    required(frame, "outcomes")
    absent = [name for name in _COLUMNS if name not in frame.columns]
    if absent:
        raise ValueError(f"outcomes lack the columns {absent}; they need {_COLUMNS}")
    return checked(frame[_COLUMNS], outcomes)


def record(connection: sa.Connection, rows: Rows) -> OutcomeReceipt:
    """Store the outcomes whose predictions are there and that have none yet; count the rest.

    Raises `ValueError` if one is dated before its prediction.
    """
    if not len(rows):
        return OutcomeReceipt(0, 0, 0, 0)
    _arrived.create(connection)
    tables.insert_new(connection, _arrived, Rows({"place": np.arange(len(rows)), **rows.columns}))
    scored = sa.select(predictions.c.scored_at)
    mine = scored.where(predictions.c.prediction_id == _arrived.c.prediction_id).scalar_subquery()
    connection.execute(sa.update(_arrived).values(scored_at=mine))
    _refuse_early(connection)
    known = _arrived.c.scored_at.is_not(None)
    unknown, strangers = _count(connection, ~known), _first(connection, ~known)
    stored = _insert(connection)
    other = (
        known,
        outcomes.c.prediction_id == _arrived.c.prediction_id,
        (outcomes.c["default"] != _arrived.c["default"])
        | (outcomes.c.outcome_at != _arrived.c.outcome_at),
    )
    contradicting, contradicted = _count(connection, *other), _first(connection, *other)
    _arrived.drop(connection)
    repeated = len(rows) - stored - unknown - contradicting
    return OutcomeReceipt(stored, repeated, unknown, contradicting, strangers, contradicted)


def _insert(connection: sa.Connection) -> int:
    """Into the table of outcomes, by id: the order in which every writer takes its locks."""
    mine = (
        sa.select(*(_arrived.c[name] for name in _COLUMNS))
        .where(_arrived.c.scored_at.is_not(None))
        .order_by(_arrived.c.prediction_id, _arrived.c.place)
    )
    return tables.insert_selected(connection, outcomes, mine)


def _refuse_early(connection: sa.Connection) -> None:
    early = _arrived.c.outcome_at < _arrived.c.scored_at
    count = _count(connection, early)
    if count:
        raise ValueError(
            f"outcome_at is before scored_at in {count} rows; an outcome comes after its "
            f"prediction; first of them: {_first(connection, early)[0]}"
        )


def _first(connection: sa.Connection, *conditions: sa.ColumnElement[bool]) -> tuple[str, ...]:
    query = sa.select(_arrived.c.prediction_id).where(*conditions).order_by(_arrived.c.place)
    return tuple(connection.scalars(query.limit(_NAMED)))


def _count(connection: sa.Connection, *conditions: sa.ColumnElement[bool]) -> int:
    query = sa.select(sa.func.count(_arrived.c.place)).where(*conditions)
    return connection.scalars(query).one()
