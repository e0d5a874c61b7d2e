"""What the figures of effects say: names, units, directions, what is surely better or worse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mlops_helpers.experiment_plan import METRICS
from mlops_helpers.plots.base import Unit, gap, said, words, wrap

if TYPE_CHECKING:
    from mlops_helpers.ab_verdict import Conclusion

__all__ = [
    "better",
    "found",
    "kind",
    "lead",
    "limits_told",
    "named",
    "relative",
    "row_name",
    "sure",
    "unit_of",
]

LEADS = {
    "deploy": "Deploy",
    "keep": "Keep control",
    "go on": "Go on",
    "no conclusion": "No conclusion",
}


def relative(row: dict[str, Any]) -> str:
    """The relative effect with its limits; without them no share is told that could be quoted."""
    low, high = row.get("relative_low", np.nan), row.get("relative_high", np.nan)
    if np.isfinite(low) and np.isfinite(high):
        return f"relative {said(row['relative'], '%')}  [{said(low, '%')}, {said(high, '%')}]"
    return "relative: no interval can be given"


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


def found(
    rows: pd.DataFrame,
    limits: dict[Any, dict[str, Any]],
    alpha: float,
    conclusion: Conclusion | None = None,
) -> str:
    """The verdict, if there is one, the primary effect (or what is sure), and the guardrails."""
    records = rows.to_dict("records")
    primary = [row for row in records if row.get("role") == "primary"]
    several = rows["arm"].nunique() > 1
    told = [_effect(row, alpha, conclusion, several=several) for row in primary]
    if not primary:
        for side, what in ((1, "surely better"), (-1, "surely worse")):
            which = [_of_arm(row, several=several) for row in records if sure(row, alpha) == side]
            told += [f"{what}: {', '.join(which)}"] if which else []
        told = told or ["no metric is surely better or worse"]
    states = [limit["state"] for limit in limits.values()]
    if states and set(states) == {"holds"}:
        told.append("guardrails hold" if len(states) > 1 else "guardrail holds")
    elif states:
        counts = {state: states.count(state) for state in dict.fromkeys(states)}
        told.append(f"guardrails: {', '.join(f'{n} {state}' for state, n in counts.items())}")
    finding = "; ".join(told)
    if conclusion is not None:
        return f"{lead(conclusion, primary, limits)}: {finding}"
    return finding[0].upper() + finding[1:]


def lead(
    conclusion: str,
    primary: Sequence[dict[str, Any]] = (),
    limits: Mapping[Any, dict[str, Any]] | None = None,
) -> str:
    """The verdict in the words of the analysis; ValueError for a word that is none of its own."""
    if conclusion not in LEADS:
        raise ValueError(
            f"conclusion == {conclusion!r}, must be one of {list(LEADS)} or None; "
            "pass the `conclusion` of the analysis."
        )
    if conclusion != "deploy":
        return LEADS[conclusion]
    rails = [(arm, limit["state"]) for (_, arm), limit in (limits or {}).items()]
    gain = [row["arm"] for row in primary if sure(row, 0.0) == 1]
    ready = [arm for arm in gain if all(at != arm or state == "holds" for at, state in rails)]
    return f"Deploy {' or '.join(str(arm) for arm in ready)}" if ready else LEADS[conclusion]


def limits_told(row: dict[str, Any], unit: Unit) -> str:
    """The interval in brackets, in the unit that the effect before it has."""
    if not (np.isfinite(row["low"]) and np.isfinite(row["high"])):
        return "[no interval]"
    low, high = (said(row[end], unit).replace("$", "").replace(" %", "") for end in ("low", "high"))
    return f"[{low}, {high}]"


def _effect(row: dict[str, Any], alpha: float, conclusion: str | None, *, several: bool) -> str:
    """“+$135 [−63, 334], no gain shown”; profit needs no name, the others and arms do."""
    unit, side = unit_of(row["metric"]), sure(row, alpha)
    sign = "+" if row["value"] > 0 else ""
    told = f"{sign}{gap(row['value'], unit)} {limits_told(row, unit)}"
    if several or _metric(row["metric"]) != "profit_per_application":
        told = f"{_of_arm(row, several=several)} {told}"
    words_of = {1: "gain shown", -1: "surely worse", 0: "no gain shown"}[side]
    if side == 0 and conclusion == "go on":
        words_of += " yet"
    if side == 1 and conclusion == "keep":
        words_of += ", but not enough to deploy"
    return f"{told}, {words_of}"


def _of_arm(row: dict[str, Any], *, several: bool) -> str:
    """The metric in the title, with its arm where there are several."""
    return f"{named(row['metric'])} of {row['arm']}" if several else named(row["metric"])


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
