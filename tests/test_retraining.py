"""What mlops_helpers.retraining promises."""

import math

import numpy as np
import pytest

from mlops_helpers import retraining
from mlops_helpers.business import Interval
from mlops_helpers.retraining import Evidence, RetrainingPolicy, calibration_gap, decide
from tests.two_models import scored

POLICY = RetrainingPolicy()
ALLOWED = {"new_rows": 5000.0, "days_since_training": 200.0}


def reason(decision, name):
    """The one reason of a decision with that name."""
    (found,) = [r for r in decision.reasons if r.name == name]
    return found


def test_everything_exported_exists():
    """__all__ names only what is there."""
    assert all(hasattr(retraining, name) for name in retraining.__all__)


def test_calibration_gap_has_a_sign_and_an_interval():
    """Too little promised risk is a positive gap; honest probabilities have 0 inside."""
    label, *_ = scored()
    honest = np.full(label.size, label.mean())
    found, timid = calibration_gap(label, honest), calibration_gap(label, honest / 2)
    assert found.low < 0 < found.high
    assert timid.value == pytest.approx(label.mean() / 2)
    assert timid.low > 0
    assert not calibration_gap([], []).known


# --- the decision -------------------------------------------------------------------------------


def test_nothing_wrong_means_no_training():
    """Evidence within all limits does not retrain, and says so."""
    decision = decide(Evidence(drifted_importance=0.1, age_days=30.0, **ALLOWED), POLICY)
    assert not decision.retrain
    assert decision.outcome == "no reason"
    assert decision.sentence == "Do not retrain: no trigger fired."


@pytest.mark.parametrize(
    ("found", "name"),
    [
        ({"drifted_importance": 0.4}, "importance of drifted features"),
        ({"auc_drop": Interval(0.05, 0.01, 0.09, 900)}, "AUC drop since the holdout"),
        (
            {"expected_auc_drop": Interval(0.03, 0.01, 0.05, 900)},
            "AUC drop expected before labels",
        ),
        ({"calibration_gap": Interval(0.04, 0.02, 0.06, 900)}, "calibration gap"),
        ({"calibration_gap": Interval(-0.04, -0.06, -0.02, 900)}, "calibration gap"),
        ({"age_days": 800.0}, "age of the model in days"),
    ],
)
def test_each_trigger_retrains_alone(found, name):
    """One trigger beyond its limit is enough, and the sentence carries figure and limit."""
    decision = decide(Evidence(**found, **ALLOWED), POLICY)
    fired = [r for r in decision.reasons if r.kind == "trigger" and r.holds]
    assert decision.retrain
    assert [r.name for r in fired] == [name]
    assert fired[0].text in decision.sentence
    assert "limit" in fired[0].text


def test_a_drop_that_may_be_chance_does_not_fire():
    """A large drop whose interval includes 0 is not a reason."""
    drop = Interval(0.05, -0.01, 0.11, 100)
    assert not decide(Evidence(auc_drop=drop, **ALLOWED), POLICY).retrain


def test_a_sure_drop_within_the_limit_does_not_fire():
    """A drop that is certain but smaller than the limit is not a reason."""
    drop = Interval(0.015, 0.01, 0.02, 10**6)
    assert not decide(Evidence(auc_drop=drop, **ALLOWED), POLICY).retrain


def test_a_fault_forbids_training_whatever_else():
    """A broken feed vetoes, by name, even when every trigger fires."""
    evidence = Evidence(
        drifted_importance=1.0,
        age_days=999.0,
        faults=("annual_income arrives in cents",),
        **ALLOWED,
    )
    decision = decide(evidence, POLICY)
    assert not decision.retrain
    assert decision.outcome == "vetoed"
    assert "vetoed" in decision.sentence
    assert "annual_income arrives in cents" in decision.sentence


