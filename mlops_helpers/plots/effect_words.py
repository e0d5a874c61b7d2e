"""What the figures of effects say: names, units, directions, what is surely better or worse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from mlops_helpers.experiment_plan import METRICS
from mlops_helpers.plots.base import Unit, gap, said, words, wrap

__all__ = [
    "better",
    "found",
    "kind",
    "named",
    "one_unit",
    "relative",
    "row_name",
    "sure",
    "unit_of",
]


def relative(row: dict[str, Any]) -> str:
    """The relative effect with its limits; a limit that does not exist is said."""
    low, high = row.get("relative_low", np.nan), row.get("relative_high", np.nan)
    told = f"relative {said(row['relative'], '%')}"
    if np.isfinite(low) and np.isfinite(high):
        return f"{told}  [{said(low, '%')}, {said(high, '%')}]"
    return f"{told}, limits not known"


def row_name(row: dict[str, Any], *, several: bool) -> str:
    """What stands to the left of an effect."""
    name = wrap(named(row["metric"]), 24)
    if row.get("role") == "primary":
        name += "\n(primary)"
    if better(row["metric"]) < 0:
        name += "\n(lower is better)"
    return f"{row['arm']}: {name}" if several else name


def sure(row: dict[str, Any], alpha: float) -> int:
    """1 if surely better, -1 if surely worse, 0 if that is not known."""
    ends = sorted(better(row["metric"]) * row[end] for end in ("low", "high"))
    if row.get("role") == "companion" and row.get("p_adjusted", 0.0) >= alpha:
        return 0
    return 1 if ends[0] > 0 else -1 if ends[1] < 0 else 0


def found(rows: pd.DataFrame, limits: dict[Any, dict[str, Any]], alpha: float) -> str:
    """How the primary metric came out (all of them, if none is), and the guardrails."""
    told = []
    records = rows.to_dict("records")
    primary = [row for row in records if row.get("role") == "primary"]
    for side, what in ((1, "surely better"), (-1, "surely worse"), (0, "undecided")):
        of = primary or (records if side else [])
        which = [_name(row, rows) for row in of if sure(row, alpha) == side]
        if which:
            told.append(f"{what}: {'; '.join(which) if primary else ', '.join(which)}")
    told = told or ["no metric is surely better or worse"]
    states = [limit["state"] for limit in limits.values()]
    if states and set(states) == {"holds"}:
        told.append("every guardrail holds")
    elif states:
        counts = {state: states.count(state) for state in dict.fromkeys(states)}
        told.append(f"guardrails: {', '.join(f'{n} {state}' for state, n in counts.items())}")
    finding = "; ".join(told)
    return finding[0].upper() + finding[1:]


def _name(row: dict[str, Any], rows: pd.DataFrame) -> str:
    """The metric in the title: with its arm where there are several, its figures if it decides."""
    name = named(row["metric"])
    if rows["arm"].nunique() > 1:
        name = f"{name} of {row['arm']}"
    unit = unit_of(row["metric"])
    return f"{name}, {gap(row['value'], unit)}" if row.get("role") == "primary" else name


def kind(rows: pd.DataFrame) -> str:
    """What the intervals promise, as the analysis says it."""
    kinds = set(rows["interval"]) if "interval" in rows else {"fixed"}
    if kinds == {"always valid"}:
        return "limits that hold at every look"
    shared = "arm" in rows and rows["arm"].nunique() > 1  # the error is, so each has a higher level
    return "95 % interval" if kinds == {"fixed"} and not shared else "interval"


def _metric(name: str) -> str:
    """The metric without what was done to it: “…, adjusted” has its unit and direction."""
    return str(name).partition(",")[0]


def named(metric: str) -> str:
    """The metric as a reader says it."""
    return words(metric).replace("auc", "AUC")


def better(name: str) -> int:
    """1 where more is better, -1 where less is."""
    known = METRICS.get(_metric(name))
    return known.better if known else 1


def unit_of(name: str) -> Unit:
    """The unit of a metric; one that nobody knows is a share if its name has a rate, or dollars."""
    known = METRICS.get(_metric(name))
    if known:
        return known.unit  # type: ignore[return-value]
    return "%" if "rate" in str(name) else "$"


def one_unit(names: pd.Series) -> Unit:
    """The unit that the metrics share; ValueError if the figure would mix two."""
    units = {unit_of(name) for name in names}
    if len(units) > 1:
        raise ValueError(
            f"ab_effect: the metrics {names.tolist()} mix dollars and shares, must have one unit; "
            "draw frame[frame['metric'] == …], one figure each, or all with ab_effects."
        )
    return units.pop()
