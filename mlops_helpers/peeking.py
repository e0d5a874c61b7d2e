"""A test that is looked at again and again: the false alarms of equal arms, measured."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

__all__ = ["equal_arms_pvalues"]


def equal_arms_pvalues(
    values: ArrayLike, looks: ArrayLike, *, seed: int, repeats: int = 400
) -> NDArray[np.float64]:
    """P-values of A/A tests, shape (repeats, looks): every small one is a false alarm.

    Each repeat brings `values` into a new order and splits them into two arms by a fair coin. At
    each of `looks` (numbers of values seen so far, ascending, at least 20) the arms are compared by
    Welch's test in its normal approximation. Without any spread the p-value is 1.
    """
    sample, seen = np.asarray(values, dtype=float), np.asarray(looks, dtype=int)
    if seen.size == 0 or seen.min() < 20 or seen.max() > sample.size:
        raise ValueError(
            f"looks are {seen.tolist()}, must be one or more, from 20 to the {sample.size} values. "
            "Choose fewer looks, or bring more values."
        )
    if not np.isfinite(sample).all():
        raise ValueError("A value is missing or infinite. Leave such rows out, and count them.")
    rng = np.random.default_rng(seed)
    found = np.empty((repeats, seen.size))
    for repeat in range(repeats):
        order, coin = rng.permutation(sample), rng.random(sample.size) < 0.5
        (mean_a, error_a), (mean_b, error_b) = _running(order, coin), _running(order, ~coin)
        at = seen - 1
        error = np.sqrt(error_a[at] + error_b[at])
        gap = np.abs(mean_a[at] - mean_b[at])
        z = np.divide(gap, error, out=np.zeros_like(gap), where=error > 0)
        found[repeat] = 2 * stats.norm.sf(z)
    return found


def _running(order: NDArray[np.float64], mine: NDArray[np.bool_]) -> tuple[np.ndarray, np.ndarray]:
    """Mean of one arm, and the square of its standard error, after each value."""
    n = np.maximum(mine.cumsum(), 1)
    mean = (order * mine).cumsum() / n
    variance = np.maximum((order**2 * mine).cumsum() / n - mean**2, 0)
    return mean, variance / np.maximum(n - 1, 1)
