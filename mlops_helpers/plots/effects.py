"""Figures of what an experiment found: effects with intervals, and its guardrails."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mlops_helpers.plots.base import (
    BLACK,
    BLUE,
    GREEN,
    MARKERS,
    ORANGE,
    VERMILION,
    axes,
    finish,
    gap,
    legend,
    need,
    no_data,
)
from mlops_helpers.plots.effect_words import (
    better,
    found,
    kind,
    lead,
    limits_told,
    relative,
    row_name,
    sure,
    unit_of,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from mlops_helpers.ab_verdict import Conclusion

__all__ = ["ab_effects"]


def ab_effects(
    frame: pd.DataFrame,
    ax: Axes | None = None,
    *,
    guardrails: pd.DataFrame | None = None,
    alpha: float = 0.05,
    conclusion: Conclusion | None = None,
    title: str | None = None,
) -> Axes:
    """All effects of an analysis in one picture: `metric`, `arm`, `effect`, `low`, `high`.

    Better is to the right, also where a lower figure is better (its row says so). Each row has its
    own scale, because dollars, shares and AUC have none in common; the figures stand beside it,
    with the relative effect where the frame has `relative`. `guardrails` (metric, arm, tolerance,
    state) puts a bar where the metric would be worse than tolerated: the whole interval must lie to
    the right of it. The row whose `role` is primary stands on top and in the title. A companion is
    called better or worse only if its `p_adjusted` (if there) is below `alpha` as well.
    `conclusion` is that of the `Analysis`: the title begins with it, and without it gives no
    verdict. A relative effect without limits is not told, only that no interval can be given.
    """
    need(frame, ["metric", "arm", "effect", "low", "high"], "ab_effects")
    if frame.empty:
        said_so = "No data yet" if conclusion is None else lead(conclusion)
        return no_data(ax, "no experiment analysed", title=said_so)
    rows = frame.rename(columns={"effect": "value"})
    if "role" in rows:  # what decides stands on top
        rows = rows.sort_values("role", key=lambda role: role != "primary", kind="stable")
    rows = rows.reset_index(drop=True)
    ax = axes(ax, height=2.0 + 0.62 * len(rows), width=9.0)
    limits = (
        {}
        if guardrails is None or guardrails.empty
        else guardrails.set_index(["metric", "arm"]).to_dict("index")
    )
    for at, row in enumerate(rows.to_dict("records")):
        limit = limits.get((row["metric"], row["arm"]))
        _effect_row(ax, at, row, limit, alpha)
    ax.vlines(0, -0.5, len(rows) - 0.5, color=BLACK, linewidth=1.4)
    several = rows["arm"].nunique() > 1
    names = [row_name(row, several=several) for row in rows.to_dict("records")]
    ax.set_yticks(range(len(rows)), names)
    ax.set_ylim(len(rows) - 0.5, -1.0 if limits else -0.5)
    ax.set_xlim(-1.15, 1.15)
    ax.set_xticks([])
    if limits:
        label = "guardrail: the interval has to lie to the right of it"
        ax.plot([], [], color=ORANGE, marker="|", markersize=14, mew=4, ls="", label=label)
        legend(ax, loc="upper left", bbox_to_anchor=(0.0, 1.0))
    x = f"← worse · treatment − control, {kind(rows)} · better →\n(each row on its own scale)"
    return finish(ax, title=title or found(rows, limits, alpha, conclusion), x=x, room=0.95)


def _effect_row(
    ax: Axes, at: int, row: dict[str, Any], limit: dict[str, Any] | None, alpha: float
) -> None:
    """One effect, turned so that better is right, as a share of the longest of its figures."""
    turn, unit = better(row["metric"]), unit_of(row["metric"])
    ends = sorted((turn * row["low"], turn * row["high"]))
    tolerated = None if limit is None else -float(limit["tolerance"])
    longest = np.nanmax(np.abs([*ends, row["value"], tolerated or 0.0])) or 1.0
    colour = {1: GREEN, -1: VERMILION, 0: BLUE}[sure(row, alpha)]
    value = turn * row["value"]
    arms = np.nan_to_num([[value - ends[0]], [ends[1] - value]]).clip(min=0) / longest
    ax.errorbar(
        value / longest,
        at,
        xerr=arms,
        fmt=MARKERS[at % len(MARKERS)],
        color=colour,
        markersize=9,
        capsize=5,
        linewidth=2.2,
    )
    if tolerated is not None:
        ax.plot(tolerated / longest, at, marker="|", color=ORANGE, markersize=24, mew=4)
    text = f"{gap(row['value'], unit)}  {limits_told(row, unit)}"
    if pd.notna(row.get("relative")):
        text += f"\n{relative(row)}"
    if limit is not None:
        text += f"\nat most {gap(limit['tolerance'], unit)} worse: {limit['state']}"
    ax.text(1.02, at, text, transform=ax.get_yaxis_transform(), va="center", fontsize=9)
