"""What an experiment has fixed before its first unit: question, arms, metrics, size, stop rule.

Who meets which arm is `assignment`'s; here is what the outcomes will be asked, so that nobody can
choose the question after the answer. A plan becomes a flat record of JSON values, and comes back.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

import numpy as np
import pandas as pd

from mlops_helpers.assignment import Experiment, Holdout

__all__ = ["METRICS", "STOPS", "ExperimentPlan", "Guardrail", "Metric", "Stop", "plain"]

Stop = Literal["fixed size", "always valid"]
STOPS: tuple[Stop, ...] = ("fixed size", "always valid")
_NO_DELAY = pd.Timedelta(0)
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


@dataclass(frozen=True)
class ExperimentPlan:
    """All that is fixed before the start; refuses whatever cannot be carried out, all at once.

    experiment: arms, split, cut-off and salt of the assignment; the first arm is the control.
    versions: the model version of each arm.
    hypothesis: what is believed to be better, and why, in words.
    size: complete applications of the control arm at which the fixed test is made, or at which an
    always-valid one ends; the other arms in proportion to their split (`needed`).
    smallest_effect: of the primary metric, in its unit: what would be worth a deployment.
    primary: the metric that decides, of `METRICS`; "auc_approved" cannot, for the arms' AUCs are
    of different applicants.
    guardrails: what must not get worse meanwhile.
    stop: "fixed size", one test at `size`; or "always valid", a look whenever one likes.
    alpha: the chance of a false alarm of the primary metric, over all treatments.
    unit: what is assigned to an arm; the log knows "application_id".
    covariate: a numeric column known before the decision, to take noise out of the primary metric.
    label_delay: from the end of a month of applications until all its outcomes are known.
    start, end: when it is meant to run, aware.
    holdout: units kept out of every experiment, whom the control serves.
    """

    experiment: Experiment
    versions: Mapping[str, int]
    hypothesis: str
    size: int
    smallest_effect: float
    primary: str = "profit_per_application"
    guardrails: tuple[Guardrail, ...] = ()
    stop: Stop = "fixed size"
    alpha: float = 0.05
    unit: str = "application_id"
    covariate: str | None = None
    label_delay: pd.Timedelta = _NO_DELAY
    start: pd.Timestamp | None = None
    end: pd.Timestamp | None = None
    holdout: Holdout | None = None

    def __post_init__(self) -> None:
        """Raise `ValueError` with everything that is wrong."""
        object.__setattr__(self, "guardrails", tuple(self.guardrails))
        wrong = [said for check in _CHECKS for said in check(self)]
        if wrong:
            name = getattr(self.experiment, "name", self.experiment)
            raise ValueError(f"the plan of experiment {name!r} cannot be kept: {'; '.join(wrong)}.")
        object.__setattr__(self, "versions", {a: int(self.versions[a]) for a in self.arms})

    @property
    def name(self) -> str:
        """The experiment's name."""
        return self.experiment.name

    @property
    def arms(self) -> tuple[str, ...]:
        """The names of the arms, control first."""
        return self.experiment.arms

    def needed(self) -> dict[str, int]:
        """How many complete applications each arm is to have: `size` for control, by the split."""
        split = self.experiment.split
        ratios = [round(share / split[0], 9) for share in split]  # 0.3 / 0.1 is 2.9999999999999996
        return {
            arm: math.ceil(round(self.size * ratio, 6))
            for arm, ratio in zip(self.arms, ratios, strict=True)
        }

    def to_dict(self) -> dict[str, Any]:
        """The plan as a flat record of JSON values; `from_dict` makes the same plan of it.

        The fields of `Experiment.to_dict`, then the plan's own; the primary metric is called
        `primary_metric`. Times and durations are ISO 8601 texts, times in UTC.
        """
        own = {_KEYS.get(f.name, f.name): getattr(self, f.name) for f in fields(self)[1:]}
        return {key: plain(value) for key, value in (self.experiment.to_dict() | own).items()}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> ExperimentPlan:
        """The plan that a record tells of; what else the record holds is ignored.

        Raises `ValueError` naming every field that it lacks, and for a plan that is wrong.
        """
        if lacks := [key for key in _NEEDED if key not in record]:
            raise ValueError(
                f"the record of experiment {record.get('name')!r} lacks {', '.join(lacks)}: it is "
                "no whole plan. Draft an ExperimentPlan under a new name."
            )
        given = {f: record[k] for f, k in _OWN.items() if k in record}
        parts = {f.name: record[f.name] for f in fields(Experiment) if f.name in record}
        for name in ("arms", "split"):
            parts[name] = tuple(parts[name])
        rails = [g if isinstance(g, Guardrail) else Guardrail(**g) for g in given["guardrails"]]
        for name in ("start", "end"):
            given[name] = None if given.get(name) is None else pd.Timestamp(given[name])
        if isinstance(given.get("holdout"), Mapping):
            given["holdout"] = Holdout(**given["holdout"])
        given["label_delay"] = pd.Timedelta(given["label_delay"])
        return cls(Experiment(**parts), **(given | {"guardrails": tuple(rails)}))


