"""How often the reading of a bad month is right: `causes` on many windows of worlds that are known.

Each repetition is a life of its own: training rows, a model, a holdout and, for each world, a
window that is read before and after its labels.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
from sklearn.base import ClassifierMixin
from sklearn.linear_model import LogisticRegression

from mlops_helpers.candidates import seeded
from mlops_helpers.causes import read, signals
from mlops_helpers.contracts import FEATURES, LIMITS, TARGET
from mlops_helpers.drift import Reference
from mlops_helpers.features import build_pipeline
from mlops_helpers.threads import one_thread
from mlops_helpers.worlds import CAUSES, WORLDS, draw_world, seed_of

__all__ = ["JUDGED", "confusion", "lives", "movements"]

JUDGED = ("quiet", *CAUSES.values())
"""Quiet times and the world that stands for each cause."""


def lives(
    worlds: Iterable[str] = JUDGED,
    *,
    seed: int,
    repeats: int,
    rows: int = 3000,
    training_rows: int = 10_000,
    holdout_rows: int = 3000,
    estimator: ClassifierMixin | None = None,
) -> pd.DataFrame:
    """Signals of one window of `rows` applications of each world, `repeats` times.

    `estimator` (default: logistic regression) is trained on quiet rows anew in each repetition.
    Returns the columns of `causes.signals` and `world, cause, repeat, reading_before,
    reading_after`: the readings without and with the labels of the window. Equal arguments give
    equal frames.
    """
    worlds = tuple(worlds)
    model = LogisticRegression(max_iter=1000) if estimator is None else estimator
    found = []
    for repeat in range(repeats):
        quiet = draw_world("quiet", training_rows + holdout_rows, seed=seed_of(seed, repeat, 0))
        train, holdout = quiet.iloc[:training_rows], quiet.iloc[training_rows:]
        pipeline = build_pipeline(seeded(model, seed_of(seed, repeat, 1)))
        with one_thread():
            pipeline.fit(train, train[TARGET])
            holdout = _scored(pipeline, holdout)
            reference = Reference.fit(train[list(FEATURES)], limits=LIMITS)
            reference = reference.extended(holdout[["probability"]])
            for world in worlds:
                place = 2 + list(WORLDS).index(world)
                drawn = draw_world(world, rows, seed=seed_of(seed, repeat, place))
                window = _scored(pipeline, drawn)
                table = signals(reference, holdout, window)
                early = read(table.assign(moved=table["moved"].mask(table["needs_labels"])))
                table.insert(0, "world", world)
                table.insert(1, "cause", WORLDS[world].cause)
                table.insert(2, "repeat", repeat)
                found.append(table.assign(reading_before=early, reading_after=read(table)))
    return pd.concat(found, ignore_index=True)


def movements(lived: pd.DataFrame) -> pd.DataFrame:
    """Share of the windows in which each signal moved: a row a world, a column a signal.

    Windows in which a signal is unknown count as not moved.
    """
    moved = lived.assign(moved=lived["moved"].fillna(False).astype(float))
    table = moved.pivot_table(index="world", columns="signal", values="moved", sort=False)
    return table[list(dict.fromkeys(lived["signal"]))]


def confusion(lived: pd.DataFrame, *, labels: bool) -> pd.DataFrame:
    """Share of the windows of each world that were read as each cause, without or with labels.

    Rows are worlds, columns readings; a row sums to 1.
    """
    windows = lived.drop_duplicates(["world", "repeat"])
    reading = windows["reading_after" if labels else "reading_before"]
    table = pd.crosstab(windows["world"], reading, normalize="index")
    return table.reindex(list(dict.fromkeys(windows["world"])))


def _scored(pipeline: object, frame: pd.DataFrame) -> pd.DataFrame:
    probability = np.asarray(pipeline.predict_proba(frame))[:, 1]
    return frame.assign(probability=probability)
