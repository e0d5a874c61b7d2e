"""Alerts in the log, and what is to be told of them: both stored in one transaction.

Reached through the methods of `predictions.PredictionLog`.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd
import sqlalchemy as sa

from mlops_helpers import sql_frames, tables
from mlops_helpers.log_rows import checked
from mlops_helpers.messages import Event, Message
from mlops_helpers.tables import alerts, deliveries

__all__ = ["append", "read"]

_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:mlops-helpers:delivery")
_IDS_AT_ONCE = 10_000  # below the limits on bound values of both databases

Row = dict[str, Any]


def append(connection: sa.Connection, frame: pd.DataFrame, channels: Sequence[str] = ()) -> int:
    """Store alerts, and for each event and channel a delivery that is due; return how many.

    An alert that is known is brought up to date, never set back: one that was last seen before the
    stored one comes from a slower scheduler and is left out. An event is an alert that opened,
    opened again or was resolved since it was last stored; what flapped in between is folded. The
    same event is the same delivery however often it is found.
    """
    names = _checked(channels)
    rows = checked(frame, alerts).as_dicts()
    before = _stored(connection, [row["alert_id"] for row in rows])
    rows = [row for row in rows if not _behind(row, before.get(row["alert_id"]))]
    if not rows:
        return 0
    tables.insert_new(connection, alerts, rows)
    # Another scheduler may have come in between: the condition holds when the row is written.
    rest = {c.name: sa.bindparam(f"new_{c.name}") for c in alerts.columns if not c.primary_key}
    statement = (
        sa.update(alerts)
        .where(alerts.c.alert_id == sa.bindparam("new_alert_id"))
        .where(alerts.c.last_seen_at <= sa.bindparam("new_last_seen_at"))
        .values(rest)
    )
    ordered = sorted(rows, key=lambda row: row["alert_id"])  # two writers lock in one order
    connection.execute(statement, [{f"new_{k}": v for k, v in row.items()} for row in ordered])
    told = [
        _delivery(row, event, at, channel)
        for row in rows
        for event, at in _events(before.get(row["alert_id"]), row)
        for channel in names
    ]
    tables.insert_new(connection, deliveries, told)
    return len(rows)


def read(connection: sa.Connection, status: str | None = None) -> pd.DataFrame:
    """Alerts in the order in which they were opened; only those of a status if given."""
    query = sa.select(alerts).order_by(alerts.c.opened_at, alerts.c.rule, alerts.c.subject)
    if status is not None:
        query = query.where(alerts.c.status == status)
    return sql_frames.read(connection, query)


def _events(before: Row | None, after: Row) -> Iterator[tuple[Event, int]]:
    """What happened between two states of an alert, in order, each with its time."""
    was_open = before is not None and before["status"] == "open"
    is_open = after["status"] == "open"
    later = before is None or after["resolved_at"] != before["resolved_at"]
    if before is None:
        yield "opened", after["opened_at"]
    elif not was_open and (is_open or later):
        yield "reopened", after["last_seen_at"]
    if not is_open and (was_open or later):
        yield "resolved", after["resolved_at"]


def _delivery(alert: Row, event: Event, at: int, channel: str) -> Row:
    key = json.dumps([alert["alert_id"], event, at, channel])
    identity = str(uuid.uuid5(_NAMESPACE, key))
    times = {name: _time(alert[name]) for name in ("opened_at", "last_seen_at", "resolved_at")}
    message = Message.of({**alert, **times}, delivery_id=identity, event=event, event_at=_time(at))
    return {
        "delivery_id": identity,
        "alert_id": alert["alert_id"],
        "event": event,
        "event_at": at,
        "channel": channel,
        "status": "pending",
        "attempts": 0,
        "next_attempt_at": at,
        "claimed_until": None,
        "sent_at": None,
        "last_error": "",
        "message": message.to_json(),
    }


def _stored(connection: sa.Connection, ids: list[str]) -> dict[str, Row]:
    """The state of the alerts that are known, held until the transaction ends."""
    columns = (alerts.c.alert_id, alerts.c.status, alerts.c.last_seen_at, alerts.c.resolved_at)
    found: dict[str, Row] = {}
    ids = sorted(ids)
    for first in range(0, len(ids), _IDS_AT_ONCE):
        some = alerts.c.alert_id.in_(ids[first : first + _IDS_AT_ONCE])
        query = sa.select(*columns).where(some).order_by(alerts.c.alert_id).with_for_update()
        found |= {row["alert_id"]: dict(row) for row in connection.execute(query).mappings()}
    return found


def _behind(row: Row, stored: Row | None) -> bool:
    return stored is not None and row["last_seen_at"] < stored["last_seen_at"]


def _checked(channels: Sequence[str]) -> list[str]:
    """The names of the channels, each once."""
    if isinstance(channels, str):
        raise ValueError(f"channels == {channels!r}; pass a list of names: [{channels!r}]")
    wrong = [name for name in channels if not isinstance(name, str) or not name.strip()]
    if wrong:
        raise ValueError(
            f"channels holds {wrong[0]!r}; it must be names, those under which `outbox.deliver` "
            "gets the channels"
        )
    return list(dict.fromkeys(channels))


def _time(microseconds: int | None) -> pd.Timestamp | None:
    return None if microseconds is None else pd.Timestamp(microseconds, unit="us", tz="UTC")
