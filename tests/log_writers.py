"""Real processes that write one prediction log at once, some of them to be killed in mid-write."""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import sqlalchemy as sa

from mlops_helpers.contracts import NUMERIC
from mlops_helpers.predictions import PredictionLog

JANUARY = pd.Timestamp("2024-01-01", tz="UTC")
HALF_A_YEAR = pd.Timedelta(days=182)
PATIENCE = 120  # seconds, before a process that says nothing is a fault

# Forked from a server that has imported everything but has opened no database.
_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload([__name__])


def made_up(numbers: Sequence[int]) -> pd.DataFrame:
    """Predictions of which every value follows from its number: whoever sends it sends the same."""
    n = np.asarray(numbers, dtype="int64")
    probability = n * 7919 % 10_007 / 10_007
    frame = pd.DataFrame(
        {
            "prediction_id": [f"p{i:06d}" for i in n.tolist()],
            "application_id": [f"a{i // 2}" for i in n.tolist()],
            "model_version": 1 + n % 3,
            "scored_at": JANUARY + pd.to_timedelta(n % 1009 * 37_000_001, unit="us"),
            "probability": probability,
            "decision": np.where(probability < 0.2, "approve", "decline"),
            "experiment": pd.Series(np.where(n % 5 == 0, "first", None), dtype="object"),
            "variant": pd.Series(np.where(n % 5 == 0, "control", None), dtype="object"),
            "latency_ms": np.where(n % 11 == 0, np.nan, n % 97 / 8),
        }
    )
    for place, name in enumerate(NUMERIC):
        frame[name] = np.where((n + place) % 7 == 0, np.nan, n / 3 + place)
    frame["loan_purpose"] = np.where(n % 2 == 0, "car", "größeres Auto")
    frame["home_ownership"] = "RENT"
    return frame


def labels(numbers: Sequence[int], default: int | None = None) -> pd.DataFrame:
    """Their outcomes half a year later; a label of their own, or `default` for all."""
    rows = made_up(numbers)
    own = np.asarray(numbers) % 4 == 0
    return pd.DataFrame(
        {
            "prediction_id": rows["prediction_id"],
            "default": own.astype("int64") if default is None else default,
            "outcome_at": rows["scored_at"] + HALF_A_YEAR,
        }
    )


def numbers_of(frame: pd.DataFrame) -> list[int]:
    """Which of the made-up predictions a frame holds, in its order."""
    return frame["prediction_id"].str[1:].astype("int64").tolist()


@contextmanager
def process(work: Any, *arguments: object) -> Iterator[tuple[BaseProcess, Connection]]:
    """A process that does `work(told, *arguments)`, and our end of its pipe; ended at the end."""
    ours, theirs = _PROCESSES.Pipe()
    child = _PROCESSES.Process(target=work, args=(theirs, *arguments))
    child.start()
    theirs.close()
    try:
        yield child, ours
    finally:
        if child.is_alive():
            child.kill()
        child.join(PATIENCE)
        ours.close()


def heard(told: Connection) -> Any:
    """What it says next; EOFError when it ends, TimeoutError when it is silent."""
    if not told.poll(PATIENCE):
        raise TimeoutError(f"a process has said nothing for {PATIENCE} s")
    return told.recv()


def everything(told: Connection) -> list[Any]:
    """What it says until it ends."""
    said = []
    while True:
        try:
            said.append(heard(told))
        except EOFError:
            return said


def killed(child: BaseProcess) -> bool:
    """Wait until it has ended; whether by SIGKILL (True) or by itself and without fault (False)."""
    child.join(PATIENCE)
    assert child.exitcode in (0, -signal.SIGKILL), f"ended with {child.exitcode}"
    return child.exitcode != 0


def write(
    told: Connection, url: str, batches: Sequence[Sequence[int]], stop_at: int | None = None
) -> None:
    """Append the batches; tell each one's number and how many of its rows were new.

    Starts at a word from the parent. In batch `stop_at` it says "inside" when all rows are written
    and the transaction is about to be committed, and waits there to be killed.
    """
    with PredictionLog(url) as log:
        told.send("open")
        heard(told)
        for number, batch in enumerate(batches):
            if number == stop_at:
                sa.event.listen(sa.Engine, "commit", lambda _: _wait_for_the_end(told))
            told.send((number, log.append(made_up(batch))))


def _wait_for_the_end(told: Connection) -> None:
    told.send("inside")
    time.sleep(10 * PATIENCE)


def write_until_tick(told: Connection, url: str, batches: Sequence[Sequence[int]], at: int) -> None:
    """As `write`, on SQLite, from the making of the store on; killed in the `at`-th tick.

    A tick is a hundred steps of the database's own machine: in the middle of statements, not
    between them. With 0 it lives, and tells in the end how many ticks there are.
    """
    ticks = 0

    def tick() -> int:
        nonlocal ticks
        ticks += 1
        if ticks == at:
            os.kill(os.getpid(), signal.SIGKILL)
        return 0

    def count(connection: Any, _: object) -> None:
        connection.set_progress_handler(tick, 100)

    sa.event.listen(sa.pool.Pool, "connect", count)
    with PredictionLog(url) as log:
        for number, batch in enumerate(batches):
            told.send((number, log.append(made_up(batch))))
    told.send(ticks)


def label(told: Connection, url: str, batches: Sequence[pd.DataFrame]) -> None:
    """Record the outcomes at a word from the parent; tell each batch's receipt."""
    with PredictionLog(url) as log:
        told.send("open")
        heard(told)
        for batch in batches:
            receipt = log.record_outcomes(batch)
            told.send((receipt.stored, receipt.repeated, receipt.unknown, receipt.contradicting))


def append_and_label(told: Connection, url: str, batches: Sequence[Sequence[int]]) -> None:
    """For each batch its predictions in one transaction and its labels in the next."""
    with PredictionLog(url) as log:
        told.send("open")
        heard(told)
        for number, batch in enumerate(batches):
            log.append(made_up(batch))
            log.record_outcomes(labels(batch))
            told.send(number)


def write_on_a_full_disk(told: Connection, url: str, batches: Sequence[Sequence[int]]) -> None:
    """Append until no file may grow, then go on when it may; tell what came of each batch."""
    with PredictionLog(url) as log:
        told.send((0, log.append(made_up(batches[0]))))
        _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
        path = sa.make_url(url).database
        resource.setrlimit(resource.RLIMIT_FSIZE, (Path(path).stat().st_size + 8192, most))
        for number, batch in enumerate(batches):
            try:
                told.send((number, log.append(made_up(batch))))
            except Exception as error:  # noqa: BLE001 - told to the parent, which judges it
                told.send((number, type(error).__name__, str(error)))
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
        for number, batch in enumerate(batches):
            told.send((number, log.append(made_up(batch))))
