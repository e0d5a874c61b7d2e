"""What mlops_helpers.ab_testing promises."""

import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from mlops_helpers import ab_testing
from mlops_helpers.ab_testing import ADJUSTED, analyze, analyze_sums, contenders, from_rows
from mlops_helpers.business import CostModel, in_dollars
from mlops_helpers.experiment_plan import Guardrail
from tests.exposed import DELAY, LATE, RAILS, RAMP, START, THREE, exposed, planned


def analysed(frame, plan=None, *, as_of=LATE, **options):
    """`analyze` long after the last outcome, with the usual plan."""
    return analyze(frame, plan or planned(), as_of=as_of, **options)


def primary(found):
    """The row that decided."""
    return found.effects.set_index("role").loc["primary"]


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


# --- conclusions --------------------------------------------------------------------------------


def test_a_better_treatment_is_deployed():
    """A treatment that avoids most losses is deployed, with its figures in the sentence."""
    found = analysed(exposed(better=0.6), planned(guardrails=RAILS))
    assert found.conclusion == "deploy"
    assert primary(found)["low"] > 0
    assert in_dollars(primary(found)["effect"]) in found.sentence
    assert found.guardrails["state"].tolist() == ["holds", "holds"]
    assert (found.effects["interval"] == "fixed").all()


def test_a_worse_treatment_is_not():
    """A treatment that doubles the losses loses to control, also before the planned size."""
    frame = exposed(better=-1.0)
    assert analysed(frame).conclusion == "keep"
    early = analysed(frame, planned(size=4000))
    assert early.conclusion == "keep"
    assert (early.effects["interval"] == "always valid").all()


def test_equal_arms_are_kept_with_the_power_that_was():
    """Without a difference control stays, and the sentence tells what could have been seen."""
    found = analysed(exposed(seed=5))
    assert found.conclusion == "keep"
    assert "no gain was shown" in found.sentence
    assert "A true effect of $50.00 had a chance of" in found.sentence


def test_before_the_size_a_gain_goes_on():
    """A fixed test does not stop early for a gain; an always-valid one may."""
    frame = exposed(better=0.9)
    found = analysed(frame, planned(size=4000))
    assert found.conclusion == "go on"
    assert found.sentence.startswith("Go on until 4,000 complete applications an arm (now control")
    assert primary(found)["low"] > 0
    assert analysed(frame, planned(size=4000, stop="always valid")).conclusion == "deploy"


def test_the_adjusted_profit_decides():
    """With a covariate the primary row is the adjusted one, and narrower."""
    found = analysed(exposed(better=0.5), planned(covariate="score"))
    rows = found.effects.set_index("metric")
    assert rows.loc[ADJUSTED, "role"] == "primary"
    assert "adjusted for score" in found.sentence
    width = rows["high"] - rows["low"]
    assert width[ADJUSTED] < width["profit_per_application"]
    assert ADJUSTED in set(found.arms["metric"])


def test_every_treatment_is_compared_with_control():
    """Two treatments have their own rows; the better one is deployed."""
    frame = exposed(9000, experiment=THREE, shares=(0.4, 0.3, 0.3))
    better = (frame["variant"] == "c") & (frame["default"] == 1)
    frame.loc[frame.index[better][::2], "default"] = 0.0
    found = analysed(frame, planned(experiment=THREE, guardrails=RAILS))
    assert found.effects["arm"].unique().tolist() == ["b", "c"]
    assert found.guardrails.groupby("arm").size().to_dict() == {"b": 2, "c": 2}
    assert found.conclusion == "deploy"
    assert found.sentence.startswith("Deploy c: ")


def test_a_guardrail_forbids_what_profit_allows():
    """More profit by lending to fewer is not deployed when the approval rate is guarded."""
    frame = exposed(better=0.75)
    treated = frame.index[(frame["variant"] == "treatment") & (frame["decision"] == "approve")]
    frame.loc[treated[::6], ["decision", "default"]] = ["decline", np.nan]
    assert analysed(frame).conclusion == "deploy"
    guarded = analysed(frame, planned(guardrails=(Guardrail("approval_rate", 0.02),)))
    assert guarded.conclusion == "keep"
    assert "the approval rate is broken" in guarded.sentence


def test_costs_change_the_verdict():
    """Profit is counted with the costs given."""
    frame = exposed(better=0.6)
    dear = CostModel(margin=0.3, loss_given_default=1.0)
    assert primary(analysed(frame, costs=dear))["effect"] != primary(analysed(frame))["effect"]


