"""The life of an experiment: draft, running, paused, completed; what may change when.

A record is the flat plan of `ExperimentPlan.to_dict` with `status`, `events` and, once analysed,
`analysed`, `conclusion` and `verdict`. Each step takes a record and gives back a new one, or raises
`StepRefused` with all that stands against it. The same step again, at the same time and with the
same words, changes nothing: a notebook may be run twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from mlops_helpers.experiment_plan import ExperimentPlan, plain
from mlops_helpers.lifecycle_events import (
    NOT_THE_PLAN,
    STATES,
    Record,
    Stage,
    StepRefused,
    as_drafted,
    as_known,
    entry,
    instant,
    repeated,
    stages,
)

__all__ = [
    "STATES",
    "Stage",
    "StepRefused",
    "amend",
    "as_known",
    "complete",
    "draft",
    "pause",
    "ramp",
    "result",
    "resume",
    "stages",
    "start",
]

_FROM = {  # the states in which an event may happen
    "started": ("draft",),
    "ramped": ("running", "paused"),
    "paused": ("running",),
    "resumed": ("paused",),
    "completed": ("running", "paused"),
    "amended": ("draft", "running", "paused"),
    "analysed": ("running", "paused", "completed"),
}
_WAY_OUT = {
    "draft": "start it first; a draft is changed with amend",
    "running": "it runs already",
    "paused": "resume or complete it",
    "completed": "it never starts again; draft a new experiment under another name",
}
_MAY_MOVE = ("end", "ramp")  # after the start; the analysis rests on all the rest


def draft(plan: ExperimentPlan, at: pd.Timestamp, *, stored: Record | None = None) -> Record:
    """The record of a new experiment; with `stored`, what its name is already used for: refused.

    The draft that `stored` began with, at the same time, is no new one: `stored` comes back.
    """
    when = instant(at)
    if stored is None:
        return plan.to_dict() | {"status": "draft", "events": [entry("drafted", when, "", {})]}
    stored, given = as_known(stored), plan.to_dict()
    first = as_drafted(stored)
    drafted = next(iter(stored["events"]), {})
    if drafted.get("event") == "drafted" and drafted["at"] == when and given == first:
        return stored
    other = [key for key in given if given[key] != first.get(key)]
    raise StepRefused(
        f"the name {plan.name!r} is already in use: that experiment is {stored['status']}"
        + (f" and differs in {', '.join(other)}" if other else " and was drafted at another time")
        + (
            ". Change the draft with amend, or give the new plan a name of its own."
            if stored["status"] == "draft"
            else ". Give the new plan a name of its own."
        )
    )


def start(record: Record, at: pd.Timestamp, *, available: Iterable[int] | None = None) -> Record:
    """Running, with the plan as it is now. `available`: versions that have a model, if known."""
    record, wrong = as_known(record), []
    if available is not None and record["status"] == "draft":
        there = sorted({int(version) for version in available})
        wrong = [
            f"arm {arm!r} has no model: version {version} is not in the registry, which has "
            f"{', '.join(map(str, there)) or 'none'}; register it, or amend versions"
            for arm, version in record["versions"].items()
            if version not in there
        ]
    wrong += _over(record, at, "amend end")
    return _step(record, "started", at, None, status="running", wrong=wrong)


def ramp(record: Record, share: float, at: pd.Timestamp, reason: str) -> Record:
    """More of the treatments' shares in use: `share` is the new `Experiment.ramp`, at most 1."""
    return _changed(record, "ramped", {"ramp": share}, at, reason)


def pause(record: Record, at: pd.Timestamp, reason: str) -> Record:
    """Paused: nobody is assigned, control answers everybody."""
    return _step(record, "paused", at, reason, status="paused")


def resume(record: Record, at: pd.Timestamp, reason: str) -> Record:
    """Running again after a pause, with the shares of before."""
    wrong = _over(record, at, "complete it")
    return _step(record, "resumed", at, reason, status="running", wrong=wrong)


def complete(record: Record, at: pd.Timestamp, reason: str) -> Record:
    """Completed for good: nobody is assigned any more; outcomes may still be analysed."""
    return _step(record, "completed", at, reason, status="completed")


def amend(record: Record, changes: Mapping[str, Any], at: pd.Timestamp, reason: str) -> Record:
    """Change fields of the plan (keys of the record): any in a draft, later `end` or a larger ramp.

    Raises `StepRefused` naming every field that may not change, old -> new.
    """
    return _changed(record, "amended", changes, at, reason)


