"""What mlops_helpers.ab_sample promises."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from mlops_helpers.ab_sample import SRM_ALPHA, check_ratio, sample_of
from mlops_helpers.assignment import Experiment
from mlops_helpers.exposure_sums import from_rows
from mlops_helpers.lifecycle import Stage
from tests.exposed import DELAY, LATE, RAMP, START, THREE, exposed, planned

MONTH = pd.Timestamp("2024-10-01", tz="UTC")


def sampled(frame, plan=None, *, as_of=LATE, stages=None):
    """Who is compared, by way of the sums."""
    plan = plan or planned()
    return sample_of(from_rows(frame, plan, as_of=as_of, stages=stages), plan)


def at(frame, days):
    """The rows as if all were scored so many days after the start."""
    when = START + pd.to_timedelta(days, unit="D")
    return frame.assign(scored_at=when, outcome_at=when)


# --- sizes of the arms --------------------------------------------------------------------------


def test_ratio_check_is_scipys_chi_square():
    """The p-value is SciPy's; the planned split counts, not equality."""
    plan = Experiment("x", split=(0.9, 0.1))
    check = check_ratio({"control": 900, "treatment": 110}, plan)
    assert check.p_value == pytest.approx(stats.chisquare([900, 110], [909, 101]).pvalue)
    assert check.passed
    assert check.table["planned"].tolist() == pytest.approx([909, 101])
    assert not check_ratio({"control": 500, "treatment": 500}, plan).passed


def test_ratio_check_knows_the_ramp():
    """While a tenth of the treatment's share is let in, that is what is planned."""
    ramped = Experiment("x", split=(0.5, 0.5)).at(0.2)
    assert check_ratio({"control": 900, "treatment": 100}, ramped).passed
    assert not check_ratio({"control": 500, "treatment": 500}, ramped).passed


def test_ratio_check_of_a_small_arm_is_exact():
    """Over every possible count of a 99:1 split the chance of a false alarm is at most nominal."""
    plan = Experiment("x", split=(0.99, 0.01))
    for total in (50, 100, 500):
        alarm = sum(
            stats.binom.pmf(few, total, 0.01)
            for few in range(total + 1)
            if not check_ratio({"control": total - few, "treatment": few}, plan).passed
        )
        assert alarm <= SRM_ALPHA
    assert not check_ratio({"control": 40, "treatment": 10}, plan).passed


def test_nobody_is_no_sample():
    """Without a unit the check fails, and says that nobody was exposed."""
    assert np.isnan(check_ratio({}, Experiment("x")).p_value)
    found = sampled(exposed(5).iloc[:0])
    assert not found.srm.passed
    assert found.mismatch() == "no application was exposed yet."
    assert found.arrives is None


def test_stages_are_checked_each_by_its_shares():
    """The statistic is the sum of the stages' chi-squares, expected counts are added up."""
    early, late = exposed(1000, shares=(0.9, 0.1)), exposed(3000, seed=1)
    frame = pd.concat([at(early, 5), at(late, 70)])
    found = sampled(frame, stages=RAMP).srm
    counts = [f["variant"].value_counts()[["control", "treatment"]] for f in (early, late)]
    planned_counts = [(900.0, 100.0), (1500.0, 1500.0)]
    squares = [
        stats.chisquare(c.to_numpy(), p).statistic
        for c, p in zip(counts, planned_counts, strict=True)
    ]
    assert found.p_value == pytest.approx(stats.chi2.sf(sum(squares), 2))
    assert found.passed
    assert list(found.expected.values()) == [2400.0, 1600.0]
    assert found.counts == frame["variant"].value_counts().to_dict()


def test_a_ramp_is_no_mismatch_but_a_loss_in_it_is():
    """A pooled 50:50 test would cry wolf; a stage that lost a third of its treatment is noticed."""
    early, late = exposed(3000, shares=(0.9, 0.1)), exposed(3000, seed=1)
    frame = pd.concat([at(early, 5), at(late, 70)])
    assert sampled(frame, stages=RAMP).mismatch() == ""
    assert "sample-ratio mismatch" in sampled(frame).mismatch()
    treated = early.index[early["variant"] == "treatment"]
    lossy = pd.concat([at(early.drop(treated[::3]), 5), at(late, 70)])
    assert "sample-ratio mismatch" in sampled(lossy, stages=RAMP).mismatch()


def test_false_alarms_over_stages_are_nominal():
    """Of 250 ramps in three stages, one of them tiny, hardly any is called a mismatch."""
    rng, plan = np.random.default_rng(3), planned()
    stages = tuple(
        Stage(START + pd.Timedelta(days=k), (1 - share, share), full=share == 0.5)
        for k, share in enumerate((0.02, 0.1, 0.5))
    )
    both = pd.concat([exposed(3).assign(variant=arm) for arm in plan.arms])
    both["application_id"] = [f"u{k}" for k in range(6)]
    sums = from_rows(
        at(both.assign(decision="decline"), [0, 1, 2] * 2), plan, as_of=LATE, stages=stages
    )
    alarms = 0
    for _ in range(250):
        treated = rng.binomial([60, 800, 2000], [0.02, 0.1, 0.5])
        counts = np.r_[np.array([60, 800, 2000]) - treated, treated]  # cells are by arm, stage
        drawn = replace(sums, cells=sums.cells.assign(n=counts))
        alarms += not sample_of(drawn, plan).srm.passed
    assert alarms <= 3  # binomial(250, 0.001) exceeds 3 with probability 0.01 %


