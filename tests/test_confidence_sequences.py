"""What mlops_helpers.confidence_sequences promises."""

import inspect
from itertools import pairwise

import numpy as np
import pytest
from scipy import integrate, optimize, stats

from mlops_helpers import confidence_sequences as under_test
from mlops_helpers.business import CostModel
from mlops_helpers.confidence_sequences import (
    MIN_PER_ARM,
    Moments,
    difference,
    half_width,
    p_value,
    path,
    price,
    rate_moments,
)

RNG = np.random.default_rng(8)
CONTROL, TREATMENT = Moments(1500, 100.0, 900.0), Moments(700, 103.0, 1600.0)
PLAN = {"alpha": 0.05, "tuned_for": 4000}


def mixing(alpha: float, tuned_for: float) -> float:
    """rho**2, found by a search for the narrowest width instead of Lambert's W."""

    def width(log_rho2: float) -> float:
        t, rho2 = tuned_for, np.exp(log_rho2)
        return 2 * (t * rho2 + 1) / (t**2 * rho2) * np.log(np.sqrt(t * rho2 + 1) / alpha)

    around = np.log(1 / tuned_for)
    found = optimize.minimize_scalar(width, bounds=(around - 5, around + 8), method="bounded")
    return float(np.exp(found.x))


@pytest.mark.parametrize(("alpha", "planned"), [(0.05, 1000), (0.01, 50_000), (0.2, 300)])
def test_no_other_mixture_is_narrower_at_the_planned_size(alpha, planned):
    """The width at the planned size is the least that equation (8) can have there."""
    t, rho2 = planned, mixing(alpha, planned)
    least = np.sqrt(2 * (t * rho2 + 1) / (t**2 * rho2) * np.log(np.sqrt(t * rho2 + 1) / alpha))
    assert half_width(t, 1.0, alpha=alpha, tuned_for=t) == pytest.approx(least, rel=1e-9)
    assert price(alpha) == pytest.approx(least * np.sqrt(t) / stats.norm.isf(alpha / 2), rel=1e-9)


def test_the_price_is_the_least_over_all_sizes():
    """Compared with the fixed interval the sequence is narrowest about the planned size.

    At half of it and at twice it the sequence is at most a tenth wider than there.
    """
    n = np.array([50, 500, 1000, 2000, 50_000])
    ratio = half_width(n, 1.0, alpha=0.05, tuned_for=1000) * np.sqrt(n) / stats.norm.isf(0.025)
    assert ratio.argmin() == 2
    assert ratio[2] == pytest.approx(price(0.05))
    assert ratio[[1, 3]].max() < 1.1 * price(0.05)


def test_the_p_value_is_that_of_a_mixture_of_likelihood_ratios():
    """1 / p equals the likelihood ratio averaged over normal effects, by numerical integration.

    Johari et al.'s test, for a mean of n values: the effect is drawn from a normal distribution
    with the mixing variance, in units of a single value's variance.
    """
    n, error = CONTROL.n + TREATMENT.n, np.sqrt(900 / 1500 + 1600 / 700)
    tau = np.sqrt(mixing(0.05, 4000) * n) * error
    for effect in (1.0, 6.0, 12.0):

        def ratio(theta: float, effect: float = effect) -> float:
            seen = stats.norm.logpdf(effect, theta, error) - stats.norm.logpdf(effect, 0, error)
            return float(np.exp(seen) * stats.norm.pdf(theta, 0, tau))

        mixed, _ = integrate.quad(ratio, -12 * tau, 12 * tau, points=[0, effect], limit=200)
        found = p_value(CONTROL, Moments(700, 100.0 + effect, 1600.0), **PLAN)
        assert found == pytest.approx(min(1, 1 / mixed), rel=1e-5)
    assert found < 1e-6


@pytest.mark.parametrize("alpha", [0.2, 0.05, 0.001])
def test_interval_and_p_value_say_the_same(alpha):
    """The limits are the differences whose p-value is alpha; within them it is larger."""
    found = difference(CONTROL, TREATMENT, alpha=alpha, tuned_for=3000)
    plan = {"alpha": alpha, "tuned_for": 3000}
    for limit in (found.low, found.high):
        assert p_value(CONTROL, TREATMENT, null=limit, **plan) == pytest.approx(alpha)
    assert p_value(CONTROL, TREATMENT, null=found.value, **plan) == 1.0
    assert p_value(CONTROL, TREATMENT, null=found.high + 1, **plan) < alpha


def test_an_uneven_split_has_the_width_of_its_influence_values():
    """The limits are those of the mean over all rows of the influence values of each arm."""
    n, share = 4000, 0.2
    treated = np.arange(n) < n * share
    values = np.where(treated, RNG.normal(5, 3, n), RNG.normal(4, 1, n))
    arms = [values[~treated], values[treated]]
    influence = np.where(
        treated, (values - arms[1].mean()) / share, -(values - arms[0].mean()) / (1 - share)
    )
    moments = [Moments(a.size, a.mean(), a.var()) for a in arms]
    found = difference(*moments, **PLAN)
    assert found.value == pytest.approx(arms[1].mean() - arms[0].mean())
    expected = half_width(n, influence.std(), **PLAN)
    assert (found.high - found.low) / 2 == pytest.approx(expected, rel=1e-9)
    assert found.n == n


