"""Figures of probabilities: how they rank, whether they hold, how they are spread."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mlops_helpers.plots.base import (
    BLACK,
    COLOURS,
    GREY,
    LINES,
    MARKERS,
    TICK,
    axes,
    band,
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

__all__ = ["calibration", "roc", "score_histogram"]


def roc(frame: pd.DataFrame, ax: Axes | None = None, *, title: str | None = None) -> Axes:
    """ROC curves, one line per `model` through its `fpr`, `tpr` points (shares from 0 to 1).

    With columns `low` and `high` each has its band. The area is the column `auc` where the frame
    has it (a curve on a grid loses a little), else the area under the points.
    """
    need(frame, ["model", "fpr", "tpr"], "roc")
    if frame.empty:
        return no_data(ax, "no ROC points")
    ax = axes(ax, height=4.6, width=5.6)
    areas: dict[str, float] = {}
    for number, (model, rows) in enumerate(frame.groupby("model", sort=False)):
        rows = rows.sort_values(["fpr", "tpr"])
        area = rows["auc"].iloc[0] if "auc" in rows else np.trapezoid(rows["tpr"], rows["fpr"])
        areas[str(model)] = float(area)
        band(ax, rows, "fpr", number)
        ax.plot(
            rows["fpr"],
            rows["tpr"],
            color=COLOURS[number % len(COLOURS)],
            linewidth=2,
            linestyle=LINES[number % len(LINES)],
            label=f"{model}: {areas[str(model)]:.3f}",
        )
    ax.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle=(0, (1, 2)), label="guessing: 0.500")
    ax.set_aspect("equal")
    legend(ax, loc="lower right", title="area under the curve", title_fontsize=TICK)
    best = max(areas, key=lambda name: areas[name])
    finding = f"{best[:1].upper()}{best[1:]} ranks best ({areas[best]:.3f})"
    if len(areas) == 1:
        finding = f"A default ranks above a repaid loan in {said(areas[best], '%')} of pairs"
    return finish(
        ax,
        title=title or finding,
        x="share of good loans flagged (false positives)",
        y="share of defaults flagged (true positives)" + (", 95 % band" if "high" in frame else ""),
        grid="both",
    )


def calibration(frame: pd.DataFrame, ax: Axes | None = None, *, title: str | None = None) -> Axes:
    """Observed default rate (`observed`, `low`–`high`) against predicted (`bin_mid`), `n` a group.

    A column `model` draws one series per model.
    """
    need(frame, ["bin_mid", "observed", "low", "high", "n"], "calibration")
    if frame.empty:
        return no_data(ax, "no outcomes to calibrate against")
    ax = axes(ax, height=4.4, width=6.2)
    rows = frame.rename(columns={"observed": "value"})
    groups = rows.groupby("model", sort=False) if "model" in rows else [("observed", rows)]
    for number, (name, part) in enumerate(groups):
        ax.errorbar(
            part["bin_mid"],
            part["value"],
            yerr=errors(part),
            capsize=3,
            linewidth=1.6,
            color=COLOURS[number % len(COLOURS)],
            marker=MARKERS[number % len(MARKERS)],
            linestyle=LINES[number % len(LINES)],
            label=str(name),
        )
    top = float(np.nanmax(rows[["bin_mid", "high"]].to_numpy(float))) * 1.05
    ax.plot([0, top], [0, top], color=GREY, linestyle=(0, (1, 2)), label="perfect calibration")
    ax.set(xlim=(0, top), ylim=(0, top))
    tick_unit(ax.xaxis, "%")
    tick_unit(ax.yaxis, "%")
    legend(ax, loc="upper left")
    outside = int(((rows["low"] > rows["bin_mid"]) | (rows["high"] < rows["bin_mid"])).sum())
    verb = "misses" if outside == 1 else "miss"
    said_so = f"{outside} of {len(rows)} intervals {verb} the line of perfect calibration"
    return finish(
        ax,
        title=title or said_so,
        x="predicted probability of default (mean of the group)",
        y="observed default rate, 95 % interval",
        grid="both",
    )


def score_histogram(
    frame: pd.DataFrame,
    ax: Axes | None = None,
    *,
    title: str | None = None,
    cutoff: float | None = None,
) -> Axes:
    """Share of predictions in each probability bin: `bin_low`, `bin_high`, `n`.

    A column `group`, `model_version` or `variant` draws one outline per value; `cutoff` marks where
    decisions change.
    """
    need(frame, ["bin_low", "bin_high", "n"], "score_histogram")
    if frame.empty or frame["n"].sum() == 0:
        return no_data(ax, "no predictions to draw")
    ax = axes(ax)
    by = next((name for name in ("group", "model_version", "variant") if name in frame), None)
    groups = frame.groupby(by, sort=True) if by else [("all", frame)]
    means: dict[str, float] = {}
    for number, (name, rows) in enumerate(groups):
        rows = rows.sort_values("bin_low")
        label = f"version {name}" if by == "model_version" else str(name)
        share = rows["n"] / rows["n"].sum()
        means[label] = float((share * (rows["bin_low"] + rows["bin_high"]) / 2).sum())
        colour = COLOURS[number % len(COLOURS)]
        ax.stairs(
            share,
            [*rows["bin_low"], rows["bin_high"].iloc[-1]],
            color=colour,
            linewidth=2,
            fill=False,
            linestyle=LINES[number % len(LINES)],
            label=f"{label} ({int(rows['n'].sum()):,})",
        )
        if number == 0:
            ax.stairs(
                share,
                [*rows["bin_low"], rows["bin_high"].iloc[-1]],
                color=colour,
                alpha=0.15,
                fill=True,
            )
    if cutoff is not None:
        ax.axvline(
            cutoff, color=BLACK, linestyle="--", linewidth=1.4, label=f"cut-off {cutoff:.0%}"
        )
    if by or cutoff is not None:
        legend(ax, loc="upper right")
    ax.set_ylim(bottom=0)
    tick_unit(ax.xaxis, "%")
    tick_unit(ax.yaxis, "%")
    parts = ", ".join(
        f"{said(mean, '%')}" + (f" ({label})" if by else "") for label, mean in means.items()
    )
    return finish(
        ax,
        title=title or f"Mean score {parts}",
        x="predicted probability of default",
        y="share of predictions",
        grid="y",
    )
