"""Categories: SciPy's chi-square where counts allow it, and nothing hidden where they do not."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from mlops_helpers.drift_categories import category_index, chi_square, in_words
from mlops_helpers.drift_statistics import psi, psi_null


def rng(seed=0):
    """Chance for one test."""
    return np.random.default_rng(seed)


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
