"""What mlops_helpers.calibration promises."""

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.special import expit, logit

from mlops_helpers.calibration import expected_recalibration, recalibration
from mlops_helpers.delong import MIN_PER_CLASS


def sample(n, seed=0, *, too_low=0.0, extreme=1.0):
    """Outcomes, and stated probabilities whose logit is `too_low + extreme` times the true one."""
    rng = np.random.default_rng(seed)
    p = rng.beta(2, 8, n)
    return (rng.random(n) < p).astype(int), expit(too_low + extreme * logit(p))


def limits(interval):
    """Both limits as a tuple."""
    return interval.low, interval.high


@pytest.mark.parametrize("distorted", [{}, {"too_low": -0.7, "extreme": 1.8}])
def test_it_is_the_logistic_regression_of_statsmodels(distorted):
    """Slope and intercept are statsmodels' maximum likelihood, the latter with an offset."""
    y, p = sample(900, seed=2, **distorted)
    found = recalibration(y, p)
    slope = sm.Logit(y, sm.add_constant(logit(p))).fit(disp=0)
    at_one = sm.GLM(y, np.ones(900), family=sm.families.Binomial(), offset=logit(p)).fit()
    assert found.slope.value == pytest.approx(slope.params[1], rel=1e-7)
    assert found.intercept.value == pytest.approx(at_one.params[0], rel=1e-6, abs=1e-8)
    assert found.slope.n == found.intercept.n == 900


def test_the_error_is_the_robust_one():
    """With many loans the interval is statsmodels' with White's variance."""
    y, p = sample(20_000, seed=3)
    found = recalibration(y, p, confidence=0.9)
    robust = sm.Logit(y, sm.add_constant(logit(p))).fit(disp=0, cov_type="HC0")
    assert limits(found.slope) == pytest.approx(robust.conf_int(0.1)[1], rel=2e-3)


def test_the_slope_sees_what_is_too_extreme_and_the_intercept_what_is_too_low():
    """Logits stretched by 1.5 have slope 2/3; logits 0.4 too low have an intercept of 0.4."""
    stretched = recalibration(*sample(20_000, extreme=1.5))
    assert stretched.slope.low < 1 / 1.5 < stretched.slope.high < 1
    lowered = recalibration(*sample(20_000, seed=1, too_low=-0.4))
    assert 0 < lowered.intercept.low < 0.4 < lowered.intercept.high
    assert lowered.slope.low < 1 < lowered.slope.high


def test_intervals_cover_also_where_the_model_is_wrong():
    """In 400 samples of 60 defaults, each interval holds the truth 92 to 98 times in a hundred."""
    covered = np.zeros(2)
    for seed in range(400):
        found = recalibration(*sample(300, seed, too_low=-0.3, extreme=1.4))
        right = recalibration(*sample(300, seed)).intercept
        covered += found.slope.low <= 1 / 1.4 <= found.slope.high, right.low <= 0 <= right.high
    assert (covered >= 0.92 * 400).all()
    assert (covered <= 0.98 * 400).all()


def test_one_probability_for_all_has_an_intercept_only():
    """There is no slope of a constant; the intercept is the difference of the logits."""
    y = np.repeat([0, 1], [60, 40])
    found = recalibration(y, np.full(100, 0.2))
    assert np.isnan(found.slope.value)
    assert found.intercept.value == pytest.approx(logit(0.4) - logit(0.2))
    assert found.intercept.known


@pytest.mark.parametrize("sign", [1, -1])
def test_separated_classes_have_no_finite_slope(sign):
    """Whichever way round, and with a tie at the cut; one exception and there is a slope."""
    y, p = np.repeat([0, 1], 30), expit(sign * np.linspace(-2, 2, 60))
    for tied in (p, np.where(np.abs(np.arange(60) - 29.5) < 5, 0.5, p)):
        found = recalibration(y, tied)
        assert np.isnan([found.slope.value, *limits(found.slope)]).all()
        assert found.intercept.known
    y[[0, 59]] = y[[59, 0]]
    assert recalibration(y, p).slope.known


