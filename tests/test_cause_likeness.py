"""Weighted by likeness, the holdout behaves as the window's applicants do."""

import numpy as np
import pytest

from mlops_helpers.cause_likeness import likeness
from mlops_helpers.simulation import true_default_probability
from mlops_helpers.worlds import draw_world


def scored(world, n, seed):
    """A window with a score that knows a part of the applicant only."""
    frame = draw_world(world, n, seed=seed)
    debt = frame["debt_to_income_ratio"]
    return frame.assign(probability=(0.02 + 0.4 * debt).clip(0.01, 0.99))


@pytest.mark.parametrize("world", ["recession", "the safest apply"])
def test_the_weighted_holdout_has_the_risk_of_the_window(world):
    """Most of the difference in true risk and in outcomes is gone."""
    holdout, window = scored("quiet", 6000, 1), scored(world, 6000, 2)
    weight = likeness(holdout, window)
    for what in ("true_probability", "default"):
        apart = abs(holdout[what].mean() - window[what].mean())
        left = abs(np.average(holdout[what], weights=weight) - window[what].mean())
        assert left < 0.35 * apart, what


def test_weights_are_of_mean_one_and_the_same_again():
    """No row stands for more than ten and their mean is one; equal frames, equal weights."""
    holdout, window = scored("quiet", 1500, 3), scored("recession", 1200, 4)
    weight = likeness(holdout, window)
    assert weight.shape == (1500,)
    assert weight.mean() == pytest.approx(1.0)
    assert weight.min() >= 0
    assert weight.max() < 25
    np.testing.assert_array_equal(weight, likeness(holdout, window))


def test_weights_do_not_look_at_outcomes():
    """Other outcomes, same weights: a changed world cannot hide in them."""
    holdout, window = scored("quiet", 800, 5), scored("recession", 800, 6)
    other = likeness(holdout.assign(default=0), window.assign(default=1))
    np.testing.assert_array_equal(likeness(holdout, window), other)


def test_alike_rows_keep_nearly_their_weight():
    """Two quiet samples: no row gains much, so the holdout is worth most of its rows."""
    holdout, window = scored("quiet", 3000, 7), scored("quiet", 3000, 8)
    weight = likeness(holdout, window)
    assert weight.sum() ** 2 / (weight**2).sum() > 0.6 * len(weight)
    truth = true_default_probability(holdout)
    assert np.average(truth, weights=weight) == pytest.approx(truth.mean(), rel=0.1)
