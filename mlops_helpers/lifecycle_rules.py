"""What stands against a step of an experiment's life, in clauses: fields, end, models."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from mlops_helpers.lifecycle_events import NOT_THE_PLAN, Record, instant

__all__ = ["is_over", "refused_changes", "refused_end", "without_model"]

_MAY_MOVE = ("end", "ramp")  # after the start; the analysis rests on all the rest


def refused_changes(
    record: Record, moved: Mapping[str, Any]
) -> Iterator[tuple[str, Any, Any, str]]:
    """Each change that is not allowed in the record's state, and why."""
    known = [key for key in record if key not in NOT_THE_PLAN]
    for key, (old, new) in moved.items():
        if key not in known:
            yield key, old, new, f"the plan has no such field, it has {', '.join(known)}"
        elif key == "name":
            yield key, old, new, "a record is kept under its name; draft a new experiment"
        elif record["status"] != "draft" and key not in _MAY_MOVE:
            yield key, old, new, "fixed at the start, for the analysis rests on it"
        elif key == "ramp" and not _is_number(new):
            least = 0 if record["status"] == "draft" else old
            yield key, old, new, f"must be a number above {least} and at most 1"
        elif record["status"] != "draft" and key == "ramp" and new < old:
            yield key, old, new, "a ramp only grows, or treated units would go back to control"


def refused_end(record: Record, end: str | None, at: str) -> list[str]:
    """A clause unless both the old and the new end are still to come.

    Else what was decided between the two would be decided otherwise when it is replayed.
    """
    old = record["end"]
    late = [one for one in (old, end) if one is not None and pd.Timestamp(one) <= pd.Timestamp(at)]
    if record["status"] == "draft" or old == end or not late:
        return []
    return [f"end {old} -> {end}: both must be still to come; complete the experiment instead"]


def is_over(record: Record, at: pd.Timestamp, way_out: str) -> list[str]:
    """After its end nobody would be assigned."""
    end = record.get("end")
    over = end is not None and pd.Timestamp(instant(at)) >= pd.Timestamp(end)
    return [f"its end is {end}: {way_out}"] if over else []


def without_model(versions: Mapping[str, int], available: object) -> list[str]:
    """A clause for each arm whose version is not available."""
    try:
        there = sorted({int(version) for version in available})  # type: ignore[attr-defined]
    except (TypeError, ValueError):
        return [f"available is {available!r:.60}, must be numbers of versions, or None"]
    return [
        f"arm {arm!r} has no model: version {version} is not in the registry, which has "
        f"{', '.join(map(str, there)) or 'none'}; register it, or amend versions"
        for arm, version in versions.items()
        if version not in there
    ]


def _is_number(value: object) -> bool:
    known = isinstance(value, int | float) and not isinstance(value, bool)
    return known and math.isfinite(value)
