"""Checks of what a model is worth on rows with known outcomes, each with its uncertainty."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from mlops_helpers.business import Interval, in_dollars, profit_interval
from mlops_helpers.calibration import recalibration
from mlops_helpers.data import FEATURES, TARGET
from mlops_helpers.delong import MIN_PER_CLASS, auc_difference, auc_interval
from mlops_helpers.gate import Finding
from mlops_helpers.gate_policy import GatePolicy
from mlops_helpers.two_samples import wilson

__all__ = [
    "beats_baseline",
    "calibrated",
    "earns_as_much",
    "for_each_promised",
    "need_columns",
    "not_worse",
    "unseen_rows",
]

LEAST_PROMISED = 1e-4
"""A mean probability below one default in 10,000 is taken as that."""
REPEATED = 0.01
"""Share of rows that may be alike in all they tell; of LendingClub's 42,531 loans none are."""


def need_columns(rows: pd.DataFrame, *names: str) -> None:
    """Raise ValueError that names the columns which a check needs and the rows do not have."""
    if missing := [name for name in names if name not in rows.columns]:
        raise ValueError(
            f"the rows have no column {', '.join(map(repr, missing))}, must have it to be judged "
            "on. Pass settled applications as `load_stream` gives them."
        )


def unseen_rows(rows: pd.DataFrame, trained_until: Mapping[str, pd.Timestamp]) -> Finding:
    """Is every row later than the training of each model compared, and there once only?

    Twice is the same `application_id`, or the same time, features and outcome under another one:
    two people may be alike, so that is a fault in more than `REPEATED` of the rows. Copies that
    were changed, however little, are not found.
    """
    if rows.empty:
        return Finding(False, "no rows to judge on")
    need_columns(rows, "application_id", "applied_at")
    if rows["applied_at"].isna().any():
        return Finding(False, f"{rows['applied_at'].isna().sum()} rows have no time of application")
    if twice := int(rows["application_id"].duplicated().sum()):
        return Finding(False, f"applications that are there again: {twice}; each is evidence once")
    content = [name for name in ("applied_at", *FEATURES, TARGET) if name in rows.columns]
    alike = int(rows.duplicated(content).sum())
    if alike > REPEATED * len(rows):
        words = f"{alike:,} of {len(rows):,} rows repeat an earlier one under a new application_id"
        words += f" (time, features and outcome), at most {REPEATED:.0%} may: leave the copies out"
        return Finding(False, words, alike / len(rows), limit=REPEATED)
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

    The level is defaults for each one promised (the sum of the probabilities), with Wilson's
    interval of the default rate. A slope whose interval reaches further than `slope_reach` either
    way is no evidence, nor is one that cannot be fitted. See `calibration.recalibration`.
    """
    label, chance = np.asarray(outcome, dtype=float), np.asarray(probability, dtype=float)
    slope = recalibration(label, chance).slope  # raises for outcomes that are none
    if _rarer(label) < MIN_PER_CLASS:
        return Finding(False, _too_few(outcome))
    rate = wilson(pd.Series(label), 0.05)
    found = for_each_promised(rate, chance)
    level, low, high = found.value, found.low, found.high
    least, most = 1 / policy.level, policy.level
    words = f"{level:.2f} [{low:.2f}, {high:.2f}] defaults for each one promised, must surely "
    words += f"lie within {least:.2f} and {most:.2f}; slope {_slope_in_words(slope, policy)}"
    fits = least < low and high < most and _known(slope, policy)
    fits = fits and policy.slope_low < slope.high and slope.low < policy.slope_high
    return Finding(bool(fits), words, level, low, high, least if level < 1 else most)


def for_each_promised(rate: Interval, probability: ArrayLike) -> Interval:
    """A default rate, with its limits, for each default that the probabilities promise.

    A promise of nothing, or nearly, is taken as `LEAST_PROMISED`: what is many times too much is
    told in figures that can be read.
    """
    promised = max(float(np.mean(probability)), LEAST_PROMISED)
    return Interval(rate.value / promised, rate.low / promised, rate.high / promised, rate.n)


def _known(slope: Interval, policy: GatePolicy) -> bool:
    return slope.known and slope.high - slope.value <= policy.slope_reach


def _slope_in_words(slope: Interval, policy: GatePolicy) -> str:
    if not slope.known:
        return "cannot be fitted: one answer for all, a certain one (0 or 1), or no error at all"
    words = f"{slope.value:.2f} [{slope.low:.2f}, {slope.high:.2f}], "
    if not _known(slope, policy):
        return f"{words}not enough evidence: must be known to ±{policy.slope_reach:.2f}"
    limits = f"{policy.slope_low:.2f} to {policy.slope_high:.2f}"
    return f"{words}must not surely lie outside {limits}"


def earns_as_much(
    rows: pd.DataFrame, candidate: ArrayLike, champion: ArrayLike | None, policy: GatePolicy
) -> Finding:
    """Do its decisions surely earn what the champion's do, less the margin per application?

    Without a champion they must surely earn more than declining everybody, which earns nothing.
    """
    need_columns(rows, "loan_amount", TARGET)
    limit, costs = policy.approve_below, policy.costs
    dollars, outcome = rows["loan_amount"], rows[TARGET]

    def profit(probability: ArrayLike) -> np.ndarray:
        return costs.profit(dollars, outcome, np.asarray(probability, dtype=float) < limit)

    alone = champion is None
    gap = profit_interval(profit(candidate) - (0.0 if alone else profit(champion)))
    least = 0.0 if alone else -policy.profit_margin
    if not gap.known or _rarer(outcome) < MIN_PER_CLASS:  # few losses: t limits are too narrow
        return Finding(False, _too_few(outcome), limit=least)
    opponent = "declining everybody" if alone else "the champion's decisions"
    words = (
        f"{in_dollars(gap.value)} [{in_dollars(gap.low)}, {in_dollars(gap.high)}] an application "
        f"against {opponent}, approving below {limit:.3f}; must surely be above {in_dollars(least)}"
    )
    return Finding(bool(gap.low > least), words, gap.value, gap.low, gap.high, least)


def _rarer(outcome: ArrayLike) -> int:
    """How many there are of the rarer class."""
    label = np.asarray(outcome, dtype=float)
    return int(min((label == 1).sum(), (label == 0).sum()))


def _too_few(outcome: ArrayLike) -> str:
    label = np.asarray(outcome, dtype=float)
    return (
        f"not enough evidence: {int((label == 1).sum())} defaults and {int((label == 0).sum())} "
        f"repaid loans, needs {MIN_PER_CLASS} of each"
    )
