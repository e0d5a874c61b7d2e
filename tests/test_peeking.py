"""What mlops_helpers.peeking promises."""

import numpy as np
import pytest
from scipy import stats

from mlops_helpers.peeking import equal_arms_pvalues

VALUES = np.random.default_rng(3).exponential(size=1000)


def test_one_look_keeps_its_level():
    """Equal arms looked at once are called different about 5 % of the time."""
    alarms = (equal_arms_pvalues(VALUES, [1000], seed=1, repeats=1000) < 0.05).sum()
    assert stats.binomtest(int(alarms), 1000, 0.05).pvalue > 0.001


def test_many_looks_do_not():
    """The same arms looked at twenty times give at least three times the false alarms."""
    pvalues = equal_arms_pvalues(VALUES, np.linspace(50, 1000, 20), seed=1, repeats=400)
    once, ever = (pvalues[:, -1] < 0.05).mean(), (pvalues < 0.05).any(axis=1).mean()
    assert ever > 3 * once


def test_pvalues_are_scipys():
    """The last look agrees with SciPy's Welch test on the same split."""
    (found,) = equal_arms_pvalues(VALUES, [1000], seed=5, repeats=1)[0]
    rng = np.random.default_rng(5)
    order, coin = rng.permutation(VALUES), rng.random(VALUES.size) < 0.5
    expected = stats.ttest_ind(order[coin], order[~coin], equal_var=False).pvalue
    assert found == pytest.approx(expected, abs=1e-3)


def test_the_same_seed_gives_the_same_alarms():
    """Chance is an argument."""
    first, again = (equal_arms_pvalues(VALUES, [100, 900], seed=2, repeats=5) for _ in range(2))
    assert (first == again).all()


def test_no_spread_is_no_alarm():
    """Equal values never differ."""
    assert (equal_arms_pvalues(np.ones(50), [20, 50], seed=0, repeats=3) == 1).all()


@pytest.mark.parametrize(
    ("values", "looks", "said"),
    [
        (VALUES, [10], "10"),
        (VALUES, [1001], "1001"),
        (VALUES, [], "looks are"),
        (np.r_[VALUES, np.nan], [100], "missing"),
    ],
)
def test_impossible_looks_are_named(values, looks, said):
    """Looks outside the data and missing values are refused."""
    with pytest.raises(ValueError, match=said):
        equal_arms_pvalues(values, looks, seed=0)
