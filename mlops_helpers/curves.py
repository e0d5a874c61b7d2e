"""The points behind two pictures of a model: its ROC curve and its calibration."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.metrics import roc_curve
from statsmodels.stats.proportion import proportion_confint

__all__ = ["calibration_bins", "roc_points"]


def roc_points(outcome: ArrayLike, probability: ArrayLike, *, model: str = "model") -> pd.DataFrame:
    """Corners of the ROC curve: `model, fpr, tpr, threshold`, from (0, 0) to (1, 1).

    `fpr` is the share of repaid loans and `tpr` the share of defaults whose probability is at least
    `threshold` (infinite at the first corner). Raises ValueError if one class is missing.
    """
    y = np.asarray(outcome, dtype=float)
    if len(np.unique(y)) != 2:
        raise ValueError(f"outcomes are all {np.unique(y)}; a ROC curve needs both 0 and 1.")
    fpr, tpr, threshold = roc_curve(y, np.asarray(probability, dtype=float))
    return pd.DataFrame({"model": model, "fpr": fpr, "tpr": tpr, "threshold": threshold})


def calibration_bins(
    outcome: ArrayLike, probability: ArrayLike, *, bins: int = 10, model: str = "model"
) -> pd.DataFrame:
    """Predicted against observed default rate in `bins` groups of about equal size.

    Columns `model, bin_mid` (mean probability of the group), `observed, low, high` (Wilson's 95 %
    interval), `n`. Rows with the same probability stay together, so there may be fewer groups.
    """
    frame = pd.DataFrame({"y": np.asarray(outcome, float), "p": np.asarray(probability, float)})
    edges = np.unique(frame["p"].quantile(np.linspace(0, 1, bins + 1)[1:-1]))
    group = np.searchsorted(edges, frame["p"], side="right")
    table = frame.groupby(group).agg(bin_mid=("p", "mean"), defaults=("y", "sum"), n=("y", "size"))
    low, high = proportion_confint(table["defaults"], table["n"], method="wilson")
    found = table.assign(model=model, observed=table["defaults"] / table["n"], low=low, high=high)
    columns = ["model", "bin_mid", "observed", "low", "high", "n"]
    return found[columns].reset_index(drop=True)
