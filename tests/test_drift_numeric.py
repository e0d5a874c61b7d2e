"""Numbers: the figures are SciPy's, whatever the ties, the sizes and the magnitudes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from mlops_helpers import drift_numeric as numeric
from mlops_helpers.drift_numeric import kolmogorov_smirnov, wasserstein


def rng(seed=0):
    """Chance for one test."""
    return np.random.default_rng(seed)


@pytest.mark.parametrize(("n", "m", "method"), [(300, 200, "exact"), (2000, 1000, "asymp")])
def test_ks_is_that_of_scipy(n, m, method):
    """Statistic and p-value are SciPy's: exact for small samples, asymptotic for large ones."""
    a, b = (np.sort(rng(s).normal(s / 10, 1, size=k)) for s, k in enumerate((n, m)))
    expected = stats.ks_2samp(a, b, method=method)
    got = kolmogorov_smirnov(a, b)
    assert got == pytest.approx((expected.statistic, expected.pvalue), rel=1e-12)


@pytest.mark.parametrize(("n", "m"), [(1, 1), (997, 1000), (2000, 1999), (13000, 40)])
def test_ks_has_a_p_value_at_any_size(n, m):
    """No pair of sizes ends in a warning or a missing p-value."""
    _, p = kolmogorov_smirnov(*(np.sort(rng(k).normal(size=k)) for k in (n, m)))
    assert 0 < p <= 1


NUMBERS = st.one_of(
    st.integers(-3, 3).map(float),
    st.floats(-1e6, 1e6, allow_nan=False, width=32),
    st.sampled_from([np.inf, -np.inf]),
)
FINITE = NUMBERS.filter(np.isfinite)


@settings(derandomize=True, max_examples=200, deadline=None)
@given(st.lists(NUMBERS, min_size=1, max_size=40), st.lists(NUMBERS, min_size=1, max_size=25))
def test_small_samples_have_the_exact_p_value(before, now):
    """Ties, infinite values, a single row, unequal sizes: statistic and p-value are SciPy's."""
    a, b = np.sort(before), np.sort(now)
    statistic, p = kolmogorov_smirnov(a, b)
    closest = 1 / np.lcm(len(a), len(b))
    if statistic <= closest * (1 + 1e-9):  # always reached; SciPy gives up at 1 + 1e-16
        assert p == 1
        return
    expected = stats.ks_2samp(a, b, method="exact")
    assert statistic == pytest.approx(expected.statistic, abs=1e-12)
    assert p == pytest.approx(expected.pvalue, abs=1e-9)


@settings(derandomize=True, max_examples=60, deadline=None)
@given(
    st.integers(2, 4000),
    st.integers(2, 4000),
    st.sampled_from([0, 1, 3]),
    st.sampled_from([0.0, 0.02, 0.1, 2.0]),
    st.integers(0, 1000),
)
def test_the_search_by_blocks_finds_the_greatest_gap(n, m, digits, shift, seed):
    """Whatever the sizes, ties and shift, the greatest gap is that of looking everywhere."""
    chance = rng(seed)
    a = np.sort(chance.normal(size=n).round(digits))
    b = np.sort(chance.normal(shift, 1, size=m).round(digits))
    few, many = (a, b) if n <= m else (b, a)
    expected = stats.ks_2samp(a, b, method="asymp").statistic
    assert numeric._greatest_gap(many, few) / (n * m) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("shift", [0.0, 0.005, 0.01, 0.02, 0.03, 0.1])
@pytest.mark.parametrize(("n", "m"), [(60_000, 50_000), (200_000, 11_000), (1_000_000, 3)])
def test_large_samples_have_the_asymptotic_p_value(n, m, shift):
    """Where SciPy adds up a term a row, the expansion of the tail is the same to 1e-9."""
    a, b = np.sort(rng().normal(size=n)), np.sort(rng(1).normal(shift, 1, size=m))
    expected = stats.ks_2samp(a, b, method="asymp")
    got = kolmogorov_smirnov(a, b)
    assert got == pytest.approx((expected.statistic, expected.pvalue), abs=1e-9)


@pytest.mark.parametrize("size", [10_000, 30_000])
def test_the_tail_is_that_of_scipy(size):
    """From where the expansion takes over to far beyond any limit, within 1e-9."""
    for z in np.linspace(1.4, 6, 24):
        x = z / np.sqrt(size)
        assert numeric._tail(x, size) == pytest.approx(stats.kstwo.sf(x, size), abs=1e-9)


