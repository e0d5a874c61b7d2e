"""The life of an experiment: draft, running, paused, completed; what may change when.

A record is the flat plan of `ExperimentPlan.to_dict` with `status`, `events` and, once analysed,
`analysed`, `conclusion` and `verdict`. Each step takes a record and gives back a new one, or raises
`StepRefused` with all that stands against it. The same step again, at the same time and with the
same words, changes nothing: a notebook may be run twice. Steps are in order of time; one that is
still to come is taken back by a pause or an end before it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pandas as pd

from mlops_helpers.experiment_plan import RECORD_KEYS, ExperimentPlan, plain
from mlops_helpers.lifecycle_events import (
    STATES,
    Record,
    Stage,
    StepRefused,
    as_drafted,
    as_known,
    as_of,
    entry,
    instant,
    repeated,
    stages,
)
from mlops_helpers.lifecycle_rules import is_over, refused_changes, refused_end, without_model

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
_UNASKED = ("started", "analysed")  # events that need no reason
_OR_ELSE = {  # events that are not taken back
    "drafted": ", or draft the plan under another name",
    "analysed": "",
}


def draft(plan: ExperimentPlan, at: pd.Timestamp, *, stored: Record | None = None) -> Record:
    """The record of a new experiment; with `stored`, what its name is already used for: refused.

    The draft that `stored` began with, at the same time, is no new one: `stored` comes back.
    """
    if not isinstance(plan, ExperimentPlan):
        raise StepRefused(f"plan is {plan!r:.60}, must be an ExperimentPlan")
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
        wrong = without_model(record["versions"], available)
    wrong += is_over(record, at, "amend end")
    return _step(record, "started", at, "", status="running", wrong=wrong)


def ramp(record: Record, share: float, at: pd.Timestamp, reason: str) -> Record:
    """More of the treatments' shares in use: `share` is the new `Experiment.ramp`, at most 1."""
    return _changed(record, "ramped", {"ramp": share}, at, reason)


def pause(
    record: Record,
    at: pd.Timestamp,
    reason: str,
    *,
    exposed_since: Callable[[pd.Timestamp], bool] = lambda _: False,
) -> Record:
    """Paused: nobody is assigned, control answers everybody.

    Steps that are still to come at `at` are taken back: they stand in the event, under
    "taken_back", and their changes are undone; without its start it is a draft again. What came
    true is not taken back: `exposed_since(at)` says whether applications were exposed since then.
    """
    return _stop(record, "paused", at, reason, exposed_since)


def resume(record: Record, at: pd.Timestamp, reason: str) -> Record:
    """Running again after a pause, with the shares of before."""
    wrong = is_over(record, at, "complete it")
    return _step(record, "resumed", at, reason, status="running", wrong=wrong)


def complete(
    record: Record,
    at: pd.Timestamp,
    reason: str,
    *,
    exposed_since: Callable[[pd.Timestamp], bool] = lambda _: False,
) -> Record:
    """Completed for good: nobody is assigned any more; outcomes may still be analysed.

    Steps that are still to come are taken back as by `pause`.
    """
    return _stop(record, "completed", at, reason, exposed_since)


def amend(record: Record, changes: Mapping[str, Any], at: pd.Timestamp, reason: str) -> Record:
    """Change fields of the plan (keys of the record): any in a draft, later `end` or a larger ramp.

    The primary metric may also be called `primary`, as in the plan.
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
    return _step(record, "analysed", analysed, "", changes=changes, fields=found, wrong=wrong)


def _changed(
    record: Record, event: str, changes: Mapping[str, Any], at: pd.Timestamp, reason: str
) -> Record:
    record = as_known(record)
    if not isinstance(changes, Mapping):
        raise StepRefused(f"changes is {changes!r:.60}, must be new values by field")
    given = {RECORD_KEYS.get(str(key), str(key)): plain(value) for key, value in changes.items()}
    if repeated(record, event, at, reason, given):
        return record
    moved = {key: [record.get(key), new] for key, new in given.items() if record.get(key) != new}
    wrong = [] if moved else [f"{', '.join(given) or 'no field'} is given, and nothing changes"]
    fields: dict[str, Any] = {}
    if record["status"] in _FROM[event]:
        refused = list(refused_changes(record, moved))
        wrong += [f"{key} {old!r} -> {new!r}: {said}" for key, old, new, said in refused]
        allowed = {key: given[key] for key in given if key not in {key for key, *_ in refused}}
        try:
            made = ExperimentPlan.from_dict({**record, **allowed}).to_dict()
        except (TypeError, ValueError) as error:
            wrong.append(str(error).rstrip("."))
        else:
            wrong += refused_end(record, made["end"], instant(at))
            fields = {} if wrong else made
    pairs = {key: [record.get(key), fields.get(key, new)] for key, new in given.items()}
    return _step(record, event, at, reason, changes=pairs, fields=fields, wrong=wrong)


def _stop(
    record: Record,
    event: str,
    at: pd.Timestamp,
    reason: str,
    exposed_since: Callable[[pd.Timestamp], bool],
) -> Record:
    """Paused or completed; what was still to come is taken back."""
    before, to_come = as_of(record, at)
    stays = any(one["event"] in _OR_ELSE for one in to_come)
    if not to_come or stays or repeated(as_known(record), event, at, reason, {}):
        return _step(record, event, at, reason, status=event)
    wrong = []
    if exposed_since(at):
        first = to_come[0]
        wrong = [
            f"it was {first['event']} at {first['at']}, and applications were exposed since "
            f"{instant(at)}: give a time after the last of them"
        ]
    status = "draft" if event == "paused" and before["status"] == "draft" else event
    return _step(before, event, at, reason, status=status, wrong=wrong, taken_back=to_come)


def _step(
    record: Record,
    event: str,
    at: pd.Timestamp,
    reason: str,
    *,
    status: str | None = None,
    changes: Mapping[str, Any] | None = None,
    fields: Mapping[str, Any] | None = None,
    wrong: Iterable[str] = (),
    taken_back: Iterable[Mapping[str, Any]] = (),
) -> Record:
    """The record after an event, or all that stands against it."""
    record, when, changes = as_known(record), instant(at), dict(changes or {})
    back = {"taken_back": list(taken_back)} if taken_back else {}
    new = {key: pair[1] for key, pair in changes.items()}
    if repeated(record, event, at, reason, new):
        return record
    against = []
    if record["status"] not in _FROM[event] and not back:
        against.append(f"it is {record['status']}: {_WAY_OUT[record['status']]}")
    last = record["events"][-1] if record["events"] else None
    if last and pd.Timestamp(when) < pd.Timestamp(last["at"]):
        against.append(
            f"it was {last['event']} later, at {last['at']}: steps are in order of time, so give a "
            "later one" + _OR_ELSE.get(last["event"], ", or take it back with pause or complete")
        )
    if event not in _UNASKED and (not isinstance(reason, str) or not reason.strip()):
        against.append(f"reason is {reason!r}; say why, in words")
    if against := [*against, *wrong]:
        name = record.get("name")
        raise StepRefused(f"experiment {name!r} cannot be {event} at {when}: {'; '.join(against)}.")
    events = [*record["events"], entry(event, when, reason, changes) | back]
    return {**record, **(fields or {}), "status": status or record["status"], "events": events}
