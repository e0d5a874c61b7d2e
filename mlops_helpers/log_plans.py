"""Experiments in the log: one record a name, changed by one step at a time.

Reached through `predictions.PredictionLog`; which step is allowed is `lifecycle`'s to say.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd
import sqlalchemy as sa

from mlops_helpers import tables
from mlops_helpers.experiment_plan import ExperimentPlan
from mlops_helpers.lifecycle import Stage, as_known, stages
from mlops_helpers.lifecycle_events import damage
from mlops_helpers.log_rows import checked, searched
from mlops_helpers.log_store import LogError
from mlops_helpers.tables import experiments

__all__ = ["change", "lived", "record", "records"]

Step = Callable[[Mapping[str, Any] | None], Mapping[str, Any]]


def change(connection: sa.Connection, name: str, step: Step) -> dict[str, Any]:
    """Keep what `step` makes of the record under a name (None if there is none), and return it.

    The row is locked from its reading on: of two steps at once, the second sees what the first has
    made of it. Whatever `step` raises ends the transaction. Raises `ValueError` for a name that
    cannot be stored, `LogError` for a record that is damaged.
    """
    stored = _locked(connection, name)
    if stored is None:
        made = dict(step(None))
        text = json.dumps(made, sort_keys=True)
        row = checked(pd.DataFrame({"name": [name], "record": [text]}, dtype=object), experiments)
        if tables.insert_new(connection, experiments, row):
            return made
        stored = _locked(connection, name)  # somebody was faster
    made = dict(step(stored))
    if made != stored:
        text = json.dumps(made, sort_keys=True)
        tables.upsert(connection, experiments, [{"name": name, "record": text}])
    return made


def record(connection: sa.Connection, name: str) -> dict[str, Any] | None:
    """The record under a name, None if there is none; `LogError` if it is damaged."""
    text = connection.scalars(_asked(name)).one_or_none()
    return None if text is None else _read(name, text)


def records(connection: sa.Connection) -> list[dict[str, Any]]:
    """All records by name; times are ISO text.

    One that is damaged is `name`, `status` "damaged" and `damage`, in words: no other experiment
    is to wait until it is mended.
    """
    query = sa.select(experiments).order_by(experiments.c.name)
    found = []
    for row in connection.execute(query):
        try:
            found.append(_read(row.name, row.record))
        except LogError as error:
            found.append({"name": row.name, "status": "damaged", "damage": str(error)})
    return found


def lived(connection: sa.Connection, name: str) -> tuple[Stage, ...]:
    """The stages of an experiment's ramp; none without a record. `LogError` if it is damaged."""
    found = record(connection, name)
    return () if found is None else stages(found)


def _asked(name: str) -> sa.Select[tuple[str]]:
    return sa.select(experiments.c.record).where(experiments.c.name == searched("name", name))


def _locked(connection: sa.Connection, name: str) -> dict[str, Any] | None:
    text = connection.scalars(_asked(name).with_for_update()).one_or_none()
    return None if text is None else _read(name, text)


def _read(name: str, text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
        wrong = damage(found)
    except ValueError:
        wrong = f"its record is {text!r:.60}, must be values by name in JSON"
    if not wrong and found["name"] != name:
        wrong = f"its record is that of {found['name']!r:.60}"
    if not wrong:
        try:
            stages(found)
            if "status" in found:
                ExperimentPlan.from_dict(found)
        except (TypeError, ValueError) as error:
            wrong = str(error).rstrip(".")
    if wrong:
        raise LogError(
            f"the experiment {name!r} is damaged in the log: {wrong}. Restore the log from a copy, "
            "or update the course if a newer release has kept it."
        )
    return dict(as_known(found))
