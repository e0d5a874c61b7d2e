"""Figures of what a ranking finds: precision and recall, gain, right and wrong decisions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.patches import Rectangle

from mlops_helpers.plots.base import (
    BLACK,
    BLUE,
    COLOURS,
    GREY,
    LABEL,
    LINES,
    MARKERS,
    PAPER,
    TICK,
    TITLE,
    VERMILION,
    axes,
    band,
    finish,
    legend,
    need,
    no_data,
    said,
    tick_unit,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["confusion", "gain", "precision_recall"]

DOTS = (0, (1, 2))


def precision_recall(
    frame: pd.DataFrame, ax: Axes | None = None, *, title: str | None = None
) -> Axes:
    """Precision at each recall (`model, recall, precision`), with a band if it has `low`, `high`.

    The dotted line is the precision at the highest recall, which flags everybody. Models are
    compared by `average_precision` where the frame has it, else by the area under the line. Below a
    recall of 5 % the axis may cut off a band: a handful of loans would squeeze all others.
    """
    need(frame, ["model", "recall", "precision"], "precision_recall")
    if frame.empty:
        return no_data(ax, "no precision to draw: no defaults are known")
    ax = axes(ax, height=4.4, width=6.2)
    scores: dict[str, float] = {}
    for number, (model, part) in enumerate(frame.groupby("model", sort=False)):
        rows = part.sort_values("recall")
        score = float(np.trapezoid(rows["precision"], rows["recall"]))
        if "average_precision" in rows:
            score = float(rows["average_precision"].iloc[0])
        scores[str(model)] = score
        band(ax, rows, "recall", number)
        ax.plot(
            rows["recall"],
            rows["precision"],
            color=COLOURS[number % len(COLOURS)],
            linestyle=LINES[number % len(LINES)],
            linewidth=2,
            label=f"{model}: {score:.3f}",
        )
    rows = frame[frame["model"] == frame["model"].iloc[0]].sort_values("recall")
    chance = float(rows["precision"].iloc[-1])
    ax.axhline(chance, color=GREY, linewidth=1, linestyle=DOTS, label=f"guessing: {chance:.3f}")
    settled = frame[frame["recall"] >= 0.05]
    top = [frame["precision"].max(), settled["high" if "high" in frame else "precision"].max()]
    ax.set(xlim=(0, 1), ylim=(0, min(1.03, float(np.nanmax(top)) * 1.1)))
    tick_unit(ax.xaxis, "%")
    tick_unit(ax.yaxis, "%")
    legend(ax, loc="upper right", title="average precision", title_fontsize=TICK)
    if len(scores) == 1:
        half = float(np.interp(0.5, rows["recall"], rows["precision"]))
        finding = (
            f"Where half of the defaults are found, {said(half, '%')} of the flagged are defaults "
            f"({said(chance, '%')} by guessing)"
        )
    else:
        best = max(scores, key=lambda name: scores[name])
        finding = f"{best[:1].upper()}{best[1:]} has the highest average precision"
        finding += f" ({scores[best]:.3f})"
    return finish(
        ax,
        title=title or finding,
        x="recall: share of defaults flagged",
        y="precision: defaults among the flagged" + (", 95 % band" if "high" in frame else ""),
        grid="both",
    )


def gain(
    frame: pd.DataFrame,
    ax: Axes | None = None,
    *,
    title: str | None = None,
    at: float = 0.2,
) -> Axes:
    """Share of defaults `found` in the riskiest `share`, between `random` and `perfect`, a `model`.

    The title reads the curve off at the share `at`; of several models the best one's there.
    """
    need(frame, ["model", "share", "found", "perfect", "random"], "gain")
    if frame.empty:
        return no_data(ax, "no defaults to find")
    ax = axes(ax, height=4.4, width=6.2)
    found: dict[str, float] = {}
    for number, (model, part) in enumerate(frame.groupby("model", sort=False)):
        rows = part.sort_values("share")
        colour = COLOURS[number % len(COLOURS)]
        value = found[str(model)] = float(np.interp(at, rows["share"], rows["found"]))
        line = LINES[number % len(LINES)]
        ax.plot(
            rows["share"], rows["found"], color=colour, linewidth=2, linestyle=line, label=model
        )
        ax.plot(at, value, marker=MARKERS[number % len(MARKERS)], color=colour, markersize=8)
    known = {"color": BLACK, "linewidth": 1.2, "linestyle": (0, (6, 2))}
    ax.plot(rows["share"], rows["perfect"], label="perfect", **known)
    ax.plot(rows["share"], rows["random"], color=GREY, linestyle=DOTS, label="random order")
    ax.set(xlim=(0, 1), ylim=(0, 1.03))
    tick_unit(ax.xaxis, "%")
    tick_unit(ax.yaxis, "%")
    legend(ax, loc="lower right")
    best = max(found, key=lambda name: found[name])
    whose = f" by {best}" if len(found) > 1 else ""
    finding = f"The riskiest {at * 100:.3g} %{whose} hold {said(found[best], '%')} of the defaults"
    return finish(
        ax,
        title=title or finding,
        x="share of applications, the riskiest first",
        y="share of all defaults among them",
        grid="both",
    )


def confusion(frame: pd.DataFrame, ax: Axes | None = None, *, title: str | None = None) -> Axes:
    """Who is approved and who declined: `actual, decided, n, share, low, high`, one row a cell.

    Each cell says how many and which share of its row, with the interval; a wrong decision is
    hatched and says that it is wrong. A column `cutoff` is named in the title.
    """
    need(frame, ["actual", "decided", "n", "share", "low", "high"], "confusion")
    if frame.empty or frame["n"].sum() == 0:
        return no_data(ax, "no loans were decided")
    ax = axes(ax, height=3.8, width=6.2)
    actual, decided = ["repaid", "defaulted"], ["approve", "decline"]
    wrong = {("repaid", "decline"), ("defaulted", "approve")}
    cells = frame.set_index(["actual", "decided"])
    wanted = [(outcome, decision) for outcome in actual for decision in decided]
    if sorted(cells.index) != sorted(wanted):
        raise ValueError(
            f"confusion: the frame has the cells {sorted(cells.index)}, must have one row for each "
            f"of {wanted}; pass what curves.confusion_at returns."
        )
    for row, outcome in enumerate(actual):
        for column, decision in enumerate(decided):
            cell, bad = cells.loc[(outcome, decision)], (outcome, decision) in wrong
            colour = VERMILION if bad else BLUE
            strength = 0.0 if np.isnan(cell["share"]) else 0.05 + 0.25 * float(cell["share"])
            corner = (column - 0.5, row - 0.5)
            ax.add_patch(Rectangle(corner, 1, 1, facecolor=colour, alpha=strength))
            hatch = "//" if bad else ""
            edge = {"edgecolor": colour, "linewidth": 0, "hatch": hatch, "alpha": 0.35}
            ax.add_patch(Rectangle(corner, 1, 1, fill=False, **edge))
            _cell(ax, column, row, cell, "wrong" if bad else "right")
    ax.set(xlim=(-0.5, 1.5), ylim=(1.5, -0.5))
    ax.set_xticks([0, 1], ["approved", "declined"], fontsize=LABEL)
    ax.set_yticks([0, 1], actual, fontsize=LABEL, rotation=90, va="center")
    ax.spines[["left", "bottom"]].set_visible(False)
    ax.tick_params(length=0)
    at = (
        f"A cut-off of {frame['cutoff'].iloc[0] * 100:.3g} %"
        if "cutoff" in frame
        else "The cut-off"
    )
    declined = cells.xs("decline", level="decided")["share"]
    finding = (
        f"{at} declines {said(declined['defaulted'], '%')} of the defaults "
        f"and {said(declined['repaid'], '%')} of the good loans"
    )
    return finish(ax, title=title or finding, x="decided", y="actual outcome")


def _cell(ax: Axes, column: int, row: int, cell: pd.Series, verdict: str) -> None:
    """Count, share with its interval, and whether that was right, in the middle of a cell."""
    number = said(cell["n"], "n")
    share = "no such loans"
    if np.isfinite(cell["share"]):
        limits = f"{said(cell['low'], '%')} to {said(cell['high'], '%')}"
        share = f"{said(cell['share'], '%')} of the row ({verdict})\n95 %: {limits}"
    look = {"ha": "center", "bbox": PAPER, "color": BLACK}
    ax.text(column, row - 0.12, number, va="bottom", fontsize=TITLE + 4, fontweight="bold", **look)
    ax.text(column, row - 0.05, share, va="top", fontsize=TICK, linespacing=1.4, **look)
