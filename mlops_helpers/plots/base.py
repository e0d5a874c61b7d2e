"""What all figures share: colours, fonts, checks of the frame, numbers as people write them.

No figure goes through pyplot, so drawing switches no backend, keeps no global list of open figures
and shows nothing until `show` is called.
"""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import FuncFormatter, MaxNLocator

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

Unit = Literal["", "%", "$", "ms", "n"]

# Okabe and Ito (2008), "Color Universal Design": told apart with every common colour vision.
BLUE, ORANGE, GREEN, VERMILION = "#0072B2", "#E69F00", "#009E73", "#D55E00"
PURPLE, SKY, YELLOW, BLACK, GREY = "#CC79A7", "#56B4E9", "#F0E442", "#000000", "#6B6B6B"
COLOURS = (BLUE, ORANGE, GREEN, VERMILION, PURPLE, SKY, BLACK)
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
HATCHES = ("", "//", "..", "xx", "\\\\", "++", "oo")
LINES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)))

TITLE, LABEL, TICK = 11.5, 10.0, 9.5
PAPER = {"facecolor": "white", "edgecolor": "none", "pad": 1.2, "alpha": 0.85}  # under a label


def figure_of(ax_or_fig: Axes | Figure) -> Figure:
    """The figure itself, whether it or one of its Axes is given; TypeError for anything else."""
    if isinstance(ax_or_fig, Figure):
        return ax_or_fig
    figure = getattr(ax_or_fig, "figure", None)
    if not isinstance(figure, Figure):
        raise TypeError(
            f"got {type(ax_or_fig).__name__}, must be a matplotlib Axes or Figure; "
            "pass what a function of mlops_helpers.plots returned."
        )
    return figure


def axes(ax: Axes | None, *, height: float = 3.9, width: float = 7.6) -> Axes:
    """The given Axes, or one on a new figure (inches), in the course's look."""
    if ax is None:
        ax = Figure(figsize=(width, height), layout="constrained").add_subplot()
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["left", "bottom"]].set_color(GREY)
    ax.tick_params(labelsize=TICK, color=GREY)
    ax.set_axisbelow(True)
    return ax


def png(ax_or_fig: Axes | Figure) -> bytes:
    """A picture as the bytes of a PNG file, laid out and drawn once.

    `Figure.savefig` draws the same pixels, but twice: once only to find out the layout.
    """
    raw = io.BytesIO()
    FigureCanvasAgg(figure_of(ax_or_fig)).print_png(raw)
    return raw.getvalue()


def need(frame: pd.DataFrame, columns: Sequence[str], figure: str) -> pd.DataFrame:
    """The frame, if it has the columns a figure draws; ValueError naming those that are missing."""
    missing = [column for column in columns if column not in frame.columns]
    if missing:
        raise ValueError(
            f"{figure}: the frame has columns {list(frame.columns)}, must also have {missing}; "
            "rename or compute them before drawing."
        )
    return frame


def no_data(ax: Axes | None, text: str, *, title: str = "No data yet") -> Axes:
    """An Axes that says in words that there is nothing to draw, and what would bring it."""
    ax = axes(ax)
    ax.set_axis_off()
    ax.text(
        0.5,
        0.5,
        wrap(text, 34),
        ha="center",
        va="center",
        color=GREY,
        fontsize=LABEL + 1,
        transform=ax.transAxes,
    )
    return finish(ax, title=title)


def finish(
    ax: Axes,
    *,
    title: str,
    x: str | None = None,
    y: str | None = None,
    grid: str | None = None,
    room: float = 1.0,
) -> Axes:
    """Title (wrapped to the Axes' width) and axis labels in the course's fonts.

    `room` is the share of that width which long tick labels leave.
    """
    inches = figure_of(ax).get_size_inches()[0] * ax.get_position().width * room
    letters = max(int(inches / (TITLE * 0.0078)), 20)
    ax.set_title(wrap(title, letters), loc="left", fontsize=TITLE, fontweight="bold", pad=10)
    for text in ax.findobj(Text):
        text.set_parse_math(False)  # two dollar signs are money here, not a formula
    if x is not None:
        ax.set_xlabel(x, fontsize=LABEL)
    if y is not None:
        ax.set_ylabel(y, fontsize=LABEL)
    if grid is not None:
        ax.grid(axis=grid, color="#DDDDDD", linewidth=0.8)  # type: ignore[arg-type]
    return ax


def wrap(text: str, letters: int) -> str:
    """The text in lines of at most so many letters; a number stays with its % or points.

    A word longer than a line has a line of its own.
    """
    kept = text.replace(" %", "\u00a0%").replace(" points", "\u00a0points")
    return "\n".join(textwrap.wrap(kept, letters, break_long_words=False)).replace("\u00a0", " ")


