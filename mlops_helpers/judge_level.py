"""By how much a challenger's level is nearer to the truth than the champion's: |a| - |b|.

`a` is the champion's mean probability less the default rate, `b` the challenger's, both means over
the same loans. An absolute value has a kink at 0, and just there, with models whose level is about
right, the usual interval (value plus and minus standard errors) fails: with one model a point too
high and one a point too low, equally far off, it misses the truth in 60 % of samples of 300 loans
(this one in 2 %). But |a| - |b| is one of four sums,
according to the two signs: a - b or b - a where they are alike, a + b or -a - b where they are not.
The interval is the union of the intervals of those sums whose signs are not all but excluded:

* a sign is excluded where it is wrong by so many standard errors that this has a twentieth of
  the chance of error of one side, for each of the two signs;
* signs alike: the interval of a - b, which has no noise of outcomes in it;
* signs opposed: that of a + b, cut at the largest |a - b| since |a| - |b| never exceeds it; the
  chance of error is shared by the two.

Only the sum with the true signs must have been right, so the chance that the interval lies wholly
above the truth (or wholly below) is at most half of 1 - confidence, at the kink as elsewhere, as
far as means of this many rows are normal.

Sources: R. L. Berger and D. D. Boos (1994), JASA 89, 1012-1016 (a nuisance confined to a set of
its own, at a small price); R. L. Berger (1982), Technometrics 24, 295-300 (intersection-union).
"""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from mlops_helpers.business import Interval

__all__ = ["level_gain"]

FOR_A_SIGN = 0.05
"""Share of the chance of error that the exclusion of one sign may take."""


def level_gain(
    outcome: ArrayLike, champion: ArrayLike, challenger: ArrayLike, *, confidence: float = 0.95
) -> Interval:
    """|mean(champion) - default rate| - |mean(challenger) - default rate|: positive is nearer.

    In units of probability, for outcomes 0 and 1 and two probabilities of the same loans. The value
    always lies in the interval; two identical models have 0 without any width. Raises ValueError
    for unequal lengths, missing values, fewer than two loans and a confidence outside (0, 1).
    """
    label, old, new = (np.asarray(c, dtype=float) for c in (outcome, champion, challenger))
    if not (label.shape == old.shape == new.shape and label.ndim == 1 and label.size > 1):
        raise ValueError(
            f"{label.size} outcomes, {old.size} and {new.size} probabilities. Give one each per "
            "loan, for two loans or more."
        )
    if not all(np.isfinite(column).all() for column in (label, old, new)):
        raise ValueError("A value is missing or infinite. Leave such rows out, and count them.")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence is {confidence!r}, must lie between 0 and 1, e.g. 0.95.")
    chance = (1 - confidence) / 2
    first, second = old - label, new - label
    value = abs(float(first.mean())) - abs(float(second.mean()))
    low = high = value
    farthest = _reach(first - second, chance * (1 - 2 * FOR_A_SIGN) / 2)
    largest = abs(float((first - second).mean())) + farthest
    for sign_a, sign_b in itertools.product(_signs(first, chance), _signs(second, chance)):
        combined = sign_a * first - sign_b * second
        if sign_a == sign_b:
            off = _reach(combined, chance * (1 - 2 * FOR_A_SIGN))
            ends = combined.mean() - off, combined.mean() + off
        else:
            off = _reach(combined, chance * (1 - 2 * FOR_A_SIGN) / 2)
            ends = max(combined.mean() - off, -largest), min(combined.mean() + off, largest)
        low, high = min(low, float(ends[0])), max(high, float(ends[1]))
    return Interval(value, low, high, int(label.size))


def _signs(values: np.ndarray, chance: float) -> list[int]:
    """The signs that the mean may have."""
    off = _reach(values, chance * FOR_A_SIGN)
    return [sign for sign in (-1, 1) if sign * values.mean() + off >= 0]


def _reach(values: np.ndarray, tail: float) -> float:
    """Standard errors of the mean up to where a tail of that chance begins."""
    error = values.std(ddof=1) / np.sqrt(values.size)
    return float(-special.stdtrit(values.size - 1, tail) * error)
