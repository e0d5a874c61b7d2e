"""Figures of tests that are looked at early: paths, limits, false alarms."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.ticker import MaxNLocator

from mlops_helpers.plots.base import (
    BLACK,
    BLUE,
    COLOURS,
    GREY,
    LINES,
    MARKERS,
    ORANGE,
    SKY,
    VERMILION,
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

__all__ = ["effect_path", "false_alarms"]


def effect_path(
    frame: pd.DataFrame,
    ax: Axes | None = None,
    *,
    unit: Unit = "$",
    truth: float | None = None,
    planned: float | None = None,
    title: str | None = None,
) -> Axes:
    """The `effect` over `n` with two bands: for one look only, and for all looks together.

    Rows are those of `confidence_sequences.path`: `low`, `high` hold at every look, `fixed_low`,
    `fixed_high` at one look. `truth` is drawn where it is known; `planned` marks the size at which
    the one planned look would be. Each look at which a band leaves 0 out is marked at the band's
    end that is nearest to 0, because somebody could stop at any of them. Bands of the first looks
    are cut off at the top and bottom.
    """
    columns = ["n", "effect", "low", "high", "fixed_low", "fixed_high"]
    need(frame, columns, "effect_path")
    if frame.empty:
        return no_data(ax, "no look was taken")
    ax = axes(ax, height=4.2)
    rows = frame.sort_values("n", ignore_index=True)
    looks = (
        ("low", "high", SKY, "#DDEFFB", "--", "at every look"),
        ("fixed_low", "fixed_high", ORANGE, "#FBE9C6", "-", "at one look"),
    )
    for low, high, colour, tint, line, label in looks:
        ax.fill_between(rows["n"], rows[low], rows[high], color=tint, linewidth=0)
        for end in (low, high):
            named = f"valid {label}" if end == low else None
            ax.plot(rows["n"], rows[end], color=colour, linestyle=line, linewidth=1.5, label=named)
    ax.plot(rows["n"], rows["effect"], color=BLUE, linewidth=2, label="effect so far")
    ax.axhline(0, color=BLACK, linewidth=1.2)
    if truth is not None:
        ax.axhline(
            truth, color=GREY, linestyle=":", linewidth=2, label=f"truth {said(truth, unit)}"
        )
    if planned is not None:
        ax.axvline(planned, color=GREY, linestyle="--", linewidth=1.4, label="planned size")
    for marker, (low, high, *_, label) in zip("DX", looks, strict=True):
        out = rows[_leaves_out(rows, low, high)]
        if len(out):
            look = {"color": VERMILION, "markersize": 7, "mec": "white", "mew": 0.6, "ls": ""}
            nearest = out[low].where(out[low] > 0, out[high])
            text = f"{label.split()[1]}-look band leaves 0 out"
            ax.plot(out["n"], nearest, marker=marker, **look, zorder=5, label=text)
    ends = rows[["fixed_low", "fixed_high", "low", "high"]].iloc[len(rows) // 6 :]
    bottom, top = float(np.nanmin(ends)), float(np.nanmax(ends))
    room = 0.25 * (top - bottom)
    ax.set_ylim(min(bottom, truth or 0.0) - room, max(top, truth or 0.0) + room)
    tick_unit(ax.xaxis, "n")
    tick_unit(ax.yaxis, unit)
    legend(ax, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return finish(
        ax,
        title=title or _left_out(rows),
        x="applications seen",
        y="treatment − control",
        grid="y",
    )


def false_alarms(
    frame: pd.DataFrame, ax: Axes | None = None, *, alpha: float = 0.05, title: str | None = None
) -> Axes:
    """Share of tests of equal arms with an alarm at a `look` or before it, by `rule`.

    Rows are those of `peeking.false_alarms`: `alarms` with `low`–`high`. The dashed line is the
    level that was promised.
    """
    need(frame, ["rule", "look", "alarms", "low", "high"], "false_alarms")
    if frame.empty:
        return no_data(ax, "no test was looked at")
    ax = axes(ax)
    told = []
    for number, (rule, rows) in enumerate(frame.groupby("rule", sort=False)):
        part = rows.sort_values("look")
        colour, line = COLOURS[(3, 0, 2, 4)[number % 4]], LINES[number % len(LINES)]
        ax.fill_between(
            part["look"], part["low"], part["high"], color=colour, alpha=0.16, linewidth=0
        )
        ax.plot(
            part["look"],
            part["alarms"],
            color=colour,
            linestyle=line,
            marker=MARKERS[number % len(MARKERS)],
            markevery=max(len(part) // 8, 1),
            markersize=6,
            linewidth=2,
            label=str(rule),
        )
        told.append(f"{rule} {said(part['alarms'].iloc[-1], '%')}")
    ax.fill_between([], [], color=GREY, alpha=0.3, linewidth=0, label="95 % interval")
    goal = f"{100 * alpha:g} %"
    ax.axhline(alpha, color=BLACK, linestyle="--", linewidth=1.4, label=f"promised: {goal}")
    top = max(1.15 * float(frame["high"].max()), 2 * alpha)
    ax.set_ylim(-0.02 * top, top)
    tick_unit(ax.yaxis, "%")
    legend(ax, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    looks = int(frame["look"].max())
    return finish(
        ax,
        title=title or f"False alarms after {looks} looks: {', '.join(told)}",
        x="looks so far",
        y="tests with an alarm",
        grid="y",
    )


def _leaves_out(rows: pd.DataFrame, low: str, high: str) -> pd.Series:
    """Which looks have limits that leave 0 out; limits that are not known leave nothing out."""
    return (rows[low] > 0) | (rows[high] < 0)


def _left_out(rows: pd.DataFrame) -> str:
    """At how many looks each of the two intervals leaves 0 out, and from when on."""
    fixed = _leaves_out(rows, "fixed_low", "fixed_high")
    always = _leaves_out(rows, "low", "high")
    if not (fixed.any() or always.any()):
        return f"Neither interval leaves 0 out at any of {len(rows)} looks"
    told = f"The interval for one look leaves 0 out at {_count(rows, fixed)} looks"
    if fixed.any():
        told += f", first after {rows.loc[fixed.idxmax(), 'n']:,.0f} applications"
    told += f"; the one for every look at {_count(rows, always)}"
    if always.any():
        told += f", first after {rows.loc[always.idxmax(), 'n']:,.0f}"
    return told


def _count(rows: pd.DataFrame, out: pd.Series) -> str:
    return f"{out.sum()} of {len(rows)}" if out.any() else "none"
