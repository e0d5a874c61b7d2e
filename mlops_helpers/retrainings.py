"""Scheduled retrainings as the report shows them: a small file beside the state they work on.

Whoever runs a retraining calls `update` after each stage; the file keeps the newest `NEWEST`, so
that it stays small however long a lender is served. The report reads the files of all states in
`outputs`, and needs no database; the log keeps all (`PredictionLog.steps()`).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
from filelock import FileLock

from mlops_helpers import standing
from mlops_helpers.places import write_atomically

__all__ = ["FILE", "NEWEST", "STAGES", "Retraining", "Stage", "read", "update", "write"]

FILE = "retrainings.json"
STAGES = ("watch", "check", "train", "judge", "promote")
"""In their order; a retraining is over when the last is done or skipped."""
NEWEST = 50
"""Retrainings that a state's file keeps."""
PATIENCE = 30.0
"""Seconds to wait for another process, which needs well under one to write the file."""
MARKS = {"running": "…", "done": "✓", "failed": "✗", "skipped": "–"}


@dataclass(frozen=True)
class Stage:
    """A stage as it last was; `seconds` is None while it runs or where nobody measured them."""

    stage: str
    status: str
    started_at: str
    seconds: float | None
    attempts: int
    told: str

    @property
    def mark(self) -> str:
        """A sign beside the word, so that colour is never the only carrier."""
        return MARKS.get(self.status, "?")


@dataclass(frozen=True)
class Retraining:
    """A scheduled run: its key, its stages in their order, what came of it and why.

    where: whose it is (file and seed); empty if nobody can say.
    """

    key: str
    outcome: str
    told: str
    stages: tuple[Stage, ...]
    where: str = ""

    @property
    def started(self) -> str:
        """When its first stage began, to the minute; empty if none did."""
        return f"{self.times[0][:16].replace('T', ' ')} UTC" if self.stages else ""

    @property
    def times(self) -> list[str]:
        """When its stages began, the earliest first."""
        return sorted(stage.started_at for stage in self.stages)

    @property
    def seconds(self) -> float:
        """Of all its stages that were measured."""
        return sum(stage.seconds or 0.0 for stage in self.stages)


def update(folder: Path, steps: Callable[[str | None], pd.DataFrame], key: str) -> Path:
    """Bring what a state's folder says of the retraining `key` up to date with its log.

    `steps` is `PredictionLog.steps`. All are read anew where the file is missing or broken. Raises
    `OSError` if it cannot be written.
    """
    return write(folder, steps(None if _kept(folder / FILE) is None else key))


def write(folder: Path, steps: pd.DataFrame) -> Path:
    """Write rows of `PredictionLog.steps()` into a state's `FILE`, in one step; others in it stay.

    The outcome of a run that is over is `result["outcome"]` of its last stage. One that is not is
    "failed", "given up" or "running", as the stage stands that began last; that says why, too.
    """
    path = folder / FILE
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_suffix(".lock"), timeout=PATIENCE):
        runs = {run.key: run for run in _kept(path) or []}
        begun = steps.groupby("key")["started_at"].min().sort_values(kind="stable")
        new = steps[steps["key"].isin(begun.index[-NEWEST:])]
        runs |= {str(key): _run(str(key), rows) for key, rows in new.groupby("key", sort=False)}
        newest = sorted(runs.values(), key=lambda run: (run.times, run.key))[-NEWEST:]
        write_atomically(path, json.dumps([asdict(run) for run in newest], indent=1) + "\n")
    return path


def read(outputs: Path) -> list[Retraining]:
    """All retrainings of the states in `outputs`, newest first; a file that is broken says so.

    Two states that work on one log have the same ones: each is told once, as it was last.
    """
    found: dict[tuple[str, str], Retraining] = {}
    for path in sorted((outputs / "state").glob(f"*/{standing.STANDING}/{FILE}")):
        state = path.parent.parent.name
        where, log = _whose(path.parent)
        try:
            runs = _runs(path)
        except _BROKEN as error:
            told = _printable(f"{path.relative_to(outputs)}: {type(error).__name__}: {error}")
            runs, log = [Retraining(state, "cannot be read", told, ())], ""
        for run in runs:
            mark = (log or state, run.key)
            if mark not in found or found[mark].times[-1:] < run.times[-1:]:
                found[mark] = replace(run, where=where)
    return sorted(found.values(), key=lambda run: (run.started, run.key, run.where), reverse=True)


_BROKEN = (OSError, ValueError, LookupError, TypeError, OverflowError, RecursionError)
"""What a file that `write` did not write may come to, or one that nobody may read."""


def _kept(path: Path) -> list[Retraining] | None:
    """What the file has, None if it is missing or broken."""
    try:
        return _runs(path)
    except _BROKEN:
        return None


def _runs(path: Path) -> list[Retraining]:
    return [_known(run) for run in json.loads(path.read_text(encoding="utf-8"))]


def _whose(folder: Path) -> tuple[str, str]:
    """File and seed of a state, and a mark of the log on a server; both empty if nobody can say."""
    try:
        begun = standing.read(folder)
    except (OSError, ValueError):
        return "", ""
    return _printable(begun.label), begun.database


def _run(key: str, rows: pd.DataFrame) -> Retraining:
    known = rows.sort_values(["started_at", "stage"], kind="stable").to_dict("records")
    known.sort(key=lambda row: _position(row["stage"]))
    # the last to begin, of those that began at once the later: after a restart an earlier stage
    # runs while later ones still stand as they did
    now = max(known, key=lambda row: (row["started_at"], _position(row["stage"])))
    last = known[-1]
    if last["stage"] == STAGES[-1] and last["status"] in ("done", "skipped"):
        now, outcome = last, last["result"].get("outcome", last["status"])
    elif now["status"] == "failed":
        outcome = "given up" if "given up" in now["result"] else "failed"
    else:
        outcome = "running"
    return Retraining(key, str(outcome), str(now["told"]), tuple(map(_stage, known)))


def _position(stage: str) -> int:
    """Where a stage stands in their order; -1 for one that has no place in it."""
    return STAGES.index(stage) if stage in STAGES else -1


def _stage(row: dict[str, Any]) -> Stage:
    return Stage(
        stage=_printable(row["stage"]),
        status=_printable(row["status"]),
        started_at=_time(row["started_at"]),
        seconds=None if pd.isna(row["seconds"]) else float(row["seconds"]),
        attempts=int(row["attempts"]),
        told=_printable(row["told"]),
    )


def _time(value: object) -> str:
    when = pd.Timestamp(value)
    if pd.isna(when):
        raise ValueError(f"started_at == {value!r}; must be a time")
    return when.tz_convert("UTC").isoformat()


def _printable(text: object) -> str:
    """Text that a page can hold: half of a surrogate pair, which JSON lets through, is "?"."""
    return str(text).encode("utf-8", "replace").decode("utf-8")


def _known(run: dict[str, Any]) -> Retraining:
    """A run as the file has it; one of `_BROKEN` for what `write` did not write."""
    stages = tuple(_stage(stage) for stage in run["stages"])
    return Retraining(*(_printable(run[name]) for name in ("key", "outcome", "told")), stages)
