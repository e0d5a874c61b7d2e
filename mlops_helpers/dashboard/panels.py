"""The nine panels: what each asks, which phase fills it, how it is drawn; and the 3 × 3 picture."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mlops_helpers import plots
from mlops_helpers.dashboard import impact
from mlops_helpers.plots.base import GREY, TICK, TITLE, finish, wrap

WIDTH, HEIGHT = 14.0, 11.6  # inches
LATENCY_LIMIT = 250  # ms: what a person at a counter does not notice
LETTER = 0.098  # inches that a letter of a title takes


@dataclass(frozen=True)
class Panel:
    """One panel: its name in the frames, its question, where its numbers come from.

    `source` is the call on a store behind it, `phase` the phase that fills that store. `finding`
    says the title where the figure's own sentence would say too little. `feed` is the row of the
    frame `as_of` that dates the panel; None where no moment is stored.
    """

    name: str
    question: str
    source: str
    phase: str
    figure: Callable[..., Axes]
    finding: Callable[[pd.DataFrame], str] | None = None
    options: tuple[tuple[str, Any], ...] = ()
    feed: str | None = None

    def draw(self, frame: pd.DataFrame, ax: Axes | None = None) -> Axes:
        """The panel from its frame; an empty frame says which phase to run."""
        if frame.empty:
            return plots.no_data(ax, f"no data: run phase {self.phase}", title=self.question)
        title = self.finding(frame) if self.finding else None
        return self.figure(frame, ax, title=title, **dict(self.options))


def _performance(frame: pd.DataFrame) -> str:
    """What the first version in service promised and did, and the newer one on the same loans."""
    kinds = frame.drop_duplicates(["version", "rows"], keep="last")
    by_kind = kinds.pivot(index="version", columns="rows", values="value")
    if not {"holdout", "live"} <= set(by_kind) or by_kind[["holdout", "live"]].dropna().empty:
        best = frame.loc[frame["value"].idxmax()]
        return f"{best['name']}: AUC {best['value']:.3f}; no live outcome yet"
    first = by_kind.dropna(subset=["holdout", "live"]).iloc[0]
    told = f"AUC of v{first.name}: {first['holdout']:.3f} on holdout, {first['live']:.3f} live"
    judged = by_kind["judged"].dropna() if "judged" in by_kind else pd.Series(dtype=float)
    return told + "".join(f"; v{n} on those loans {value:.3f}" for n, value in judged.items())


def _open_alerts(frame: pd.DataFrame, ax: Axes | None = None, *, title: str | None = None) -> Axes:
    """The open alerts by severity; those that are resolved are only counted, in the title."""
    still = frame[frame["status"] == "open"]
    over = int(frame["n"].sum() - still["n"].sum())
    if still.empty:
        return plots.no_data(ax, "no alert is open", title=f"No alert is open, {over} resolved")
    ax = plots.alerts_by_severity(still, ax, title=title)
    told = ax.get_title(loc="left").replace(" alert", " open alert", 1)
    return finish(ax, title=f"{told}; {over} resolved")


def _health(frame: pd.DataFrame) -> str:
    """Whether the slowest version keeps the limit; the measured milliseconds stay in the bars."""
    slow = [f"v{v}" for v in frame.loc[frame["p95"] > LATENCY_LIMIT, "model_version"]]
    timed = [f"v{v}" for v in frame.loc[frame["p95"].notna(), "model_version"]]
    if not timed:
        return "No answer was timed"
    limit = f"95 % of calls within {LATENCY_LIMIT} ms"
    return f"{' and '.join(slow)} not: {limit}" if slow else f"{' and '.join(timed)}: {limit}"


PANELS = (
    Panel(
        "registry",
        "Which version serves?",
        "registry.status()",
        "02_model_registry",
        plots.registry_status,
    ),
    Panel(
        "performance",
        "How good is each version?",
        'registry.status(), log.metrics("auc")',
        "02_model_registry",
        plots.metric_comparison,
        _performance,
        (("reference", 0.5), ("reference_label", "guessing")),
    ),
    Panel(
        "volume",
        "How much is it used?",
        "log.daily_volume()",
        "03_monitoring",
        plots.volume,
        feed="predictions",
    ),
    Panel(
        "scores",
        "What does it say?",
        "log.score_histogram()",
        "03_monitoring",
        plots.score_histogram,
        feed="predictions",
    ),
    Panel(
        "alerts",
        "What needs attention?",
        "log.alerts()",
        "03_monitoring",
        _open_alerts,
        feed="alerts",
    ),
    Panel(
        "traffic",
        "Is the experiment fair?",
        "log.window(), log.experiments()",
        "05_ab_testing",
        plots.traffic,
        feed="experiment",
    ),
    Panel(
        "health",
        "Does the system answer?",
        "log.latency()",
        "03_monitoring",
        plots.latency,
        _health,
        feed="timed answers",
    ),
    Panel(
        "drift",
        "Has the world moved?",
        'log.metrics("psi")',
        "03_monitoring",
        plots.drift,
        options=(("top", 8),),
        feed="drift",
    ),
    Panel(
        "impact",
        "What is it worth?",
        "log.window(), log.experiments(), the cost model",
        "04_retraining",
        plots.business_impact,
        impact.finding,
        feed="outcomes",
    ),
)


def findings(frames: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """The picture in words, one row a panel: panel, question, finding, rows, source."""
    rows = []
    for panel in PANELS:
        frame = frames.get(panel.name, pd.DataFrame())
        title = panel.draw(frame).get_title(loc="left")
        told = f"no data: run phase {panel.phase}" if frame.empty else " ".join(title.split())
        rows.append((panel.name, panel.question, told, len(frame), panel.source))
    return pd.DataFrame(rows, columns=["panel", "question", "finding", "rows", "source"])


def describe(frames: Mapping[str, pd.DataFrame], *, told: pd.DataFrame | None = None) -> str:
    """Alternative text for the picture: its date and its nine findings (`told`, if at hand)."""
    told = findings(frames) if told is None else told
    sentences = [f"{q} {f}." for q, f in zip(told["question"], told["finding"], strict=True)]
    date = as_of_text(frames.get("as_of", pd.DataFrame()))
    return f"Dashboard of nine panels, as of {date}. " + " ".join(sentences)


def draw(frames: Mapping[str, pd.DataFrame], *, title: str = "Credit-risk model") -> Figure:
    """The 3 × 3 picture of `frames` (as `collect` returns them), its date read from the data.

    A panel whose frame is missing or empty says so. KeyError for a frame that no panel shows.
    """
    unknown = set(frames) - {panel.name for panel in PANELS} - {"as_of"}
    if unknown:
        raise KeyError(
            f"frames has {sorted(unknown)}, which no panel shows; "
            f"the panels are {[panel.name for panel in PANELS]}."
        )
    figure = Figure(figsize=(WIDTH, HEIGHT), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.14, h_pad=0.14)
    figure.suptitle(
        f"{title} – as of {as_of_text(frames.get('as_of', pd.DataFrame()))}",
        x=0.008,
        ha="left",
        fontsize=16,
        fontweight="bold",
    )
    grid = list(figure.subplots(3, 3).ravel())
    for panel, ax in zip(PANELS, grid, strict=True):
        panel.draw(frames.get(panel.name, pd.DataFrame()), ax)
        ax.set_title(f"\n{ax.get_title(loc='left')}\n", loc="left")  # room for two lines and more
    _head_panels(figure, grid, frames.get("as_of", pd.DataFrame()))
    return figure


def as_of(frames: Mapping[str, pd.DataFrame]) -> pd.Timestamp | None:
    """The newest moment that any store holds; None while they are empty. The clock is not asked."""
    known = frames.get("as_of", pd.DataFrame({"newest": []}))["newest"].dropna()
    return None if known.empty else known.max()


def as_of_text(frame: pd.DataFrame) -> str:
    """The `as of` date in words."""
    newest = as_of({"as_of": frame}) if "newest" in frame else None
    return "no data yet" if newest is None else f"{newest:%d %B %Y}"


def _asked(panel: Panel, newest: pd.DataFrame) -> str:
    """The panel's question, and the newest date of the feed behind it where there is one."""
    if panel.feed is None or "store" not in newest:
        return panel.question
    when = newest.loc[newest["store"] == panel.feed, "newest"].dropna()
    return panel.question + "".join(f" (data to {moment:%d %b %Y})" for moment in when)


def _head_panels(figure: Figure, grid: list[Axes], newest: pd.DataFrame) -> None:
    """Put question and finding above each panel, starting at the left edge of its column."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    to_figure = figure.transFigure.inverted()
    lefts = [to_figure.transform(ax.get_tightbbox().p0)[0] for ax in grid]
    for number, (panel, ax) in enumerate(zip(PANELS, grid, strict=True)):
        finding = " ".join(ax.get_title(loc="left").split())
        ax.set_title("", loc="left")
        left = min(lefts[number % 3 :: 3])
        box = ax.get_position()
        letters = int((box.x1 - left) * WIDTH / LETTER)
        head = {"ha": "left", "transform": figure.transFigure, "parse_math": False}
        if not ax.axison:  # words only: they may begin where the heading does
            ax.set_position((left, box.y0, box.x1 - left, box.height))
        top = box.y1 + 0.05
        question = _asked(panel, newest) if finding != panel.question else ""
        ax.text(left, top, question, fontsize=TICK, color=GREY, va="bottom", **head)
        bold = {"fontsize": TITLE, "fontweight": "bold", "va": "top"}
        ax.text(left, top - 0.004, wrap(finding, letters), **bold, **head)
