"""Experiments in the log: a plan that stays as it was first written, and results that join it."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import sqlalchemy as sa

from mlops_helpers import tables
from mlops_helpers.log_rows import checked
from mlops_helpers.tables import experiments

__all__ = ["RESULT_FIELDS", "as_kept", "records", "save"]

RESULT_FIELDS = ("analysed", "conclusion", "verdict")
"""What may join or change later; all other fields of a record are its plan."""


def save(connection: sa.Connection, record: Mapping[str, Any]) -> None:
    """Keep a record under its name.

    Raises `ValueError` naming every field that would change, and for a name or a time that cannot
    be stored; `TypeError` for a value that JSON has no word for.
    """
    name = record.get("name")
    if not isinstance(name, str) or not name:
        raise ValueError(f"record['name'] == {name!r}; an experiment is kept under its name")
    given = {str(field): as_kept(field, value) for field, value in record.items()}
    text = json.dumps(given, sort_keys=True)
    row = checked(pd.DataFrame({"name": [name], "record": [text]}, dtype=object), experiments)
    if tables.insert_new(connection, experiments, row):
        return
    mine = sa.select(experiments.c.record).where(experiments.c.name == name)
    stored = json.loads(connection.scalars(mine.with_for_update()).one())
    merged = json.dumps(_same_plan(stored, given), sort_keys=True)
    tables.upsert(connection, experiments, [{"name": name, "record": merged}])


def records(connection: sa.Connection) -> list[dict[str, Any]]:
    """All records by name; times are ISO text."""
    query = sa.select(experiments.c.record).order_by(experiments.c.name)
    return [json.loads(text) for text in connection.scalars(query)]


def _same_plan(stored: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """The stored record with what `given` adds to its results; refuses another plan."""
    plan = [field for field in given if field not in RESULT_FIELDS]
    changed = [f for f in plan if f not in stored or not _same(stored[f], given[f])]
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
    return stored | {field: given[field] for field in given if field in RESULT_FIELDS}


def _same(stored: object, given: object) -> bool:
    """As values, or as what is written down: nan is written as nan."""
    return stored == given or json.dumps(stored, sort_keys=True) == json.dumps(
        given, sort_keys=True
    )


def as_kept(field: object, value: object) -> object:
    """A field's value as it comes back from the store. Raises `ValueError` naming the field."""
    try:
        return json.loads(json.dumps(value, default=_as_json))
    except ValueError as error:
        raise ValueError(f"record[{field!r}]: {error}") from error


def _as_json(value: object) -> object:
    """What JSON has no word for: instants as ISO text in UTC, NumPy numbers as Python's."""
    if isinstance(value, datetime.datetime):
        when = pd.Timestamp(value)
        if pd.isna(when) or when.tz is None:
            raise ValueError(f"{value} has no time zone; pd.Timestamp({str(value)!r}, tz='UTC')")
        return when.tz_convert("UTC").isoformat()
    if isinstance(value, pd.Timedelta):
        return value.isoformat()
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{value!r} ({type(value).__name__}) cannot be kept as JSON; convert it first")