@settings(derandomize=True, max_examples=200, deadline=None)
@given(st.lists(FINITE, min_size=1, max_size=60), st.lists(FINITE, min_size=1, max_size=60))
def test_the_distance_is_that_of_scipy(before, now):
    """For all sizes, equal and unequal, whichever side is larger."""
    expected = stats.wasserstein_distance(before, now)
    assert wasserstein(np.sort(before), np.sort(now)) == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_the_distance_of_more_values_than_a_chunk():
    """Pieces of the sum fit together."""
    a, b = np.sort(rng().normal(size=150_000)), np.sort(rng(1).normal(0.3, 2, size=70_001))
    expected = stats.wasserstein_distance(a, b)
    assert wasserstein(a, b) == pytest.approx(expected, rel=1e-9)
    assert wasserstein(b, a) == pytest.approx(expected, rel=1e-9)


def test_the_distance_by_chance_is_what_quiet_samples_give():
    """Over 400 quiet pairs of unequal sizes the mean distance is the null level, or just below."""
    chance, far = rng(3), []
    level = numeric.wasserstein_null(np.sort(rng(9).lognormal(0, 0.5, size=50_000)))
    for _ in range(400):
        a, b = (np.sort(chance.lognormal(0, 0.5, size=n)) for n in (900, 300))
        far.append(wasserstein(a, b))
    assert np.mean(far) == pytest.approx(level * np.sqrt(1 / 900 + 1 / 300), rel=0.08)


def test_magnitudes_do_not_overflow():
    """Near the greatest number there is, distance and deviation are finite and right."""
    a, b = np.array([-1e308, 1e308]), np.array([-1e308, 0.0, 1e308])
    assert wasserstein(a, b) == pytest.approx(1e308 / 3, rel=1e-9)
    assert numeric.deviation(a) == pytest.approx(1e308)
    assert numeric.deviation(np.full(3, 0.1)) == 0


def test_finite_values_lie_between_the_infinite_ones():
    """Infinite values at both ends are cut off, and only they."""
    values = np.array([-np.inf, -1.0, 2.0, np.inf, np.inf])
    assert numeric.finite(values).tolist() == [-1.0, 2.0]
    assert not len(numeric.finite(np.array([np.inf])))


def test_bins_hold_their_upper_edge():
    """Quantile edges are values; a bin ends with its edge; a constant has three bins."""
    values = np.arange(100.0)
    edges = numeric.quantile_edges(values, 4)
    assert edges.tolist() == np.quantile(values, [0.25, 0.5, 0.75], method="lower").tolist()
    assert numeric.bin_counts(edges, values).tolist() == [25, 25, 25, 25]
    same = numeric.quantile_edges(np.full(5, 3.0), 10)
    assert numeric.bin_counts(same, np.array([2.0, 3.0, 3.0, 4.0])).tolist() == [1, 2, 1]


@pytest.mark.parametrize(("n", "m"), [(300, 13_000), (13_000, 300), (13_000, 1000), (100, 500)])
@pytest.mark.parametrize("ties", [False, True])
def test_tails_keep_their_level(n, m, ties):
    """1,000 quiet pairs: at most 5 and 1 % alarms and two standard errors, with ties even fewer."""
    chance, p = rng(13), []
    for _ in range(1000):
        a, b = (chance.poisson(2, k) if ties else chance.random(k) for k in (n, m))
        p.append(numeric.tails(np.sort(a).astype(float), np.sort(b).astype(float))[2])
    for level in (0.05, 0.01):
        assert np.mean(np.array(p) < level) <= level + 2 * np.sqrt(level * (1 - level) / 1000)


def test_tails_by_hand():
    """Of four values three lie beyond nine: 10 of 13 places for each, all orders equally likely."""
    share, expected, p = numeric.tails(np.arange(9.0), np.array([-1.0, 4.0, 9.0, 9.0]))
    assert (share, expected) == (0.75, 0.2)
    more = stats.betabinom.sf(2, 4, 2, 8)  # at least 3 of 4 in 2 of the 10 gaps
    assert p == pytest.approx(2 * more)
    shrunk = numeric.tails(np.linspace(-3, 3, 5000), np.zeros(20_000))
    assert shrunk[0] == 0
    assert shrunk[2] < 1e-6
    assert numeric.tails(np.array([1.0]), np.array([5.0, 6.0]))[2] == 1
