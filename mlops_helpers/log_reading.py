"""Predictions with their outcomes: a window at once, or in chunks of bounded memory."""

from __future__ import annotations

import numbers
from collections.abc import Iterator
from typing import Any

import pandas as pd
import sqlalchemy as sa

from mlops_helpers import log_store, sql_frames, tables
from mlops_helpers.log_rows import WHOLE, searched
from mlops_helpers.tables import outcomes, predictions

__all__ = ["chunks", "window_query", "with_labels"]

When = pd.Timestamp | None


def window_query(
    start: When,
    end: When,
    *,
    model_version: int | None,
    experiment: str | None,
    shadow: bool = True,
) -> sa.Select[Any]:
    """Predictions scored in [start, end) in order of time, with their outcomes where known.

    Without `shadow` those are left out that answered nobody. In order of time and id: no two runs
    differ, and an index gives the times already in order.
    """
    query = (
        sa.select(predictions, outcomes.c["default"], outcomes.c.outcome_at)
        .join(outcomes, isouter=True)
        .where(*tables.within(start, end))
        .order_by(predictions.c.scored_at, predictions.c.prediction_id)
    )
    if model_version is not None:
        whole = isinstance(model_version, numbers.Real) and model_version % 1 == 0
        if not whole or not WHOLE.min <= model_version <= WHOLE.max:
            raise ValueError(
                f"model_version == {model_version!r}; must be a whole number within "
                f"[{WHOLE.min}, {WHOLE.max}]"
            )
        query = query.where(predictions.c.model_version == int(model_version))
    if experiment is not None:
        query = query.where(predictions.c.experiment == searched("experiment", experiment))
    return query if shadow else query.where(tables.traffic())


def with_labels(frame: pd.DataFrame) -> pd.DataFrame:
    """Labels as floats, whether one is missing or none: windows concatenate."""
    return frame.astype({"default": "float64"})


def chunks(engine: sa.Engine, query: sa.Select[Any], rows: int) -> Iterator[pd.DataFrame]:
    """The rows of a `window_query` as they were when the first was read, so many at a time.

    One query in one snapshot: what is written meanwhile is not seen, and no row comes twice or
    never. The snapshot lasts until the last chunk or until the iterator is closed.
    """
    with log_store.reading(engine) as connection:
        for frame in sql_frames.read_in_chunks(connection, query, rows):
            yield with_labels(frame)
