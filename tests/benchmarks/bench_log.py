"""The prediction log: appending against SQLite's driver, and how it grows to ten million rows.

All on SQLite files. What is compared writes the same rows into the same tables with the same
settings; stores are made, and rows prepared for the driver, before the clock starts.
"""

from __future__ import annotations

import itertools
import json
import sqlite3
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from mlops_helpers import log_store
from mlops_helpers.contracts import NUMERIC
from mlops_helpers.log_reading import window_query
from mlops_helpers.log_rows import checked
from mlops_helpers.predictions import OutcomeReceipt, PredictionLog
from mlops_helpers.tables import predictions
from tests.benchmarks.measuring import Ratio, paired, seconds

pytestmark = pytest.mark.timeout(1800)  # a log of ten million rows on a busy machine

BEGIN = pd.Timestamp("2022-01-01", tz="UTC")
YEARS = pd.Timedelta(days=3 * 365)
DAY = pd.Timedelta(days=1)
SIZES = (10_000, 100_000, 1_000_000, 10_000_000)
BATCH = 500_000  # rows of one append
PRAGMAS = (
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    f"PRAGMA cache_size=-{log_store._WRITE_CACHE_KIB}",
)
INSERT = f"INSERT INTO predictions VALUES ({', '.join('?' * len(predictions.columns))})"
numbers = itertools.count()

READ = """
import json, re, sys, time
from pathlib import Path
from mlops_helpers.predictions import PredictionLog
with PredictionLog(sys.argv[1]) as log:
    begun = time.perf_counter()
    chunks = [len(chunk) for chunk in log.windows()]
    spent = time.perf_counter() - begun
status = Path("/proc/self/status").read_text()
peak = int(re.search(r"VmHWM:\\s+(\\d+) kB", status)[1])
print(json.dumps({"rows": sum(chunks), "largest": max(chunks), "seconds": spent, "peak": peak}))
"""


def rows(n: int, first: int = 0, total: int | None = None) -> pd.DataFrame:
    """Rows `first` to `first + n` of `total`, in order of time over three years, ids at random."""
    rng = np.random.default_rng(first)
    digits = rng.bytes(16 * n).hex()
    ids = [digits[i : i + 32] for i in range(0, 32 * n, 32)]
    step = YEARS / (total or n)
    probability = rng.uniform(size=n)
    frame = pd.DataFrame(
        {
            "prediction_id": [f"{d[:8]}-{d[8:12]}-{d[12:16]}-{d[16:20]}-{d[20:]}" for d in ids],
            "application_id": [f"A{number:09d}" for number in range(first, first + n)],
            "model_version": rng.integers(1, 4, size=n),
            "scored_at": BEGIN + step * np.arange(first, first + n),
            "probability": probability,
            "decision": np.where(probability < 0.2, "approve", "decline"),
            "experiment": None,
            "variant": None,
            "latency_ms": rng.gamma(2.0, 3.0, size=n),
        }
    )
    for name in NUMERIC:
        frame[name] = np.where(rng.uniform(size=n) < 0.02, np.nan, rng.normal(size=n))
    frame["loan_purpose"] = rng.choice(["car", "debt consolidation", "wedding"], size=n)
    frame["home_ownership"] = rng.choice(["rent", "own", "mortgage"], size=n)
    return frame


@pytest.fixture
def empty(tmp_path):
    """Make the file of an empty log, another one each time."""

    def make() -> Path:
        path = tmp_path / f"{next(numbers)}.db"
        PredictionLog(f"sqlite:///{path}").close()
        return path

    return make


def opened(path: Path) -> sqlite3.Connection:
    """A connection of the driver's with the settings of the log."""
    connection = sqlite3.connect(path, isolation_level=None)
    for pragma in PRAGMAS:
        connection.execute(pragma)
    return connection


def as_tuples(frame: pd.DataFrame) -> list[tuple]:
    """The rows as the driver takes them."""
    return [
        row
        for chunk in checked(frame, predictions).in_chunks(10_000)
        for row in zip(*chunk, strict=True)
    ]


