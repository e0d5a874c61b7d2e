"""Figures about a model at work: drift, volume, alerts, latency, traffic."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mlops_helpers.plots.base import (
    BLACK,
    BLUE,
    COLOURS,
    GREEN,
    HATCHES,
    LINES,
    MARKERS,
    ORANGE,
    PURPLE,
    SKY,
    TICK,
    VERMILION,
    axes,
    dates,
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

SEVERITIES = ("critical", "high", "warning", "medium", "watch", "low", "info", "none", "ok")
_LOOK = {
    "critical": (VERMILION, "xx"),
    "high": (VERMILION, "xx"),
    "warning": (ORANGE, "//"),
    "medium": (ORANGE, "//"),
    "watch": (SKY, ".."),
    "low": (SKY, ".."),
    "info": (SKY, ".."),
    "none": (GREEN, ""),
    "ok": (GREEN, ""),
}


def look(severity: str) -> tuple[str, str]:
    """Colour and hatch of a severity; a name the course does not use gets purple and `++`."""
    return _LOOK.get(str(severity).lower(), (PURPLE, "++"))


def drift(
    frame: pd.DataFrame,
    ax: Axes | None = None,
    *,
    top: int | None = None,
    title: str | None = None,
) -> Axes:
    """PSI a `feature` as bars, coloured and hatched by `severity`, with the null level `psi_null`.

    A bar that ends before its black mark is what sampling alone would do. `top` keeps the largest.
    """
    need(frame, ["feature", "psi", "psi_null", "severity"], "drift")
    if frame.empty:
        return no_data(ax, "no drift measured yet")
    rows = frame.sort_values("psi", ascending=False).head(top or len(frame))
    ax = axes(ax, height=1.5 + 0.36 * len(rows))
    seen: set[str] = set()
    for row, (psi, severity) in enumerate(zip(rows["psi"], rows["severity"], strict=True)):
        colour, hatch = look(severity)
        label = None if severity in seen else str(severity)
        seen.add(severity)
        ax.barh(row, psi, color=colour, hatch=hatch, edgecolor="white", height=0.68, label=label)
        ax.annotate(
            f"{psi:.3f}",
            (max(psi, rows["psi_null"].iloc[row]), row),
            xytext=(7, 0),
            textcoords="offset points",
            va="center",
            fontsize=TICK,
        )
    ax.plot(
        rows["psi_null"],
        range(len(rows)),
        linestyle="none",
        marker="|",
        markersize=15,
        markeredgewidth=2.6,
        color=BLACK,
        label="no drift would give",
    )
    ax.set_yticks(range(len(rows)), [str(name).replace("_", " ") for name in rows["feature"]])
    ax.invert_yaxis()
    ax.margins(x=0.14)
    ax.set_xlim(left=0)
    legend(ax, loc="lower right")
    worst = rows.iloc[0]
    drifted = (
        frame["drifted"].astype(bool)
        if "drifted" in frame
        else ~frame["severity"].isin(["none", "ok"])
    )
    finding = (
        f"{int(drifted.sum())} of {len(frame)} features drifted, most {_words(worst['feature'])} "
        f"({worst['psi']:.2f} against {worst['psi_null']:.3f} by chance)"
        if drifted.any()
        else f"None of {len(frame)} features drifted beyond chance"
    )
    return finish(ax, title=title or finding, x="PSI (population stability index)", grid="x")


def volume(
    frame: pd.DataFrame,
    ax: Axes | None = None,
    *,
    title: str | None = None,
    what: str = "predictions",
) -> Axes:
    """Counts `n` over time as bars (column `day`, `month`, `window_start`, …)."""
    need(frame, ["n"], "volume")
    if frame.empty:
        return no_data(ax, f"no {what} logged")
    name, times = when(frame, "volume")
    rows = frame.assign(_when=times).groupby("_when", as_index=False)["n"].sum()
    ax = axes(ax, height=3.2)
    steps = rows["_when"].diff().dropna()
    width = steps.min() / pd.Timedelta(days=1) if len(steps) else 1.0
    ax.bar(rows["_when"], rows["n"], width=width * 0.92, color=BLUE, align="edge")
    mean = float(rows["n"].mean())
    ax.axhline(mean, color=ORANGE, linestyle="--", linewidth=1.6, label=f"mean {mean:,.1f}")
    legend(ax, loc="lower right", facecolor="white")
    dates(ax)
    tick_unit(ax.yaxis, "n")
    finding = (
        f"{int(rows['n'].sum()):,} {what}, {rows['_when'].min():%d %b %Y} "
        f"to {rows['_when'].max():%d %b %Y}"
    )
    return finish(
        ax, title=title or finding, x=name.replace("_", " "), y=f"{what} a {_step(name)}", grid="y"
    )


def alerts_by_severity(
    frame: pd.DataFrame, ax: Axes | None = None, *, title: str | None = None
) -> Axes:
    """How many alerts of each `severity`; either one row an alert, or rows with counts `n`."""
    need(frame, ["severity"], "alerts_by_severity")
    if frame.empty:
        return no_data(ax, "no alert was raised", title="No alerts")
    counts = (
        frame.groupby("severity")["n"].sum() if "n" in frame else frame["severity"].value_counts()
    )
    known = [name for name in SEVERITIES if name in counts.index]
    counts = counts.reindex(known + [name for name in counts.index if name not in known])
    ax = axes(ax, height=1.6 + 0.5 * len(counts))
    for row, (severity, n) in enumerate(counts.items()):
        colour, hatch = look(str(severity))
        ax.barh(row, n, color=colour, hatch=hatch, edgecolor="white", height=0.6)
        ax.annotate(
            f"{int(n):,}",
            (n, row),
            xytext=(5, 0),
            textcoords="offset points",
            va="center",
            fontsize=TICK,
        )
    ax.set_yticks(range(len(counts)), [str(name) for name in counts.index])
    ax.set_ylim(len(counts) - 0.4, -0.6)
    ax.margins(x=0.12)
    ax.xaxis.get_major_locator().set_params(integer=True)
    finding = f"{int(counts.sum()):,} alerts, {int(counts.iloc[0]):,} of them {counts.index[0]}"
    return finish(ax, title=title or finding, x="alerts", grid="x")


def alerts_timeline(
    frame: pd.DataFrame, ax: Axes | None = None, *, title: str | None = None
) -> Axes:
    """When each alert was raised: time on x, a row for each `rule` (or `metric`), by `severity`."""
    need(frame, ["severity"], "alerts_timeline")
    if frame.empty:
        return no_data(ax, "no alert was raised", title="No alerts")
    _, times = when(frame, "alerts_timeline")
    subject = next(name for name in ("rule", "name", "metric", "severity") if name in frame)
    rows = frame.assign(_when=times).sort_values("_when")
    lanes = list(dict.fromkeys(rows[subject].astype(str)))
    ax = axes(ax, height=1.7 + 0.4 * len(lanes))
    for number, (severity, part) in enumerate(rows.groupby("severity", sort=False)):
        ax.scatter(
            part["_when"],
            [lanes.index(name) for name in part[subject].astype(str)],
            s=90,
            marker=MARKERS[number % len(MARKERS)],
            color=look(str(severity))[0],
            edgecolor=BLACK,
            linewidth=0.6,
            label=f"{severity} ({len(part)})",
        )
    ax.set_yticks(range(len(lanes)), [_words(name) for name in lanes])
    ax.set_ylim(len(lanes) - 0.4, -0.6)
    dates(ax)
    legend(ax, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    first = rows.iloc[0]
    finding = f"{len(rows)} alerts; first {_words(first[subject])} on {first['_when']:%d %b %Y}"
    return finish(ax, title=title or finding, x="raised", grid="both")


def latency(frame: pd.DataFrame, ax: Axes | None = None, *, title: str | None = None) -> Axes:
    """Latency percentiles in ms: columns `p50`, `p95`, `p99` over time, or one row per `quantile`.

    With a time column the percentiles are lines; without one they are bars.
    """
    percentiles = [name for name in ("p50", "p95", "p99") if name in frame]
    if frame.empty or not percentiles or frame[percentiles].isna().all(axis=None):
        need(frame, ["p50"], "latency")
        return no_data(ax, "no latency was measured")
    ax = axes(ax, height=3.2)
    if len(frame) > 1:
        name, times = when(frame, "latency")
        rows = frame.assign(_when=times).sort_values("_when")
        for number, column in enumerate(percentiles):
            ax.plot(
                rows["_when"],
                rows[column],
                color=COLOURS[number],
                linestyle=LINES[number],
                linewidth=1.8,
                label=column,
            )
        legend(ax, loc="upper right", ncols=3)
        dates(ax)
        ax.set_ylim(0, float(np.nanmax(rows[percentiles])) * 1.3)
        label = name.replace("_", " ")
        last = rows[percentiles].max()
        finding = f"Slowest {_step(name)}: {percentiles[-1]} {said(last.iloc[-1], 'ms')}"
        return finish(ax, title=title or finding, x=label, y="latency (ms)", grid="y")
    values = frame[percentiles].iloc[0]
    for row, (column, value) in enumerate(values.items()):
        ax.bar(
            str(column), value, color=COLOURS[row], hatch=HATCHES[row], edgecolor="white", width=0.6
        )
        ax.annotate(
            said(value, "ms"),
            (row, value),
            xytext=(0, 4),
            textcoords="offset points",
            ha="center",
            fontsize=TICK,
        )
    ax.margins(y=0.15)
    finding = f"Half answered within {said(values.iloc[0], 'ms')}"
    if len(values) > 1:
        finding += f", {values.index[-1][1:]} % within {said(values.iloc[-1], 'ms')}"
    return finish(ax, title=title or finding, y="latency (ms)", x="percentile", grid="y")


def _words(name: object) -> str:
    return str(name).replace("_", " ")


def _step(column: str) -> str:
    return {
        "window_start": "window",
        "when": "moment",
        "date": "day",
        "raised_at": "day",
        "time": "moment",
    }.get(column, column)


__all__ = ["alerts_by_severity", "alerts_timeline", "drift", "latency", "volume"]
