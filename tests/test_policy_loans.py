"""What is said of real loans: from when on, how much, with which interval."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from mlops_helpers.business import profit_interval
from mlops_helpers.policies import POLICIES, PolicyRun, run_policies
from mlops_helpers.policy_loans import lived_months, loan_summary
from mlops_helpers.simulation import simulate_applications


@pytest.fixture(scope="module")
def loans() -> pd.DataFrame:
    """Two years of a file that comes without a truth, 1,200 loans."""
    return simulate_applications(1200, seed=1, start="2009-01-01", months=24)


@pytest.fixture(scope="module")
def run(loans) -> PolicyRun:
    """Two policies lived through from the first month that has a champion."""
    begin, months = lived_months(loans)
    model = LogisticRegression(max_iter=500)
    return run_policies(loans, begin=begin, months=months, policies=POLICIES[:2], estimator=model)


def test_it_begins_when_enough_outcomes_are_known(loans):
    """The first month with 500 known outcomes, and not the one before it; until the last loan."""
    begin, months = lived_months(loans)
    assert (loans["outcome_at"] <= begin).sum() >= 500
    assert (loans["outcome_at"] <= begin - pd.DateOffset(months=1)).sum() < 500
    assert begin + pd.DateOffset(months=months) == pd.Timestamp("2011-01-01", tz="UTC")


def test_a_span_without_outcomes_is_refused(loans):
    """A file that is too short says what it lacks."""
    with pytest.raises(ValueError, match=r"in no month from 2009-01 to 2009-04.*longer span"):
        lived_months(loans[loans["applied_at"] < "2009-05-01"])


def test_the_summary_is_that_of_the_loans(run):
    """Means and paired intervals over the loans served, in the columns of simulated years."""
    table = loan_summary(run).set_index("policy")
    expected = profit_interval(run.profits["monthly"])
    assert tuple(table.loc["monthly", ["profit", "low", "high"]]) == pytest.approx(
        (expected.value, expected.low, expected.high)
    )
    gain = profit_interval(run.profits["monthly"] - run.profits["never"])
    assert table.loc["monthly", "gain"] == pytest.approx(gain.value)
    assert table.loc["monthly", "gain_high"] == pytest.approx(gain.high)
    assert (table.loc["never", ["gain", "gain_low", "gain_high"]] == 0).all()
    assert table.loc["monthly", "trainings"] == run.monthly["month"].max() - 1


def test_the_worst_month_is_the_lowest_with_its_own_loans(run):
    """Its interval is that of the loans of this month alone."""
    row = loan_summary(run).set_index("policy").loc["never"]
    told = run.monthly[run.monthly["policy"] == "never"].set_index("month")["profit"]
    assert row["worst_month"] == pytest.approx(told.min())
    of_month = run.profits["never"][run.month == told.idxmin()]
    assert row["worst_high"] == pytest.approx(profit_interval(of_month).high)
    assert np.isfinite(row["worst_low"])
