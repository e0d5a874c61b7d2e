"""How many applications an experiment needs, and what it can see with those it has.

Sources: J. L. Fleiss, B. Levin and M. C. Paik (2003), "Statistical Methods for Rates and
Proportions", 3rd ed., eq. 4.14 and 4.19, without continuity correction (rates); J. Cohen (1988),
"Statistical Power Analysis", ch. 2, with the noncentral t distribution (means).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

__all__ = ["plan_sentence", "power", "power_table", "required_sample_size", "typical_spread"]

LARGEST = 2**40


def required_sample_size(
    effect: float,
    *,
    rate: float | None = None,
    sd: float | None = None,
    target: float = 0.8,
    alpha: float = 0.05,
    ratio: float = 1.0,
) -> int:
    """Control arm's size at which a two-sided test sees `effect` with probability `target`.

    Give `rate`, the control's rate, when the outcome is yes or no; or `sd`, the standard deviation
    of one application, when it is an amount. `effect` is treatment minus control in the same
    unit. `ratio` is treatment per control (the treatment arm needs ``ceil(ratio * n)``).
    """
    if not 0 < target < 1:
        raise ValueError(f"target is {target!r}, must lie between 0 and 1, e.g. 0.8.")
    reached = _power_function(effect, rate=rate, sd=sd, alpha=alpha, ratio=ratio)
    high = 2
    while reached(high) < target:
        high *= 2
        if high > LARGEST:
            raise ValueError(
                f"effect {effect!r} needs more than {LARGEST:,} applications an arm. "
                "Look for a larger effect."
            )
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if reached(middle) >= target else (middle, high)
    return high


def power(
    n: float,
    effect: float,
    *,
    rate: float | None = None,
    sd: float | None = None,
    alpha: float = 0.05,
    ratio: float = 1.0,
) -> float:
    """The chance that a two-sided test with `n` in the control arm sees a true `effect`.

    Arguments as in :func:`required_sample_size`.
    """
    if not n >= 2:
        raise ValueError(f"n is {n!r}, must be at least 2 applications an arm.")
    return _power_function(effect, rate=rate, sd=sd, alpha=alpha, ratio=ratio)(n)


def power_table(
    sizes: Iterable[int],
    effects: Iterable[float],
    *,
    rate: float | None = None,
    sd: float | None = None,
    alpha: float = 0.05,
) -> pd.DataFrame:
    """Power for every pair of size (an arm) and true effect: columns n, effect, power."""
    return pd.DataFrame(
        [
            {"n": n, "effect": effect, "power": power(n, effect, rate=rate, sd=sd, alpha=alpha)}
            for effect in effects
            for n in sizes
        ],
        columns=["n", "effect", "power"],
    )


def typical_spread(samples: Iterable[ArrayLike]) -> float:
    """The standard deviation to plan with when arms vary differently: root of their mean variance.

    It gives the width of Welch's interval for arms of equal size. NaN without two values in each.
    """
    arrays = [np.asarray(sample, dtype=float) for sample in samples]
    if not arrays or min(array.size for array in arrays) < 2:
        return float("nan")
    return float(np.sqrt(np.mean([array.var(ddof=1) for array in arrays])))


def plan_sentence(effect: float, *, sd: float, per_month: float) -> str:
    """What a test for `effect` dollars per application would take, in words.

    `sd` is the standard deviation of the profit of one application, `per_month` the number of
    applications that arrive in both arms together. It is what the notebook's slider shows.
    """
    if not per_month > 0:
        raise ValueError(f"per_month is {per_month!r}, must be above 0.")
    size = required_sample_size(effect, sd=sd)
    months = 2 * size / per_month
    return (
        f"To see ${effect:,.0f} per application with power 80 %: {size:,} applications an arm, "
        f"about {months:,.1f} months at {per_month:,.0f} a month, and then the wait for outcomes."
    )


def _power_function(
    effect: float, *, rate: float | None, sd: float | None, alpha: float, ratio: float
) -> Callable[[float], float]:
    if (rate is None) == (sd is None):
        raise ValueError("Give either rate (yes or no) or sd (an amount), one of the two.")
    if not (math.isfinite(effect) and effect != 0):
        raise ValueError(f"effect is {effect!r}, must be a number other than 0.")
    if not 0 < alpha < 1:
        raise ValueError(f"alpha is {alpha!r}, must lie between 0 and 1, e.g. 0.05.")
    if not (math.isfinite(ratio) and ratio > 0):
        raise ValueError(f"ratio is {ratio!r}, must be above 0; 1 means arms of equal size.")
    if rate is not None:
        if not (0 < rate < 1 and 0 < rate + effect < 1):
            raise ValueError(
                f"rate is {rate!r} and rate + effect {rate + effect!r}, both must lie between 0 "
                "and 1. Give shares, not percent."
            )
        return lambda n: _power_of_rates(n, rate, rate + effect, alpha, ratio)
    if not (math.isfinite(sd) and sd > 0):
        raise ValueError(f"sd is {sd!r}, must be above 0.")
    return lambda n: _power_of_means(n, effect / sd, alpha, ratio)


def _power_of_rates(
    n: float, control: float, treatment: float, alpha: float, ratio: float
) -> float:
    pooled = (control + ratio * treatment) / (1 + ratio)
    null = math.sqrt(pooled * (1 - pooled) * (1 + 1 / ratio) / n)
    alternative = math.sqrt((control * (1 - control) + treatment * (1 - treatment) / ratio) / n)
    reach = stats.norm.ppf(1 - alpha / 2) * null
    difference = treatment - control
    return float(
        stats.norm.sf((reach - difference) / alternative)
        + stats.norm.cdf((-reach - difference) / alternative)
    )


def _power_of_means(n: float, standardised: float, alpha: float, ratio: float) -> float:
    freedom = n + ratio * n - 2
    shift = abs(standardised) * math.sqrt(n * ratio / (1 + ratio))
    reach = stats.t.ppf(1 - alpha / 2, freedom)
    wrong_side = float(np.nan_to_num(stats.nct.cdf(-reach, freedom, shift)))
    return float(stats.nct.sf(reach, freedom, shift)) + wrong_side
