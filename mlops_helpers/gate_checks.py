"""The gate's own checks of a version, by name: each asks for what it needs itself.

So each fails by itself. What is expensive (loading a model, scoring the rows) happens once for each
gate and is shared; an exception is not kept, so every check that needs the same thing meets it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from mlops_helpers.data import TARGET
from mlops_helpers.features import as_features
from mlops_helpers.gate import Check, Finding
from mlops_helpers.gate_figures import (
    beats_baseline,
    calibrated,
    earns_as_much,
    need_columns,
    not_worse,
    unseen_rows,
)
from mlops_helpers.gate_model import (
    default_probability,
    files_as_registered,
    gives_probabilities,
    reproduces,
    small_and_quick,
)
from mlops_helpers.gate_policy import GatePolicy
from mlops_helpers.gate_segments import fair_to_groups
from mlops_helpers.gate_subject import Subject

__all__ = ["standard_checks"]


@dataclass(frozen=True)
class _Fetched:
    """What several checks share about one version, fetched when first asked for."""

    pipeline: Callable[[], Pipeline]
    scores: Callable[[], NDArray[np.float64]]


def standard_checks(
    candidate: Subject,
    champion: Subject | None,
    rows: pd.DataFrame,
    policy: GatePolicy,
) -> dict[str, Check]:
    """The checks by name, in the order of the verdict; nothing is loaded or scored before one runs.

    `rows` are applications with known outcomes. The models see their features only, never the
    outcome. Without a champion the checks that compare judge against the next best thing, which
    their evidence names. Raises TypeError for rows and a policy that are none.
    """
    if not isinstance(policy, GatePolicy):
        raise TypeError(
            f"policy is a {type(policy).__name__}, must be a GatePolicy. "
            "Give GatePolicy(margin=…), or nothing for its usual limits."
        )
    if not isinstance(rows, pd.DataFrame):
        raise TypeError(
            f"rows is a {type(rows).__name__}, must be a pandas DataFrame. "
            "Give the settled applications to judge on."
        )
    features = cache(lambda: as_features(rows))  # cache keeps results, and no exceptions
    mine = _fetched(candidate, features)
    theirs = None if champion is None else _fetched(champion, features)

    def opponent() -> NDArray[np.float64] | None:
        return None if theirs is None else theirs.scores()

    def outcome() -> pd.Series:
        need_columns(rows, TARGET)
        return rows[TARGET]

    def unseen() -> Finding:
        compared = [candidate] if champion is None else [candidate, champion]
        return unseen_rows(rows, {f"version {s.version}": s.trained_until() for s in compared})

    def against_champion() -> Finding:
        if theirs is None:
            return Finding(True, "no champion yet: nothing to be worse than")
        return not_worse(outcome(), theirs.scores(), mine.scores(), margin=policy.margin)

    return {
        "file audit": lambda: files_as_registered(candidate.files()),
        "reproduces its predictions": lambda: reproduces(mine.pipeline(), *candidate.sample()),
        "keeps the contract": candidate.contract,
        "gives probabilities": lambda: gives_probabilities(
            mine.pipeline(), features(), mine.scores
        ),
        "judged on unseen rows": unseen,
        "beats the baseline": lambda: beats_baseline(outcome(), mine.scores()),
        "not worse than the champion": against_champion,
        "calibration": lambda: calibrated(outcome(), mine.scores(), policy),
        "segments": lambda: fair_to_groups(rows, mine.scores(), opponent(), policy),
        "profit": lambda: earns_as_much(rows, mine.scores(), opponent(), policy),
        "size and latency": lambda: small_and_quick(
            candidate.files().bytes, mine.pipeline(), features(), policy
        ),
    }


def _fetched(subject: Subject, features: Callable[[], pd.DataFrame]) -> _Fetched:
    pipeline = cache(lambda: subject.pipeline())
    return _Fetched(pipeline, cache(lambda: default_probability(pipeline(), features())))