def result(record: Record, analysed: pd.Timestamp, conclusion: str, verdict: str) -> Record:
    """What an analysis at `analysed` found; earlier ones stay in the events."""
    found = {"conclusion": conclusion, "verdict": verdict}
    wrong = [
        f"{name} is {value!r}, must be a text that is not blank"
        for name, value in found.items()
        if not isinstance(value, str) or not value.strip()
    ]
    changes = {name: [record.get(name), value] for name, value in found.items()}
    found["analysed"] = instant(analysed)
    return _step(record, "analysed", analysed, None, changes=changes, fields=found, wrong=wrong)


def _changed(
    record: Record, event: str, changes: Mapping[str, Any], at: pd.Timestamp, reason: str
) -> Record:
    record = as_known(record)
    given = {str(key): plain(value) for key, value in changes.items()}
    if repeated(record, event, at, reason, given):
        return record
    moved = {key: [record.get(key), new] for key, new in given.items() if record.get(key) != new}
    wrong = [] if moved else [f"{', '.join(given) or 'no field'} is given, and nothing changes"]
    fields: dict[str, Any] = {}
    if record["status"] in _FROM[event]:
        refused = list(_no(record, moved))
        wrong += [f"{key} {old!r} -> {new!r}: {said}" for key, old, new, said in refused]
        allowed = {key: given[key] for key in given if key not in {key for key, *_ in refused}}
        try:
            made = ExperimentPlan.from_dict({**record, **allowed}).to_dict()
        except (TypeError, ValueError) as error:
            wrong.append(str(error).rstrip("."))
        else:
            wrong += _late(record, made["end"], instant(at))
            fields = {} if wrong else made
    pairs = {key: [record.get(key), fields.get(key, new)] for key, new in given.items()}
    return _step(record, event, at, reason, changes=pairs, fields=fields, wrong=wrong)


def _no(record: Record, moved: Mapping[str, Any]) -> Iterable[tuple[str, Any, Any, str]]:
    """Each change that is not allowed in the record's state, and why."""
    known = [key for key in record if key not in NOT_THE_PLAN]
    for key, (old, new) in moved.items():
        if key not in known:
            yield key, old, new, f"the plan has no such field, it has {', '.join(known)}"
        elif key == "name":
            yield key, old, new, "a record is kept under its name; draft a new experiment"
        elif record["status"] != "draft" and key not in _MAY_MOVE:
            yield key, old, new, "fixed at the start, for the analysis rests on it"
        elif record["status"] != "draft" and key == "ramp" and not _larger(new, old):
            yield key, old, new, "a ramp only grows, or treated units would go back to control"


def _late(record: Record, end: str | None, at: str) -> list[str]:
    """Else what was decided between two ends would be decided otherwise when it is replayed."""
    old = record["end"]
    late = [one for one in (old, end) if one is not None and pd.Timestamp(one) <= pd.Timestamp(at)]
    if record["status"] == "draft" or old == end or not late:
        return []
    return [f"end {old} -> {end}: both must be still to come; complete the experiment instead"]


def _over(record: Record, at: pd.Timestamp, way_out: str) -> list[str]:
    """After its end nobody would be assigned."""
    end = record.get("end")
    over = end is not None and pd.Timestamp(instant(at)) >= pd.Timestamp(end)
    return [f"its end is {end}: {way_out}"] if over else []


def _larger(new: object, old: float) -> bool:
    return isinstance(new, int | float) and new > old


def _step(
    record: Record,
    event: str,
    at: pd.Timestamp,
    reason: str | None,
    *,
    status: str | None = None,
    changes: Mapping[str, Any] | None = None,
    fields: Mapping[str, Any] | None = None,
    wrong: Iterable[str] = (),
) -> Record:
    """The record after an event, or all that stands against it. `reason` None: it needs none."""
    record, when, changes = as_known(record), instant(at), dict(changes or {})
    new = {key: pair[1] for key, pair in changes.items()}
    if repeated(record, event, at, reason, new):
        return record
    against = []
    if record["status"] not in _FROM[event]:
        against.append(f"it is {record['status']}: {_WAY_OUT[record['status']]}")
    last = record["events"][-1] if record["events"] else None
    if last and pd.Timestamp(when) < pd.Timestamp(last["at"]):
        against.append(f"it was {last['event']} later, at {last['at']}: steps are in order of time")
    if reason is not None and (not isinstance(reason, str) or not reason.strip()):
        against.append(f"reason is {reason!r}; say why, in words")
    if against := [*against, *wrong]:
        name = record.get("name")
        raise StepRefused(f"experiment {name!r} cannot be {event} at {when}: {'; '.join(against)}.")
    events = [*record["events"], entry(event, when, reason or "", changes)]
    return {**record, **(fields or {}), "status": status or record["status"], "events": events}
