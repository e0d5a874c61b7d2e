"""What mlops_helpers.retraining, judging and delong promise."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from mlops_helpers import judging, retraining
from mlops_helpers.business import Interval
from mlops_helpers.delong import auc_difference, auc_drop, auc_interval
from mlops_helpers.retraining import (
    Evidence,
    Margins,
    RetrainingPolicy,
    calibration_gap,
    decide,
    judge,
)

POLICY = RetrainingPolicy()
ALLOWED = {"new_rows": 5000.0, "days_since_training": 200.0}


def scored(n=3000, *, seed=0, noise=(1.0, 0.3)):
    """Outcomes, the probabilities of a champion and a challenger with that much noise, amounts."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=n)
    truth = 1 / (1 + np.exp(2 - z))
    label = (rng.random(n) < truth).astype(float)
    old, new = (1 / (1 + np.exp(2 - z - s * rng.normal(size=n))) for s in noise)
    return label, old, new, rng.uniform(2000, 20000, n)


def reason(decision, name):
    """The one reason of a decision with that name."""
    (found,) = [r for r in decision.reasons if r.name == name]
    return found


@pytest.mark.parametrize("module", [retraining, judging])
def test_everything_exported_exists(module):
    """__all__ names only what is there."""
    assert all(hasattr(module, name) for name in module.__all__)


# --- DeLong -------------------------------------------------------------------------------------


def test_auc_is_scikit_learns_with_ties():
    """The midrank AUC equals scikit-learn's, also with many ties."""
    label, old, *_ = scored()
    for score in (old, old.round(1)):
        assert auc_interval(label, score).value == pytest.approx(roc_auc_score(label, score))


def test_paired_interval_agrees_with_a_paired_bootstrap():
    """DeLong's paired interval is within a tenth of the bootstrap's width, on both sides."""
    label, old, new, _ = scored(1500, seed=4)
    found = auc_difference(label, old, new)
    rng = np.random.default_rng(1)
    draws = []
    for _ in range(400):
        i = rng.integers(0, label.size, label.size)
        draws.append(roc_auc_score(label[i], new[i]) - roc_auc_score(label[i], old[i]))
    low, high = np.quantile(draws, [0.025, 0.975])
    width = found.high - found.low
    assert found.low == pytest.approx(low, abs=0.1 * width)
    assert found.high == pytest.approx(high, abs=0.1 * width)


def test_pairing_narrows_the_interval():
    """Two similar scores on the same rows are compared better paired than as two samples."""
    label, old, new, _ = scored(noise=(0.5, 0.4))
    paired, unpaired = auc_difference(label, old, new), auc_drop(label, new, label, old)
    assert paired.value == pytest.approx(unpaired.value)
    assert paired.high - paired.low < 0.8 * (unpaired.high - unpaired.low)


def test_equal_rankings_differ_by_nothing():
    """A score against itself, rescaled, has difference 0 and no width."""
    label, old, *_ = scored(500)
    found = auc_difference(label, old, old / 2)
    assert (found.value, found.low, found.high) == (0, 0, 0)


def test_interval_stays_within_zero_and_one():
    """A perfect score's interval does not leave the scale of an AUC."""
    found = auc_interval([0, 0, 0, 1, 1, 1], [1, 2, 3, 4, 5, 6])
    assert (found.value, found.low, found.high) == (1, 1, 1)


@pytest.mark.parametrize(
    ("label", "score", "said"),
    [
        ([0, 0, 1], [0.1, 0.2, 0.3], "1 defaults"),
        ([0, 1, 0, 1], [0.1, np.nan, 0.2, 0.3], "1 scores"),
        ([0, 1, 0.5, 1], [0.1, 0.2, 0.2, 0.3], "neither 0 nor 1"),
        ([0, 1, 0, 1], [0.1, 0.2], "4 outcomes and 2 scores"),
    ],
)
def test_impossible_input_is_named(label, score, said):
    """One class, missing values, probabilities as labels and lengths are refused by name."""
    with pytest.raises(ValueError, match=said):
        auc_interval(label, score)


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
    decision = decide(Evidence(drifted_share=0.1, age_days=30.0, **ALLOWED), POLICY)
    assert not decision.retrain
    assert decision.sentence == "Do not retrain: no trigger fired."


