"""Applications for the course: simulated with a known truth, or read from your own file.

`load_stream` is the door the notebooks use, `load_arriving` that of `retrain`; the rest is
re-exported from the module of its idea: `simulation` (the world), `loans` (LendingClub's columns),
`timeline` (dates and splits), `contracts` (column names and rules), `reading` (files).
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from mlops_helpers.contracts import (
    CATEGORICAL,
    EARLIEST,
    FEATURES,
    LATEST,
    NUMERIC,
    TARGET,
    TIMES,
    inspect_applications,
)
from mlops_helpers.loans import looks_like_lending_club, map_lending_club
from mlops_helpers.quarantine import schema_fault
from mlops_helpers.reading import read_table
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
    timeline_faults,
)
from mlops_helpers.violations import ContractError, Violation

__all__ = [
    "CATEGORICAL",
    "FEATURES",
    "NUMERIC",
    "TARGET",
    "Applications",
    "Split",
    "Stream",
    "Timeline",
    "between",
    "known_at",
    "load_applications",
    "load_arriving",
    "load_lending_club",
    "load_stream",
    "plan_timeline",
    "portfolio_truth",
    "settled_stream",
    "simulate_applications",
    "simulate_portfolio",
    "split_by_time",
    "true_default_probability",
]


OUTCOME_DAYS = 365
"""When a LendingClub loan's outcome is taken to be known: its file has no date for it."""


@dataclass(frozen=True)
class Applications:
    """Valid applications in order of time, and where they come from."""

    frame: pd.DataFrame
    source: str  # "simulated", or the file's name
    simulated: bool
    rows_read: int
    left_out: dict[str, int]  # reason -> rows
    digest: str  # sha256 of the frame's content, in hex


@dataclass(frozen=True)
class Stream(Applications):
    """Applications whose outcomes are all known, with the timeline of the course."""

    timeline: Timeline


def load_stream(applications: str | Path = "simulated", *, seed: int = 42) -> Stream:
    """Return the applications that a notebook works on: "simulated", or a file of loans.

    The format of a file (the course's columns or LendingClub's, CSV or Parquet) is detected. A
    relative path is tried from the current folder, then from the project root (`MLOPS_ROOT`, or
    where the package lies). `seed` matters for simulated applications only.

    Raises ContractError listing every broken rule of the file, its rows and its timeline.
    """
    read, found = _read(applications, seed, open_loans=False)
    timeline = _timeline(read.frame, found)
    if found or timeline is None:
        raise ContractError(found, source=read.source)
    return Stream(**vars(read), timeline=timeline)


def load_arriving(applications: str | Path = "simulated", *, seed: int = 42) -> Applications:
    """Return applications as a lender has them today: those of the last months are open loans.

    As `load_stream`, but a row may have neither `default` nor `outcome_at`: its outcome is not
    known yet. `default` is float64, NaN for an open loan. No timeline is asked for: a file may
    hold any span. Rows with a value of a feature that breaks the contract come along: a feed that
    is broken today must not hide the rest; `quarantine` and the veto of `retraining` judge them.
    Raises ContractError listing every broken rule of the file if any other one is broken.
    """
    read, found = _read(applications, seed, open_loans=True)
    others = [fault for fault in found if fault.column not in FEATURES or fault.count is None]
    if others or (found and schema_fault(read.frame, labelled=False)):
        raise ContractError(found, source=read.source)
    return read


def settled_stream(arrived: Applications) -> Stream:
    """Return the months before the first open loan's, with the timeline of the course.

    Cut at a month because leaving out open loans one by one keeps only the early defaults of the
    last months. Raises ContractError if what is left breaks the contract, and, naming that loan,
    if it carries no timeline.
    """
    open_loans = arrived.frame[arrived.frame[TARGET].isna()]
    frame, source = arrived.frame, arrived.source
    if len(open_loans):
        first = open_loans.iloc[0]
        month = first["applied_at"].normalize().replace(day=1)
        frame = frame[frame["applied_at"] < month].reset_index(drop=True)
        source += f" before {month:%Y-%m}, in which loan {first['application_id']} is still open"
    frame = frame.astype({TARGET: "int64"})
    found = [Violation("", "the file holds no rows")]
    if len(frame):
        found = list(inspect_applications(frame).violations)
    timeline = _timeline(frame, found)
    if found or timeline is None:
        raise ContractError(found, source=source)
    return Stream(**vars(arrived) | {"frame": frame, "digest": _digest(frame)}, timeline=timeline)


