"""A small lender for the tests of scheduled retraining: a poor champion, a year of later loans."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

from mlops_helpers.data import Split, between, simulate_applications
from mlops_helpers.predictions import PredictionLog
from mlops_helpers.registry import Registry
from mlops_helpers.retrain_place import RetrainPlace
from mlops_helpers.retrain_step import Result, retrain
from mlops_helpers.retraining import RetrainingPolicy
from mlops_helpers.tracking import Candidate, connect, train_and_log
from tests.contending import NO_ROWS

START = pd.Timestamp("2022-01-01", tz="UTC")
DAY = "2023-04-01"
EAGER = RetrainingPolicy(max_age_days=30.0, min_new_rows=100, min_days_since_training=0.0)
"""A policy that always asks for training."""
NEVER = float("inf")
LAZY = RetrainingPolicy(
    max_drifted_importance=NEVER,
    max_auc_drop=NEVER,
    max_expected_auc_drop=NEVER,
    max_calibration_gap=NEVER,
    max_age_days=NEVER,
)
"""A policy that never does."""


def day(text: str) -> pd.Timestamp:
    """A day in UTC."""
    return pd.Timestamp(text, tz="UTC")


def loans(months: int = 18, per_month: int = 500) -> pd.DataFrame:
    """Quiet applications in order of time, so many a month from 2022 on."""
    parts = [
        simulate_applications(per_month, seed=number, start=START + pd.DateOffset(months=number))
        for number in range(months)
    ]
    frame = pd.concat(parts, ignore_index=True)
    ids = [f"A{number:05d}" for number in range(len(frame))]
    return frame.assign(application_id=ids).sort_values("applied_at", ignore_index=True)


def train_version(place: RetrainPlace, split: Split, name: str, when: str, seed: int = 1) -> int:
    """A version registered as of a day."""
    run = train_and_log(
        Candidate(name, LogisticRegression(C=0.1, max_iter=500)),
        split,
        tracking_uri=place.tracking_uri,
        artifact_location=place.artifact_location,
        seed=seed,
    )
    return Registry(place.tracking_uri, place.name).register(run, when=day(when))


def shuffled(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with outcomes that belong to others: nothing can be learnt from them."""
    order = np.random.default_rng(3).permutation(len(rows))
    return rows.assign(default=rows["default"].to_numpy()[order])