@pytest.mark.parametrize(
    ("found", "name"),
    [
        ({"drifted_share": 0.4}, "share of features drifted"),
        ({"auc_drop": Interval(0.05, 0.01, 0.09, 900)}, "AUC drop since the holdout"),
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
        drifted_share=1.0, age_days=999.0, faults=("annual_income arrives in cents",), **ALLOWED
    )
    decision = decide(evidence, POLICY)
    assert not decision.retrain
    assert "vetoed" in decision.sentence
    assert "annual_income arrives in cents" in decision.sentence


@pytest.mark.parametrize("lacking", ["new_rows", "days_since_training"])
@pytest.mark.parametrize("figure", [float("nan"), 1.0])
def test_unmet_or_unknown_condition_waits(lacking, figure):
    """Too little, or unknown, is not enough: no training yet."""
    evidence = Evidence(drifted_share=1.0, **{**ALLOWED, lacking: figure})
    decision = decide(evidence, POLICY)
    assert not decision.retrain
    assert decision.sentence.startswith("Do not retrain yet")


def test_no_evidence_at_all_does_not_retrain():
    """All figures NaN: fails closed."""
    assert not decide(Evidence(), POLICY).retrain


def test_every_reason_has_figure_and_limit():
    """The table lists all reasons, fired or not, each with the policy's limit."""
    table = decide(Evidence(drifted_share=0.4, **ALLOWED), POLICY).table
    limits = dict(zip(table["name"], table["limit"], strict=True))
    assert limits["share of features drifted"] == POLICY.max_drifted_share
    assert limits["new labelled rows"] == POLICY.min_new_rows
    assert table["limit"].notna().all()


@pytest.mark.parametrize(
    ("limit", "value"),
    [
        ("max_auc_drop", -0.01),
        ("min_new_rows", -1),
        ("max_age_days", float("nan")),
        ("max_drifted_share", 30),
    ],
)
def test_impossible_limit_is_refused(limit, value):
    """A negative, missing or percent limit is named."""
    with pytest.raises(ValueError, match=limit):
        RetrainingPolicy(**{limit: value})


# --- the judge ----------------------------------------------------------------------------------


def test_a_better_challenger_is_promoted():
    """Clearly better on the primary metric, not worse elsewhere: promote, with figures."""
    verdict = judge(*scored())
    assert verdict.promote
    assert verdict.checks["passed"].all()
    assert "auc difference" in verdict.sentence


def test_a_worse_challenger_is_kept_out():
    """Clearly worse: keep the champion."""
    label, old, new, amount = scored()
    verdict = judge(label, new, old, amount)
    assert verdict.outcome == "keep"
    assert "worse" in verdict.reason


def test_the_champion_itself_is_not_promoted():
    """The same model again is too close to matter."""
    label, old, _, amount = scored()
    verdict = judge(label, old, old, amount)
    assert verdict.outcome == "keep"
    assert "too close" in verdict.reason


def test_better_ranking_with_broken_probabilities_is_not_promoted():
    """A challenger that ranks better but whose probabilities are far off fails the other checks."""
    label, old, new, amount = scored()
    verdict = judge(label, old, np.sqrt(new), amount)
    checks = verdict.checks.set_index("check")
    assert bool(checks.loc["auc", "passed"])
    assert not checks.loc["brier", "passed"]
    assert not verdict.promote


def test_small_samples_leave_it_open():
    """A small true gain on few rows is not enough evidence."""
    verdict = judge(*scored(400, seed=3, noise=(0.5, 0.45)), min_rows=100)
    assert verdict.outcome == "not enough evidence"


def test_equal_models_are_rarely_promoted():
    """With exchangeable models the judge promotes at most about 2.5 % of the time."""
    promoted = sum(judge(*scored(400, seed=s, noise=(0.5, 0.5))).promote for s in range(200))
    assert promoted <= 12  # binomial(200, 0.025) exceeds 12 with probability 0.2 %


def test_primary_metric_is_chosen():
    """The primary metric must be beaten strictly, the others only within their margin."""
    verdict = judge(*scored(), primary="profit", margins=Margins(profit=1, auc=0.02, brier=0.01))
    limits = dict(zip(verdict.checks["check"], verdict.checks["limit"], strict=True))
    assert limits["profit"] == 0
    assert limits["auc"] == -0.02
    with pytest.raises(ValueError, match="primary is 'accuracy'"):
        judge(*scored(), primary="accuracy")
    with pytest.raises(ValueError, match="auc margin"):
        Margins(auc=-0.1)


def replaced(position, value):
    """The arrays of `scored`, one of them replaced."""
    arrays = list(scored())
    arrays[position] = value(arrays[position])
    return arrays


def with_nan(array):
    """A copy with its first value missing."""
    return np.r_[np.nan, array[1:]]


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        (replaced(0, with_nan), "outcomes 1"),
        (replaced(1, with_nan), "champion 1"),
        (replaced(2, with_nan), "challenger 1"),
        (replaced(3, with_nan), "amounts 1"),
        (replaced(0, np.zeros_like), "0 defaults"),
        (replaced(0, lambda a: a / 2), "neither 0 nor 1"),
        (replaced(2, lambda a: a * 100), "probability of the challenger"),
        (replaced(2, lambda a: a[:-1]), "lengths differ"),
        (replaced(2, lambda a: ["high"] * a.size), "ValueError"),
        (([], [], [], []), "0 rows"),
    ],
)
def test_unfit_evidence_fails_closed(arrays, said):
    """Missing, one class, impossible, unreadable or empty: not enough evidence, and why."""
    verdict = judge(*arrays)
    assert verdict.outcome == "not enough evidence"
    assert not verdict.promote
    assert said in verdict.reason


def test_a_check_that_raises_is_a_refusal_with_its_name(monkeypatch):
    """An exception inside a comparison does not stop the judge and never promotes."""

    def broken(*_args, **_options):
        raise ZeroDivisionError("no rows in a bin")

    monkeypatch.setattr(judging, "auc_difference", broken)
    verdict = judge(*scored())
    assert verdict.outcome == "not enough evidence"
    assert "ZeroDivisionError: no rows in a bin" in verdict.reason
