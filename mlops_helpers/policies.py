"""Retraining policies lived through month by month: what each would have earned, and why.

At the start of each month a policy decides by `retraining.decide` on what is known then; what it
trains serves from that day on. All begin with the same champion. Outcomes come after the label
delay, so that nobody learns from, or is judged on, a loan whose end was not known yet.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin

from mlops_helpers.business import CostModel
from mlops_helpers.candidates import standard_candidates
from mlops_helpers.contracts import TARGET
from mlops_helpers.judging import Verdict, judge
from mlops_helpers.policy_models import CannotTrain, Model, Shelf
from mlops_helpers.retraining import Decision, RetrainingPolicy, decide
from mlops_helpers.threads import one_thread
from mlops_helpers.training_windows import TrainingWindow

__all__ = ["ABLATIONS", "BASELINE", "CEILINGS", "POLICIES", "Policy", "PolicyRun", "run_policies"]

OFF = math.inf
BASELINE = "never"
"""The policy that the others are compared with."""
TRUTH = "true_probability"
Served = list[NDArray[np.int64]]
Taken = Callable[[NDArray[np.float64], NDArray[np.int64]], NDArray[np.float64]]
_NONE = RetrainingPolicy(
    max_drifted_importance=OFF,
    max_auc_drop=OFF,
    max_expected_auc_drop=OFF,
    max_calibration_gap=OFF,
    max_age_days=OFF,
)


@dataclass(frozen=True)
class Policy:
    """When to train, on which rows, and what it takes to serve.

    limits: as `decide` takes them, one of infinity switches a trigger off.
    veto: broken inputs forbid training. quarantine: rows on file that break the contract are not
    learnt from; without, everything is.
    judged: a challenger serves only if `judging.judge` promotes it; without, every one does.
    """

    name: str
    limits: RetrainingPolicy
    veto: bool = False
    quarantine: bool = False
    judged: bool = False

    @property
    def looks(self) -> dict[str, bool]:
        """Which evidence its triggers and its veto read."""
        limits = self.limits
        before = min(limits.max_drifted_importance, limits.max_expected_auc_drop) < OFF
        after = min(limits.max_auc_drop, limits.max_calibration_gap) < OFF
        return {"applicants": self.veto or before, "outcomes": after, "faults": self.veto}


_DEFAULT = RetrainingPolicy()
_DRIFT = replace(_NONE, max_drifted_importance=_DEFAULT.max_drifted_importance)
_PERFORMANCE = replace(
    _NONE,
    max_auc_drop=_DEFAULT.max_auc_drop,
    max_calibration_gap=_DEFAULT.max_calibration_gap,
)
_BOTH = replace(_DEFAULT, max_expected_auc_drop=OFF, max_age_days=OFF)

POLICIES = (
    Policy(BASELINE, _NONE),
    Policy("monthly", replace(_NONE, max_age_days=0.0, min_new_rows=0, min_days_since_training=0)),
    Policy("on drift", _DRIFT),
    Policy("on performance", _PERFORMANCE),
    Policy("both, with veto", _BOTH, veto=True, quarantine=True, judged=True),
)
ABLATIONS = (
    Policy("both, without veto", _BOTH, judged=True),
    Policy("both, not judged", _BOTH, veto=True, quarantine=True),
    Policy("monthly, quarantined", POLICIES[1].limits, quarantine=True),
    Policy("on drift, judged", _DRIFT, judged=True),
)
"""Policies of `POLICIES` with a part taken out, or put in, to see what that part is worth."""
CEILINGS = ("oracle", "the truth")
"""What no lender can follow: the best of all models each month in hindsight, and deciding by the
true probability."""


@dataclass(frozen=True)
class PolicyRun:
    """What each policy did and earned.

    monthly: a row a policy and month: `policy, month, phase, applications, profit` ($ an
    application), `trained, promoted` (0 or 1), `outcome` and `reason` of the decision, and `model`,
    the month whose model served (0: none of one month did).
    profits: $ of each application served (rows, by `application_id`) by policy (columns); month: of
    these rows.
    fits: seconds of each fit.
    """

    monthly: pd.DataFrame
    profits: pd.DataFrame
    month: NDArray[np.int64] = field(compare=False)
    fits: list[float] = field(compare=False)


def run_policies(
    frame: pd.DataFrame,
    *,
    begin: pd.Timestamp,
    months: int,
    policies: Sequence[Policy] = POLICIES,
    window: TrainingWindow | None = None,
    estimator: ClassifierMixin | None = None,
    costs: CostModel | None = None,
    seed: int = 0,
) -> PolicyRun:
    """Live through `months` months from `begin` with each of `policies`, on the same applications.

    `frame` holds applications with outcomes. With a column `true_probability` the profit is the
    expected one, and `CEILINGS` are lived through as well; without, it is the realised one. A month
    whose rows cannot be learnt from trains nobody, and says so; the first one raises CannotTrain.

    All policies share their models, so those without a judge give up the two newest labelled months
    as well: learning from them too would earn them more (two seeds: $11 and $18 an application in
    months 17 to 35, logistic regression). And they are simpler than the scheduled step: no age and
    no expected drop, one recent month instead of two, no groups, no gate, no watch.
    """
    costs = costs or CostModel()
    frame = frame.sort_values(["applied_at", "application_id"], ignore_index=True)
    worth = _worth(frame, costs)

    def taken(scores: NDArray[np.float64], rows: NDArray[np.int64]) -> NDArray[np.float64]:
        return np.where(scores[rows] < costs.break_even, worth[rows], 0.0)

    with one_thread():
        shelf = Shelf(
            frame,
            begin=begin,
            months=months,
            window=window or TrainingWindow(),
            estimator=standard_candidates()[-1].estimator if estimator is None else estimator,
            seed=seed,
        )
        served = [shelf.rows(month) for month in range(1, months + 1)]
        lives = {policy.name: _live(policy, shelf, months, costs) for policy in policies}
        if TRUTH in frame:
            lives["oracle"] = _oracle(shelf, served, taken)
    profits = {
        name: [taken(s.model.scores, rows) for s, rows in zip(life, served, strict=True)]
        for name, life in lives.items()
    }
    if TRUTH in frame:
        lives["the truth"] = [_Step(None)] * months
        profits["the truth"] = [taken(frame[TRUTH].to_numpy(), rows) for rows in served]
    ids = frame["application_id"].iloc[np.concatenate(served)]
    table = pd.DataFrame({name: np.concatenate(p) for name, p in profits.items()}, index=ids)
    month = np.repeat(np.arange(1, months + 1), [len(rows) for rows in served])
    return PolicyRun(_monthly(frame, lives, profits, served), table, month, shelf.fits)


def _monthly(
    frame: pd.DataFrame,
    lives: dict[str, list[_Step]],
    profits: dict[str, list[NDArray[np.float64]]],
    served: Served,
) -> pd.DataFrame:
    phase = frame["phase"] if "phase" in frame else pd.Series("", frame.index)
    rows = []
    for name, life in lives.items():
        for month, (step, part) in enumerate(zip(life, profits[name], strict=True), start=1):
            row = {"policy": name, "month": month, "phase": "", "applications": len(part)}
            if len(part):
                row |= {"phase": phase.iloc[served[month - 1][0]], "profit": float(part.mean())}
            rows.append({"profit": np.nan} | row | step.row)
    columns = ["policy", "month", "phase", "applications", "profit"]
    table = pd.DataFrame(rows)
    return table[[*columns, *table.columns.difference(columns, sort=False)]]


@dataclass(frozen=True)
class _Step:
    """One month of a policy: the model that served, and what was decided before."""

    model: Model | None
    decision: Decision | None = None
    trained: bool = False
    promoted: bool = False
    verdict: str = ""

    @property
    def row(self) -> dict[str, object]:
        """The step's part of a row of `PolicyRun.monthly`."""
        decision = self.decision
        return {
            "trained": int(self.trained),
            "promoted": int(self.promoted),
            "outcome": decision.outcome if decision else "",
            "reason": " ".join(filter(None, [decision.sentence if decision else "", self.verdict])),
            "model": self.model.month if self.model else 0,
        }