def test_failures_stay_in_their_arm():
    """Rows that control answered for the treatment count for the treatment, and are told."""
    frame = exposed()
    treated = frame.index[frame["variant"] == "treatment"]
    fallen = frame.assign(model_version=frame["model_version"].mask(frame.index.isin(treated), 1))
    found, plain = analysed(fallen), analysed(frame)
    assert found.fallbacks == {"control": 0, "treatment": len(treated)}
    pd.testing.assert_frame_equal(found.effects, plain.effects)


def test_a_ramp_is_not_pooled():
    """Only the full split is compared; what came before is told, and the check is by stage."""
    ramped = exposed(3000, shares=(0.9, 0.1))
    early = ramped.assign(scored_at=START + pd.Timedelta(days=3), default=1.0)
    early["default"] = early["default"].where(early["decision"] == "approve")
    late = exposed(4000, seed=1).assign(scored_at=RAMP[1].since + pd.Timedelta(days=3))
    found = analysed(pd.concat([early, late]), stages=RAMP)
    assert found.left_out["before the full split"] == 3000
    alone = analysed(late)
    pd.testing.assert_frame_equal(found.effects, alone.effects)
    assert sum(found.srm.counts.values()) == 7000
    assert analysed(pd.concat([early, late])).conclusion == "no conclusion"


# --- what allows no conclusion ------------------------------------------------------------------


def assert_nothing_shown(found):
    """No effect, no level, no guardrail, but their columns."""
    for frame in (found.effects, found.arms, found.guardrails):
        assert frame.empty
        assert len(frame.columns)


def test_mismatch_forbids_a_conclusion():
    """A log that lost a fifth of one arm yields counts and p-value but no effect."""
    frame = exposed(better=0.5)
    lost = frame.index[(frame["variant"] == "treatment")][::5]
    found = analysed(frame.drop(lost))
    assert found.conclusion == "no conclusion"
    assert "sample-ratio mismatch" in found.sentence
    assert found.srm.p_value < 0.001
    assert_nothing_shown(found)


def test_outcomes_missing_from_one_arm_forbid_a_conclusion():
    """Losing every second default would make the treatment look good: refused, with counts."""
    frame = exposed()
    bad = frame.index[(frame["default"] == 1) & (frame["variant"] == "treatment")][::2]
    found = analysed(frame.assign(default=frame["default"].drop(bad)))
    assert found.conclusion == "no conclusion"
    assert f"{len(bad)} of " in found.sentence
    assert found.missing == {"control": 0, "treatment": len(bad)}
    assert_nothing_shown(found)


def test_missing_outcomes_are_counted_and_never_zero():
    """Approved loans without an outcome are left out and counted, not treated as repaid."""
    frame = exposed()
    lost = frame.index[frame["decision"] == "approve"][:37]
    frame.loc[lost, "default"] = np.nan
    found = analysed(frame)
    assert found.left_out["approved, outcome missing"] == sum(found.missing.values()) == 37
    granted = frame[frame["decision"] == "approve"]["variant"].value_counts()
    each = ", ".join(
        f"{arm} {n} of {granted[arm]:,} ({100 * n / granted[arm]:.1f} %)"
        for arm, n in found.missing.items()
    )
    assert found.sentence.endswith(f"Left out, because their outcome is missing: {each}.")
    rows = found.arms.groupby("metric")["n"].sum()
    assert rows["profit_per_application"] == len(frame) - 37
    assert rows["approval_rate"] == len(frame)


def test_the_approval_rate_needs_no_outcome():
    """Lost outcomes change neither the rate nor its guardrail."""
    frame, plan = exposed(), planned(guardrails=RAILS)
    lost = frame.index[frame["decision"] == "approve"][::60]
    rows = [
        analysed(each, plan).effects.set_index("metric").loc["approval_rate"]
        for each in (frame, frame.assign(default=frame["default"].drop(lost)))
    ]
    pd.testing.assert_series_equal(*rows)


def test_too_many_missing_outcomes_forbid_a_conclusion():
    """More than 2 % of an arm's due outcomes lost, alike in both arms: refused, with the shares."""
    frame = exposed(better=0.6)
    granted = frame.index[frame["decision"] == "approve"]
    for every, refused in ((60, False), (40, True)):
        found = analysed(frame.assign(default=frame["default"].drop(granted[::every])))
        assert (found.conclusion == "no conclusion") == refused
        share = found.missing["control"] / (frame.loc[granted, "variant"] == "control").sum()
        assert f"({100 * share:.1f} %)" in found.sentence
    assert "at most 2 % may be" in found.sentence


