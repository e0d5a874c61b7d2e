"""A version as the gate sees it: what can be asked of it, and nothing that is asked too early."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pandas as pd
from numpy.typing import ArrayLike
from sklearn.pipeline import Pipeline

from mlops_helpers.gate import Finding

__all__ = ["FileFacts", "Subject"]


@dataclass(frozen=True)
class FileFacts:
    """What lies in the folder of a stored model, found without loading any of it.

    expected: SHA-256 (hex) of each file that was recorded when the model was logged, by its path
        below the model's folder with "/"; empty if none was recorded.
    found: the same of every file that lies there now.
    bytes: size of the model file.
    unknown_types: types in the model file that nobody reviewed.
    """

    expected: Mapping[str, str]
    found: Mapping[str, str]
    bytes: int
    unknown_types: tuple[str, ...]


@dataclass(frozen=True)
class Subject:
    """One version: its number and name, and functions that fetch the rest when a check asks.

    A function may raise: the check that asked is then refused, and no other. `pipeline` must refuse
    a file whose digest or types are not those expected before it loads anything of it.

    pipeline: the fitted pipeline, loaded.
    sample: stored features, one row each, and the probabilities of default they got in training.
    contract: whether its signature is the one that applications keep.
    files: what lies in its folder.
    trained_until: when the last application it was trained on was made, with a time zone.
    """

    version: int
    name: str
    pipeline: Callable[[], Pipeline]
    sample: Callable[[], tuple[pd.DataFrame, ArrayLike]]
    contract: Callable[[], Finding]
    files: Callable[[], FileFacts]
    trained_until: Callable[[], pd.Timestamp]
