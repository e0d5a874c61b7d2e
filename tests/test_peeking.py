"""What mlops_helpers.peeking promises."""

import numpy as np
import pandas as pd
import pytest
from numpy.typing import ArrayLike
from scipy import stats

from mlops_helpers.business import CostModel
from mlops_helpers.confidence_sequences import path
from mlops_helpers.peeking import RULES, false_alarms

VALUES = np.random.default_rng(3).exponential(size=1000)
DAYS = np.linspace(80, 4000, 50).astype(int)


def profits(n: int) -> np.ndarray:
    """Profits of a lender: many small gains, a few large losses, nothing for the declined."""
    rng = np.random.default_rng(7)
    default = (rng.random(n) < 0.15).astype(float)
    return CostModel().profit(rng.uniform(2e3, 2e4, n), default, rng.random(n) < 0.7)


def fixed_alarms(values: np.ndarray, looks: ArrayLike, *, seed: int, repeats: int) -> pd.DataFrame:
    """The rows of the limits for one look."""
    found = false_alarms(values, looks, seed=seed, repeats=repeats)
    return found[found["rule"] == RULES[0]]


def test_one_look_keeps_its_level():
    """Equal arms looked at once are called different about 5 % of the time."""
    (share,) = fixed_alarms(VALUES, [1000], seed=1, repeats=1000)["alarms"]
    assert stats.binomtest(round(share * 1000), 1000, 0.05).pvalue > 0.001


def test_many_looks_do_not():
    """The same arms looked at twenty times give at least three times the false alarms."""
    once = fixed_alarms(VALUES, [1000], seed=1, repeats=400)["alarms"].iloc[-1]
    ever = fixed_alarms(VALUES, np.linspace(50, 1000, 20), seed=1, repeats=400)["alarms"].iloc[-1]
    assert ever > 3 * once > 0


def test_the_same_seed_gives_the_same_alarms():
    """Chance is an argument."""
    first, again, other = (
        false_alarms(VALUES, [100, 900], seed=seed, repeats=50) for seed in (2, 2, 3)
    )
    assert first.equals(again)
    assert not first.equals(other)


def test_no_spread_is_no_alarm():
    """Equal values never differ."""
    assert (false_alarms(np.ones(50), [20, 50], seed=0, repeats=3)["alarms"] == 0).all()


@pytest.mark.parametrize("share", [0.5, 0.1])
def test_a_sequence_keeps_its_level_over_all_looks(share):
    """Profits with heavy losses, fifty looks: 5 % false alarms in all, with any split.

    The same looks with intervals for one look are false alarms in more than a quarter.
    """
    found = false_alarms(profits(4000), DAYS, seed=1, repeats=400, share=share)
    fixed, sequence = (found[found["rule"] == rule] for rule in RULES)
    alarms = round(sequence["alarms"].iloc[-1] * 400)
    assert stats.binomtest(alarms, 400, 0.05, alternative="greater").pvalue > 0.001
    assert fixed["low"].iloc[-1] > 0.25


def test_alarms_only_grow():
    """An alarm that was raised stays raised; limits hold the share; the columns are as promised."""
    found = false_alarms(profits(1000), [100, 500, 1000], seed=4, repeats=60)
    assert list(found) == ["rule", "look", "n", "alarms", "low", "high", "repeats"]
    assert found["n"].tolist() == [100, 500, 1000] * 2
    assert (found.groupby("rule")["alarms"].diff().dropna() >= 0).all()
    assert ((found["low"] <= found["alarms"]) & (found["alarms"] <= found["high"])).all()


def test_alarms_are_those_of_the_paths():
    """An alarm is a look whose interval of `confidence_sequences.path` leaves 0 out."""
    values, looks, share = profits(2000), [200, 800, 1400, 2000], 0.3
    found = false_alarms(values, looks, seed=6, repeats=40, share=share, alpha=0.4)
    rng = np.random.default_rng(6)
    expected = np.zeros((2, 4))
    for _ in range(40):
        order, coin = rng.permutation(values), rng.random(2000) < share
        seen = path(order, coin, looks, alpha=0.4)
        for place, (low, high) in enumerate((("fixed_low", "fixed_high"), ("low", "high"))):
            out = (seen[low] > 0) | (seen[high] < 0)
            expected[place] += np.maximum.accumulate(out)
    assert found["alarms"].to_numpy() == pytest.approx(expected.ravel() / 40)
    assert expected[1, -1] > 0


def test_a_small_arm_is_why_there_is_a_minimum():
    """One row in ten to treatment, no minimum: the sequence gives more false alarms than with it.

    Few rows without a large loss look certain. With the minimum it is within its level.
    """
    runs = [
        false_alarms(
            profits(1000), np.arange(20, 1001, 20), seed=2, repeats=300, share=0.1, min_per_arm=m
        )
        for m in (2, 100)
    ]
    without, enough = (run[run["rule"] == RULES[1]].iloc[-1] for run in runs)
    assert without["low"] > 0.05
    assert enough["high"] < without["low"]


@pytest.mark.parametrize("wrong", [{"share": 0.0}, {"share": 1.0}, {"repeats": 0}])
def test_impossible_arms_are_named(wrong):
    """A share of 0 or 1 leaves an arm empty; no repeats measure nothing."""
    with pytest.raises(ValueError, match="must lie between 0 and 1"):
        false_alarms(VALUES, [100], seed=0, **wrong)


@pytest.mark.parametrize(
    ("values", "looks", "said"),
    [
        (VALUES, [10], "10"),
        (VALUES, [1001], "1001"),
        (VALUES, [], "looks are"),
        (np.r_[VALUES, np.nan], [100], "missing"),
    ],
)
def test_impossible_looks_are_named(values, looks, said):
    """Looks outside the data and missing values are refused."""
    with pytest.raises(ValueError, match=said):
        false_alarms(values, looks, seed=0)