@pytest.mark.parametrize("lacking", ["new_rows", "days_since_training"])
@pytest.mark.parametrize("figure", [float("nan"), 1.0])
def test_unmet_or_unknown_condition_waits(lacking, figure):
    """Too little, or unknown, is not enough: no training yet."""
    evidence = Evidence(drifted_importance=1.0, **{**ALLOWED, lacking: figure})
    decision = decide(evidence, POLICY)
    assert not decision.retrain
    assert decision.outcome == "wait"
    assert decision.sentence.startswith("Do not retrain yet")
    assert "importance of drifted features 1 (limit 0.3)" in decision.sentence


def test_a_condition_unmet_without_a_trigger_is_no_reason():
    """Nobody waits for a training that nothing asks for."""
    decision = decide(Evidence(new_rows=1.0, days_since_training=1.0), POLICY)
    assert decision.outcome == "no reason"


def test_a_fault_is_told_though_nothing_asks_for_training():
    """A veto is a message to a person, so it does not hide behind silent triggers."""
    assert decide(Evidence(faults=("age is missing",), **ALLOWED), POLICY).outcome == "vetoed"


@pytest.mark.parametrize(
    ("limit", "found"),
    [
        ("max_drifted_importance", {"drifted_importance": 1.0}),
        ("max_auc_drop", {"auc_drop": Interval(0.5, 0.4, 0.6, 900)}),
        ("max_expected_auc_drop", {"expected_auc_drop": Interval(0.5, 0.4, 0.6, 900)}),
        ("max_calibration_gap", {"calibration_gap": Interval(-0.5, -0.6, -0.4, 900)}),
        ("max_age_days", {"age_days": 10.0**6}),
    ],
)
def test_infinity_switches_a_trigger_off(limit, found):
    """The trigger that would fire does not, and says that it is switched off."""
    assert decide(Evidence(**found, **ALLOWED), POLICY).retrain
    decision = decide(Evidence(**found, **ALLOWED), RetrainingPolicy(**{limit: math.inf}))
    assert decision.outcome == "no reason"
    assert sum("switched off" in reason.text for reason in decision.reasons) == 1


def test_the_unweighted_share_is_told_and_decides_nothing():
    """Many features that do not matter are named beside the figure that counts."""
    evidence = Evidence(
        drifted_importance=0.01, drifted_share=2 / 9, drifted=("age", "loan_purpose"), **ALLOWED
    )
    decision = decide(evidence, POLICY)
    assert decision.outcome == "no reason"
    told = reason(decision, "importance of drifted features").text
    assert told.endswith("22% of the features: age, loan_purpose")


def test_what_is_not_known_is_called_so():
    """No figure reads "nan" in a sentence for people."""
    assert not any("nan" in r.text for r in decide(Evidence(), POLICY).reasons)


def test_no_evidence_at_all_does_not_retrain():
    """All figures NaN: fails closed."""
    assert not decide(Evidence(), POLICY).retrain


def test_every_reason_has_figure_and_limit():
    """The table lists all reasons, fired or not, each with the policy's limit."""
    table = decide(Evidence(drifted_importance=0.4, **ALLOWED), POLICY).table
    limits = dict(zip(table["name"], table["limit"], strict=True))
    assert limits["importance of drifted features"] == POLICY.max_drifted_importance
    assert limits["new labelled rows"] == POLICY.min_new_rows
    assert table["limit"].notna().all()


@pytest.mark.parametrize(
    ("limit", "value"),
    [
        ("max_auc_drop", -0.01),
        ("min_new_rows", -1),
        ("max_age_days", float("nan")),
        ("max_drifted_importance", 30),
        ("min_new_rows", math.inf),
    ],
)
def test_impossible_limit_is_refused(limit, value):
    """A negative, missing or percent limit is named."""
    with pytest.raises(ValueError, match=limit):
        RetrainingPolicy(**{limit: value})


def test_what_was_accepted_is_told_and_forbids_nothing():
    """A person's word is on record beside the veto that it kept away."""
    found = Evidence(drifted_importance=0.9, accepted=("age",), **ALLOWED)
    decision = decide(found, POLICY)
    assert decision.retrain
    told = reason(decision, "broken inputs").text
    assert told == "broken inputs 0 (limit 0); gaps and new categories accepted in age"
