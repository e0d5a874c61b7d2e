"""Figures of rules that judge models: how often each is wrong, and how often it is right."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
from matplotlib.ticker import NullLocator

from mlops_helpers.plots.base import (
    BLACK,
    COLOURS,
    GREY,
    LINES,
    MARKERS,
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

__all__ = ["judge_power", "selection_bias", "watch"]


def judge_power(
    frame: pd.DataFrame,
    ax: Axes | None = None,
    *,
    level: float = 0.05,
    judge: str = "the judge",
    title: str | None = None,
) -> Axes:
    """How often a challenger is promoted (`promoted`, `low`–`high`) over the number of `rows`.

    A curve for each `rule` and true `gain` in AUC: the gain has the colour and the marker; the
    `judge` is drawn solid, any other rule broken and hollow. Points of one size lie side by side.
    The grey line is the `level`; the title has the equal challengers (gain 0) of all sizes.
    """
    need(frame, ["rule", "rows", "gain", "promoted", "low", "high"], "judge_power")
    if frame.empty:
        return no_data(ax, "no rule was scored")
    ax = axes(ax, height=4.2)
    others = [rule for rule in frame["rule"].unique() if rule != judge]
    gains = sorted(frame["gain"].unique())
    groups = list(frame.groupby(["rule", "gain"], sort=False))
    for place, ((rule, gain), part) in enumerate(groups):
        what = "equal models" if gain == 0 else f"truly better by {gain:g}"
        beside = 1.0 + 0.025 * (place - (len(groups) - 1) / 2)
        look = {} if rule == judge else {"markerfacecolor": "white"}
        look["linestyle"] = LINES[(1 + others.index(rule)) % len(LINES)] if rule in others else "-"
        shown = part.sort_values("rows").assign(rows=lambda f, by=beside: f["rows"] * by)
        number, label = gains.index(gain), f"{rule}: {what}"
        _curve(ax, shown, "rows", "promoted", number=number, label=label, **look)
    goal = f"{100 * level:g} %"
    ax.axhline(level, color=GREY, linestyle="--", linewidth=1.3, label=f"agreed: {goal}")
    ax.set_xscale("log")
    sizes = sorted(frame["rows"].unique())
    ax.set_xticks(sizes, [f"{size:,.0f}" for size in sizes])
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_ylim(-0.02, 1.02)
    tick_unit(ax.yaxis, "%")
    legend(ax, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    equal = frame[frame["gain"] == 0].groupby("rule", sort=False)["promoted"].mean()
    told = ", ".join(f"“{rule}” {said(share, '%')}" for rule, share in equal.items())
    finding = f"Equal challengers promoted: {told}" if told else "Power of the judge"
    return finish(
        ax,
        title=title or finding,
        x="rows that both models are judged on",
        y="promoted, 95 % interval",
        grid="y",
    )


def selection_bias(
    frame: pd.DataFrame, ax: Axes | None = None, *, title: str | None = None
) -> Axes:
    """The gain that each way of judging (`judged_on`) finds on average, beside the `truth`.

    `value` with `low`–`high`: the mean difference of the two AUCs, challenger minus champion. With
    a column `wrong_verdicts` its share stands beside the row.
    """
    need(frame, ["judged_on", "value", "low", "high", "truth"], "selection_bias")
    if frame.empty:
        return no_data(ax, "no way of judging was scored")
    rows = frame.reset_index(drop=True)
    ax = axes(ax, height=1.9 + 0.5 * len(rows), width=8.2)
    spread = errors(rows)
    for at, row in enumerate(rows.to_dict("records")):
        fair = row["low"] <= row["truth"] <= row["high"]
        ax.errorbar(
            row["value"],
            at,
            xerr=spread[:, [at]],
            fmt=MARKERS[at % len(MARKERS)],
            color=COLOURS[at % len(COLOURS)],
            markerfacecolor=COLOURS[at % len(COLOURS)] if fair else "white",
            markersize=8,
            capsize=5,
            linewidth=2,
        )
        if "wrong_verdicts" in rows:
            text = f"wrong verdicts: {said(row['wrong_verdicts'], '%')}"
            ax.text(1.02, at, text, transform=ax.get_yaxis_transform(), va="center", fontsize=9)
    truth = float(rows["truth"].iloc[0])
    ax.axvline(truth, color=BLACK, linestyle="--", linewidth=1.6, label=f"truth {truth:+.3f}")
    ax.axvline(0, color=GREY, linewidth=1.0)
    ax.set_yticks(range(len(rows)), [wrap(words(name), 24) for name in rows["judged_on"]])
    ax.set_ylim(len(rows) - 0.5, -0.9)
    ax.margins(x=0.1)
    legend(ax, loc="upper left")
    off = rows.loc[(rows["value"] - rows["truth"]).abs().idxmax()]
    finding = (
        f"Furthest from the truth ({truth:+.3f}): judged on {words(off['judged_on'])}, "
        f"{off['value']:+.3f}"
    ).replace("-", "−")
    return finish(
        ax,
        title=title or finding,
        x="AUC of the challenger minus the champion's: mean of the samples, 95 % interval of\n"
        "that mean (hollow: the interval misses the truth)",
        grid="x",
    )


def watch(
    frame: pd.DataFrame,
    ax: Axes | None = None,
    *,
    level: float = 0.05,
    title: str | None = None,
) -> Axes:
    """How often each `rule` rolls a promotion back (`rolled_back`, `low`–`high`) over its `gain`.

    `gain`: what the promoted model truly adds; at 0 and above a rollback is a mistake, below 0 it
    is what the watch is for. The grey line is the `level` agreed for mistakes.
    """
    need(frame, ["rule", "gain", "rolled_back", "low", "high"], "watch")
    if frame.empty:
        return no_data(ax, "no watch was scored")
    ax = axes(ax, height=4.2)
    for number, (rule, part) in enumerate(frame.groupby("rule", sort=False)):
        _curve(ax, part.sort_values("gain"), "gain", "rolled_back", number=number, label=str(rule))
    goal = f"{100 * level:g} %"
    ax.axhline(level, color=GREY, linestyle="--", linewidth=1.3, label=f"agreed: {goal}")
    ax.axvline(0, color=BLACK, linewidth=1.2)
    gains = sorted(frame["gain"].unique())
    ax.set_xticks(gains, [f"{gain:+g}".replace("-", "−") if gain else "0" for gain in gains])
    ax.set_ylim(-0.02, 1.02)
    tick_unit(ax.yaxis, "%")
    legend(ax, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    equal = frame[frame["gain"] == 0].groupby("rule", sort=False)["rolled_back"].mean()
    told = ", ".join(f"“{rule}” {said(share, '%')}" for rule, share in equal.items())
    finding = f"An equal model is taken back in: {told}" if told else "How often it acts"
    return finish(
        ax,
        title=title or finding,
        x="true gain of the promoted model (left of 0: it is worse)",
        y="rolled back, 95 % interval",
        grid="y",
    )


def _curve(
    ax: Axes,
    part: pd.DataFrame,
    x: str,
    y: str,
    *,
    number: int,
    label: str,
    **look: Any,  # noqa: ANN401 - passed on to matplotlib
) -> None:
    """One rule's shares with their intervals."""
    rows = part.rename(columns={y: "value"}).reset_index(drop=True)
    ax.errorbar(
        rows[x],
        rows["value"],
        yerr=errors(rows),
        color=COLOURS[number % len(COLOURS)],
        **({"linestyle": LINES[number % len(LINES)]} | look),
        marker=MARKERS[number % len(MARKERS)],
        markersize=6,
        linewidth=1.8,
        capsize=3,
        label=label,
    )
