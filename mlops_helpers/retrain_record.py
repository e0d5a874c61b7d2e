"""How far a scheduled retraining has come: its stages in the log, each saved as it begins and ends.

What a stage came to is saved with it, so that a call after a kill goes on from there, and a call
after the end tells it again. A retraining is over when its last stage is done or skipped. Each
stage is saved with a mark of what it was made with; a stage of another mark is done anew.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from mlops_helpers import retrainings
from mlops_helpers.log_store import LogError
from mlops_helpers.predictions import PredictionLog
from mlops_helpers.retrainings import STAGES

__all__ = ["STAGES", "Done", "Record", "day_of", "key_of"]

MARK = "made_with"


def key_of(name: str, as_of: pd.Timestamp) -> str:
    """The key of a model's retraining of a day."""
    return f"{name} {as_of:%Y-%m-%d}"


def day_of(key: str, name: str) -> str | None:
    """The day of a key of this model's; None for another's."""
    whose, _, day = key.rpartition(" ")
    return day if whose == name else None


@dataclass
class Done:
    """What a stage came to: a sentence for people, and values that JSON can hold."""

    told: str = ""
    result: dict[str, Any] = field(default_factory=dict)


class Record:
    """The stages of the retraining `key` in `log`; `clock` says what time it is.

    `folder` gets the file that the report reads, if there is one. `unpublished` says why it could
    not be written; a retraining goes on without.
    """

    def __init__(
        self,
        log: PredictionLog,
        key: str,
        *,
        clock: Callable[[], pd.Timestamp],
        folder: Path | None = None,
    ) -> None:
        """Reads what is known of it."""
        self.key = key
        self._log, self._clock, self._folder = log, clock, folder
        self._mark = ""
        self.unpublished = ""
        self._rows = {row["stage"]: row for row in log.steps(key).to_dict("records")}

    @property
    def begun(self) -> bool:
        """Was anything of it saved?"""
        return bool(self._rows)

    @property
    def over(self) -> bool:
        """Has its last stage ended?"""
        return self._status(STAGES[-1]) in ("done", "skipped")

    def result(self, stage: str) -> dict[str, Any]:
        """What is saved with a stage, however it stands; empty before it has begun."""
        saved = self._rows.get(stage, {}).get("result", {})
        return {name: value for name, value in saved.items() if name != MARK}

    @property
    def settings(self) -> dict[str, Any]:
        """What it was begun with; empty before it has begun."""
        return dict(self.result(STAGES[0]).get("settings", {}))

    @property
    def table(self) -> pd.DataFrame:
        """`stage, status, seconds, attempts, told`: a row for each stage, in their order."""
        names = ["stage", "status", "seconds", "attempts", "told"]
        rows = [self._rows[stage] for stage in STAGES if stage in self._rows]
        return pd.DataFrame([{name: row[name] for name in names} for row in rows], columns=names)

    def done(self, stage: str) -> Done | None:
        """What a stage came to that has ended, done or skipped; None if it has not.

        Nor if it was made with other settings than those given to `use`.
        """
        if self._status(stage) not in ("done", "skipped"):
            return None
        if self._mark and self._rows[stage]["result"].get(MARK) != self._mark:
            return None
        return Done(self._rows[stage]["told"], self.result(stage))

    def had(self, stage: str) -> Done:
        """What a stage came to that must have ended; LookupError if it has not."""
        found = self.done(stage)
        if found is None:
            raise LookupError(f"the stage {stage} of {self.key} is not done, though others are.")
        return found

    @contextmanager
    def stage(self, stage: str, *, spent: float = 0.0, **result: Any) -> Iterator[Done]:  # noqa: ANN401 - any JSON value
        """Save that a stage has begun, and at the end what the caller made of the Done it gets.

        `spent` seconds of it went by before; `result` is saved from the beginning. An exception is
        saved with the stage, which then has failed, and goes on.
        """
        attempts = int(self._rows.get(stage, {}).get("attempts", 0)) + 1
        came_to, begun = Done(result=dict(result)), self._clock()
        self._save(stage, "running", begun, None, attempts, came_to)
        since = time.perf_counter() - spent
        try:
            yield came_to
        except (Exception, KeyboardInterrupt) as error:
            told = Done(f"{type(error).__name__}: {error}"[:2000], dict(result))
            with suppress(LogError):  # the store may be what has failed
                self._save(stage, "failed", begun, time.perf_counter() - since, attempts, told)
            raise
        self._save(stage, "done", begun, time.perf_counter() - since, attempts, came_to)

    def skip(self, stages: tuple[str, ...], came_to: Done) -> None:
        """Save that the last stages are not needed; the last of all ends the retraining."""
        for stage in stages:
            last = came_to if stage == STAGES[-1] else Done(came_to.told)
            self._save(stage, "skipped", self._clock(), None, 1, last)

    def use(self, settings: dict[str, Any]) -> None:
        """From now on only stages made with these settings count, and new ones are made with them.

        In the log each stage stands for itself: whenever a call is killed, the next one can tell
        what was made with other settings or rows.
        """
        text = json.dumps(settings, sort_keys=True)
        self._mark = hashlib.sha256(text.encode()).hexdigest()

    @property
    def given_up(self) -> bool:
        """Was it never ended, and will not be?"""
        return "given up" in self.result(STAGES[-1])

    def give_up(self, why: str) -> None:
        """Save that a retraining that was never ended will not be: what ran has failed."""
        for stage, row in self._rows.items():
            if row["status"] == "running":
                known = Done(why, dict(row["result"]))
                self._save(stage, "failed", row["started_at"], None, row["attempts"], known)
        self._save(STAGES[-1], "failed", self._clock(), None, 1, Done(why, {"given up": True}))

    def _status(self, stage: str) -> str:
        return str(self._rows.get(stage, {}).get("status", ""))

    def _save(
        self,
        stage: str,
        status: str,
        begun: pd.Timestamp,
        seconds: float | None,
        attempts: int,
        came_to: Done,
    ) -> None:
        row = {"key": self.key, "stage": stage, "status": status, "started_at": begun}
        row |= {"seconds": seconds, "attempts": int(attempts)}
        result = came_to.result | ({MARK: self._mark} if self._mark else {})
        row |= {"told": came_to.told, "result": result}
        self._log.save_step(row)
        self._rows[stage] = row
        self.publish()

    def publish(self) -> None:
        """Write the file that the report reads, also if a killed call could not any more."""
        if self._folder is None:
            return
        try:
            retrainings.update(self._folder, self._log.steps, self.key)
            self.unpublished = ""
        except OSError as error:  # the page may wait; a rollback must not
            self.unpublished = f"{self._folder / retrainings.FILE}: {error}"
