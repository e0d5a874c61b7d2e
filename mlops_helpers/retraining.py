"""Retraining: decide from evidence whether to train, judge the result with uncertainty.

`decide` answers "shall we train a challenger?", `judge` (in `judging`) "is it better than the
champion?". Both fail closed: what is missing, impossible or broken never speaks for a change.
"""

from __future__ import annotations

import math
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
    "Outcome",
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

    max_drifted_importance: share of the model's importance in features that drifted by effect.
    max_auc_drop: fall of the AUC since the holdout that is tolerated; a holdout that judged the
        promotion flatters by about 0.02, see `selected_baseline`.
    max_expected_auc_drop: the same before labels, see `expected_ranking`.
    max_calibration_gap: distance between observed and predicted default rate that is tolerated.
    max_age_days: age of the champion's newest training row.
    min_new_rows: labelled applications that the champion has not been trained on.
    min_days_since_training: rest between two trainings; 28 lets a monthly job work in any month.

    A `max_…` of `math.inf` switches its trigger off, a `min_…` of 0 its condition.
    """

    max_drifted_importance: float = 0.3
    max_auc_drop: float = 0.02
    max_expected_auc_drop: float = 0.02
    max_calibration_gap: float = 0.02
    max_age_days: float = 730.0
    min_new_rows: int = 1000
    min_days_since_training: float = 28.0

    def __post_init__(self) -> None:
        """Refuse limits that cannot be."""
        for name, limit in asdict(self).items():
            if not limit >= 0:
                raise ValueError(f"{name} is {limit!r}, must be 0 or more. Give a limit, not NaN.")
            if name.startswith("min_") and math.isinf(limit):
                raise ValueError(
                    f"{name} is {limit!r}, must be finite: nothing could ever meet it. To train "
                    "never, switch every trigger off with math.inf."
                )
        if 1 < self.max_drifted_importance < math.inf:
            raise ValueError(
                f"max_drifted_importance is {self.max_drifted_importance!r}, must be at most 1, or "
                "math.inf for never. Give a share, e.g. 0.3 for 30 %."
            )


@dataclass(frozen=True)
class Evidence:
    """What is known about the champion on the day of the decision. NaN means: not known.

    `gathering.gather` computes it from rows.

    drifted_importance: share of the model's importance in features that drifted by effect.
    drifted_share: share of the features that did so, whatever they matter; told, no trigger.
    drifted: names of those features.
    auc_drop: AUC on the holdout minus AUC on live rows, see `delong.auc_drop`.
    expected_auc_drop: the same as the probabilities alone promise it, before any label.
    calibration_gap: observed default rate minus mean predicted probability, on live rows.
    faults: what is broken in feeds and contract; any of them forbids training.
    accepted: columns whose gaps and new categories a person has accepted; told with the veto.
    """

    drifted_importance: float = float("nan")
    drifted_share: float = float("nan")
    drifted: tuple[str, ...] = ()
    auc_drop: Interval = UNKNOWN
    expected_auc_drop: Interval = UNKNOWN
    calibration_gap: Interval = UNKNOWN
    age_days: float = float("nan")
    new_rows: float = float("nan")
    days_since_training: float = float("nan")
    faults: tuple[str, ...] = ()
    accepted: tuple[str, ...] = ()


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


Outcome = Literal["retrain", "vetoed", "wait", "no reason"]


@dataclass(frozen=True)
class Decision:
    """Whether to train a challenger, with every reason that was looked at."""

    reasons: tuple[Reason, ...]

    @property
    def outcome(self) -> Outcome:
        """What follows from the reasons.

        "vetoed": training is forbidden, whether or not it was asked for; "no reason": no trigger
        fired; "wait": one did and a condition is unmet; else "retrain".
        """
        if self._of("veto", holds=True):
            return "vetoed"
        if not self._of("trigger", holds=True):
            return "no reason"
        return "wait" if self._of("condition", holds=False) else "retrain"

    @property
    def retrain(self) -> bool:
        """Whether to train."""
        return self.outcome == "retrain"

    @property
    def table(self) -> pd.DataFrame:
        """The reasons as a frame: kind, name, figure, limit, holds, text."""
        return pd.DataFrame([asdict(reason) for reason in self.reasons])

    @property
    def sentence(self) -> str:
        """The decision in words, with the reasons that made it."""
        fired = self._of("trigger", holds=True)
        if self.outcome == "retrain":
            return f"Retrain: {fired}."
        if self.outcome == "vetoed":
            return f"Do not retrain (vetoed): {self._of('veto', holds=True)}."
        if self.outcome == "wait":
            return (
                f"Do not retrain yet: {self._of('condition', holds=False)}; asked for by {fired}."
            )
        return "Do not retrain: no trigger fired."

    def _of(self, kind: str, *, holds: bool) -> str:
        """The texts of the reasons of a kind that hold, or that do not; empty if there are none."""
        return "; ".join(r.text for r in self.reasons if r.kind == kind and r.holds is holds)


def calibration_gap(outcome: ArrayLike, probability: ArrayLike) -> Interval:
    """Observed default rate minus mean predicted probability, with its 95 % interval.

    Above 0 the model promises too little risk, below 0 too much. Unknown with fewer than two rows;
    raises ValueError for missing values.
    """
    return profit_interval(np.asarray(outcome, dtype=float) - np.asarray(probability, dtype=float))


def decide(evidence: Evidence, policy: RetrainingPolicy) -> Decision:
    """Train if a trigger fires, every condition is met and nothing forbids it.

    A trigger with an interval needs two things: the estimate is beyond its limit, and the interval
    excludes 0. Evidence that is NaN fires no trigger and meets no condition.
    """
    return Decision(
        (
            _veto(evidence.faults, evidence.accepted),
            _at_least("new labelled rows", evidence.new_rows, policy.min_new_rows),
            _at_least(
                "days since training", evidence.days_since_training, policy.min_days_since_training
            ),
            _beyond(
                "importance of drifted features",
                evidence.drifted_importance,
                policy.max_drifted_importance,
                _told_drift(evidence),
            ),
            _beyond_surely("AUC drop since the holdout", evidence.auc_drop, policy.max_auc_drop),
            _beyond_surely(
                "AUC drop expected before labels",
                evidence.expected_auc_drop,
                policy.max_expected_auc_drop,
            ),
            _beyond_surely(
                "calibration gap",
                evidence.calibration_gap,
                policy.max_calibration_gap,
                two_sided=True,
            ),
            _beyond("age of the model in days", evidence.age_days, policy.max_age_days),
        )
    )


def _told_drift(evidence: Evidence) -> str:
    """How many features drifted, and which; empty where that is not known."""
    if math.isnan(evidence.drifted_share):
        return ""
    named = f": {', '.join(evidence.drifted)}" if evidence.drifted else ""
    return f", {evidence.drifted_share:.0%} of the features{named}"


def _veto(faults: tuple[str, ...], accepted: tuple[str, ...]) -> Reason:
    text = f"broken inputs {len(faults)} (limit 0)"
    if faults:
        text += ": " + "; ".join(faults) + "; a model trained now would learn the fault"
    if accepted:
        text += f"; gaps and new categories accepted in {', '.join(accepted)}"
    return Reason("veto", "broken inputs", float(len(faults)), 0.0, bool(faults), text)


def _at_least(name: str, figure: float, limit: float) -> Reason:
    holds = bool(figure >= limit)
    text = f"{name} {_told(figure)} ({'needs' if not holds else 'needed'} {in_words(limit)})"
    return Reason("condition", name, float(figure), float(limit), holds, text)


def _beyond(name: str, figure: float, limit: float, more: str = "") -> Reason:
    text = f"{name} {_told(figure)} ({_told_limit(limit)}){more}"
    return Reason("trigger", name, float(figure), float(limit), bool(figure > limit), text)


def _beyond_surely(name: str, found: Interval, limit: float, *, two_sided: bool = False) -> Reason:
    above = found.value > limit and found.low > 0
    below = two_sided and found.value < -limit and found.high < 0
    reach = f" [{in_words(found.low)}, {in_words(found.high)}]" if found.known else ""
    text = f"{name} {_told(found.value)}{reach} ({_told_limit(limit)})"
    return Reason("trigger", name, float(found.value), float(limit), bool(above or below), text)


def _told(figure: float) -> str:
    return "not known" if math.isnan(figure) else in_words(figure)


def _told_limit(limit: float) -> str:
    return "switched off" if math.isinf(limit) else f"limit {in_words(limit)}"
