"""Tables as pictures: each cell holds its words or its number, and colour only repeats them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.patches import Rectangle

from mlops_helpers.plots.base import (
    BLACK,
    ORANGE,
    TICK,
    axes,
    finish,
    need,
    no_data,
    said,
    words,
    wrap,
)
from mlops_helpers.plots.incidents import SEVERITIES, look

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["detection", "drift_map", "signal_map"]

NEVER = 0.5  # a power below this means that more than half of the months pass unnoticed
ROOM = 0.88  # of the width, beside the names of the rows
_WHITE, _PALE = "#FFFFFF", "#E4E4E4"
Cell = tuple[str, str, str]  # text, colour, hatch


def detection(
    frame: pd.DataFrame,
    ax: Axes | None = None,
    *,
    title: str | None = None,
) -> Axes:
    """How often each `detector` notices each `world` in one month: the share `power`.

    A row a world, a column a detector, in the order of the frame; a darker cell is a higher power.
    With a column `months` the cell also has the median number of months until it is noticed (NaN:
    more than half of the months that were simulated pass unnoticed).
    """
    need(frame, ["world", "detector", "power"], "detection")
    if frame["power"].isna().all():
        return no_data(ax, "no detector was scored")
    cells: dict[tuple[str, str], Cell] = {}
    for row in frame.to_dict("records"):
        text = "not known"
        if pd.notna(row["power"]):
            text = said(row["power"], "%") if row["power"] < 1 else "100 %"
        if "months" in frame and pd.notna(row["power"]):
            text += "\n" + _wait(row["months"])
        key = str(row["world"]), str(row["detector"])
        cells[key] = (text, _blue(row["power"]), "" if row["power"] >= NEVER else "//")
    ax = _grid(ax, cells, rows=frame["world"], columns=frame["detector"])
    best = frame.groupby("world", sort=False)["power"].max()
    hardest = str(best.idxmin())
    finding = f"Hardest to notice: {words(hardest)}, in {said(best.min(), '%')} of months at best"
    return finish(
        ax, title=title or finding, x="detector (hatched: below one month in two)", room=ROOM
    )


def signal_map(
    frame: pd.DataFrame,
    ax: Axes | None = None,
    *,
    title: str | None = None,
) -> Axes:
    """Which `signal` each `cause` moves: the word, its `value`, hatched where it `moved`.

    A row a signal, a column a cause, in the order of the frame. `moved` is true, false, or missing
    where the signal cannot be known. With a column `shown` its text stands in the place of the
    value; with a column `needs_labels` (true or false) a line divides the signals that wait for
    labels from the others, and their names say so.
    """
    need(frame, ["cause", "signal", "value", "moved"], "signal_map")
    if frame.empty:
        return no_data(ax, "no signal was measured")
    late = pd.Series(frame.get("needs_labels", False), index=frame.index).astype(bool)
    names = frame["signal"].astype(str)
    names = names.mask(late, names + " (needs labels)")
    rows = frame.assign(signal=names, moved=frame["moved"].astype("boolean"))
    cells: dict[tuple[str, str], Cell] = {}
    looks = {True: ("MOVED", ORANGE, "//"), False: ("still", _WHITE, "")}
    for row in rows.to_dict("records"):
        known = pd.notna(row["moved"])
        word, colour, hatch = looks[bool(row["moved"])] if known else ("not known", _PALE, "")
        number = row.get("shown", said(row["value"])) if known else ""
        cells[row["signal"], str(row["cause"])] = (f"{word}\n{number}".strip(), colour, hatch)
    ax = _grid(ax, cells, rows=rows["signal"], columns=rows["cause"], tall=0.52)
    if late.any() and not late.all():
        ax.axhline(rows.loc[~late, "signal"].nunique() - 0.5, color=BLACK, linewidth=2.2)
    patterns: dict[tuple[str, ...], list[str]] = {}
    for cause, part in rows.sort_values("signal").groupby("cause", sort=False):
        patterns.setdefault(tuple(part["moved"].astype(str)), []).append(words(cause))
    alike = [" and ".join(causes) for causes in patterns.values() if len(causes) > 1]
    finding = "Each cause moves another set of signals"
    if alike:
        finding = f"Not told apart by what moves: {'; '.join(alike)}"
    return finish(ax, title=title or finding, x="cause", room=ROOM)


def drift_map(
    frame: pd.DataFrame,
    ax: Axes | None = None,
    *,
    title: str | None = None,
) -> Axes:
    """How far each `feature` moved in each `span`: its `severity` as a word and colour, its `psi`.

    A row a feature, those that moved most on top; a column a span, in the order of the frame. A
    pair that the frame lacks stays empty.
    """
    need(frame, ["span", "feature", "psi", "severity"], "drift_map")
    if frame.empty:
        return no_data(ax, "no drift measured yet")
    cells: dict[tuple[str, str], Cell] = {}
    for row in frame.to_dict("records"):
        calm = {"none": (_WHITE, ""), "no data": (_WHITE, "..")}
        colour, hatch = calm.get(row["severity"]) or look(row["severity"])
        number = f"\n{row['psi']:.3f}" if pd.notna(row["psi"]) else ""
        text = f"{row['severity']}{number}"
        cells[words(row["feature"]), str(row["span"])] = (text, _paler(colour), hatch)
    order = frame.groupby("feature", sort=False)["psi"].max().sort_values(ascending=False)
    ax = _grid(ax, cells, rows=map(words, order.index), columns=frame["span"], tall=0.5)
    graded = frame[frame["severity"].isin(SEVERITIES)]
    moved = graded[~graded["severity"].isin(["none", "ok"])]
    finding = f"None of {len(graded)} comparisons moved beyond chance"
    if len(moved):
        most = moved.loc[moved["psi"].idxmax()] if moved["psi"].notna().any() else moved.iloc[0]
        finding = (
            f"{len(moved)} of {len(graded)} comparisons moved, "
            f"the largest: {words(most['feature'])} in {most['span']} ({most['severity']})"
        )
    return finish(ax, title=title or finding, x="span (severity, PSI)", room=ROOM)


def _grid(
    ax: Axes | None,
    cells: dict[tuple[str, str], Cell],
    *,
    rows: Iterable[object],
    columns: Iterable[object],
    tall: float = 0.6,
) -> Axes:
    """Rows × columns of coloured cells with their text; both in order of first appearance."""
    down = list(dict.fromkeys(map(str, rows)))
    across = list(dict.fromkeys(map(str, columns)))
    ax = axes(ax, height=1.7 + tall * len(down), width=min(max(7.6, 2.3 + 1.05 * len(across)), 11))
    for (row, column), (text, colour, hatch) in cells.items():
        x, y = across.index(column), down.index(row)
        box = {"facecolor": colour, "edgecolor": "#9A9A9A", "linewidth": 0.8}
        ax.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, hatch=hatch, alpha=1.0, **box))
        label = ax.text(x, y, text, ha="center", va="center", fontsize=TICK - 0.5, color=BLACK)
        label.set_bbox({"facecolor": colour, "edgecolor": "none", "pad": 0.8})
    ax.set_xlim(-0.5, len(across) - 0.5)
    ax.set_ylim(len(down) - 0.5, -0.5)
    ax.set_xticks(range(len(across)), [wrap(words(name), 14) for name in across])
    ax.set_yticks(range(len(down)), [wrap(words(name), 26) for name in down])
    ax.tick_params(length=0)
    ax.spines[["left", "bottom"]].set_visible(False)
    return ax


def _wait(months: float) -> str:
    """The median wait as a reader says it."""
    if not np.isfinite(months):
        return "not in time"
    return f"{months:g} month" + ("" if months == 1 else "s")


def _blue(share: float) -> str:
    """From white (0) to a blue (1) on which black letters stay readable; grey without a number."""
    if not np.isfinite(share):
        return _PALE
    low, high = np.array([255, 255, 255]), np.array([111, 176, 222])
    return "#" + "".join(f"{round(v):02X}" for v in low + (high - low) * min(max(share, 0), 1))


def _paler(colour: str) -> str:
    """Half way to white: the severities' colours, light enough for black letters."""
    parts = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return "#" + "".join(f"{(part + 255) // 2:02X}" for part in parts)
