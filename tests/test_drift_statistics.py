"""The arithmetic of drift equals SciPy's, the formula by hand, and what simulation gives."""

import numpy as np
import pytest
from scipy import stats

from mlops_helpers.drift_statistics import (
    FLOOR,
    adjust,
    chi_square,
    kolmogorov_smirnov,
    psi,
    psi_null,
)


def rng(seed=0):
    """Chance for one test."""
    return np.random.default_rng(seed)


@pytest.mark.parametrize(("n", "m", "method"), [(300, 200, "exact"), (2000, 1000, "asymp")])
def test_ks_is_that_of_scipy(n, m, method):
    """Statistic and p-value are SciPy's: exact for small samples, asymptotic for large ones."""
    a, b = rng().normal(size=n), rng(1).normal(0.1, 1, size=m)
    expected = stats.ks_2samp(a, b, method=method)
    got = kolmogorov_smirnov(a, b)
    assert got == pytest.approx((expected.statistic, expected.pvalue), rel=1e-12)


@pytest.mark.parametrize(("n", "m"), [(1, 1), (997, 1000), (2000, 2000), (13000, 40)])
def test_ks_has_a_p_value_at_any_size(n, m):
    """No pair of sizes ends in a warning or a missing p-value."""
    _, p = kolmogorov_smirnov(rng().normal(size=n), rng(1).normal(size=m))
    assert 0 < p <= 1


def test_chi_square_is_that_of_scipy():
    """Statistic and p-value of categories are SciPy's where counts are not thin."""
    table = np.array([[170.0, 200], [160, 120], [170, 80]])
    expected = stats.chi2_contingency(table, correction=False)
    assert chi_square(table) == pytest.approx((expected.statistic, expected.pvalue))


def test_thin_categories_are_counted_together():
    """A dozen categories of a few rows each do not make a test of nothing significant."""
    table = np.array([[500.0, 500], [300, 330]] + [[2, 1]] * 12)
    together = np.array([[500.0, 500], [300, 330], [24, 12]])
    expected = stats.chi2_contingency(together, correction=False)
    assert chi_square(table) == pytest.approx((expected.statistic, expected.pvalue))
    _, p = chi_square(np.array([[500.0, 500]] + [[2, 1]] * 12))
    assert p > 0.01


def test_two_thin_categories_get_the_exact_test():
    """Where the approximation fails Fisher's p-value stands; one row in 400 is no evidence."""
    table = np.array([[7.0, 1], [2, 6]])
    assert chi_square(table)[1] == pytest.approx(stats.fisher_exact(table).pvalue)
    assert chi_square(np.array([[200.0, 199], [0, 1]]))[1] == pytest.approx(1.0)


@pytest.mark.parametrize("table", [[[5.0, 9]], [[5.0, 9], [0, 0]]])
def test_one_category_cannot_move(table):
    """With a single category that has rows there is nothing to test."""
    assert chi_square(np.array(table)) == (0.0, 1.0)


def test_psi_by_hand():
    """The formula, its symmetry, its floor, and no rows."""
    by_hand = (0.8 - 0.5) * np.log(0.8 / 0.5) + (0.2 - 0.5) * np.log(0.2 / 0.5)
    assert psi([50, 50], [80, 20]) == pytest.approx(by_hand)
    assert psi([80, 20], [50, 50]) == pytest.approx(by_hand)
    assert psi([1, 2, 3], [10, 20, 30]) == pytest.approx(0)
    assert psi([10, 0], [0, 10]) == pytest.approx(2 * (1 - FLOOR) * np.log(1 / FLOOR))
    assert np.isnan(psi([1, 1], [0, 0]))


@pytest.mark.parametrize(("n_reference", "n_current"), [(2000, 500), (800, 800)])
def test_psi_null_is_what_quiet_counts_give(n_reference, n_current):
    """Over 4,000 pairs of counts from the same shares, unequal ones, the mean is the null level."""
    shares = [0.1, 0.15, 0.2, 0.25, 0.3]
    before = rng(1).multinomial(n_reference, shares, size=4000)
    now = rng(2).multinomial(n_current, shares, size=4000)
    got = [psi(r, c) for r, c in zip(before, now, strict=True)]
    error = np.std(got) / np.sqrt(len(got))
    assert np.mean(got) == pytest.approx(psi_null(5, n_reference, n_current), abs=5 * error)


def test_psi_null_by_hand():
    """Bins less one, times the sum of the inverse sizes; without rows there is no level."""
    assert psi_null(10, 1000, 100) == pytest.approx(9 * 0.011)
    assert np.isnan(psi_null(10, 1000, 0))
    assert np.isnan(psi_null(10, 0, 1000))


def test_adjusted_p_values():
    """Holm's and Benjamini-Hochberg's by hand; missing ones stay out of the count."""
    p = [0.01, np.nan, 0.04, 0.03]
    np.testing.assert_allclose(adjust(p, "holm"), [0.03, np.nan, 0.06, 0.06])
    np.testing.assert_allclose(adjust(p, "fdr_bh"), [0.03, np.nan, 0.04, 0.04])
    np.testing.assert_allclose(adjust(p, "none"), p)
    assert np.isnan(adjust([np.nan])).all()
    with pytest.raises(ValueError, match="'bonferroni'"):
        adjust(p, "bonferroni")


def test_one_thin_category_is_counted_with_the_next_smallest():
    """A single rare category does not keep its own cell: p-values are those of the merged table."""
    table = np.array([[1600.0, 60], [12, 3], [1400, 50], [988, 37]])
    merged = np.array([[1600.0, 60], [1400, 50], [1000, 40]])
    expected = stats.chi2_contingency(merged, correction=False)
    assert chi_square(table) == pytest.approx((expected.statistic, expected.pvalue))


@pytest.mark.parametrize(
    ("shares", "before", "now"),
    [([0.4, 0.35, 0.245, 0.005], 4000, 150), ([0.6, 0.397, 0.003], 2000, 100)],
)
def test_one_thin_category_raises_no_more_false_alarms_than_promised(shares, before, now):
    """At the 1 % level, 2,000 pairs of samples of one world: 1.5 % alarms at most."""
    chance = rng(7)
    pairs = (
        np.column_stack([chance.multinomial(before, shares), chance.multinomial(now, shares)])
        for _ in range(2000)
    )
    alarms = sum(chi_square(pair.astype(float))[1] < 0.01 for pair in pairs)
    assert alarms <= 0.015 * 2000
