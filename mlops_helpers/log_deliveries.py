"""What is still to be told: the deliveries in the log, taken by one deliverer at a time.

A delivery is pending until it was sent or given up. To try it, a deliverer claims it for some
time; if it dies meanwhile, the claim runs out and the next one tries again. Reached through
`predictions.PredictionLog.deliveries` and `.outbox`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pandas as pd
import sqlalchemy as sa

from mlops_helpers import log_store, sql_frames
from mlops_helpers.messages import Message
from mlops_helpers.sql_frames import epoch
from mlops_helpers.tables import deliveries

__all__ = ["Claim", "Outbox", "read"]

_OTHER = deliveries.alias("other")


@dataclass(frozen=True)
class Claim:
    """A delivery that is ours to try; `attempt` counts from 1 and tells this claim from others.

    `text` is the message as it is stored.
    """

    delivery_id: str
    channel: str
    attempt: int
    event: str
    text: str

    @property
    def message(self) -> Message:
        """The message. Raises `ValueError` if what is stored is none."""
        return Message.from_json(self.text)


class Outbox:
    """The deliveries of a store, one small transaction a step."""

    def __init__(self, engine: sa.Engine) -> None:
        """Work on the store behind `engine`."""
        self._engine = engine

    @contextmanager
    def kept_open(self) -> Iterator[None]:
        """Many steps at less cost: SQLite tidies its file up when the last connection closes."""
        with log_store.reading(self._engine):
            yield

    def channels(self, when: pd.Timestamp) -> list[str]:
        """The names of the channels for which something is due at `when`."""
        query = sa.select(deliveries.c.channel).where(*_due(epoch(when), epoch(when))).distinct()
        with log_store.reading(self._engine) as connection:
            return sorted(connection.scalars(query))

    def due(
        self, channel: str, *, when: pd.Timestamp, now: pd.Timestamp, limit: int = 200
    ) -> list[str]:
        """Ids of a channel's deliveries that are due at `when` and free `now`, the earliest first.

        One is due when its time has come and nothing earlier about the same alert is pending on
        the same channel.
        """
        query = (
            sa.select(deliveries.c.delivery_id)
            .where(deliveries.c.channel == channel, *_due(epoch(when), epoch(now)))
            .order_by(deliveries.c.event_at, deliveries.c.event, deliveries.c.delivery_id)
            .limit(limit)
        )
        with log_store.reading(self._engine) as connection:
            return list(connection.scalars(query))

    def claim(
        self, delivery_id: str, *, when: pd.Timestamp, now: pd.Timestamp, until: pd.Timestamp
    ) -> Claim | None:
        """Take a delivery, so that nobody else gets it before `until`; None if it is not free."""
        statement = (
            sa.update(deliveries)
            .where(deliveries.c.delivery_id == delivery_id, *_due(epoch(when), epoch(now)))
            .values(attempts=deliveries.c.attempts + 1, claimed_until=epoch(until))
            .returning(*(deliveries.c[n] for n in ("channel", "attempts", "event", "message")))
        )
        with log_store.writing(self._engine) as connection:
            row = connection.execute(statement).first()
        if row is None:
            return None
        return Claim(delivery_id, row.channel, row.attempts, row.event, row.message)

    def sent(self, claim: Claim, *, when: pd.Timestamp, told: str = "") -> None:
        """It went out, whoever holds the claim now. `told` is what the channel complained of."""
        done = {"status": "sent", "sent_at": epoch(when), "claimed_until": None, "last_error": told}
        pending = deliveries.c.status != "sent"
        self._settle(deliveries.c.delivery_id == claim.delivery_id, pending, **done)

    def failed(self, claim: Claim, *, told: str, retry_at: pd.Timestamp | None) -> None:
        """It did not go out: due again at `retry_at`, or given up; not if another claimed it."""
        again = {"claimed_until": None, "last_error": told}
        if retry_at is None:
            again["status"] = "given up"
        else:
            again["next_attempt_at"] = epoch(retry_at)
        mine = (deliveries.c.attempts == claim.attempt, deliveries.c.status == "pending")
        self._settle(deliveries.c.delivery_id == claim.delivery_id, *mine, **again)

    def requeue(self, *, when: pd.Timestamp, channel: str | None = None) -> int:
        """Make what was given up (on one channel) due at `when`, as if new; return how many.

        What a later event of the same alert has overtaken on its channel stays given up: "opened"
        after "resolved" would be false.
        """
        overtaken = _others(_OTHER.c.status == "sent", _follows(_OTHER, deliveries))
        given_up = [deliveries.c.status == "given up", ~overtaken]
        if channel is not None:
            given_up.append(deliveries.c.channel == channel)
        anew = {"status": "pending", "attempts": 0, "next_attempt_at": epoch(when)}
        return self._settle(*given_up, **anew)

    def _settle(self, *where: sa.ColumnElement[bool], **values: object) -> int:
        with log_store.writing(self._engine) as connection:
            return connection.execute(sa.update(deliveries).where(*where).values(values)).rowcount


def read(connection: sa.Connection, status: str | None = None) -> pd.DataFrame:
    """Deliveries in order of their events; only "pending", "sent" or "given up" if given.

    Columns of the table `deliveries` but the message.
    """
    columns = [column for column in deliveries.columns if column.name != "message"]
    query = sa.select(*columns).order_by(
        deliveries.c.event_at, deliveries.c.event, deliveries.c.channel, deliveries.c.delivery_id
    )
    if status is not None:
        query = query.where(deliveries.c.status == status)
    return sql_frames.read(connection, query)


def _due(when: int, now: int) -> tuple[sa.ColumnElement[bool], ...]:
    """Conditions for what is due at `when` and free `now`.

    The names of the events sort in the order in which they happen to an alert.
    """
    waiting = _others(_OTHER.c.status == "pending", _follows(deliveries, _OTHER))
    return (
        deliveries.c.status == "pending",
        deliveries.c.next_attempt_at <= when,
        sa.or_(deliveries.c.claimed_until.is_(None), deliveries.c.claimed_until <= now),
        ~waiting,
    )


def _follows(later: sa.FromClause, earlier: sa.FromClause) -> sa.ColumnElement[bool]:
    at_once = sa.and_(later.c.event_at == earlier.c.event_at, later.c.event > earlier.c.event)
    return sa.or_(later.c.event_at > earlier.c.event_at, at_once)


def _others(*where: sa.ColumnElement[bool]) -> sa.Exists:
    """Is there such a delivery about the same alert on the same channel?"""
    same = (_OTHER.c.alert_id == deliveries.c.alert_id, _OTHER.c.channel == deliveries.c.channel)
    query = sa.select(sa.literal(1)).select_from(_OTHER).where(*same, *where)
    return query.correlate(deliveries).exists()
