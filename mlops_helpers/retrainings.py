"""Scheduled retrainings as the report shows them: a small file beside the state they work on.

Whoever runs a retraining calls `write` after each stage with the rows of `PredictionLog.steps()`;
the report reads the files of all states in `outputs`, and needs no database.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from mlops_helpers.places import write_atomically

__all__ = ["FILE", "Retraining", "Stage", "read", "write"]

FILE = "retrainings.json"
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
    """A scheduled run: its key, its stages in order of time, what came of it and why."""

    key: str
    outcome: str
    told: str
    stages: tuple[Stage, ...]

    @property
    def started(self) -> str:
        """When its first stage began, to the minute; empty if none did."""
        return f"{self.stages[0].started_at[:16].replace('T', ' ')} UTC" if self.stages else ""

    @property
    def seconds(self) -> float:
        """Of all its stages that were measured."""
        return sum(stage.seconds or 0.0 for stage in self.stages)


def write(folder: Path, steps: pd.DataFrame) -> Path:
    """Write the rows of `PredictionLog.steps()` as `FILE` into a state's folder, in one step.

    A run's outcome is `result["outcome"]` of the last of its stages that has one, and its sentence
    that stage's `told`; without any, how its last stage stands.
    """
    runs = [_run(str(key), rows) for key, rows in steps.groupby("key", sort=False)]
    path = folder / FILE
    write_atomically(path, json.dumps([asdict(run) for run in runs], indent=1) + "\n")
    return path


def read(outputs: Path) -> list[Retraining]:
    """All retrainings of the states in `outputs`, newest first; a file that is broken says so."""
    found = []
    for path in sorted((outputs / "state").glob(f"*/standing/{FILE}")):
        try:
            found += [_known(run) for run in json.loads(path.read_text(encoding="utf-8"))]
        except (ValueError, KeyError, TypeError) as error:
            told = f"{path.relative_to(outputs)}: {type(error).__name__}: {error}"
            found.append(Retraining(path.parent.parent.name, "cannot be read", told, ()))
    return sorted(found, key=lambda run: (run.started, run.key), reverse=True)


def _run(key: str, rows: pd.DataFrame) -> Retraining:
    known = rows.sort_values(["started_at", "stage"], kind="stable").to_dict("records")
    stages = [_stage(row) for row in known]
    named = [row for row in known if row["result"].get("outcome")]
    last = named[-1] if named else known[-1]
    outcome = last["result"]["outcome"] if named else last["status"]
    return Retraining(key, str(outcome), str(last["told"]), tuple(stages))


def _stage(row: dict[str, Any]) -> Stage:
    return Stage(
        stage=str(row["stage"]),
        status=str(row["status"]),
        started_at=pd.Timestamp(row["started_at"]).tz_convert("UTC").isoformat(),
        seconds=None if pd.isna(row["seconds"]) else float(row["seconds"]),
        attempts=int(row["attempts"]),
        told=str(row["told"]),
    )


def _known(run: dict[str, Any]) -> Retraining:
    """A run as the file has it. Raises `KeyError` or `TypeError` for what `write` did not write."""
    stages = tuple(_stage(stage) for stage in run["stages"])
    return Retraining(str(run["key"]), str(run["outcome"]), str(run["told"]), stages)
