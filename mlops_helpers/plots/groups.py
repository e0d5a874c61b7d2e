"""Figures with a row for each group or column: where a model holds, and what it lives on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from mlops_helpers.plots.base import (
    BLACK,
    BLUE,
    COLOURS,
    GREY,
    MARKERS,
    TICK,
    axes,
    errors,
    finish,
    need,
    no_data,
    said,
    words,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["importance", "segments"]

WIDEST = 3.0
"""Ratios are drawn up to here: a group with three loans would squeeze all others."""


def importance(frame: pd.DataFrame, ax: Axes | None = None, *, title: str | None = None) -> Axes:
    """AUC lost without each column: `feature, value, low, high`, the largest on top.

    A bar whose interval contains 0 is hollow and hatched: it cannot be told from nothing.
    """
    need(frame, ["feature", "value", "low", "high"], "importance")
    rows = frame.dropna(subset=["value"]).sort_values("value", ascending=False, kind="stable")
    if rows.empty:
        return no_data(ax, "no importance was measured")
    ax = axes(ax, height=1.5 + 0.32 * len(rows))
    told = ((rows["low"] > 0) | (rows["high"] < 0)).to_numpy()
    for row, (value, sure) in enumerate(zip(rows["value"], told, strict=True)):
        look = {"color": BLUE} if sure else {"facecolor": "white", "edgecolor": GREY, "hatch": "//"}
        ax.barh(row, value, height=0.62, **look)
    spread = errors(rows)
    known = (rows["low"].notna() & rows["high"].notna()).to_numpy()
    ax.errorbar(
        rows["value"].to_numpy()[known],
        np.flatnonzero(known),
        xerr=spread[:, known],
        fmt="none",
        ecolor=BLACK,
        capsize=3,
        linewidth=1.4,
    )
    ax.axvline(0, color=GREY, linewidth=1)
    ax.set_yticks(range(len(rows)), [words(name) for name in rows["feature"]])
    ax.set_ylim(len(rows) - 0.4, -0.6)
    first = rows.iloc[0]
    finding = f"{words(first['feature']).capitalize()} counts most: {said(first['value'])} of AUC"
    if not told[0]:
        finding = "No column can be told from one that does not matter"
    elif not told.all():
        finding += f"; {(~told).sum()} of {len(rows)} not told from 0 (hatched)"
    return finish(
        ax,
        title=title or finding,
        x="AUC lost when the column is shuffled, 95 % interval",
        grid="x",
    )


def segments(
    frame: pd.DataFrame,
    ax: Axes | None = None,
    *,
    metric: Literal["observed_to_expected", "auc"] = "observed_to_expected",
    title: str | None = None,
) -> Axes:
    """One row a group (`segment, group, n, defaults`): `metric` with its `_low` and `_high`.

    A filled marker stands for an interval that misses 1, where defaults are as many as predicted
    (0.5 for the AUC: no ranking). A group without a value keeps its row and says so; an interval
    that goes beyond the axis ends in an arrow.
    """
    limits = [f"{metric}_low", f"{metric}_high"]
    need(frame, ["segment", "group", "n", "defaults", metric, *limits], "segments")
    names = dict(zip([metric, *limits], ["value", "low", "high"], strict=True))
    rows = frame.rename(columns=names).reset_index(drop=True)
    if rows["value"].isna().all():
        return no_data(ax, "no group has enough outcomes")
    ratio = metric == "observed_to_expected"
    middle = 1.0 if ratio else 0.5
    ax = axes(ax, height=1.5 + 0.27 * (len(rows) + rows["segment"].nunique()), width=8.2)
    most = float(np.nanmax(rows[["value", "high"]].to_numpy(float)))
    least = float(np.nanmin(rows[["value", "low"]].to_numpy(float)))
    right = min(max(most, 1.25), WIDEST) * 1.03 if ratio else min(1.0, max(most, 0.6)) + 0.02
    ax.set_xlim(0 if ratio else min(least, 0.45) - 0.02, right)
    ax.axvline(middle, color=GREY, linestyle="--", linewidth=1.2)
    places, texts = _rows(ax, rows, middle)
    ax.set_yticks(places, texts)
    ax.set_ylim(max(places) + 0.7, -0.9)
    ax.tick_params(axis="y", length=0)
    if ratio:
        x = "observed ÷ expected defaults, 95 % interval (1 = as predicted)"
    else:
        x = "AUC, 95 % interval (0.5 = no ranking)"
    return finish(ax, title=title or _finding(rows, ratio), x=x, grid="x")


def _rows(ax: Axes, rows: pd.DataFrame, middle: float) -> tuple[list[float], list[str]]:
    """Draws the groups below the name of their segment; where each stands, and its label."""
    places: list[float] = []
    texts: list[str] = []
    place, right = -1.0, ax.get_xlim()[1]
    beside = {"xycoords": ("axes fraction", "data"), "va": "center", "fontsize": TICK}
    for number, (segment, part) in enumerate(rows.groupby("segment", sort=False)):
        place += 1.0
        ax.annotate(words(segment), (-0.01, place), ha="right", fontweight="bold", **beside)
        colour, marker = COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)]
        for _, row in part.iterrows():
            place += 1.0
            places.append(place)
            texts.append(words(row["group"]))
            ax.annotate(f"{row['defaults']:,} of {row['n']:,}", (1.025, place), **beside)
            if np.isnan(row["value"]):
                ax.annotate(
                    "too few",
                    (middle, place),
                    xytext=(5, 0),
                    textcoords="offset points",
                    va="center",
                    fontsize=TICK,
                    color=GREY,
                )
                continue
            missed = row["low"] > middle or row["high"] < middle
            ax.plot([row["low"], min(row["high"], right)], [place] * 2, color=colour, linewidth=1.8)
            if row["high"] > right:
                ax.plot(right, place, marker=">", color=colour, markersize=6, clip_on=False)
            face = colour if missed else "white"
            ax.plot(
                row["value"], place, marker=marker, color=colour, markerfacecolor=face, markersize=7
            )
    ax.annotate("defaults", (1.025, -0.75), **beside)
    return places, texts


def _finding(rows: pd.DataFrame, ratio: bool) -> str:
    """How many groups differ from what was predicted, or the span of the AUCs."""
    known = rows.dropna(subset=["value", "low", "high"])
    if not ratio:
        if known.empty:
            return "No group has enough loans for an interval"
        least, most = known.loc[known["value"].idxmin()], known.loc[known["value"].idxmax()]
        low, high = said(least["value"]), said(most["value"])
        return f"AUC from {low} ({_called(least)}) to {high} ({_called(most)})"
    more, less = known["low"] > 1, known["high"] < 1
    if not (more | less).any():
        return f"None of {len(known)} groups can be told from what was predicted"
    missed = known[more | less]
    far = missed.loc[np.log(missed["value"].clip(lower=0.01)).abs().idxmax()]
    verb = "defaults" if more.sum() == 1 else "default"
    return (
        f"Of {len(known)} groups {more.sum()} {verb} more often than predicted, {less.sum()} less "
        f"(by chance alone {0.05 * len(known):.1f}); "
        f"furthest: {_called(far)}, {far['value']:.2f} times"
    )


def _called(row: pd.Series) -> str:
    return f"{words(row['segment'])} {words(row['group'])}"
