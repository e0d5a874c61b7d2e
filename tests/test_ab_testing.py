"""What mlops_helpers.ab_testing promises."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.weightstats import CompareMeans, DescrStatsW

from mlops_helpers import ab_testing
from mlops_helpers.ab_testing import (
    Experiment,
    analyze,
    check_ratio,
    contenders,
    required_sample_size,
)
from mlops_helpers.business import CostModel, in_dollars

PLAN = Experiment("champion-2-against-1")
DELAY = pd.Timedelta(days=182)
START = pd.Timestamp("2024-08-01", tz="UTC")
LATE = START + pd.Timedelta(days=900)


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


# --- who is compared ----------------------------------------------------------------------------


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


def test_equal_arms_are_undecided_with_the_size_needed():
    """Without a difference nothing is decided; the size it takes comes from the spread found."""
    frame = exposed(seed=5)
    found = analysed(frame, smallest_effect=50)
    earned = pd.Series(
        CostModel().profit(frame["loan_amount"], frame["default"], frame["decision"] == "approve")
    )
    spread = np.sqrt(earned.groupby(frame["variant"].to_numpy()).var(ddof=1).mean())
    needed = required_sample_size(50, sd=spread)
    assert found.conclusion == "undecided"
    assert found.sentence.startswith("Undecided: ")
    assert f"to see $50 it needs {needed:,} applications an arm" in found.sentence
    assert found.sentence.endswith(f"standard deviation found here, ${spread:,.0f}.")


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
    alarms = sum(c != "undecided" for c in conclusions)
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


def test_ratio_check_of_a_small_arm_is_exact():
    """Over every possible count of a 99:1 split the chance of a false alarm is at most nominal."""
    plan = Experiment("x", split=(0.99, 0.01))
    for total in (50, 100, 500):
        alarm = sum(
            stats.binom.pmf(few, total, 0.01)
            for few in range(total + 1)
            if not check_ratio({"control": total - few, "treatment": few}, plan).passed
        )
        assert alarm <= 0.001
    assert not check_ratio({"control": 40, "treatment": 10}, plan).passed


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
    """All loans alike: no spread, no interval, undecided."""
    frame = exposed().assign(decision="approve", default=0.0, loan_amount=1000.0)
    found = analysed(frame)
    assert found.conclusion == "undecided"
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
