"""Figures of retraining policies: what each gained, with which uncertainty, and in which months."""

from __future__ import annotations

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
    `worst_month` ($ an application). What no lender can follow (`CEILINGS`) is drawn hollow. An
    interval that crosses the black line decides nothing.
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
    return finish(
        ax,
        title=title or _advice(rows, baseline),
        x=f"gain against “{baseline}”, $ an application, 95 % interval (hollow: hindsight)",
        grid="x",
    )


def policy_paths(
    frame: pd.DataFrame,
    ax: Axes | None = None,
    *,
    baseline: str = "never",
    title: str | None = None,
) -> Axes:
    """Cumulative profit minus the baseline's over `month`, a curve a `policy`, phases shaded.

    The mean over `seed`, with the 95 % band of that mean where there are two seeds or more
    (Student's t over the seeds' own differences, so the luck that policies share cancels). `profit`
    is in $ an application: a curve that ends at 900 earned 900 dollars more for each application
    that comes every month. `phase` names the stretches of time.
    """
    need(frame, ["seed", "policy", "month", "phase", "profit"], "policy_paths")
    if frame.empty:
        return no_data(ax, "no policy was compared")
    monthly = frame.pivot_table(index=["seed", "month"], columns="policy", values="profit")
    if baseline not in monthly:
        raise ValueError(
            f"policy_paths: baseline == {baseline!r}, must be one of {list(monthly.columns)}."
        )
    ahead = monthly.sub(monthly[baseline], axis=0).groupby("seed").cumsum()
    ends: dict[str, float] = {}
    ax = axes(ax, height=4.6, width=8.6)
    _shade(ax, frame)
    shown = [name for name in dict.fromkeys(frame["policy"]) if name != baseline]
    for number, name in enumerate(shown):
        by_seed = ahead[name].unstack("seed")
        mean, half = by_seed.mean(axis=1), _half_width(by_seed)
        colour, line = COLOURS[number % len(COLOURS)], LINES[number % len(LINES)]
        look = {"color": colour, "linestyle": line}
        ax.fill_between(mean.index, mean - half, mean + half, color=colour, alpha=0.12, linewidth=0)
        ax.plot(
            mean.index,
            mean,
            **look,
            linewidth=2,
            marker=MARKERS[number % len(MARKERS)],
            markevery=max(len(mean) // 6, 1),
            markersize=6,
            label=words(name),
        )
        ends[name] = float(mean.iloc[-1])
    ax.axhline(0, color=BLACK, linewidth=1.4)
    if shown:
        legend(ax, loc="upper left", bbox_to_anchor=(1.0, 1.0), title="policy")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    tick_unit(ax.yaxis, "$")
    open_to_all = {name: end for name, end in ends.items() if name not in CEILINGS} or ends
    finding = f"Only “{baseline}” was followed"
    if open_to_all:
        best = max(open_to_all, key=lambda name: open_to_all[name])
        finding = (
            f"At the end “{words(best)}” is ahead of “{baseline}” by "
            f"{said(open_to_all[best], '$')} for each monthly application"
        )
    return finish(
        ax,
        title=title or finding,
        x="month",
        y=f"cumulative profit minus “{baseline}” ($)",
        grid="y",
    )


def _beside(row: dict[str, Any]) -> str:
    """What stands beside a policy: its trainings (hindsight needs none), and its worst month."""
    did = "hindsight" if row["policy"] in CEILINGS else f"{row['trainings']:.3g} trainings"
    return f"{did}, worst month {said(row['worst_month'], '$')}"


def _advice(rows: pd.DataFrame, baseline: str) -> str:
    """The answer to "what should we do?", with its interval; rows are sorted, the best first."""
    followed = rows[~rows["policy"].isin([*CEILINGS, baseline])]
    surely = followed[followed["low"] > 0]
    if surely.empty:
        return f"No policy is surely better than “{baseline}”"
    best = surely.iloc[0]
    return (
        f"Most gained: “{words(best['policy'])}”, {said(best['value'], '$')} an application "
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
