"""Exposures on their way to the log: a bounded number may wait, and each is stored once.

What was answered is handed over in batches, by the thread whose answer filled one: a hand-over may
hold one answer as long as the log takes (a locked SQLite file a minute, a PostgreSQL that hangs
until it is there again), while the other threads go on. What the log does not take waits here, in
memory, and when no more may wait there are no more answers: an experiment that decides what nobody
will ever know of cannot be analysed.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pandas as pd

from mlops_helpers.log_rows import checked
from mlops_helpers.predictions import PredictionLog
from mlops_helpers.tables import predictions

__all__ = ["BufferFull", "ExposureBuffer"]


class BufferFull(RuntimeError):
    """As many exposures wait for the log as may; nobody is answered until it takes them."""


class ExposureBuffer:
    """What waits for `log`: handed over `batch_rows` or more at a time, at most `buffer_rows`.

    Several threads may share it. What waits is lost if the process is killed; there is no hand-over
    by age, so with few applications a batch should be small.
    """

    def __init__(self, log: PredictionLog, *, batch_rows: int, buffer_rows: int) -> None:
        """Raises `ValueError` for sizes that cannot be, `TypeError` for what is no log."""
        if not isinstance(log, PredictionLog):
            raise TypeError(f"log came as {type(log).__name__}, must be a PredictionLog.")
        for name, rows in {"batch_rows": batch_rows, "buffer_rows": buffer_rows}.items():
            if not isinstance(rows, int) or isinstance(rows, bool):
                raise ValueError(f"{name} is {rows!r}, must be a whole number of rows.")
        if not 1 <= batch_rows <= buffer_rows:
            raise ValueError(
                f"batch_rows is {batch_rows} and buffer_rows {buffer_rows}; a batch has 1 row or "
                "more, and the buffer has room for one."
            )
        self._log, self._batch, self._room = log, batch_rows, buffer_rows
        self._waiting: list[pd.DataFrame] = []
        self._rows, self._promised, self._next_try = 0, 0, batch_rows
        self._counting, self._storing = threading.Lock(), threading.Lock()
        self._since: float | None = None  # when the hand-over under way began

    def __len__(self) -> int:
        """How many exposures wait."""
        return self._rows

    @contextmanager
    def room(self, n: int) -> Iterator[None]:
        """Room for `n` exposures, promised before they are answered.

        Raises `BufferFull` if there is none, after the log was asked once more to take what waits.
        """
        with self._counting:
            full = self._rows + self._promised + n > self._room
        fault = self.hand_over() if full and self._rows else ""
        with self._counting:
            taken = self._rows + self._promised
            if taken + n > self._room:
                raise BufferFull(
                    f"{n} applications and {taken} exposures that wait are more than buffer_rows "
                    f"== {self._room}; nobody was answered. {self._way_out(n, fault)}"
                )
            self._promised += n
        try:
            yield
        finally:
            with self._counting:
                self._promised -= n

    def put(self, exposures: pd.DataFrame) -> str:
        """Take exposures; hand a batch over if one is full, and say why it could not be, or "".

        Raises `ValueError` naming every column that the log could not keep; none waits then.
        """
        checked(exposures, predictions)
        with self._counting:
            self._waiting.append(exposures)
            self._rows += len(exposures)
            due = self._rows >= self._next_try
        return self.hand_over() if due else ""

    def flush(self) -> int:
        """Store what waits, and return how many rows were new to the log.

        Repeated after a failure it stores nothing twice, whether or not the log had stored the
        batch before it failed: `PredictionLog.append` knows predictions by their ids. Raises what
        the log raises; what is not stored waits on.
        """
        with self._storing:
            return self._store()

    def hand_over(self) -> str:
        """Store what waits, unless another thread is at it; why it could not be, or ""."""
        if not self._storing.acquire(blocking=False):
            return ""
        try:
            self._store()
        except Exception as error:  # noqa: BLE001 - told as a fault: the answers must go out
            self._next_try = self._rows + self._batch  # a locked store takes a minute to say so
            return f"{self._rows} exposures wait for the log: {type(error).__name__}: {error}"
        finally:
            self._storing.release()
        return ""

    def _store(self) -> int:
        """Store what waits; how many rows were new to the log."""
        self._since = time.monotonic()
        try:
            return sum(self._batches())
        finally:
            self._since = None

    def _way_out(self, n: int, fault: str) -> str:
        """What whoever finds no room for `n` can do."""
        if fault:
            return f"Mend the log, then flush: {fault}"
        if n > self._room:
            return "Ask with fewer at once."
        if (since := self._since) is not None:
            return (
                "Another thread has been handing over to the log for "
                f"{time.monotonic() - since:.1f} s: ask again when it is done; if that does not "
                "end, look after the log."
            )
        return "Others are being answered: ask again in a moment, or make the buffer larger."

    def _batches(self) -> Iterator[int]:
        """Store what waits, a transaction for each `batch_rows` or a little more; how many new."""
        while self._waiting:
            parts, rows = [], 0
            while rows < self._batch and len(parts) < len(self._waiting):
                parts.append(self._waiting[len(parts)])
                rows += len(parts[-1])
            yield self._log.append(pd.concat(parts, ignore_index=True))
            with self._counting:
                del self._waiting[: len(parts)]
                self._rows -= rows
        self._next_try = self._batch
