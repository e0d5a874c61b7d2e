"""Categories: SciPy's chi-square where counts allow it, and nothing hidden where they do not."""

import time

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from mlops_helpers import drift_categories as categories
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
    statistic, p = chi_square(table)
    assert statistic == pytest.approx(expected.statistic)
    assert expected.pvalue / 2 < p <= min(1, 2 * expected.pvalue)
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
    """A rare category does not keep its own cell: the merged table, twice for the second look."""
    table = np.array([[1600.0, 60], [12, 3], [1400, 50], [988, 37]])
    merged = np.array([[1600.0, 60], [1400, 50], [1000, 40]])
    expected = stats.chi2_contingency(merged, correction=False)
    alone = 2 * stats.hypergeom.sf(2, 4150, 15, 150)  # of the rare one, both directions
    p = min(1, 2 * min(expected.pvalue, alone))
    assert chi_square(table) == pytest.approx((expected.statistic, p))


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


def disjoint(number, each):
    """As many categories before as now, all others, each as often."""
    ones, none = np.full(number, float(each)), np.zeros(number)
    return np.column_stack([np.r_[ones, none], np.r_[none, ones]])


@pytest.mark.parametrize(("number", "each"), [(10, 3), (20, 2), (500, 2), (5000, 3)])
def test_thousands_of_other_categories_are_not_summed_away(number, each):
    """All thin, none in common: the sum of the thin ones is the same and the answer is not."""
    table = disjoint(number, each)
    assert chi_square(table)[1] < 1e-4
    index, null = category_index(table)
    assert index - null > 0.25


def test_a_thin_category_that_was_never_seen_and_now_comes_often_is_evidence():
    """Eight rows of a hundred in a category that a hundred thousand rows never had."""
    assert chi_square(np.array([[60_000.0, 55], [40_000, 37], [0, 8]]))[1] < 1e-15


def test_the_strangest_of_many_is_that_of_all_of_them():
    """Looking at the extremes of equal pooled counts finds what looking at each one finds."""
    thin = rng(3).integers(0, 5, size=(300, 2)).astype(float) + 1
    totals = np.array([2000.0, 700.0])
    tails = [
        stats.hypergeom.sf(thin[:, k] - 1, totals.sum(), thin.sum(axis=1), totals[k])
        for k in (0, 1)
    ]
    assert categories._strangest(thin, totals) == min(1, 2 * 300 * np.minimum(*tails).min())


def test_two_hundred_thousand_thin_categories_take_no_time():
    """Each by itself they would take minutes."""
    table = rng(4).poisson(2, size=(200_000, 2)).astype(float)
    start = time.perf_counter()
    chi_square(table)
    assert time.perf_counter() - start < 5


def test_ids_are_no_evidence_of_anything():
    """If hardly a value comes twice nothing could be seen: no p-value, not "no drift"."""
    assert np.isnan(chi_square(disjoint(200, 1))).all()


@pytest.mark.parametrize(
    ("number", "before", "now"), [(40, 150, 60), (300, 400, 300), (60, 20_000, 120)]
)
def test_many_categories_keep_their_level(number, before, now):
    """600 quiet pairs with mostly thin categories: at most 5 % and 1 % alarms, plus error."""
    chance = rng(11)
    shares = chance.dirichlet(np.full(number, 0.7))
    p, excess = [], []
    for _ in range(600):
        table = np.column_stack([chance.multinomial(n, shares) for n in (before, now)])
        p.append(chi_square(table.astype(float))[1])
        index, null = category_index(table.astype(float))
        excess.append(index - null)
    assert np.mean(np.array(p) < 0.05) <= 0.05 + 2 * 0.0089
    assert np.mean(np.array(p) < 0.01) <= 0.01 + 2 * 0.0041
    assert abs(np.mean(excess)) < 0.1 * null


def test_the_permutations_moments_are_those_of_permutations():
    """Mean and variance of the thin categories' spread, against 8,000 dealings."""
    pooled, drawn, chance = np.array([2, 3, 5, 4, 2, 2, 3, 6] * 3), 20, rng(2)
    found = []
    for now in chance.multivariate_hypergeometric(pooled, drawn, size=8000):
        table = np.column_stack([pooled - now, now]).astype(float)
        found.append(categories._spread(table))
    assert np.mean(found) == pytest.approx(len(pooled) - 1, rel=0.01)
    assert np.var(found) == pytest.approx(categories._variance(table), rel=0.08)


def test_a_few_categories_have_the_plain_index():
    """Without thin ones the index and its null level are those of the counts."""
    table = np.array([[50.0, 40], [30, 45], [20, 15]])
    assert category_index(table) == (psi(table[:, 0], table[:, 1]), psi_null(3, 100, 100))


def test_a_note_stays_short():
    """The most frequent new ones by name and share, the rest as a number, long names cut."""
    names = [f"n{k}" for k in range(1000)] + ["x" * 500]
    counts = pd.DataFrame({"before": 0.0, "now": 1.0}, index=names)
    counts.loc["n7", "now"] = 500.0
    note = in_words(counts)
    assert note.startswith("new: n7 (33.3%), n0 (0.1%)")
    assert note.endswith("and 996 more")
    assert len(in_words(counts.tail(1))) < 60
