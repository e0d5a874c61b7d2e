"""Figures of a model at work: drift, volume, latency."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mlops_helpers.plots.base import (
    BLACK,
    BLUE,
    COLOURS,
    HATCHES,
    LINES,
    ORANGE,
    TICK,
    axes,
    dates,
    finish,
    legend,
    need,
    no_data,
    said,
    step,
    tick_unit,
    when,
    words,
)
from mlops_helpers.plots.incidents import look

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["drift", "latency", "volume"]


def drift(
    frame: pd.DataFrame,
    ax: Axes | None = None,
    *,
    top: int | None = None,
    title: str | None = None,
) -> Axes:
    """PSI a `feature` as bars, coloured and hatched by `severity`, with the null level `psi_null`.

    A bar that ends before its black mark is what sampling alone would do. `top` keeps the largest;
    features without a PSI (no data) are left out.
    """
    need(frame, ["feature", "psi", "psi_null", "severity"], "drift")
    frame = frame.dropna(subset="psi")
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
        label="by chance",
    )
    ax.set_yticks(range(len(rows)), [str(name).replace("_", " ") for name in rows["feature"]])
    ax.invert_yaxis()
    ax.margins(x=0.18)
    ax.set_xlim(left=0)
    legend(ax, loc="lower right")
    worst = rows.iloc[0]
    drifted = (
        frame["drifted"].astype(bool)
        if "drifted" in frame
        else ~frame["severity"].isin(["none", "ok"])
    )
    finding = (
        f"{int(drifted.sum())} of {len(frame)} drifted, the largest: {words(worst['feature'])}"
        if drifted.any()
        else f"None of {len(frame)} drifted beyond chance"
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
    ax.axhline(
        mean,
        color=ORANGE,
        linestyle="--",
        linewidth=1.6,
        label=f"mean {mean:,.0f}" if mean >= 10 else f"mean {mean:.1f}",
    )
    ax.set_ylim(0, float(rows["n"].max()) * 1.22)
    legend(ax, loc="upper right")
    dates(ax)
    tick_unit(ax.yaxis, "n")
    form = "%b %Y" if name == "month" else "%d %b %Y"
    first, last = (f"{moment:{form}}" for moment in (rows["_when"].min(), rows["_when"].max()))
    span = f"{'weeks of ' if name == 'week' else ''}{first} to {last}"
    finding = f"{int(rows['n'].sum()):,} {what}, {span}"
    return finish(
        ax, title=title or finding, x=name.replace("_", " "), y=f"{what} a {step(name)}", grid="y"
    )


def latency(frame: pd.DataFrame, ax: Axes | None = None, *, title: str | None = None) -> Axes:
    """Latency percentiles in ms: columns `p50`, `p95`, `p99`.

    Rows by `model_version` (as `PredictionLog.latency()` has them), or a single row, are bars; rows
    with a time column are lines.
    """
    percentiles = [name for name in ("p50", "p95", "p99") if name in frame]
    if frame.empty or not percentiles or frame[percentiles].isna().all(axis=None):
        need(frame, ["p50"], "latency")
        return no_data(ax, "no latency was measured")
    ax = axes(ax, height=3.2)
    if len(frame) > 1 and "model_version" not in frame:
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
        finding = f"Slowest {step(name)}: {percentiles[-1]} {said(last.iloc[-1], 'ms')}"
        return finish(ax, title=title or finding, x=label, y="latency (ms)", grid="y")
    names = [f"v{v}" for v in frame["model_version"]] if "model_version" in frame else [""]
    width = 0.8 / len(percentiles)
    for number, column in enumerate(percentiles):
        at = np.arange(len(frame)) + (number - (len(percentiles) - 1) / 2) * width
        ax.bar(
            at,
            frame[column],
            width=width * 0.94,
            color=COLOURS[number],
            hatch=HATCHES[number],
            edgecolor="white",
            label=column,
        )
        for x, value in zip(at, frame[column], strict=True):
            ax.annotate(
                said(value, "ms"),
                (x, 0 if np.isnan(value) else value),
                xytext=(0, 4),
                textcoords="offset points",
                ha="center",
                fontsize=TICK,
            )
    ax.set_xticks(range(len(frame)), names)
    ax.set_ylim(0, float(np.nanmax(frame[percentiles].to_numpy(float))) * 1.5)
    legend(ax, loc="upper left", ncols=len(percentiles))
    last = percentiles[-1]
    slowest = float(frame[last].max())
    finding = f"{last[1:]} % of answers came within {said(slowest, 'ms')}"
    return finish(ax, title=title or finding, y="latency (ms)", x="model version", grid="y")
