"""The pictures and tables that every run of the course keeps, each from a frame that is kept too.

A figure is two functions: `compute` makes a frame from the scored holdout, `draw` makes a picture
from that frame and nothing else. `tracking` stores both, so that whoever doubts the picture can
read the numbers, and whoever has the numbers can draw another.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd
from sklearn.pipeline import Pipeline

from mlops_helpers import curves, plots
from mlops_helpers.data import TARGET
from mlops_helpers.importance import permutation_table
from mlops_helpers.segments import segment_table

__all__ = ["Figure", "standard_figures", "standard_tables"]

Compute = Callable[[pd.DataFrame], pd.DataFrame]
Draw = Callable[[pd.DataFrame], Any]


@dataclass(frozen=True)
class Figure:
    """How a picture is made: `compute` from the scored holdout, `draw` from what it returned.

    compute: gets the holdout with `probability` and `cutoff` (the same in every row), returns the
        frame that is drawn and stored. None: the table of the same name, see `standard_tables`.
    draw: frame in, matplotlib Axes or Figure out, such as the functions of `plots`.
    """

    compute: Compute | None
    draw: Draw


def standard_figures(*, seed: int) -> dict[str, Figure]:
    """The set of the course by name; `seed` is for the bands.

    "roc" and "precision_recall" with bands, "calibration", "gain", "confusion" at the cut-off that
    was chosen on training rows, "importance" and "segments". They need both classes in the holdout.
    """
    return {
        "roc": Figure(_of(curves.roc_bands, seed=seed), plots.roc),
        "precision_recall": Figure(_of(curves.pr_bands, seed=seed), plots.precision_recall),
        "calibration": Figure(_of(curves.calibration_bins), plots.calibration),
        "gain": Figure(_of(curves.gain_points), plots.gain),
        "confusion": Figure(_confusion, plots.confusion),
        "importance": Figure(None, plots.importance),
        "segments": Figure(None, plots.segments),
    }


def standard_tables(
    pipeline: Pipeline, scored: pd.DataFrame, *, seed: int
) -> dict[str, pd.DataFrame]:
    """The tables of every run by name: "segments", and "importance" by permutation.

    Importance needs both classes in the holdout; with one class only it is left out.
    """
    tables = {"segments": segment_table(scored)}
    if scored[TARGET].nunique() == 2:
        tables["importance"] = permutation_table(pipeline, scored, seed=seed)
    return tables


def _of(points: Callable[..., pd.DataFrame], **options: int) -> Compute:
    """A function of `curves` as one of the scored holdout."""
    return lambda scored: points(scored[TARGET], scored["probability"], **options)


def _confusion(scored: pd.DataFrame) -> pd.DataFrame:
    cutoff = float(scored["cutoff"].iloc[0])
    return curves.confusion_at(scored[TARGET], scored["probability"], cutoff)
