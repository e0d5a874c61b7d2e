"""Stages of a scheduled run in the log: how each stands, how long it took, what came of it.

A run is a `key` (a model and a date, say) and has stages, each there once: what is saved again
replaces what was there, so that a run that goes on after a kill tells one story.
Reached through the methods of `predictions.PredictionLog`.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import sqlalchemy as sa

from mlops_helpers import sql_frames, tables
from mlops_helpers.log_rows import checked, searched
from mlops_helpers.log_store import LogError
from mlops_helpers.tables import steps

__all__ = ["read", "save"]

_NAMES = ("key", "stage")
_DEFAULTS: dict[str, Any] = {"seconds": None, "attempts": 1, "told": "", "result": {}}


def save(connection: sa.Connection, step: Mapping[str, Any]) -> None:
    """Keep a stage, in place of what was known of it.

    Raises `TypeError` for a result that JSON has no word for, and `ValueError` for a blank name
    and for whatever `log_rows.checked` refuses.
    """
    given = _DEFAULTS | dict(step)
    for name in _NAMES:
        value = given.get(name)
        if not isinstance(value, str) or not value.strip():
            raise ValueError(
                f"step[{name!r}] == {value!r}; must be a text: a stage is kept under its run's "
                "key and its own name"
            )
    if not isinstance(given["result"], Mapping):
        raise ValueError(
            f"step['result'] == {given['result']!r:.100}; must be values by name, {{}} for none"
        )
    result = {str(name): _as_kept(name, value) for name, value in given["result"].items()}
    row = given | {"result": json.dumps(result, sort_keys=True)}
    frame = pd.DataFrame({name: [value] for name, value in row.items()})
    tables.upsert(connection, steps, checked(frame, steps).as_dicts())


def read(connection: sa.Connection, key: str | None = None) -> pd.DataFrame:
    """All stages in order of time, or those of a run; `result` as it was given.

    Raises LogError for a result that somebody else has written, or cut.
    """
    query = sa.select(steps).order_by(steps.c.started_at, steps.c.key, steps.c.stage)
    if key is not None:
        query = query.where(steps.c.key == searched("key", key))
    frame = sql_frames.read(connection, query)
    results = [_result(row) for row in frame.itertuples()]
    frame["result"] = pd.Series(results, dtype=object)
    return frame


def _result(row: Any) -> dict[str, Any]:  # noqa: ANN401 - a row of pandas
    try:
        found = json.loads(row.result)
    except ValueError as error:
        found = error
    if not isinstance(found, dict):
        raise LogError(
            f"the stage {row.stage} of {row.key} is damaged in the log: its result is "
            f"{row.result!r:.60}, must be values by name in JSON. Restore the log from a copy."
        )
    return found


def _as_kept(field: object, value: object) -> object:
    """A field's value as it comes back from the store. Raises `ValueError` naming the field."""
    try:
        return json.loads(json.dumps(value, default=_as_json))
    except ValueError as error:
        raise ValueError(f"result[{field!r}]: {error}") from error


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