def _live(policy: Policy, shelf: Shelf, months: int, costs: CostModel) -> list[_Step]:
    """The months of one policy; in the first all serve the same champion and nobody decides."""
    champion, last = shelf.model(1, quarantine=policy.quarantine), 1
    steps = [_Step(champion)]
    for month in range(2, months + 1):
        evidence = shelf.evidence(champion, month, last, **policy.looks)
        decision = decide(evidence, policy.limits)
        promoted, verdict, challenger = False, "", None
        if decision.retrain:
            try:
                challenger, last = shelf.model(month, quarantine=policy.quarantine), month
            except CannotTrain as error:
                verdict = f"Not trained: {error}"
        if challenger is not None:
            promoted = True
            if policy.judged:
                found = _judged(shelf, champion, challenger, costs)
                promoted, verdict = found.promote, found.sentence
            champion = challenger if promoted else champion
        steps.append(_Step(champion, decision, challenger is not None, promoted, verdict))
    return steps


def _judged(shelf: Shelf, champion: Model, challenger: Model, costs: CostModel) -> Verdict:
    """The judge on the newest labelled rows, which neither model was trained on."""
    rows = shelf.frame.iloc[challenger.holdout]
    scores = (shelf.scores(model, challenger.holdout) for model in (champion, challenger))
    return judge(rows[TARGET], *scores, rows["loan_amount"], costs=costs)


def _worth(frame: pd.DataFrame, costs: CostModel) -> NDArray[np.float64]:
    """$ of approving each application: expected where the truth is known, else realised."""
    if TRUTH in frame:
        return costs.expected_profit(frame["loan_amount"], frame[TRUTH])
    return costs.profit(frame["loan_amount"], frame[TARGET])


def _oracle(shelf: Shelf, served: Served, taken: Taken) -> list[_Step]:
    """Each month the model, of all that could have been trained by then, that earns most."""
    steps = []
    for month, rows in enumerate(served, start=1):
        models = shelf.all_models(month)
        earned = [taken(model.scores, rows).sum() for model in models]
        steps.append(_Step(models[int(np.argmax(earned))]))
    return steps
