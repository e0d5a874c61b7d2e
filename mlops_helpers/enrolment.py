"""Who is in which arm at a moment: the assignment, the record's stages and pauses, the holdout.

The time of the decision picks the ramp that was in force, so an application that is decided again,
or replayed from last year, is where it was. Nobody is enrolled in a draft, before the plan's start,
during a pause, from the plan's end on, or while held out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlops_helpers.experiment_plan import ExperimentPlan
from mlops_helpers.lifecycle_events import in_force, instant
from mlops_helpers.unit_ids import id_texts

__all__ = ["HELD", "HOLDOUT", "NOBODY", "Enrolment"]

HOLDOUT = "holdout"
"""The variant of a unit that is held out; its experiment is the holdout's name."""
NOBODY, HELD = -2, -1
"""In place of the number of an arm: in no experiment; held out of all."""
_EVER = np.iinfo("int64").min


@dataclass(frozen=True)
class Enrolment:
    """A plan, and from when on (microseconds since 1970) which ramp was in force; 0 for nobody."""

    plan: ExperimentPlan
    since: tuple[int, ...]
    ramps: tuple[float, ...]

    @classmethod
    def always(cls, plan: ExperimentPlan, *, running: bool) -> Enrolment:
        """As if it had run at the plan's ramp since ever, or never."""
        return cls(plan, (_EVER,), (plan.experiment.ramp if running else 0.0,))

    @classmethod
    def of(
        cls, plan: ExperimentPlan, record: Mapping[str, Any], at: pd.Timestamp | None = None
    ) -> Enrolment:
        """By the events of a record (`lifecycle`), those until `at` if it is given.

        Raises `ValueError` for an `at` that is no instant.
        """
        if at is not None:
            instant(at)
        steps = [step for step in in_force(record) if at is None or step[0] <= at]
        when = pd.DatetimeIndex([moment for moment, _, _ in steps], tz="UTC").ceil("us")
        since = tuple(when.as_unit("us").asi8.tolist())
        return cls(plan, since, tuple(ramp if running else 0.0 for _, ramp, running in steps))

    def numbers(self, units: pd.Series, times: pd.Series) -> NDArray[np.int64]:
        """The number of each unit's arm at its time (aware), or HELD or NOBODY.

        Held-out units are so always, before the start and after the end too. Raises as
        `Experiment.assign` does, at any time: an id that is none would be another unit later.
        """
        plan, found = self.plan, np.full(len(units), NOBODY)
        ids, arms = id_texts(units), pd.Index(plan.arms)
        when = times.dt.tz_convert(None).to_numpy("datetime64[us]").astype("int64")
        stage = np.searchsorted(self.since, when, side="right") - 1
        enrolled = stage >= 0
        if plan.start is not None:
            enrolled &= (times >= plan.start).to_numpy()
        if plan.end is not None:
            enrolled &= (times < plan.end).to_numpy()
        for number in np.unique(stage[enrolled]).tolist():
            if ramp := self.ramps[number]:
                mine = enrolled & (stage == number)
                found[mine] = arms.get_indexer(plan.experiment.at(ramp).assign(ids[mine]))
        if plan.holdout is not None:
            found[plan.holdout.holds(ids)] = HELD
        return found

    def names(self, number: int) -> tuple[str | None, str | None]:
        """The experiment and the variant, as the log has them, of a number of `numbers`."""
        if number >= 0:
            return self.plan.name, self.plan.arms[number]
        if number == HELD and self.plan.holdout is not None:
            return self.plan.holdout.name, HOLDOUT
        return None, None
