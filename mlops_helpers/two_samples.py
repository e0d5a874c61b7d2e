"""Intervals for comparing two independent samples, and for one rate.

Sources: B. L. Welch (1947), Biometrika 34, 28-35 (means, unequal variances); R. G. Newcombe (1998),
Statistics in Medicine 17, 873-890, method 10 (difference of rates); E. B. Wilson (1927), JASA 22,
209-212 (one rate). Computed by statsmodels.
"""

from __future__ import annotations

import pandas as pd
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint
from statsmodels.stats.weightstats import CompareMeans

from mlops_helpers.business import UNKNOWN, Interval

__all__ = ["newcombe", "welch", "wilson"]


def welch(control: pd.Series, treatment: pd.Series, alpha: float) -> Interval:
    """Difference of two means (treatment minus control).

    No limits when neither arm varies, or when one has fewer than two rows.
    """
    n = len(control) + len(treatment)
    difference = float(treatment.mean() - control.mean())
    constant = control.nunique() < 2 and treatment.nunique() < 2
    if constant or min(len(control), len(treatment)) < 2:
        return Interval(difference, float("nan"), float("nan"), n)
    means = CompareMeans.from_data(treatment, control)
    low, high = means.tconfint_diff(alpha=alpha, usevar="unequal")
    return Interval(difference, float(low), float(high), n)


def newcombe(control: pd.Series, treatment: pd.Series, alpha: float) -> Interval:
    """Difference of two rates (treatment minus control); unknown when an arm is empty."""
    if control.empty or treatment.empty:
        return UNKNOWN
    a, b = control.astype(float), treatment.astype(float)
    low, high = confint_proportions_2indep(
        b.sum(), len(b), a.sum(), len(a), method="newcomb", compare="diff", alpha=alpha
    )
    return Interval(float(b.mean() - a.mean()), float(low), float(high), len(a) + len(b))


def wilson(values: pd.Series, alpha: float) -> Interval:
    """One rate; unknown without values."""
    if values.empty:
        return UNKNOWN
    yes = values.astype(float)
    low, high = proportion_confint(yes.sum(), len(yes), alpha=alpha, method="wilson")
    return Interval(float(yes.mean()), float(low), float(high), len(yes))
