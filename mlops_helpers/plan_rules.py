"""The words of an experiment's plan, metrics, guardrails, stop rules, and what a plan must be."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from mlops_helpers.assignment import Experiment, Holdout

if TYPE_CHECKING:
    from mlops_helpers.experiment_plan import ExperimentPlan

__all__ = ["METRICS", "STOPS", "UNITS", "Guardrail", "Metric", "Stop", "faults"]

Stop = Literal["fixed size", "always valid"]
STOPS: tuple[Stop, ...] = ("fixed size", "always valid")
_VERSIONS = 2**31 - 1  # what a row of the log can hold
_SIZES = 10**12  # more than anybody will ever have
UNITS = ("application_id",)  # what the log knows to tell units apart by
_NOT_BEFORE = frozenset(  # columns of a prediction that the arm itself has made
    ("probability", "decision", "model_version", "latency_ms", "variant", "default")
)


@dataclass(frozen=True)
class Metric:
    """How a metric is read: the direction that is better (+1 or -1), and its unit.

    unit: "$", "%" (kept as a share: 0.03 is 3 %) or "" for what has none.
    """

    better: int
    unit: str


METRICS: dict[str, Metric] = {
    "profit_per_application": Metric(+1, "$"),
    "default_rate_approved": Metric(-1, "%"),
    "approval_rate": Metric(+1, "%"),
    "auc_approved": Metric(+1, ""),
}
"""The metrics that are computed of every arm, by name."""


@dataclass(frozen=True)
class Guardrail:
    """A metric that may get worse by no more than `tolerance`, in the metric's unit.

    ``Guardrail("default_rate_approved", 0.03)``: by at most 3 percentage points.
    """

    metric: str
    tolerance: float


def faults(plan: ExperimentPlan) -> list[str]:
    """Everything that is wrong with a plan, a clause each; none if it can be kept."""
    return [said for check in _CHECKS for said in check(plan)]


def _check_arms(plan: ExperimentPlan) -> list[str]:
    if not isinstance(plan.experiment, Experiment):
        return [f"experiment is {plan.experiment!r}, must be an assignment.Experiment"]
    wrong, arms = [], plan.experiment.arms
    if not isinstance(plan.versions, Mapping):
        return [f"versions is {plan.versions!r}, must be a model version for each arm by name"]
    if lacks := [arm for arm in arms if arm not in plan.versions]:
        wrong.append(f"no model for {_told(lacks)}: versions needs a version of each arm")
    if strange := [arm for arm in plan.versions if arm not in arms]:
        wrong.append(f"versions names {_told(strange)}, the arms are {_told(arms)}")
    bad = {a: v for a, v in plan.versions.items() if a in arms and not _whole(v, 1, _VERSIONS)}
    return wrong + [
        f"versions[{arm!r}] is {v!r:.60}, must be a whole number from 1 to {_VERSIONS:,}"
        for arm, v in bad.items()
    ]


def _check_question(plan: ExperimentPlan) -> list[str]:
    wrong = []
    if not isinstance(plan.hypothesis, str) or not plan.hypothesis.strip():
        wrong.append(f"hypothesis is {plan.hypothesis!r}, must say what is believed to be better")
    primary = [name for name in METRICS if name != "auc_approved"]
    if plan.primary not in primary:
        wrong.append(f"primary is {plan.primary!r}, must be one of {_told(primary)}")
    if plan.unit not in UNITS:
        wrong.append(f"unit is {plan.unit!r}, must be {_told(UNITS)}: the log knows no other")
    covariate = plan.covariate
    if covariate is not None and (not isinstance(covariate, str) or not covariate.strip()):
        wrong.append(f"covariate is {covariate!r}, must be the name of a column, or None")
    elif covariate in _NOT_BEFORE:
        wrong.append(
            f"covariate is {covariate!r}, which the arm itself decides: adjusting for it would "
            "take the effect away, so name a column known before, such as annual_income"
        )
    return wrong


def _check_size(plan: ExperimentPlan) -> list[str]:
    wrong = []
    if not _whole(plan.size, 2, _SIZES):
        wrong.append(
            f"size is {plan.size!r:.60}, must be a whole number of 2 or more applications (at most "
            f"{_SIZES:,})"
        )
    if not _number(plan.smallest_effect) or plan.smallest_effect <= 0:
        wrong.append(f"smallest_effect is {plan.smallest_effect!r}, must be a number above 0")
    if not _number(plan.alpha) or not 0 < plan.alpha < 0.5:
        wrong.append(f"alpha is {plan.alpha!r}, must lie between 0 and 0.5, e.g. 0.05")
    if plan.stop not in STOPS:
        wrong.append(f"stop is {plan.stop!r}, must be one of {_told(STOPS)}")
    return wrong


def _check_guardrails(plan: ExperimentPlan) -> list[str]:
    if not isinstance(plan.guardrails, tuple):
        return [
            f"guardrails is {plan.guardrails!r}, must be a tuple of Guardrail(metric, tolerance)"
        ]
    wrong, seen = [], [plan.primary]
    for rail in plan.guardrails:
        if not isinstance(rail, Guardrail):
            wrong.append(f"guardrail {rail!r} must be a Guardrail(metric, tolerance)")
            continue
        if not isinstance(rail.metric, str) or rail.metric not in METRICS:
            wrong.append(f"guardrail {rail.metric!r} must be one of {_told(METRICS)}")
            continue
        if rail.metric in seen:
            wrong.append(f"guardrail {rail.metric!r} has a role already, name each metric once")
        seen.append(rail.metric)
        most = 1.0 if METRICS[rail.metric].unit != "$" else math.inf
        if not _number(rail.tolerance) or not 0 < rail.tolerance < most:
            wrong.append(
                f"tolerance of guardrail {rail.metric!r} is {rail.tolerance!r}, must be above 0"
                + (" and below 1: 0.03 is 3 points" if most == 1 else "")
            )
    return wrong


def _check_times(plan: ExperimentPlan) -> list[str]:
    wrong, delay = [], plan.label_delay
    if not isinstance(delay, pd.Timedelta) or not delay >= pd.Timedelta(0):
        wrong.append(f"label_delay is {delay!r}, must be a pd.Timedelta of 0 days or more")
    times = {name: getattr(plan, name) for name in ("start", "end")}
    naive = [
        f"{name} is {when!r}, must be a pd.Timestamp with a time zone, or None"
        for name, when in times.items()
        if when is not None and (not isinstance(when, pd.Timestamp) or when.tz is None)
    ]
    if not naive and None not in times.values() and times["end"] <= times["start"]:
        wrong.append(f"end {times['end']} is not after start {times['start']}")
    return wrong + naive


def _check_holdout(plan: ExperimentPlan) -> list[str]:
    if plan.holdout is None:
        return []
    if not isinstance(plan.holdout, Holdout):
        return [f"holdout is {plan.holdout!r}, must be an assignment.Holdout, or None"]
    if plan.holdout.name == getattr(plan.experiment, "name", None):
        return [
            f"holdout is named {plan.holdout.name!r} as the experiment is, give it another name"
        ]
    return []


_CHECKS = (
    *(_check_arms, _check_question, _check_size),
    *(_check_guardrails, _check_times, _check_holdout),
)


def _whole(value: object, least: int, most: int) -> bool:
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    return whole and least <= value <= most  # type: ignore[operator]


def _number(value: object) -> bool:
    numeric = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    return numeric and math.isfinite(value)  # type: ignore[arg-type]


def _told(names: Any) -> str:  # noqa: ANN401 - an iterable of texts
    return ", ".join(map(repr, names))