def count(path: Path) -> int:
    """How many predictions a file holds."""
    connection = sqlite3.connect(path)
    found = connection.execute("SELECT count(*) FROM predictions").fetchone()[0]
    connection.close()
    return found


def test_append_against_a_row_at_a_time(empty, figures):
    """At least 150 times the rows per second of opening, inserting and committing each row.

    The slow way is timed on the first 500 of the 50,000 rows: it would take minutes, and its time
    for a row does not depend on how many follow.
    """
    frame = rows(50_000)
    slow_rows = as_tuples(frame.head(500))

    def one_at_a_time(path: Path) -> None:
        for row in slow_rows:
            connection = opened(path)
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(INSERT, row)
            connection.execute("COMMIT")
            connection.close()

    def append(path: Path) -> None:
        with PredictionLog(f"sqlite:///{path}") as log:
            log.append(frame)

    pairs = []
    for number in range(6):
        paths = empty(), empty()
        order = (0, 1) if number % 2 else (1, 0)
        work = (lambda p=paths: one_at_a_time(p[0]), lambda p=paths: append(p[1]))
        spent = {which: seconds(work[which]) for which in order}
        assert (count(paths[0]), count(paths[1])) == (len(slow_rows), len(frame))
        pairs.append((spent[0] * len(frame) / len(slow_rows), spent[1]))
    ratio = Ratio(
        statistics.median(slow / fast for slow, fast in pairs),
        *(statistics.median(pair[which] for pair in pairs) for which in (0, 1)),
        len(pairs),
    )
    name = "50,000 rows: a row at a time (from 500 of them) / append"
    figures.bar(name, ratio, at_least=150)


def test_append_against_bare_executemany(empty, figures):
    """At least 40 % of the rows per second of the driver's `executemany`, given ready tuples.

    `append` opens the log, checks and converts the frame, and tells new rows from known ones.
    """
    frame = rows(200_000)
    ready = as_tuples(frame)
    paths = iter([empty() for _ in range(2 * 6)])

    def bare() -> None:
        connection = opened(next(paths))
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(INSERT, ready)
        connection.execute("COMMIT")
        connection.close()

    def append() -> None:
        with PredictionLog(f"sqlite:///{next(paths)}") as log:
            assert log.append(frame) == len(frame)

    ratio = paired(bare, append, times=5)
    figures.bar("200,000 rows: bare executemany / append", ratio, at_least=0.4)


