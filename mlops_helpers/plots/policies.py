"""Figures of retraining policies: what each gained, with which uncertainty, and in which months."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.ticker import MaxNLocator
from scipy.stats import t as student

from mlops_helpers.plots.base import (
    BLACK,
    BLUE,
    COLOURS,
    GREEN,
    GREY,
    LINES,
    MARKERS,
    TICK,
    VERMILION,
    axes,
    errors,
    finish,
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

__all__ = ["policy_gains", "policy_paths"]

CEILINGS = ("oracle", "the truth")
"""Policies that no lender can follow: drawn hollow, and never called the best."""


def policy_gains(
    frame: pd.DataFrame,
    ax: Axes | None = None,
    *,
    baseline: str = "never",
    title: str | None = None,
) -> Axes:
    """What each `policy` gains against the baseline: `gain` with `gain_low`–`gain_high`, in $.

    A row a policy, the best on top; beside it how often it trained (`trainings`) and its
    `worst_month` (the lowest one, $ an application). What no lender can follow (`CEILINGS`) is
    drawn hollow. An interval that crosses the black line decides nothing.
    """
    columns = ["policy", "gain", "gain_low", "gain_high", "trainings", "worst_month"]
    need(frame, columns, "policy_gains")
    if frame.empty:
        return no_data(ax, "no policy was compared")
    names = {"gain": "value", "gain_low": "low", "gain_high": "high"}
    rows = frame[columns].rename(columns=names)  # the frame has limits of the profit as well
    rows = rows.sort_values("value", ascending=False, ignore_index=True)
    ax = axes(ax, height=1.8 + 0.52 * len(rows), width=8.6)
    spread = errors(rows)
    for at, row in enumerate(rows.to_dict("records")):
        colour = GREEN if row["low"] > 0 else VERMILION if row["high"] < 0 else BLUE
        ax.errorbar(
            row["value"],
            at,
            xerr=spread[:, [at]],
            fmt="D" if row["policy"] in CEILINGS else "o",
            markerfacecolor="white" if row["policy"] in CEILINGS else colour,
            color=colour,
            markersize=8,
            capsize=5,
            linewidth=2,
        )
        ax.text(1.02, at, _beside(row), transform=ax.get_yaxis_transform(), va="center", fontsize=9)
    ax.axvline(0, color=BLACK, linewidth=1.4)
    ax.set_yticks(range(len(rows)), [wrap(words(name), 22) for name in rows["policy"]])
    ax.set_ylim(len(rows) - 0.5, -0.6)
    ax.margins(x=0.1)
    tick_unit(ax.xaxis, "$")
    hindsight = " (hollow: hindsight)" if rows["policy"].isin(CEILINGS).any() else ""
    return finish(
        ax,
        title=title or _advice(rows, baseline),
        x=f"gain against “{baseline}”, $ an application, 95 % interval{hindsight}",
        grid="x",
    )


def policy_paths(
    frame: pd.DataFrame,
    ax: Axes | None = None,
    *,
    baseline: str = "never",
    bands: Sequence[str] | None = None,
    title: str | None = None,
) -> Axes:
    """What each `policy` has gained on the baseline so far, over `month`, phases shaded.

    The dollars gained until a month, over *all* applications of the years (`applications`, equal
    months without that column): a curve ends at the gain of `policy_gains` and is steep where the
    money is made. Curves are means over `seed`; `bands` names those with the 95 % band of that mean
    (Student's t over the seeds' own differences, so the luck that policies share cancels), by
    default the first and the last in the end of those that can be followed. `phase` names the
    stretches of time. The legend has the curves in the order in which they end.
    """
    need(frame, ["seed", "policy", "month", "phase", "profit"], "policy_paths")
    if frame.empty:
        return no_data(ax, "no policy was compared")
    ahead = _ahead(frame, baseline)
    ends = ahead.groupby("seed").last().mean().drop(baseline).sort_values(ascending=False)
    followed = [name for name in ends.index if name not in CEILINGS]
    banded = {*followed[:1], *followed[-1:]} if bands is None else set(bands)
    ax = axes(ax, height=4.6, width=8.6)
    _shade(ax, frame)
    names = [name for name in dict.fromkeys(frame["policy"]) if name != baseline]
    for name in ends.index:
        number = names.index(name)
        by_seed = ahead[name].unstack("seed")
        mean, colour = by_seed.mean(axis=1), COLOURS[number % len(COLOURS)]
        if name in banded:
            half = _half_width(by_seed)
            area = {"color": colour, "alpha": 0.15, "linewidth": 0}
            ax.fill_between(mean.index, mean - half, mean + half, **area)
        ax.plot(
            mean.index,
            mean,
            color=colour,
            linestyle=LINES[number % len(LINES)],
            linewidth=2,
            marker=MARKERS[number % len(MARKERS)],
            markevery=max(len(mean) // 6, 1),
            markersize=6,
            label=f"{words(name)}: {said(ends[name], '$')}",
        )
    ax.axhline(0, color=BLACK, linewidth=1.4)
    if len(ends):
        heading = "policy: gain in the end"
        if banded and ahead.index.get_level_values("seed").nunique() > 1:
            heading += "\n(shaded: 95 % interval)"
        legend(ax, loc="upper left", bbox_to_anchor=(1.0, 1.0), title=heading)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    tick_unit(ax.yaxis, "$")
    return finish(
        ax,
        title=title or _finding(ends, followed, baseline),
        x="month",
        y=f"gained on “{baseline}” so far,\n$ an application of all months",
        grid="y",
    )


def _ahead(frame: pd.DataFrame, baseline: str) -> pd.DataFrame:
    """Dollars ahead of the baseline by (seed, month), over all applications of the seed."""
    count = frame.get("applications", 1.0)
    dollars = frame.assign(dollars=frame["profit"] * count, count=count)
    wide = dollars.pivot_table(
        index=["seed", "month"], columns="policy", values=["dollars", "count"], sort=False
    ).sort_index()
    if baseline not in wide["dollars"]:
        raise ValueError(
            f"policy_paths: baseline == {baseline!r}, must be one of "
            f"{sorted(wide['dollars'].columns)}."
        )
    gained = wide["dollars"].sub(wide["dollars"][baseline], axis=0).groupby("seed").cumsum()
    return gained.div(wide["count"][baseline].groupby("seed").sum(), axis=0, level="seed")


def _finding(ends: pd.Series, followed: list[str], baseline: str) -> str:
    """The policy that is first in the end; hindsight only where there is nothing else."""
    first = [*followed, *ends.index][:1]
    if not first:
        return f"Only “{baseline}” was followed"
    return (
        f"At the end “{words(first[0])}” is ahead of “{baseline}” by "
        f"{said(ends[first[0]], '$')} an application"
    )


def _beside(row: dict[str, Any]) -> str:
    """What stands beside a policy: its trainings (hindsight needs none), and its worst month."""
    did = "hindsight" if row["policy"] in CEILINGS else f"{row['trainings']:.3g} trainings"
    return f"{did}, lowest month {said(row['worst_month'], '$')}"


def _advice(rows: pd.DataFrame, baseline: str) -> str:
    """The answer to "what should we do?", with its interval; rows are sorted, the best first."""
    followed = rows[~rows["policy"].isin([*CEILINGS, baseline])]
    surely = followed[followed["low"] > 0]
    if surely.empty:
        return f"No policy is surely better than “{baseline}”"
    best = surely.iloc[0]
    return (
        f"Of those one can follow “{words(best['policy'])}” gained most: "
        f"{said(best['value'], '$')} "
        f"[{said(best['low'], '$')}, {said(best['high'], '$')}]"
    )


def _half_width(by_seed: pd.DataFrame) -> pd.Series:
    """Half of the 95 % interval of the mean over the columns; 0 with a single column."""
    n = by_seed.shape[1]
    if n < 2:
        return pd.Series(0.0, index=by_seed.index)
    return by_seed.std(axis=1) / np.sqrt(n) * float(student.ppf(0.975, n - 1))


def _shade(ax: Axes, frame: pd.DataFrame) -> None:
    """Each stretch of one phase: every other one grey, divided by lines, its name on top."""
    phases = frame.drop_duplicates("month").set_index("month")["phase"].astype(str).sort_index()
    runs = (phases != phases.shift()).cumsum()
    for number, (_, run) in enumerate(phases.groupby(runs)):
        first, last = run.index.min() - 0.5, run.index.max() + 0.5
        ax.axvspan(first, last, color=GREY, alpha=0.1 if number % 2 else 0.0, linewidth=0)
        if number:
            ax.axvline(first, color=GREY, linewidth=0.9, linestyle=":")
        ax.text(
            (first + last) / 2,
            0.985,
            wrap(words(run.iloc[0]), max(8, int(1.3 * len(run)))),
            transform=ax.get_xaxis_transform(),
            ha="center",
            va="top",
            fontsize=TICK - 1,
            color=BLACK,
        )
    ax.set_xlim(phases.index.min() - 0.5, phases.index.max() + 0.5)
