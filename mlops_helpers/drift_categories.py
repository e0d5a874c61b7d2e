"""Two samples of categories: the chi-square test and the index, from a handful to ids.

A category expected less than five times in the smaller sample is too thin for a cell of its own.
Thin ones are counted together, and looked at once more among themselves: one that was never seen
and now comes often, or a thousand that all changed, must not vanish in a sum that stays the same.
Both looks are conditional on the pooled counts, so that they hold their level.

Source: the permutation moments of the statistic are those of J. B. S. Haldane, Biometrika 31
(1940), 346-355, from factorial moments.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from mlops_helpers.drift_statistics import psi, psi_null

__all__ = ["category_index", "chi_square", "in_words"]

_LEAST_EXPECTED = 5.0  # categories expected less often than this are counted together
_MANY = 10  # thin categories from which they have a distribution of their own to look at
_LEAST_AMONG_THIN = 1.0  # below it one row weighs so much that two moments do not tell the tail
_NAMED, _LONGEST = 5, 40  # categories that a note names, letters of a name

Counts = NDArray[np.float64]


def chi_square(table: Counts) -> tuple[float, float]:
    """Statistic and p-value for (categories, 2) counts.

    Categories expected less than 5 times in the smaller sample are counted together, with the next
    smallest one if there is only one of them or if they are still too few; two categories that are
    left and still thin get Fisher's exact test. Where categories were counted together, the p-value
    is twice the smaller one of that test and of the thin ones among themselves. Both are NaN if
    there are many categories and hardly any has two rows, as of ids: nothing could ever be seen.
    """
    table = table[table.sum(axis=1) > 0]
    thin = _thin(table)
    repeated = thin & (table.sum(axis=1) > 1)
    if len(table) >= _MANY and thin.all() and repeated.sum() < _MANY:
        return float("nan"), float("nan")
    merged = _merged(table, thin)
    if len(merged) < 2:
        return 0.0, 1.0
    result = stats.chi2_contingency(merged, correction=False)
    p = float(result.pvalue)
    if len(merged) == 2 and result.expected_freq.min() < _LEAST_EXPECTED:
        p = float(stats.fisher_exact(merged).pvalue)
    if len(merged) < len(table):
        p = min(1.0, 2 * min(p, _among_thin(table, thin)))
    return float(result.statistic), p


def category_index(table: Counts) -> tuple[float, float]:
    """PSI of (categories, 2) counts and its null level.

    Where at least 10 categories are thin the index's logarithm would compare its floor with single
    rows. They then enter as one bin and with their chi-square among themselves, which is what the
    index is for small changes, and whose level without drift is known exactly.
    """
    table = table[table.sum(axis=1) > 0]
    n_reference, n_current = (int(n) for n in table.sum(axis=0))
    null = psi_null(len(table), n_reference, n_current)
    thin = _thin(table)
    if thin.sum() < _MANY:
        return psi(table[:, 0], table[:, 1]), null
    bins = np.vstack([table[~thin], table[thin].sum(axis=0)])
    among = _spread(table[thin]) * (1 / n_reference + 1 / n_current)
    return psi(bins[:, 0], bins[:, 1]) + among, null


def in_words(counts: pd.DataFrame) -> str:
    """Which categories are new and which vanished, the most frequent first, the rest as a number.

    `counts` has the columns "before" and "now", indexed by category.
    """
    notes = []
    for what, here, there in (("new", "now", "before"), ("vanished", "before", "now")):
        names = counts[(counts[there] == 0) & (counts[here] > 0)]
        if names.empty:
            continue
        share = names[here] / counts[here].sum()
        order = sorted(share.items(), key=lambda pair: (-pair[1], str(pair[0])))
        told = ", ".join(f"{_short(str(name))} ({x:.1%})" for name, x in order[:_NAMED])
        more = f" and {len(order) - _NAMED:,} more" if len(order) > _NAMED else ""
        notes.append(f"{what}: {told}{more}")
    return "; ".join(notes)


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST else name[: _LONGEST - 1] + "…"


def _expected(table: Counts) -> Counts:
    """How often each category is expected in the smaller sample."""
    return table.sum(axis=1) * table.sum(axis=0).min() / table.sum()


def _thin(table: Counts) -> NDArray[np.bool_]:
    return _expected(table) < _LEAST_EXPECTED


def _merged(table: Counts, thin: NDArray[np.bool_]) -> Counts:
    """The table with its thin categories as one, never with fewer than two."""
    if len(table) < 3 or not thin.any():
        return table
    expected = _expected(table)
    smallest = np.argsort(expected, kind="stable")
    reached = np.cumsum(expected[smallest]) >= _LEAST_EXPECTED
    enough = int(np.argmax(reached)) + 1 if reached.any() else len(table)
    together = min(max(int(thin.sum()), enough, 2), len(table) - 1)
    rest = np.sort(smallest[together:])
    return np.vstack([table[rest], table[smallest[:together]].sum(axis=0)])


def _among_thin(table: Counts, thin: NDArray[np.bool_]) -> float:
    """p-value of the thin categories among themselves: the strangest one, and all of them."""
    strangest = _strangest(table[thin], table.sum(axis=0))
    enough = thin & (table.sum(axis=1) > 1) & (_expected(table) >= _LEAST_AMONG_THIN)
    if enough.sum() < _MANY:
        return strangest
    return min(1.0, 2 * min(strangest, _all_of_them(table[enough])))


def _strangest(thin: Counts, totals: Counts) -> float:
    """Exact chance that any of the categories lies as unevenly; Bonferroni over all of them.

    Of categories with the same pooled count the one seen most on a side is the strangest, so only
    that one is looked at: at most the square root of twice the rows, however many categories.
    """
    pooled, same = np.unique(thin.sum(axis=1), return_inverse=True)
    least = 1.0
    for side in (0, 1):
        most = np.zeros(len(pooled))
        np.maximum.at(most, same, thin[:, side])
        tail = stats.hypergeom.sf(most - 1, totals.sum(), pooled, totals[side])
        least = min(least, float(tail.min()))
    return min(1.0, 2 * len(thin) * least)


def _all_of_them(table: Counts) -> float:
    """Chance of so great a spread, by the gamma distribution of the permutations' two moments."""
    mean, variance = len(table) - 1.0, _variance(table)
    if not variance > 0:
        return 1.0
    return float(stats.gamma.sf(_spread(table), mean**2 / variance, scale=variance / mean))


