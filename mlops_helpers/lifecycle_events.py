"""The record of an experiment: its plan, its state, and every event that has changed it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from mlops_helpers.experiment_plan import plain

__all__ = [
    "NOT_THE_PLAN",
    "STATES",
    "Record",
    "StepRefused",
    "as_drafted",
    "as_known",
    "entry",
    "instant",
    "repeated",
]

Record = Mapping[str, Any]
STATES = ("draft", "running", "paused", "completed")
NOT_THE_PLAN = ("status", "events", "imported", "analysed", "conclusion", "verdict")
"""Keys of a record that are no fields of its plan."""


class StepRefused(ValueError):
    """The experiment's state, its plan or the order of time forbids the step; all reasons."""


def as_known(record: Record) -> Record:
    """A record with its `status` and `events`; one that an earlier release kept has neither.

    Such an experiment is over: nothing can be said of its states but what it was planned and found
    to be, so it is told as completed and marked `imported`. Raises `StepRefused` for a state that
    is none of `STATES`.
    """
    if "status" not in record:
        return {**record, "status": "completed", "imported": True, "events": []}
    if record["status"] not in STATES:
        raise StepRefused(
            f"experiment {record.get('name')!r} is {record['status']!r}, must be one of "
            f"{', '.join(STATES)}: it was kept by a newer release, or damaged. Update the course."
        )
    return record


def entry(event: str, at: str, reason: str, changes: Mapping[str, Any]) -> dict[str, Any]:
    """An event as a record keeps it; changes are [old, new] by field."""
    return {"at": at, "event": event, "reason": reason, "changes": dict(changes)}


def repeated(
    record: Record, happened: str, at: pd.Timestamp, reason: str | None, new: Mapping[str, Any]
) -> bool:
    """Has the same happened already, at the same time?"""
    same = (happened, instant(at), reason or "", new)
    return any(
        (e["event"], e["at"], e["reason"], {k: p[1] for k, p in e["changes"].items()}) == same
        for e in record["events"]
    )


def as_drafted(record: Record) -> dict[str, Any]:
    """The plan with all its changes taken back."""
    first = {key: value for key, value in record.items() if key not in NOT_THE_PLAN}
    for one in reversed(record["events"]):
        first |= {key: pair[0] for key, pair in one["changes"].items() if key in first}
    return first


def instant(at: pd.Timestamp) -> str:
    """A time as a record has it."""
    if not isinstance(at, pd.Timestamp) or pd.isna(at) or at.tz is None:
        raise StepRefused(f"at is {at!r}; must be an instant: pd.Timestamp('2024-01-01', tz='UTC')")
    return plain(at)
