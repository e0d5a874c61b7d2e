"""The sums of an experiment in the log: growth to ten million exposures, memory, the same figures.

Exposures are made inside the database. Seconds are the processor's of the process that asks, which
on SQLite does all the work: they do not depend on what else the machine does.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Iterator

import pandas as pd
import pytest
import sqlalchemy as sa

from mlops_helpers import log_store
from mlops_helpers.exposure_sums import (
    CELL_SUMS,
    CROSSED,
    REPEATED,
    STRANGE,
    compared_until,
    complete_until,
    from_rows,
)
from mlops_helpers.predictions import PredictionLog
from tests.benchmarks.bench_log import exponent
from tests.benchmarks.measuring import Ratio, seconds
from tests.test_log_experiments import plan_of

pytestmark = pytest.mark.timeout(1800)  # ten million exposures on a busy machine

NAME = "bench"
SIZES = (100_000, 1_000_000, 10_000_000)
TESTED = {"covariate": "annual_income", "label_delay": pd.Timedelta(days=182)}
PLAN = plan_of(NAME, size=SIZES[-1], **TESTED)  # not reached: areas of all complete months
AS_OF = pd.Timestamp("2024-11-15T12:34:56Z")
# three years of applications in order of time, ids at random; one in 1,000 comes again, one in
# 5,000 meets the other arm, one in 500 of the treatment was answered by control
MAKE = """
INSERT INTO predictions (prediction_id, application_id, model_version, scored_at, probability,
    decision, experiment, variant, loan_amount, annual_income)
WITH RECURSIVE numbers(i) AS (
    SELECT CAST(0 AS BIGINT) UNION ALL SELECT i + 1 FROM numbers WHERE i + 1 < {n}
), drawn AS (
    SELECT i, CASE WHEN i % 1000 = 7 THEN i - 7 ELSE i END AS unit,
        (i * 1103515245 + 12345) % 2147483647 / CAST(2147483647 AS DOUBLE PRECISION) AS a,
        (i * 1664525 + 1013904223) % 2147483647 / CAST(2147483647 AS DOUBLE PRECISION) AS b
    FROM numbers
), placed AS (
    SELECT i, unit, a, b, CASE WHEN i % 5000 = 7 THEN 1 ELSE 0 END AS other,
        unit * 2654435761 / 65536 % 2 AS arm
    FROM drawn
)
SELECT CAST(i * 2654435761 % 4294967296 AS TEXT), CAST(unit AS TEXT),
    CASE WHEN i % 500 = 3 THEN 1 ELSE 1 + arm END,
    1640995200000000 + i * (94608000000000 / {n}), a,
    CASE WHEN a < 0.3 THEN 'approve' ELSE 'decline' END, '{name}',
    CASE WHEN i % 100000 = 5 THEN 'elsewhere' WHEN (arm + other) % 2 = 0 THEN 'control'
        ELSE 'treatment' END,
    1000 + 20000 * b * b, 20000 + 80000 * b
FROM placed
"""
LABEL = """
INSERT INTO outcomes (prediction_id, "default", outcome_at)
SELECT prediction_id,
    CASE WHEN scored_at / 9973 % 1000 < 1000 * probability THEN 1 ELSE 0 END,
    scored_at + 86400000000 * 182
FROM predictions WHERE decision = 'approve' AND scored_at / 7919 % 50 <> 0
"""
ASK = """
import json, re, sys, time
from pathlib import Path
from mlops_helpers.predictions import PredictionLog
from tests.benchmarks.bench_experiments import AS_OF, PLAN
with PredictionLog(sys.argv[1]) as log:
    begun, worked = time.perf_counter(), time.process_time()
    sums = log.exposure_sums(PLAN, as_of=AS_OF)
    wall, spent = time.perf_counter() - begun, time.process_time() - worked
