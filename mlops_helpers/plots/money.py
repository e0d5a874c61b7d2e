"""Figures of profit: over cut-offs, and between policies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mlops_helpers.plots.base import (
    BLACK,
    COLOURS,
    GREY,
    HATCHES,
    LINES,
    TICK,
    VERMILION,
    Unit,
    axes,
    errors,
    finish,
    labels,
    legend,
    need,
    no_data,
    said,
    tick_unit,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["business_impact", "profit_curve"]


def profit_curve(
    frame: pd.DataFrame,
    ax: Axes | None = None,
    *,
    chosen: float | None = None,
    title: str | None = None,
    per: str = "application",
) -> Axes:
    """`profit` over `cutoff` (with `low`–`high` where the frame has them), best point marked.

    The column may also be called `profit_per_application`, as `business.profit_curve` has it.
    `chosen` marks the cut-off in force. A column `model` draws one curve per model.
    """
    frame = frame.rename(columns={"profit_per_application": "profit"})
    need(frame, ["cutoff", "profit"], "profit_curve")
    if frame.empty:
        return no_data(ax, "no outcomes, so no profit at any cut-off")
    ax = axes(ax)
    groups = frame.groupby("model", sort=False) if "model" in frame else [("profit", frame)]
    for number, (name, rows) in enumerate(groups):
        rows = rows.sort_values("cutoff")
        colour = COLOURS[number % len(COLOURS)]
        if {"low", "high"} <= set(rows):
            ax.fill_between(rows["cutoff"], rows["low"], rows["high"], color=colour, alpha=0.18)
        ax.plot(
            rows["cutoff"],
            rows["profit"],
            color=colour,
            linewidth=2,
            linestyle=LINES[number % len(LINES)],
            label=str(name),
        )
    best = frame.loc[frame["profit"].idxmax()]
    ax.plot(
        best["cutoff"],
        best["profit"],
        marker="*",
        markersize=15,
        color=VERMILION,
        linestyle="none",
        label=f"best: {best['cutoff']:.1%}".replace("%", " %"),
    )
    if chosen is not None:
        ax.axvline(
            chosen,
            color=BLACK,
            linestyle="--",
            linewidth=1.4,
            label=f"in force: {chosen:.1%}".replace("%", " %"),
        )
    ax.axhline(0, color=GREY, linewidth=1)
    legend(ax, loc="best")
    tick_unit(ax.xaxis, "%")
    tick_unit(ax.yaxis, "$")
    finding = (
        f"Profit peaks at a cut-off of {said(best['cutoff'], '%')}: "
        f"{said(best['profit'], '$')} an {per}"
    )
    return finish(
        ax,
        title=title or finding,
        x="cut-off (approve below this probability)",
        y=f"profit an {per} ($)",
        grid="y",
    )


def business_impact(
    frame: pd.DataFrame,
    ax: Axes | None = None,
    *,
    unit: Unit = "$",
    what: str = "profit per application",
    title: str | None = None,
) -> Axes:
    """Bars of `value` with intervals `low`–`high` for each policy (`name`), zero marked.

    A column `window` is written beneath the name.
    """
    need(frame, ["name", "value", "low", "high"], "business_impact")
    if frame.empty:
        return no_data(ax, "no outcomes, so no profit")
    ax = axes(ax, height=1.7 + 0.55 * len(frame))
    rows = frame.reset_index(drop=True)
    spread = errors(rows)
    for row in rows.index:
        value = float(rows.loc[row, "value"])
        ax.barh(
            row,
            value,
            xerr=spread[:, [row]],
            color=COLOURS[row % len(COLOURS)],
            height=0.6,
            hatch=HATCHES[row % len(HATCHES)],
            edgecolor="white",
            error_kw={"capsize": 4, "linewidth": 1.8, "ecolor": BLACK},
        )
        end = float(np.nanmax([rows.loc[row, "high"], value, 0]))
        ax.annotate(
            said(value, unit),
            (end, row),
            xytext=(6, 0),
            textcoords="offset points",
            va="center",
            fontsize=TICK,
        )
    ax.axvline(0, color=BLACK, linewidth=1.2)
    ax.set_yticks(range(len(rows)), labels(rows))
    ax.invert_yaxis()
    ax.margins(x=0.2)
    tick_unit(ax.xaxis, unit)
    best = rows.loc[rows["value"].idxmax()]
    finding = f"Most {what}: {best['name']}, {said(best['value'], unit)}"
    return finish(ax, title=title or finding, x=f"{what}, 95 % interval", grid="x")
