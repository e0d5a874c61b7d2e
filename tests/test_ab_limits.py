"""Each limit of an A/B test in lending: the tempting reading is off, the sound one is not."""

import numpy as np
import pandas as pd
import pytest

from mlops_helpers.ab_limits import (
    LIMITS,
    delay_limit,
    interference_limit,
    measured_limits,
    selection_limit,
)

REPEATS = 150
SOUND = {
    "selection": ["profit per applicant"],
    "interference": ["a budget for each arm", "whole months take turns"],
    "delay": ["complete applications only"],
    "ramp": ["stage by stage", "full stage only"],
    "failure": ["by intention to treat"],
}


@pytest.fixture(scope="module")
def measured():
    """All limits, by limit and reading, with the distance from the truth in standard errors."""
    frame = measured_limits(repeats=REPEATS, seed=7)
    error = frame["spread"] / np.sqrt(REPEATS)
    return frame.assign(off=(frame["value"] - frame["truth"]) / error).set_index(
        ["limit", "reading"]
    )


def test_sound_readings_measure_the_truth(measured):
    """Their mean is the truth within chance, and their intervals miss it in about 5 %."""
    for limit, readings in SOUND.items():
        for reading in readings:
            row = measured.loc[(limit, reading)]
            assert abs(row["off"]) < 3.5, (limit, reading)
            assert row["missed_low"] < 0.06, (limit, reading)


def test_tempting_readings_do_not(measured):
    """Each is surely off, by far more than chance."""
    sound = {(limit, reading) for limit, readings in SOUND.items() for reading in readings}
    tempting = measured[[key not in sound for key in measured.index]]
    assert len(tempting) == 8
    assert (tempting["off"].abs() > 5).all(), tempting["off"]


@pytest.mark.parametrize(
    ("limit", "reading"),
    [
        ("selection", "AUC among approved"),
        ("interference", "one budget for both arms"),
        ("delay", "outcomes known so far"),
        ("ramp", "both stages pooled"),
    ],
)
def test_a_reading_may_have_the_wrong_sign(measured, limit, reading):
    """The better is called worse, or the worse better, surely and on average."""
    row = measured.loc[(limit, reading)]
    wrong = row["low"] if row["truth"] < 0 else -row["high"]
    assert wrong > 0


def test_the_default_rate_falls_while_money_is_lost(measured):
    """A fearful treatment looks safer by points, and costs dollars; it changed nobody's default."""
    rows = measured.loc["selection"]
    rate, dollars = rows.loc["default rate among approved"], rows.loc["profit per applicant"]
    assert rate["high"] < -0.02
    assert rate["missed_low"] > 0.5
    assert dollars["high"] < -50


def test_a_separate_budget_repairs_interference(measured):
    """Two ways to part the arms agree with the full roll-out; one budget turns the sign."""
    rows = measured.loc["interference"]
    assert rows.loc["one budget for both arms", "low"] > 50
    assert (rows.loc[SOUND["interference"], "high"] < 0).all()


def test_early_reading_is_wrong_in_both_directions(measured):
    """What is known so far is too dark, hoping is too bright, and waiting has the widest spread."""
    rows = measured.loc["delay"]
    assert rows.loc["outcomes known so far", "high"] < rows["truth"].iloc[0]
    assert rows.loc["no default yet counts as repaid", "low"] > rows["truth"].iloc[0]
    assert rows["spread"].idxmax() == "complete applications only"


def test_stages_that_both_gain_may_lose_when_pooled(measured):
    """Simpson's paradox: the arms lived at different times."""
    rows = measured.loc["ramp"]
    assert (rows["truth"] > 20).all()
    assert rows.loc["both stages pooled", "high"] < 0


def test_as_treated_multiplies_the_effect(measured):
    """Who sorts rows by who answered gives control the hard cases."""
    rows = measured.loc["failure"]
    truth = rows["truth"].iloc[0]
    assert rows.loc["as treated", "low"] > rows.loc["failures left out", "value"] > 2 * truth > 0


@pytest.mark.parametrize("name", LIMITS)
def test_frames_are_tidy_and_the_same_again(name):
    """Equal arguments give equal frames; another seed gives others; no value is missing."""
    first = LIMITS[name](repeats=30, rows=800, seed=3)
    columns = ["reading", "unit", "value", "low", "high", "truth"]
    assert list(first.columns) == [*columns, "spread", "missed", "missed_low", "missed_high"]
    pd.testing.assert_frame_equal(first, LIMITS[name](repeats=30, rows=800, seed=3))
    assert not first.equals(LIMITS[name](repeats=30, rows=800, seed=4))
    assert first.drop(columns=["missed", "missed_low", "missed_high"]).notna().all(axis=None)
    assert (first["low"] < first["value"]).all()
    assert (first["value"] < first["high"]).all()


@pytest.mark.parametrize(("repeats", "rows"), [(1, 4000), (50, 300)])
def test_too_few_are_refused(repeats, rows):
    """One experiment has no spread; 300 rows fill no arm."""
    for limit in (selection_limit, interference_limit, delay_limit):
        with pytest.raises(ValueError, match="must be 2 or more"):
            limit(repeats=repeats, rows=rows, seed=1)
