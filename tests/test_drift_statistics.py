"""The arithmetic of drift equals the formula by hand, and what simulation gives."""

import numpy as np
import pytest

from mlops_helpers.drift_statistics import FLOOR, adjust, psi, psi_null


def rng(seed=0):
    """Chance for one test."""
    return np.random.default_rng(seed)


def test_psi_by_hand():
    """The formula, its symmetry, its floor, and no rows."""
    by_hand = (0.8 - 0.5) * np.log(0.8 / 0.5) + (0.2 - 0.5) * np.log(0.2 / 0.5)
    assert psi([50, 50], [80, 20]) == pytest.approx(by_hand)
    assert psi([80, 20], [50, 50]) == pytest.approx(by_hand)
    assert psi([1, 2, 3], [10, 20, 30]) == pytest.approx(0)
    assert psi([10, 0], [0, 10]) == pytest.approx(2 * (1 - FLOOR) * np.log(1 / FLOOR))
    assert psi([1, 0], [0, 1]) == pytest.approx(2 * 0.9999 * np.log(10_000))
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
    with pytest.raises(ValueError, match="'bogus'"):
        adjust([np.nan], "bogus")


@pytest.mark.parametrize("correction", ["holm", "fdr_bh"])
def test_planned_tests_that_show_nothing_still_count(correction):
    """Ten planned tests of which three have p-values: as if the other seven were 1."""
    p = [0.01, np.nan, 0.04, 0.03]
    padded = adjust([0.01, 0.04, 0.03, *[1.0] * 7], correction)[:3]
    got = adjust(p, correction, planned=10)
    np.testing.assert_allclose(got, [padded[0], np.nan, padded[1], padded[2]])
    np.testing.assert_allclose(adjust(p, correction, planned=2), adjust(p, correction))
