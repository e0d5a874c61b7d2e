"""Predictions and outcomes to put into a log, for the tests of the store and what it is made of."""

from __future__ import annotations

import numpy as np
import pandas as pd

from mlops_helpers.data import simulate_applications
from mlops_helpers.scoring import score
from tests.test_scoring import ByDebt

JANUARY = pd.Timestamp("2024-01-01", tz="UTC")
FEBRUARY = pd.Timestamp("2024-02-01", tz="UTC")


def two_months() -> pd.DataFrame:
    """Two hundred predictions of January and February 2024, some features missing."""
    frame = simulate_applications(200, seed=3, start=JANUARY, months=2)
    frame.loc[frame.index[::7], "age"] = np.nan
    latency = np.arange(1.0, 201.0)
    return score(ByDebt(), frame, model_version=1, cutoff=0.2, latency_ms=latency)


def outcomes_of(rows: pd.DataFrame, default: int = 0) -> pd.DataFrame:
    """All outcomes of these predictions, half a year later."""
    return pd.DataFrame(
        {
            "prediction_id": rows["prediction_id"],
            "default": default,
            "outcome_at": rows["scored_at"] + pd.Timedelta(days=182),
        }
    )
