"""Figures of an experiment's plan: its traffic, its power, how long it takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.ticker import LogLocator, NullLocator

from mlops_helpers.plots.base import (
    BLACK,
    BLUE,
    COLOURS,
    GREY,
    LINES,
    MARKERS,
    ORANGE,
    TICK,
    Unit,
    axes,
    finish,
    legend,
    need,
    no_data,
    said,
    tick_unit,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["duration_curve", "power_curve", "traffic"]


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
    most = f"at most {off:.1f}" if off >= 0.05 else "less than 0.1"  # 0.0 looks like a fault
    finding = f"{int(total):,} applications; arms {most} percentage points off plan"
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
        ax.axvline(n, color=BLACK, linestyle="--", linewidth=1.4, label=f"we have {n:,} per arm")
    legend(ax, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    ax.set_ylim(0, 1.03)
    tick_unit(ax.xaxis, "n")
    tick_unit(ax.yaxis, "%")
    enough = frame.loc[frame["power"] >= target, "n"]
    finding = (
        f"{goal} power needs at least {int(enough.min()):,} per arm"
        if len(enough)
        else f"No sample shown here reaches {goal} power"
    )
    return finish(
        ax,
        title=title or finding,
        x="applications per arm",
        y="chance to see the effect (power)",
        grid="both",
    )


def duration_curve(
    frame: pd.DataFrame,
    ax: Axes | None = None,
    *,
    smallest: float | None = None,
    available: float | None = None,
    unit: Unit = "$",
    title: str | None = None,
) -> Axes:
    """Months until the test is made (`total`) over the smallest `effect` it shall see, by `plan`.

    Rows are those of `durations.duration_table`; with a wait for outcomes (`wait`, in months) the
    part of it is shaded at the bottom. `smallest` marks the effect that is planned with,
    `available` the months that there are.
    """
    need(frame, ["plan", "effect", "total"], "duration_curve")
    if frame.empty:
        return no_data(ax, "no duration computed")
    ax = axes(ax)
    for number, (plan, rows) in enumerate(frame.groupby("plan", sort=False)):
        ax.plot(
            "effect",
            "total",
            data=rows.sort_values("effect"),
            color=COLOURS[number % len(COLOURS)],
            linestyle=LINES[number % len(LINES)],
            marker=MARKERS[number % len(MARKERS)],
            markevery=max(len(rows) // 6, 1),
            linewidth=2,
            markersize=6,
            label=str(plan),
        )
    wait = float(frame["wait"].max()) if "wait" in frame else 0.0
    ax.set_yscale("log")
    shown = [*frame["total"], *([wait] if wait else []), *([available] if available else [])]
    ax.set_ylim(min(shown) / 1.4, max(shown) * 1.15)
    if wait > 0:
        ax.axhspan(0, wait, color=GREY, alpha=0.15, linewidth=0, label="wait for outcomes")
    if available is not None:
        text = f"we have {available:.3g} months"
        ax.axhline(available, color=GREY, linestyle="--", linewidth=1.4, label=text)
    if smallest is not None:
        text = f"planned: {said(smallest, unit)}"
        ax.axvline(smallest, color=BLACK, linestyle="--", linewidth=1.4, label=text)
    legend(ax, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    tick_unit(ax.xaxis, unit)
    ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0), numticks=12))
    ax.yaxis.set_minor_locator(NullLocator())
    tick_unit(ax.yaxis, "n")
    asked = float(frame["effect"].median()) if smallest is None else smallest
    nearest = frame.loc[(frame["effect"] - asked).abs().groupby(frame["plan"], sort=False).idxmin()]
    told = ", ".join(
        f"{row['total']:,.0f} months ({row['plan']})" for row in nearest.to_dict("records")
    )
    return finish(
        ax,
        title=title or f"To see {said(nearest['effect'].iloc[0], unit)}: {told}",
        x="smallest effect to be seen",
        y="months (logarithmic)",
        grid="both",
    )