_KEYS = {"primary": "primary_metric"}  # fields whose key in a record is another
_OWN = {f.name: _KEYS.get(f.name, f.name) for f in fields(ExperimentPlan)[1:]}
_NEEDED = (
    *("name", "arms", "split", "cutoff", "salt", "ramp", "versions", "hypothesis", "size"),
    *("smallest_effect", "primary_metric", "guardrails", "stop", "alpha", "unit", "label_delay"),
)


def plain(value: object) -> Any:  # noqa: ANN401 - any value of JSON
    """A value of a plan as JSON has it: lists, Python's numbers, ISO 8601 texts."""
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, tuple | list):
        return [plain(one) for one in value]
    if isinstance(value, pd.Timestamp):
        return (value.tz_convert("UTC") if value.tz else value).isoformat()
    if isinstance(value, pd.Timedelta):
        return value.isoformat()
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Guardrail | Holdout):
        return plain(asdict(value))
    return value


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
    bad = {a: v for a, v in plan.versions.items() if a in arms and not _whole(v, least=1)}
    return wrong + [f"versions[{arm!r}] is {v!r}, must be a whole number" for arm, v in bad.items()]


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
            "take the effect away; name a column known before, such as credit_score"
        )
    return wrong


def _check_size(plan: ExperimentPlan) -> list[str]:
    wrong = []
    if not _whole(plan.size, least=2):
        wrong.append(f"size is {plan.size!r}, must be a whole number of 2 or more applications")
    if not _number(plan.smallest_effect) or plan.smallest_effect <= 0:
        wrong.append(f"smallest_effect is {plan.smallest_effect!r}, must be a number above 0")
    if not _number(plan.alpha) or not 0 < plan.alpha < 0.5:
        wrong.append(f"alpha is {plan.alpha!r}, must lie between 0 and 0.5, e.g. 0.05")
    if plan.stop not in STOPS:
        wrong.append(f"stop is {plan.stop!r}, must be one of {_told(STOPS)}")
    return wrong


def _check_guardrails(plan: ExperimentPlan) -> list[str]:
    wrong, seen = [], [plan.primary]
    for rail in plan.guardrails:
        if not isinstance(rail, Guardrail):
            wrong.append(f"guardrail {rail!r} must be a Guardrail(metric, tolerance)")
            continue
        if rail.metric not in METRICS:
            wrong.append(f"guardrail {rail.metric!r} must be one of {_told(METRICS)}")
        elif rail.metric in seen:
            wrong.append(f"guardrail {rail.metric!r} has a role already; name each metric once")
        seen.append(rail.metric)
        most = 1.0 if rail.metric in METRICS and METRICS[rail.metric].unit != "$" else math.inf
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
        return [f"holdout is named {plan.holdout.name!r} as the experiment is; they share no name"]
    return []


_CHECKS = (
    *(_check_arms, _check_question, _check_size),
    *(_check_guardrails, _check_times, _check_holdout),
)


def _whole(value: object, *, least: int) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool) and value >= least


def _number(value: object) -> bool:
    numeric = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    return numeric and math.isfinite(value)  # type: ignore[arg-type]


def _told(names: Any) -> str:  # noqa: ANN401 - an iterable of texts
    return ", ".join(map(repr, names))
