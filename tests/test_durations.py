"""What mlops_helpers.durations promises."""

import numpy as np
import pandas as pd
import pytest

from mlops_helpers.durations import (
    adjusted_spread,
    duration,
    duration_table,
    plan_sentence,
    planned_size,
)
from mlops_helpers.sample_size import power, required_sample_size


def test_months_are_those_of_all_arms():
    """Three arms fill at their shares: the control's size over its part of the traffic."""
    assert duration(2500, per_month=1000).months == pytest.approx(5)
    assert duration(2500, per_month=1000, split=(0.5, 0.25, 0.25)).months == pytest.approx(5)
    assert duration(2500, per_month=1000, split=(0.2, 0.4, 0.4)).months == pytest.approx(12.5)


@pytest.mark.parametrize(
    ("size", "start", "analysed"),
    [
        (2500, "2024-01-01", "2024-06-01"),  # five whole months, half-open
        (2501, "2024-01-01", "2024-07-01"),  # the last one arrives in June
        (250, "2024-01-20", "2024-03-01"),
        (10, "2024-01-20", "2024-02-01"),
    ],
)
def test_the_test_is_made_when_the_last_month_is_complete(size, start, analysed):
    """At the end of the last application's month, and the label delay after it."""
    delay = pd.Timedelta(days=90)
    found = duration(size, per_month=1000, start=pd.Timestamp(start, tz="UTC"), label_delay=delay)
    assert found.analysed_at == pd.Timestamp(analysed, tz="UTC") + delay
    assert found.wait == delay
    assert duration(size, per_month=1000, label_delay=delay).analysed_at is None


@pytest.mark.parametrize("per_month", [333.0, 1000.0, 4096.0])
def test_the_total_is_the_time_of_the_test(per_month):
    """For a start on the first of a month the table tells the months until `analysed_at`."""
    start = pd.Timestamp("2030-01-01", tz="UTC")
    table = duration_table([150.0, 200.0, 300.0], sd=2000, per_month=per_month)
    for row in table.itertuples():
        when = duration(row.n, per_month=per_month, start=start).analysed_at
        assert when == start + pd.DateOffset(months=int(row.total))


