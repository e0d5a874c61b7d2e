"""Figures of alerts, and how a severity looks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from mlops_helpers.plots.base import (
    BLACK,
    GREEN,
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
    when,
    words,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["alerts_by_severity", "alerts_timeline"]

SEVERITIES = ("critical", "high", "warning", "medium", "low", "info", "none", "ok")
_LOOK = {
    "critical": (VERMILION, "xx"),
    "high": (VERMILION, "//"),
    "warning": (ORANGE, "\\\\"),
    "medium": (ORANGE, ".."),
    "low": (SKY, "--"),
    "info": (SKY, ""),
    "none": (GREEN, ""),
    "ok": (GREEN, ""),
}


def look(severity: str) -> tuple[str, str]:
    """Colour and hatch of a severity; a name the course does not use gets purple and `++`."""
    return _LOOK.get(str(severity).lower(), (PURPLE, "++"))


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
    total, gravest = int(counts.sum()), int(counts.iloc[0])
    noun = "alert" if total == 1 else "alerts"
    which = (
        f"of severity {counts.index[0]}" if len(counts) == 1 else f"{gravest:,} {counts.index[0]}"
    )
    finding = f"{total:,} {noun}, {which}"
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
    ax.set_yticks(range(len(lanes)), [words(name) for name in lanes])
    ax.set_ylim(len(lanes) - 0.4, -0.6)
    dates(ax)
    legend(ax, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    first = rows.iloc[0]
    finding = f"{len(rows)} alerts; first {words(first[subject])} on {first['_when']:%d %b %Y}"
    return finish(ax, title=title or finding, x="raised", grid="both")
