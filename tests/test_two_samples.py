"""What mlops_helpers.two_samples promises."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from mlops_helpers.two_samples import newcombe, welch, wilson


def answers(yes, n):
    """`n` values of which `yes` are 1."""
    return pd.Series(np.r_[np.ones(yes), np.zeros(n - yes)])


@pytest.mark.parametrize("alpha", [0.01, 0.05, 0.2])
def test_means_are_scipys(alpha):
    """The interval of treatment minus control is SciPy's for unequal variances and sizes."""
    rng = np.random.default_rng(6)
    control = pd.Series(rng.exponential(2, 80))
    treatment = pd.Series(rng.exponential(5, 30))
    found = welch(control, treatment, alpha)
    test = stats.ttest_ind(treatment, control, equal_var=False)
    expected = tuple(test.confidence_interval(1 - alpha))
    assert found.value == pytest.approx(treatment.mean() - control.mean())
    assert (found.low, found.high) == pytest.approx(expected)
    assert found.n == 110


def test_rates_are_newcombes_example():
    """56 of 70 against 48 of 80 gives the limits of Newcombe's table II, and turned round theirs.

    Source: R. G. Newcombe (1998), Statistics in Medicine 17, 873-890, example (a), method 10.
    """
    many, few = answers(56, 70), answers(48, 80)
    found, turned = newcombe(few, many, 0.05), newcombe(many, few, 0.05)
    assert found.value == pytest.approx(0.2)
    assert (found.low, found.high) == pytest.approx((0.0524, 0.3339), abs=5e-5)
    assert (turned.low, turned.high) == pytest.approx((-found.high, -found.low))
    assert found.n == 150


@pytest.mark.parametrize(("yes", "n"), [(0, 20), (3, 20), (81, 263), (20, 20)])
def test_one_rate_is_scipys(yes, n):
    """One rate has SciPy's score interval, also when nobody or everybody said yes."""
    found = wilson(answers(yes, n), 0.1)
    expected = stats.binomtest(yes, n).proportion_ci(0.9, method="wilson")
    assert (found.value, found.n) == (yes / n, n)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_arms_that_do_not_vary_have_no_limits():
    """Without spread in either arm there is a difference but no interval."""
    found = welch(pd.Series([1.0, 1.0, 1.0]), pd.Series([3.0, 3.0, 3.0]), 0.05)
    assert found.value == 2
    assert not found.known


def test_spread_in_one_arm_is_enough():
    """Against an arm that approves nobody, and earns 0, the interval is the other arm's own."""
    earned = pd.Series([2.0, 3.0, 4.0])
    found = welch(pd.Series([0.0, 0.0, 0.0]), earned, 0.05)
    expected = stats.ttest_1samp(earned, 0).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_one_arm_that_never_varies_raises_nothing():
    """A constant arm other than 0 is as good as one of 0; one row is too few for limits."""
    found = welch(pd.Series([1.0, 1.0, 1.0]), pd.Series([2.0, 3.0, 4.0]), 0.05)
    assert (found.low + found.high) / 2 == pytest.approx(2.0)
    assert not welch(pd.Series([1.0, 2.0]), pd.Series([2.0]), 0.05).known


def test_nothing_is_unknown():
    """An empty arm has no rate and no difference of rates."""
    some, nothing = answers(1, 4), answers(0, 0)
    assert not newcombe(nothing, some, 0.05).known
    assert not newcombe(some, nothing, 0.05).known
    assert not wilson(nothing, 0.05).known
