"""No group of applicants is served badly behind a good average, as far as that can be known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special

from mlops_helpers.data import TARGET
from mlops_helpers.gate_policy import GatePolicy
from mlops_helpers.gate_segments import fair_to_groups
from mlops_helpers.segments import segment_table
from tests.benchmarks.coverage_gate import (
    AS_GOOD,
    CASES,
    REAL,
    SIMULATED,
    approved,
    refused_for_a_group,
    refused_for_rare_words,
)

POLICY = GatePolicy()


@pytest.fixture
def rows():
    """A holdout of the simulated world."""
    return SIMULATED.draw(np.random.default_rng(0))


def truth(rows):
    """The true probabilities."""
    return special.expit(rows["truth"].to_numpy())


def test_a_sound_model_passes_with_and_without_a_champion(rows):
    """The evidence names the worst group, how many were judged, and shows its interval."""
    alone = fair_to_groups(rows, truth(rows), None, POLICY)
    assert alone.passed
    assert alone.evidence.startswith("worst of 16: ")
    assert alone.evidence.endswith("]; must not surely be at or below 0.500")
    assert alone.low < alone.value < alone.high
    same = fair_to_groups(rows, truth(rows), truth(rows), POLICY)
    assert (same.passed, same.value, same.limit) == (True, 0.0, -POLICY.segment_margin)


def test_the_intervals_hold_for_all_groups_together(rows):
    """16 rankings and 16 levels: each interval leaves 5 % / 32 outside, not 5 %."""
    found = fair_to_groups(rows, truth(rows), None, POLICY)
    scored = rows.assign(probability=truth(rows))
    worst = segment_table(scored, confidence=1 - 0.05 / 32).nsmallest(1, "auc_high").iloc[0]
    assert (found.low, found.high) == pytest.approx((worst["auc_low"], worst["auc_high"]))


def test_a_group_that_is_ranked_by_chance_is_named(rows):
    """Good for the others, blind for owners: refused, and the evidence says for whom."""
    own = (rows["home_ownership"] == "own").to_numpy()
    noise = np.random.default_rng(1).uniform(0.05, 0.3, len(rows))
    found = fair_to_groups(rows, np.where(own, noise, truth(rows)), truth(rows), POLICY)
    assert not found.passed
    assert found.evidence.startswith("home_ownership own: AUC against the champion's -0.")
    assert "; must not surely be at or below -0.050" in found.evidence
    assert found.high < found.limit == -POLICY.segment_margin


def test_a_group_ranked_backwards_refuses_a_first_model(rows):
    """Without a champion no group may surely be ranked no better than by chance."""
    car = (rows["loan_purpose"] == "car").to_numpy()
    found = fair_to_groups(rows, np.where(car, 0.4 - truth(rows) / 3, truth(rows)), None, POLICY)
    assert not found.passed
    assert "loan_purpose car: AUC 0." in found.evidence
    flat = fair_to_groups(rows, np.where(car, 0.13, truth(rows)), None, POLICY)
    assert "loan_purpose car: AUC 0.500 [0.500, 0.500]" in flat.evidence


@pytest.mark.parametrize("factor", [4.0, 0.25])
def test_a_group_whose_level_is_far_off_is_named(rows, factor):
    """The ranking within a group may be right and its level four times wrong: refused."""
    own = (rows["home_ownership"] == "own").to_numpy()
    scaled = np.where(own, np.clip(factor * truth(rows), 0, 0.99), truth(rows))
    found = fair_to_groups(rows, scaled, None, POLICY)
    assert not found.passed
    assert "home_ownership own: defaults for each one promised" in found.evidence
    assert "outside 0.50 to 2.00" in found.evidence


def test_small_groups_are_counted_and_named_not_passed_over(rows):
    """A dozen weddings cannot be judged: the evidence says so."""
    rows.loc[rows.index[:12], "loan_purpose"] = "wedding"
    found = fair_to_groups(rows, truth(rows), None, POLICY)
    assert found.passed
    assert found.evidence.endswith("Too small for a ranking, 1 of 17: loan_purpose wedding")


def test_a_small_group_may_still_be_far_from_its_promise(rows):
    """Forty loans of a kind, nobody repaid: no ranking is needed to see that."""
    rows.loc[rows.index[:40], ["loan_purpose", TARGET]] = ["wedding", 1.0]
    found = fair_to_groups(rows, truth(rows), None, POLICY)
    assert not found.passed
    assert "loan_purpose wedding: defaults for each one promised" in found.evidence


@pytest.mark.parametrize("rate", [0.05, 0.12])
def test_nobody_is_refused_for_one_person_with_a_rare_word(rate):
    """50 words that one applicant each wrote: the right probabilities pass in all of 15 holdouts.

    Alone and against a champion. With Wilson's interval a third (rate 0.05) and a sixth did not.
    """
    assert refused_for_rare_words(rate, 50, 15) == (0.0, 0.0)


def test_one_default_that_was_as_good_as_ruled_out_is_still_told(rows):
    """A promise of one in a million and a default: improbable even at twice the promise."""
    first, right = rows.index[0], truth(rows)
    rows.loc[first, ["loan_purpose", TARGET]] = ["word", 1.0]
    right[0] = 1e-6
    found = fair_to_groups(rows, right, None, POLICY)
    assert not found.passed
    assert "loan_purpose word: defaults for each one promised" in found.evidence
    assert len(found.evidence) < 200


def test_a_sizeable_group_whose_level_is_off_is_found():
    """300 applicants who are promised a quarter of their defaults: most holdouts show it."""
    assert refused_for_a_group(0.25, 300, 20) > 0.5


def test_many_refusing_groups_are_counted(rows):
    """Three are spelled out, the others counted: the evidence stays readable."""
    found = fair_to_groups(rows, 1 - truth(rows), truth(rows), POLICY)
    assert found.evidence.count("; ") == 4, "two more groups, how many others, the limit"
    assert "; and " in found.evidence


def test_no_group_that_can_be_judged_is_no_evidence(rows):
    """Too few rows, or columns that divide nobody: refused, whatever the figures."""
    few = fair_to_groups(rows.head(60), truth(rows)[:60], None, POLICY)
    assert not few.passed
    assert few.evidence.startswith("not enough evidence: none of ")
    alike = {"home_ownership": "rent", "loan_purpose": "car", "age": 30.0, "annual_income": 5e4}
    same = fair_to_groups(rows.assign(**alike), truth(rows), None, POLICY)
    assert not same.passed
    assert "none of 0 groups" in same.evidence


def test_missing_outcomes_and_columns_are_no_evidence(rows):
    """Both raise, which the gate turns into a refusal under the check's name."""
    with pytest.raises(ValueError, match="an outcome is missing"):
        fair_to_groups(rows.assign(default=np.nan), truth(rows), None, POLICY)
    with pytest.raises(ValueError, match="the rows have no column 'age', must have it"):
        fair_to_groups(rows.drop(columns="age"), truth(rows), None, POLICY)


@pytest.mark.parametrize("world", [SIMULATED, REAL], ids=lambda world: world.name)
def test_many_groups_do_not_refuse_by_chance(world):
    """A model as good as the champion, errors of its own, passes in each of 40 holdouts."""
    (model,) = (model for check, name, model in CASES if (check, name) == ("segments", AS_GOOD))
    assert approved("segments", model, world, 40) == 1.0
