"""Checks of what a model is worth on rows with known outcomes, each with its uncertainty."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from mlops_helpers.business import in_dollars, profit_interval
from mlops_helpers.data import TARGET
from mlops_helpers.delong import MIN_PER_CLASS, auc_difference, auc_interval
from mlops_helpers.gate import Finding
from mlops_helpers.gate_policy import GatePolicy

__all__ = [
    "beats_baseline",
    "calibrated",
    "earns_as_much",
    "fair_to_groups",
    "not_worse",
    "unseen_rows",
]


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
    """Do as many default as promised, surely within the policy's factor?"""
    raise NotImplementedError("the limits of this check are not built yet")


def fair_to_groups(
    rows: pd.DataFrame, candidate: ArrayLike, champion: ArrayLike | None, policy: GatePolicy
) -> Finding:
    """Is there no group of applicants for whom the candidate is surely worse?"""
    raise NotImplementedError("the limits of this check are not built yet")


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