@pytest.fixture(scope="module")
def logs(tmp_path_factory) -> Iterator[dict[int, tuple[str, float]]]:
    """A log of each size, and the seconds that appending its rows took; gone at the end."""
    folder = tmp_path_factory.mktemp("growth")
    made = {}
    for size in SIZES:
        tries = []
        for _ in range(max(1, 30_000 // size)):
            path = folder / f"{next(numbers)}.db"
            spent = 0.0
            with PredictionLog(f"sqlite:///{path}") as log:
                for first in range(0, size, BATCH):
                    frame = rows(min(BATCH, size - first), first, size)
                    begun = time.perf_counter()
                    new = log.append(frame)
                    spent += time.perf_counter() - begun
                    assert new == len(frame)
            tries.append(spent)
        made[size] = f"sqlite:///{path}", statistics.median(tries)
    yield made
    for path in folder.iterdir():
        path.unlink()


def exponent(spent: dict[int, float]) -> Ratio:
    """The slope of log seconds over log rows, and the seconds of most and of fewest rows."""
    sizes = np.array(sorted(spent))
    slope = np.polyfit(np.log(sizes), np.log([spent[size] for size in sizes]), 1)[0]
    return Ratio(float(slope), spent[sizes[-1]], spent[sizes[0]], len(sizes))


def test_appending_grows_with_the_rows(logs, figures):
    """From ten thousand to ten million rows, in batches: exponent at most 1.1."""
    spent = {size: seconds for size, (_, seconds) in logs.items()}
    for size in SIZES:
        figures.note(f"append {size:,} rows", spent[size] / size * 1e6, "us a row")
    figures.bar("append, 10^7 : 10^4 rows: exponent", exponent(spent), at_most=1.1)


def test_reading_in_chunks_grows_with_the_rows_and_its_memory_does_not(logs, figures):
    """Exponent at most 1.1, and a process that reads 10^7 rows needs no more than one with 10^5.

    In a process of its own each: peak memory is that of the whole process.
    """
    found = {}
    for size, (url, _) in logs.items():
        command = [sys.executable, "-c", READ, url]
        tries = []
        for _ in range(max(1, 30_000 // size)):
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            tries.append(json.loads(done.stdout))
        found[size] = sorted(tries, key=lambda one: one["seconds"])[len(tries) // 2]
        assert found[size]["rows"] == size
        assert found[size]["largest"] <= 50_000
    for size, one in found.items():
        told = f"peak {one['peak'] / 1024:,.0f} MB"
        figures.note(f"read {size:,} rows in chunks", one["seconds"] / size * 1e6, "us a row", told)
    spent = {size: one["seconds"] for size, one in found.items()}
    figures.bar("read in chunks, 10^7 : 10^4 rows: exponent", exponent(spent), at_most=1.1)
    peaks = found[SIZES[-1]]["peak"], found[100_000]["peak"]
    memory = Ratio(peaks[0] / peaks[1], *(spent[size] for size in (SIZES[-1], 100_000)), 1)
    figures.bar("read in chunks, 10^7 / 10^5 rows: peak memory", memory, at_most=1.1)


def test_a_day_of_ten_million_rows(logs, figures):
    """Milliseconds, through the index on time: some 9,000 rows as a frame, and counted."""
    url, _ = logs[SIZES[-1]]
    query = window_query(BEGIN, BEGIN + DAY, model_version=None, experiment=None)
    with PredictionLog(url) as log:
        with log_store.reading(log._engine) as connection:
            compiled = query.compile(dialect=sqlite.dialect(), compile_kwargs={"literal_binds": 1})
            plan = connection.execute(sa.text(f"EXPLAIN QUERY PLAN {compiled}")).all()
        said = " / ".join(row[-1] for row in plan)
        index = "SEARCH predictions USING INDEX predictions_by_time (scored_at>? AND scored_at<?)"
        assert index in said
        assert "SCAN" not in said
        days = [BEGIN + number * 71 * DAY for number in range(15)]
        lengths = [len(log.window(day, day + DAY)) for day in days]
        assert min(lengths) > 9_000
        spent = [seconds(lambda day=day: log.window(day, day + DAY)) for day in days]
        counted = [seconds(lambda day=day: log.daily_volume(day, day + DAY)) for day in days]
    median = statistics.median(spent)
    assert median < 0.1, f"{median * 1000:.0f} ms"
    figures.note("a day of 10^7 rows as a frame", median * 1000, "ms", said)
    figures.note("a day of 10^7 rows counted", statistics.median(counted) * 1000, "ms")


def test_a_million_labels_at_once(logs, figures):
    """Stored, and sent again, in seconds: no label costs more than ten times its prediction did."""
    url, spent = logs[1_000_000]
    with PredictionLog(url) as log:
        ids = pd.concat([chunk[["prediction_id", "scored_at"]] for chunk in log.windows()])
        ids = ids.sample(frac=1.0, random_state=1)  # labels come in an order of their own
        arrived = ids.assign(default=0, outcome_at=ids["scored_at"] + 182 * DAY)
        receipts = []
        first = seconds(lambda: receipts.append(log.record_outcomes(arrived)))
        again = seconds(lambda: receipts.append(log.record_outcomes(arrived)))
    assert receipts == [OutcomeReceipt(1_000_000, 0, 0, 0), OutcomeReceipt(0, 1_000_000, 0, 0)]
    ratio = Ratio(first / spent, first, spent, 1)
    figures.bar("1,000,000 rows: record_outcomes / append", ratio, at_most=10)
    figures.note("1,000,000 outcomes sent again", again, "s")
