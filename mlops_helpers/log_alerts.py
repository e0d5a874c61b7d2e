"""Alerts in the log, and what is to be told of them: both stored in one transaction.

Reached through the methods of `predictions.PredictionLog`.
"""

from __future__ import annotations

import json
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd
import sqlalchemy as sa

from mlops_helpers import sql_frames, tables
from mlops_helpers.log_rows import checked
from mlops_helpers.messages import Event, Message
from mlops_helpers.tables import alerts, deliveries

__all__ = ["SEVERITIES", "STATES", "append", "read"]

STATES = ("open", "resolved")
SEVERITIES = ("low", "medium", "high", "critical")

_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:mlops-helpers:delivery")
_LONGEST_NAME = 200  # characters of a channel's name: an index of PostgreSQL's holds it
_IDS_AT_ONCE = 10_000  # below the limits on bound values of both databases

Row = dict[str, Any]


def append(connection: sa.Connection, frame: pd.DataFrame, channels: Sequence[str] = ()) -> int:
    """Store alerts, and for each event and channel a delivery that is due; return how many.

    An alert that is known is brought up to date, never set back: one that was last seen before the
    stored one comes from a slower scheduler and is left out. Of two states at the same time
    "resolved" wins, whichever came first, so that schedulers, store and people agree in the end.

    An event is an alert that opened, opened again or was resolved since it was last stored; what
    flapped in between is folded. The same event is the same delivery however often it is found.
    What a channel has missed, because the alert was stored without it, is made up for when the
    alert is next handed over, changed or not.
    """
    names = _checked(channels)
    given = checked(frame, alerts).as_dicts()
    _sensible(given)
    ids = [row["alert_id"] for row in given]
    before = _stored(connection, ids)
    rows = [row for row in given if not _behind(row, before.get(row["alert_id"]))]
    if rows:
        _write(connection, rows)
    if names:
        last = _last_told(connection, ids)
        told = [
            _delivery(alert, event, at, channel)
            for key, alert in _stored(connection, ids).items()
            for channel in names
            for event, at in _to_tell(before.get(key), alert, last.get((key, channel)))
        ]
        tables.insert_new(connection, deliveries, told)
    return len(rows)


def read(connection: sa.Connection, status: str | None = None) -> pd.DataFrame:
    """Alerts in the order in which they were opened; only those of a status if given."""
    query = sa.select(alerts).order_by(alerts.c.opened_at, alerts.c.rule, alerts.c.subject)
    if status is not None:
        query = query.where(alerts.c.status == status)
    return sql_frames.read(connection, query)


def _write(connection: sa.Connection, rows: list[Row]) -> None:
    """Insert or update; another scheduler may have come in since the rows were compared."""
    tables.insert_new(connection, alerts, rows)
    rest = {c.name: sa.bindparam(f"new_{c.name}") for c in alerts.columns if not c.primary_key}
    seen, state = alerts.c.last_seen_at, alerts.c.status
    wins = sa.or_(state == "open", state == sa.bindparam("new_status"))
    statement = (
        sa.update(alerts)
        .where(alerts.c.alert_id == sa.bindparam("new_alert_id"))
        .where(sa.or_(seen < rest["last_seen_at"], sa.and_(seen == rest["last_seen_at"], wins)))
        .values(rest)
    )
    ordered = sorted(rows, key=lambda row: row["alert_id"])  # two writers lock in one order
    connection.execute(statement, [{f"new_{k}": v for k, v in row.items()} for row in ordered])


def _to_tell(before: Row | None, after: Row, last: str | None) -> list[tuple[Event, int]]:
    """The events that a channel must be told, which was told `last` of the alert, if anything."""
    events = list(_events(before, after))
    is_open = after["status"] == "open"
    if last is None:
        if (events or is_open) and ("opened", after["opened_at"]) not in events:
            events.insert(0, ("opened", after["opened_at"]))
    elif not events and is_open and last == "resolved":
        events.append(("reopened", after["last_seen_at"]))
    elif not events and not is_open and last != "resolved":
        events.append(("resolved", after["resolved_at"]))
    return events


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
    over = event != "resolved" and alert["status"] == "resolved"
    # What came and went since the last look: the value that is known is the recovery's.
    known = {**alert, **times, "value": None if over else alert["value"]}
    message = Message.of(known, delivery_id=identity, event=event, event_at=_time(at))
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
    found: dict[str, Row] = {}
    for some in _in_parts(ids):
        query = sa.select(alerts).where(alerts.c.alert_id.in_(some))
        query = query.order_by(alerts.c.alert_id).with_for_update()
        found |= {row["alert_id"]: dict(row) for row in connection.execute(query).mappings()}
    return found


def _last_told(connection: sa.Connection, ids: list[str]) -> dict[tuple[str, str], str]:
    """The last event of each alert (id) that each channel was or is to be told."""
    found: dict[tuple[str, str], str] = {}
    for some in _in_parts(ids):
        query = sa.select(deliveries.c.alert_id, deliveries.c.channel, deliveries.c.event)
        query = query.where(deliveries.c.alert_id.in_(some))
        query = query.order_by(deliveries.c.event_at, deliveries.c.event)
        found |= {(row.alert_id, row.channel): row.event for row in connection.execute(query)}
    return found


def _in_parts(ids: list[str]) -> Iterator[list[str]]:
    ids = sorted(ids)
    for first in range(0, len(ids), _IDS_AT_ONCE):
        yield ids[first : first + _IDS_AT_ONCE]


def _behind(row: Row, stored: Row | None) -> bool:
    """Is it older than what is stored, or of the same time and not what wins?"""
    if stored is None or row["last_seen_at"] > stored["last_seen_at"]:
        return False
    same = all(row[name] == stored[name] for name in ("status", "resolved_at"))
    resolves = stored["status"] == "open" and row["status"] == "resolved"
    return row["last_seen_at"] < stored["last_seen_at"] or not (same or resolves)


def _sensible(rows: list[Row]) -> None:
    """`ValueError` for alerts that contradict themselves or each other."""
    for row in rows:
        name, resolved = f"alert {row['alert_id']!r}", row["resolved_at"] is not None
        for field, allowed in (("status", STATES), ("severity", SEVERITIES)):
            if row[field] not in allowed:
                raise ValueError(f"{name}: {field} == {row[field]!r}; must be in {allowed}")
        if resolved != (row["status"] == "resolved"):
            raise ValueError(
                f"{name}: status == {row['status']!r} "
                f"{'with' if resolved else 'without'} a resolved_at; exactly a resolved alert has "
                "one, the time of its recovery"
            )
    counts = Counter(row["alert_id"] for row in rows)
    twice = [key for key, n in counts.items() if n > 1]
    if twice:
        raise ValueError(
            f"alert_id {twice[0]!r} is there more than once; hand over each alert's latest state, "
            "or one state a call, in order of time"
        )


def _checked(channels: Sequence[str]) -> list[str]:
    """The names of the channels, each once."""
    if isinstance(channels, str):
        raise ValueError(f"channels == {channels!r}; pass a list of names: [{channels!r}]")
    for name in channels:
        named = isinstance(name, str) and name.strip() and name.isprintable()
        if not named or len(name) > _LONGEST_NAME:
            raise ValueError(
                f"channels holds {str(name)[:80]!r}; it must be printable names of at most "
                f"{_LONGEST_NAME} characters, those under which `outbox.deliver` gets the channels"
            )
    return list(dict.fromkeys(channels))


def _time(microseconds: int | None) -> pd.Timestamp | None:
    return None if microseconds is None else pd.Timestamp(microseconds, unit="us", tz="UTC")