def test_certainty_has_no_logit():
    """A single probability of 0 or 1 leaves both missing: the answer would be that of the cut."""
    y, p = sample(200)
    for certain in (0.0, 1.0):
        found = recalibration(y, np.r_[certain, p[1:]])
        assert np.isnan([found.slope.value, found.intercept.value]).all()
        assert not found.intercept.known


def test_one_class_or_nobody_has_neither():
    """Without a default, or without a loan, nothing is finite."""
    for y, p in (([0, 0], [0.1, 0.2]), ([1, 1], [0.1, 0.2]), ([], [])):
        found = recalibration(y, p)
        assert np.isnan([found.slope.value, found.intercept.value]).all()


def test_few_of_a_class_have_values_without_limits():
    """One default fewer than the least: values, no limits; with the least: both."""
    rng = np.random.default_rng(4)
    for defaults in (MIN_PER_CLASS - 1, MIN_PER_CLASS):
        y = np.repeat([1, 0], [defaults, 300])
        found = recalibration(y, expit(-2 + y + rng.normal(size=y.size)))
        assert np.isfinite([found.slope.value, found.intercept.value]).all()
        assert found.slope.known == found.intercept.known == (defaults == MIN_PER_CLASS)


def test_extreme_probabilities_are_fitted_as_well():
    """Probabilities within 1e-12 of 0 and 1, some badly wrong, still give the maximum."""
    rng = np.random.default_rng(5)
    p = np.clip(rng.beta(0.02, 0.02, 500), 1e-12, 1 - 1e-12)
    y = (rng.random(500) < 0.1 + 0.8 * p).astype(int)
    slope = sm.GLM(y, sm.add_constant(logit(p)), family=sm.families.Binomial()).fit().params[1]
    assert recalibration(y, p).slope.value == pytest.approx(slope, rel=1e-6)


def test_expectation_is_where_calibrated_samples_lie():
    """Of 300 samples drawn from the probabilities, 92 to 98 in a hundred lie within the bounds."""
    rng = np.random.default_rng(6)
    p = rng.beta(2, 8, 1000)
    expected = expected_recalibration(p)
    assert (expected.slope.value, expected.intercept.value) == (1, 0)
    within = np.zeros(2)
    for _ in range(300):
        found = recalibration(rng.random(1000) < p, p)
        for i, (e, f) in enumerate(
            [(expected.slope, found.slope), (expected.intercept, found.intercept)]
        ):
            within[i] += e.low <= f.value <= e.high
    assert (within >= 0.92 * 300).all()
    assert (within <= 0.98 * 300).all()


def test_expectation_of_what_has_no_answer():
    """Nobody, certainty, one probability for all, and too few defaults are missing as when seen."""
    assert np.isnan(expected_recalibration([]).intercept.value)
    assert np.isnan(expected_recalibration([0.0, 0.5]).slope.value)
    constant = expected_recalibration(np.full(1000, 0.1))
    assert np.isnan(constant.slope.value)
    assert constant.intercept.known
    few = expected_recalibration(np.linspace(0.01, 0.1, 100))
    assert few.slope.value == 1
    assert not few.slope.known


@pytest.mark.parametrize(
    ("y", "p", "said"),
    [
        ([0, 1], [0.1], "y has 2 rows and p has 1"),
        ([0, 0.5], [0.1, 0.2], r"y holds 0\.5"),
        ([0, 1], [0.1, 1.2], r"p holds 1\.2"),
        ([0, 1], [0.1, np.nan], "p holds nan"),
    ],
)
def test_impossible_input_is_named(y, p, said):
    """Unequal lengths, other labels and what is no probability are refused by name."""
    with pytest.raises(ValueError, match=said):
        recalibration(y, p)


def test_confidence_is_a_share():
    """Percent is refused."""
    with pytest.raises(ValueError, match="confidence is 95"):
        recalibration([0, 1], [0.1, 0.2], confidence=95)