# --- who is left out ----------------------------------------------------------------------------


def test_every_row_has_one_reason_or_is_compared():
    """Reasons and compared rows add up to the log, with a ramp, young months and lost outcomes."""
    frame = exposed(better=0.2)
    frame.loc[frame.index[::50], "default"] = np.nan
    extra = pd.concat([frame, frame.iloc[[5]], frame.iloc[[6]].assign(variant="shadow")])
    as_of = pd.Timestamp("2024-12-01", tz="UTC") + DELAY
    found = sampled(extra, as_of=as_of, stages=RAMP)
    assert sum(found.left_out.values()) + sum(found.compared.values()) == len(extra)
    assert all(n > 0 for reason, n in found.left_out.items() if "more than one" not in reason)
    young = frame["scored_at"] >= pd.Timestamp("2024-12-01", tz="UTC")
    ramped = frame["scored_at"] < MONTH
    lost = frame["default"].isna() & (frame["decision"] == "approve") & ~young & ~ramped
    assert found.left_out["month not complete yet"] == young.sum()
    assert found.left_out["before the full split"] == ramped.sum()
    assert found.left_out["approved, outcome missing"] == lost.sum()
    assert found.missing == frame.loc[lost, "variant"].value_counts().to_dict()
    assert found.waiting == young.sum() + ramped.sum()


def test_fallbacks_stay_in_their_arm_and_are_counted():
    """Rows that control answered for the treatment are compared as treatment."""
    frame = exposed(800)
    treated = frame.index[frame["variant"] == "treatment"]
    frame.loc[treated[:30], "model_version"] = 1
    found = sampled(frame)
    assert found.fallbacks == {"control": 0, "treatment": 30}
    assert found.compared["treatment"] == len(treated)


def test_outcomes_missing_from_one_arm_are_noticed():
    """A feed that loses a tenth of one arm's outcomes is told with both counts."""
    frame = exposed()
    granted = (frame["decision"] == "approve") & (frame["variant"] == "treatment")
    lost = frame.index[granted][::10]
    found = sampled(frame.assign(default=frame["default"].drop(lost)))
    assert f"{len(lost):,} of {granted.sum():,} in treatment" in found.uneven_outcomes()
    assert "cannot be compared" in found.uneven_outcomes()


def test_outcomes_missing_alike_are_no_reason():
    """A tenth lost in every arm is counted, not refused; nor are a handful in one arm."""
    frame = exposed(experiment=THREE)
    granted = frame.index[frame["decision"] == "approve"]
    even = frame.assign(default=frame["default"].drop(granted[::10]))
    assert sampled(even, planned(experiment=THREE)).uneven_outcomes() == ""
    few = frame.index[(frame["decision"] == "approve") & (frame["variant"] == "c")][:4]
    handful = frame.assign(default=frame["default"].drop(few))
    assert sampled(handful, planned(experiment=THREE)).uneven_outcomes() == ""


def test_defaults_that_are_lost_are_noticed():
    """Outcomes lost because they were bad shrink one arm's loans: the check sees who is missing."""
    frame = exposed(8000)
    bad = frame.index[(frame["default"] == 1) & (frame["variant"] == "treatment")][::2]
    assert sampled(frame.assign(default=frame["default"].drop(bad))).uneven_outcomes()


# --- how long ------------------------------------------------------------------------------------


def test_arrival_is_told_from_the_traffic():
    """At 10 a day and a half in each arm, 100 an arm have arrived after 20 days."""
    days = np.arange(101) / 10
    frame = at(exposed(101), days).assign(
        variant=np.where(np.arange(101) % 2, "treatment", "control")
    )
    arrives = sampled(frame, planned(size=100)).arrives
    assert abs(arrives - (START + pd.Timedelta(days=20))) < pd.Timedelta(hours=12)
    assert sampled(frame, planned(size=20)).arrives == frame["scored_at"].max()
    assert sampled(at(frame, 3), planned(size=100)).arrives is None


def test_units_of_the_ramp_tell_the_traffic_but_do_not_count():
    """What arrived before the full split has to come again, at the traffic of all."""
    frame = at(exposed(201), np.arange(201) / 10)
    stages = (RAMP[0], Stage(START + pd.Timedelta(days=10), (0.5, 0.5), full=True))
    whole = sampled(frame, planned(size=200)).arrives
    assert sampled(frame, planned(size=200), stages=stages).arrives > whole + pd.Timedelta(days=7)
