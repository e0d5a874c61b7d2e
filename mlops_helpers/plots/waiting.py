"""Figures of what is known while labels are on their way: vintages, and expected against real."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from mlops_helpers.plots.base import (
    BLUE,
    COLOURS,
    LINES,
    MARKERS,
    ORANGE,
    Unit,
    axes,
    dates,
    errors,
    finish,
    legend,
    need,
    no_data,
    said,
    tick_unit,
    when,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["expected_and_realised", "vintages"]


def vintages(
    frame: pd.DataFrame,
    ax: Axes | None = None,
    *,
    title: str | None = None,
    most: int = 7,
) -> Axes:
    """Share defaulted by `months_on_book`, a curve for each `vintage`.

    Columns `share`, `low`, `high` are shares of a vintage's loans. With a column `complete` only
    the complete cells are drawn, so a young vintage's curve is short rather than wrong. More than
    `most` vintages: only the newest are drawn, and the title says how many were left out. Two have
    their band, the oldest drawn and the newest of which anybody has defaulted: more would hide
    each other.
    """
    need(frame, ["vintage", "months_on_book", "share"], "vintages")
    rows = frame.dropna(subset="share")
    if "complete" in rows:
        rows = rows[rows["complete"].astype(bool)]
    if rows.empty:
        return no_data(ax, "no vintage is old enough")
    names = list(dict.fromkeys(rows["vintage"]))
    shown = names[-most:]
    begun = [name for name in shown if (rows.loc[rows["vintage"] == name, "share"] > 0).any()]
    banded = {shown[0], *begun[-1:]} if {"low", "high"} <= set(rows) else set()
    ax = axes(ax)
    for number, name in enumerate(shown):
        part = rows[rows["vintage"] == name].sort_values("months_on_book")
        look = COLOURS[number % len(COLOURS)], LINES[number % len(LINES)]
        if name in banded:
            low, high = part["low"], part["high"]
            ax.fill_between(part["months_on_book"], low, high, color=look[0], alpha=0.12)
        ax.plot(
            part["months_on_book"],
            part["share"],
            color=look[0],
            linestyle=look[1],
            marker=MARKERS[number % len(MARKERS)],
            markersize=5,
            linewidth=1.8,
            label=_vintage(name),
        )
    legend(ax, loc="upper left", bbox_to_anchor=(1.0, 1.0), title="vintage")
    ax.set_ylim(bottom=0)
    ax.set_xlim(left=0)
    tick_unit(ax.yaxis, "%")
    finding = _spread(rows[rows["vintage"].isin(shown)])
    if len(names) > len(shown):
        finding += f" ({_older(len(names) - len(shown))} not drawn)"
    label = "share defaulted" + (", 95 % interval of two" if banded else "")
    return finish(ax, title=title or finding, x="months on book", y=label, grid="y")


def _older(number: int) -> str:
    return f"{number} older vintage" + ("" if number == 1 else "s")


def _vintage(name: object) -> str:
    """A quarter's or month's start as a reader says it; any other name as it is."""
    return f"{name:%b %Y}" if isinstance(name, pd.Timestamp) else str(name)


def _spread(rows: pd.DataFrame) -> str:
    """The newest vintage in which anybody has defaulted, at its last age, beside the older ones."""
    last = rows[rows["share"] > 0]
    if last.empty:
        return "Nobody has defaulted yet"
    newest = last["vintage"].iloc[-1]
    age = last.loc[last["vintage"] == newest, "months_on_book"].max()
    at = rows[rows["months_on_book"] == age].set_index("vintage")["share"]
    finding = f"After {age:g} months {said(at[newest], '%')} of {_vintage(newest)} have defaulted"
    older = at.drop(newest)
    if older.empty:
        return finding
    ends = dict.fromkeys(said(share, "%") for share in (older.min(), older.max()))
    return f"{finding}, {' to '.join(ends)} of earlier ones"


def expected_and_realised(
    frame: pd.DataFrame,
    ax: Axes | None = None,
    *,
    what: str = "default rate",
    unit: Unit = "%",
    title: str | None = None,
) -> Axes:
    """What the probabilities promised for each window, and what came of it.

    `window_start`; `expected`, `expected_low`, `expected_high` as a band; `realised`, `low`, `high`
    as points with intervals. A window that is not `complete` is drawn hollow: some of its labels
    are still missing. The title counts complete windows with intervals that do not overlap, or
    those that the frame's own `agrees` denies (where it is missing there is no verdict).
    """
    needed = ["expected", "expected_low", "expected_high", "realised", "low", "high", "complete"]
    need(frame, needed, "expected_and_realised")
    if frame.empty:
        return no_data(ax, f"no {what} expected yet")
    name, times = when(frame, "expected_and_realised")
    rows = frame.assign(_when=times).sort_values("_when")
    ax = axes(ax)
    low, high = rows["expected_low"], rows["expected_high"]
    ax.fill_between(rows["_when"], low, high, color=BLUE, alpha=0.18)
    ax.plot(rows["_when"], rows["expected"], color=BLUE, marker="o", markersize=4, label="expected")
    complete = rows["complete"].astype(bool)
    kinds = ((complete, "realised, all labels in", ORANGE), (~complete, "labels missing", "white"))
    for chosen, label, inside in kinds:
        part = rows[chosen & rows["realised"].notna()]
        if len(part):
            ax.errorbar(
                part["_when"],
                part["realised"],
                yerr=errors(part.rename(columns={"realised": "value"})),
                fmt="s",
                markersize=7,
                capsize=4,
                color=ORANGE,
                markerfacecolor=inside,
                label=label,
            )
    legend(ax, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    dates(ax)
    tick_unit(ax.yaxis, unit)
    judged = rows[complete & rows["realised"].notna()]
    apart = (judged["low"] > judged["expected_high"]) | (judged["high"] < judged["expected_low"])
    if "agrees" in judged:
        agrees = judged["agrees"].astype("boolean")
        judged, apart = judged[agrees.notna()], ~agrees.dropna()
    finding = f"No window is complete yet: no {what} can be judged"
    if len(judged):
        finding = (
            f"{int(apart.sum())} of {len(judged)} complete windows differ from what was expected"
        )
    return finish(
        ax,
        title=title or finding,
        x=name.replace("_", " "),
        y=f"{what}, 95 % interval",
        grid="y",
    )
