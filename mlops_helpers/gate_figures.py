"""Checks of what a model is worth on rows with known outcomes, each with its uncertainty."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import special, stats

from mlops_helpers.business import UNKNOWN, Interval, in_dollars, profit_interval
from mlops_helpers.data import TARGET
from mlops_helpers.delong import MIN_PER_CLASS, auc_difference, auc_interval
from mlops_helpers.gate import Finding
from mlops_helpers.gate_policy import GatePolicy
from mlops_helpers.two_samples import wilson

__all__ = [
    "beats_baseline",
    "calibrated",
    "earns_as_much",
    "not_worse",
    "unseen_rows",
]

TINY = 1e-6
"""Probabilities of 0 and 1 have no logit; they are taken as this far from it."""
NEWTON_STEPS = 50
Z95 = float(stats.norm.ppf(0.975))


def unseen_rows(rows: pd.DataFrame, trained_until: Mapping[str, pd.Timestamp]) -> Finding:
    """Is every row later than the training of each model compared, and there once only?"""
    if rows.empty:
        return Finding(False, "no rows to judge on")
    if rows["applied_at"].isna().any():
        return Finding(False, f"{rows['applied_at'].isna().sum()} rows have no time of application")
    if twice := int(rows["application_id"].duplicated().sum()):
        return Finding(False, f"{twice} rows repeat an application: each is evidence once")
    first = rows["applied_at"].min()
    seen = [name for name, until in trained_until.items() if not until < first]
    if seen:
        return Finding(False, f"{' and '.join(seen)} may have been trained on rows judged here")
    return Finding(True, f"{len(rows):,} rows from {first:%Y-%m-%d} on, later than all training")


def beats_baseline(outcome: ArrayLike, probability: ArrayLike) -> Finding:
    """Is the AUC surely (95 %) above 0.5, what a model that knows nothing gets?"""
    auc = auc_interval(outcome, probability)
    if not auc.known:
        return Finding(False, _too_few(outcome), value=auc.value, limit=0.5)
    words = f"AUC {auc.value:.3f} [{auc.low:.3f}, {auc.high:.3f}] against 0.500"
    return Finding(bool(auc.low > 0.5), words, auc.value, auc.low, auc.high, 0.5)


def not_worse(
    outcome: ArrayLike, champion: ArrayLike, candidate: ArrayLike, *, margin: float
) -> Finding:
    """Is the candidate's AUC surely (95 %, paired on the same rows) no more than `margin` below?"""
    gap = auc_difference(outcome, champion, candidate)
    if not gap.known:
        return Finding(False, _too_few(outcome), value=gap.value, limit=-margin)
    words = f"AUC {gap.value:+.3f} [{gap.low:+.3f}, {gap.high:+.3f}] against the champion's"
    words += f"; may lose at most {margin:.3f}"
    return Finding(bool(gap.low > -margin), words, gap.value, gap.low, gap.high, -margin)