def test_a_gain_that_missing_outcomes_could_undo_is_not_deployed():
    """Without the losses a gain is shown; with them against it, it is not, so control stays."""
    frame = exposed(seed=4, better=0.3)
    granted = (frame["decision"] == "approve") & (frame["default"] == 0)
    treated = frame.index[granted & (frame["variant"] == "treatment")]
    rest = frame.index[granted & (frame["variant"] == "control")]
    lost = frame.assign(default=frame["default"].drop([*treated[:28], *rest[:28]]))
    whole, found = analysed(frame), analysed(lost)
    assert (whole.conclusion, found.conclusion) == ("deploy", "keep")
    assert primary(found)["low"] > 0
    assert "if the loans whose outcome is missing had defaulted" in found.sentence
    strong = exposed(better=0.7)
    few = strong.index[strong["decision"] == "approve"][::100]
    assert analysed(strong.assign(default=strong["default"].drop(few))).conclusion == "deploy"


def test_too_few_defaults_allow_no_conclusion():
    """A small arm that was lucky is not deployed: its number of defaults is told."""
    frame = exposed(better=0.9)
    found = analysed(frame)
    defaults = [int(frame.loc[frame["variant"] == arm, "default"].sum()) for arm in found.missing]
    assert defaults[1] < 30
    assert found.conclusion == "no conclusion"
    assert f"control {defaults[0]}, treatment {defaults[1]}, and 30 are needed" in found.sentence


def test_a_later_analysis_of_the_same_test_is_the_same():
    """What is scored after the months that have the size is left out, told, and changes nothing."""
    frame, plan = exposed(better=0.3), planned(size=1100, guardrails=RAILS)
    november = pd.Timestamp("2024-11-01", tz="UTC")
    for stop in ("fixed size", "always valid"):
        plan = planned(size=1100, guardrails=RAILS, stop=stop)
        first, late = analysed(frame, plan, as_of=november + DELAY), analysed(frame, plan)
        assert first.conclusion in ("keep", "deploy")
        assert (first.conclusion, first.sentence) == (late.conclusion, late.sentence)
        pd.testing.assert_frame_equal(first.effects, late.effects)
        after = int((frame["scored_at"] >= november).sum())
        assert late.left_out["after the planned size"] == after


def test_incomplete_months_are_left_out_whole():
    """A month whose outcomes cannot all be known is left out in both arms, and counted."""
    frame = exposed()
    as_of = pd.Timestamp("2024-10-01", tz="UTC") + DELAY
    young = frame["scored_at"] >= pd.Timestamp("2024-10-01", tz="UTC")
    found = analysed(frame, as_of=as_of)
    assert found.left_out["month not complete yet"] == young.sum()
    assert found.arms.query("metric == 'approval_rate'")["n"].sum() == (~young).sum()


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
    assert sum(found.srm.counts.values()) == len(frame) - 1


def test_before_any_outcome_one_goes_on():
    """An analysis while the applications still come says until when, and shows nothing."""
    found = analysed(exposed(), as_of=START + pd.Timedelta(days=150))
    assert found.conclusion == "go on"
    assert "0 applications that can be analysed" in found.sentence
    assert_nothing_shown(found)


def test_outcomes_that_never_came_allow_no_conclusion():
    """All months complete and no outcome at all: the declined alone are not compared."""
    frame = exposed().assign(default=np.nan)
    found = analysed(frame)
    granted = (frame["decision"] == "approve").sum()
    assert found.conclusion == "no conclusion"
    assert "(100.0 %)" in found.sentence
    assert sum(found.missing.values()) == granted
    assert_nothing_shown(found)


def test_no_exposures_and_an_empty_arm_are_explained():
    """Nothing at all, or nothing in one arm, is explained."""
    frame = exposed(40)
    none = analysed(frame.iloc[:0])
    assert none.conclusion == "no conclusion"
    assert "no application was exposed yet" in none.sentence
    few = analysed(frame[frame["variant"] == "control"].iloc[:5])
    assert few.conclusion == "no conclusion"
    assert "arm treatment has 0" in few.sentence
    many = analysed(frame[frame["variant"] == "control"])
    assert "sample-ratio mismatch" in many.sentence


