"""What mlops_helpers.business promises."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from mlops_helpers import business
from mlops_helpers.business import CostModel, best_cutoff, profit_curve, profit_interval

COSTS = CostModel(margin=0.1, loss_given_default=0.4)


def draw(n=2000, seed=0):
    """Probabilities, outcomes drawn from them, and amounts."""
    rng = np.random.default_rng(seed)
    chance = rng.beta(1, 5, n)
    return chance, (rng.random(n) < chance).astype(float), rng.uniform(1000, 20000, n)


def test_everything_exported_exists():
    """__all__ names only what is there."""
    assert all(hasattr(business, name) for name in business.__all__)


def test_profit_of_each_kind_of_loan():
    """Repaid earns the margin, defaulted loses its share, declined earns nothing."""
    profit = COSTS.profit([1000, 1000, 1000], [0, 1, 1], [True, True, False])
    assert profit.tolist() == [100, -400, 0]


def test_unknown_outcome_is_not_zero_profit():
    """An approved loan without outcome has no profit yet; a declined one has profit 0."""
    profit = COSTS.profit([1000, 1000], [None, None], [True, False])
    assert np.isnan(profit[0])
    assert profit[1] == 0


def test_nullable_columns_are_accepted():
    """Outcome columns as a SQL log gives them (nullable integers) work."""
    outcome = pd.Series([0, 1, pd.NA], dtype="Int64")
    profit = COSTS.profit([100, 100, 100], outcome)
    assert profit[:2].tolist() == [10, -40]
    assert np.isnan(profit[2])


def test_break_even_earns_nothing():
    """At the break-even probability the expected profit is 0, below it positive."""
    edge = COSTS.break_even
    assert edge == pytest.approx(0.2)
    assert COSTS.expected_profit(5000, edge)[0] == pytest.approx(0)
    assert COSTS.expected_profit(5000, edge - 0.01)[0] > 0


def test_expected_profit_is_the_mean_of_profits():
    """expected_profit(p) mixes the two outcomes with weights p and 1 - p."""
    repaid, lost = COSTS.profit([700, 700], [0, 1])
    assert COSTS.expected_profit(700, 0.3)[0] == pytest.approx(0.7 * repaid + 0.3 * lost)


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"margin": 0}, "margin"),
        ({"margin": float("nan")}, "margin"),
        ({"loss_given_default": 55}, "loss_given_default"),
        ({"loss_given_default": 0}, "loss_given_default"),
    ],
)
def test_impossible_costs_are_refused(values, named):
    """A cost model names the value it refuses."""
    with pytest.raises(ValueError, match=named):
        CostModel(**values)


def test_probabilities_are_not_outcomes():
    """Passing predicted probabilities as outcomes is refused, not averaged."""
    with pytest.raises(ValueError, match="Probabilities are no outcomes"):
        COSTS.profit([1000], [0.3])


def test_lengths_must_agree():
    """Columns of different length are refused, with their lengths."""
    with pytest.raises(ValueError, match="amount 2, default 1"):
        COSTS.profit([1, 2], [0])
    with pytest.raises(ValueError, match="approved has 1"):
        COSTS.profit([1, 2], [0, 1], [True])


def test_profit_curve_agrees_with_direct_sums():
    """Every row of the curve equals the plain computation with that cut-off."""
    chance, outcome, amount = draw(300)
    curve = profit_curve(chance, outcome, amount, COSTS, cutoffs=[0, 0.1, 0.3, 1])
    for row in curve.itertuples():
        approved = chance < row.cutoff
        assert row.approval_rate == pytest.approx(approved.mean())
        assert row.profit_per_application == pytest.approx(
            COSTS.profit(amount, outcome, approved).mean()
        )
        if approved.any():
            assert row.default_rate == pytest.approx(outcome[approved].mean())
        else:
            assert np.isnan(row.default_rate)


def test_best_cutoff_is_near_break_even_for_true_probabilities():
    """With calibrated probabilities and many loans, the best cut-off is about break-even."""
    chance, outcome, amount = draw(60_000)
    choice = best_cutoff(chance, outcome, amount, COSTS)
    assert choice.cutoff == pytest.approx(COSTS.break_even, abs=0.04)
    curve = profit_curve(chance, outcome, amount, COSTS)
    assert choice.profit_per_application == curve["profit_per_application"].max()


@pytest.mark.parametrize("column", [0, 1])
def test_cutoff_needs_known_rows(column):
    """A missing probability or outcome, or no row at all, is refused."""
    data = [array.copy() for array in draw(50)]
    data[column][3] = np.nan
    with pytest.raises(ValueError, match="1 "):
        best_cutoff(*data, COSTS)
    with pytest.raises(ValueError, match="0 rows"):
        best_cutoff([], [], [], COSTS)


def test_interval_agrees_with_scipy():
    """The interval is SciPy's one-sample t interval."""
    values = np.random.default_rng(1).normal(3, 2, 40)
    ours = profit_interval(values, confidence=0.9)
    theirs = stats.ttest_1samp(values, 0).confidence_interval(0.9)
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high))
    assert ours.known
    assert ours.n == 40


def test_interval_of_too_little_is_unknown():
    """None, one or 29 values: no limits, no exception; thirty have an interval."""
    assert np.isnan(profit_interval([]).value)
    for n in (1, 29):
        few = profit_interval(np.arange(n))
        assert few.value == (n - 1) / 2
        assert not few.known
    assert profit_interval(np.arange(30)).known


def test_interval_refuses_missing_and_bad_confidence():
    """Missing profits and an impossible confidence are named."""
    with pytest.raises(ValueError, match="1 of 2 profits are missing"):
        profit_interval([1, np.nan])
    with pytest.raises(ValueError, match="confidence is 95"):
        profit_interval([1, 2], confidence=95)


@pytest.mark.parametrize(
    ("value", "said"), [(12.5, "$12.50"), (-1234.567, "-$1,234.57"), (0.0, "$0.00")]
)
def test_dollars_carry_their_sign_in_front(value, said):
    """A loss reads as a loss."""
    assert business.in_dollars(value) == said


def test_figures_for_sentences():
    """Whole numbers from 100 up, three significant digits below."""
    assert [business.in_words(v) for v in (12345.6, -123.4, 0.012345)] == [
        "12,346",
        "-123",
        "0.0123",
    ]


def test_tiny_p_values_are_not_spelled_out():
    """A p-value that rounding decides is not printed as a figure, and never as 0."""
    assert business.p_in_words(0.0321) == "p = 0.032"
    assert business.p_in_words(0.0) == "p below 1e-16"