def calibrated(outcome: ArrayLike, probability: ArrayLike, policy: GatePolicy) -> Finding:
    """Is the level surely within the policy's factor, and the slope not surely outside its limits?

    The level, defaults over the sum of the probabilities, has Wilson's interval for the default
    rate over the mean probability. The slope is that of D. R. Cox, *Two further applications of a
    model for binary regression* (1958), Biometrika 45, 562-565: of the outcomes on the logits of
    the probabilities. An interval of it that is wider than `slope_reach` either way is no evidence.
    """
    label, chance = np.asarray(outcome, dtype=float), np.asarray(probability, dtype=float)
    slope = _slope(label, chance)  # raises for outcomes that are none
    if min((label == 1).sum(), (label == 0).sum()) < MIN_PER_CLASS:
        return Finding(False, _too_few(outcome))
    expected = float(chance.mean())
    rate = wilson(pd.Series(label), 0.05)
    level, low, high = (limit / expected for limit in (rate.value, rate.low, rate.high))
    level_fits = 1 / policy.level < low and high < policy.level
    words = (
        f"{level:.2f} [{low:.2f}, {high:.2f}] defaults for each one promised, "
        f"must surely lie within {1 / policy.level:.2f} and {policy.level:.2f}; "
    )
    if not slope.known:
        words += "no slope can be fitted"
    else:
        words += f"slope {slope.value:.2f} [{slope.low:.2f}, {slope.high:.2f}], "
    known = slope.known and slope.high - slope.value <= policy.slope_reach
    if slope.known and not known:
        words += f"known no better than ±{slope.high - slope.value:.2f}, not enough evidence"
    elif known:
        words += f"must not surely lie outside {policy.slope_low:.2f} and {policy.slope_high:.2f}"
    slope_fits = known and slope.high >= policy.slope_low and slope.low <= policy.slope_high
    nearer = 1 / policy.level if level < 1 else policy.level
    return Finding(bool(level_fits and slope_fits), words, level, low, high, nearer)


def earns_as_much(
    rows: pd.DataFrame, candidate: ArrayLike, champion: ArrayLike | None, policy: GatePolicy
) -> Finding:
    """Do its decisions earn, per application, what the champion's do, less the margin at most?"""
    limit, costs = policy.approve_below, policy.costs
    dollars, outcome = rows["loan_amount"], rows[TARGET]

    def profit(probability: ArrayLike) -> np.ndarray:
        return costs.profit(dollars, outcome, np.asarray(probability, dtype=float) < limit)

    gap = profit_interval(profit(candidate) - (0.0 if champion is None else profit(champion)))
    least = 0.0 if champion is None else -policy.profit_margin
    opponent = "declining everybody" if champion is None else "the champion's decisions"
    if not gap.known:
        return Finding(False, f"not enough evidence: {gap.n} rows", limit=least)
    words = (
        f"{in_dollars(gap.value)} [{in_dollars(gap.low)}, {in_dollars(gap.high)}] an application "
        f"against {opponent}, approving below {limit:.3f}; must surely be above {in_dollars(least)}"
    )
    return Finding(bool(gap.low > least), words, gap.value, gap.low, gap.high, least)


def _too_few(outcome: ArrayLike) -> str:
    label = np.asarray(outcome, dtype=float)
    return (
        f"not enough evidence: {int((label == 1).sum())} defaults and {int((label == 0).sum())} "
        f"repaid loans, needs {MIN_PER_CLASS} of each"
    )


def _slope(label: np.ndarray, chance: np.ndarray) -> Interval:
    """Slope of the outcomes on the logits of the probabilities, with Wald's 95 % interval.

    Unknown where it cannot be fitted: one answer for all, or defaults that are perfectly parted.
    """
    if not np.isin(label, (0, 1)).all():
        raise ValueError("an outcome is missing, or neither 0 nor 1; leave such rows out")
    logit = special.logit(np.clip(chance, TINY, 1 - TINY))
    spread = float(logit.std()) if logit.size else 0.0
    if not spread > 0 or len(np.unique(label)) < 2:
        return UNKNOWN
    design = np.column_stack([np.ones_like(logit), (logit - logit.mean()) / spread])
    found = np.array([special.logit(label.mean()), 0.0])
    for _ in range(NEWTON_STEPS):
        fitted = special.expit(design @ found)
        information = (design * (fitted * (1 - fitted))[:, None]).T @ design
        if not np.linalg.cond(information) < 1 / np.finfo(float).eps:
            return UNKNOWN
        step = np.linalg.solve(information, design.T @ (label - fitted))
        found = found + step
        if np.abs(step).max() < 1e-8:
            reach = Z95 * float(np.sqrt(np.linalg.inv(information)[1, 1]))
            limits = (found[1] + side * reach for side in (0, -1, 1))
            return Interval(*(float(limit) / spread for limit in limits), label.size)
    return UNKNOWN
