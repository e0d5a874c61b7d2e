"""What mlops_helpers.sample_size promises."""

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.power import TTestIndPower
from statsmodels.stats.proportion import (
    power_proportions_2indep,
    samplesize_proportions_2indep_onetail,
)

from mlops_helpers.sample_size import (
    plan_sentence,
    power,
    power_table,
    required_sample_size,
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


def test_plan_sentence_says_size_and_months():
    """The slider's text follows its effect: four times the size for half the effect."""
    small, large = (required_sample_size(e, sd=2000) for e in (50, 100))
    assert small == pytest.approx(4 * large, rel=0.01)
    assert f"{large:,} applications an arm" in plan_sentence(100, sd=2000, per_month=1000)
    assert f"{2 * small / 1000:,.1f} months" in plan_sentence(50, sd=2000, per_month=1000)
    with pytest.raises(ValueError, match="per_month"):
        plan_sentence(50, sd=2000, per_month=0)


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
