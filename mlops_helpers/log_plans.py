"""Experiments in the log: a plan that stays as it was first written, and results that join it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import sqlalchemy as sa

from mlops_helpers import tables
from mlops_helpers.tables import experiments

__all__ = ["RESULT_FIELDS", "records", "save"]

RESULT_FIELDS = ("analysed", "conclusion", "verdict")
"""What may join or change later; all other fields of a record are its plan."""


def save(connection: sa.Connection, record: Mapping[str, Any]) -> None:
    """Keep a record under its name. Raises `ValueError` naming every field that would change."""
    name = record.get("name")
    if not isinstance(name, str) or not name:
        raise ValueError(f"record['name'] == {name!r}; an experiment is kept under its name")
    text = json.dumps(dict(record), default=_as_json, sort_keys=True)
    if tables.insert_new(connection, experiments, [{"name": name, "record": text}]):
        return
    mine = sa.select(experiments.c.record).where(experiments.c.name == name)
    stored = json.loads(connection.scalars(mine.with_for_update()).one())
    merged = _same_plan(stored, json.loads(text))
    row = {"name": name, "record": json.dumps(merged, sort_keys=True)}
    tables.upsert(connection, experiments, [row])


def records(connection: sa.Connection) -> list[dict[str, Any]]:
    """All records by name; times are ISO text."""
    query = sa.select(experiments.c.record).order_by(experiments.c.name)
    return [json.loads(text) for text in connection.scalars(query)]


def _same_plan(stored: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """The stored record with what `given` adds to its results; refuses another plan."""
    plan = [field for field in given if field not in RESULT_FIELDS]
    changed = [field for field in plan if field not in stored or stored[field] != given[field]]
    if changed:
        told = "; ".join(
            f"{field} is {stored[field]!r}, not {given[field]!r}"
            if field in stored
            else f"{field} == {given[field]!r} was not planned"
            for field in changed
        )
        raise ValueError(
            f"experiment {stored['name']!r} is stored and its plan stays as it was: {told}. "
            "Give a changed plan a name of its own."
        )
    return {**stored, **given}


def _as_json(value: object) -> object:
    """What JSON has no word for: times as ISO text, NumPy numbers as Python's."""
    if isinstance(value, pd.Timestamp | pd.Timedelta):
        return value.isoformat()
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{value!r} ({type(value).__name__}) cannot be kept as JSON; convert it first")
