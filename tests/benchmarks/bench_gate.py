"""What the gate costs: seconds for each 10,000 rows, check by check."""

from __future__ import annotations

from functools import partial

import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from mlops_helpers.data import TARGET, Split, simulate_applications
from mlops_helpers.features import build_pipeline
from mlops_helpers.gate import Check
from mlops_helpers.gate_checks import standard_checks
from mlops_helpers.gate_policy import GatePolicy
from tests.benchmarks.measuring import seconds
from tests.loans_on_record import small_split
from tests.subjects import subject

ROWS = 10_000
MOST = 10.0
"""Seconds that the whole gate may take for so many rows."""


@pytest.fixture(scope="module")
def pair():
    """A candidate and a champion, and the rows they are judged on."""
    train = small_split().train
    rows = simulate_applications(ROWS, seed=8, start=pd.Timestamp("2022-07-01", tz="UTC"))
    split = Split(train, rows.sort_values("applied_at", ignore_index=True))
    models = (
        build_pipeline(LogisticRegression(C=c, max_iter=500)).fit(train, train[TARGET])
        for c in (1.0, 0.5)
    )
    candidate, champion = (subject(m, split, n) for n, m in enumerate(models, start=1))
    return candidate, champion, split.holdout


def passes(name: str, check: Check) -> None:
    """Run a check; a refusal would be the price of something else."""
    found = check()
    assert found.passed, f"{name}: {found.evidence}"


def test_the_gate_by_check(pair, figures):
    """Each check takes its share; what is shared is paid by the check that asks first."""
    checks = standard_checks(*pair, GatePolicy())
    spent = {}
    for name, check in checks.items():
        spent[name] = seconds(partial(passes, name, check))
        figures.note(f"gate: {name}", spent[name], "s", "per 10,000 rows")
    whole = sum(spent.values())
    figures.note("gate: all checks", whole, "s", f"per 10,000 rows, at most {MOST:g}")
    assert 0 < whole < MOST, f"the gate took {whole:.1f} s for {ROWS:,} rows"
