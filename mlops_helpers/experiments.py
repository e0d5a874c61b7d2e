"""The registry of experiments: every step of a life cycle, kept in the log of predictions.

Each step is one transaction with the record locked: it is stored whole or not at all, and of two
processes that want different things at once one wins and the other gets the refusal.
"""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import pandas as pd

from mlops_helpers import lifecycle
from mlops_helpers.ab_testing import Analysis, analyze_sums
from mlops_helpers.contracts import NUMERIC
from mlops_helpers.experiment_plan import ExperimentPlan
from mlops_helpers.lifecycle import StepRefused

if TYPE_CHECKING:
    from mlops_helpers.business import CostModel
    from mlops_helpers.exposure_sums import ExposureSums

__all__ = ["Experiments", "UnknownExperiment"]

Record = Mapping[str, Any]


class UnknownExperiment(LookupError):
    """No experiment of that name is in the log."""


class Log(Protocol):
    """What is asked of a prediction log (see `predictions.PredictionLog`)."""

    def experiments(self) -> list[dict[str, Any]]:
        """The records of all experiments."""

    def experiment(self, name: str) -> dict[str, Any] | None:
        """The record of one, None if there is none."""

    def exposure_sums(
        self,
        plan: ExperimentPlan,
        *,
        as_of: pd.Timestamp,
        stages: Sequence[lifecycle.Stage] | None = None,
    ) -> ExposureSums:
        """The sums of an experiment's exposures."""

    def windows(
        self, start: pd.Timestamp | None = None, *, experiment: str | None = None, chunk_rows: int
    ) -> Generator[pd.DataFrame]:
        """The rows of an experiment from `start` on, by chunks."""

    def change_experiment(self, name: str, step: Callable[[Any], Record]) -> dict[str, Any]:
        """Keep what a step makes of a record."""