def legend(ax: Axes, **options: Any) -> None:  # noqa: ANN401 - passed on to matplotlib
    """A legend in the course's fonts, without a frame."""
    look = {"fontsize": TICK, "frameon": False, "handlelength": 1.6, "columnspacing": 1.2}
    ax.legend(**(look | options))


def said(value: float, unit: Unit = "") -> str:
    """A number as a reader expects it: 0.712, 71.2 %, $1,204, 12 ms, 1,204."""
    if not np.isfinite(value):
        return "not known"
    sign = "−" if value < 0 else ""
    size = abs(float(value))
    if unit == "%":
        return f"{sign}{size:.1%}".replace("%", " %")
    if unit == "$":
        if size >= 1e6:
            return f"{sign}${size / 1e6:,.2f} M"
        return f"{sign}${size:,.0f}" if size >= 10 or size == 0 else f"{sign}${size:,.2f}"
    if unit == "ms":
        return f"{sign}{size:,.1f} ms" if size < 10 else f"{sign}{size:,.0f} ms"
    if unit == "n":
        return f"{sign}{size:,.0f}"
    return f"{sign}{size:.3f}"


def gap(value: float, unit: Unit = "") -> str:
    """A difference as `said` says it, but shares differ by percentage points: 2.1 points."""
    return said(value, unit).replace(" %", " points")


def tick_unit(axis: Axis, unit: Unit) -> None:
    """Tick labels with the unit of `said`, shorter."""
    if unit == "%":
        axis.set_major_formatter(FuncFormatter(lambda v, _: f"{v * 100:g} %".replace("-", "−")))
    elif unit == "$":
        axis.set_major_locator(MaxNLocator(6))
        axis.set_major_formatter(FuncFormatter(_money_tick))
    elif unit == "n":
        axis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:,.0f}".replace("-", "−")))


def _money_tick(value: float, _: object) -> str:
    sign, size = ("−" if value < 0 else ""), abs(value)
    if size >= 1e6:
        return f"{sign}${size / 1e6:g} M"
    return f"{sign}${size / 1e3:g} k" if size >= 1e4 else f"{sign}${size:,.0f}"


def when(frame: pd.DataFrame, figure: str) -> tuple[str, pd.Series]:
    """Name and values (naive UTC, for matplotlib) of the frame's time column."""
    known = (
        "month",
        "window_start",
        "day",
        "date",
        "week",
        "when",
        "opened_at",
        "raised_at",
        "time",
    )
    for name in known:
        if name in frame.columns:
            times = pd.to_datetime(frame[name], utc=True).dt.tz_localize(None)
            return name, times
    raise ValueError(
        f"{figure}: the frame has columns {list(frame.columns)}, "
        f"must have a time column, one of {list(known)}; rename yours."
    )


def labels(frame: pd.DataFrame) -> list[str]:
    """What stands beside each row: its `name`, and beneath it its `window` where there is one."""
    names = frame["name"].astype(str)
    if "window" not in frame:
        return names.tolist()
    pairs = zip(names, frame["window"], strict=True)
    return [f"{name}\n{window}" if pd.notna(window) else name for name, window in pairs]


def errors(frame: pd.DataFrame) -> np.ndarray:
    """Distances from `value` to `low` and `high`, shape (2, rows), as matplotlib wants them."""
    values = frame["value"].to_numpy(float)
    low, high = frame["low"].to_numpy(float), frame["high"].to_numpy(float)
    known = np.isfinite(low) & np.isfinite(high)
    return np.where(known, np.vstack([values - low, high - values]).clip(min=0), 0.0)


def band(ax: Axes, rows: pd.DataFrame, x: str, number: int) -> None:
    """The band from `low` to `high` behind the curve with this number, if the rows have one.

    Its edges have the curve's own dashes, so that two bands can be told apart without colour.
    """
    if "low" not in rows or "high" not in rows or rows[["low", "high"]].isna().all(axis=None):
        return
    colour, line = COLOURS[number % len(COLOURS)], LINES[number % len(LINES)]
    ax.fill_between(rows[x], rows["low"], rows["high"], color=colour, alpha=0.13, linewidth=0)
    for limit in ("low", "high"):
        ax.plot(rows[x], rows[limit], color=colour, linewidth=0.8, linestyle=line, alpha=0.7)


def dates(ax: Axes) -> None:
    """Date ticks that stay readable in a small panel."""
    locator = AutoDateLocator(minticks=3, maxticks=7)
    ax.xaxis.set_major_locator(locator)
    ax.xaxis.set_major_formatter(ConciseDateFormatter(locator))


def words(name: object) -> str:
    """A column's or rule's name as a reader says it."""
    return str(name).replace("_", " ")


def step(column: str) -> str:
    """What one row of a time column stands for: a day, a month, a window."""
    known = {"window_start": "window", "when": "moment"}
    return known.get(column, "day" if column in ("date", "opened_at", "raised_at") else column)
