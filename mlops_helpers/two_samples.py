"""Comparing two independent samples, from values or from their counts and moments; and one rate.

Sources: B. L. Welch (1947), Biometrika 34, 28-35, with the degrees of freedom of F. E.
Satterthwaite (1946), Biometrics Bulletin 2, 110-114, eq. 17 (means, unequal variances); E. C.
Fieller (1954), JRSS B 16, 175-185 (ratio of means); R. G. Newcombe (1998), Statistics in Medicine
17, 873-890, method 10 (difference of rates); S. D. Walter (1975), Biometrika 62, 371-374 (ratio of
rates, half an event added to each arm); E. B. Wilson (1927), JASA 22, 209-212 (one rate). Rates are
computed by statsmodels, p-values of means by SciPy.
"""

from __future__ import annotations

import math

import pandas as pd
from scipy import stats
from statsmodels.stats.proportion import (
    confint_proportions_2indep,
    proportion_confint,
    proportions_ztest,
)

from mlops_helpers.business import UNKNOWN, Interval
from mlops_helpers.confidence_sequences import Moments

__all__ = [
    "moments",
    "newcombe",
    "newcombe_of_counts",
    "rate_ratio",
    "rates_p_value",
    "relative_difference",
    "welch",
    "welch_of_moments",
    "welch_p_value",
    "wilson",
    "wilson_of_counts",
]

_NAN = float("nan")


def moments(values: pd.Series) -> Moments:
    """Number, mean and variance (of one value, n - 1 in the divisor); 0 if all are the same."""
    mean = float(values.mean())
    variance = float(values.var(ddof=1)) if values.nunique() > 1 else 0.0
    return Moments(len(values), mean, variance)


def welch(control: pd.Series, treatment: pd.Series, alpha: float) -> Interval:
    """Difference of two means (treatment minus control), as :func:`welch_of_moments`."""
    return welch_of_moments(moments(control), moments(treatment), alpha)


def welch_of_moments(control: Moments, treatment: Moments, alpha: float) -> Interval:
    """Difference of two means (treatment minus control).

    No limits when neither arm varies, or when one has fewer than two values.
    """
    n, difference = control.n + treatment.n, treatment.mean - control.mean
    parts = _parts(control, treatment)
    if parts is None:
        return Interval(difference, _NAN, _NAN, n)
    a, b = parts
    freedom = (a + b) ** 2 / (a**2 / (control.n - 1) + b**2 / (treatment.n - 1))
    reach = float(stats.t.ppf(1 - alpha / 2, freedom)) * math.sqrt(a + b)
    return Interval(difference, difference - reach, difference + reach, n)


def welch_p_value(control: Moments, treatment: Moments) -> float:
    """Two-sided p-value of Welch's test; NaN where :func:`welch_of_moments` has no limits."""
    if _parts(control, treatment) is None:
        return _NAN
    sides = [(m.mean, math.sqrt(m.variance), m.n) for m in (treatment, control)]
    return float(stats.ttest_ind_from_stats(*sides[0], *sides[1], equal_var=False).pvalue)


def relative_difference(
    control: Moments, treatment: Moments, critical: float, *, common: float = 0.0
) -> Interval:
    """By what share the treatment's mean is above the control's: Fieller's limits.

    They hold every ratio r that a test of "treatment - r * control = 0" would not reject whose
    statistic must exceed `critical` standard errors. With the one that the interval of the
    difference was made with, the two agree on whether 0 is among them. All NaN unless the control's
    mean is above 0 (a share of a loss has no meaning); no limits unless it is surely so. Samples
    in which it just is so by luck have limits that miss more often: 88 % instead of 95 % hold where
    control's true mean is one standard error above 0, 93 % at 1.5, 95 % from 2 on.
    common: a squared error that both means have in common, beside those of their own.
    """
    n = control.n + treatment.n
    if not control.mean > 0 or not treatment.n:
        return Interval(_NAN, _NAN, _NAN, n)
    ratio = treatment.mean / control.mean
    parts = _parts(control, treatment)
    if parts is None or not math.isfinite(critical):
        return Interval(ratio - 1, _NAN, _NAN, n)
    a, b = ((part + common) / control.mean**2 for part in parts)
    c = common / control.mean**2
    square = critical**2
    g = square * a  # below 1: the control's mean is surely not 0
    if g >= 1:
        return Interval(ratio - 1, _NAN, _NAN, n)
    reach = critical * math.sqrt(b - 2 * ratio * c + ratio**2 * a - square * (a * b - c**2))
    low, high = ((ratio - square * c + side) / (1 - g) for side in (-reach, reach))
    return Interval(ratio - 1, low - 1, high - 1, n)