status = Path("/proc/self/status").read_text()
peak = int(re.search(r"VmHWM:\\s+(\\d+) kB", status)[1])
told = {"n": int(sums.cells["n"].sum()), "seconds": spent, "wall": wall, "peak": peak}
print(json.dumps(told | {"left out": sums.left_out, "cells": len(sums.cells)}))
"""


def filled(url: str, n: int) -> None:
    """A log of so many exposures and the outcomes of those that were approved."""
    with PredictionLog(url) as log, log_store.writing(log._engine) as connection:
        connection.execute(sa.text(MAKE.format(n=n, name=NAME)))
        connection.execute(sa.text(LABEL))


@pytest.fixture(scope="module")
def logs(tmp_path_factory) -> Iterator[dict[int, str]]:
    """A log of each size; gone at the end."""
    folder = tmp_path_factory.mktemp("exposures")
    urls = {n: f"sqlite:///{folder / f'{n}.db'}" for n in SIZES}
    for n, url in urls.items():
        filled(url, n)
    yield urls
    for path in folder.iterdir():
        path.unlink()


def test_sums_grow_with_the_exposures_and_memory_does_not(logs, figures):
    """10^5 to 10^7: exponent at most 1.15 (a sort is n log n: 1.08), peak memory at most 1.1 x.

    In a process of its own each: peak memory is that of the whole process.
    """
    found = {}
    for n, url in logs.items():
        tries = []
        for _ in range(3 if n < SIZES[-1] else 1):
            command = [sys.executable, "-c", ASK, url]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            tries.append(json.loads(done.stdout))
        found[n] = sorted(tries, key=lambda one: one["seconds"])[len(tries) // 2]
        told = found[n]["left out"]
        assert found[n]["n"] + sum(told.values()) < n + 1, "those after the look are not there"
        assert min(told[STRANGE], told[CROSSED], told[REPEATED]) > 0
    for n, one in found.items():
        told = f"{one['wall']:,.1f} s by the clock, peak {one['peak'] / 1024:,.0f} MB"
        figures.note(f"sums of {n:,} exposures", one["seconds"] / n * 1e6, "us a row", told)
    spent = {n: one["seconds"] for n, one in found.items()}
    figures.bar("sums, 10^7 : 10^5 exposures: exponent", exponent(spent), at_most=1.15)
    most, fewest = found[SIZES[-1]], found[SIZES[0]]
    memory = Ratio(most["peak"] / fewest["peak"], most["seconds"], fewest["seconds"], 1)
    figures.bar("sums, 10^7 / 10^5 exposures: peak memory", memory, at_most=1.1)


@pytest.mark.parametrize(("n", "size"), [(n, size) for n in SIZES[:2] for size in (n // 5, n)])
def test_sums_are_those_of_the_rows(logs, figures, n, size):
    """Of 10^5 and 10^6 exposures: counts the same, sums and AUCs to 1e-9; and how much faster.

    With a planned size that is reached on the way, and one that is not.
    """
    plan = plan_of(NAME, size=size, **TESTED)
    with PredictionLog(logs[n]) as log:
        answers = []
        by_database = seconds(lambda: answers.append(log.exposure_sums(plan, as_of=AS_OF)))
        by_rows = seconds(
            lambda: answers.append(from_rows(log.window(experiment=NAME), plan, as_of=AS_OF))
        )
    far = largest_difference(*answers)
    assert far <= 1e-9
    until = compared_until(answers[0].cells, plan, AS_OF)
    assert (until < complete_until(plan, AS_OF)) == (size < n)
    told = f"{by_database:.1f} s in the database, {by_rows:.1f} s through rows"
    name = f"{n:,} exposures, size {size:,}: largest relative difference"
    figures.note(name, far, "", told)


def test_sums_of_a_server(postgres_url, figures):
    """PostgreSQL, 10^6 exposures: the same figures to 1e-9."""
    n = SIZES[1]
    filled(postgres_url, n)
    with PredictionLog(postgres_url) as log:
        answers = []
        ask = lambda: answers.append(log.exposure_sums(PLAN, as_of=AS_OF))  # noqa: E731
        spent = statistics.median(seconds(ask) for _ in range(3))
        far = largest_difference(
            answers[0], from_rows(log.window(experiment=NAME), PLAN, as_of=AS_OF)
        )
    assert far <= 1e-9
    figures.note(f"PostgreSQL, {n:,} exposures", spent, "s", f"largest difference {far:.1g}")


def largest_difference(found, wanted) -> float:
    """Relative, of all sums, areas and variances; what is counted must be the same."""
    counted = [name for name in found.cells if name not in CELL_SUMS[1:]]
    pd.testing.assert_frame_equal(found.cells[counted], wanted.cells[counted])
    assert (found.left_out, found.seen) == (wanted.left_out, wanted.seen)
    kinds = ["positives", "negatives"]
    pd.testing.assert_frame_equal(found.aucs[kinds], wanted.aucs[kinds])
    pairs = [
        (found.cells[list(CELL_SUMS)], wanted.cells[list(CELL_SUMS)]),
        (found.aucs[["auc", "variance"]], wanted.aucs[["auc", "variance"]]),
    ]
    return max(float(((a - b).abs() / b.abs()).max(axis=None)) for a, b in pairs)
