"""Exposures on their way to the log: a bounded number may wait, and each is stored once.

An answer does not wait for the log. What was answered is handed over in batches; while the log is
away it waits here, in memory, and when no more may wait there are no more answers: an experiment
that decides what nobody will ever know of cannot be analysed.
"""

from __future__ import annotations

import threading
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

    Several threads may share it. What waits is lost if the process is killed.
    """

    def __init__(self, log: PredictionLog, *, batch_rows: int, buffer_rows: int) -> None:
        """Raises `ValueError` for sizes that cannot be."""
        if not 1 <= batch_rows <= buffer_rows:
            raise ValueError(
                f"batch_rows is {batch_rows} and buffer_rows {buffer_rows}; a batch has 1 row or "
                "more, and the buffer has room for one."
            )
        self._log, self._batch, self._room = log, batch_rows, buffer_rows
        self._waiting: list[pd.DataFrame] = []
        self._rows, self._promised, self._next_try = 0, 0, batch_rows
        self._counting, self._storing = threading.Lock(), threading.Lock()

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
                way = f"Mend the log, then flush: {fault}" if fault else "Ask with fewer at once."
                raise BufferFull(
                    f"{n} applications and {taken} exposures that wait are more than buffer_rows "
                    f"== {self._room}; nobody was answered. {way}"
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
            return sum(self._batches())

    def hand_over(self) -> str:
        """Store what waits, unless another thread is at it; why it could not be, or ""."""
        if not self._storing.acquire(blocking=False):
            return ""
        try:
            for _ in self._batches():
                pass
        except Exception as error:  # noqa: BLE001 - told as a fault: the answers must go out
            self._next_try = self._rows + self._batch  # a locked store takes a minute to say so
            return f"{self._rows} exposures wait for the log: {type(error).__name__}: {error}"
        finally:
            self._storing.release()
        return ""

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
