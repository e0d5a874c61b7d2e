"""The record of an experiment: its plan, its state, and every event that has changed it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from mlops_helpers.experiment_plan import ExperimentPlan, plain

__all__ = [
    "NOT_THE_PLAN",
    "STATES",
    "Record",
    "Stage",
    "StepRefused",
    "as_drafted",
    "as_known",
    "as_of",
    "damage",
    "entry",
    "in_force",
    "instant",
    "repeated",
    "stages",
]

Record = Mapping[str, Any]
STATES = ("draft", "running", "paused", "completed")
NOT_THE_PLAN = ("status", "events", "imported", "analysed", "conclusion", "verdict")
"""Keys of a record that are no fields of its plan."""
_STATUS = {
    "started": "running",
    "resumed": "running",
    "paused": "paused",
    "completed": "completed",
}
_EVER = pd.Timestamp.min.ceil("D").tz_localize("UTC")  # before any prediction


@dataclass(frozen=True)
class Stage:
    """A time in which the arms had the same shares, from `since` to the next stage's.

    shares: of the arms, in their order, as of all units that met the experiment; they sum to 1.
    full: whether this is the planned split, after the ramp. Nobody is assigned during a pause, so
    it needs no stage of its own.
    """

    since: pd.Timestamp
    shares: tuple[float, ...]
    full: bool


class StepRefused(ValueError):
    """The experiment's state, its plan or the order of time forbids the step; all reasons."""


def as_known(record: Record) -> Record:
    """A record with its `status` and `events`; one that an earlier release kept has neither.

    Such an experiment is over: nothing can be said of its states but what it was planned and found
    to be, so it is told as completed and marked `imported`. Raises `StepRefused` for what is no
    record (`damage`).
    """
    if wrong := damage(record):
        name = record.get("name") if isinstance(record, Mapping) else None
        raise StepRefused(f"experiment {name!r:.60} cannot be read: {wrong}. Update the course.")
    if "status" not in record:
        return {**record, "status": "completed", "imported": True, "events": []}
    return record


def damage(record: object) -> str:
    """Why this is no record of an experiment, in a clause; "" if it is one."""
    if not isinstance(record, Mapping):
        return f"its record is {record!r:.60}, must be values by name"
    if not isinstance(record.get("name"), str):
        return f"its name is {record.get('name')!r:.60}, must be a text"
    for field in ("arms", "split"):
        if not isinstance(record.get(field, []), list | tuple):
            return f"its {field} is {record[field]!r:.60}, must be a list"
    if "status" not in record:
        return ""
    if record["status"] not in STATES:
        return (
            f"its status is {record['status']!r:.60}, must be one of {', '.join(STATES)}: it was "
            "kept by a newer release, or damaged"
        )
    events = record.get("events")
    if not isinstance(events, list) or not all(map(_is_event, events)):
        return f"its events are {events!r:.60}, must be a list of what happened, and when"
    return ""


def _is_event(one: object) -> bool:
    if not isinstance(one, Mapping) or not {"at", "event", "reason", "changes"} <= one.keys():
        return False
    changes, back = one["changes"], one.get("taken_back", [])
    pairs = isinstance(changes, Mapping) and all(
        isinstance(pair, list | tuple) and len(pair) == 2 for pair in changes.values()
    )
    return pairs and isinstance(one["at"], str) and all(map(_is_event, back))


def entry(event: str, at: str, reason: str, changes: Mapping[str, Any]) -> dict[str, Any]:
    """An event as a record keeps it; changes are [old, new] by field."""
    return {"at": at, "event": event, "reason": reason, "changes": dict(changes)}


def repeated(
    record: Record, happened: str, at: pd.Timestamp, reason: str | None, new: Mapping[str, Any]
) -> bool:
    """Has the same happened already, at the same time? Also if it was taken back since."""
    same = (happened, instant(at), reason or "", new)
    return any(
        (e["event"], e["at"], e["reason"], {k: p[1] for k, p in e["changes"].items()}) == same
        for e in _all(record["events"])
    )


def _all(events: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    for one in events:
        yield from _all(one.get("taken_back", ()))
        yield one


def as_of(record: Record, at: pd.Timestamp) -> tuple[Record, list[dict[str, Any]]]:
    """The record as it is at a moment, and the events that are still to come then."""
    record, when = as_known(record), pd.Timestamp(instant(at))
    happened = [one for one in record["events"] if pd.Timestamp(one["at"]) <= when]
    to_come = record["events"][len(happened) :]
    if not to_come:
        return record, []
    status = "draft"
    for one in happened:
        if status != "draft" or one["event"] == "started":
            status = _STATUS.get(one["event"], status)
    return {**record, **_before(to_come), "status": status, "events": happened}, to_come


def _before(events: list[dict[str, Any]]) -> dict[str, Any]:
    """What the fields that events have changed were before them."""
    old: dict[str, Any] = {}
    for one in reversed(events):
        old |= {key: pair[0] for key, pair in one["changes"].items()}
    return old


def as_drafted(record: Record) -> dict[str, Any]:
    """The plan with all its changes taken back."""
    first = {key: value for key, value in record.items() if key not in NOT_THE_PLAN}
    return first | {key: old for key, old in _before(record["events"]).items() if key in first}


def in_force(record: Record) -> Iterator[tuple[pd.Timestamp, float, bool]]:
    """Of each event in order of time: when it was, the ramp from then on, whether units enter."""
    record, running = as_known(record), False
    ramp = as_drafted(record).get("ramp", 1.0)
    for happened in record["events"]:
        if happened["event"] in _STATUS:
            running = _STATUS[happened["event"]] == "running"
        ramp = happened["changes"].get("ramp", (None, ramp))[1]
        yield pd.Timestamp(happened["at"]), ramp, running


def stages(record: Record) -> tuple[Stage, ...]:
    """The stages of the ramp in order of time; none for a draft.

    Of a record that an earlier release kept: one at the planned split, from its planned start.
    """
    record = as_known(record)
    split = tuple(record.get("split", ()))
    if record.get("imported"):
        began = pd.Timestamp(record["start"]) if record.get("start") else _EVER
        return (Stage(began, split, True),) if split else ()
    lived = list(in_force(record))
    first = next((place for place, (_, _, running) in enumerate(lived) if running), len(lived))
    found: list[tuple[pd.Timestamp, float]] = []
    for when, share, _ in lived[first:]:
        if not found or found[-1][1] != share:
            found.append((when, share))
    if not found:
        return ()
    experiment = ExperimentPlan.from_dict(record).experiment
    return tuple(Stage(when, experiment.at(part).shares, part == 1) for when, part in found)


def instant(at: pd.Timestamp) -> str:
    """A time as a record has it."""
    if not isinstance(at, pd.Timestamp) or at.tz is None:  # as NaT is
        raise StepRefused(f"at is {at!r}; must be an instant: pd.Timestamp('2024-01-01', tz='UTC')")
    return plain(at)
