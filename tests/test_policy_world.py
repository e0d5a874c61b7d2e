"""The simulated years hold what their table says, and their truth."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mlops_helpers.contracts import COLUMNS, FEATURES
from mlops_helpers.policy_world import BEGIN, MONTHS, PHASES, WARM_UP_MONTHS, draw_years
from mlops_helpers.quarantine import broken_rows
from mlops_helpers.simulation import true_default_probability


@pytest.fixture(scope="module")
def years() -> pd.DataFrame:
    """Years with enough rows for their rates to be seen."""
    return draw_years(seed=3, per_month=400)


def test_equal_arguments_give_equal_years():
    """The same seed draws the same frame, another seed another one."""
    first = draw_years(seed=1, per_month=20)
    pd.testing.assert_frame_equal(first, draw_years(seed=1, per_month=20))
    assert not first["annual_income"].equals(draw_years(seed=2, per_month=20)["annual_income"])


def test_outcomes_may_be_known_sooner():
    """Another label delay moves the day on which an outcome is known, and nothing else."""
    month = pd.Timedelta(days=30)
    usual, sooner = (draw_years(seed=1, per_month=20, label_delay=d) for d in (None, month))
    assert (sooner["outcome_at"] - sooner["applied_at"] == month).all()
    assert (usual["outcome_at"] > sooner["outcome_at"]).all()
    others = usual.columns.drop("outcome_at")
    pd.testing.assert_frame_equal(usual[others], sooner[others])
    assert usual.dtypes.equals(sooner.dtypes)
    with pytest.raises(ValueError, match=r"label_delay == 0 days.*, must be above 0"):
        draw_years(seed=1, per_month=20, label_delay=pd.Timedelta(0))


def test_the_files_are_in_order_and_whole(years):
    """In order of time, each application once, all of the course's columns, no truth missing."""
    assert years["applied_at"].is_monotonic_increasing
    assert years["application_id"].is_unique
    assert set(COLUMNS) <= set(years.columns)
    assert years["true_probability"].between(0, 1).all()
    assert len(years) == 400 * (WARM_UP_MONTHS + MONTHS)


def test_months_and_phases_are_those_of_the_calendar(years):
    """Month 1 begins at BEGIN, and each phase holds the months that it says."""
    assert years.loc[years["month"] >= 1, "applied_at"].min() >= BEGIN
    assert years.loc[years["month"] < 1, "applied_at"].max() < BEGIN
    found = years.groupby("phase")["month"].agg(["min", "max"])
    for phase in PHASES:
        assert tuple(found.loc[phase.name]) == (phase.first, phase.last)
    assert [p.first for p in PHASES[1:]] == [p.last + 1 for p in PHASES[:-1]]


def test_only_the_broken_months_break_the_contract(years):
    """The feed is broken in months 22 to 24, stays so on file, and nowhere else."""
    broken = broken_rows(years)
    assert set(years.loc[broken, "month"]) == {22, 23, 24}
    lost = years.loc[years["month"].between(22, 24), "debt_to_income_ratio"].isna().mean()
    assert lost == pytest.approx(0.2, abs=0.04)


def test_a_recession_changes_who_applies_and_a_policy_who_defaults(years):
    """The truth of quiet times holds in a recession, and no longer after the policy change."""
    quiet = true_default_probability(years)
    gap = (quiet - years["true_probability"]).abs().groupby(years["phase"]).mean()
    assert gap[["warm-up", "quiet", "recession"]].max() < 1e-12
    assert gap[["policy change", "feed mended"]].min() > 0.05
    incomes = years.groupby("phase")["annual_income"].median()
    assert incomes["recession"] < 0.95 * incomes["quiet"]


def test_the_truth_is_that_of_the_whole_feed(years):
    """Where the feed is broken the probability is of the true applicant, and outcomes follow it."""
    part = years[years["phase"] == "feed broken"]
    z = (part["default"] - part["true_probability"]).sum() / np.sqrt(
        (part["true_probability"] * (1 - part["true_probability"])).sum()
    )
    assert abs(z) < 4
    assert part["true_probability"].notna().all()
    assert set(FEATURES) <= set(part.columns)


def test_a_lender_without_applications_is_refused():
    """No rows a month: the message names the value."""
    with pytest.raises(ValueError, match="per_month == 0, must be at least 1"):
        draw_years(seed=1, per_month=0)
