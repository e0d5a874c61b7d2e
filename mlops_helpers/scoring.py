"""A model and applications in, prediction rows out. Pure: no clock, no store.

A prediction remembers what the model saw (the features of that moment) beside what it said, so
that drift can be measured and a decision explained from the log alone.
"""

from __future__ import annotations

import json
import uuid
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from mlops_helpers.contracts import FEATURES
from mlops_helpers.threads import one_thread

__all__ = ["PREDICTION_COLUMNS", "Classifier", "prediction_id", "score", "utc_times"]

PREDICTION_COLUMNS = (
    "prediction_id",
    "application_id",
    "model_version",
    "scored_at",
    "probability",
    "decision",
    "experiment",
    "variant",
    "latency_ms",
    *FEATURES,
)

_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:mlops-helpers:prediction")


class Classifier(Protocol):
    """Anything with scikit-learn's `predict_proba`: column 1 is the probability of default."""

    def predict_proba(self, X: pd.DataFrame) -> Any:  # noqa: ANN401, D102 - an array (n, 2)
        ...


def prediction_id(application_id: str, model_version: int, experiment: str | None = None) -> str:
    """The id of the one prediction of this version for this application in this experiment.

    A UUID version 5 (RFC 9562): the same three values give the same id on any machine, which is
    what lets a log store a prediction once however often it is sent.
    """
    name = json.dumps([str(application_id), int(model_version), experiment])
    return str(uuid.uuid5(_NAMESPACE, name))


def score(
    model: Classifier,
    applications: pd.DataFrame,
    *,
    model_version: int,
    cutoff: float,
    scored_at: pd.Timestamp | pd.Series | None = None,
    experiment: str | None = None,
    variant: str | None = None,
    latency_ms: ArrayLike | None = None,
) -> pd.DataFrame:
    """Score applications: one row each with the columns of `PREDICTION_COLUMNS`, in their order.

    An application is approved when its probability of default is below `cutoff`. `scored_at`
    (aware; one time or one for each row) defaults to `applied_at`: scored on arrival. `latency_ms`
    is measured by the caller: one value or one for each row; without it the column is missing.
    What comes for each row is taken in the order of the rows, whatever its index.
    Raises `ValueError` for a cut-off outside [0, 1], a model version that is no whole number,
    missing columns, too few or too many times, latencies or probabilities, times that are naive,
    missing or finer than a microsecond, and probabilities that are not.
    """
    if not 0.0 <= cutoff <= 1.0:
        raise ValueError(f"cutoff == {cutoff}, must be within [0, 1]: a probability of default")
    if int(model_version) != model_version:
        raise ValueError(f"model_version == {model_version}; must be a whole number")
    needed = ("application_id", *(("applied_at",) if scored_at is None else ()), *FEATURES)
    missing = [column for column in needed if column not in applications.columns]
    if missing:
        raise ValueError(f"applications lack the columns {missing}; scoring needs {list(needed)}")
    frame = applications.reset_index(drop=True)
    probability = _probabilities(model, frame)
    ids = [prediction_id(a, model_version, experiment) for a in frame["application_id"]]
    when = frame["applied_at"] if scored_at is None else scored_at
    latency = np.asarray(np.nan if latency_ms is None else latency_ms, dtype=np.float64)
    if latency.ndim:
        _one_each("latency_ms", len(latency), len(frame))
    head = pd.DataFrame(
        {
            "prediction_id": pd.Series(ids, dtype="str"),
            "application_id": frame["application_id"].astype("str"),
            "model_version": int(model_version),
            "scored_at": utc_times(when, len(frame)),
            "probability": probability,
            "decision": pd.Series(
                np.where(probability < cutoff, "approve", "decline"), dtype="str"
            ),
            "experiment": pd.Series(experiment, index=frame.index, dtype="str"),
            "variant": pd.Series(variant, index=frame.index, dtype="str"),
            "latency_ms": np.broadcast_to(latency, len(frame)).copy(),
        }
    )
    return pd.concat([head, frame[list(FEATURES)]], axis=1)


def _probabilities(model: Classifier, frame: pd.DataFrame) -> np.ndarray:
    if frame.empty:
        return np.empty(0)
    with one_thread():
        given = model.predict_proba(frame[list(FEATURES)])
    if np.iscomplexobj(given):
        raise ValueError("the model gave complex numbers for probabilities: check the stored model")
    both = np.asarray(given, dtype=np.float64)
    if both.shape != (len(frame), 2):
        raise ValueError(
            f"the model's predict_proba gave an array of shape {both.shape} for {len(frame)} "
            f"applications; must be {(len(frame), 2)}: check the stored model"
        )
    probability = both[:, 1]
    bad = ~((probability >= 0.0) & (probability <= 1.0))
    if bad.any():
        first = frame["application_id"].iloc[int(np.argmax(bad))]
        raise ValueError(
            f"the model gave {probability[bad][0]} for application {first!r} and {bad.sum() - 1} "
            "more; a probability must be within [0, 1]: check the stored model and its features"
        )
    return probability


def _one_each(name: str, given: int, n: int) -> None:
    if given != n:
        raise ValueError(f"{name} has {given} values for {n} applications; give one for each")


def utc_times(times: pd.Timestamp | pd.Series, n: int) -> pd.Series:
    """One time for each of `n` rows, in UTC and microseconds; raises as `score` does."""
    if isinstance(times, pd.Series):
        series = times.reset_index(drop=True)
        _one_each("scored_at", len(series), n)
    else:
        series = pd.Series([pd.Timestamp(times)] * n, dtype=None if n else "datetime64[us, UTC]")
    if series.isna().any():
        raise ValueError(
            f"scored_at is missing in {series.isna().sum()} rows, first in row "
            f"{series.isna().argmax()}; a prediction is made at a time that is known"
        )
    if not isinstance(series.dtype, pd.DatetimeTZDtype):
        raise ValueError("scored_at has no time zone; localise it to where it was measured")
    if (series.dt.nanosecond != 0).any():
        raise ValueError(
            "scored_at has times finer than a microsecond, which no log stores; .dt.floor('us') "
            "cuts them"
        )
    return series.dt.tz_convert("UTC").dt.as_unit("us")
