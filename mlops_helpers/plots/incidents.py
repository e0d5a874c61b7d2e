"""Figures of alerts, and how a severity looks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
from matplotlib.dates import AutoDateLocator, DateFormatter

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
    """From when to when each alert lasted: a row for each `rule` (or `metric`), by `severity`.

    A marker stands where the alert was opened, a bar reaches to `resolved_at`, or while it is open
    to `last_seen_at` (if the frame has these columns); a bar that was resolved ends in a line.
    """
    need(frame, ["severity"], "alerts_timeline")
    if frame.empty:
        return no_data(ax, "no alert was raised", title="No alerts")
    _, times = when(frame, "alerts_timeline")
    subject = next(name for name in ("rule", "name", "metric", "severity") if name in frame)
    rows = frame.assign(_when=times, _resolved=_times(frame, "resolved_at"))
    rows["_end"] = rows["_resolved"].fillna(_times(frame, "last_seen_at")).fillna(rows["_when"])
    rows = rows.sort_values("_when")
    lanes = list(dict.fromkeys(rows[subject].astype(str)))
    ax = axes(ax, height=1.7 + 0.4 * len(lanes))
    for number, (severity, part) in enumerate(rows.groupby("severity", sort=False)):
        colour = look(str(severity))[0]
        height = [lanes.index(name) for name in part[subject].astype(str)]
        for lane, alert in zip(height, part.itertuples(index=False, name=None), strict=True):
            opened, resolved, end = alert[-3:]
            ax.plot([opened, end], [lane, lane], color=colour, linewidth=7, alpha=0.5)
            if pd.notna(resolved):
                ax.plot([end, end], [lane - 0.25, lane + 0.25], color=BLACK, linewidth=1.6)
        ax.scatter(
            part["_when"],
            height,
            s=90,
            zorder=3,
            marker=MARKERS[number % len(MARKERS)],
            color=colour,
            edgecolor=BLACK,
            linewidth=0.6,
            label=f"{severity} ({len(part)})",
        )
    ax.set_yticks(range(len(lanes)), [words(name) for name in lanes])
    ax.set_ylim(len(lanes) - 0.4, -0.6)
    ax.xaxis.set_major_locator(AutoDateLocator(minticks=3, maxticks=6))
    ax.xaxis.set_major_formatter(DateFormatter("%d %b\n%Y"))
    legend(ax, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    first = rows.iloc[0]
    finding = f"{len(rows)} alerts; first {words(first[subject])} on {first['_when']:%d %b %Y}"
    label = "opened"
    if (rows["_end"] > rows["_when"]).any():
        label = "from opened to resolved, or last seen"
    return finish(ax, title=title or finding, x=label, grid="both")


def _times(frame: pd.DataFrame, column: str) -> pd.Series:
    """A column's times (naive UTC, for matplotlib); missing ones where the frame lacks it."""
    if column not in frame:
        return pd.Series(pd.NaT, index=frame.index, dtype="datetime64[us]")
    return pd.to_datetime(frame[column], utc=True).dt.tz_localize(None)