def make_place(
    folder: Path, frame: pd.DataFrame, *, better_before: bool = False, servers: tuple[str, ...] = ()
) -> RetrainPlace:
    """A store whose champion has learnt nothing, from the loans of four months; an empty log.

    It serves since January 2023, when the outcomes of its holdout were known. With `better_before`
    another did before it, which learnt from the same loans with their own outcomes. `servers` are
    the addresses of MLflow and of the log, files in `folder` without. The gate must have been made
    easy.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = (f"sqlite:///{folder / 'mlflow.db'}", f"sqlite:///{folder / 'course.db'}")
    artifacts = None if servers else (folder / "artifacts").as_uri()
    place = RetrainPlace(*(servers or files), artifacts, folder)
    learnt = between(frame, day("2022-01-01"), day("2022-05-01"))
    holdout = between(frame, day("2022-05-01"), day("2022-07-01"))
    when = "2023-01-01"
    if better_before:
        promote(place, train_version(place, Split(learnt, holdout), "good", when), when)
    split = Split(shuffled(learnt), holdout)
    promote(place, train_version(place, split, "poor", when), when)
    PredictionLog(place.database_url).close()
    return place


def promote(place: RetrainPlace, version: int, when: str) -> None:
    """Make a version the champion; the gate must have been made easy."""
    registry = Registry(place.tracking_uri, place.name)
    verdict = registry.gate(version, NO_ROWS, when=day(when))
    registry.promote(version, verdict, reason="a test", by="a test", when=day(when))


def copy_place(place: RetrainPlace, folder: Path) -> RetrainPlace:
    """The same stores elsewhere; the files of the models are shared."""
    folder.mkdir(parents=True)
    for name in ("mlflow.db", "course.db"):
        shutil.copy(place.folder / name, folder / name)
    return replace(
        place,
        tracking_uri=f"sqlite:///{folder / 'mlflow.db'}",
        database_url=f"sqlite:///{folder / 'course.db'}",
        folder=folder,
    )


def go(place: RetrainPlace, frame: pd.DataFrame, as_of: str = DAY, **more: Any) -> Result:
    """Retrain as of a day, asked for by age unless another policy is given."""
    return retrain(place, frame, **{"as_of": as_of, "policy": EAGER, "seed": 7} | more)


def runs_by_version(place: RetrainPlace) -> dict[int, Any]:
    """The MLflow run of each version."""
    registry = Registry(place.tracking_uri, place.name)
    client = connect(place.tracking_uri)
    known = registry.status().set_index("version")["run_id"]
    return {int(version): client.get_run(run_id) for version, run_id in known.items()}


def contents(place: RetrainPlace) -> dict[str, str]:
    """Digests of all that the stores of a place hold, by file."""
    found = {}
    for name in ("mlflow.db", "course.db"):
        with contextlib.closing(sqlite3.connect(place.folder / name)) as connection:
            text = "\n".join(connection.iterdump())
        found[name] = hashlib.sha256(text.encode()).hexdigest()
    return found


Spoilt = tuple[pd.DataFrame, dict[str, Any]]


def only_bad_news() -> dict[str, tuple[Callable[[pd.DataFrame, RetrainPlace], Spoilt], str]]:
    """Ways to spoil a call by name: what to give instead, and the message to expect."""

    def labels(frame: pd.DataFrame, value: float) -> pd.DataFrame:
        late = frame["applied_at"] >= day("2022-07-01")
        return frame.assign(default=frame["default"].astype(float).mask(late, value))

    def without_model(frame: pd.DataFrame, place: RetrainPlace) -> Spoilt:
        connect(place.tracking_uri).delete_registered_model_alias(place.name, "champion")
        return frame, {}

    def cut(frame: pd.DataFrame, until: str) -> pd.DataFrame:
        return frame[frame["applied_at"] < day(until)]

    return {
        "no rows": (lambda f, _: (f.iloc[:0], {}), "there are no applications"),
        "no new rows": (
            lambda f, _: (cut(f, "2023-01-01"), {}),
            "the 2 months before 2023-04-01 hold no application .* of 2022-12-31",
        ),
        "one class": (
            lambda f, _: (labels(f, 0.0), {}),
            "all 1,[45]\\d\\d new labels are default == 0, must be 0 in some and 1 in others",
        ),
        "no labels": (lambda f, _: (labels(f, np.nan), {}), "labels are all missing: of 4,500"),
        "strange labels": (
            lambda f, _: (labels(f, 2.0), {}),
            "default == 2.0 in 1,[45]\\d\\d rows",
        ),
        "repeated rows": (
            lambda f, _: (pd.concat([f, f.iloc[:3]]), {}),
            "3 rows repeat an application_id, such as 'A0",
        ),
        "future rows": (
            lambda f, _: (f, {"today": day(DAY)}),
            "1,500 applications are dated after today .2023-04-01., the last 2023-06-30",
        ),
        "another schema": (
            lambda f, _: (f.rename(columns={"annual_income": "income"}), {}),
            "another schema: annual_income must be a column of the file .is it the column 'income'",
        ),
        "text for times": (
            lambda f, _: (f.assign(applied_at=f["applied_at"].astype(str)), {}),
            "applied_at of the applications is str, must be times with a zone",
        ),
        "no champion": (without_model, "the champion cannot be loaded: no version of credit-risk"),
        "before the training": (
            lambda f, _: (f, {"as_of": "2022-12-31"}),
            "2022-12-31 lies before the champion's training .version 1, trained as of 2023-01-01",
        ),
        "no date": (lambda f, _: (f, {"as_of": "June"}), "as_of == 'June' is no date"),
        "not a day": (lambda f, _: (f, {"as_of": "2023-04-01 12:00"}), "must be a day"),
        "not yet": (
            lambda f, _: (cut(f, "2023-03-01"), {"today": day("2023-03-01")}),
            "2023-04-01 has not come yet .today is 2023-03-01.",
        ),
        "another lender": (
            lambda f, _: (f[f["applied_at"] >= day("2022-06-01")], {}),
            "none of the champion's training rows is among these applications",
        ),
        "a shrunk file": (
            lambda f, _: (f.iloc[100:], {}),
            "no application was made at 2022-01-01 .* though the first or last one that version 1 ",
        ),
    }
