"""Figures of metrics with intervals: side by side, and over time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import pandas as pd
from matplotlib.ticker import MaxNLocator

from mlops_helpers.plots.base import (
    BLACK,
    COLOURS,
    GREY,
    LINES,
    MARKERS,
    ORANGE,
    PAPER,
    TICK,
    Unit,
    axes,
    dates,
    errors,
    finish,
    labels,
    legend,
    need,
    no_data,
    said,
    tick_unit,
    when,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["metric_comparison", "monthly_rate"]


def metric_comparison(
    frame: pd.DataFrame,
    ax: Axes | None = None,
    *,
    metric: str = "AUC",
    unit: Unit = "",
    title: str | None = None,
    reference: float | None = None,
    reference_label: str = "reference",
    best: Literal["highest", "lowest"] = "highest",
) -> Axes:
    """One row per `name` in the given order: `value` with its interval `low`–`high`.

    A column `window` is written beneath the name.
    `best` says which end the title names ("lowest" for a Brier score or a default rate).
    `reference` draws a dashed line (0.5 for an AUC that knows nothing, a gate's limit).
    Rows without an interval (missing low and high) are drawn as a point.
    """
    need(frame, ["name", "value", "low", "high"], "metric_comparison")
    if frame["value"].isna().all():
        return no_data(ax, f"no {metric} to compare")
    ax = axes(ax, height=1.6 + 0.5 * len(frame))
    spread = errors(frame)
    for row, (name, value) in enumerate(zip(frame["name"], frame["value"], strict=True)):
        colour, marker = COLOURS[row % len(COLOURS)], MARKERS[row % len(MARKERS)]
        ax.errorbar(
            value,
            row,
            xerr=spread[:, [row]],
            fmt=marker,
            color=colour,
            markersize=8,
            capsize=4,
            linewidth=2,
            label=str(name),
        )
        ax.annotate(
            said(value, unit),
            (value, row),
            xytext=(0, 9),
            textcoords="offset points",
            ha="center",
            fontsize=TICK,
            bbox=PAPER,
        )
    if reference is not None:
        ax.axvline(reference, color=GREY, linestyle="--", linewidth=1.2)
        ax.annotate(
            reference_label,
            (reference, 0),
            xycoords=("data", "axes fraction"),
            xytext=(4, 4),
            textcoords="offset points",
            color=GREY,
            fontsize=TICK,
        )
    ax.set_yticks(range(len(frame)), labels(frame))
    ax.set_ylim(len(frame) - 0.4, -0.7)
    ax.margins(x=0.12)
    ax.xaxis.set_major_locator(MaxNLocator(5))
    tick_unit(ax.xaxis, unit)
    values = frame["value"].astype(float)
    top = frame.loc[values.idxmax() if best == "highest" else values.idxmin()]
    finding = f"{top['name']} has the {best} {metric}: {said(top['value'], unit)}"
    return finish(
        ax,
        title=title or finding[:1].upper() + finding[1:],
        x=f"{metric} with 95 % interval",
        grid="x",
    )


def monthly_rate(
    frame: pd.DataFrame,
    ax: Axes | None = None,
    *,
    rate: str = "default rate",
    unit: Unit = "%",
    title: str | None = None,
    marks: dict[str, object] | None = None,
    reference: float | None = None,
    reference_label: str = "reference",
) -> Axes:
    """A `value` with `low`–`high` over time (column `month`, `window_start`, `day`, …).

    A column `group` draws one series per value. `marks` are vertical lines: label → timestamp.
    """
    need(frame, ["value", "low", "high"], "monthly_rate")
    if frame["value"].isna().all():
        return no_data(ax, f"no {rate} is known yet")
    name, times = when(frame, "monthly_rate")
    ax = axes(ax)
    rows = frame.assign(_when=times).sort_values("_when")
    groups = rows.groupby("group", sort=False) if "group" in rows else [("", rows)]
    for number, (label, part) in enumerate(groups):
        colour = COLOURS[number % len(COLOURS)]
        ax.fill_between(part["_when"], part["low"], part["high"], color=colour, alpha=0.18)
        ax.plot(
            part["_when"],
            part["value"],
            color=colour,
            marker=MARKERS[number % len(MARKERS)],
            linestyle=LINES[number % len(LINES)],
            linewidth=1.8,
            markersize=5,
            label=str(label),
        )
    for label, moment in (marks or {}).items():
        at = pd.Timestamp(moment).tz_convert("UTC").tz_localize(None)  # type: ignore[arg-type]
        ax.axvline(at, color=BLACK, linestyle="--", linewidth=1.2)
        ax.annotate(
            label,
            (at, 1),
            xycoords=("data", "axes fraction"),
            xytext=(4, -2),
            textcoords="offset points",
            va="top",
            fontsize=TICK,
        )
    if reference is not None:
        ax.axhline(
            reference,
            color=ORANGE,
            linestyle=(0, (5, 2)),
            linewidth=1.4,
            label=f"{reference_label}: {said(reference, unit)}",
        )
    if "group" in rows or reference is not None:
        legend(ax, loc="best")
    dates(ax)
    tick_unit(ax.yaxis, unit)
    low, high = rows.loc[rows["value"].idxmin()], rows.loc[rows["value"].idxmax()]
    finding = (
        f"{rate.capitalize()} from {said(low['value'], unit)} ({low['_when']:%b %Y}) "
        f"to {said(high['value'], unit)} ({high['_when']:%b %Y})"
    )
    return finish(
        ax, title=title or finding, y=f"{rate}, 95 % interval", x=name.replace("_", " "), grid="y"
    )
