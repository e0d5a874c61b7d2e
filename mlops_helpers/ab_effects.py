"""What each treatment of an experiment changed, metric by metric, from sums.

Sources: the tests and intervals of `two_samples` at a size that was planned, those of
`confidence_sequences` at any look; AUCs of independent samples with DeLong's variances (`delong`);
the adjustment for a covariate known before the decision (CUPED): A. Deng, Y. Xu, R. Kohavi and T.
Walker (2013), WSDM, 123-132, eq. 2 and 4.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from mlops_helpers.business import MIN_ROWS, UNKNOWN, CostModel, Interval
from mlops_helpers.confidence_sequences import Moments, difference, p_value, rate_moments
from mlops_helpers.delong import interval_of_moments
from mlops_helpers.drift_statistics import adjust
from mlops_helpers.experiment_plan import METRICS, ExperimentPlan
from mlops_helpers.exposure_sums import CELL_SUMS, ExposureSums
from mlops_helpers.two_samples import (
    newcombe_of_counts,
    rate_ratio,
    rates_p_value,
    relative_difference,
    welch_of_moments,
    welch_p_value,
    wilson_of_counts,
)

__all__ = [
    "ADJUSTED",
    "EFFECT_COLUMNS",
    "ArmFigures",
    "Kind",
    "arm_figures",
    "effects",
    "levels",
    "primary_of",
]

Kind = Literal["fixed", "always valid"]
ADJUSTED = "profit_per_application, adjusted"
"""The metric's name after the adjustment for the plan's covariate."""
EFFECT_COLUMNS = (
    *("metric", "arm", "control", "treatment", "effect", "low", "high"),
    *("relative", "relative_low", "relative_high", "p_value", "p_adjusted"),
    *("n_control", "n_treatment", "role", "interval"),
)
_NAN = float("nan")
_ROUNDING = 1e-12  # of the squares: a spread below it is none


@dataclass(frozen=True)
class ArmFigures:
    """The analysed applications of an arm: how many, what they earned, how they were ranked.

    approved and defaults count; profit and adjusted are of one application in $ (adjusted is None
    without a covariate); auc's n is approved loans, its variance that of the AUC times n.
    """

    n: int
    approved: int
    defaults: int
    profit: Moments
    adjusted: Moments | None
    auc: Moments


def arm_figures(
    sums: ExposureSums, plan: ExperimentPlan, costs: CostModel
) -> dict[str, ArmFigures]:
    """The figures of each arm, control first: complete, of a full stage, outcome known.

    The adjusted profit of an application is its profit less theta times what its covariate is above
    the mean of all arms (Deng et al., eq. 2). theta is the slope of profit on the covariate within
    the arms (eq. 4), one for all: it is 0 if the covariate does not vary.
    """
    cells = sums.cells
    taken = (cells["decision"] == "approve").to_numpy(dtype=bool)
    default = cells["default"].to_numpy(dtype=float)
    full = np.array([stage.full for stage in sums.stages] or [True])[cells["stage"].to_numpy()]
    used = cells["complete"].to_numpy(dtype=bool) & full & ~(taken & np.isnan(default))
    gain = costs.profit(np.ones(len(cells)), default, taken)  # of one dollar
    n, amount, amount2, x, x2, x_amount = (cells[name].to_numpy(dtype=float) for name in CELL_SUMS)
    columns = (n, n * taken, n * (taken & (default == 1)), gain * amount, gain**2 * amount2)
    stacked = np.vstack([*columns, x, x2, gain * x_amount])
    variant = cells["variant"].to_numpy()
    totals = {arm: stacked[:, used & (variant == arm)].sum(axis=1) for arm in plan.arms}
    theta, mean_x = _slope(totals) if plan.covariate is not None else (0.0, 0.0)
    aucs = {row[0]: row[1:] for row in sums.aucs.itertuples(index=False)}
    return {
        arm: ArmFigures(
            n=round(total[0]),
            approved=round(total[1]),
            defaults=round(total[2]),
            profit=_moments(total[0], total[3], total[4]),
            adjusted=_adjusted(total, theta, mean_x) if plan.covariate is not None else None,
            auc=_auc(*aucs.get(arm, (0, 0, _NAN, _NAN))),
        )
        for arm, total in totals.items()
    }


def effects(figures: Mapping[str, ArmFigures], plan: ExperimentPlan, kind: Kind) -> pd.DataFrame:
    """`EFFECT_COLUMNS` for each treatment and metric; effects are treatment minus control.

    Intervals of the primary metric have level 1 - alpha / treatments, all others 1 - alpha.
    p_adjusted is that of the primary times the treatments, of companions after Holm over all
    companions and treatments, of guardrails the p-value: all guardrails must hold, so none of them
    raises the chance that one passes by luck.
    relative is the effect as a share of the control's value (NaN where that is not above 0, and
    for AUCs). Rates count approved loans or all applications, see n_control and n_treatment.
    """
    control, needed = figures[plan.arms[0]], plan.needed()
    treatments = len(plan.arms) - 1
    rows = []
    for arm in plan.arms[1:]:
        look = _Look(kind, needed[plan.arms[0]] + needed[arm])
        for metric in (*METRICS, *([ADJUSTED] if plan.covariate is not None else [])):
            role = _role(metric, plan)
            alpha = plan.alpha / treatments if role == "primary" else plan.alpha
            row = _effect(metric, control, figures[arm], alpha, look)
            rows.append({"metric": metric, "arm": arm, "role": role, **row})
    frame = pd.DataFrame(rows)
    p, role = frame["p_value"].to_numpy(dtype=float), frame["role"].to_numpy()
    adjusted = np.where(role == "primary", np.minimum(p * treatments, 1.0), p)
    adjusted[role == "companion"] = adjust(p[role == "companion"])
    frame["p_adjusted"], frame["interval"] = adjusted, kind
    return frame[list(EFFECT_COLUMNS)]


def levels(figures: Mapping[str, ArmFigures], alpha: float) -> pd.DataFrame:
    """variant, metric, value, low, high, n: where each arm stands by itself, at one look."""
    rows: list[dict[str, Any]] = []
    for arm, found in figures.items():
        own = {
            "profit_per_application": _mean_interval(found.profit, alpha),
            "default_rate_approved": wilson_of_counts(found.defaults, found.approved, alpha),
            "approval_rate": wilson_of_counts(found.approved, found.n, alpha),
            "auc_approved": _auc_interval(found, alpha),
        }
        if found.adjusted is not None:
            own[ADJUSTED] = _mean_interval(found.adjusted, alpha)
        rows += [{"variant": arm, "metric": metric, **vars(i)} for metric, i in own.items()]
    return pd.DataFrame(rows)


def primary_of(plan: ExperimentPlan) -> str:
    """The name in `effects` of the metric that decides: profit is adjusted if it can be."""
    profit = plan.primary == "profit_per_application"
    return ADJUSTED if profit and plan.covariate is not None else plan.primary


def _role(metric: str, plan: ExperimentPlan) -> str:
    if metric == primary_of(plan):
        return "primary"
    return "guardrail" if metric in {g.metric for g in plan.guardrails} else "companion"


@dataclass(frozen=True)
class _Look:
    """How intervals are made: at the planned size, or so that they hold at any look."""

    kind: Kind
    tuned_for: int

    def reach(self, control: Moments, treatment: Moments, alpha: float) -> tuple[Interval, float]:
        """The sequence's interval and p-value."""
        found = difference(control, treatment, alpha=alpha, tuned_for=self.tuned_for)
        return found, p_value(control, treatment, alpha=alpha, tuned_for=self.tuned_for)


