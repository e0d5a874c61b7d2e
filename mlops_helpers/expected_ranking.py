"""The AUC that probabilities promise of themselves, before any outcome is known.

If each application defaults with the probability that the model says, the AUC of its ranking is

    A = sum p_i (1 - p_j) [p_i > p_j] / sum p_i (1 - p_j)    (i != j, ties count half)

a ratio of two U-statistics of the probabilities alone, computed in O(n log n). Its variance over
other applicants of the same kind comes from the first-order projection of each row (W. Hoeffding
1948, Annals of Mathematical Statistics 19, 293-325).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from mlops_helpers.business import UNKNOWN, Interval

__all__ = ["MIN_ROWS", "expected_auc", "expected_auc_drop"]

MIN_ROWS = 100
"""Applications that each sample needs before there is an interval."""

FloatArray = NDArray[np.float64]


def expected_auc(probability: ArrayLike, *, confidence: float = 0.95) -> Interval:
    """AUC that these probabilities would show if they were right; unknown with too few rows.

    The interval covers other applicants of the same kind, not the luck of who defaults.
    """
    value, variance, n = _expected(probability)
    return _interval(value, variance, n, confidence)


def expected_auc_drop(before: ArrayLike, now: ArrayLike, *, confidence: float = 0.95) -> Interval:
    """By how much the expected AUC fell from one sample's probabilities to another's.

    Positive means that the ranking should be worse now. It sees *who applies* and nothing else:
    applicants who are more alike are harder to rank, and no retraining mends that. It is blind to a
    change in what makes people default, since the model itself is the only witness.

    Measured with 1,500 rows on each side and a logistic regression (95 % intervals; drawn
    as in `trigger_scores.decisions`, the seeds were not kept): a drop beyond
    0.02 with an interval above 0 was found in 0 of 200 quiet times [0 %, 2 %], in 40 of 40 where
    only the safest 60 % apply [91 %, 100 %], in 0 of 40 policy changes [0 %, 9 %], where the true
    AUC falls by 0.11, and in 0 of 40 recessions, where it rises by 0.01 as applicants differ more.
    """
    (value_before, variance_before, n_before), (value, variance, n) = (
        _expected(before),
        _expected(now),
    )
    if min(n_before, n) < MIN_ROWS:
        return UNKNOWN
    return _interval(value_before - value, variance_before + variance, n, confidence)


def _interval(value: float, variance: float, n: int, confidence: float) -> Interval:
    if n < MIN_ROWS or not np.isfinite(value):
        return UNKNOWN
    reach = float(stats.norm.ppf((1 + confidence) / 2) * np.sqrt(max(variance, 0.0)))
    return Interval(value, value - reach, value + reach, n)


def _expected(probability: ArrayLike) -> tuple[float, float, int]:
    """The expected AUC, its variance and the number of rows."""
    p = np.sort(np.asarray(probability, dtype=float).ravel())
    n = len(p)
    if n and not ((p >= 0) & (p <= 1)).all():
        raise ValueError("a probability is missing or outside [0, 1]; pass what the model gives.")
    q = 1.0 - p
    if n < 2 or p.sum() == 0 or q.sum() == 0:
        return np.nan, np.nan, n
    # For each row: the mean chance below it of a repaid loan, and above it of a default.
    first, last = np.searchsorted(p, p, side="left"), np.searchsorted(p, p, side="right")
    repaid, default = np.r_[0.0, np.cumsum(q)], np.r_[0.0, np.cumsum(p)]
    below = (repaid[first] + repaid[last] - q) / 2
    above = default[-1] - (default[first] + default[last] + p) / 2
    pairs = p.sum() * q.sum() - (p * q).sum()
    auc = float((p * below).sum() / pairs)
    moved = p * (below - auc * (q.sum() - q)) + q * (above - auc * (p.sum() - p))
    # `moved` is n times the projection of the numerator less auc times that of the denominator.
    variance = float(n / (n - 1) * (moved**2).sum() / pairs**2)
    return auc, variance, n
