"""What each treatment of an experiment changed, metric by metric, from sums.

Sources: the tests and intervals of `two_samples` at a size that was planned, those of
`confidence_sequences` at any look; AUCs of independent samples with DeLong's variances (`delong`).

The p-value of a rate and its intervals come from different tests: in some 1 % of A/A tests one of
them excludes equal arms and another does not. The interval of the effect decides.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from mlops_helpers.ab_figures import ADJUSTED, ArmFigures
from mlops_helpers.business import UNKNOWN, Interval
from mlops_helpers.confidence_sequences import Moments, difference, p_value, rate_moments
from mlops_helpers.delong import independent_difference
from mlops_helpers.drift_statistics import adjust
from mlops_helpers.experiment_plan import METRICS, ExperimentPlan
from mlops_helpers.two_samples import (
    newcombe_of_counts,
    rate_ratio,
    rates_p_value,
    relative_difference,
    welch_of_moments,
    welch_p_value,
)

__all__ = [
    "EFFECT_COLUMNS",
    "MIN_DEFAULTS",
    "Kind",
    "effects",
    "primary_of",
]

Kind = Literal["fixed", "always valid"]
MIN_DEFAULTS = 30
"""Defaults that each arm needs before a fixed interval of profit has limits.

Profits are many small gains and few large losses. A small arm that had few losses by luck looks
better and surer than it is: with a split of 90:10 and 15 % defaults, equal arms of 90 and 10
applications would deploy in 12.6 % of tests, of 450 and 50 in 7.4 %, of 1,800 and 200 (21 defaults
in the smaller) in 4.7 %, of 9,000 and 1,000 in 3.6 %. 2.5 % is promised and kept by even arms.
"""
EFFECT_COLUMNS = (
    *("metric", "arm", "control", "treatment", "effect", "low", "high"),
    *("relative", "relative_low", "relative_high", "p_value", "p_adjusted"),
    *("n_control", "n_treatment", "role", "interval"),
)
_NAN = float("nan")


def effects(
    figures: Mapping[str, ArmFigures], plan: ExperimentPlan, kind: Kind
) -> list[dict[str, Any]]:
    """A row of `EFFECT_COLUMNS` for each treatment and metric; effects are treatment minus control.

    Intervals of the primary metric and of guardrails have level 1 - alpha / treatments, all others
    1 - alpha. p_adjusted is that of the primary and of guardrails times the treatments, of
    companions after Holm over all companions and treatments. Several guardrails need no more: all
    of a treatment's must hold, so none of them raises the chance that one passes by luck.
    A fixed interval of profit needs `MIN_DEFAULTS` in each arm.
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
            shared = 1 if role == "companion" else treatments
            alpha = plan.alpha / shared
            row = _effect(metric, control, figures[arm], alpha, look)
            row |= {"metric": metric, "arm": arm, "role": role, "interval": kind}
            row["p_adjusted"] = min(row["p_value"] * shared, 1.0)
            rows.append(row)
    companions = [row for row in rows if row["role"] == "companion"]
    adjusted = adjust([row["p_value"] for row in companions])
    for row, holm in zip(companions, adjusted, strict=True):
        row["p_adjusted"] = float(holm)
    return [{name: row[name] for name in EFFECT_COLUMNS} for row in rows]


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
        """The sequence's interval and p-value; both not known while there are too few."""
        found = difference(control, treatment, alpha=alpha, tuned_for=self.tuned_for)
        if not found.known:
            return found, _NAN
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
        return _of_rates(*((a.granted, a.complete) for a in (control, treatment)), alpha, look)
    enough = look.kind != "fixed" or min(control.defaults, treatment.defaults) >= MIN_DEFAULTS
    means = control.profit, treatment.profit
    if metric == ADJUSTED:
        means = control.adjusted or control.profit, treatment.adjusted or treatment.profit
        arms = control, treatment
        return _of_means(*means, alpha, look, enough=enough, arms=arms)
    return _of_means(*means, alpha, look, enough=enough)


def _of_means(
    control: Moments,
    treatment: Moments,
    alpha: float,
    look: _Look,
    *,
    enough: bool,
    arms: tuple[ArmFigures, ArmFigures] | None = None,
) -> dict[str, Any]:
    """arms: those whose adjusted means these are, which have a part of their error in common."""
    if look.kind != "fixed":
        found, p = look.reach(control, treatment, alpha)
    elif enough:
        found, p = welch_of_moments(control, treatment, alpha), welch_p_value(control, treatment)
    else:
        value = treatment.mean - control.mean
        found, p = Interval(value, _NAN, _NAN, control.n + treatment.n), _NAN
    critical = _critical(found, control, treatment)
    common, means = 0.0, (control, treatment)
    if arms is not None:
        # a tilt of one arm alone is as if the other's own error were smaller by as much
        common = arms[0].common + arms[0].tilt + arms[1].tilt
        shift = arms[1].tilt - arms[0].tilt
        means = _wider(control, -shift), _wider(treatment, shift)
    relative = relative_difference(*means, critical, common=common)
    return _row(control, treatment, found, relative, p)


def _wider(values: Moments, square: float) -> Moments:
    """Moments whose squared standard error is larger by `square`."""
    return Moments(values.n, values.mean, values.variance + values.n * square)


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
    """Independent samples, by `delong.independent_difference`; at any look by the sequence.

    An AUC is a mean of placements for large samples, so the sequence holds for it as well. No
    limits while an arm's variance is 0 or not known: then its sample does not tell how sure it is.
    """
    value = treatment.mean - control.mean
    known = control.variance > 0 and treatment.variance > 0  # False for NaN as well
    found, p = Interval(value, _NAN, _NAN, control.n + treatment.n), _NAN
    if known and look.kind == "fixed":
        both = ((a.mean, a.variance / a.n) for a in (control, treatment))
        low, high, p = independent_difference(*both, confidence=1 - alpha)
        found = Interval(value, low, high, found.n)
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
