"""Two models on applicants whose truth is known: what an experiment with them ought to find.

The pool's probabilities of default are known, so the true profit, rates and AUC of each model's
decisions are sums over the pool, not estimates. Experiments draw fresh applicants from it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special
from sklearn.metrics import roc_auc_score

from mlops_helpers.ab_draws import COSTS, Population, population
from mlops_helpers.assignment import Experiment
from mlops_helpers.experiment_plan import ExperimentPlan, Guardrail, Stop
from mlops_helpers.exposure_sums import ExposureSums, from_rows
from mlops_helpers.sample_size import power, required_sample_size

__all__ = [
    "EARLY",
    "EXPERIMENT",
    "START",
    "KnownArms",
    "cautious_arms",
    "known_arms",
    "plan_of",
    "sums_of",
]

FloatArray = NDArray[np.float64]
EXPERIMENT = Experiment("error rates")
START = pd.Timestamp("2030-01-01", tz="UTC")
EARLY = "expected_before"
"""A column known before any decision: the profit that an early, coarse score expects."""
_NO_DELAY = pd.Timedelta(0)
_NOISE = 2.0, 0.3, 1.5  # of the scores of control, treatment and the early one, on log-odds
_CAUTION = 1.0  # how far the cautious treatment's log-odds lie above control's
_OWN = 11  # seed of the pool: all repeats draw from the same applicants


@dataclass(frozen=True)
class KnownArms:
    """Two models on the same pool of applicants, and the truth about their decisions.

    probability: what each says of each applicant, shape (2, pool); before: `EARLY` of each.
    """

    pool: Population
    probability: FloatArray
    before: FloatArray

    @property
    def approved(self) -> NDArray[np.bool_]:
        """Whom each model approves, shape (2, pool)."""
        return self.probability < EXPERIMENT.cutoff

    def truth(self, metric: str) -> FloatArray:
        """The true value of one of `METRICS` for each model's decisions."""
        if metric == "auc_approved":
            return np.array([self._auc(k) for k in (0, 1)])
        if metric == "approval_rate":
            return self.approved.mean(axis=1)
        if metric == "default_rate_approved":
            return (self.approved * self.pool.truth).sum(axis=1) / self.approved.sum(axis=1)
        return (self.approved * self.pool.worth).mean(axis=1)

    @property
    def spread(self) -> FloatArray:
        """True standard deviation of the profit of one application, for each model."""
        amount, risk = self.pool.amount, self.pool.truth
        lost, won = COSTS.loss_given_default * amount, COSTS.margin * amount
        square = (self.approved * (risk * lost**2 + (1 - risk) * won**2)).mean(axis=1)
        return np.sqrt(square - self.truth("profit_per_application") ** 2)

    @property
    def gain(self) -> float:
        """True profit per application of the treatment's model less that of control's, in $."""
        return float(np.diff(self.truth("profit_per_application"))[0])

    def size(self, target: float) -> int:
        """Applications an arm that are planned to see the true gain with probability `target`."""
        return required_sample_size(self.gain, sd=self._typical, target=target)

    def power(self, size: int, *, width: float = 1.0) -> float:
        """Planned probability to see the true gain with `size` applications an arm.

        width: of the interval that decides, as in `sample_size.power`.
        """
        return power(size, self.gain, sd=self._typical, width=width)

    def draw(
        self,
        arms: NDArray[np.int64],
        scored_at: pd.DatetimeIndex,
        seed: list[int],
        *,
        equal: bool,
        names: tuple[str, ...] = EXPERIMENT.arms,
    ) -> pd.DataFrame:
        """Exposures of fresh applicants in these arms; with `equal` all are served by control.

        arms: the place of each one's arm in `names`; every arm but the first has the better model.
        """
        rng = np.random.default_rng(seed)
        who = rng.integers(self.pool.truth.size, size=arms.size)
        model = np.zeros_like(arms) if equal else np.minimum(arms, 1)
        taken = self.approved[model, who]
        default = (rng.random(arms.size) < self.pool.truth[who]).astype(float)
        return pd.DataFrame(
            {
                "application_id": np.arange(arms.size),
                "variant": np.array(names, dtype=object)[arms],
                "scored_at": scored_at,
                "decision": np.where(taken, "approve", "decline"),
                "loan_amount": self.pool.amount[who],
                "default": np.where(taken, default, np.nan),
                "probability": self.probability[model, who],
                EARLY: self.before[who],
            }
        )

    @property
    def _typical(self) -> float:
        """The standard deviation that gives Welch's width with arms of equal size."""
        return float(np.sqrt((self.spread**2).mean()))

    def _auc(self, model: int) -> float:
        risk, said = (x[self.approved[model]] for x in (self.pool.truth, self.probability[model]))
        weight = np.concatenate([risk, 1 - risk])
        both = np.repeat([1, 0], risk.size)
        return float(roc_auc_score(both, np.concatenate([said, said]), sample_weight=weight))


@lru_cache(maxsize=1)
def known_arms() -> KnownArms:
    """A coarse model in control and a far better one in treatment, on twenty thousand applicants.

    The gain is large, so that a few thousand applications show it with the planned power.
    """
    pool = population("quiet", seed=_OWN)
    scores = [pool.score(seed=_OWN + k, noise=noise) for k, noise in enumerate(_NOISE)]
    return KnownArms(pool, np.array(scores[:2]), COSTS.expected_profit(pool.amount, scores[2]))


@lru_cache(maxsize=1)
def cautious_arms() -> KnownArms:
    """A treatment that earns less: control's scores with higher probabilities, so fewer loans.

    Whoever sees defaults before repayments takes it for the better one.
    """
    fair = known_arms()
    odds = special.logit(fair.probability[0]) + _CAUTION
    return replace(fair, probability=np.array([fair.probability[0], special.expit(odds)]))


def plan_of(
    size: int,
    *,
    stop: Stop = "fixed size",
    guardrails: tuple[Guardrail, ...] = (),
    covariate: str | None = None,
    arms: tuple[str, ...] = EXPERIMENT.arms,
    split: tuple[float, ...] | None = None,
    label_delay: pd.Timedelta = _NO_DELAY,
) -> ExperimentPlan:
    """A plan for `size` applications in control; even arms unless a `split` is given."""
    even = (1 / len(arms),) * len(arms)
    return ExperimentPlan(
        replace(EXPERIMENT, arms=arms, split=even if split is None else split),
        {arm: version for version, arm in enumerate(arms, start=1)},
        "The treatment's decisions earn more, because its score knows more.",
        size,
        100.0,
        guardrails=guardrails,
        stop=stop,
        covariate=covariate,
        label_delay=label_delay,
    )


def sums_of(rows: pd.DataFrame, plan: ExperimentPlan, months: int) -> ExposureSums:
    """The sums of `KnownArms.draw` as known when so many months since `START` are complete."""
    as_of = START + pd.DateOffset(months=months) + plan.label_delay
    return from_rows(rows, plan, as_of=as_of)
