"""What mlops_helpers.ab_sample promises."""

import numpy as np
import pandas as pd

from mlops_helpers.ab_sample import MOST_MISSING, sample_of
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


def test_nobody_is_no_sample():
    """Without a unit the check fails, and says that nobody was exposed."""
    found = sampled(exposed(5).iloc[:0])
    assert not found.srm.passed
    assert found.mismatch() == "no application was exposed yet."
    assert found.arrives is None


def test_a_ramp_is_no_mismatch_but_a_loss_in_it_is():
    """A pooled 50:50 test would cry wolf; a stage that lost a third of its treatment is noticed."""
    early, late = exposed(3000, shares=(0.9, 0.1)), exposed(3000, seed=1)
    frame = pd.concat([at(early, 5), at(late, 70)])
    assert sampled(frame, stages=RAMP).mismatch() == ""
    assert "sample-ratio mismatch" in sampled(frame).mismatch()
    treated = early.index[early["variant"] == "treatment"]
    lossy = pd.concat([at(early.drop(treated[::3]), 5), at(late, 70)])
    assert "sample-ratio mismatch" in sampled(lossy, stages=RAMP).mismatch()


def test_a_mismatch_names_units_that_met_two_arms():
    """Rows left out because their unit crossed are the first place to look."""
    frame = exposed()
    treated = frame.index[frame["variant"] == "treatment"][:300]
    again = frame.loc[treated].assign(variant="control")
    found = sampled(pd.concat([frame.drop(treated), again, frame.loc[treated]]))
    assert not found.srm.passed
    assert "600 rows are left out of both because their unit met two arms" in found.mismatch()
    assert "two arms" not in sampled(frame.drop(treated)).mismatch()


def test_rows_that_were_all_left_out_are_explained():
    """Everybody in both arms, or in an arm of another name: the reason, with its count."""
    frame = exposed(40)
    twice = pd.concat([frame.assign(variant=arm) for arm in planned().arms])
    assert sampled(twice).mismatch() == (
        "no row of the log can be used: 80 exposed to more than one arm."
    )
    shouted = sampled(frame.assign(variant="CONTROL")).mismatch()
    assert "40 not in an arm of the experiment" in shouted


def test_a_ramp_that_never_ends_is_named():
    """Nobody was scored at the planned split: more traffic would not help, a full ramp would."""
    found = sampled(exposed(shares=(0.9, 0.1)), stages=RAMP[:1])
    assert found.too_little() == (
        "none of 4,000 applications of complete months was scored at the planned split. Ramp the "
        "experiment to 1."
    )
    assert sampled(exposed(), stages=RAMP).too_little() == ""


# --- who is left out ----------------------------------------------------------------------------


def test_every_row_has_one_reason_or_is_compared():
    """Reasons and compared rows add up to the log, with a ramp, young months and lost outcomes."""
    frame = exposed(better=0.2)
    frame.loc[frame.index[::50], "default"] = np.nan
    extra = pd.concat([frame, frame.iloc[[5]], frame.iloc[[6]].assign(variant="shadow")])
    as_of = pd.Timestamp("2024-12-01", tz="UTC") + DELAY
    found = sampled(extra, planned(size=400), as_of=as_of, stages=RAMP)
    november = pd.Timestamp("2024-11-01", tz="UTC")
    late = (frame["scored_at"] >= november) & (frame["scored_at"] < as_of - DELAY)
    assert found.left_out["after the planned size"] == late.sum()
    assert sum(found.left_out.values()) + sum(found.compared.values()) == len(extra)
    assert all(n > 0 for reason, n in found.left_out.items() if "more than one" not in reason)
    young = frame["scored_at"] >= pd.Timestamp("2024-12-01", tz="UTC")
    ramped = frame["scored_at"] < MONTH
    lost = frame["default"].isna() & (frame["decision"] == "approve") & ~young & ~ramped & ~late
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


def test_outcomes_missing_alike_are_no_unevenness():
    """A tenth lost in every arm is no difference between them, nor are a handful in one arm."""
    frame = exposed(experiment=THREE)
    granted = frame.index[frame["decision"] == "approve"]
    even = sampled(
        frame.assign(default=frame["default"].drop(granted[::10])), planned(experiment=THREE)
    )
    assert even.uneven_outcomes() == ""
    assert "control 90 of 1,040 (8.7 %)" in even.lost_outcomes()
    few = frame.index[(frame["decision"] == "approve") & (frame["variant"] == "c")][:4]
    handful = frame.assign(default=frame["default"].drop(few))
    assert sampled(handful, planned(experiment=THREE)).uneven_outcomes() == ""


def test_one_arm_that_misses_too_many_is_enough():
    """The limit is of each arm, and itself still allowed."""
    frame = exposed()
    mine = frame.index[(frame["decision"] == "approve") & (frame["variant"] == "control")]
    most = int(MOST_MISSING * len(mine))
    for n, told in ((0, False), (most, False), (most + 1, True)):
        found = sampled(frame.assign(default=frame["default"].drop(mine[:n])), planned(size=1900))
        assert bool(found.lost_outcomes()) == told
    assert f"control {most + 1} of {len(mine):,} (2." in found.lost_outcomes()


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
    assert sampled(frame, planned(size=20)).arrives == START
    assert sampled(at(frame, 3), planned(size=100)).arrives is None


def test_units_of_the_ramp_tell_the_traffic_but_do_not_count():
    """What arrived before the full split has to come again, at the traffic of all."""
    frame = at(exposed(201), np.arange(201) / 10)
    stages = (RAMP[0], Stage(START + pd.Timedelta(days=10), (0.5, 0.5), full=True))
    whole = sampled(frame, planned(size=200)).arrives
    assert sampled(frame, planned(size=200), stages=stages).arrives > whole + pd.Timedelta(days=7)


def test_what_arrived_is_not_postponed():
    """While outcomes are awaited the month in which the size was reached stays, as traffic goes on.

    One application in every arm and hour: 1,000 an arm are there in the second month.
    """
    n = 4 * 30 * 24
    hours = np.repeat(np.arange(n), 2) / 24
    frame = at(exposed(2 * n), hours).assign(variant=["control", "treatment"] * n)
    plan = planned(size=1000)
    for days in (70, 90, 115):
        found = sampled(frame, plan, as_of=START + pd.Timedelta(days=days))
        assert found.arrives == pd.Timestamp("2024-09-01", tz="UTC")
    reached = pd.Timestamp("2024-10-01", tz="UTC") + DELAY
    for as_of, there in ((reached - pd.Timedelta(hours=1), False), (reached, True)):
        assert (sampled(frame, plan, as_of=as_of).complete["control"] >= 1000) == there
