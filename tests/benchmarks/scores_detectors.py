"""Print the scores of the detectors and of the causes: python -m tests.benchmarks.scores_detectors.

False alarms in 1,000 quiet months, power by rows in a month, months to detection, and how often a
cause is read rightly. The small versions of these are tests; this one has the repetitions that its
figures need (about half an hour).
"""

from __future__ import annotations

import sys

import pandas as pd

from mlops_helpers.cause_scores import JUDGED, confusion, lives, movements
from mlops_helpers.detector_scores import false_alarms, months_to_detection, power
from mlops_helpers.worlds import WORLDS

BESIDES = (
    "everybody riskier",
    "incomes -10 %",
    "recession and policy",
    "5 % in per cent",
    "2 % missing",
    "incomes of others",
    "the safest apply",
    "income by the month",
    "purposes in capitals",
    "debt all 0",
    "history all 0",
    "homes swapped",
)
SIZES = (500, 1000, 3000)


def show(title: str, table: pd.DataFrame) -> None:
    """Print a table under its title, all of it."""
    print(f"\n{title}", flush=True)
    print(table.round(3).to_string(), flush=True)


def alarms_and_waits(scale: float) -> None:
    """False alarms, power and months to detection."""
    for rows in (1000, 300, 100):
        months = max(20, round(50 * scale)) * 20
        quiet = false_alarms(seed=2026, months=months, rows=rows, references=20)
        show(f"false alarms in {months} quiet months of {rows} rows", quiet.set_index("detector"))
    months = max(20, round(20 * scale)) * 20
    quiet = false_alarms(seed=2027, months=months, rows=1000, references=20, classifier=True)
    show(f"with the classifier, {months} quiet months of 1000 rows", quiet.set_index("detector"))
    repeats = max(2, round(10 * scale)) * 10
    table = power(rows=1000, repeats=repeats, references=10, seed=6, classifier=True)
    wide = table.pivot(index="world", columns="detector", values="power")
    show(f"power with the classifier, {repeats} months of 1000 rows", wide.loc[list(WORLDS)])
    table = power(rows=list(SIZES), repeats=repeats, references=10, seed=5)
    for rows, part in table.groupby("rows"):
        wide = part.pivot(index="world", columns="detector", values="power")
        shown = wide.loc[list(WORLDS), list(dict.fromkeys(part["detector"]))]
        show(f"power, {repeats} months of {rows} rows", shown)
    lived = max(10, round(40 * scale))
    table = months_to_detection(rows=1000, sequences=lived, seed=7)
    for what in ("months", "never"):
        wide = table.pivot(index="world", columns="detector", values=what)
        shown = wide.loc[list(WORLDS), list(dict.fromkeys(table["detector"]))]
        show(f"{what} to detection, {lived} lives of 12 months of 1000 rows", shown)


def readings(scale: float) -> None:
    """Which signals each cause moves, and how it is read, by rows in the window."""
    for rows in (500, 1000, 3000):
        repeats = max(10, round(100 * scale))
        lived = lives([*JUDGED, *BESIDES], seed=11, repeats=repeats, rows=rows)
        show(f"share of {repeats} windows of {rows} rows in which it moved", movements(lived))
        show("read without labels", confusion(lived, labels=False))
        show("read with labels", confusion(lived, labels=True))


if __name__ == "__main__":
    size = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0
    if "causes" not in sys.argv:
        alarms_and_waits(size)
    if "detectors" not in sys.argv:
        readings(size)
