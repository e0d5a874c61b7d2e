"""Checks of a stored model as a thing: its files, its answers, its size and speed."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.pipeline import Pipeline

from mlops_helpers.gate import Finding
from mlops_helpers.gate_policy import GatePolicy
from mlops_helpers.gate_subject import FileFacts
from mlops_helpers.threads import one_thread

__all__ = [
    "EXPECTED_FILES",
    "TOLERANCE",
    "default_probability",
    "files_as_registered",
    "gives_probabilities",
    "reproduces",
    "small_and_quick",
]

TOLERANCE = 1e-9
"""Stored and replayed probabilities may differ by this much: rounding, not another model."""
EXPECTED_FILES = frozenset(
    {
        "MLmodel",
        "conda.yaml",
        "input_example.json",
        "model.skops",
        "python_env.yaml",
        "requirements.txt",
        "serving_input_example.json",
    }
)
"""What MLflow writes beside a model stored with skops; none of it is code."""
REPEATS = 20
AGAIN = 50
"""Rows that are asked a second time, in another order."""


def files_as_registered(facts: FileFacts) -> Finding:
    """Are all the files those that were recorded, of reviewed types, with nothing beside them?"""
    faults = []
    if not facts.expected:
        faults.append("no digests were recorded for its files: log and register the model again")
    elif other := sorted(
        name for name, found in facts.found.items() if found != facts.expected.get(name, found)
    ):
        faults.append(f"not the files that were recorded: {', '.join(other)}")
    if "model.skops" not in facts.found:
        faults.append("there is no model.skops")
    if lost := sorted(facts.expected.keys() - facts.found.keys() - {"model.skops"}):
        faults.append(f"files are missing: {', '.join(lost)}")
    expected = EXPECTED_FILES & facts.expected.keys() if facts.expected else EXPECTED_FILES
    if more := sorted(facts.found.keys() - expected):
        faults.append(f"files nobody expects: {', '.join(more)}")
    if facts.unknown_types:
        faults.append(f"types nobody reviewed: {', '.join(sorted(facts.unknown_types))}")
    if faults:
        return Finding(False, "; ".join(faults))
    return Finding(True, f"digests as recorded, reviewed types only, {len(facts.found)} files")


def default_probability(pipeline: Pipeline, features: pd.DataFrame) -> NDArray[np.float64]:
    """Probability of default of each row, shape (n,); ValueError for anything else.

    A column picked from the wrong shape would be compared as if it were a probability.
    """
    if not hasattr(pipeline, "predict_proba"):
        raise ValueError(f"{type(pipeline).__name__} gives no probabilities: it is no classifier")
    with one_thread():  # see `small_and_quick`
        found = np.asarray(pipeline.predict_proba(features), dtype=float)
    if found.shape != (len(features), 2):
        raise ValueError(f"probabilities of shape {found.shape}, must be ({len(features)}, 2)")
    classes = np.asarray(getattr(pipeline, "classes_", (0, 1))).tolist()
    if classes != [0, 1]:
        raise ValueError(f"classes are {classes}, must be [0, 1]: repaid, then default")
    if not np.isfinite(found).all() or found.min(initial=0) < 0 or found.max(initial=0) > 1:
        raise ValueError("some probabilities are missing or outside [0, 1]")
    if not np.allclose(found.sum(axis=1), 1):
        raise ValueError("the probabilities of repaid and default do not add up to 1")
    return found[:, 1]


def reproduces(pipeline: Pipeline, rows: pd.DataFrame, stored: ArrayLike) -> Finding:
    """Does the loaded pipeline give the probabilities that were stored when it was trained?"""
    expected = np.asarray(stored, dtype=float)
    if not len(rows) or expected.shape != (len(rows),):
        return Finding(False, f"{len(rows)} sample rows and {expected.size} stored probabilities")
    gap = float(np.abs(default_probability(pipeline, rows) - expected).max())
    words = f"{len(rows)} stored rows, largest difference "
    words += f"below {TOLERANCE:g}" if gap <= TOLERANCE else f"{gap:.3g}"
    return Finding(gap <= TOLERANCE, words, value=gap, limit=TOLERANCE)


def gives_probabilities(
    pipeline: Pipeline, features: pd.DataFrame, answers: Callable[[], NDArray[np.float64]]
) -> Finding:
    """Probabilities that differ between applicants, and depend on nothing but the application.

    `answers` gives (or raises for) the `default_probability` of all rows, which others need too.
    Some rows are asked again, backwards and with their columns in another order: a model that goes
    by position, by the other rows or by chance answers otherwise.
    """
    try:
        found = answers()
    except ValueError as fault:
        return Finding(False, str(fault))
    if not found.size:
        return Finding(False, "no rows to ask about")
    low, high = found.min(), found.max()
    if not high > low:
        return Finding(False, f"one answer for all: {low:.3f}")
    turned = features.head(AGAIN).iloc[::-1, ::-1]
    again = default_probability(pipeline, turned)[::-1]
    if np.abs(again - found[:AGAIN]).max() > TOLERANCE:
        return Finding(
            False, "other answers when rows and columns come in another order: it must go by name"
        )
    return Finding(True, f"probabilities of default from {low:.3f} to {high:.3f}")


def small_and_quick(
    size: int,
    pipeline: Pipeline,
    features: pd.DataFrame,
    policy: GatePolicy,
    *,
    timer: Callable[[], float] = time.perf_counter,
) -> Finding:
    """Is the model file small, and one application scored in time (the fastest of `REPEATS`)?

    The fastest one, and on one thread, because how busy this machine is just now is no property of
    the model: where all processors were busy, the threads of gradient boosting waited for each
    other and one application took ten times as long. A model that is far too slow is asked less
    often. The finding's value is the size, up to the next tenth
    of a megabyte: a model stored again may differ by some bytes. The time is never the same, so it
    is said only when it is too long. What passes thus reads alike in every run.
    """
    if features.empty:
        return Finding(False, "no application to score")
    if not size > 0:
        return Finding(False, f"the model file has {size} bytes")
    megabytes = size / 1e6
    spent: list[float] = []
    with one_thread():
        for number in range(REPEATS):
            one = features.iloc[[number % len(features)]]
            start = timer()
            pipeline.predict_proba(one)
            spent.append(1000 * (timer() - start))
            if sum(spent) > REPEATS * policy.max_milliseconds:
                break
    fastest = min(spent)
    small, quick = megabytes <= policy.max_megabytes, fastest <= policy.max_milliseconds
    told = math.ceil(10 * megabytes) / 10
    words = f"{told:.1f} MB of at most {policy.max_megabytes:g}; one application "
    took = f"takes {fastest:.0f} ms, may take {policy.max_milliseconds:g}"
    words += f"within {policy.max_milliseconds:g} ms" if quick else took
    return Finding(small and quick, words, value=told, limit=policy.max_megabytes)