def _effect(
    metric: str, control: ArmFigures, treatment: ArmFigures, alpha: float, look: _Look
) -> dict[str, Any]:
    """One row of `effects`, without its role."""
    if metric == "auc_approved":
        return _of_aucs(control.auc, treatment.auc, alpha, look)
    if metric == "default_rate_approved":
        counts = ((a.defaults, a.approved) for a in (control, treatment))
        return _of_rates(*counts, alpha, look)
    if metric == "approval_rate":
        return _of_rates(*((a.approved, a.n) for a in (control, treatment)), alpha, look)
    if metric == ADJUSTED:
        return _of_means(*(a.adjusted or a.profit for a in (control, treatment)), alpha, look)
    return _of_means(control.profit, treatment.profit, alpha, look)


def _of_means(control: Moments, treatment: Moments, alpha: float, look: _Look) -> dict[str, Any]:
    if look.kind == "fixed":
        found = welch_of_moments(control, treatment, alpha)
        p = welch_p_value(control, treatment)
    else:
        found, p = look.reach(control, treatment, alpha)
    relative = relative_difference(control, treatment, _critical(found, control, treatment))
    return _row(control, treatment, found, relative, p)


def _of_rates(
    control: tuple[int, int], treatment: tuple[int, int], alpha: float, look: _Look
) -> dict[str, Any]:
    a, b = rate_moments(*control), rate_moments(*treatment)
    if look.kind == "fixed":
        found = newcombe_of_counts(control, treatment, alpha)
        relative = rate_ratio(control, treatment, alpha)
        return _row(a, b, found, relative, rates_p_value(control, treatment))
    found, p = look.reach(a, b, alpha) if a.n and b.n else (UNKNOWN, _NAN)
    return _row(a, b, found, relative_difference(a, b, _critical(found, a, b)), p)


