"""The AUC difference of two models with a paired bootstrap: the slow peer of `delong`.

Loans are drawn with replacement, each with its outcome and both scores, so that what the models
have in common stays in common. It needs no formula and is what DeLong's interval is checked
against; with n loans and R replicates it costs R times n where DeLong's costs one sort.

Source: B. Efron and R. J. Tibshirani (1993), *An Introduction to the Bootstrap*, chapter 13.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mlops_helpers.business import Interval
from mlops_helpers.delong import auc_difference

__all__ = ["auc_difference_bootstrap"]

FloatArray = NDArray[np.float64]


def auc_difference_bootstrap(
    outcome: ArrayLike,
    champion: ArrayLike,
    challenger: ArrayLike,
    *,
    replicates: int = 2000,
    seed: int,
    confidence: float = 0.95,
) -> Interval:
    """AUC of the challenger minus the champion's, with the percentile interval of resampled loans.

    The value is that of the rows as they are. Input is checked as in `delong.auc_difference`, and
    as there the limits are NaN with fewer than `delong.MIN_PER_CLASS` of a class. Raises ValueError
    for fewer than 100 replicates.
    """
    if replicates < 100:
        raise ValueError(f"replicates is {replicates}, must be 100 or more for limits by rank.")
    found = auc_difference(outcome, champion, challenger, confidence=confidence)
    if not found.known:
        return found
    label = np.asarray(outcome, dtype=float)
    areas = [_Area(label, np.asarray(score, dtype=float)) for score in (champion, challenger)]
    rng = np.random.default_rng(seed)
    draws = np.empty(replicates)
    for number in range(replicates):
        times = np.bincount(rng.integers(0, found.n, found.n), minlength=found.n)
        old, new = (area.drawn(times) for area in areas)
        draws[number] = new - old
    tail = (1 - confidence) / 2
    low, high = np.quantile(draws, [tail, 1 - tail])
    return Interval(found.value, float(low), float(high), found.n)


class _Area:
    """One score, sorted once: its AUC for any number of times that each loan is drawn."""

    def __init__(self, label: FloatArray, score: FloatArray) -> None:
        self.order = np.argsort(score, kind="stable")
        ordered = score[self.order]
        self.starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
        self.label = label[self.order]

    def drawn(self, times: NDArray[np.int64]) -> float:
        """Share of pairs in the right order, ties counted as half."""
        drawn = times[self.order]
        bad = np.add.reduceat(drawn * self.label, self.starts)
        good = np.add.reduceat(drawn * (1 - self.label), self.starts)
        below = np.cumsum(good) - good / 2
        return float(bad @ below / (bad.sum() * good.sum()))
