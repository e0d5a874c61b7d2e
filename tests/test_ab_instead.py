"""Shadow, holdout or test: what each tells, where the truth is known."""

import numpy as np
import pytest

from mlops_helpers.ab_instead import (
    coin_decides,
    fairness_limit,
    shadow_or_test,
    winners_limit,
)


def off(row, repeats):
    """Distance from the truth in standard errors."""
    return (row["value"] - row["truth"]) / (row["spread"] / np.sqrt(repeats))


def test_a_shadow_is_enough_for_a_treatment_that_only_declines_more():
    """It is right, and less than half as spread as a test of the same applications."""
    found = shadow_or_test(repeats=150, seed=7).set_index("reading")
    strict = found.loc[["only declines more: A/B test", "only declines more: shadow"]]
    assert (off(strict, 150).abs() < 3.5).all()
    assert strict["spread"].iloc[1] < 0.5 * strict["spread"].iloc[0]
    assert strict["missed_low"].max() < 0.06


def test_a_shadow_is_blind_for_what_only_the_treatment_approves():
    """Of another model it sees half the truth or less; the test sees it."""
    found = shadow_or_test(repeats=150, seed=7).set_index("reading")
    assert abs(off(found.loc["another model: A/B test"], 150)) < 3.5
    shadow = found.loc["another model: shadow"]
    assert shadow["high"] < 0.6 * shadow["truth"]


def test_profit_alone_does_not_see_a_group():
    """Profit rises surely, the group is approved far less, and nearly all others as before."""
    found = fairness_limit(repeats=150, seed=7).set_index("reading")
    assert (off(found, 150).abs() < 3.5).all()
    assert found.loc["profit per applicant", "low"] > 0
    assert found.loc["approved, under 26", "high"] < -0.2
    assert found.loc["approved, 26 and older", "low"] > -0.05


def test_the_coin_decides_for_some():
    """Where two models disagree, and no applicant is counted as both worth it and not."""
    share = coin_decides(seed=7).set_index("reading")["share"]
    all_, worth, not_worth = share
    assert 0.05 < all_ < 0.3
    assert worth + not_worth == pytest.approx(all_)
    assert min(worth, not_worth) > 0.02


def test_winners_promise_too_much_and_a_holdout_does_not():
    """The sum of the winners' effects is more than twice the truth; the holdout has no bias."""
    found = winners_limit(repeats=600, seed=7).set_index("reading")
    winners, held = found.iloc[0], found.iloc[1]
    assert winners["low"] > 2 * winners["truth"] > 0
    error = 60 / np.sqrt(600)  # of the holdout's mean around the truth
    assert abs(held["value"] - held["truth"]) < 3.5 * error
    assert held["missed_low"] < 0.06


def test_equal_arguments_give_equal_frames():
    """Chance is an argument."""
    for tool in (shadow_or_test, fairness_limit, winners_limit):
        assert tool(repeats=30, seed=1).equals(tool(repeats=30, seed=1))
        assert not tool(repeats=30, seed=1).equals(tool(repeats=30, seed=2))
