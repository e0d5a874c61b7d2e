"""What mlops_helpers.ab_testing (with assignment, sample_size, two_samples) promises."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.power import TTestIndPower
from statsmodels.stats.proportion import (
    power_proportions_2indep,
    samplesize_proportions_2indep_onetail,
)
from statsmodels.stats.weightstats import CompareMeans, DescrStatsW

from mlops_helpers import ab_testing
from mlops_helpers.ab_testing import (
    Experiment,
    analyze,
    check_ratio,
    contenders,
    plan_sentence,
    power,
    power_table,
    required_sample_size,
    typical_spread,
)
from mlops_helpers.business import CostModel, in_dollars

PLAN = Experiment("champion-2-against-1")
DELAY = pd.Timedelta(days=182)
START = pd.Timestamp("2024-08-01", tz="UTC")
LATE = START + pd.Timedelta(days=900)
UNITS = [f"loan-{i}" for i in range(20_000)]


def exposed(n=4000, *, seed=0, better=0.0, plan=PLAN):
    """The log of an experiment over five months; the treatment avoids a share of losses."""
    rng = np.random.default_rng(seed)
    ids = [f"a{seed}-{i}" for i in range(n)]
    variant = plan.assign(ids)
    approved = rng.random(n) < 0.8
    chance = np.where(variant == plan.control, 0.15, 0.15 * (1 - better))
    default = (rng.random(n) < chance).astype(float)
    return pd.DataFrame(
        {
            "application_id": ids,
            "variant": variant,
            "scored_at": START + pd.to_timedelta(rng.integers(0, 150 * 24, n), unit="h"),
            "decision": np.where(approved, "approve", "decline"),
            "loan_amount": rng.uniform(2000, 20000, n),
            "default": np.where(approved, default, np.nan),
        }
    )


def analysed(frame, *, plan=PLAN, as_of=LATE, **options):
    """`analyze` with the story's label delay."""
    return analyze(frame, plan, as_of=as_of, label_delay=DELAY, **options)


def test_everything_exported_exists():
    """__all__ names only what is there."""
    assert all(hasattr(ab_testing, name) for name in ab_testing.__all__)


# --- assignment ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        ({"name": " "}, "name is ' '"),
        ({"arms": ("control",), "split": (1.0,)}, "arms is"),
        ({"arms": ("a", "a")}, "different names"),
        ({"split": (0.5, 0.4)}, "sums to 0.9"),
        ({"split": (1.5, -0.5)}, "above 0"),
        ({"split": (0.2, 0.3, 0.5)}, "3 shares for 2 arms"),
        ({"cutoff": 18}, "cutoff is 18"),
    ],
)
def test_impossible_plans_are_refused(plan, said):
    """A plan names the value that it refuses."""
    with pytest.raises(ValueError, match=said):
        Experiment(**{"name": "x", **plan})


def test_assignment_is_sticky():
    """The same unit meets the same arm: in another order, alone, as a number or as its text."""
    there = dict(zip(UNITS[:500], PLAN.assign(UNITS[:500]), strict=True))
    back = dict(zip(UNITS[499::-1], PLAN.assign(UNITS[499::-1]), strict=True))
    assert there == back
    assert PLAN.assign([UNITS[7]])[0] == there[UNITS[7]]
    assert PLAN.assign([12])[0] == PLAN.assign(["12"])[0]


def test_assignment_survives_releases():
    """The arms of these units are written down: a new release must not move anybody."""
    assert "".join(arm[0] for arm in PLAN.assign(UNITS[:12])) == "ctttttcttttt"


@pytest.mark.parametrize("split", [(0.5, 0.5), (0.9, 0.1), (0.2, 0.3, 0.5)])
def test_assignment_follows_the_split(split):
    """Counts agree with the planned shares (chi-square over 20 000 units)."""
    arms = tuple("abc"[: len(split)])
    plan = Experiment("uniform", arms=arms, split=split)
    counts = pd.Series(plan.assign(UNITS)).value_counts()[list(arms)]
    assert stats.chisquare(counts, np.array(split) * len(UNITS)).pvalue > 1e-3


def test_experiments_are_independent():
    """Another name, or another salt, splits the same units independently."""
    first = PLAN.assign(UNITS)
    for other in (Experiment("another"), Experiment(PLAN.name, salt="again")):
        table = pd.crosstab(first, other.assign(UNITS))
        assert stats.chi2_contingency(table).pvalue > 1e-3


def test_more_treatment_never_sends_anybody_back():
    """Raising the treatment's share moves units from control to treatment only."""
    before = Experiment("ramp", split=(0.9, 0.1)).assign(UNITS)
    after = Experiment("ramp", split=(0.5, 0.5)).assign(UNITS)
    assert (after[before == "treatment"] == "treatment").all()


