"""What an experiment has fixed before its first unit: question, arms, metrics, size, stop rule.

Who meets which arm is `assignment`'s; here is what the outcomes will be asked, so that nobody can
choose the question after the answer. A plan becomes a flat record of JSON values, and comes back.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from mlops_helpers.assignment import Experiment, Holdout
from mlops_helpers.plan_rules import METRICS, STOPS, Guardrail, Metric, Stop, faults

__all__ = [
    "METRICS",
    "RECORD_KEYS",
    "STOPS",
    "ExperimentPlan",
    "Guardrail",
    "Metric",
    "Stop",
    "plain",
]

_NO_DELAY = pd.Timedelta(0)


@dataclass(frozen=True)
class ExperimentPlan:
    """All that is fixed before the start; refuses whatever cannot be carried out, all at once.

    experiment: arms, split, cut-off and salt of the assignment; the first arm is the control.
    versions: the model version of each arm.
    hypothesis: what is believed to be better, and why, in words.
    size: complete applications of the control arm at which the fixed test is made, or at which an
    always-valid one ends; the other arms in proportion to their split (`needed`). Declined ones
    count: for the default rate as primary metric plan with `durations.planned_size` and its
    `approval`, or 80 % of power become 65 % where 70 % are approved.
    smallest_effect: of the primary metric, in its unit: what would be worth a deployment.
    primary: the metric that decides, of `METRICS`; "auc_approved" cannot, for the arms' AUCs are
    of different applicants.
    guardrails: what must not get worse meanwhile.
    stop: "fixed size", one test at `size`; or "always valid", a look whenever one likes.
    alpha: the chance of a false alarm of the primary metric, over all treatments, half of it to
    each side. It is kept for even arms; a treatment with a tenth of the applications is deployed
    more often, though equal, than alpha / 2 (profit is skewed; see `rule_scores`).
    unit: what is assigned to an arm; the log knows "application_id".
    covariate: a numeric column known before the decision, to take noise out of the primary metric.
    label_delay: from the end of a month of applications until all its outcomes are known. The 0
    days of the default mean that they are known at the month's end. With loans that is never so:
    defaults come before repayments, and what is missing then refuses any conclusion.
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
        if isinstance(self.guardrails, list):
            object.__setattr__(self, "guardrails", tuple(self.guardrails))
        if wrong := faults(self):
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
        exact = [self.size * share / split[0] for share in split]
        # to a computer 100 * 0.3 / 0.1 is a little less than 300, another share a little more
        return {arm: math.ceil(round(n, 6)) for arm, n in zip(self.arms, exact, strict=True)}

    def to_dict(self) -> dict[str, Any]:
        """The plan as a flat record of JSON values; `from_dict` makes the same plan of it.

        The fields of `Experiment.to_dict`, then the plan's own; the primary metric is called
        `primary_metric`. Times and durations are ISO 8601 texts, times in UTC.
        """
        own = {RECORD_KEYS.get(f.name, f.name): getattr(self, f.name) for f in fields(self)[1:]}
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
            if isinstance(parts[name], list):
                parts[name] = tuple(parts[name])
        if isinstance(given["guardrails"], list | tuple):
            given["guardrails"] = tuple(_made(Guardrail, one) for one in given["guardrails"])
        for name, kind in _TIMES.items():
            given[name] = None if given.get(name) is None else _read(kind, given[name])
        given["holdout"] = _made(Holdout, given.get("holdout"))
        return cls(Experiment(**parts), **given)


RECORD_KEYS = {"primary": "primary_metric"}
"""Fields of a plan whose key in a record is another."""
_OWN = {f.name: RECORD_KEYS.get(f.name, f.name) for f in fields(ExperimentPlan)[1:]}
_TIMES: dict[str, type] = {
    "start": pd.Timestamp,
    "end": pd.Timestamp,
    "label_delay": pd.Timedelta,
}
_NEEDED = (
    *("name", "arms", "split", "cutoff", "salt", "ramp", "versions", "hypothesis", "size"),
    *("smallest_effect", "primary_metric", "guardrails", "stop", "alpha", "unit", "label_delay"),
)


def _read(kind: type, value: object) -> Any:  # noqa: ANN401 - of the kind, or as it is
    """A time or duration out of its text; what is none is left for the rules to refuse.

    A bare number is none: pandas would take 90 for nanoseconds.
    """
    if not isinstance(value, str | datetime | timedelta):
        return value
    try:
        return kind(value)
    except (TypeError, ValueError):
        return value


def _made(kind: type, value: object) -> Any:  # noqa: ANN401 - of the kind, or as it is
    """The object that a record tells of; what tells of none is left for the rules to refuse."""
    if not isinstance(value, Mapping):
        return value
    names = {field.name for field in fields(kind)}
    needed = {field.name for field in fields(kind) if field.default is MISSING}
    return kind(**value) if needed <= set(value) <= names else value


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
    if isinstance(value, np.generic | np.ndarray):
        return plain(value.tolist())
    if isinstance(value, Guardrail | Holdout):
        return plain(asdict(value))
    return value
