"""What mlops_helpers.sample_size promises."""

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.power import NormalIndPower, TTestIndPower
from statsmodels.stats.proportion import (
    power_proportions_2indep,
    proportion_effectsize,
    samplesize_proportions_2indep_onetail,
)

from mlops_helpers.confidence_sequences import half_width, price
from mlops_helpers.sample_size import (
    power,
    power_table,
    required_sample_size,
    smallest_detectable_effect,
    typical_spread,
)


def test_size_for_rates_is_statsmodels():
    """Sizes for two rates agree with statsmodels to one application."""
    ours = required_sample_size(0.02, rate=0.14)
    theirs = samplesize_proportions_2indep_onetail(0.02, 0.14, 0.8, alpha=0.05)
    assert ours == pytest.approx(theirs, abs=1)


@pytest.mark.parametrize("ratio", [0.25, 1.0, 2.0])
def test_power_for_rates_is_statsmodels(ratio):
    """Power for unequal arms agrees with statsmodels (there sample 1 is the treatment)."""
    theirs = power_proportions_2indep(0.02, 0.14, nobs1=5000 * ratio, ratio=1 / ratio).power
    assert power(5000, 0.02, rate=0.14, ratio=ratio) == pytest.approx(theirs, abs=1e-3)


@pytest.mark.parametrize("ratio", [0.25, 1.0])
@pytest.mark.parametrize("effect", [25.0, -500.0, 3000.0])
def test_size_for_means_is_statsmodels(effect, ratio):
    """Sizes for two means agree with statsmodels' t-test power to one application."""
    theirs = TTestIndPower().solve_power(abs(effect) / 2500, power=0.8, alpha=0.05, ratio=ratio)
    ours = required_sample_size(effect, sd=2500, ratio=ratio)
    assert ours == pytest.approx(theirs, abs=1)


def test_the_size_reaches_its_power_and_no_smaller_one_does():
    """The required size is the smallest with the wanted power."""
    size = required_sample_size(0.03, rate=0.1, target=0.9)
    assert power(size, 0.03, rate=0.1) >= 0.9 > power(size - 1, 0.03, rate=0.1)


def test_power_table_has_every_pair():
    """One row for each size and effect; power rises with both."""
    table = power_table([100, 1000], [50.0, 100.0], sd=1000)
    assert len(table) == 4
    assert table["power"].is_monotonic_increasing is False
    wide = table.pivot(index="n", columns="effect", values="power")
    assert (wide.loc[1000] > wide.loc[100]).all()
    assert (wide[100.0] > wide[50.0]).all()
    uneven = power_table([1000], [50.0], sd=1000, ratio=0.25, width=1.2)["power"].tolist()
    assert uneven == [power(1000, 50.0, sd=1000, ratio=0.25, width=1.2)]


@pytest.mark.parametrize("width", [1.0, 1.4])
@pytest.mark.parametrize("ratio", [0.5, 1.0, 3.0])
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("unit", [{"sd": 2800.0}, {"rate": 0.03}])
def test_smallest_effect_is_the_inverse_of_the_size(unit, sign, ratio, width):
    """The effect seen with n applications has exactly the power asked for; it needs n again."""
    plan = {**unit, "ratio": ratio, "width": width}
    effect = smallest_detectable_effect(4000, **plan, sign=sign, target=0.9)
    assert np.sign(effect) == sign
    assert power(4000, effect, **plan) == pytest.approx(0.9, abs=1e-8)
    assert required_sample_size(effect, **plan, target=0.9) in (4000, 4001)


@pytest.mark.parametrize("ratio", [0.25, 1.0, 4.0])
def test_smallest_effect_on_a_mean_is_statsmodels(ratio):
    """What statsmodels' t-test and z-test solve for, in standard deviations (z: from 10,000)."""
    given = {"power": 0.8, "alpha": 0.05, "ratio": ratio}
    theirs = TTestIndPower().solve_power(nobs1=300, **given)
    assert smallest_detectable_effect(300, sd=7, ratio=ratio) == pytest.approx(7 * theirs, rel=1e-6)
    normal = NormalIndPower().solve_power(nobs1=10_000, **given)
    ours = smallest_detectable_effect(10_000, sd=7, ratio=ratio)
    assert ours == pytest.approx(7 * normal, rel=1e-3)


