"""Two samples of numbers in ascending order: how far apart, and is that more than chance?

Samples are sorted once and every figure is read off the sorted values, so that comparing costs
little more than sorting. Values may be infinite but not missing.

Sources: R. Simard and P. L'Ecuyer, J. Stat. Softw. 39 (2011), 11 (which p-value where);
H. A. Lauwerier, Z. Wahrsch. 2 (1963), 61-68 (the expansion of the one-sided tail); E. del Barrio,
E. Giné and C. Matrán, Ann. Probab. 27 (1999), 1009-1071 (the Wasserstein distance by chance).
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

__all__ = [
    "bin_counts",
    "deviation",
    "finite",
    "kolmogorov_smirnov",
    "quantile_edges",
    "tails",
    "wasserstein",
    "wasserstein_null",
]

_EXACT_UP_TO = 1_000_000  # product of the sample sizes up to which KS p-values are exact
_TAIL_OF = 1000  # rows of a sample of which the outermost one on each side bounds the tail
_STEP = 64  # values between two checkpoints
_CHUNK = 1 << 16  # values at a time, so that they stay in the processor's cache
_EXPANDED_FROM = 10_000  # effective size from which the tail's expansion is right to 1e-9
_TAIL = 2.2  # size times statistic squared from which the two-sided tail is twice the one-sided
_SIDES: tuple[Literal["left"], Literal["right"]] = ("left", "right")
_HUGE = 2.0**900  # magnitudes above it are scaled before they are added up

Values = NDArray[np.float64]
Places = NDArray[np.int64]


def kolmogorov_smirnov(reference: Values, current: Values) -> tuple[float, float]:
    """Statistic and two-sided p-value of two ascending samples, neither empty.

    The p-value is exact while the product of the sizes is at most a million, and asymptotic above.

    >>> kolmogorov_smirnov(np.array([1.0, 2, 3, 4]), np.array([3.0, 4, 5, 6]))
    (0.5, 0.7714285714285714)
    """
    n, m = len(reference), len(current)
    few, many = (reference, current) if n <= m else (current, reference)
    gap = _greatest_gap(many, few)
    statistic = gap / (n * m)
    if gap <= np.gcd(n, m):  # no two samples are closer, and SciPy's rounding would exceed 1
        return statistic, 1.0
    if n * m <= _EXACT_UP_TO:
        return statistic, float(stats.ks_2samp(reference, current, method="exact").pvalue)
    return statistic, _tail(statistic, round(n * m / (n + m)))


def wasserstein(reference: Values, current: Values) -> float:
    """Mean distance between the quantile functions of two ascending samples of finite values.

    Exact for unequal sizes: each value of the larger sample meets the one or two values of the
    smaller one that share its quantiles, weighed by integers.

    >>> wasserstein(np.array([0.0, 1.0]), np.array([1.0, 2.0, 3.0]))
    1.5
    """
    few, many = (reference, current) if len(reference) <= len(current) else (current, reference)
    n, m = len(few), len(many)
    scale = 2.0**-100 if max(abs(x) for x in (few[0], few[-1], many[0], many[-1])) > _HUGE else 1.0
    total = 0.0
    for start in range(0, m, _CHUNK):
        part = many[start : start + _CHUNK] * scale
        if n == m:
            total += float(np.abs(few[start : start + _CHUNK] * scale - part).sum())
            continue
        place = np.arange(start, start + len(part), dtype=np.int64)
        first = place * n // m  # of the smaller sample: the value at this one's lowest quantile
        weight = np.minimum((first + 1) * m - place * n, n) / n
        second = np.minimum(first + 1, n - 1)
        gap = np.abs(few[first] * scale - part) * weight
        total += float((gap + np.abs(few[second] * scale - part) * (1 - weight)).sum())
    with np.errstate(over="ignore"):  # further apart than a number can say: infinitely far
        return float(np.float64(total / m) / scale)


def wasserstein_null(reference: Values) -> float:
    """What `wasserstein` is on average without drift, times the square root of the sizes.

    ``sqrt(2 / pi)`` times the integral of ``sqrt(F (1 - F))`` over the ascending finite values; to
    be multiplied by ``sqrt(1 / n_reference + 1 / n_current)``.
    """
    n = len(reference)
    share = np.arange(1, n) / n
    with np.errstate(over="ignore"):
        steps = np.diff(reference)
        return float(np.sqrt(2 / np.pi) * (np.sqrt(share * (1 - share)) * steps).sum())


def tails(reference: Values, current: Values) -> tuple[float, float, float]:
    """Share of the current values beyond the reference's tails, that by chance, and the p-value.

    A tail begins at the reference's quantiles 0.1 % and 99.9 %, of fewer than 2,000 values at the
    least and the greatest one. With k values of the reference in each, n in all, ``2 k / (n + 1)``
    of the current ones are expected beyond. Their number is negative hypergeometric whatever the
    distribution, so the two-sided p-value is exact; with ties it is too large rather than too
    small. Both samples are ascending, finite and not empty.

    >>> tails(np.arange(9.0), np.array([-1.0, 4.0, 9.0, 9.0]))[:2]
    (0.75, 0.2)
    """
    n, m = len(reference), len(current)
    k = max(1, n // _TAIL_OF)
    low, high = reference[k - 1], reference[n - k]
    below, upto = (int(np.searchsorted(current, low, side=s)) for s in _SIDES)
    short, reach = (int(np.searchsorted(current, high, side=s)) for s in _SIDES)
    beyond, at_least = below + m - reach, min(upto + m - short, m)
    gaps = 2 * k  # of the n + 1 that the reference leaves for values
    more = stats.hypergeom.cdf(gaps - 1, n + m, n, beyond + gaps - 1)
    fewer = stats.hypergeom.sf(gaps - 1, n + m, n, at_least + gaps) if at_least < m else 1.0
    return beyond / m, 2 * k / (n + 1), float(min(1.0, 2 * min(more, fewer)))


def deviation(values: Values) -> float:
    """Standard deviation of ascending finite values; 0 for a constant, none overflows."""
    if not len(values) or values[0] == values[-1]:
        return 0.0
    peak = max(abs(values[0]), abs(values[-1]))
    return float(np.std(values / peak) * peak)


def finite(values: Values) -> Values:
    """The finite ones of ascending values."""
    first = np.searchsorted(values, -np.inf, side="right")
    return values[first : np.searchsorted(values, np.inf, side="left")]


def quantile_edges(values: Values, bins: int) -> Values:
    """Upper edges of all bins but the last, at quantiles of ascending values that are not empty.

    Bins are open outwards. Of a constant: less, the same, more.
    """
    if values[0] == values[-1]:
        with np.errstate(over="ignore"):  # below the least finite number there is only -inf
            return np.unique([np.nextafter(values[0], -np.inf), values[0]])
    places = np.floor(np.linspace(0, 1, bins + 1)[1:-1] * (len(values) - 1)).astype(np.int64)
    return np.unique(values[places])


def bin_counts(edges: Values, values: Values) -> NDArray[np.int64]:
    """How many of the ascending values lie in each bin, ``len(edges) + 1`` counts."""
    below = np.searchsorted(values, edges, side="right")
    return np.diff(np.concatenate([[0], below, [len(values)]]))


def _greatest_gap(many: Values, few: Values) -> int:
    """Greatest gap of the two distribution functions, times both sizes.

    It lies at a value of the smaller sample. Every 64th is looked up in the larger one; the blocks
    between are looked up only where the functions, which never fall, leave room for a wider gap.
    With many ties there is always room, so then each distinct value is looked up instead.
    """
    n, m = len(many), len(few)
    ends = np.flatnonzero(few[1:] != few[:-1])
    if len(ends) < m // 4:
        ends = np.append(ends, m - 1)
        starts = np.concatenate([[0], ends[:-1] + 1])
        low, high = (np.searchsorted(many, few[ends], side=s).astype(np.int64) for s in _SIDES)
        return int(max((low * m - starts * n).max(), ((ends + 1) * n - high * m).max(), 0))
    marks = np.append(np.arange(0, m - 1, _STEP, dtype=np.int64), m - 1)
    low, high = (np.searchsorted(many, few[marks], side=s).astype(np.int64) for s in _SIDES)
    best = max(_gap(low, high, marks, n, m), 0)
    start, end = marks[:-1], marks[1:]
    room = np.maximum(high[1:] * m - start * n, (end + 1) * n - low[:-1] * m)
    blocks = np.flatnonzero((room > best) & (end - start > 1))
    if not len(blocks):
        return best
    blocks = blocks[np.argsort(-room[blocks], kind="stable")]
    for part in np.array_split(blocks, max(1, min(len(blocks) // 32, 16))):
        part = part[room[part] > best]
        inside = (start[part][:, None] + np.arange(1, _STEP)).ravel()
        inside = np.sort(inside[inside < m])
        low, high = (np.searchsorted(many, few[inside], side=s).astype(np.int64) for s in _SIDES)
        best = max(best, _gap(low, high, inside, n, m))
    return best


def _gap(low: Places, high: Places, at: Places, n: int, m: int) -> int:
    """Greatest gap at some places of the smaller sample, in either direction, times both sizes."""
    if not len(at):
        return 0
    return int(max((low * m - at * n).max(), ((at + 1) * n - high * m).max()))


def _tail(statistic: float, size: int) -> float:
    """Chance of a gap at least this wide between a sample of this size and its own distribution.

    SciPy adds up as many terms as there are rows; from ten thousand on the first terms of the
    expansion in ``1 / sqrt(size)`` are the same to 1e-9.
    """
    z2 = size * statistic**2
    if size < _EXPANDED_FROM or z2 < _TAIL or statistic >= 0.5:
        return float(stats.kstwo.sf(statistic, max(size, 1)))
    z, s = np.sqrt(z2), 1 / np.sqrt(size)
    terms = -2 * z2 - 2 / 3 * z * s + 4 / 9 * (z2 - z2**2) * s**2
    return float(2 * np.exp(terms + (8 / 81 * z - 2 / 9 * z**3) * s**3))
