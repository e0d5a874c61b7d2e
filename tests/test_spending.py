"""The error is spent over the looks as planned, and no more of it."""

import numpy as np
import pytest
from scipy import stats

from mlops_helpers.spending import boundaries

SHARES = (0.3, 0.6, 1.0)


def covariance(shares):
    """Of the z-values at the looks: later ones hold the rows of earlier ones."""
    return np.sqrt(np.minimum.outer(shares, shares) / np.maximum.outer(shares, shares))


def test_one_look_is_the_plain_test():
    """Nothing to share: the normal quantile."""
    assert boundaries((1.0,), error=0.025) == pytest.approx([1.959964], abs=1e-6)


@pytest.mark.parametrize("power", [1.0, 2.0, 3.0])
def test_the_error_at_each_look_is_what_was_to_be_spent(power):
    """Checked against the multivariate normal, look by look, not against the recursion."""
    found = boundaries(SHARES, error=0.05, power=power)
    for looks in range(1, len(SHARES) + 1):
        shares = np.array(SHARES[:looks])
        inside = stats.multivariate_normal(cov=covariance(shares)).cdf(np.array(found[:looks]))
        assert 1 - inside == pytest.approx(0.05 * SHARES[looks - 1] ** power, abs=2e-5)


def test_a_table_of_a_textbook_is_met():
    """Linear spending of 2.5 % at five even looks (Jennison and Turnbull 2000, Lan and DeMets)."""
    found = boundaries((0.2, 0.4, 0.6, 0.8, 1.0), error=0.025, power=1.0)
    assert found[0] == pytest.approx(stats.norm.isf(0.005), abs=1e-6)
    assert np.all(np.diff(found) < 0)
    drawn = np.random.default_rng(5).normal(size=(200_000, 5)).cumsum(axis=1)
    share = (drawn / np.sqrt(np.arange(1, 6)) > found).any(axis=1).mean()
    assert abs(share - 0.025) < 4 * np.sqrt(0.025 * 0.975 / 200_000)


def test_a_look_without_new_rows_decides_nothing():
    """Before the first outcome, and when none came since: infinite, and none of the error spent."""
    with_empty = boundaries((0.0, 0.0, 0.3, 0.3, 0.6, 1.0), error=0.05)
    assert with_empty[:2] == (np.inf, np.inf)
    assert with_empty[3] == np.inf
    assert [with_empty[i] for i in (2, 4, 5)] == pytest.approx(boundaries(SHARES, error=0.05))


@pytest.mark.parametrize(
    ("shares", "options", "said"),
    [
        ((), {"error": 0.05}, "information is"),
        ((0.5, 0.4), {"error": 0.05}, "that do not fall"),
        ((0.5, 1.1), {"error": 0.05}, "shares from 0 to 1"),
        ((0.5, float("nan")), {"error": 0.05}, "shares from 0 to 1"),
        ((1.0,), {"error": 0.5}, "error is 0.5"),
        ((1.0,), {"error": 0.05, "power": 0.0}, "power 0.0"),
    ],
)
def test_what_cannot_be_spent_is_refused(shares, options, said):
    """Shares that fall or lie outside 0 to 1, an error of a coin's."""
    with pytest.raises(ValueError, match=said):
        boundaries(shares, **options)
