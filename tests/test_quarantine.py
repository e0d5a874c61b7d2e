"""A row is broken exactly when the contract says so, one row at a time."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_helpers.contracts import FEATURES, inspect_applications
from mlops_helpers.quarantine import broken_cells, broken_rows, schema_fault
from mlops_helpers.worlds import WORLDS, draw_world

GOOD = draw_world("quiet", 40, seed=1).astype({"default": float})
FAULTS = {
    "age": [15.0, 16.0, 110.0, 111.0, np.nan, -np.inf],
    "annual_income": [0.0, -1.0, 1.0, np.nan, np.inf],
    "debt_to_income_ratio": [-0.01, 0.0, 1.0, 1.01, np.nan],
    "num_credit_lines": [3.0, 3.5, -1.0, 1001.0, np.nan],
    "loan_amount": [0.0, np.nan, np.inf, 5.0],
    "loan_purpose": [None, "boat"],
    "home_ownership": [None, "rent"],
    "default": [0.0, 1.0, 2.0, 0.5, np.nan],
    "applied_at": [pd.Timestamp("1979-12-31", tz="UTC"), pd.NaT],
    "outcome_at": [pd.NaT, pd.Timestamp("2000-01-01", tz="UTC"), pd.Timestamp("2101", tz="UTC")],
}
CELLS = st.sampled_from([(name, value) for name, values in FAULTS.items() for value in values])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 39), CELLS), max_size=6), st.booleans())
def test_the_rows_that_are_left_keep_the_contract(changes, labelled):
    """With the broken rows taken out the contract finds nothing, and each of them alone breaks."""
    frame = GOOD.copy()
    for row, (name, value) in changes:
        frame.loc[row, name] = value
    broken = broken_rows(frame, labelled=labelled)
    seen = frame if labelled else frame.drop(columns=["default", "outcome_at"])
    assert inspect_applications(seen[~broken], labelled=labelled).violations == ()
    for place in broken.index[broken]:
        assert inspect_applications(seen.loc[[place]], labelled=labelled).violations
    assert broken.index.equals(frame.index)


def test_the_world_with_a_broken_feed_is_named_by_its_column():
    """Debt ratios in per cent or lost break in that column and in no other."""
    cells = broken_cells(draw_world("broken feed", 500, seed=2))
    assert cells["debt_to_income_ratio"].mean() > 0.95
    assert not any(cells[name].any() for name in FEATURES if name != "debt_to_income_ratio")


@pytest.mark.parametrize("world", [w for w, made in WORLDS.items() if made.cause != "feed broke"])
def test_true_rows_are_whole(world):
    """Whoever applies, and whoever defaults, no row of a feed that is whole is broken."""
    assert not broken_rows(draw_world(world, 300, seed=3)).any()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda f: f.drop(columns=["age", "default"]), r"lack the columns \['age', 'default'\]"),
        (lambda f: f.astype({"annual_income": str}), "annual_income is str, must be numbers"),
        (lambda f: f.assign(loan_purpose=1), "loan_purpose is int64, must be words"),
        (lambda f: f.assign(default=True), "default is bool, must be numbers"),
        (
            lambda f: f.assign(applied_at=f["applied_at"].dt.tz_localize(None)),
            r"applied_at is datetime64\[.*must be times with a zone",
        ),
        (lambda f: pd.concat([f, f[["age"]]], axis=1), r"several columns named \['age'\]"),
    ],
)
def test_another_schema_is_refused(change, told):
    """Columns that are gone, twice there or of another kind are named with what they must be."""
    with pytest.raises(ValueError, match=told):
        broken_rows(change(GOOD))
    assert schema_fault(GOOD, labelled=True) == ""
    assert broken_rows(GOOD[:0]).empty
