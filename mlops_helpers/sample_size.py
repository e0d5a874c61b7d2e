"""How many applications an experiment needs, and what it can see with those it has.

Sources: J. L. Fleiss, B. Levin and M. C. Paik (2003), "Statistical Methods for Rates and
Proportions", 3rd ed., eq. 4.14 and 4.19, without continuity correction (rates); J. Cohen (1988),
"Statistical Power Analysis", ch. 2, with the noncentral t distribution (means).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import optimize, special

__all__ = [
    "power",
    "power_table",
    "required_sample_size",
    "smallest_detectable_effect",
    "typical_spread",
]

LARGEST = 2**40


def required_sample_size(
    effect: float,
    *,
    rate: float | None = None,
    sd: float | None = None,
    target: float = 0.8,
    alpha: float = 0.05,
    ratio: float = 1.0,
    width: float = 1.0,
) -> int:
    """Control arm's size at which a two-sided test sees `effect` with probability `target`.

    Give `rate`, the control's rate, when the outcome is yes or no; or `sd`, the standard deviation
    of one application, when it is an amount. `effect` is treatment minus control in the same
    unit. `ratio` is treatment per control (the treatment arm needs ``ceil(ratio * n)``). `width`
    is how many times as wide as the fixed interval the one is that decides: 1 for the fixed
    interval itself, `confidence_sequences.price` for the always-valid one.
    """
    _require_target(target)
    reached = _power_function(effect, rate=rate, sd=sd, alpha=alpha, ratio=ratio, width=width)
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
    width: float = 1.0,
) -> float:
    """The chance that a two-sided test with `n` in the control arm sees a true `effect`.

    Arguments as in :func:`required_sample_size`. For an always-valid sequence it is the chance to
    see the effect at `n`; an earlier look may have seen it, so its power is no smaller.
    """
    _require_n(n)
    return _power_function(effect, rate=rate, sd=sd, alpha=alpha, ratio=ratio, width=width)(n)


def smallest_detectable_effect(
    n: float,
    *,
    rate: float | None = None,
    sd: float | None = None,
    target: float = 0.8,
    alpha: float = 0.05,
    ratio: float = 1.0,
    width: float = 1.0,
    sign: Literal[1, -1] = 1,
) -> float:
    """The effect that a test with `n` in the control arm sees with probability `target`.

    Comes back with the `sign` asked for: with a `rate`, a rise and a fall of equal power differ in
    size. It is the inverse of :func:`required_sample_size`, whose arguments these are. ValueError
    when not even the largest change of the rate (to 0 or to 1) would be seen.
    """
    _require_n(n)
    _require_target(target)
    if not target > alpha:
        raise ValueError(f"target is {target!r}, must be above alpha, {alpha!r}: equal arms do it.")
    if sign not in (1, -1):
        raise ValueError(f"sign is {sign!r}, must be 1 (a rise) or -1 (a fall).")

    def missing(effect: float) -> float:
        reached = _power_function(
            sign * effect, rate=rate, sd=sd, alpha=alpha, ratio=ratio, width=width
        )
        return reached(n) - target

    missing(sign * 1e-9 if sd is None else sd)  # refuses arguments that cannot be
    if rate is None:
        largest = sd * math.sqrt((1 + 1 / ratio) / n)  # one standard error, then as far as needed
        while missing(largest) < 0:
            largest *= 2
    else:
        largest = (1 - 1e-9) * (1 - rate if sign > 0 else rate)
        if missing(largest) < 0:
            raise ValueError(
                f"n is {n!r}: too few for any effect on a rate of {rate!r} to be seen with power "
                f"{target!r}. Take more applications."
            )
    return sign * float(optimize.brentq(missing, largest * 1e-9, largest, rtol=1e-10))


def power_table(
    sizes: Iterable[int],
    effects: Iterable[float],
    *,
    rate: float | None = None,
    sd: float | None = None,
    alpha: float = 0.05,
    ratio: float = 1.0,
    width: float = 1.0,
) -> pd.DataFrame:
    """Power for every pair of size (control's) and true effect: columns n, effect, power."""
    plan = {"rate": rate, "sd": sd, "alpha": alpha, "ratio": ratio, "width": width}
    return pd.DataFrame(
        [(n, effect, power(n, effect, **plan)) for effect in effects for n in sizes],
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


def _require_n(n: float) -> None:
    if not n >= 2:
        raise ValueError(f"n is {n!r}, must be at least 2 applications an arm.")


def _require_target(target: float) -> None:
    if not 0 < target < 1:
        raise ValueError(f"target is {target!r}, must lie between 0 and 1, e.g. 0.8.")


def _power_function(
    effect: float,
    *,
    rate: float | None,
    sd: float | None,
    alpha: float,
    ratio: float,
    width: float,
) -> Callable[[float], float]:
    if (rate is None) == (sd is None):
        raise ValueError("Give either rate (yes or no) or sd (an amount), one of the two.")
    if not (math.isfinite(effect) and effect != 0):
        raise ValueError(f"effect is {effect!r}, must be a number other than 0.")
    if not 0 < alpha < 1:
        raise ValueError(f"alpha is {alpha!r}, must lie between 0 and 1, e.g. 0.05.")
    if not (math.isfinite(ratio) and ratio > 0):
        raise ValueError(f"ratio is {ratio!r}, must be above 0; 1 means arms of equal size.")
    if not (math.isfinite(width) and width >= 1):
        raise ValueError(f"width is {width!r}, must be 1 (the fixed interval) or above.")
    if rate is not None:
        if not (0 < rate < 1 and 0 < rate + effect < 1):
            raise ValueError(
                f"rate is {rate!r} and rate + effect {rate + effect!r}, both must lie between 0 "
                "and 1. Give shares, not percent."
            )
        return lambda n: _power_of_rates(n, rate, rate + effect, alpha, ratio, width)
    if not (math.isfinite(sd) and sd > 0):
        raise ValueError(f"sd is {sd!r}, must be above 0.")
    return lambda n: _power_of_means(n, effect / sd, alpha, ratio, width)


def _power_of_rates(
    n: float, control: float, treatment: float, alpha: float, ratio: float, width: float
) -> float:
    pooled = (control + ratio * treatment) / (1 + ratio)
    null = math.sqrt(pooled * (1 - pooled) * (1 + 1 / ratio) / n)
    alternative = math.sqrt((control * (1 - control) + treatment * (1 - treatment) / ratio) / n)
    reach = width * special.ndtri(1 - alpha / 2) * null
    difference = treatment - control
    return float(
        special.ndtr((difference - reach) / alternative)
        + special.ndtr((-reach - difference) / alternative)
    )


def _power_of_means(
    n: float, standardised: float, alpha: float, ratio: float, width: float
) -> float:
    freedom = n + ratio * n - 2
    shift = abs(standardised) * math.sqrt(n * ratio / (1 + ratio))
    # scipy.special: the functions behind scipy.stats, 25 times as fast in a search for a size
    reach = width * special.stdtrit(freedom, 1 - alpha / 2)
    wrong_side = float(np.nan_to_num(special.nctdtr(freedom, shift, -reach)))
    return 1 - float(special.nctdtr(freedom, shift, reach)) + wrong_side
