"""Expected AUC, and what is left of outcomes once applicants and holdout are accounted for."""

import numpy as np
import pandas as pd
import pytest

from mlops_helpers.cause_outcomes import expected_auc, holdout_signals, outcome_signals
from mlops_helpers.delong import auc_interval
from mlops_helpers.performance import expected_performance

RNG = np.random.default_rng
LABELLED = ("observed / expected", "AUC", "calibration slope")


def drawn(n, seed, *, low=-6.0, high=3.0, intercept=0.0, slope=1.0, true_slope=1.0):
    """Loans with logits between two limits; the model says `intercept + slope * logit`."""
    rng = RNG(seed)
    logit = np.clip(rng.normal(-2, 1.2, 4 * n), -9, 9)
    logit = logit[(logit > low) & (logit < high)][:n]
    assert len(logit) == n
    y = (rng.random(n) < 1 / (1 + np.exp(-true_slope * logit))).astype(int)
    p = 1 / (1 + np.exp(-(intercept + slope * logit)))
    return pd.DataFrame({"default": y, "probability": p})


def test_the_expected_auc_of_four_loans():
    """Sure loans have their AUC, equal ones 0.5, and two loans are counted by hand."""
    assert expected_auc([1, 1, 0, 0]) == 1.0
    assert expected_auc([0.3] * 5) == pytest.approx(0.5)
    right, wrong = 0.8 * (1 - 0.4), 0.4 * (1 - 0.8)
    assert expected_auc([0.8, 0.4]) == pytest.approx(right / (right + wrong))
    assert expected_auc([0.8, 0.4], [1, 2]) == pytest.approx(wrong / (right + wrong))
    assert np.isnan(expected_auc([1.0, 1.0]))


def test_the_expected_auc_is_that_of_drawn_outcomes():
    """It is the mean over drawn labels, as `expected_performance` simulates it, ties and all."""
    p = drawn(1500, 1)["probability"].round(2).clip(0.01, 0.99)
    promised = expected_performance(p, n_sim=400, seed=1).set_index("metric").loc["auc"]
    error = (promised["high"] - promised["low"]) / 4 / 400**0.5
    assert expected_auc(p) == pytest.approx(promised["value"], abs=4 * error)


@pytest.mark.parametrize("model", [{}, {"intercept": 2.0}, {"slope": 1.8}])
@pytest.mark.parametrize("high", [3.0, -1.9])
def test_intervals_hold_their_level_under_selection(model, high):
    """No change: 90 % intervals hold it, calibrated or not, selected or not."""
    inside = []
    for seed in range(150):
        before, now = drawn(700, [seed, 1], **model), drawn(900, [seed, 2], high=high, **model)
        found = outcome_signals(before, now, 0.9)
        same = {"observed / expected": 1.0, "AUC": 0.0, "calibration slope": 1.0}
        inside.append([found[n][2].low <= same[n] <= found[n][2].high for n in LABELLED])
    share, error = np.mean(inside, axis=0), (0.9 * 0.1 / 150) ** 0.5
    assert (share > 0.9 - 3.5 * error).all(), share
    assert (share[:2] < 0.9 + 3.5 * error).all(), share


def test_selection_lowers_the_auc_as_expected():
    """Alike applicants are ranked worse, and the expected AUC falls with them."""
    before, now = drawn(20_000, 5), drawn(20_000, 6, high=-1.9)
    expected, came, change = outcome_signals(before, now, 0.99)["AUC"]
    plain = auc_interval(before["default"], before["probability"]).value
    assert plain - came > 0.08
    assert came == pytest.approx(expected, abs=0.02)
    assert change.low < 0 < change.high


def test_a_flatter_world_moves_auc_and_slope_whatever_the_model():
    """Risk that follows the logit half as steeply is seen, calibrated model or not."""
    for model in ({}, {"intercept": 2.0, "slope": 1.8}):
        found = outcome_signals(
            drawn(6000, 7, **model), drawn(6000, 8, true_slope=0.5, **model), 0.99
        )
        assert found["AUC"][2].high < -0.03
        assert found["calibration slope"][2].high < 0.75


def test_the_holdout_says_whether_the_model_was_ever_right():
    """O/E and slope of the holdout itself, with intervals that hold 1 for a right model only."""
    right, wrong = (
        holdout_signals(drawn(5000, 9), 0.99),
        holdout_signals(drawn(5000, 9, intercept=1.0, slope=1.6), 0.99),
    )
    for name in ("holdout O/E", "holdout slope"):
        assert right[name][2].low < 1 < right[name][2].high
        assert wrong[name][2].high < 1


def test_few_of_a_class_say_nothing():
    """Below twenty of a class, or twenty in effect of weighted rows, there is no answer."""
    many = drawn(2000, 10)
    few = many.assign(default=(np.arange(2000) < 19).astype(int))
    assert outcome_signals(few, many, 0.99) == outcome_signals(many, few, 0.99) == {}
    assert holdout_signals(few, 0.99) == {}
    heavy = np.where(np.arange(2000) < 40, 1.0, 1e-6)
    assert outcome_signals(many, many, 0.99, weight=heavy) == {}
    assert outcome_signals(many.assign(probability=0.2), many, 0.99) == {}


def test_scores_of_exactly_0_and_1_have_an_answer():
    """Such a score counts as half a row of the holdout, so O/E and AUC stay known."""
    frame = drawn(4000, 11)
    frame["probability"] = frame["probability"].mask(frame.index % 100 == 0, frame["default"])
    found = outcome_signals(frame, frame, 0.99)
    assert found["observed / expected"][2].known
    assert found["AUC"][2].known
