"""Real processes that retrain one small lender: killed before a chosen write, or two at once."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mlflow import MlflowClient

from mlops_helpers import log_store, retrainings
from mlops_helpers import registry as registry_module
from mlops_helpers.retrain_place import AtWork, RetrainPlace
from tests.contending import CHANGES, easy_gate
from tests.retrain_world import DAY, go, loans


class Writes:
    """Counts what a process writes, call by call, and kills it right before the `at`-th.

    A write is a call of MLflow's client that changes something, a transaction of the log, or the
    report's file. What such a call calls itself is part of it.
    """

    def __init__(self, at: int) -> None:
        """With 0 nothing is killed."""
        self.count, self._at, self._inside = 0, at, threading.local()

    def watch(self) -> None:
        """From now on, and for the rest of the process."""
        for name in dir(MlflowClient):
            if name.startswith(CHANGES):
                setattr(MlflowClient, name, self._counted(getattr(MlflowClient, name)))
        retrainings.write = self._counted(retrainings.write)
        writing = log_store.writing

        @contextmanager
        def counted(*given: object) -> Iterator[Any]:
            self._tick()
            with writing(*given) as connection:
                yield connection

        log_store.writing = counted

    def _counted(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: object, **more: object) -> object:
            if getattr(self._inside, "depth", 0):
                return function(*args, **more)
            self._tick()
            self._inside.depth = 1
            try:
                return function(*args, **more)
            finally:
                self._inside.depth = 0

        return call

    def _tick(self) -> None:
        self.count += 1
        if self.count == self._at:
            os.kill(os.getpid(), signal.SIGKILL)


@contextmanager
def killer() -> Iterator[Callable[..., int]]:
    """A function that has a new process retrain and be killed; comes back with its writes, or -1.

    Orders: `place` (RetrainPlace as a mapping), `at` (0: not killed), `as_of`.
    """
    child = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "tests.retrain_killing"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        cwd=Path(__file__).parents[1],
    )  # fmt: skip

    def kill(place: RetrainPlace, at: int, **more: object) -> int:
        known = {**vars(place), "folder": str(place.folder)}
        child.stdin.write(json.dumps({"place": known, "at": at, **more}) + "\n")
        child.stdin.flush()
        return int(child.stdout.readline())

    try:
        yield kill
    finally:
        child.stdin.close()
        child.wait(timeout=60)
        child.stdout.close()


def place_of(known: dict[str, Any]) -> RetrainPlace:
    """The place that an order names."""
    return RetrainPlace(**{**known, "folder": Path(known["folder"])})


def main() -> None:
    """Fork for each order on standard input, before any store is open, and tell how it ended."""
    frame = loans()
    for line in sys.stdin:
        order = json.loads(line)
        reading, writing = os.pipe()
        forked = os.fork()
        if not forked:
            os.close(reading)
            writes = Writes(order["at"])
            writes.watch()
            with contextlib.suppress(AtWork):
                go(place_of(order["place"]), frame, order.get("as_of", DAY))
            os.write(writing, str(writes.count).encode())
            os._exit(0)
        os.close(writing)
        with os.fdopen(reading) as told:
            count = told.read()
        code = os.waitstatus_to_exitcode(os.waitpid(forked, 0)[1])
        assert code in (0, -signal.SIGKILL), f"{order}: ended with {code}"
        print(count if code == 0 else -1, flush=True)


if __name__ == "__main__":
    registry_module.standard_checks = easy_gate
    main()