@pytest.mark.parametrize("ratio", [0.5, 1.0])
def test_a_rare_default_needs_what_statsmodels_says(ratio):
    """At a rate of 3 % too: pooled as here exactly, by arcsine nearly (another approximation)."""
    found = smallest_detectable_effect(20_000, rate=0.03, ratio=ratio)
    theirs = power_proportions_2indep(found, 0.03, nobs1=20_000 * ratio, ratio=1 / ratio).power
    assert theirs == pytest.approx(0.8, abs=1e-3)
    size = proportion_effectsize(0.03 + found, 0.03)
    arcsine = NormalIndPower().power(size, 20_000, 0.05, ratio=ratio)
    assert arcsine == pytest.approx(0.8, abs=0.02)


def test_the_price_of_a_sequence_is_paid_in_applications():
    """An interval 1.4 times as wide needs ((1.4 z + z_80) / (z + z_80))**2 times as many."""
    z, z80 = stats.norm.ppf([0.975, 0.8])
    sizes = [required_sample_size(100, sd=2800, width=width) for width in (1.0, 1.4)]
    assert sizes[1] / sizes[0] == pytest.approx(((1.4 * z + z80) / (z + z80)) ** 2, rel=1e-3)


def test_the_size_planned_for_a_sequence_reaches_its_power():
    """10,000 normal tests: seen at the end as often as planned, at any look no less often."""
    width, n, repeats = price(0.05), 4000, 10_000
    effect = smallest_detectable_effect(n, sd=1.0, width=width)
    rng, step, looks = np.random.default_rng(3), 400, np.arange(1, 11) * 400
    gaps = rng.normal(effect * step, np.sqrt(2 * step), size=(repeats, looks.size)).cumsum(axis=1)
    reach = half_width(2 * looks, 2.0, tuned_for=2 * n)  # the sequence in both arms' size
    seen = np.abs(gaps / looks) > reach
    error = np.sqrt(0.8 * 0.2 / repeats)
    assert seen[:, -1].mean() == pytest.approx(0.8, abs=3 * error)
    assert seen.any(axis=1).mean() >= seen[:, -1].mean()


def test_typical_spread_gives_the_planned_width():
    """Planning with it predicts Welch's interval, also when one arm varies three times as much."""
    rng = np.random.default_rng(8)
    a, b = rng.normal(0, 1, 5000), rng.normal(0, 3, 5000)
    found = stats.ttest_ind(a, b, equal_var=False).confidence_interval(0.95)
    planned = 2 * 1.96 * typical_spread([a, b]) * np.sqrt(2 / 5000)
    assert found.high - found.low == pytest.approx(planned, rel=1e-3)
    assert np.isnan(typical_spread([a, [1.0]]))
    assert np.isnan(typical_spread([]))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"effect": 0.0, "rate": 0.1}, "effect is 0"),
        ({"effect": 0.1}, "either rate"),
        ({"effect": 0.1, "rate": 0.1, "sd": 2}, "either rate"),
        ({"effect": 2.0, "rate": 14.0}, "not percent"),
        ({"effect": 1.0, "sd": 0.0}, "sd is 0"),
        ({"effect": 1.0, "sd": 1.0, "alpha": 5}, "alpha is 5"),
        ({"effect": 1.0, "sd": 1.0, "ratio": 0}, "ratio is 0"),
        ({"effect": 1.0, "sd": 1.0, "target": 80}, "target is 80"),
        ({"effect": 1e-9, "sd": 1.0}, "larger effect"),
        ({"effect": 1.0, "sd": 1.0, "width": 0.9}, "width is 0.9"),
    ],
)
def test_impossible_plans_of_size_are_refused(options, said):
    """Each impossible argument is named."""
    with pytest.raises(ValueError, match=said):
        required_sample_size(options.pop("effect"), **options)


def test_power_needs_two_applications():
    """A power for one application an arm does not exist."""
    with pytest.raises(ValueError, match="n is 1"):
        power(1, 5.0, sd=2.0)


@pytest.mark.parametrize(
    ("n", "options", "said"),
    [
        (1, {"sd": 2.0}, "n is 1"),
        (100, {}, "either rate"),
        (100, {"sd": -2.0}, "sd is -2"),
        (100, {"rate": 3.0}, "rate is 3"),
        (100, {"sd": 2.0, "target": 0.05}, "above alpha"),
        (100, {"sd": 2.0, "sign": 0}, "sign is 0"),
        (50, {"rate": 0.03, "sign": -1}, "too few for any effect on a rate of 0.03"),
    ],
)
def test_impossible_smallest_effects_are_refused(n, options, said):
    """Each impossible argument is named; a rate that cannot fall far enough is said."""
    with pytest.raises(ValueError, match=said):
        smallest_detectable_effect(n, **options)
