"""Small models, plans and logs for the tests of what serves an experiment."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
import pandas as pd

from mlops_helpers.assignment import Experiment, Holdout
from mlops_helpers.data import simulate_applications
from mlops_helpers.experiment_plan import ExperimentPlan
from mlops_helpers.log_store import LogError
from mlops_helpers.predictions import PredictionLog
from mlops_helpers.routing import ExperimentRouter

JANUARY = pd.Timestamp("2024-01-01", tz="UTC")
THREE = Experiment("serving", arms=("control", "b", "c"), split=(0.5, 0.25, 0.25), cutoff=0.2)
HELD = Holdout("kept out", 0.1)


@dataclass
class Stand:
    """A version that answers with `level` for everybody, counts its passes, and fails at will.

    fails: whether it raises, given the applications of a pass.
    """

    version: int
    level: float = 0.1
    fails: Callable[[pd.DataFrame], bool] = lambda _: False
    passes: list[int] = field(default_factory=list)

    @property
    def pipeline(self) -> Stand:
        """Itself."""
        return self

    def predict_proba(self, X: pd.DataFrame) -> Any:
        """The same for everybody."""
        self.passes.append(len(X))
        if self.fails(X):
            raise ArithmeticError("no such debt")
        p = np.full(len(X), self.level)
        return np.column_stack([1 - p, p])


class Away(PredictionLog):
    """A log that fails at will: before it stores, or after, so that nobody hears that it did."""

    fails = ""

    def append(self, frame: pd.DataFrame) -> int:
        """As the log does, or LogError."""
        if self.fails == "before":
            raise LogError("the log's store does not answer")
        new = super().append(frame)
        if self.fails == "after":
            raise LogError("the connection was lost")
        return new


def plan_of(**changes: Any) -> ExperimentPlan:
    """Three arms of versions 1, 2 and 3, with what a test changes."""
    given = {
        "experiment": THREE,
        "versions": {"control": 1, "b": 2, "c": 3},
        "hypothesis": "they earn more",
        "size": 100,
        "smallest_effect": 50.0,
    }
    return ExperimentPlan(**given | changes)


def stands(**changes: Any) -> dict[str, Stand]:
    """A stand-in for each arm: 0.1, 0.15 and 0.3, of which the last declines."""
    return {
        "control": Stand(1, 0.1),
        "b": Stand(2, 0.15),
        "c": Stand(3, 0.3),
    } | changes


def arrivals(n: int = 400, seed: int = 4) -> pd.DataFrame:
    """Applications of January 2024."""
    return simulate_applications(n, seed=seed, start=JANUARY, months=1)


def serve(told: Connection, url: str, batches: int, kill_at: int | None) -> None:
    """Answer the arrivals in batches, and tell of each; killed in append `kill_at` once stored."""
    with Mortal(url) as log:
        log.left = kill_at
        with ExperimentRouter(log, plan_of(), stands(), batch_rows=100, buffer_rows=400) as router:
            for start in range(0, 400, 400 // batches):
                rows = arrivals().iloc[start : start + 400 // batches]
                answers = router.decide(rows).predictions
                told.send(dict(zip(answers["application_id"], answers["variant"], strict=True)))
    told.send("done")


class Mortal(PredictionLog):
    """A log whose process is killed when it has stored its `left`-th batch, before it says so."""

    left: int | None = None

    def append(self, frame: pd.DataFrame) -> int:
        """Store, then die if it is time."""
        new = super().append(frame)
        if self.left is not None:
            self.left -= 1
            if self.left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return new
