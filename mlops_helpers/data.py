"""Applications for the course: simulated with a known truth, or read from your own file."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from mlops_helpers.contracts import (
    CATEGORICAL,
    COLUMNS,
    FEATURES,
    NUMERIC,
    TARGET,
    validate_applications,
)
from mlops_helpers.loans import looks_like_lending_club, map_lending_club
from mlops_helpers.simulation import (
    portfolio_truth,
    simulate_applications,
    simulate_portfolio,
    true_default_probability,
)
from mlops_helpers.timeline import (
    Split,
    Timeline,
    between,
    known_at,
    plan_timeline,
    split_by_time,
)

__all__ = [
    "CATEGORICAL",
    "FEATURES",
    "NUMERIC",
    "TARGET",
    "Split",
    "Stream",
    "Timeline",
    "between",
    "known_at",
    "load_applications",
    "load_lending_club",
    "load_stream",
    "plan_timeline",
    "portfolio_truth",
    "simulate_applications",
    "simulate_portfolio",
    "split_by_time",
    "true_default_probability",
]


@dataclass(frozen=True)
class Stream:
    """Valid applications in order of time, where they come from, and their timeline."""

    frame: pd.DataFrame
    source: str
    simulated: bool
    rows_read: int
    left_out: dict[str, int]
    digest: str
    timeline: Timeline


def load_stream(applications: str | Path = "simulated", *, seed: int = 42) -> Stream:
    """Return the applications a notebook works on: `"simulated"`, or a file of loans.

    The format of a file (course columns or LendingClub's, CSV or Parquet) is detected. A relative
    path is tried from the current folder, then from the project root. `seed` matters for simulated
    applications only. Raises ContractError with every broken rule.
    """
    if str(applications) == "simulated":
        frame = simulate_portfolio(seed=seed)
        return Stream(
            frame, "simulated", True, len(frame), {}, _digest(frame), plan_timeline(frame)
        )
    path = _locate(Path(applications))
    raw = _read(path)
    if looks_like_lending_club(raw.columns):
        mapped = map_lending_club(raw, outcome_days=365)
        frame, rows, left_out = mapped.frame, mapped.rows_read, mapped.left_out
    else:
        frame, rows, left_out = load_applications(path), len(raw), {}
    frame = frame.sort_values(["applied_at", "application_id"], ignore_index=True)
    return Stream(frame, path.name, False, rows, left_out, _digest(frame), plan_timeline(frame))


def load_applications(path: str | Path) -> pd.DataFrame:
    """Return the applications in a CSV or Parquet file with the course's columns."""
    frame = _read(Path(path))
    for name in ("applied_at", "outcome_at"):
        frame[name] = pd.to_datetime(frame[name], utc=True, format="ISO8601").dt.as_unit("us")
    frame = frame[list(COLUMNS)].astype({name: "float64" for name in NUMERIC})
    validate_applications(frame)
    return frame


def load_lending_club(path: str | Path, *, outcome_days: int = 365) -> pd.DataFrame:
    """Return the settled loans of a LendingClub file in the course's columns."""
    return map_lending_club(_read(Path(path)), outcome_days=outcome_days).frame


def _locate(path: Path) -> Path:
    root = Path(os.environ.get("MLOPS_ROOT", Path(__file__).resolve().parents[1]))
    return path if path.exists() or not (root / path).exists() else root / path


def _read(path: Path) -> pd.DataFrame:
    if path.suffix in (".parquet", ".pq"):
        return pd.read_parquet(path)
    return pd.read_csv(path)


def _digest(frame: pd.DataFrame) -> str:
    return hashlib.sha256(pd.util.hash_pandas_object(frame, index=False).to_numpy()).hexdigest()