def test_units_need_an_id():
    """A missing id is refused; no units are no arms."""
    with pytest.raises(ValueError, match="no id"):
        PLAN.assign(["a", None])
    assert PLAN.assign([]).size == 0


def test_a_plan_becomes_plain_values():
    """to_dict holds what Experiment takes."""
    values = PLAN.to_dict()
    again = {**values, "arms": tuple(values["arms"]), "split": tuple(values["split"])}
    assert Experiment(**again) == PLAN


def test_control_is_what_served_before():
    """After a promotion the previous version is control, after a refusal the champion."""
    assert contenders(champion=2, challenger=None, previous=1) == (1, 2)
    assert contenders(champion=1, challenger=2, previous=None) == (1, 2)
    assert contenders(champion=3, challenger=4, previous=2) == (3, 4)


@pytest.mark.parametrize(
    ("champion", "challenger", "previous"),
    [(1, None, None), (None, 1, None), (None, None, None), (1, 1, None)],
)
def test_one_version_is_no_experiment(champion, challenger, previous):
    """Without two versions the way out is named."""
    with pytest.raises(ValueError, match="Train a challenger first"):
        contenders(champion=champion, challenger=challenger, previous=previous)


# --- planning -----------------------------------------------------------------------------------


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


# --- analysis -----------------------------------------------------------------------------------


def test_a_better_treatment_is_deployed():
    """A treatment that avoids half the losses is deployed, with its figures in the sentence."""
    found = analysed(exposed(better=0.5))
    profit = found.effects.set_index("metric").loc["profit_per_application"]
    assert found.conclusion == "deploy"
    assert profit["low"] > 0
    assert in_dollars(profit["effect"]) in found.sentence


def test_a_worse_treatment_is_not():
    """A treatment that doubles the losses loses to control."""
    found = analysed(exposed(better=-1.0))
    assert found.conclusion == "keep"


def test_equal_arms_go_on_with_the_size_needed():
    """Without a difference the verdict is to go on, and says how many applications that takes."""
    frame = exposed(seed=5)
    found = analysed(frame, smallest_effect=50)
    earned = pd.Series(
        CostModel().profit(frame["loan_amount"], frame["default"], frame["decision"] == "approve")
    )
    spread = np.sqrt(earned.groupby(frame["variant"].to_numpy()).var(ddof=1).mean())
    needed = required_sample_size(50, sd=spread)
    assert found.conclusion == "go on"
    assert f"to see $50 it needs {needed:,}" in found.sentence


def test_intervals_agree_with_statsmodels():
    """The Welch interval of profit equals statsmodels' unequal-variance interval."""
    frame = exposed(seed=2, better=0.3)
    earned = pd.Series(
        CostModel().profit(frame["loan_amount"], frame["default"], frame["decision"] == "approve")
    )
    arms = [DescrStatsW(earned[frame["variant"] == arm]) for arm in ("treatment", "control")]
    low, high = CompareMeans(*arms).tconfint_diff(usevar="unequal")
    row = analysed(frame).effects.iloc[0]
    assert (row["low"], row["high"]) == pytest.approx((low, high))


def test_rates_are_of_the_right_rows():
    """Default rate counts approved loans only, approval rate all applications."""
    frame = exposed(seed=3)
    rows = analysed(frame).effects.set_index("metric")
    control = frame[frame["variant"] == "control"]
    approved = control[control["decision"] == "approve"]
    assert rows.loc["default_rate_approved", "control"] == pytest.approx(approved["default"].mean())
    assert rows.loc["default_rate_approved", "n_control"] == len(approved)
    assert rows.loc["approval_rate", "control"] == pytest.approx(len(approved) / len(control))
    inside = rows["effect"].between(rows["low"], rows["high"])
    assert inside.all()


def test_false_alarms_of_equal_arms_are_rare():
    """Over 200 A/A experiments about 5 % find a difference in profit (at most 10 %)."""
    conclusions = [analysed(exposed(300, seed=s)).conclusion for s in range(200)]
    assert "no conclusion" not in conclusions
    alarms = sum(c != "go on" for c in conclusions)
    assert alarms <= 20  # binomial(200, 0.05) exceeds 20 with probability 0.1 %


def test_mismatch_forbids_a_conclusion():
    """A log that lost a fifth of one arm yields counts and p-value but no effect."""
    frame = exposed(better=0.5)
    lost = frame.index[(frame["variant"] == "treatment")][::5]
    found = analysed(frame.drop(lost))
    assert found.conclusion == "no conclusion"
    assert "sample-ratio mismatch" in found.sentence
    assert found.effects.empty
    assert found.arms.empty
    assert found.srm.p_value < 0.001


