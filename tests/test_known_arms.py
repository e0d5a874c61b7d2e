"""What mlops_helpers.known_arms promises."""

import inspect

import numpy as np
import pandas as pd
import pytest

from mlops_helpers import known_arms as under_test
from mlops_helpers.ab_draws import COSTS
from mlops_helpers.delong import auc_interval
from mlops_helpers.experiment_plan import METRICS
from mlops_helpers.known_arms import (
    EARLY,
    EXPERIMENT,
    START,
    KnownArms,
    cautious_arms,
    known_arms,
    plan_of,
    sums_of,
)

N = 200_000


@pytest.fixture(scope="module")
def world() -> KnownArms:
    """The two models and their truth."""
    return known_arms()


@pytest.fixture(scope="module")
def drawn(world: KnownArms) -> pd.DataFrame:
    """Many exposures, half of them in each arm."""
    arms = np.arange(N) % 2
    return world.draw(arms, pd.DatetimeIndex(np.full(N, START)), [1], equal=False)


def measured(rows: pd.DataFrame, metric: str) -> tuple[float, float]:
    """A metric of one arm's rows, and its standard error."""
    taken = rows["decision"] == "approve"
    if metric == "auc_approved":
        found = auc_interval(rows["default"][taken], rows["probability"][taken])
        return found.value, (found.high - found.low) / 3.92
    values = {
        "profit_per_application": COSTS.profit(rows["loan_amount"], rows["default"], taken),
        "default_rate_approved": rows["default"][taken],
        "approval_rate": taken.astype(float),
    }[metric]
    return float(np.mean(values)), float(np.std(values) / np.sqrt(len(values)))


@pytest.mark.parametrize("metric", METRICS)
def test_the_truth_is_what_many_draws_tend_to(world, drawn, metric):
    """The true value of each metric is within four standard errors of 100,000 applications."""
    for k, arm in enumerate(EXPERIMENT.arms):
        value, error = measured(drawn[drawn["variant"] == arm], metric)
        assert abs(value - world.truth(metric)[k]) < 4 * error
    assert np.diff(world.truth(metric))[0] != 0


def test_the_spread_is_that_of_a_single_profit(world, drawn):
    """The standard deviation that sizes are planned with is that of the applications drawn."""
    for k, arm in enumerate(EXPERIMENT.arms):
        rows = drawn[drawn["variant"] == arm]
        _, error = measured(rows, "profit_per_application")
        assert error * np.sqrt(len(rows)) == pytest.approx(world.spread[k], rel=0.02)


def test_the_planned_size_has_the_planned_power(world):
    """The size for a power is the smallest that has it; a quarter of it has far less."""
    n = world.size(0.8)
    assert world.power(n) >= 0.8 > world.power(n - 1)
    assert world.power(n // 4) < 0.4
    assert world.gain == pytest.approx(np.diff(world.truth("profit_per_application"))[0])


def test_equal_arms_are_served_alike(world):
    """With equal arms the model of control decides for both, whatever the row is called."""
    arms, when = np.arange(400) % 2, pd.DatetimeIndex(np.full(400, START))
    other = world.draw(1 - arms, when, [2], equal=True)
    rows = world.draw(arms, when, [2], equal=True)
    assert (rows["variant"] != other["variant"]).all()
    pd.testing.assert_frame_equal(rows.drop(columns="variant"), other.drop(columns="variant"))


def test_what_is_known_early_does_not_depend_on_the_arm(world):
    """The covariate is the same in either arm, and goes along with the profit."""
    when = pd.DatetimeIndex(np.full(20_000, START))
    low, high = (world.draw(np.full(20_000, arm), when, [3], equal=False) for arm in (0, 1))
    assert (low[EARLY] == high[EARLY]).all()
    assert (low["probability"] != high["probability"]).any()
    profit = COSTS.profit(low["loan_amount"], low["default"], low["decision"] == "approve")
    assert np.corrcoef(profit, low[EARLY])[0, 1] > 0.1


def test_only_granted_loans_have_an_outcome(drawn):
    """Declined applications have none, approved ones are below the cut-off."""
    declined = drawn["decision"] == "decline"
    assert drawn.loc[declined, "default"].isna().all()
    assert drawn.loc[~declined, "default"].isin([0, 1]).all()
    assert (drawn.loc[~declined, "probability"] < EXPERIMENT.cutoff).all()


def test_the_cautious_treatment_is_truly_worse(world):
    """Control's ranking and fewer loans: less default, less profit."""
    worse = cautious_arms()
    assert (worse.probability[0] == world.probability[0]).all()
    order = np.argsort(worse.probability[0])
    assert (np.diff(worse.probability[1][order]) >= 0).all()
    assert worse.truth("approval_rate")[1] < 0.5 * worse.truth("approval_rate")[0]
    assert worse.gain < -100
    assert np.diff(worse.truth("default_rate_approved"))[0] < 0
    rows = worse.draw(np.ones(N, dtype=int), pd.DatetimeIndex([START] * N), [4], equal=False)
    value, error = measured(rows, "profit_per_application")
    assert abs(value - worse.truth("profit_per_application")[1]) < 4 * error


def test_plans_are_even_unless_a_split_is_given():
    """Three arms have a third each; sizes follow the split."""
    assert plan_of(300, arms=("a", "b", "c")).needed() == {"a": 300, "b": 300, "c": 300}
    assert plan_of(900, split=(0.9, 0.1)).needed() == {"control": 900, "treatment": 100}


def test_sums_are_those_of_complete_months(world):
    """The label delay of the plan is waited for, and what comes later is not seen."""
    plan = plan_of(10, label_delay=pd.Timedelta(days=20))
    when = pd.DatetimeIndex([START + pd.DateOffset(months=m) for m in (0, 1, 2, 3)] * 30)
    rows = world.draw(np.arange(120) % 2, when, [5], equal=True)
    sums = sums_of(rows, plan, 2)
    assert sums.as_of == START + pd.DateOffset(months=2) + plan.label_delay
    assert sums.cells["n"].sum() == 90  # three months have begun
    month = sums.cells["month"]
    assert sums.cells.loc[month < START + pd.DateOffset(months=2), "n"].sum() == 60


def test_all_names_exist():
    """What is offered is there."""
    assert all(inspect.getdoc(getattr(under_test, name)) for name in under_test.__all__[3:])
    assert set(under_test.__all__) <= set(vars(under_test))
