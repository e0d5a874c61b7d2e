"""How a verdict of the gate is kept: the table, the rows it was reached on, how many came before.

Whoever asks the gate often enough, on other drawings of the same people, is let in by chance one
day. The gate cannot forbid that, so it counts: with each verdict stands which rows it was reached
on, how many verdicts about the version came before, and how many of them refused.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas as pd

from mlops_helpers.changing import GATE_EVENTS, Change
from mlops_helpers.gate import GateVerdict, RowsSeen
from mlops_helpers.journal import LONGEST
from mlops_helpers.provenance import content_digest

__all__ = ["keep", "rows_seen"]

ROOM = 30_000
"""Characters of evidence that a stored table has in all; MLflow's tag takes 100,000."""


def rows_seen(rows: object) -> RowsSeen:
    """Which rows these are: their number and digest, which is empty if they cannot be hashed."""
    if not isinstance(rows, pd.DataFrame):
        return RowsSeen()
    try:
        return RowsSeen(content_digest(rows) if rows.size else "", len(rows))
    except (TypeError, ValueError):  # a cell holds a list or the like
        return RowsSeen("", len(rows))


def keep(change: Change, verdict: GateVerdict) -> GateVerdict:
    """Record a verdict, whatever it is; comes back with how many were there before it."""
    before = [
        event.event
        for event in change.state.events
        if event.version == verdict.version and event.event in GATE_EVENTS
    ]
    rows = replace(verdict.rows, earlier=len(before), earlier_refused=before.count("gate refused"))
    verdict = replace(verdict, rows=rows)
    change.mark(
        "gate passed" if verdict.passed else "gate refused",
        verdict.version,
        reason=", ".join(verdict.refused_by),
        checks=_records(verdict.checks),
        compared_with=verdict.compared_with,
        champions=verdict.champions,
        rows=vars(rows),
    )
    return verdict


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The gate's table as plain values, long words cut: MLflow's tags are not endless."""
    records = table.astype(object).where(table.notna(), None).to_dict(orient="records")
    longest = min(LONGEST["reason"], ROOM // max(len(records), 1))
    return [{**row, "evidence": row["evidence"][:longest]} for row in records]
