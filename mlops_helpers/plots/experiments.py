"""Figures of an experiment: its traffic, its power, its effect."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mlops_helpers.plots.base import (
    BLACK,
    BLUE,
    COLOURS,
    GREEN,
    GREY,
    LINES,
    MARKERS,
    ORANGE,
    TICK,
    VERMILION,
    Unit,
    axes,
    errors,
    finish,
    legend,
    need,
    no_data,
    said,
    tick_unit,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["ab_effect", "power_curve", "traffic"]


def traffic(frame: pd.DataFrame, ax: Axes | None = None, *, title: str | None = None) -> Axes:
    """Applications each `variant` got (`n`) beside what the plan asked for (`planned`, counts)."""
    need(frame, ["variant", "n", "planned"], "traffic")
    if frame.empty or frame["n"].sum() == 0:
        return no_data(ax, "no experiment traffic")
    ax = axes(ax, height=3.4)
    x = np.arange(len(frame))
    total = frame["n"].sum()
    for shift, column, colour, hatch in ((-0.2, "n", BLUE, ""), (0.2, "planned", ORANGE, "//")):
        label = "seen" if column == "n" else "planned"
        ax.bar(
            x + shift,
            frame[column],
            width=0.38,
            color=colour,
            hatch=hatch,
            edgecolor="white",
            label=label,
        )
        for at, value in zip(x + shift, frame[column], strict=True):
            ax.annotate(
                f"{value:,.0f}",
                (at, value),
                xytext=(0, 3),
                textcoords="offset points",
                ha="center",
                fontsize=TICK,
            )
    ax.set_xticks(x, [str(name) for name in frame["variant"]])
    ax.set_ylim(0, float(frame[["n", "planned"]].max().max()) * 1.3)
    legend(ax, loc="upper center", ncols=2)
    tick_unit(ax.yaxis, "n")
    off = 100 * float((frame["n"] - frame["planned"]).abs().max() / total)
    finding = f"{int(total):,} applications; arms at most {off:.1f} percentage points off plan"
    return finish(ax, title=title or finding, y="applications", x="arm", grid="y")


def power_curve(
    frame: pd.DataFrame,
    ax: Axes | None = None,
    *,
    target: float = 0.8,
    n: int | None = None,
    title: str | None = None,
) -> Axes:
    """`power` over sample size `n` per arm; a column `effect` draws one curve per true effect.

    The keyword `n` marks the sample the experiment really has.
    """
    need(frame, ["n", "power"], "power_curve")
    if frame.empty:
        return no_data(ax, "no power computed")
    ax = axes(ax)
    groups = frame.groupby("effect", sort=True) if "effect" in frame else [("power", frame)]
    for number, (effect, rows) in enumerate(groups):
        rows = rows.sort_values("n")
        name = f"{effect:g}" if isinstance(effect, float | int) else str(effect)
        ax.plot(
            rows["n"],
            rows["power"],
            color=COLOURS[number % len(COLOURS)],
            linewidth=2,
            linestyle=LINES[number % len(LINES)],
            marker=MARKERS[number % len(MARKERS)],
            markevery=max(len(rows) // 6, 1),
            markersize=6,
            label=f"true effect {name}" if "effect" in frame else name,
        )
    goal = f"{target:.0%}".replace("%", " %")
    ax.axhline(target, color=GREY, linestyle="--", linewidth=1.2, label=f"target {goal}")
    if n is not None:
        ax.axvline(n, color=BLACK, linestyle="--", linewidth=1.4, label=f"we have {n:,} an arm")
    legend(ax, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    ax.set_ylim(0, 1.03)
    tick_unit(ax.xaxis, "n")
    tick_unit(ax.yaxis, "%")
    enough = frame.loc[frame["power"] >= target, "n"]
    finding = (
        f"{goal} power needs {int(enough.min()):,} an arm at the least"
        if len(enough)
        else f"No sample shown here reaches {goal} power"
    )
    return finish(
        ax,
        title=title or finding,
        x="applications an arm",
        y="chance to see the effect (power)",
        grid="both",
    )


def ab_effect(
    frame: pd.DataFrame,
    ax: Axes | None = None,
    *,
    unit: Unit | None = None,
    what: str = "profit per application",
    title: str | None = None,
) -> Axes:
    """Effects (treatment − control) with intervals: `effect`, `low`, `high`, maybe `metric`.

    The black line is "no difference"; an interval that crosses it decides nothing. Without `unit`
    a metric with "rate" in its name is a share, any other dollars; mixing them is refused.
    """
    need(frame, ["effect", "low", "high"], "ab_effect")
    if frame.empty:
        return no_data(ax, "no experiment analysed")
    ax = axes(ax, height=1.9 + 0.55 * len(frame))
    rows = frame.rename(columns={"effect": "value"}).reset_index(drop=True)
    names = rows["metric"].astype(str) if "metric" in rows else pd.Series([what] * len(rows))
    unit = unit or _unit(names)
    spread = errors(rows)
    for row in rows.index:
        value, low, high = (float(rows.loc[row, name]) for name in ("value", "low", "high"))
        colour = GREEN if low > 0 else VERMILION if high < 0 else BLUE
        ax.errorbar(
            value,
            row,
            xerr=spread[:, [row]],
            fmt=MARKERS[row % len(MARKERS)],
            color=colour,
            markersize=9,
            capsize=5,
            linewidth=2.2,
        )
        if len(rows) > 1 or title:  # the title has no figures, or those of the first row only
            ax.text(
                1.01,
                row,
                f"{said(value, unit)}  [{said(low, unit)}, {said(high, unit)}]",
                transform=ax.get_yaxis_transform(),  # beside the Axes, clear of every line
                va="center",
                fontsize=TICK,
            )
    ax.axvline(0, color=BLACK, linewidth=1.4)
    ax.set_yticks(range(len(rows)), [name.replace("_", " ") for name in names])
    ax.set_ylim(len(rows) - 0.5, -0.5)
    ax.margins(x=0.15)
    tick_unit(ax.xaxis, unit)
    first = rows.iloc[0]
    verdict = "better" if first["low"] > 0 else "worse" if first["high"] < 0 else "undecided"
    finding = (
        f"Treatment {verdict}: {said(first['value'], unit)} "
        f"[{said(first['low'], unit)}, {said(first['high'], unit)}] {names.iloc[0]}"
    ).replace("_", " ")
    return finish(
        ax,
        title=title or finding,
        grid="x",
        x="treatment − control, 95 % interval (0 = no difference)",
    )


def _unit(names: pd.Series) -> Unit:
    """Share or dollars, by the metrics' names; ValueError if the figure would mix them."""
    shares = names.str.contains("rate")
    if shares.any() and not shares.all():
        raise ValueError(
            f"ab_effect: the metrics {names.tolist()} mix dollars and shares, must have one unit; "
            "draw frame[frame['metric'] == …], one figure each."
        )
    return "%" if shares.all() else "$"
