"""Versions for the tests of the gate, without a registry: each member can be replaced."""

from __future__ import annotations

from typing import Any

import pandas as pd
from sklearn.pipeline import Pipeline

from mlops_helpers.data import Split
from mlops_helpers.features import as_features
from mlops_helpers.gate import Finding
from mlops_helpers.gate_model import EXPECTED_FILES
from mlops_helpers.gate_subject import FileFacts, Subject

DIGEST = "5e" * 32
FILES = FileFacts(*[dict.fromkeys(EXPECTED_FILES, DIGEST)] * 2, 120_000, ())


def subject(model: Pipeline, split: Split, version: int = 1, /, **replaced: Any) -> Subject:
    """A version whose every member answers as it should, but for those that are `replaced`."""
    rows = as_features(split.holdout.head(50))

    def sample() -> tuple[pd.DataFrame, list[float]]:
        return rows, list(model.predict_proba(rows)[:, 1])

    members = {
        "pipeline": lambda: model,
        "sample": sample,
        "contract": lambda: Finding(True, "10 features in, two probabilities out"),
        "files": lambda: FILES,
        "trained_until": lambda: split.train["applied_at"].max(),
    }
    return Subject(version=version, name=f"model {version}", **(members | replaced))
