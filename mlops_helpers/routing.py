"""Serves an experiment: every application meets its arm's model, and the log hears of it once.

If a treatment fails, control answers, but the application stays in the arm that it was assigned to
(intention to treat): else those whom the treatment could not take would leave it, and they are not
like the others. `model_version`, which is control's then, is the mark in the log.

    with router_for(registry, log, "champion-2-against-1") as router:
        answers = router.decide(applications).predictions
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Protocol

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from mlops_helpers.enrolment import NOBODY, Enrolment
from mlops_helpers.experiment_plan import ExperimentPlan
from mlops_helpers.experiments import Experiments
from mlops_helpers.exposure_buffer import BufferFull, ExposureBuffer
from mlops_helpers.lifecycle_events import STATES
from mlops_helpers.scoring import Classifier, score, utc_times

if TYPE_CHECKING:
    from mlops_helpers.predictions import PredictionLog
    from mlops_helpers.registry import Registry

__all__ = ["BufferFull", "Decided", "ExperimentRouter", "Serving", "router_for"]


class Serving(Protocol):
    """A version that can answer, such as a `registry.LoadedModel`."""

    @property
    def version(self) -> int:
        """Its number in the registry."""

    @property
    def pipeline(self) -> Classifier:
        """What is asked."""


@dataclass(frozen=True)
class Decided:
    """The answers, in the order of the applications.

    predictions: the columns of `scoring.PREDICTION_COLUMNS` (`variant` is the arm) and `fallback`:
    whether control answered because the arm's own model failed.
    faults: what went wrong on the way, in words: a treatment that failed, a log that is away.
    """

    predictions: pd.DataFrame
    faults: tuple[str, ...] = ()


class ExperimentRouter:
    """Answers applications by their arm; several threads may share one.

    log: where exposures go, `batch_rows` or more at a time. While it is away they wait, at most
    `buffer_rows` of them; what waits is lost if the process is killed.
    models: the loaded version of each arm, the one that the plan names.
    status: unless the experiment is "running", control answers everybody, in no experiment.
    Raises `ValueError` for an arm without its model, and for a status or sizes that cannot be.
    """

    def __init__(
        self,
        log: PredictionLog,
        plan: ExperimentPlan,
        models: Mapping[str, Serving],
        *,
        status: str = "running",
        batch_rows: int = 1_000,
        buffer_rows: int = 10_000,
    ) -> None:
        """Nothing is asked of the log or a registry here, nor later for an application."""
        found = {arm: models[arm].version if arm in models else None for arm in plan.arms}
        if found != plan.versions:
            raise ValueError(
                f"models hold the versions {found}, the plan of {plan.name!r} says {plan.versions}."
                " Load a model for each arm, the one that the plan names."
            )
        if status not in STATES:
            raise ValueError(f"status is {status!r}, must be one of {list(STATES)}.")
        self._log, self._models = log, {arm: models[arm] for arm in plan.arms}
        self._enrolment = Enrolment.always(plan, running=status == "running")
        self._buffer = ExposureBuffer(log, batch_rows=batch_rows, buffer_rows=buffer_rows)

    @property
    def plan(self) -> ExperimentPlan:
        """The plan that is followed now."""
        return self._enrolment.plan

    @property
    def unlogged(self) -> int:
        """How many exposures wait for the log."""
        return len(self._buffer)

    def decide(
        self,
        applications: pd.DataFrame,
        *,
        scored_at: pd.Timestamp | pd.Series | None = None,
        latency_ms: ArrayLike | None = None,
    ) -> Decided:
        """Answer applications; arguments as in `scoring.score`. One pass for each arm.

        If a treatment raises, control answers all of its applications of this call. If the log
        fails the answers are given, and `faults` says why the exposures wait. Raises `BufferFull`
        if no more may wait, whatever control raises for its own, and `ValueError` for ids and rows
        that the log could not keep: then nobody was answered and nothing is logged.
        """
        with self._buffer.room(len(applications)):
            rows, faults = self._answers(applications, scored_at, latency_ms)
            if fault := self._buffer.put(rows.drop(columns="fallback")):
                faults.append(fault)
        return Decided(rows, tuple(faults))

    def flush(self) -> int:
        """Store what waits, and return how many rows were new to the log.

        Each exposure is stored once, also if the log failed after it had stored it. Raises what the
        log raises; what is not stored waits on.
        """
        return self._buffer.flush()

    def refresh(self, at: pd.Timestamp | None = None) -> None:
        """Read the record again: a ramp, a pause, an end; its events until `at` if that is given.

        Each application follows what was in force when it was scored. Raises `ValueError` if other
        versions are planned now than are loaded, and what `Experiments.get` raises; the router then
        goes on as before.
        """
        plan, record = Experiments(self._log).get(self.plan.name)
        if plan.versions != self.plan.versions:
            raise ValueError(
                f"experiment {plan.name!r} has the versions {plan.versions} now, and "
                f"{self.plan.versions} are loaded. Make a new router (router_for)."
            )
        self._enrolment = Enrolment.of(plan, record, at)

    def __enter__(self) -> ExperimentRouter:
        """Return the router itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Store what waits; raises what the log raises."""
        self.flush()

    def _answers(
        self,
        applications: pd.DataFrame,
        scored_at: pd.Timestamp | pd.Series | None,
        latency_ms: ArrayLike | None,
    ) -> tuple[pd.DataFrame, list[str]]:
        needed = ("application_id", *(("applied_at",) if scored_at is None else ()))
        if missing := [column for column in needed if column not in applications.columns]:
            raise ValueError(f"applications lack the columns {missing}; each must be decided by id")
        n, enrolment = len(applications), self._enrolment  # which refresh may replace meanwhile
        times = utc_times(applications["applied_at"] if scored_at is None else scored_at, n)
        latency = np.broadcast_to(np.nan if latency_ms is None else np.asarray(latency_ms), n)
        numbers = enrolment.numbers(applications["application_id"], times)
        parts, places, faults = [], [], []
        for number in np.unique(numbers).tolist() or [NOBODY]:
            mine = np.flatnonzero(numbers == number)
            rows, fault = self._pass(
                enrolment, number, applications.iloc[mine], times.iloc[mine], latency[mine]
            )
            parts.append(rows)
            places.append(mine)
            faults += [fault] if fault else []
        if len(parts) == 1:
            return parts[0], faults
        back = np.argsort(np.concatenate(places))
        return pd.concat(parts, ignore_index=True).iloc[back].reset_index(drop=True), faults

    def _pass(
        self,
        enrolment: Enrolment,
        number: int,
        applications: pd.DataFrame,
        times: pd.Series,
        latency: np.ndarray,
    ) -> tuple[pd.DataFrame, str]:
        """The answers of one arm, and why it was control that gave them, or ""."""
        experiment, variant = enrolment.names(number)

        def asked(arm: str) -> pd.DataFrame:
            return score(
                self._models[arm].pipeline,
                applications,
                model_version=self._models[arm].version,
                cutoff=enrolment.plan.experiment.cutoff,
                scored_at=times,
                experiment=experiment,
                variant=variant,
                latency_ms=latency,
            )

        arms, fault = enrolment.plan.arms, ""
        if number > 0:
            try:
                return asked(arms[number]).assign(fallback=False), ""
            except Exception as error:  # noqa: BLE001 - told as a fault: control can answer
                fault = (
                    f"arm {variant!r} (version {self._models[arms[number]].version}) failed for "
                    f"{len(applications)} applications, control answered: "
                    f"{type(error).__name__}: {error}"
                )
        return asked(arms[0]).assign(fallback=bool(fault)), fault


def router_for(
    registry: Registry,
    log: PredictionLog,
    name: str,
    *,
    batch_rows: int = 1_000,
    buffer_rows: int = 10_000,
) -> ExperimentRouter:
    """A router for the experiment `name` of the log, each arm's version loaded from the registry.

    Raises what `Experiments.get` raises for an experiment that is not there, and what
    `Registry.load` raises for a version.
    """
    plan, _ = Experiments(log).get(name)
    models = {arm: registry.load(version) for arm, version in plan.versions.items()}
    router = ExperimentRouter(log, plan, models, batch_rows=batch_rows, buffer_rows=buffer_rows)
    router.refresh()
    return router
