"""Small trained runs for the tests of tracking and registry: one store for each module."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression

from mlops_helpers.data import Split, simulate_applications
from mlops_helpers.tracking import Candidate, TrainedRun, train_and_log

DUMMY = Candidate("dummy", DummyClassifier(strategy="prior"))
LOGISTIC = Candidate("logistic", LogisticRegression(max_iter=500))
STRONG_PRIOR = Candidate("cautious", LogisticRegression(C=0.01, max_iter=500))


@dataclass(frozen=True)
class Record:
    """A store with finished runs by name, and the rows they were trained and judged on."""

    tracking_uri: str
    artifacts: Path
    split: Split
    runs: dict[str, TrainedRun]


def small_split() -> Split:
    """1,500 quiet applications to train on and 1,500 later ones."""
    first, later = (pd.Timestamp(day, tz="UTC") for day in ("2022-01-01", "2022-07-01"))
    rows = (simulate_applications(1500, seed=s, start=t) for s, t in ((5, first), (6, later)))
    return Split(*(part.sort_values("applied_at", ignore_index=True) for part in rows))


def make_record(folder: Path) -> Record:
    """Train and log three candidates in a new SQLite store below `folder`."""
    uri, artifacts, split = f"sqlite:///{folder / 'mlflow.db'}", folder / "artifacts", small_split()
    runs = {
        candidate.name: train_and_log(
            candidate, split, tracking_uri=uri, seed=1, artifact_location=artifacts.as_uri()
        )
        for candidate in (DUMMY, STRONG_PRIOR, LOGISTIC)
    }
    return Record(uri, artifacts, split, runs)