def _read(
    applications: str | Path, seed: int, *, open_loans: bool
) -> tuple[Applications, list[Violation]]:
    """Read applications and every broken rule of their rows; broken ones are not in order."""
    found: list[Violation] = []
    left_out: dict[str, int] = {}
    simulated = str(applications) == "simulated"
    if simulated:
        source, raw = "simulated", simulate_portfolio(seed=seed)
        rows_read = len(raw)
    else:
        path = _locate(Path(applications))
        source, raw = path.name, read_table(path)
        rows_read = len(raw)
        if looks_like_lending_club(raw.columns):
            mapped = map_lending_club(raw, outcome_days=OUTCOME_DAYS, open_loans=open_loans)
            raw, left_out = mapped.frame, mapped.left_out
            found.extend(mapped.violations)
    frame = _inspect(raw, found, open_loans=open_loans)
    digest = ""
    if not found:
        frame = frame.sort_values(["applied_at", "application_id"], ignore_index=True)
        digest = _digest(frame)
    return Applications(frame, source, simulated, rows_read, left_out, digest), found


def load_applications(path: str | Path) -> pd.DataFrame:
    """Return the applications in a CSV or Parquet file with the course's columns.

    Typed, in the file's order. Raises ContractError listing every broken rule.
    """
    return _checked(read_table(Path(path)), [], source=Path(path).name)


def load_lending_club(path: str | Path, *, outcome_days: int = OUTCOME_DAYS) -> pd.DataFrame:
    """Return the settled loans of a LendingClub file in the course's columns, in its order.

    `outcome_days` after issue is when each outcome is taken to be known; see `loans` for the
    other decisions. Raises ContractError listing every broken rule.
    """
    mapped = map_lending_club(read_table(Path(path)), outcome_days=outcome_days)
    return _checked(mapped.frame, list(mapped.violations), source=Path(path).name)


def _checked(raw: pd.DataFrame, found: list[Violation], *, source: str) -> pd.DataFrame:
    frame = _inspect(raw, found)
    if found:
        raise ContractError(found, source=source)
    return frame


def _inspect(
    raw: pd.DataFrame, found: list[Violation], *, open_loans: bool = False
) -> pd.DataFrame:
    """Return the typed frame, adding to `found`; what mapping found absent is not said twice."""
    if raw.empty and found:
        return raw
    mapped = bool(found)
    inspected = inspect_applications(raw, open_loans=open_loans)
    found.extend(v for v in inspected.violations if v.column in raw or not mapped)
    return inspected.frame


def _timeline(frame: pd.DataFrame, found: list[Violation]) -> Timeline | None:
    """Plan on the rows whose times and outcome are sound, so that other faults hide nothing."""
    if frame.empty or not {*TIMES, TARGET} <= set(frame.columns):
        return None
    in_range = frame["applied_at"].between(EARLIEST, LATEST)
    in_order = frame["outcome_at"].between(frame["applied_at"], LATEST, inclusive="right")
    sound = frame[in_range & in_order & frame[TARGET].isin([0, 1])]
    if sound.empty:
        return None
    classes = sound[TARGET].unique()
    if len(classes) < 2:
        rule = f"is {classes[0]:g} in every row, must be 0 in some and 1 in others"
        found.append(Violation(TARGET, rule, len(sound)))
    timeline = timeline_faults(sound)
    if isinstance(timeline, Timeline):
        return timeline
    found.extend(fault for fault in timeline if len(classes) == 2 or fault.column != TARGET)
    return None


def _locate(path: Path) -> Path:
    root = Path(os.environ.get("MLOPS_ROOT", Path(__file__).resolve().parents[1]))
    places = dict.fromkeys((path.absolute(), root / path))
    for place in places:
        if place.exists():
            return place
    looked = " and ".join(map(str, places))
    rule = f"does not exist: looked for {looked}. Check the path, or pass 'simulated'"
    raise ContractError([Violation("the file", rule)], source=str(path))


def _digest(frame: pd.DataFrame) -> str:
    return hashlib.sha256(pd.util.hash_pandas_object(frame, index=False).to_numpy()).hexdigest()