def _spread(table: Counts) -> float:
    """Chi-square of thin categories, scaled so that its mean over permutations is categories - 1.

    That mean itself if all their rows are on one side: then there is nothing to permute.
    """
    pooled, total = table.sum(axis=1), table.sum()
    share = table[:, 1].sum() / total
    if not 0 < share < 1:
        return len(table) - 1.0
    squares = (table[:, 1] - pooled * share) ** 2 / pooled
    return float(squares.sum() / (share * (1 - share)) * (total - 1) / total)


def _variance(table: Counts) -> float:
    """Variance of `_spread` when the rows are dealt anew to the two sides."""
    pooled, total, drawn = table.sum(axis=1), table.sum(), table[:, 1].sum()
    share = drawn / total
    if not 0 < share < 1 or total < 4:
        return 0.0
    k, less = len(pooled), pooled - 1
    f = np.cumprod([(drawn - r) / (total - r) for r in range(4)])  # factorial moments of the draw
    fourth = f[3] * less * (pooled - 2) * (pooled - 3) + 6 * f[2] * less * (pooled - 2)
    own = ((fourth + 7 * f[1] * less + f[0]) / pooled).sum()
    pairs = f[3] * (less.sum() ** 2 - (less**2).sum())
    pairs += 2 * f[2] * (k - 1) * less.sum() + f[1] * k * (k - 1)
    mean = (f[1] * less + f[0]).sum()  # of the sum of squares over pooled counts
    unit = (total - 1) / total / (share * (1 - share))
    return float((own + pairs - mean**2) * unit**2)
