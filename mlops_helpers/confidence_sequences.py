"""Intervals that hold at every look at once: an asymptotic confidence sequence for a difference.

A 95 % interval holds at the one look that was planned. Here all intervals of an experiment hold
together: the chance that any of them ever misses the truth is about `alpha`, so one may look every
day and stop when one likes. They are wider; `price` says by how much.

Source: I. Waudby-Smith, D. Arbour, R. Sinha, E. H. Kennedy and A. Ramdas (2024), Annals of
Statistics 52, 2613-2640, arXiv 2103.06476v9: the sequence with the Gaussian mixture boundary
(Theorem 2.2) and the mixing constant that makes it narrowest at a planned size (appendix B.2).
The p-value is the inverse of the mixture's likelihood ratio: R. Johari, P. Koomen, L. Pekelis and
D. Walsh (2022), Operations Research 70, 1806-1821. Asymptotic means: right once the variance is
known well enough, hence `MIN_PER_ARM`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special, stats

from mlops_helpers.business import Interval

__all__ = ["MIN_PER_ARM", "Moments", "difference", "half_width", "p_value", "price"]

MIN_PER_ARM = 200
"""Values that each arm needs before there are limits."""


@dataclass(frozen=True)
class Moments:
    """What a comparison needs to know of one arm: size, mean, variance (of one value)."""

    n: int
    mean: float
    variance: float


def half_width(
    n: ArrayLike, sd: ArrayLike, *, alpha: float = 0.05, tuned_for: float
) -> NDArray[np.float64]:
    """Half the width of the sequence for a mean of `n` values with standard deviation `sd`.

    ``sd * sqrt((x / (x - 1)) * log(x / alpha**2) / n)`` with ``x = n * rho**2 + 1``. It is
    narrowest, compared with the fixed interval, at ``n = tuned_for``.
    """
    seen = np.asarray(n, dtype=float)
    x = 1 + _mixing(alpha, tuned_for) * seen
    return np.asarray(sd, dtype=float) * np.sqrt(x / (x - 1) * np.log(x / alpha**2) / seen)


def price(alpha: float = 0.05) -> float:
    """How many times as wide as the fixed interval the sequence is at the size it is tuned for."""
    return float(half_width(1, 1, alpha=alpha, tuned_for=1) / stats.norm.isf(alpha / 2))


def difference(
    control: Moments, treatment: Moments, *, alpha: float = 0.05, tuned_for: float
) -> Interval:
    """Treatment minus control with limits that hold at all looks together.

    tuned_for: values of both arms together at which the limits shall be narrowest, fixed before the
    start. The split need not be equal. No limits while an arm has fewer than `MIN_PER_ARM` values
    or when neither varies.
    """
    n, effect = control.n + treatment.n, treatment.mean - control.mean
    error = _error(control, treatment)
    if not error > 0:
        return Interval(effect, float("nan"), float("nan"), n)
    reach = float(half_width(n, error * np.sqrt(n), alpha=alpha, tuned_for=tuned_for))
    return Interval(effect, effect - reach, effect + reach, n)


def p_value(
    control: Moments,
    treatment: Moments,
    *,
    alpha: float = 0.05,
    tuned_for: float,
    null: float = 0.0,
) -> float:
    """Always-valid p-value: below `alpha` exactly when `difference` leaves `null` out.

    Under no difference the chance that it is ever at or below a is at most about a, for every a;
    `alpha` sets the tuning only. 1.0 where `difference` has no limits.
    """
    n, error = control.n + treatment.n, _error(control, treatment)
    if not error > 0:
        return 1.0
    z = (treatment.mean - control.mean - null) / error
    x = 1 + _mixing(alpha, tuned_for) * n
    return float(min(1.0, np.sqrt(x) * np.exp(-(z**2) / 2 * (x - 1) / x)))


def _mixing(alpha: float, tuned_for: float) -> float:
    """The mixing variance rho**2 that is best at `tuned_for`."""
    if not (0 < alpha < 1 and tuned_for > 0):
        raise ValueError(
            f"alpha is {alpha}, tuned_for {tuned_for}; must be within 0 to 1, and above 0."
        )
    return float(-special.lambertw(-(alpha**2) / np.e, -1).real - 1) / tuned_for


def _error(control: Moments, treatment: Moments) -> float:
    """Standard error of the difference; NaN below `MIN_PER_ARM`."""
    if min(control.n, treatment.n) < MIN_PER_ARM:
        return float("nan")
    return float(np.sqrt(control.variance / control.n + treatment.variance / treatment.n))