class Experiments:
    """The experiments of a log. Each step returns the record as it is now.

    A step raises `UnknownExperiment` for a name that is not there, `lifecycle.StepRefused` with
    all that stands against it, and stores nothing then. The same step again, at the same time and
    with the same words, changes nothing.
    """

    def __init__(self, log: Log) -> None:
        """Of an open prediction log."""
        self._log = log

    def draft(self, plan: ExperimentPlan, at: pd.Timestamp) -> Record:
        """Keep a plan under its name; a name already in use is refused.

        So is a covariate that the log does not keep, and a holdout's name that is an experiment's.
        """
        self._apart(_analysable(lifecycle.draft(plan, at)))
        return self._log.change_experiment(
            plan.name, lambda stored: lifecycle.draft(plan, at, stored=stored)
        )

    def start(
        self, name: str, at: pd.Timestamp, *, available: Iterable[int] | None = None
    ) -> Record:
        """Start it; an arm whose version is not `available` (those of the registry) is refused."""
        there = tuple(available) if isinstance(available, Iterable) else available
        self._apart(self._known(name))
        return self._step(
            name, lambda record: lifecycle.start(_analysable(record), at, available=there)
        )

    def ramp(self, name: str, share: float, at: pd.Timestamp, reason: str) -> Record:
        """Use more of the treatments' shares: `share` of them, at most 1."""
        return self._step(name, lambda record: lifecycle.ramp(record, share, at, reason))

    def pause(self, name: str, at: pd.Timestamp, reason: str) -> Record:
        """Assign nobody until it is resumed; steps that are still to come are taken back."""
        return self._stop(lifecycle.pause, name, at, reason)

    def resume(self, name: str, at: pd.Timestamp, reason: str) -> Record:
        """Assign again after a pause."""
        return self._step(name, lambda record: lifecycle.resume(record, at, reason))

    def complete(self, name: str, at: pd.Timestamp, reason: str) -> Record:
        """End it for good; steps that are still to come are taken back."""
        return self._stop(lifecycle.complete, name, at, reason)

    def amend(self, name: str, changes: Mapping[str, Any], at: pd.Timestamp, reason: str) -> Record:
        """Change fields of the plan: all but the name in a draft, later `end` or a larger ramp."""
        return self._step(
            name, lambda record: _analysable(lifecycle.amend(record, changes, at, reason))
        )

    def analyse(
        self, name: str, *, as_of: pd.Timestamp, costs: CostModel | None = None
    ) -> Analysis:
        """What the log's exposures show by the rules of the record's plan, as known at `as_of`.

        By the stages that the record has; nothing is stored (`conclude`). Raises what `get`,
        `PredictionLog.exposure_sums` and `ab_testing.analyze_sums` raise.
        """
        plan, record = self.get(name)
        sums = self._log.exposure_sums(plan, as_of=as_of, stages=lifecycle.stages(record))
        return analyze_sums(sums, plan, costs=costs)

    def conclude(self, name: str, analysis: Analysis, at: pd.Timestamp) -> Record:
        """Keep what an analysis at `at` found; what earlier ones found stays in the events.

        An analysis of another experiment is refused.
        """
        if not isinstance(analysis, Analysis):
            raise StepRefused(f"analysis is {analysis!r:.60}, must be an Analysis (analyse)")
        if analysis.experiment != name:
            raise StepRefused(
                f"the analysis is of experiment {analysis.experiment!r}, not of {name!r}. "
                f"Keep it there, or analyse {name!r}."
            )
        found = (analysis.conclusion, analysis.sentence)
        return self._step(name, lambda record: lifecycle.result(record, at, *found))

    def get(self, name: str) -> tuple[ExperimentPlan, Record]:
        """The plan as it is now, and the record: status, events, results.

        Raises `ValueError` for a record of an earlier release that is no whole plan; what it holds
        is among the `PredictionLog.experiments()`. Raises `log_store.LogError` for a damaged one.
        """
        record = self._known(name)
        return ExperimentPlan.from_dict(record), record

    def names(self) -> tuple[str, ...]:
        """All names in order, also those of damaged records."""
        return tuple(record["name"] for record in self._log.experiments())

    def _known(self, name: str) -> Record:
        if (record := self._log.experiment(name)) is not None:
            return record
        names = self.names()
        near = difflib.get_close_matches(str(name), names, n=1)
        there = ", ".join(map(repr, names)) or "none yet; draft one"
        raise UnknownExperiment(
            f"experiment {name!r} does not exist"
            + (f"; did you mean {near[0]!r}?" if near else ".")
            + f" The log has: {there}."
        )

    def _apart(self, record: Record) -> None:
        """Refuse a name that is an experiment's and a holdout's: the log tells rows by it."""
        others = [one for one in self._log.experiments() if one["name"] != record["name"]]
        for one, two in [pair for other in others for pair in ((record, other), (other, record))]:
            if (one.get("holdout") or {}).get("name") == two["name"]:
                raise StepRefused(
                    f"the holdout of experiment {one['name']!r} is named {two['name']!r}, as "
                    "another experiment is: the log could not tell their rows apart. Give the new "
                    "one another name."
                )

    def _stop(
        self, stop: Callable[..., Record], name: str, at: pd.Timestamp, reason: str
    ) -> Record:
        def exposed(since: pd.Timestamp) -> bool:
            rows = self._log.windows(since, experiment=name, chunk_rows=1)
            with contextlib.closing(rows):
                return next(rows, None) is not None

        return self._step(name, lambda record: stop(record, at, reason, exposed_since=exposed))

    def _step(self, name: str, step: Callable[[Record], Record]) -> Record:
        self._known(name)  # records are never deleted, so it is there in the transaction too
        return self._log.change_experiment(name, step)


def _analysable(record: Record) -> Record:
    """A record that is no draft, or one whose covariate the log keeps; else `StepRefused`."""
    covariate = record.get("covariate")
    if record.get("status") == "draft" and covariate not in (None, *NUMERIC):
        raise StepRefused(
            f"covariate of experiment {record['name']!r} is {covariate!r}, no numeric column of "
            f"the log's predictions: it could never be analysed. Use one of {', '.join(NUMERIC)}."
        )
    return record
