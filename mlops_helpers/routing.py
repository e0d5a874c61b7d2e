"""Serves an experiment: every application meets its arm's model, and the log hears of it once.

If a treatment fails, control answers, but the application stays in the arm that it was assigned to
(intention to treat): else those whom the treatment could not take would leave it, and they are not
like the others. `model_version`, which is control's then, is the mark in the log.

A router follows the record of its experiment, which it reads again every minute.

    with router_for(registry, log, "champion-2-against-1") as router:
        answers = router.decide(applications).predictions
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from mlops_helpers.application_checks import checked_applications
from mlops_helpers.arm_answers import Serving, answers_of, in_one_line, joined
from mlops_helpers.enrolment import NOBODY, Enrolment
from mlops_helpers.experiment_plan import ExperimentPlan
from mlops_helpers.experiments import Experiments
from mlops_helpers.exposure_buffer import BufferFull, ExposureBuffer
from mlops_helpers.lifecycle_events import STATES

if TYPE_CHECKING:
    from mlops_helpers.predictions import PredictionLog
    from mlops_helpers.registry import Registry

__all__ = ["BufferFull", "Decided", "ExperimentRouter", "Serving", "router_for"]


@dataclass(frozen=True)
class Decided:
    """The answers, in the order of the applications.

    predictions: the columns of `scoring.PREDICTION_COLUMNS` (`variant` is the arm) and `fallback`:
    whether control answered because the arm's own model failed.
    faults: what went wrong on the way, in words: a treatment that failed, a log that is away, a
    record that could not be read again.
    """

    predictions: pd.DataFrame
    faults: tuple[str, ...] = ()


class ExperimentRouter:
    """Answers applications by their arm; several threads may share one.

    log: where exposures go, `batch_rows` or more at a time; the answer that fills a batch may be
    held as long as the log takes. While the log is away they wait, at most `buffer_rows` of them.
    What waits is lost if the process is killed, and SIGTERM, the ordinary stop of a service, kills
    it: make it an exit, so that the `with` block ends or `close` is called
    (`signal.signal(signal.SIGTERM, lambda *_: sys.exit())`).
    models: the loaded version of each arm, the one that the plan names. None has a deadline: one
    that hangs holds its whole call, control's applications too.
    status: what holds until the record is read: unless the experiment is "running", control answers
    everybody, in no experiment.
    refresh_seconds: how often the record is read again, by a call of `decide`; None for never. In
    between a ramp or a pause is not known: announce a ramp before it is in force, by more than
    this, and count on a paused treatment for so long. If it cannot be read, `faults` says so.
    Raises `ValueError` for an arm without its model, and for a status, sizes or seconds that cannot
    be, `TypeError` for what is no plan, log or mapping.
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
        refresh_seconds: float | None = 60.0,
    ) -> None:
        """Nothing is asked of the log or a registry here."""
        if not isinstance(plan, ExperimentPlan):
            raise TypeError(f"plan came as {type(plan).__name__}, must be an ExperimentPlan.")
        if not isinstance(models, Mapping):
            raise TypeError(
                f"models came as {type(models).__name__}, must be a mapping of each arm to its "
                "loaded version."
            )
        found = {arm: getattr(models.get(arm), "version", None) for arm in plan.arms}
        if found != plan.versions:
            raise ValueError(
                f"models hold the versions {found}, the plan of {plan.name!r} says {plan.versions}."
                " Load a model for each arm, the one that the plan names."
            )
        if status not in STATES:
            raise ValueError(f"status is {status!r}, must be one of {list(STATES)}.")
        if refresh_seconds is not None and not (
            isinstance(refresh_seconds, int | float) and refresh_seconds > 0
        ):
            raise ValueError(
                f"refresh_seconds is {refresh_seconds!r}, must be seconds above 0, or None for "
                "never."
            )
        self._log, self._models = log, {arm: models[arm] for arm in plan.arms}
        self._enrolment = Enrolment.always(plan, running=status == "running")
        self._buffer = ExposureBuffer(log, batch_rows=batch_rows, buffer_rows=buffer_rows)
        self._every = math.inf if refresh_seconds is None else float(refresh_seconds)
        self._next_read, self._reading = time.monotonic() + self._every, threading.Lock()

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

        A treatment that raises is asked again by halves (`arm_answers`); control answers for what
        it cannot take. If an application is sent again it is answered again, and the log keeps what
        it was told first in its arm. If the log fails the answers are given, and `faults` says why
        the exposures wait. Raises `BufferFull` if no more may wait, whatever control raises for its
        own, and `ValueError` or `TypeError` for ids and rows that the log could not keep or the
        analysis not use, such as one without a loan amount: then nobody was answered and nothing is
        logged.
        """
        fault = self._read_again()
        faults = [fault] if fault else []
        asked = len(applications) if isinstance(applications, pd.DataFrame) else 0
        with self._buffer.room(asked):
            rows, on_the_way = self._answers(applications, scored_at, latency_ms)
            faults += on_the_way
            if fault := self._buffer.put(rows.drop(columns="fallback")):
                faults.append(fault)
        return Decided(rows, tuple(faults))

    def flush(self) -> int:
        """Store what waits, and return how many rows were new to the log.

        Each exposure is stored once, also if the log failed after it had stored it. Raises what the
        log raises; what is not stored waits on.
        """
        return self._buffer.flush()

    def close(self) -> None:
        """Store what waits, as leaving a `with` block does; raises what the log raises."""
        self.flush()

    def refresh(self, at: pd.Timestamp | None = None) -> None:
        """Read the record now: a ramp, a pause, an end; its events until `at` if that is given.

        Each application follows what was in force when it was scored. Raises `ValueError` if other
        versions are planned now than are loaded, and what `Experiments.get` raises; the router then
        goes on as before.
        """
        with self._reading:
            self._read(at)
            self._next_read = time.monotonic() + self._every

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
        enrolment = self._enrolment  # which a reading may replace meanwhile
        times, latency = checked_applications(applications, scored_at, latency_ms)
        numbers = enrolment.numbers(applications["application_id"], times)
        parts, faults = [], []
        for number in np.unique(numbers).tolist() or [NOBODY]:
            mine = np.flatnonzero(numbers == number)
            rows, fault = answers_of(
                self._models,
                enrolment,
                number,
                applications.iloc[mine],
                times.iloc[mine],
                latency[mine],
            )
            parts.append((mine, rows))
            faults += [fault] if fault else []
        return joined(parts), faults

    def _read(self, at: pd.Timestamp | None = None) -> None:
        plan, record = Experiments(self._log).get(self.plan.name)
        if plan.versions != self.plan.versions:
            raise ValueError(
                f"experiment {plan.name!r} has the versions {plan.versions} now, and "
                f"{self.plan.versions} are loaded. Make a new router (router_for)."
            )
        self._enrolment = Enrolment.of(plan, record, at)

    def _read_again(self) -> str:
        """Read the record if it is time and no other thread is at it; why it was not, or ""."""
        if time.monotonic() < self._next_read or not self._reading.acquire(blocking=False):
            return ""
        try:
            self._read()
        except Exception as error:  # noqa: BLE001 - told as a fault: answers go on as before
            return (
                f"the record of experiment {self.plan.name!r} could not be read again, what it "
                f"said before is followed: {in_one_line(error)}"
            )
        finally:
            self._next_read = time.monotonic() + self._every
            self._reading.release()
        return ""


def router_for(
    registry: Registry,
    log: PredictionLog,
    name: str,
    *,
    batch_rows: int = 1_000,
    buffer_rows: int = 10_000,
    refresh_seconds: float | None = 60.0,
) -> ExperimentRouter:
    """A router for the experiment `name` of the log, each arm's version loaded from the registry.

    The rest as in `ExperimentRouter`.
    Raises what `Experiments.get` raises for an experiment that is not there, and what
    `Registry.load` raises for a version.
    """
    plan, _ = Experiments(log).get(name)
    models = {arm: registry.load(version) for arm, version in plan.versions.items()}
    router = ExperimentRouter(
        log,
        plan,
        models,
        batch_rows=batch_rows,
        buffer_rows=buffer_rows,
        refresh_seconds=refresh_seconds,
    )
    router.refresh()
    return router
