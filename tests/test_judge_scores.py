"""What mlops_helpers.judge_scores promises."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom
from sklearn.metrics import roc_auc_score

from mlops_helpers.judge_scores import RULES, TwoScores, error_rates, refit_rates

WORLD = TwoScores()
REPEATS = 400


@pytest.fixture(scope="module")
def equal():
    """Rates of challengers that are exactly as good, from enough draws."""
    rates = error_rates(rows=(500, 1000), gains=(0.0,), repeats=REPEATS, seed=3)
    return rates.set_index(["rule", "rows"])


@pytest.fixture(scope="module")
def better():
    """Rates of challengers that are better, by a little and by much, on few and on many rows."""
    return error_rates(rows=(500, 4000), gains=(0.01, 0.03), repeats=40, seed=3)


@pytest.mark.parametrize("rows", [500, 1000])
def test_the_judge_promotes_an_equal_challenger_in_five_per_cent_at_most(equal, rows):
    """Within Monte Carlo error; Wilson's lower limit is below 5 % all the more."""
    found = equal.loc[("the judge", rows)]
    assert round(found["promoted"] * REPEATS) <= binom.isf(0.001, REPEATS, 0.05)
    assert found["low"] < 0.05


@pytest.mark.parametrize("rows", [500, 1000])
def test_the_higher_auc_promotes_an_equal_challenger_in_half(equal, rows):
    """One half lies within the naive rule's interval of 99.9 %."""
    promoted = equal.loc[("higher AUC", rows), "promoted"]
    assert abs(promoted - 0.5) <= 3.3 * np.sqrt(0.25 / REPEATS)


def test_power_grows_with_the_gain_and_with_the_rows(better):
    """The judge promotes a gain of 0.03 more often than one of 0.01, and on more rows."""
    rate = better.set_index(["rule", "rows", "gain"])["promoted"]["the judge"]
    assert rate[500, 0.03] < 0.3 < 0.7 < rate[4000, 0.03]
    assert rate[4000, 0.01] < rate[4000, 0.03]
    assert rate[500, 0.01] <= rate[4000, 0.01]


def test_the_table_is_tidy(better):
    """One row per rule, size and gain, limits around the share, and the same every time."""
    assert list(better) == ["rule", "rows", "gain", "promoted", "low", "high", "n"]
    assert len(better) == len(RULES) * 2 * 2
    assert set(better["rule"]) == set(RULES)
    shares = better[["low", "promoted", "high"]].round(9)
    assert (shares.diff(axis=1).iloc[:, 1:] >= 0).all(axis=None)
    assert (better["n"] == 40).all()
    settings = {"rows": (500,), "gains": (0.02,), "repeats": 5}
    once, again, other = (error_rates(**settings, seed=seed) for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(once, again)
    assert len(once) == len(other) == len(RULES)


def test_the_other_checks_cost_power(better):
    """The judge promotes less often than its AUC check alone, and that less than the higher AUC."""
    rate = better.pivot(index=["rows", "gain"], columns="rule", values="promoted")
    assert (rate["the judge"] <= rate["AUC surely higher"]).all()
    assert (rate["AUC surely higher"] <= rate["higher AUC"]).all()
    assert rate["AUC surely higher"].mean() > rate["the judge"].mean()


@pytest.mark.parametrize("gain", [0.0, 0.03])
def test_the_true_gain_is_what_it_is_said_to_be(gain):
    """The AUCs of 400,000 drawn loans are those of the integral, and so is their difference."""
    noise = WORLD.noise_for(gain)
    outcome, old, new, _ = next(WORLD.draw(400_000, [noise], np.random.default_rng(4)))
    areas = [roc_auc_score(outcome, said) for said in (old, new)]
    assert areas[0] == pytest.approx(WORLD.auc(WORLD.noise), abs=0.004)
    assert areas[1] == pytest.approx(WORLD.auc(noise), abs=0.004)
    assert areas[1] - areas[0] == pytest.approx(gain, abs=0.005)
    assert WORLD.auc(noise) - WORLD.auc(WORLD.noise) == pytest.approx(gain, abs=1e-6)


def test_both_scores_say_what_is_right():
    """Of loans told between 20 and 30 %, as many default as they were told."""
    noise = WORLD.noise_for(0.02)
    outcome, *said, _ = next(WORLD.draw(200_000, [noise], np.random.default_rng(5)))
    for probability in said:
        inside = (probability > 0.2) & (probability < 0.3)
        assert outcome[inside].mean() == pytest.approx(probability[inside].mean(), abs=0.01)
        assert outcome.mean() == pytest.approx(probability.mean(), abs=0.004)


def test_gains_that_cannot_be_are_refused():
    """More than the truth itself would reach: named, with the range."""
    with pytest.raises(ValueError, match=r"gain is 0\.2, and the AUC would be 0\.92"):
        WORLD.noise_for(0.2)


@pytest.mark.parametrize(("name", "value"), [("repeats", 0), ("rows", (50,))])
def test_sizes_without_an_answer_are_refused(name, value):
    """No repeats, or too few rows for both classes to appear."""
    with pytest.raises(ValueError, match=name):
        error_rates(**{"rows": (500,), "repeats": 2} | {name: value}, seed=1)


def test_a_refit_is_promoted_in_five_per_cent_at_most():
    """The same recipe on other rows; the naive rule promotes it about every other time."""
    rates = refit_rates(pairs=40, rows=600, train_rows=300, seed=2).set_index("rule")
    judge, naive = rates.loc["the judge"], rates.loc["higher AUC"]
    assert round(judge["promoted"] * 40) <= binom.isf(0.001, 40, 0.05)
    assert judge["wrong"] <= judge["promoted"]
    assert naive["low"] <= 0.5 <= naive["high"]
    assert naive["wrong"] > judge["wrong"]
