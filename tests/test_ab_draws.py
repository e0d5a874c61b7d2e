"""Experiments on applicants whose truth is known."""

import numpy as np
import pytest

from mlops_helpers.ab_draws import COSTS, experiments, frame_of, gain, population
from mlops_helpers.business import Interval


@pytest.fixture(scope="module")
def pool():
    """Quiet applicants."""
    return population("quiet", seed=5)


def test_a_population_knows_what_a_loan_is_worth(pool):
    """Worth is positive below break-even and negative above, whatever the amount."""
    assert ((pool.worth > 0) == (pool.truth < COSTS.break_even)).all()
    everybody, nobody = np.ones(pool.truth.size, bool), np.zeros(pool.truth.size, bool)
    assert pool.effect(nobody, everybody) == pytest.approx(pool.worth.mean())
    assert pool.effect(everybody, everybody) == 0


def test_scores_have_noise_and_shift(pool):
    """Noise costs ranking, a shift only moves; the same seed gives the same score."""
    sharp, blunt = (pool.score(seed=1, noise=noise) for noise in (0.0, 1.5))
    assert np.corrcoef(pool.truth, sharp)[0, 1] > np.corrcoef(pool.truth, blunt)[0, 1] + 0.1
    fearful = pool.score(seed=1, noise=1.5, shift=0.5)
    assert (fearful > blunt).all()
    assert (np.argsort(fearful) == np.argsort(blunt)).all()


def test_experiments_are_drawn_as_told(pool):
    """Shares, defaults and dollars are those of the population, within chance."""
    drawn = list(experiments(pool, 40, 1000, seed=2, share=0.2))
    assert len(drawn) == 40
    arm = np.concatenate([one.arm for one in drawn])
    assert abs(arm.mean() - 0.2) < 4 * 0.4 / np.sqrt(arm.size)
    default = np.concatenate([one.default for one in drawn])
    rate = pool.truth.mean()
    assert abs(default.mean() - rate) < 4 * np.sqrt(rate * (1 - rate) / default.size)
    one = drawn[0]
    assert (one.money(one.arm)[~one.arm] == 0).all()
    assert ((one.profit < 0) == (one.default == 1)).all()


def test_gain_is_treatment_less_control():
    """By hand: means 3 and 1, Welch's interval around 2."""
    found = gain(np.array([0.0, 2.0, 2.0, 4.0]), np.array([False, False, True, True]))
    assert found.value == 2.0
    assert found.low < 2.0 < found.high


def test_a_frame_counts_what_missed_the_truth():
    """Half of the intervals leave out 0; without limits one has missed as well."""
    hit, out = Interval(0.1, -1, 1, 9), Interval(2.0, 1, 3, 9)
    row = frame_of({"x": [hit, out] * 20}, {"x": 0.0}, {"x": "%"}).iloc[0]
    assert row["missed"] == 0.5
    assert row["unit"] == "%"
    assert row["value"] == pytest.approx(1.05)
    blind = Interval(0.0, float("nan"), float("nan"), 9)
    assert frame_of({"x": [hit, blind] * 20}, {"x": 0.0}).iloc[0]["missed"] == 0.5
    moving = np.tile([0.0, 2.0], 20)
    assert frame_of({"x": [hit, out] * 20}, {"x": moving}).iloc[0]["missed"] == 0.0
