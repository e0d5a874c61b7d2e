"""Retraining: decide from evidence whether to train, judge the result with uncertainty.

`decide` answers "shall we train a challenger?", `judge` (in `judging`) "is it better than the
champion?". Both fail closed: what is missing, impossible or broken never speaks for a change.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from mlops_helpers.business import UNKNOWN, Interval, in_words, profit_interval
from mlops_helpers.judging import Margins, Verdict, judge

__all__ = [
    "Decision",
    "Evidence",
    "Margins",
    "Reason",
    "RetrainingPolicy",
    "Verdict",
    "calibration_gap",
    "decide",
    "judge",
]


@dataclass(frozen=True)
class RetrainingPolicy:
    """The limits agreed before looking at the evidence. None may be negative or NaN.

    max_drifted_share: share of features that may drift.
    max_auc_drop: fall of the AUC since the holdout that is tolerated.
    max_calibration_gap: distance between observed and predicted default rate that is tolerated.
    max_age_days: age of the champion's newest training row.
    min_new_rows: labelled applications that the champion has not been trained on.
    min_days_since_training: rest between two trainings.
    """

    max_drifted_share: float = 0.3
    max_auc_drop: float = 0.02
    max_calibration_gap: float = 0.02
    max_age_days: float = 730.0
    min_new_rows: int = 1000
    min_days_since_training: float = 30.0

    def __post_init__(self) -> None:
        """Refuse limits that cannot be."""
        for name, limit in asdict(self).items():
            if not limit >= 0:
                raise ValueError(f"{name} is {limit!r}, must be 0 or more. Give a limit, not NaN.")
        if self.max_drifted_share > 1:
            raise ValueError(
                f"max_drifted_share is {self.max_drifted_share!r}, must be at most 1. "
                "Give a share, e.g. 0.3 for 30 %."
            )


@dataclass(frozen=True)
class Evidence:
    """What is known about the champion on the day of the decision. NaN means: not known.

    auc_drop: AUC on the holdout minus AUC on live rows, see `delong.auc_drop`.
    calibration_gap: observed default rate minus mean predicted probability, on live rows.
    faults: names of broken feeds and failed contracts; any of them forbids training.
    """

    drifted_share: float = float("nan")
    auc_drop: Interval = UNKNOWN
    calibration_gap: Interval = UNKNOWN
    age_days: float = float("nan")
    new_rows: float = float("nan")
    days_since_training: float = float("nan")
    faults: tuple[str, ...] = ()


@dataclass(frozen=True)
class Reason:
    """One line of a decision: what was measured, against which limit, and what it says.

    kind: a *trigger* asks for training, a *condition* must hold for it, a *veto* forbids it.
    holds: whether the trigger fired, the condition is met, or the veto applies.
    """

    kind: Literal["trigger", "condition", "veto"]
    name: str
    figure: float
    limit: float
    holds: bool
    text: str


@dataclass(frozen=True)
class Decision:
    """Whether to train a challenger, with every reason that was looked at."""

    retrain: bool
    reasons: tuple[Reason, ...]

    @property
    def table(self) -> pd.DataFrame:
        """The reasons as a frame: kind, name, figure, limit, holds, text."""
        return pd.DataFrame([asdict(reason) for reason in self.reasons])

    @property
    def sentence(self) -> str:
        """The decision in words, with the reasons that made it."""
        stopped = [r for r in self.reasons if r.kind == "veto" and r.holds]
        unmet = [r for r in self.reasons if r.kind == "condition" and not r.holds]
        fired = [r for r in self.reasons if r.kind == "trigger" and r.holds]
        if self.retrain:
            return "Retrain: " + "; ".join(r.text for r in fired) + "."
        if stopped:
            return "Do not retrain (vetoed): " + "; ".join(r.text for r in stopped) + "."
        if unmet:
            return "Do not retrain yet: " + "; ".join(r.text for r in unmet) + "."
        return "Do not retrain: no trigger fired."


def calibration_gap(outcome: ArrayLike, probability: ArrayLike) -> Interval:
    """Observed default rate minus mean predicted probability, with its 95 % interval.

    Above 0 the model promises too little risk, below 0 too much. Unknown with fewer than two rows;
    raises ValueError for missing values.
    """
    return profit_interval(np.asarray(outcome, dtype=float) - np.asarray(probability, dtype=float))


def decide(evidence: Evidence, policy: RetrainingPolicy) -> Decision:
    """Train if a trigger fires, every condition is met and nothing forbids it.

    A performance trigger needs two things: the estimate is beyond its limit, and the interval
    excludes 0. Evidence that is NaN fires no trigger and meets no condition.
    """
    reasons = (
        _veto(evidence.faults),
        _at_least("new labelled rows", evidence.new_rows, policy.min_new_rows),
        _at_least(
            "days since training", evidence.days_since_training, policy.min_days_since_training
        ),
        _beyond("share of features drifted", evidence.drifted_share, policy.max_drifted_share),
        _beyond_surely("AUC drop since the holdout", evidence.auc_drop, policy.max_auc_drop),
        _beyond_surely(
            "calibration gap", evidence.calibration_gap, policy.max_calibration_gap, two_sided=True
        ),
        _beyond("age of the model in days", evidence.age_days, policy.max_age_days),
    )
    triggered = any(r.holds for r in reasons if r.kind == "trigger")
    allowed = all(r.holds for r in reasons if r.kind == "condition")
    vetoed = any(r.holds for r in reasons if r.kind == "veto")
    return Decision(retrain=triggered and allowed and not vetoed, reasons=reasons)


def _veto(faults: tuple[str, ...]) -> Reason:
    text = f"broken inputs {len(faults)} (limit 0)"
    if faults:
        text += ": " + ", ".join(faults) + "; a model trained now would learn the fault"
    return Reason("veto", "broken inputs", float(len(faults)), 0.0, bool(faults), text)


def _at_least(name: str, figure: float, limit: float) -> Reason:
    holds = bool(figure >= limit)
    text = f"{name} {in_words(figure)} ({'needs' if not holds else 'needed'} {in_words(limit)})"
    return Reason("condition", name, float(figure), float(limit), holds, text)


def _beyond(name: str, figure: float, limit: float) -> Reason:
    text = f"{name} {in_words(figure)} (limit {in_words(limit)})"
    return Reason("trigger", name, float(figure), float(limit), bool(figure > limit), text)


def _beyond_surely(name: str, found: Interval, limit: float, *, two_sided: bool = False) -> Reason:
    above = found.value > limit and found.low > 0
    below = two_sided and found.value < -limit and found.high < 0
    text = (
        f"{name} {in_words(found.value)} [{in_words(found.low)}, {in_words(found.high)}] "
        f"(limit {in_words(limit)})"
    )
    return Reason("trigger", name, float(found.value), float(limit), bool(above or below), text)