def _parts(control: Moments, treatment: Moments) -> tuple[float, float] | None:
    """The squared standard errors of both means; None where no limits can be given."""
    if min(control.n, treatment.n) < 2 or not control.variance + treatment.variance > 0:
        return None
    return control.variance / control.n, treatment.variance / treatment.n


def newcombe(control: pd.Series, treatment: pd.Series, alpha: float) -> Interval:
    """Difference of two rates (treatment minus control); unknown when an arm is empty."""
    a, b = control.astype(float), treatment.astype(float)
    return newcombe_of_counts((a.sum(), len(a)), (b.sum(), len(b)), alpha)


def newcombe_of_counts(
    control: tuple[float, int], treatment: tuple[float, int], alpha: float
) -> Interval:
    """Difference of two rates, each given as (how many yes, of how many)."""
    (yes_a, n_a), (yes_b, n_b) = control, treatment
    if not n_a or not n_b:
        return UNKNOWN
    low, high = confint_proportions_2indep(
        yes_b, n_b, yes_a, n_a, method="newcomb", compare="diff", alpha=alpha
    )
    return Interval(float(yes_b / n_b - yes_a / n_a), float(low), float(high), n_a + n_b)


def rate_ratio(control: tuple[float, int], treatment: tuple[float, int], alpha: float) -> Interval:
    """By what share the treatment's rate is above the control's.

    Unknown if the control's is 0; no limits if all values are yes.
    """
    (yes_a, n_a), (yes_b, n_b) = control, treatment
    if not n_a or not n_b or not yes_a:
        return UNKNOWN
    ratio = float(yes_b / n_b) / float(yes_a / n_a)
    if yes_a + yes_b == n_a + n_b:
        return Interval(ratio - 1, _NAN, _NAN, n_a + n_b)
    low, high = confint_proportions_2indep(
        yes_b, n_b, yes_a, n_a, method="log-adjusted", compare="ratio", alpha=alpha
    )
    low = min(float(low), ratio)  # without an event in the treatment the half lifts it above 0
    return Interval(ratio - 1, low - 1, float(high) - 1, n_a + n_b)


def rates_p_value(control: tuple[float, int], treatment: tuple[float, int]) -> float:
    """Two-sided p-value of equal rates (pooled z test); 1 when all values are the same."""
    (yes_a, n_a), (yes_b, n_b) = control, treatment
    if not n_a or not n_b:
        return _NAN
    if yes_a + yes_b in (0, n_a + n_b):
        return 1.0
    return float(proportions_ztest([yes_b, yes_a], [n_b, n_a])[1])


def wilson(values: pd.Series, alpha: float) -> Interval:
    """One rate; unknown without values."""
    return wilson_of_counts(values.astype(float).sum(), len(values), alpha)


def wilson_of_counts(yes: float, n: int, alpha: float) -> Interval:
    """One rate, `yes` of `n`; unknown without any."""
    if not n:
        return UNKNOWN
    low, high = proportion_confint(yes, n, alpha=alpha, method="wilson")
    return Interval(float(yes / n), float(low), float(high), int(n))
