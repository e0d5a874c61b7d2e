"""What mlops_helpers.judging promises."""

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, roc_auc_score

from mlops_helpers import judging
from mlops_helpers.judging import Margins, judge
from tests.two_models import scored


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
    assert "not compared" not in verdict.reason


@pytest.mark.parametrize("primary", ["auc", "profit", "brier"])
def test_too_few_rows_leave_the_table_whole(primary):
    """Below `min_rows` the table has its four rows: same limits, no figures, and the reason."""
    verdict = judge(*scored(277), primary=primary)
    assert verdict.outcome == "not enough evidence"
    assert "277 rows (needs 300)" in verdict.sentence
    checks, whole = (
        v.checks.set_index("check") for v in (verdict, judge(*scored(), primary=primary))
    )
    assert list(checks.columns) == list(whole.columns)
    assert checks["limit"].to_dict() == whole["limit"].to_dict()
    metrics = checks.loc[["profit", "auc", "brier"]]
    assert metrics[["value", "low", "high"]].isna().all(axis=None)
    assert not checks["passed"].any()
    assert metrics["reason"].str.contains("not compared").all()


def test_a_check_that_raises_is_a_refusal_with_its_name(monkeypatch):
    """An exception inside a comparison does not stop the judge and never promotes."""

    def broken(*_args, **_options):
        raise ZeroDivisionError("no rows in a bin")

    monkeypatch.setattr(judging, "auc_difference", broken)
    verdict = judge(*scored())
    assert verdict.outcome == "not enough evidence"
    assert "ZeroDivisionError: no rows in a bin" in verdict.reason


def test_differences_are_what_scikit_learn_and_the_loans_say():
    """Each metric is challenger minus champion, turned so that more is better."""
    label, old, new, amount = scored()
    found = judge(label, old, new, amount, cutoff=0.2).checks.set_index("check")["value"]
    each = np.where(label == 1, -0.55, 0.12) * amount  # the costs unless others are given
    earned = (each * (new < 0.2)).mean() - (each * (old < 0.2)).mean()
    gained = roc_auc_score(label, new) - roc_auc_score(label, old)
    sharper = brier_score_loss(label, old) - brier_score_loss(label, new)
    assert found["profit"] == pytest.approx(earned)
    assert found["auc"] == pytest.approx(gained)
    assert found["brier"] == pytest.approx(sharper)
