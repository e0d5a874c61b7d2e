"""Chances of approval and the weights that follow from them, and where no weight can."""

import numpy as np
import pandas as pd
import pytest

from mlops_helpers.approvals import (
    approval_chance,
    approval_weights,
    approved_rows,
    band_weights,
)

SCORE = np.array([0.05, 0.10, 0.18, 0.30, 0.60])


def test_approved_rows_are_those_below_the_cutoff():
    """Half-open as everywhere: the cut-off itself is declined; the index stays."""
    frame = pd.DataFrame({"x": range(5)}, index=list("abcde"))
    assert list(approved_rows(frame, SCORE, cutoff=0.18).index) == ["a", "b"]


def test_a_sharp_cutoff_gives_one_and_the_explored_share():
    """Below the cut-off everybody, from there on the explored share."""
    assert approval_chance(SCORE, cutoff=0.18, explore=0.1).tolist() == [1, 1, 0.1, 0.1, 0.1]


def test_a_soft_cutoff_falls_with_the_risk():
    """One half at the cut-off, falling, never below the explored share."""
    chance = approval_chance(SCORE, cutoff=0.18, explore=0.05, softness=0.3)
    assert chance[2] == pytest.approx(0.5)
    assert (np.diff(chance) < 0).all()
    assert chance.min() == 0.05


def test_weights_make_the_approved_stand_for_everybody():
    """Over many draws the weighted mean of the approved is the mean of all applicants."""
    rng = np.random.default_rng(0)
    score = rng.uniform(0.01, 0.5, 200_000)
    chance = approval_chance(score, cutoff=0.18, explore=0.1)
    seen = rng.random(score.size) < chance
    weight = approval_weights(chance, seen)
    assert weight.sum() == pytest.approx(score.size, rel=0.01)
    assert np.average(score[seen], weights=weight) == pytest.approx(score.mean(), rel=0.01)
    assert score[seen].mean() < 0.6 * score.mean()


def test_a_sharp_cutoff_has_no_weights():
    """Nobody stands for applicants whose chance is 0, and the message says what would help."""
    chance = approval_chance(SCORE, cutoff=0.18, explore=0.0)
    with pytest.raises(ValueError, match=r"3 of 5 applicants had no known chance.*random share"):
        approval_weights(chance, SCORE < 0.18)


def test_bands_speak_for_their_declined():
    """Two of four seen in a band: each counts twice; a band of which nobody was seen is lost."""
    score = np.repeat([0.1, 0.2, 0.3], 4)
    seen = np.array([1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0], dtype=bool)
    weight = band_weights(score, seen, bands=3)
    assert weight.tolist() == [1, 1, 1, 1, 2, 2]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: approval_chance(SCORE, cutoff=0.2, explore=1.5), "explore is 1.5"),
        (lambda: approval_chance(SCORE, cutoff=0.2, softness=-1.0), "softness is -1.0"),
        (lambda: approval_chance(SCORE, cutoff=0.0), "cutoff is 0.0"),
        (lambda: approval_chance([0.1, np.nan], cutoff=0.2), "missing"),
        (lambda: approval_chance([0.1, 1.2], cutoff=0.2), "between 0 and 1"),
        (lambda: approval_weights([0.5, 1.5], [True, True]), "1.5"),
        (lambda: approval_weights([0.5, np.nan], [True, True]), "no known chance"),
        (lambda: approval_weights([0.5], [True, True]), "1 chances for 2"),
        (lambda: approved_rows(pd.DataFrame({"x": [1]}), [0.1, 0.2], cutoff=0.2), "2 prob"),
        (lambda: approved_rows(pd.DataFrame({"x": [1]}), [np.nan], cutoff=0.2), "missing"),
        (lambda: band_weights([0.1, 0.2], [True]), "2 scores for 1"),
    ],
)
def test_impossible_arguments_are_named(call, said):
    """Name, value and rule."""
    with pytest.raises(ValueError, match=said):
        call()
