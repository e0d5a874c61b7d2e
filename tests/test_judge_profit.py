"""What mlops_helpers.judge_profit promises."""

import numpy as np
import pytest
from scipy.stats import binom

from mlops_helpers.business import CostModel, profit_interval
from mlops_helpers.judge_profit import profit_gain

COSTS = CostModel()
REPEATS = 800


def decided(n, more, rng, *, rate=None):
    """Amounts, outcomes at break-even, and decisions that differ on about `more` loans of n."""
    chance = COSTS.break_even if rate is None else rate
    amount, outcome = rng.uniform(2000, 20_000, n), (rng.random(n) < chance).astype(float)
    return amount, outcome, np.zeros(n, dtype=bool), rng.random(n) < more / n


def students(amount, outcome, old, new):
    """The interval as one would write it down."""
    earned = COSTS.profit(amount, outcome)
    return profit_interval(np.where(new, earned, 0) - np.where(old, earned, 0))


@pytest.mark.parametrize("more", [5, 10, 30, 100])
@pytest.mark.parametrize("turned", [False, True])
def test_few_loans_decided_anew_are_no_sure_gain(more, turned):
    """Approving (or declining) a few more loans at break-even is "surely" better in 2.5 %."""
    rng = np.random.default_rng(more)
    false = 0
    for _ in range(REPEATS):
        amount, outcome, old, new = decided(500, more, rng)
        old, new = (new, old) if turned else (old, new)
        false += profit_gain(amount, outcome, old, new, costs=COSTS).low > 0
    assert false <= binom.isf(0.001, REPEATS, 0.025)


def test_students_interval_alone_would_call_it_a_gain():
    """Ten more loans at break-even: "surely better" in more than a tenth of the samples."""
    rng = np.random.default_rng(10)
    false = sum(students(*decided(500, 10, rng)).low > 0 for _ in range(REPEATS))
    assert false > binom.isf(0.001, REPEATS, 0.1)


def test_with_many_loans_it_is_students():
    """Where the decisions differ on thousands of loans, both intervals are the same within 3 %."""
    given = decided(20_000, 6000, np.random.default_rng(1))
    careful, plain = profit_gain(*given, costs=COSTS), students(*given)
    assert careful.value == plain.value
    assert careful.low <= plain.low
    assert plain.high <= careful.high
    assert careful.high - careful.low < 1.03 * (plain.high - plain.low)


def test_a_real_gain_is_found():
    """Approving 200 good loans more of 1,000 is surely better; declining them surely worse."""
    amount, outcome, old, new = decided(1000, 200, np.random.default_rng(3), rate=0.04)
    assert profit_gain(amount, outcome, old, new, costs=COSTS).low > 0
    assert profit_gain(amount, outcome, new, old, costs=COSTS).high < 0


def test_like_decisions_differ_by_nothing_and_few_rows_have_no_limits():
    """Nothing decided anew is exactly 0; fewer rows than a t interval needs have no limits."""
    amount, outcome, old, new = decided(400, 20, np.random.default_rng(3))
    same = profit_gain(amount, outcome, new, new, costs=COSTS)
    assert (same.value, same.low, same.high, same.n) == (0, 0, 0, 400)
    few = profit_gain(amount[:20], outcome[:20], old[:20], new[:20], costs=COSTS)
    assert not few.known
    with pytest.raises(ValueError, match="profits are missing"):
        profit_gain(amount, np.full(400, np.nan), old, ~old, costs=COSTS)
