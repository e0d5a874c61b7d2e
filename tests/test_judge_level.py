"""What mlops_helpers.judge_level promises."""

import numpy as np
import pytest
from scipy.stats import binom

from mlops_helpers.judge_level import level_gain


def loans(n, off, rng, *, own=0.05):
    """Outcomes of n loans and what models say whose means are `off` the true mean."""
    truth = rng.beta(2, 12, n)
    outcome = (rng.random(n) < truth).astype(float)
    return outcome, *(truth + shift + own * rng.normal(size=n) for shift in off)


@pytest.mark.parametrize(
    "off",
    [
        (0, 0),
        (0.01, -0.01),
        (0.02, 0),
        (0, 0.02),
        (0.02, 0.02),
        (0.02, -0.02),
        (0.004, 0),
        (0, -0.004),
        (0.1, 0),
    ],
)
@pytest.mark.parametrize("n", [300, 2000])
def test_the_interval_keeps_its_level_at_the_kink_and_elsewhere(off, n):
    """It lies wholly above the truth, or wholly below, in 2.5 % of 600 samples each at most."""
    rng = np.random.default_rng(7)
    true = abs(off[0]) - abs(off[1])
    found = [level_gain(*loans(n, off, rng)) for _ in range(600)]
    too_many = binom.isf(0.001, 600, 0.025)
    assert sum(gain.low > true for gain in found) <= too_many
    assert sum(gain.high < true for gain in found) <= too_many


def test_the_usual_interval_fails_at_the_kink():
    """Value plus and minus standard errors of the side it lies on: wrong in over a third."""
    rng = np.random.default_rng(8)
    wrong = 0
    for _ in range(600):
        outcome, old, new = loans(300, (0.01, -0.01), rng)
        sides = [np.sign((said - outcome).mean()) for said in (old, new)]
        each = sides[0] * (old - outcome) - sides[1] * (new - outcome)
        wrong += abs(each.mean()) > 1.96 * each.std(ddof=1) / np.sqrt(300)
    assert wrong > 200


def test_a_level_that_is_surely_nearer_is_found():
    """Ten points off against none at all: surely nearer; the other way round surely farther."""
    outcome, old, new = loans(2000, (0.1, 0), np.random.default_rng(1))
    there, back = level_gain(outcome, old, new), level_gain(outcome, new, old)
    assert 0 < there.low <= there.value <= there.high
    assert (back.low, back.value, back.high) == pytest.approx(
        (-there.high, -there.value, -there.low)
    )


def test_two_like_models_are_compared_without_the_noise_of_outcomes():
    """The same model, 1 point apart, far from the truth: the interval is a point, 1 point wide."""
    outcome, old, _ = loans(500, (0.2, 0), np.random.default_rng(1))
    found = level_gain(outcome, old, old - 0.01)
    assert (found.low, found.value, found.high) == pytest.approx((0.01,) * 3)
    same = level_gain(outcome, old, old)
    assert (same.low, same.value, same.high) == (0, 0, 0)
    near = level_gain(outcome, old - 0.2, old - 0.21)
    assert (near.low, near.high) == pytest.approx((-0.01, 0.01)), "of unsure sign: never beyond"


def test_a_higher_confidence_is_wider():
    """Limits of 99 % enclose those of 80 %."""
    given = loans(500, (0.02, 0.03), np.random.default_rng(1))
    narrow, wide = (level_gain(*given, confidence=c) for c in (0.8, 0.99))
    assert wide.low < narrow.low < narrow.high < wide.high


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (([0, 1], [0.1, 0.2], [0.1]), "2 outcomes, 2 and 1 probabilities"),
        (([0], [0.1], [0.1]), "1 outcomes"),
        (([0, 1], [0.1, np.nan], [0.1, 0.2]), "missing or infinite"),
    ],
)
def test_impossible_input_is_named(given, said):
    """Lengths, a single loan and missing values are refused by name; so is a percentage."""
    with pytest.raises(ValueError, match=said):
        level_gain(*given)
    with pytest.raises(ValueError, match="confidence is 95"):
        level_gain([0, 1], [0.1, 0.2], [0.1, 0.2], confidence=95)
