"""What mlops_helpers.ab_figures promises."""

import numpy as np
import pytest

from mlops_helpers.ab_figures import ADJUSTED, LEVEL_COLUMNS, arm_figures, levels
from mlops_helpers.business import CostModel, profit_interval
from mlops_helpers.delong import auc_interval
from mlops_helpers.exposure_sums import from_rows
from mlops_helpers.two_samples import relative_difference, wilson
from tests.exposed import DELAY, LATE, THREE, earned, exposed, planned

COSTS = CostModel(margin=0.1, loss_given_default=0.6)


def figures_of(frame, plan):
    """The arms' figures through the sums."""
    return arm_figures(from_rows(frame, plan, as_of=LATE), plan, COSTS)


def test_moments_are_those_of_the_rows():
    """Sums give mean and variance of profit as NumPy has them from the rows, for every arm."""
    frame = exposed(experiment=THREE, better=0.3)
    found = figures_of(frame, planned(experiment=THREE))
    profit = earned(frame, COSTS)
    for arm in THREE.arms:
        mine = frame["variant"] == arm
        assert found[arm].n == mine.sum()
        assert found[arm].approved == (mine & (frame["decision"] == "approve")).sum()
        assert found[arm].defaults == frame.loc[mine, "default"].sum()
        assert found[arm].profit.mean == pytest.approx(profit[mine].mean(), rel=1e-9)
        assert found[arm].profit.variance == pytest.approx(profit[mine].var(ddof=1), rel=1e-9)
        assert found[arm].adjusted is None


def test_adjusted_profit_is_profit_less_its_slope():
    """Subtracting the slope within arms times the covariate, row by row, gives the same moments."""
    frame = exposed(better=0.3)
    found = figures_of(frame, planned(covariate="score"))
    profit, arms = earned(frame, COSTS), frame["variant"]
    inside = [
        column - column.groupby(arms).transform("mean") for column in (profit, frame["score"])
    ]
    theta = np.polyfit(inside[1], inside[0], 1)[0]
    mended = profit - theta * (frame["score"] - frame["score"].mean())
    assert found["control"].adjusted.variance < found["control"].profit.variance
    for arm in ("control", "treatment"):
        assert found[arm].adjusted.mean == pytest.approx(mended[arms == arm].mean())
        assert found[arm].adjusted.variance == pytest.approx(mended[arms == arm].var(ddof=1))


def test_a_covariate_that_does_not_vary_adjusts_nothing():
    """A constant leaves profit as it is, also one that rounding makes look varied."""
    found = figures_of(exposed().assign(score=0.1), planned(covariate="score"))
    for arm in found.values():
        assert arm.adjusted == arm.profit


def test_equal_outcomes_have_no_variance():
    """All alike: the variance is exactly 0, whatever rounding leaves."""
    alike = exposed(3001).assign(decision="approve", default=0.0, loan_amount=1234.567)
    assert all(arm.profit.variance == 0 for arm in figures_of(alike, planned()).values())


def test_an_empty_arm_has_no_figures():
    """Nobody in an arm: counts are 0 and means are not known; the other arm has its own."""
    frame = exposed(200)
    found = figures_of(frame[frame["variant"] == "control"], planned(covariate="score"))
    assert found["treatment"].n == found["treatment"].approved == 0
    assert np.isnan(found["treatment"].profit.mean)
    assert found["control"].n == (frame["variant"] == "control").sum()


def test_levels_are_those_of_one_sample():
    """Each arm alone has Student's, Wilson's and DeLong's intervals of its rows."""
    frame = exposed(better=0.3)
    rows = levels(figures_of(frame, planned(covariate="score")), 0.1)
    found = {(row["variant"], row["metric"]): row for row in rows}
    mine = frame[frame["variant"] == "treatment"]
    granted = mine[mine["decision"] == "approve"]
    expected = {
        "profit_per_application": profit_interval(earned(mine, COSTS), confidence=0.9),
        "default_rate_approved": wilson(granted["default"], 0.1),
        "approval_rate": wilson(mine["decision"] == "approve", 0.1),
        "auc_approved": auc_interval(granted["default"], granted["probability"], confidence=0.9),
    }
    for metric, interval in expected.items():
        row = found["treatment", metric]
        assert set(row) == set(LEVEL_COLUMNS)
        assert row["n"] == interval.n
        assert [row[k] for k in ("value", "low", "high")] == pytest.approx(
            [interval.value, interval.low, interval.high]
        )
    assert ("control", ADJUSTED) in found


def test_levels_without_enough_are_open():
    """Few applications, no approval, no probability: values at most, no limits."""
    frame = exposed(40).assign(decision="decline", default=np.nan).drop(columns="probability")
    for row in levels(figures_of(frame, planned()), 0.05):
        assert np.isnan(row["low"]) != (row["metric"] == "approval_rate")


def test_an_adjusted_level_holds_with_a_strong_covariate():
    """At a correlation of 0.9 the arm's own 95 % interval holds its true mean 95 times in 100.

    The mean that both arms are adjusted to is estimated, and none of the arm's own spread is left.
    """
    rng, plan = np.random.default_rng(7), planned(size=200, covariate="score")
    frame = exposed(400).assign(decision="approve", scored_at=LATE - 4 * DELAY, default=0.0)
    frame["variant"] = np.repeat(["control", "treatment"], 200)
    held = ratio = 0
    for _ in range(100):
        score = rng.normal(size=400)
        worth = 3.0 + 0.9 * score + np.sqrt(1 - 0.81) * rng.normal(size=400)
        worth[200:] += 3.0  # twice as much in the treatment
        drawn = frame.assign(score=score, loan_amount=worth)
        figures = figures_of(drawn, plan)
        rows = {(row["variant"], row["metric"]): row for row in levels(figures, 0.05)}
        row = rows["control", ADJUSTED]
        held += row["low"] <= 3.0 * COSTS.margin <= row["high"]
        of = [figures[arm].adjusted for arm in plan.arms]
        found = relative_difference(*of, 1.96, common=figures["control"].common)
        ratio += found.low <= 1.0 <= found.high
    # binomial(100, 0.95) is below 88 with probability 0.2 %; without the common part 73 % hold
    assert held >= 88
    assert ratio >= 88
