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
from mlops_helpers.lifecycle import as_known
from mlops_helpers.log_rows import checked, searched
from mlops_helpers.log_store import LogError
from mlops_helpers.tables import experiments

__all__ = ["change", "records"]

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


def records(connection: sa.Connection) -> list[dict[str, Any]]:
    """All records by name; times are ISO text. Raises `LogError` for one that is damaged."""
    query = sa.select(experiments).order_by(experiments.c.name)
    return [_read(row.name, row.record) for row in connection.execute(query)]


def _locked(connection: sa.Connection, name: str) -> dict[str, Any] | None:
    mine = sa.select(experiments.c.record).where(experiments.c.name == searched("name", name))
    text = connection.scalars(mine.with_for_update()).one_or_none()
    return None if text is None else _read(name, text)


def _read(name: str, text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise LogError(
            f"the experiment {name!r} is damaged in the log: its record is {text!r:.60}, must be "
            "values by name in JSON. Restore the log from a copy."
        )
    return dict(as_known(found))