def test_nobody_approved_is_explained():
    """Without an approval there is no outcome."""
    found = analysed(exposed().assign(decision="decline", default=np.nan))
    assert found.conclusion == "no conclusion"
    assert "no application was approved" in found.sentence


def test_equal_outcomes_allow_no_conclusion():
    """All loans alike: no spread, no interval; before the size the test goes on."""
    frame = exposed().assign(decision="approve", default=0.0, loan_amount=1000.0)
    found = analysed(frame)
    assert found.conclusion == "no conclusion"
    assert "too few defaults: control 0, treatment 0" in found.sentence
    assert analysed(frame, planned(size=4000)).conclusion == "go on"
    same = analysed(frame, planned(stop="always valid"))
    assert same.conclusion == "no conclusion"
    assert "all the same" in same.sentence


def test_one_arm_approves_nobody():
    """A treatment that approves nobody has no default: profit is told, control stays for now."""
    frame = exposed()
    stopped = frame["variant"] == "treatment"
    frame.loc[stopped, ["decision", "default"]] = ["decline", np.nan]
    found = analysed(frame, planned(guardrails=RAILS[:1]))
    rows = found.effects.set_index("metric")
    assert np.isnan(rows.loc["default_rate_approved", "low"])
    assert rows.loc["profit_per_application", "effect"] < 0
    assert found.guardrails["state"].tolist() == ["open"]
    assert found.conclusion == "no conclusion"
    assert analysed(frame, planned(stop="always valid")).conclusion == "keep"


def test_missing_columns_are_named():
    """A log without outcomes joined is refused by column."""
    with pytest.raises(ValueError, match="default"):
        analysed(exposed().drop(columns="default"))


def test_sums_of_another_covariate_are_refused():
    """Sums and plan must agree on what is adjusted for."""
    sums = from_rows(exposed(100), planned(), as_of=LATE)
    with pytest.raises(ValueError, match="Make the sums with this plan"):
        analyze_sums(sums, planned(covariate="score"))


# --- as a whole ---------------------------------------------------------------------------------


def test_the_order_of_rows_changes_nothing():
    """Shuffled exposures give the same analysis."""
    frame = exposed(better=0.4)
    found = analysed(frame, planned(covariate="score"))
    mixed = analysed(frame.sample(frac=1, random_state=3), planned(covariate="score"))
    assert found.sentence == mixed.sentence
    pd.testing.assert_frame_equal(found.effects, mixed.effects, rtol=1e-9)


def test_arms_exchanged_turn_the_effect_round():
    """Who is called control changes the sign of an effect and nothing else."""
    frame = exposed(better=0.4)
    other = frame["variant"].map({"control": "treatment", "treatment": "control"})
    found, turned = analysed(frame).effects, analysed(frame.assign(variant=other)).effects
    assert turned["effect"].to_numpy() == pytest.approx(-found["effect"].to_numpy())
    assert turned["low"].to_numpy() == pytest.approx(-found["high"].to_numpy())
    assert turned["p_value"].to_numpy() == pytest.approx(found["p_value"].to_numpy())


def test_more_of_the_same_only_narrows():
    """Ten times every count keeps the effects and narrows the intervals by about root ten."""
    frame = exposed(better=0.4).assign(scored_at=START).drop(columns="probability")
    sums = from_rows(frame, planned(), as_of=LATE)
    cells = sums.cells.copy()
    columns = list(cells.columns[6:])
    cells[columns] *= 10
    once, tenfold = (
        analyze_sums(s, planned()).effects.set_index("metric").drop("auc_approved")
        for s in (sums, replace(sums, cells=cells))
    )
    assert tenfold["effect"].to_numpy() == pytest.approx(once["effect"].to_numpy())
    shrunk = (tenfold["high"] - tenfold["low"]) / (once["high"] - once["low"])
    assert shrunk.to_numpy() == pytest.approx(10**-0.5, rel=0.01)


def test_an_analysis_of_sums_is_fast_enough_to_simulate():
    """The fastest of a few takes at most 40 ms of this process (about 5 on an idle core)."""
    sums = from_rows(exposed(), planned(guardrails=RAILS), as_of=LATE)
    taken = []
    for _ in range(10):
        began = time.process_time()
        analyze_sums(sums, planned(guardrails=RAILS))
        taken.append(time.process_time() - began)
    assert min(taken) < 0.04
