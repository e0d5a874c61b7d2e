"""The arithmetic of drift: two tests, one index and its null level, the correction for many tests.

Source: B. Yurdakul and J. Naranjo, *Statistical properties of the population stability index*
(2020); the null level also in arXiv 2307.11878. Holm's correction: Scand. J. Statist. 6 (1979).
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

__all__ = ["FLOOR", "adjust", "chi_square", "kolmogorov_smirnov", "psi", "psi_null"]

FLOOR = 1e-4
"""The least share of a bin: an empty one would make the index infinite."""
_EXACT_BELOW = 1_000_000  # product of the sample sizes up to which KS p-values are exact
_LEAST_EXPECTED = 5.0  # categories expected less often than this are counted together


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
    p_values: ArrayLike, correction: Literal["holm", "fdr_bh", "none"] = "holm"
) -> NDArray[np.float64]:
    """p-values adjusted for their number; missing ones stay missing and are not counted.

    "holm" bounds the chance of any false alarm, "fdr_bh" the expected share of false ones.
    """
    p = np.asarray(p_values, dtype=np.float64)
    out, known = p.copy(), ~np.isnan(p)
    if correction == "none" or not known.any():
        return out
    if correction == "fdr_bh":
        out[known] = stats.false_discovery_control(p[known])
    elif correction == "holm":
        order = np.argsort(p[known])
        stepped = np.maximum.accumulate(p[known][order] * np.arange(known.sum(), 0, -1))
        out[np.flatnonzero(known)[order]] = np.minimum(stepped, 1.0)
    else:
        raise ValueError(f"correction == {correction!r}; must be 'holm', 'fdr_bh' or 'none'")
    return out


def kolmogorov_smirnov(
    reference: NDArray[np.float64], current: NDArray[np.float64]
) -> tuple[float, float]:
    """Two-sample statistic and two-sided p-value, exact for small samples; both need values."""
    exact = len(reference) * len(current) <= _EXACT_BELOW
    found = stats.ks_2samp(reference, current, method="exact" if exact else "asymp")
    return float(found.statistic), float(found.pvalue)


def chi_square(table: NDArray[np.float64]) -> tuple[float, float]:
    """Statistic and p-value for (categories, 2) counts.

    Categories expected less than 5 times in the smaller sample are counted together, with the next
    smallest one if there is only one of them or if they are still too few; two categories that are
    left and still thin get Fisher's exact test.
    """
    table = _merged(table[table.sum(axis=1) > 0])
    if len(table) < 2:
        return 0.0, 1.0
    result = stats.chi2_contingency(table, correction=False)
    if len(table) == 2 and result.expected_freq.min() < _LEAST_EXPECTED:
        return float(result.statistic), float(stats.fisher_exact(table).pvalue)
    return float(result.statistic), float(result.pvalue)


def _merged(table: NDArray[np.float64]) -> NDArray[np.float64]:
    """The table with its thin categories as one, never with fewer than two."""
    if len(table) < 3:
        return table
    expected = table.sum(axis=1) * table.sum(axis=0).min() / table.sum()
    smallest = np.argsort(expected, kind="stable")
    together = int((expected < _LEAST_EXPECTED).sum())
    if not together:
        return table
    reached = np.cumsum(expected[smallest]) >= _LEAST_EXPECTED
    enough = int(np.argmax(reached)) + 1 if reached.any() else len(table)
    together = min(max(together, enough, 2), len(table) - 1)
    rest = np.sort(smallest[together:])
    return np.vstack([table[rest], table[smallest[:together]].sum(axis=0)])
