"""Figures about decisions: cut-offs, experiments, money."""

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
    HATCHES,
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


def profit_curve(
    frame: pd.DataFrame,
    ax: Axes | None = None,
    *,
    chosen: float | None = None,
    title: str | None = None,
    per: str = "application",
) -> Axes:
    """`profit` over `cutoff` (with `low`–`high` where the frame has them), best point marked.

    `chosen` marks the cut-off in force. A column `model` draws one curve per model.
    """
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


def ab_effect(
    frame: pd.DataFrame,
    ax: Axes | None = None,
    *,
    unit: Unit = "$",
    what: str = "profit per application",
    title: str | None = None,
) -> Axes:
    """Effects (treatment − control) with intervals: `effect`, `low`, `high`, maybe `metric`.

    The black line is "no difference"; an interval that crosses it decides nothing.
    """
    need(frame, ["effect", "low", "high"], "ab_effect")
    if frame.empty:
        return no_data(ax, "no experiment analysed")
    ax = axes(ax, height=1.9 + 0.55 * len(frame))
    rows = frame.rename(columns={"effect": "value"}).reset_index(drop=True)
    names = rows["metric"].astype(str) if "metric" in rows else pd.Series([what] * len(rows))
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
        ax.annotate(
            f"{said(value, unit)}  [{said(low, unit)}, {said(high, unit)}]",
            (value, row),
            xytext=(0, 11),
            textcoords="offset points",
            ha="center",
            fontsize=TICK,
        )
    ax.axvline(0, color=BLACK, linewidth=1.4)
    ax.set_yticks(range(len(rows)), [name.replace("_", " ") for name in names])
    ax.set_ylim(len(rows) - 0.5, -0.7)
    ax.margins(x=0.15)
    tick_unit(ax.xaxis, unit)
    first = rows.iloc[0]
    verdict = "better" if first["low"] > 0 else "worse" if first["high"] < 0 else "not decided"
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
    ax.axhline(target, color=GREY, linestyle="--", linewidth=1.2)
    ax.annotate(
        f"target {target:.0%}".replace("%", " %"),
        (1, target),
        fontsize=TICK,
        color=GREY,
        xycoords=("axes fraction", "data"),
        xytext=(-4, -4),
        textcoords="offset points",
        ha="right",
        va="top",
    )
    if n is not None:
        ax.axvline(n, color=BLACK, linestyle="--", linewidth=1.4, label=f"we have {n:,} an arm")
    legend(ax, loc="best")
    ax.set_ylim(0, 1.03)
    tick_unit(ax.xaxis, "n")
    tick_unit(ax.yaxis, "%")
    enough = frame.loc[frame["power"] >= target, "n"]
    finding = (
        f"{said(target, '%')} power needs {int(enough.min()):,} an arm at the least"
        if len(enough)
        else f"No sample shown here reaches {said(target, '%')} power"
    )
    return finish(
        ax,
        title=title or finding,
        x="applications an arm",
        y="chance to see the effect (power)",
        grid="both",
    )


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
    off = float((frame["n"] - frame["planned"]).abs().max() / total)
    finding = f"{int(total):,} applications; arms at most {said(off, '%')} off their planned share"
    return finish(ax, title=title or finding, y="applications", x="arm", grid="y")


def business_impact(
    frame: pd.DataFrame,
    ax: Axes | None = None,
    *,
    unit: Unit = "$",
    what: str = "profit per application",
    title: str | None = None,
) -> Axes:
    """Bars of `value` with intervals `low`–`high` for each named policy (`name`), zero marked."""
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
    ax.set_yticks(range(len(rows)), [str(name) for name in rows["name"]])
    ax.invert_yaxis()
    ax.margins(x=0.2)
    tick_unit(ax.xaxis, unit)
    best = rows.loc[rows["value"].idxmax()]
    finding = f"Most {what}: {best['name']}, {said(best['value'], unit)}"
    return finish(ax, title=title or finding, x=f"{what}, 95 % interval", grid="x")


__all__ = ["ab_effect", "business_impact", "power_curve", "profit_curve", "traffic"]
