"""What mlops_helpers.judging promises."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom
from sklearn.metrics import brier_score_loss, roc_auc_score

from mlops_helpers import judging
from mlops_helpers.judge_scores import TwoScores
from mlops_helpers.judging import Margins, judge
from tests.two_models import scored


def regions(n=3000, groups=3):
    """A column that divides n loans, each third one to the same group."""
    return pd.DataFrame({"region": [f"region {number % groups}" for number in range(n)]})


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


def test_a_challenger_that_is_not_worse_replaces_the_champion_if_that_is_asked():
    """With no primary metric the champion itself passes; by default it is too close to matter."""
    label, old, _, amount = scored()
    verdict = judge(label, old, old, amount, primary=None)
    assert verdict.promote
    assert (verdict.checks.set_index("check")["limit"].drop("evidence") < 0).all()
    worse = judge(label, scored()[2], old, amount, primary=None)
    assert worse.outcome == "keep"
    assert "auc difference" in worse.reason


def test_not_worse_is_not_the_same_as_not_surely_worse():
    """Few rows, wide intervals: with no primary metric too it stays open."""
    label, old, new, amount = scored(400, seed=3, noise=(0.5, 0.45))
    verdict = judge(label, old, new, amount, primary=None)
    assert verdict.outcome == "not enough evidence"


def test_one_worse_by_the_margin_is_rarely_taken_for_not_worse():
    """A challenger whose true AUC is lower by just the margin: at most 2.5 % are promoted."""
    world = TwoScores()
    noise, limit = world.noise_for(-0.03), Margins(auc=0.03)
    rng = np.random.default_rng(9)
    promoted = sum(
        judge(*next(world.draw(2000, [noise], rng)), primary=None, margins=limit).promote
        for _ in range(200)
    )
    assert promoted <= binom.isf(0.001, 200, 0.025)


def test_a_level_that_is_off_keeps_a_better_ranking_out():
    """All probabilities 8 points too high: the ranking is better still, the level is not."""
    label, old, new, amount = scored()
    verdict = judge(label, old, np.minimum(new + 0.08, 1), amount, margins=Margins(brier=1))
    checks = verdict.checks.set_index("check")
    assert bool(checks.loc["auc", "passed"])
    assert not checks.loc["calibration", "passed"]
    assert verdict.outcome == "keep"
    assert "calibration difference" in verdict.reason


RARE = TwoScores(centre=-5.12)
"""A world in which 1.2 % default."""


@pytest.mark.parametrize("times", [0.0, 0.04, 2.2])
@pytest.mark.parametrize("primary", ["auc", "brier", None])
def test_where_defaults_are_rare_a_level_far_off_is_not_promoted(times, primary):
    """A better ranking that promises no default at all, nearly none, or more than twice as many."""
    noise = RARE.noise_for(0.05)
    for seed in range(3):
        label, old, new, amount = next(RARE.draw(20_000, [noise], np.random.default_rng(seed)))
        verdict = judge(label, old, np.minimum(new * times, 1), amount, primary=primary)
        assert not verdict.promote
        row = verdict.checks.set_index("check").loc["calibration"]
        assert not row["passed"]
        assert row["limit"] == pytest.approx(-0.25 * label.mean())


def test_where_defaults_are_rare_a_better_challenger_still_passes():
    """Of 20 with a true gain of 0.05 on 20,000 loans nearly all are promoted, of equals few."""
    noises = [RARE.noise_for(gain) for gain in (0.05, 0.0)]
    draws = [RARE.draw(20_000, noises, np.random.default_rng([1, n])) for n in range(20)]
    better, equal = np.sum([[judge(*said).promote for said in drawn] for drawn in draws], axis=0)
    assert better >= 15
    assert equal <= binom.isf(0.001, 20, 0.025)


@pytest.mark.parametrize(
    ("rate", "brier", "calibration"),
    [
        (0.0, 0.0, 0.0),
        (0.01, 0.06 * 0.01 * 0.99, 0.0025),
        (0.1, 0.005, 0.02),
        (0.2, 0.005, 0.02),
        (0.99, 0.06 * 0.01 * 0.99, 0.0025),
    ],
)
def test_margins_shrink_with_the_rarer_class_only(rate, brier, calibration):
    """From 10 % on they are what they say; below they are shares, and the others never change."""
    found = Margins().at(rate)
    assert (found.brier, found.calibration) == pytest.approx((brier, calibration))
    assert (found.profit, found.auc, found.segment) == (25.0, 0.01, 0.05)
    assert Margins(brier=1e-6, calibration=1e-6).at(rate).brier <= 1e-6
    with pytest.raises(ValueError, match=r"default_rate is 1\.2"):
        Margins().at(1.2)


def test_a_group_that_is_surely_harmed_keeps_the_challenger_out():
    """Better for all, but one group in three is ranked by chance: keep, and the reason names it."""
    label, old, new, amount = scored()
    groups = regions()
    harmed = (groups["region"] == "region 1").to_numpy()
    spoilt = np.where(harmed, np.random.default_rng(1).permutation(new), new)
    assert judge(label, old, new, amount, groups=groups).promote
    verdict = judge(label, old, spoilt, amount, groups=groups, primary=None)
    row = verdict.checks.set_index("check").loc["segments"]
    assert not row["passed"]
    assert row["high"] < row["limit"] == -0.05
    assert verdict.outcome == "keep"
    assert "region region 1" in verdict.reason


@pytest.mark.parametrize(
    ("groups", "said"),
    [
        (regions(2999), "groups 2999"),
        (regions(groups=1), "none of 0 groups"),
        (regions(groups=3000), "none of 3000 groups"),
        (regions()["region"], "AttributeError"),
    ],
)
def test_groups_that_cannot_be_judged_fail_closed(groups, said):
    """Groups of other rows, of nobody or of a loan each: not enough evidence, and why."""
    verdict = judge(*scored(), groups=groups)
    assert verdict.outcome == "not enough evidence"
    assert said in verdict.reason


def test_two_nearly_perfect_rankings_are_not_compared():
    """AUCs of 0.99 from 40 defaults hang on a handful of loans: refused, and why."""
    rng = np.random.default_rng(2)
    label = np.repeat([1.0, 0.0], [40, 400])
    old, new = (1 / (1 + np.exp(-6 * label + 3 - rng.normal(size=440))) for _ in range(2))
    verdict = judge(label, old, new, np.full(440, 1e4))
    assert verdict.outcome == "not enough evidence"
    assert "both rank nearly perfectly: of 40 loans" in verdict.reason


def test_without_any_margin_the_champion_itself_is_too_close():
    """Margins of 0 and the same model: nothing is better, nothing is worse, keep."""
    label, old, _, amount = scored()
    verdict = judge(label, old, old, amount, margins=Margins(0, 0, 0, 0, 0))
    assert verdict.outcome == "keep"
    assert "too close to matter (margin 0)" in verdict.reason


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
        (replaced(3, np.negative), "dollars, below 0"),
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
    """Below `min_rows` the table has all its rows: same limits, no figures, and the reason."""
    verdict = judge(*scored(277), primary=primary, groups=regions(277))
    assert verdict.outcome == "not enough evidence"
    assert "277 rows (needs 300)" in verdict.sentence
    checks, whole = (
        v.checks.set_index("check")
        for v in (verdict, judge(*scored(), primary=primary, groups=regions()))
    )
    assert list(checks.columns) == list(whole.columns)
    assert checks["limit"].to_dict() == whole["limit"].to_dict()
    metrics = checks.loc[["profit", "auc", "brier", "calibration", "segments"]]
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
    nearer = abs(old.mean() - label.mean()) - abs(new.mean() - label.mean())
    assert found["profit"] == pytest.approx(earned)
    assert found["auc"] == pytest.approx(gained)
    assert found["brier"] == pytest.approx(sharper)
    assert found["calibration"] == pytest.approx(nearer)