def test_ratio_check_is_scipys_chi_square():
    """The p-value is SciPy's; the planned split counts, not equality."""
    plan = Experiment("x", split=(0.9, 0.1))
    check = check_ratio({"control": 900, "treatment": 110}, plan)
    assert check.p_value == pytest.approx(stats.chisquare([900, 110], [909, 101]).pvalue)
    assert check.passed
    assert check.table["planned"].tolist() == pytest.approx([909, 101])
    assert not check_ratio({"control": 500, "treatment": 500}, plan).passed


def test_incomplete_months_are_left_out_whole():
    """A month whose outcomes cannot all be known is left out in both arms, and counted."""
    frame = exposed()
    as_of = pd.Timestamp("2024-10-01", tz="UTC") + DELAY
    young = frame["scored_at"] >= pd.Timestamp("2024-10-01", tz="UTC")
    found = analysed(frame, as_of=as_of)
    assert found.left_out["month not complete yet"] == young.sum()
    assert found.arms.query("metric == 'approval_rate'")["n"].sum() == (~young).sum()


def test_missing_outcomes_are_counted_and_never_zero():
    """Approved loans without an outcome are left out and counted, not treated as repaid."""
    frame = exposed()
    lost = frame.index[frame["decision"] == "approve"][:37]
    frame.loc[lost, "default"] = np.nan
    found = analysed(frame)
    assert found.left_out["approved, outcome missing"] == 37
    assert found.arms.query("metric == 'approval_rate'")["n"].sum() == len(frame) - 37


def test_units_in_two_arms_and_repeats_are_left_out():
    """A unit that met both arms counts for none; a repeated exposure counts once."""
    frame = exposed()
    crossed = frame.iloc[[0]].assign(
        variant={"control": "treatment", "treatment": "control"}[frame["variant"].iloc[0]]
    )
    stranger = frame.iloc[[1]].assign(variant="shadow", application_id="s")
    found = analysed(pd.concat([frame, crossed, frame.iloc[[2]], stranger]))
    assert found.left_out["exposed to more than one arm"] == 2
    assert found.left_out["repeated exposures"] == 1
    assert found.left_out["not in an arm of the experiment"] == 1


def test_before_any_outcome_there_is_no_conclusion():
    """An analysis at the end of traffic, before a label can be known, says so."""
    found = analysed(exposed(), as_of=START + pd.Timedelta(days=150))
    assert found.conclusion == "no conclusion"
    assert "0 applications that can be analysed" in found.sentence


def test_no_exposures_and_an_empty_arm_are_explained():
    """Nothing at all, or nothing in one arm, is explained."""
    frame = exposed(40)
    assert "mismatch" in analysed(frame.iloc[:0]).sentence
    one = analysed(frame[frame["variant"] == "control"].iloc[:5])
    assert one.conclusion == "no conclusion"
    assert "arm treatment has 0" in one.sentence


def test_nobody_approved_is_explained():
    """Without an approval there is no outcome."""
    found = analysed(exposed().assign(decision="decline", default=np.nan))
    assert "no application was approved" in found.sentence


def test_equal_outcomes_do_not_divide_by_zero():
    """All loans alike: no spread, no interval, go on."""
    frame = exposed().assign(decision="approve", default=0.0, loan_amount=1000.0)
    found = analysed(frame)
    assert found.conclusion == "go on"
    assert "does not vary" in found.sentence


def test_one_arm_approves_nobody():
    """A treatment that approves nobody is analysed on profit; its default rate is unknown."""
    frame = exposed()
    stopped = frame["variant"] == "treatment"
    frame.loc[stopped, ["decision", "default"]] = ["decline", np.nan]
    rows = analysed(frame).effects.set_index("metric")
    assert np.isnan(rows.loc["default_rate_approved", "low"])
    assert np.isfinite(rows.loc["profit_per_application", "low"])


def test_missing_columns_are_named():
    """A log without outcomes joined is refused by column."""
    with pytest.raises(ValueError, match="default"):
        analysed(exposed().drop(columns="default"))


def test_three_arms_are_compared_with_control_at_a_stricter_level():
    """Each of two treatments has its own rows, with intervals wider than a single one's."""
    plan = Experiment("three", arms=("control", "b", "c"), split=(0.4, 0.3, 0.3))
    found = analysed(exposed(plan=plan), plan=plan)
    assert found.effects["arm"].unique().tolist() == ["b", "c"]
    alone = analysed(exposed(plan=plan), plan=plan, alpha=0.1).effects
    assert (alone["high"] < found.effects["high"]).all()