def test_a_whole_number_of_months_is_not_a_month_more():
    """A tenth of 1,000 a month makes 2,500 in 25 months; 3 of 10 shares are no computer's 0.3."""
    assert duration(2500, per_month=1000, split=(0.1, 0.9)).months == 25
    start = pd.Timestamp("2030-01-01", tz="UTC")
    for size in range(300, 3000, 300):
        found = duration(size, per_month=1000, split=(0.3, 0.7), start=start)
        assert found.months == size // 300
        assert found.analysed_at == start + pd.DateOffset(months=size // 300)


def test_declined_applications_have_no_default():
    """With 70 % approved the power planned for the default rate is that of the approved ones."""
    n = planned_size(-0.01, rate=0.03, approval=0.7)
    assert power(0.7 * n, -0.01, rate=0.03) >= 0.8 > power(0.7 * (n - 2), -0.01, rate=0.03)
    approved = planned_size(-0.01, rate=0.03)
    assert power(0.7 * approved, -0.01, rate=0.03) == pytest.approx(0.65, abs=0.01)
    table = duration_table([-0.01], rate=0.03, approval=0.7, per_month=1000)
    assert table["n"].tolist() == [n]
    told = plan_sentence(-0.01, rate=0.03, approval=0.7, per_month=1000)
    assert f"on a rate of 3 % of the 70 % that are approved with power 80 %: {n:,}" in told


@pytest.mark.parametrize("split", [(0.5, 0.5), (0.7, 0.3), (0.4, 0.3, 0.3), (0.5, 0.4, 0.1)])
def test_every_treatment_reaches_its_power(split):
    """At alpha over the number of treatments; with one application less the last of them fails."""
    n = planned_size(80, sd=2000, split=split)
    plan = {"sd": 2000, "alpha": 0.05 / (len(split) - 1)}
    reached = [power(n, 80, **plan, ratio=share / split[0]) for share in split[1:]]
    fewer = [power(n - 1, 80, **plan, ratio=share / split[0]) for share in split[1:]]
    assert min(reached) >= 0.8 > min(fewer)


def test_what_a_covariate_explains_is_saved():
    """A correlation of 0.6 leaves 64 % of the variance, and of the applications."""
    assert adjusted_spread(10, 0.6) == pytest.approx(8)
    adjusted = planned_size(100, sd=2000, correlation=0.6)
    assert adjusted == pytest.approx(0.64 * planned_size(100, sd=2000), rel=1e-3)


def test_the_saving_is_that_of_a_regression():
    """The spread left by least squares on the covariate is the one planned with."""
    rng = np.random.default_rng(5)
    x = rng.normal(size=4000)
    y = 3 * x + rng.gumbel(0, 4, size=4000)
    left = y - np.polyval(np.polyfit(x, y, 1), x)
    assert left.std() == pytest.approx(adjusted_spread(y.std(), np.corrcoef(x, y)[0, 1]))


def test_table_compares_plans():
    """A row for each plan and effect; a plan's own arguments replace the common ones."""
    plans = {"fixed size": {}, "always valid": {"width": 1.4}, "80 : 20": {"split": (0.8, 0.2)}}
    delay = pd.Timedelta(days=365.2425)
    table = duration_table([50.0, 100.0], sd=2000, per_month=1000, plans=plans, label_delay=delay)
    assert table[["plan", "effect"]].to_records(index=False).tolist() == [
        (plan, effect) for plan in plans for effect in (50.0, 100.0)
    ]
    np.testing.assert_allclose(table["total"], np.ceil(table["months"]) + 12)
    first = table.set_index(["plan", "effect"])
    size = required_sample_size(100, sd=2000)
    assert first.loc[("fixed size", 100.0), "n"] == size
    assert first.loc[("fixed size", 100.0), "months"] == pytest.approx(2 * size / 1000)
    months = first["months"].unstack("plan")
    assert (months["always valid"] > 1.3 * months["fixed size"]).all()
    assert (months["80 : 20"] > 1.3 * months["fixed size"]).all()
    alone = duration_table([100.0], sd=2000, per_month=1000)
    assert alone["plan"].tolist() == ["fixed size"]


def test_sentence_says_size_and_months():
    """The slider's text follows its effect: four times the size for half the effect."""
    small, large = (required_sample_size(e, sd=2000) for e in (50, 100))
    assert small == pytest.approx(4 * large, rel=0.01)
    assert f"{large:,} applications an arm" in plan_sentence(100, sd=2000, per_month=1000)
    assert f"{2 * small / 1000:,.1f} months" in plan_sentence(50, sd=2000, per_month=1000)


def test_sentence_says_split_wait_and_points():
    """Unequal arms are told apart, the wait has its months, a rate has points."""
    year = pd.Timedelta(days=365.2425)
    told = plan_sentence(100, sd=2000, per_month=1000, split=(0.5, 0.25, 0.25), label_delay=year)
    n = planned_size(100, sd=2000, split=(0.5, 0.25, 0.25))
    assert f"{n:,} applications in control and {-(-n // 2):,} and {-(-n // 2):,} in" in told
    assert told.endswith("and then 12.0 months until the last outcomes are known.")
    rare = plan_sentence(-0.005, rate=0.03, per_month=1000)
    assert rare.startswith("To see -0.5 percentage points on a rate of 3 % with power 80 %:")
    assert plan_sentence(-30, sd=2000, per_month=900).startswith("To see -$30 per application")


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: plan_sentence(50, sd=2000, per_month=0), "per_month is 0"),
        (lambda: duration(0, per_month=100), "size is 0"),
        (lambda: duration(10, per_month=100, label_delay=pd.Timedelta(days=-1)), "label_delay"),
        (lambda: duration(9, per_month=9, start=pd.Timestamp("2030-01-01")), "time zone"),
        (lambda: duration(10, per_month=100, split=(0.5, 0.6)), r"split is \(0.5, 0.6\)"),
        (lambda: duration(10, per_month=100, split=(1.0,)), "two or more shares"),
        (lambda: planned_size(50, sd=2000, split=(1.0, 0.0)), "above 0"),
        (lambda: planned_size(50, sd=2000, correlation=1.0), "correlation is 1"),
        (lambda: planned_size(0.01, rate=0.03, correlation=0.5), "only amounts are adjusted"),
        (lambda: planned_size(0.01, rate=0.03, approval=0), "approval is 0, must be a share"),
        (lambda: planned_size(50, sd=2000, approval=0.7), "give rate"),
    ],
)
def test_impossible_durations_are_refused(call, said):
    """Each impossible argument is named."""
    with pytest.raises(ValueError, match=said):
        call()