def _of_aucs(control: Moments, treatment: Moments, alpha: float, look: _Look) -> dict[str, Any]:
    """Independent samples: the variances add up (DeLong et al. 1988, without the covariance).

    An AUC is a mean of placements for large samples, so the sequence holds for it as well. No
    limits while an arm's variance is 0 or not known: then its sample does not tell how sure it is.
    """
    value, known = treatment.mean - control.mean, min(control.variance, treatment.variance) > 0
    found, p = Interval(value, _NAN, _NAN, control.n + treatment.n), _NAN
    if known and look.kind == "fixed":
        error = math.sqrt(control.variance / control.n + treatment.variance / treatment.n)
        reach = float(stats.norm.isf(alpha / 2)) * error
        found = Interval(value, value - reach, value + reach, found.n)
        p = 2 * float(stats.norm.sf(abs(value) / error))
    elif known:
        found, p = look.reach(control, treatment, alpha)
    return _row(control, treatment, found, UNKNOWN, p)


def _row(
    control: Moments, treatment: Moments, effect: Interval, relative: Interval, p: float
) -> dict[str, Any]:
    return {
        "control": control.mean,
        "treatment": treatment.mean,
        "effect": effect.value,
        "low": effect.low,
        "high": effect.high,
        "relative": relative.value,
        "relative_low": relative.low,
        "relative_high": relative.high,
        "p_value": p,
        "n_control": control.n,
        "n_treatment": treatment.n,
    }


def _critical(effect: Interval, control: Moments, treatment: Moments) -> float:
    """How many standard errors the interval reaches to each side; NaN without limits."""
    if not effect.known:
        return _NAN
    error = math.sqrt(control.variance / control.n + treatment.variance / treatment.n)
    return (effect.high - effect.low) / 2 / error


def _moments(n: float, total: float, squares: float) -> Moments:
    """Moments from sums; what is left by rounding when all values are the same counts as 0."""
    if n == 0:
        return Moments(0, _NAN, 0.0)
    mean = total / n
    spread = squares - n * mean**2
    varies = n > 1 and spread > _ROUNDING * squares
    return Moments(round(n), mean, spread / (n - 1) if varies else 0.0)


def _slope(totals: Mapping[str, NDArray[np.float64]]) -> tuple[float, float]:
    """Slope of profit on the covariate within the arms, and the covariate's mean of all."""
    together = sum(totals.values())
    n, x = together[0], together[5]
    with_x = squares = 0.0
    for total in totals.values():
        if total[0]:
            squares += total[6] - total[5] ** 2 / total[0]
            with_x += total[7] - total[5] * total[3] / total[0]
    varies = squares > _ROUNDING * together[6]
    return (with_x / squares if varies else 0.0), (x / n if n else 0.0)


def _adjusted(total: NDArray[np.float64], theta: float, mean_x: float) -> Moments:
    n, y, y2, x, x2, xy = total[0], *total[3:]
    plain = _moments(n, y, y2)
    if n < 2:
        return plain
    of_x, with_x = (x2 - x**2 / n) / (n - 1), (xy - x * y / n) / (n - 1)
    variance = plain.variance + theta**2 * of_x - 2 * theta * with_x
    return Moments(plain.n, plain.mean - theta * (x / n - mean_x), max(variance, 0.0))


def _auc(positives: int, negatives: int, auc: float, variance: float) -> Moments:
    n = int(positives) + int(negatives)
    return Moments(n, float(auc), float(variance) * n)


def _auc_interval(found: ArmFigures, alpha: float) -> Interval:
    if not found.auc.n:
        return UNKNOWN
    return interval_of_moments(
        found.auc.mean,
        found.auc.variance / found.auc.n,
        positives=found.defaults,
        negatives=found.approved - found.defaults,
        confidence=1 - alpha,
    )


def _mean_interval(values: Moments, alpha: float) -> Interval:
    """Student's t interval of a mean, with as many values as `profit_interval` asks for."""
    if values.n < MIN_ROWS:
        return Interval(values.mean, _NAN, _NAN, values.n)
    reach = stats.t.ppf(1 - alpha / 2, values.n - 1) * math.sqrt(values.variance / values.n)
    return Interval(values.mean, float(values.mean - reach), float(values.mean + reach), values.n)