def test_there_are_no_limits_before_the_variances_are_known():
    """One row fewer than the minimum, or no spread: no limits, p-value 1, the effect is told."""
    few = Moments(MIN_PER_ARM - 1, 103.0, 1600.0)
    flat = Moments(5000, 1.0, 0.0), Moments(5000, 1.0, 0.0)
    for arms in ((CONTROL, few), (few, CONTROL), flat):
        found = difference(*arms, **PLAN)
        assert not found.known
        assert found.value == arms[1].mean - arms[0].mean
        assert p_value(*arms, **PLAN) == 1.0
    enough = Moments(MIN_PER_ARM, 103.0, 1600.0)
    assert difference(CONTROL, enough, **PLAN).known


def test_an_arm_without_events_is_not_certain():
    """A rate of 0 of 200 has a variance, so that 6 of 200 beside it is no proof of a difference."""
    none, some = rate_moments(0, 200), rate_moments(6, 200)
    assert (none.mean, some.mean) == (0.0, 0.03)
    assert none.variance > 0
    assert difference(none, some, alpha=0.05, tuned_for=400).low < 0
    many = rate_moments(30_000, 100_000)
    assert many.variance == pytest.approx(0.21, rel=1e-4)
    assert np.isnan(rate_moments(0, 0).mean)


def test_a_path_repeats_what_each_look_says():
    """Every row of a path is `difference`, `p_value` and SciPy's Welch test on the rows so far."""
    n, looks = 3000, [300, 800, 3000]
    values = RNG.exponential(50, n) + 1e6  # far from zero: no digits may be lost
    treated = RNG.random(n) < 0.3
    found = path(values, treated, looks, alpha=0.1)
    assert found["n"].tolist() == looks
    assert not np.isfinite(found["low"][0])
    assert found["p_value"][0] == 1.0
    for row in found.itertuples():
        arms = [values[: row.n][treated[: row.n] == arm] for arm in (False, True)]
        fixed = stats.ttest_ind(arms[1], arms[0], equal_var=False)
        assert row.fixed_p == pytest.approx(fixed.pvalue, abs=4e-3)
        assert (row.fixed_low + row.fixed_high) / 2 == pytest.approx(row.effect)
        assert row.effect == pytest.approx(arms[1].mean() - arms[0].mean(), abs=1e-8)
        if row.look > 1:
            moments = [Moments(a.size, a.mean(), a.var(ddof=1)) for a in arms]
            expected = difference(*moments, alpha=0.1, tuned_for=n)
            assert (row.low, row.high) == pytest.approx((expected.low, expected.high), abs=1e-6)
            p = p_value(*moments, alpha=0.1, tuned_for=n)
            assert row.p_value == pytest.approx(p, rel=1e-6)
            assert row.high - row.low > row.fixed_high - row.fixed_low


def test_all_looks_together_cover_a_true_effect():
    """Skewed profits, an uneven split, a true gain: 95 % of the paths hold it at every look.

    Loans of $2,000 to $20,000, 15 % default, three tenths declined; treatment earns $100 more.
    """
    missed, repeats, n = 0, 300, 4000
    looks = np.arange(80, n + 1, 80)
    for repeat in range(repeats):
        rng = np.random.default_rng([3, repeat])
        default = (rng.random(n) < 0.15).astype(float)
        profit = CostModel().profit(rng.uniform(2e3, 2e4, n), default, rng.random(n) < 0.7)
        treated = rng.random(n) < 0.3
        found = path(profit + 100 * treated, treated, looks)
        missed += bool(((found["low"] > 100) | (found["high"] < 100)).any())
    assert stats.binomtest(missed, repeats, 0.05, alternative="greater").pvalue > 0.001


def test_constant_values_differ_nowhere():
    """Without any spread there are no limits and every p-value is 1."""
    found = path(np.full(600, 0.1), np.arange(600) % 2 == 0, [300, 600])
    assert found[["low", "fixed_low"]].isna().all(axis=None)
    assert (found[["p_value", "fixed_p"]] == 1).all(axis=None)


@pytest.mark.parametrize(
    ("looks", "values", "said"),
    [
        ([], np.ones(9), "looks are"),
        ([3, 2], np.ones(9), "rising"),
        ([10], np.ones(9), "the 9 values"),
        ([9], np.r_[np.ones(8), np.nan], "missing"),
        ([9], np.ones(10), "9 arms"),
    ],
)
def test_what_cannot_be_a_path_is_refused(looks, values, said):
    """Looks outside the rows, missing values and arms that do not fit are told by name."""
    with pytest.raises(ValueError, match=said):
        path(values, np.arange(9) % 2 == 0, looks)


@pytest.mark.parametrize(("alpha", "planned"), [(0, 10), (1, 10), (0.05, 0), (0.05, np.inf)])
def test_what_cannot_be_a_plan_is_refused(alpha, planned):
    """The level lies between 0 and 1 and the planned size is a number above 0."""
    with pytest.raises(ValueError, match="must lie between 0 and 1"):
        half_width(10, 1.0, alpha=alpha, tuned_for=planned)


def test_all_names_exist_in_order():
    """What is offered is there, sorted, and documented."""
    offered = under_test.__all__
    assert all(a < b for a, b in pairwise(offered))
    named = [getattr(under_test, name) for name in offered if name != "MIN_PER_ARM"]
    assert all(inspect.getdoc(thing) for thing in named)
