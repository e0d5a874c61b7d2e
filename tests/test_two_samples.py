"""What mlops_helpers.two_samples promises."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.weightstats import CompareMeans, DescrStatsW

from mlops_helpers import two_samples
from mlops_helpers.confidence_sequences import Moments
from mlops_helpers.two_samples import (
    moments,
    newcombe,
    newcombe_of_counts,
    rate_ratio,
    rates_p_value,
    relative_difference,
    welch,
    welch_of_moments,
    welch_p_value,
    wilson,
    wilson_of_counts,
)


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


def test_everything_exported_exists():
    """__all__ names only what is there."""
    assert all(hasattr(two_samples, name) for name in two_samples.__all__)


@pytest.mark.parametrize("sizes", [(80, 30), (5, 400), (2, 2)])
def test_moments_are_all_that_means_need(sizes):
    """Interval and p-value from moments are statsmodels' and SciPy's from the values."""
    rng = np.random.default_rng(sum(sizes))
    control, treatment = rng.exponential(2, sizes[0]), rng.exponential(5, sizes[1])
    arms = [moments(pd.Series(values)) for values in (control, treatment)]
    means = CompareMeans(DescrStatsW(treatment), DescrStatsW(control))
    found = welch_of_moments(*arms, 0.05)
    assert (found.low, found.high) == pytest.approx(means.tconfint_diff(usevar="unequal"))
    expected = stats.ttest_ind(treatment, control, equal_var=False).pvalue
    assert welch_p_value(*arms) == pytest.approx(expected)


def test_means_without_spread_have_no_p_value():
    """Where there are no limits there is no p-value."""
    assert np.isnan(welch_p_value(Moments(5, 1.0, 0.0), Moments(5, 2.0, 0.0)))
    assert np.isnan(welch_p_value(Moments(1, 1.0, 0.0), Moments(5, 2.0, 1.0)))


def test_equal_values_have_no_variance():
    """A constant has variance 0, not what rounding leaves of it."""
    assert moments(pd.Series([0.1] * 7)).variance == 0


def test_the_ratios_limits_are_just_not_rejected():
    """At each limit r of Fieller's the statistic of "treatment - r * control = 0" is critical."""
    control, treatment = Moments(200, 10.0, 900.0), Moments(300, 14.0, 1600.0)
    found = relative_difference(control, treatment, 1.97)
    assert found.value == pytest.approx(0.4)
    for limit in (found.low, found.high):
        ratio = 1 + limit
        gap = treatment.mean - ratio * control.mean
        error = np.sqrt(1600 / 300 + ratio**2 * 900 / 200)
        assert abs(gap) / error == pytest.approx(1.97)


@pytest.mark.parametrize(("control", "treatment"), [(12.0, 10.0), (3.0, 9.0)])
def test_the_ratios_interval_covers(control, treatment):
    """Over 2,000 skewed samples the 95 % interval holds the true ratio in 94 to 96.5 %."""
    rng = np.random.default_rng(int(control))
    drawn = [rng.gamma(2, mean / 2, (2000, 250)) for mean in (control, treatment)]
    inside = 0
    for a, b in zip(*drawn, strict=True):
        arms = [Moments(250, x.mean(), x.var(ddof=1)) for x in (a, b)]
        found = relative_difference(*arms, 1.965)
        inside += found.low <= treatment / control - 1 <= found.high
    assert 0.94 <= inside / 2000 <= 0.965


@pytest.mark.parametrize("mean", [-5.0, 0.0, float("nan")])
def test_a_share_of_no_gain_is_not_known(mean):
    """A control that earns nothing, loses, or is empty has no relative effect."""
    found = relative_difference(Moments(50, mean, 4.0), Moments(50, 3.0, 4.0), 2.0)
    assert np.isnan(found.value)
    assert not found.known


def test_a_control_that_may_be_nothing_has_a_share_without_limits():
    """If control's mean is not surely above 0 the ratio could be anything."""
    found = relative_difference(Moments(50, 0.5, 25.0), Moments(50, 3.0, 4.0), 2.0)
    assert found.value == pytest.approx(5.0)
    assert not found.known
    assert not relative_difference(Moments(50, 5.0, 1.0), Moments(50, 3.0, 4.0), float("nan")).known


def test_counts_are_all_that_rates_need():
    """Differences and single rates from counts are those from values."""
    control, treatment = answers(48, 80), answers(56, 70)
    assert newcombe_of_counts((48, 80), (56, 70), 0.1) == newcombe(control, treatment, 0.1)
    assert wilson_of_counts(48, 80, 0.1) == wilson(control, 0.1)


def test_the_ratio_of_rates_covers():
    """Over 1,000 samples at 3 % and 4 % the interval of the ratio covers in 93 to 97 %."""
    rng = np.random.default_rng(8)
    yes = zip(rng.binomial(2000, 0.03, 1000), rng.binomial(1500, 0.04, 1000), strict=True)
    found = [rate_ratio((a, 2000), (b, 1500), 0.05) for a, b in yes]
    inside = np.mean([interval.low <= 1 / 3 <= interval.high for interval in found])
    assert 0.93 <= inside <= 0.97


def test_rates_at_the_edges_are_decided():
    """No event, only events, or nobody: no warning, and limits only where they mean something."""
    assert not rate_ratio((0, 10), (3, 10), 0.05).known
    assert not rate_ratio((3, 10), (0, 0), 0.05).known
    assert not rate_ratio((10, 10), (10, 10), 0.05).known
    none = rate_ratio((3, 10), (0, 10), 0.05)
    assert none.low == none.value == -1
    assert none.high > 0
    assert rates_p_value((0, 10), (0, 30)) == rates_p_value((10, 10), (30, 30)) == 1.0
    assert np.isnan(rates_p_value((0, 0), (3, 30)))


def test_equal_rates_are_tested_by_the_pooled_z():
    """The square of the statistic is chi-square's without Yates' correction."""
    found = rates_p_value((30, 400), (52, 420))
    table = [[30, 370], [52, 368]]
    assert found == pytest.approx(stats.chi2_contingency(table, correction=False).pvalue)


def test_errors_that_both_means_share_leave_a_ratio_of_one_alone():
    """Fieller's limits are where the statistic of "treatment - r * control" is critical."""
    a, b = Moments(50, 10.0, 30.0), Moments(60, 15.0, 20.0)
    for common in (0.0, 0.5):
        found = two_samples.relative_difference(a, b, 1.96, common=common)
        for limit in (found.low, found.high):
            r = 1 + limit
            error = 20 / 60 + common + r**2 * (30 / 50 + common) - 2 * r * common
            assert abs(15 - r * 10) / np.sqrt(error) == pytest.approx(1.96)
