"""The arithmetic of drift: one index and its null level, the correction for many tests.

Source: B. Yurdakul and J. Naranjo, *Statistical properties of the population stability index*
(2020); the null level also in arXiv 2307.11878. Holm's correction: Scand. J. Statist. 6 (1979).
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

__all__ = ["FLOOR", "adjust", "psi", "psi_null"]

FLOOR = 1e-4
"""The least share of a bin: an empty one would make the index infinite."""


def psi(reference: ArrayLike, current: ArrayLike) -> float:
    """Population stability index of two arrays of counts over the same bins.

    ``sum((c - r) ln(c / r))`` over the shares r and c, each at least `FLOOR`. NaN without rows.

    >>> round(psi([50, 50], [80, 20]), 3)
    0.416
    """
    r, c = np.asarray(reference, dtype=np.float64), np.asarray(current, dtype=np.float64)
    if r.sum() == 0 or c.sum() == 0:
        return float("nan")
    r, c = np.maximum(r / r.sum(), FLOOR), np.maximum(c / c.sum(), FLOOR)
    return float(((c - r) * np.log(c / r)).sum())


def psi_null(bins: int, n_reference: int, n_current: int) -> float:
    """What `psi` is on average when nothing has drifted; NaN without rows."""
    if not n_reference or not n_current:
        return float("nan")
    return (bins - 1) * (1 / n_reference + 1 / n_current)


def adjust(
    p_values: ArrayLike,
    correction: Literal["holm", "fdr_bh", "none"] = "holm",
    *,
    planned: int | None = None,
) -> NDArray[np.float64]:
    """p-values adjusted for their number; missing ones stay missing.

    "holm" bounds the chance of any false alarm, "fdr_bh" the expected share of false ones. The
    number is that of the tests `planned`, if more than the p-values that are known: a test that is
    left out because there was nothing to see was still a chance of a false alarm. Raises
    `ValueError` for any other correction.
    """
    if correction not in ("holm", "fdr_bh", "none"):
        raise ValueError(f"correction == {correction!r}; must be 'holm', 'fdr_bh' or 'none'")
    p = np.asarray(p_values, dtype=np.float64)
    out, known = p.copy(), ~np.isnan(p)
    n = int(known.sum())
    total = max(n, planned or 0)
    if correction == "none" or not n:
        return out
    if correction == "fdr_bh":
        padded = np.concatenate([p[known], np.ones(total - n)])
        out[known] = stats.false_discovery_control(padded)[:n]
    else:
        order = np.argsort(p[known])
        stepped = np.maximum.accumulate(p[known][order] * np.arange(total, total - n, -1))
        out[np.flatnonzero(known)[order]] = np.minimum(stepped, 1.0)
    return out
