"""A slider that changes a decision: the cut-off, and what it does to profit and to applicants.

The arithmetic is plain functions over the curve of `business.profit_curve`; the widget only calls
them, so it is tested without a browser, and its static twin is a table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from mlops_helpers.plots.base import said

if TYPE_CHECKING:
    import ipywidgets

SHOWN = ["cutoff", "profit_per_application", "approval_rate", "default_rate"]


@dataclass(frozen=True)
class CutoffControl:
    """A slider, the text it rewrites, and the box that holds both; display `box`."""

    slider: ipywidgets.FloatSlider
    text: ipywidgets.HTML
    box: ipywidgets.VBox


def at_cutoff(curve: pd.DataFrame, cutoff: float) -> pd.Series:
    """The row of the curve at the cut-off nearest to `cutoff`: cutoff, profit, the two rates."""
    if curve.empty:
        raise ValueError("curve has 0 rows, must have at least 1; no outcome is known yet.")
    return curve.loc[(curve["cutoff"] - cutoff).abs().idxmin(), SHOWN]


def cutoff_table(curve: pd.DataFrame, cutoffs: Mapping[str, float]) -> pd.DataFrame:
    """The static twin of the slider: one row a named cut-off, with what it would have done."""
    rows = pd.DataFrame([at_cutoff(curve, value) for value in cutoffs.values()])
    return rows.reset_index(drop=True).assign(policy=list(cutoffs))[["policy", *SHOWN]]


def cutoff_sentence(curve: pd.DataFrame, cutoff: float, *, in_force: float) -> str:
    """What a cut-off would have done, and how far that is from the one in force."""
    row, now = at_cutoff(curve, cutoff), at_cutoff(curve, in_force)
    change = row["profit_per_application"] - now["profit_per_application"]
    more = "more" if change >= 0 else "less"
    against = f"{said(abs(change), '$')} {more} than at {said(now['cutoff'], '%')}"
    if row["cutoff"] == now["cutoff"]:
        against = "the cut-off in force"
    return (
        f"At a cut-off of {said(row['cutoff'], '%')}: {said(row['approval_rate'], '%')} approved, "
        f"{said(row['default_rate'], '%')} of them default, "
        f"{said(row['profit_per_application'], '$')} profit an application ({against})."
    )


def cutoff_control(curve: pd.DataFrame, *, in_force: float) -> CutoffControl:
    """A slider over the cut-offs of `curve`, starting at the one in force.

    The text beneath it is a live region, so a screen reader speaks each change.
    """
    import ipywidgets

    slider = ipywidgets.FloatSlider(
        value=in_force,
        min=float(curve["cutoff"].min()),
        max=float(curve["cutoff"].max()),
        step=0.005,
        readout_format=".1%",
        description="cut-off",
        continuous_update=False,
    )
    text = ipywidgets.HTML()

    def rewrite(change: Mapping[str, Any]) -> None:
        sentence = cutoff_sentence(curve, change["new"], in_force=in_force)
        text.value = f'<p role="status" aria-live="polite">{sentence}</p>'

    slider.observe(rewrite, names="value")
    rewrite({"new": slider.value})
    return CutoffControl(slider=slider, text=text, box=ipywidgets.VBox([slider, text]))
