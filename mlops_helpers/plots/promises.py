"""Figures of a method that was scored where the truth is known: promises kept, readings astray."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.ticker import FixedLocator, NullLocator

from mlops_helpers.plots.base import (
    BLACK,
    BLUE,
    GREY,
    VERMILION,
    axes,
    errors,
    finish,
    gap,
    legend,
    need,
    no_data,
    said,
    tick_unit,
    words,
    wrap,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["ab_limits", "error_rates"]

SHARES = (0.001, 0.01, 0.05, 0.2, 0.8, 0.95, 0.99, 0.999)
OVER_GRID = {"frameon": True, "facecolor": "white", "edgecolor": "none", "framealpha": 1.0}
PAGE, ROW, TWO_LINES = 7.3, (0.2, 0.38), 0.28
"""Inches for all rows, for one row (least, most), and that a name of two lines needs."""
SIGNS = {"about": "≈", "at most": "≤", "at least": "≥"}


def error_rates(frame: pd.DataFrame, ax: Axes | None = None, *, title: str | None = None) -> Axes:
    """Each `claim` beside what was measured: `rate` with `low`–`high`, and the `nominal` share.

    Rows are those of `ab_scores.error_rates`. The black bar is what was promised: the share itself,
    or with `promise` "at most" and "at least" a bound. A row that is not `kept` is hollow and red;
    without that column, if its interval leaves the promise out (by chance one row in twenty does).
    The axis is stretched near 0 and 100 % (log-odds), so that 5 % and 95 % can be read alike.
    """
    need(frame, ["claim", "nominal", "rate", "low", "high"], "error_rates")
    if frame.empty:
        return no_data(ax, "no error rate was measured")
    rows = frame.reset_index(drop=True)
    room = float(np.clip(PAGE / len(rows), *ROW))  # many rows are drawn closer, to fit one screen
    size, letters = (9.0, 40) if room == ROW[1] else (8.0, 40 if room > TWO_LINES else 80)
    ax = axes(ax, height=1.7 + room * len(rows), width=9.0)
    ax.set_xscale("logit")
    kept = [_rate_row(ax, at, row, size) for at, row in enumerate(rows.to_dict("records"))]
    ax.plot([], [], marker="|", color=BLACK, markersize=14, mew=2.5, ls="", label="promised")
    look = {"ls": "", "markersize": 8, "marker": "o", "color": BLUE}
    ax.plot([], [], **look, label="measured")
    if not all(kept):
        look |= {"marker": "s", "color": VERMILION, "markerfacecolor": "white"}
        ax.plot([], [], **look, label="measured, not as promised")
    look = OVER_GRID | {"fontsize": size}
    legend(ax, loc="upper left", bbox_to_anchor=(0.0, 1.0), ncols=3, **look)
    ends = rows[["nominal", "rate", "low", "high"]].clip(SHARES[0], SHARES[-1])
    lowest, highest = float(ends.min(axis=None)), float(ends.max(axis=None))
    ax.set_xlim(lowest / 1.5, 1 - (1 - highest) / 1.5)
    shown = [share for share in SHARES if lowest / 1.5 <= share <= 1 - (1 - highest) / 1.5]
    ax.xaxis.set_major_locator(FixedLocator(shown))
    ax.xaxis.set_minor_locator(NullLocator())
    tick_unit(ax.xaxis, "%")
    ax.tick_params(axis="x", labelsize=size)
    names = [wrap(_claim(row), letters) for row in rows.to_dict("records")]
    ax.set_yticks(range(len(rows)), names, fontsize=size)
    ax.set_ylim(len(rows) - 0.5, -0.6 - 0.3 / room)  # the legend's line, whatever a row takes
    broken = rows.loc[[not fine for fine in kept]]
    finding = f"{sum(kept)} of {len(rows)} promises are kept"
    if len(broken):
        worst = broken.loc[(broken["rate"] - broken["nominal"]).abs().idxmax()]
        finding += f"; furthest off: {_claim(worst.to_dict())}, {said(worst['rate'], '%')}"
    x = "measured share with its 95 % interval (axis stretched near 0 and 100 %)\n"
    x += "beside it: what was promised, ≈ about, ≤ at most, ≥ at least"
    wide = 0.75 if letters == 40 else 0.55  # names in one line leave the Axes less
    return finish(ax, title=title or finding, x=x, grid="x", room=wide)


def ab_limits(frame: pd.DataFrame, ax: Axes | None = None, *, title: str | None = None) -> Axes:
    """What each `reading` of an experiment finds on average (`value`) beside the `truth`.

    Rows are those of `ab_limits`: `low`–`high` is the interval of that mean, `spread` (if there)
    the standard deviation of one experiment: the pale bar is where 95 % of single ones read,
    `missed` (if there) the share of their intervals that leave the truth out. Rows of one `unit`
    share a scale; where there are several units, or several `limit`, the figures stand beside.
    """
    need(frame, ["reading", "value", "low", "high", "truth"], "ab_limits")
    if frame.empty:
        return no_data(ax, "no reading was measured")
    rows = frame.reset_index(drop=True)
    rows = rows.assign(unit=rows.get("unit", "$"))
    group = [rows["unit"], rows["limit"]] if "limit" in rows else [rows["unit"]]
    reach = 1.96 * rows["spread"] if "spread" in rows else 0.0
    ends = [rows[c].abs() for c in ("low", "high", "truth")] + [rows["value"].abs() + reach]
    scale = pd.concat(ends, axis=1).max(axis=1).groupby(group).transform("max").replace(0, 1.0)
    one_scale = scale.nunique() == 1 and rows["unit"].nunique() == 1
    scale = 1.0 + 0 * scale if one_scale else scale
    ax = axes(ax, height=2.0 + 0.5 * len(rows), width=9.0)
    spread = errors(rows) / scale.to_numpy()
    missing = _missing(rows)
    for at, row in enumerate(rows.assign(reach=reach, scale=scale).to_dict("records")):
        value, colour = row["value"] / row["scale"], VERMILION if missing[at] else BLUE
        if row["reach"] > 0:
            wide = 2 * row["reach"] / row["scale"]
            ax.barh(at, wide, left=value - wide / 2, height=0.42, color=colour, alpha=0.16)
        ax.errorbar(
            value,
            at,
            xerr=spread[:, [at]],
            fmt="s" if missing[at] else "o",
            color=colour,
            markerfacecolor="white" if missing[at] else colour,
            markersize=8,
            capsize=4,
            linewidth=2,
        )
        ax.plot(
            row["truth"] / row["scale"],
            at,
            marker="|",
            color=BLACK,
            markersize=20,
            mew=2.5,
            zorder=5,
        )
        ax.text(1.02, at, _beside(row), transform=ax.get_yaxis_transform(), va="center", fontsize=9)
    ax.vlines(0, -0.5, len(rows) - 0.5, color=GREY, linewidth=1.0)
    ax.use_sticky_edges = False
    ax.plot([], [], marker="|", color=BLACK, markersize=14, mew=2.5, ls="", label="truth")
    look = {"ls": "", "markersize": 8, "marker": "o", "color": BLUE}
    ax.plot([], [], **look, label="reading")
    if missing.any():
        look |= {"marker": "s", "color": VERMILION, "markerfacecolor": "white"}
        ax.plot([], [], **look, label="reading that misses the truth too often")
    legend(ax, loc="upper left", bbox_to_anchor=(0.0, 1.0), ncols=3, **OVER_GRID)
    names = rows["reading"]
    if "limit" in rows and rows["limit"].nunique() > 1:
        names = rows["limit"] + ": " + names
        for at in rows.index[rows["limit"] != rows["limit"].shift()][1:]:
            ax.axhline(at - 0.5, color="#BBBBBB", linewidth=0.8)
    ax.set_yticks(range(len(rows)), [wrap(words(name), 30) for name in names])
    ax.set_ylim(len(rows) - 0.5, -1.1)
    if one_scale:
        tick_unit(ax.xaxis, rows["unit"].iloc[0])
    else:
        ax.set_xticks([])
    x = "effect that is read: treatment − control"
    x += "" if "spread" not in rows else " (pale: where 95 % of single experiments read)"
    x += "" if one_scale else "\nfigures of different units have scales of their own"
    return finish(
        ax, title=title or _misread(rows, missing), x=x, grid="x" if one_scale else None, room=0.85
    )


def _rate_row(ax: Axes, at: int, row: dict[str, Any], size: float) -> bool:
    """One claim: its measured share, its promise; whether the interval holds the promise."""
    kept = _kept(row)
    low, rate, high = np.clip([row["low"], row["rate"], row["high"]], SHARES[0], SHARES[-1])
    ax.errorbar(
        rate,
        at,
        xerr=[[rate - low], [high - rate]],
        fmt="o" if kept else "s",
        color=BLUE if kept else VERMILION,
        markerfacecolor=BLUE if kept else "white",
        markersize=size - 2,
        capsize=size - 5,
        linewidth=2,
    )
    if np.isfinite(row["nominal"]):
        promised = np.clip(row["nominal"], SHARES[0], SHARES[-1])  # log-odds know no 0 and no 1
        ax.plot(promised, at, marker="|", color=BLACK, markersize=2 * size, mew=2.5, zorder=5)
    ends = f"[{said(row['low'], '%')}, {said(row['high'], '%')}]".replace(" %", "")
    text = f"{said(row['rate'], '%')}  {ends}"
    if np.isfinite(row["nominal"]):
        text += f"  {SIGNS[row.get('promise', 'about')]} {100 * row['nominal']:.3g} %"
    ax.text(1.02, at, text, transform=ax.get_yaxis_transform(), va="center", fontsize=size)
    return kept


def _claim(row: dict[str, Any]) -> str:
    return words(row["claim"]).replace("auc ", "AUC ")


def _kept(row: dict[str, Any]) -> bool:
    """Whether the promise is kept; a row that promises nothing keeps it."""
    if "kept" in row:
        return bool(row["kept"])
    promise = row.get("promise", "about")
    too_low = row["high"] < row["nominal"] and promise != "at most"
    too_high = row["low"] > row["nominal"] and promise != "at least"
    return not (too_low or too_high)


def _missing(rows: pd.DataFrame) -> np.ndarray:
    """Which readings miss the truth: in surely more than 5 % of experiments, or else on average."""
    if "missed_low" in rows:
        return (rows["missed_low"] > 0.05).to_numpy()
    return ~rows["truth"].between(rows["low"], rows["high"]).to_numpy()


def _misread(rows: pd.DataFrame, missing: np.ndarray) -> str:
    """How many readings miss the truth; a single one is named with what it reads."""
    count = int(missing.sum())
    if not count:
        return "No reading surely misses the truth"
    often = " too often" if "missed_low" in rows else ""
    if count > 1:
        return f"{count} of {len(rows)} readings miss the truth{often}"
    row = rows[missing].iloc[0]
    told = f"“{words(row['reading'])}” reads {gap(row['value'], row['unit'])}, "
    told += f"the truth is {gap(row['truth'], row['unit'])}"
    return told if len(rows) == 1 else f"1 of {len(rows)} readings misses the truth{often}: {told}"


def _beside(row: dict[str, Any]) -> str:
    text = f"reads {gap(row['value'], row['unit'])}, truth {gap(row['truth'], row['unit'])}"
    if "missed" in row:
        text += f"\nmissed by {said(row['missed'], '%')} of the intervals"
    return text
