"""Exercise 3.6: the solution passes, the stub is a stub, hasty and sleepy rules are told apart."""

import itertools
import re

import numpy as np
import pandas as pd
import pytest

from mlops_helpers.alerts import Rule, evaluate_rules
from mlops_helpers.exercises.e03_calm_rule import (
    SHIFT,
    WEEKS,
    WITHIN,
    chance_of_alert,
    weekly_index,
)
from mlops_helpers.exercises.engine import judge
from tests.exercises.battery import Proof, prove


def given():
    """What the cells of the exercise find in the notebook's kernel."""
    return {"np": np, "pd": pd, "Rule": Rule}


def fields(limit, patience):
    """An answer."""
    return {"limit": limit, "patience": patience}


def rule(limit, patience, direction="above", over="zero"):
    """The same as a rule."""
    return Rule("calm", "psi", limit, direction, "medium", patience=patience, over=over)


def first_alert(breached, patience):
    """The week, counted from 1, in which each year's first alert opens; NaN in a year without."""
    first = np.full(len(breached), np.nan)
    run = np.zeros(len(breached), dtype=np.int64)
    for week in range(breached.shape[1]):
        run = np.where(breached[:, week], run + 1, 0)
        first[(run >= patience) & np.isnan(first)] = week + 1
    return first


PROOFS = (
    Proof(
        "3.6",
        given,
        wrong={
            "the rule of thumb for low": fields(0.1, 1),
            "the rule of thumb for high": fields(0.25, 1),
            "hasty and low": fields(0.05, 1),
            "low": fields(0.04, 3),
            "two weeks, low": fields(0.06, 2),
            "two weeks, nearly": fields(0.085, 2),
            "two weeks, more nearly": fields(0.09, 2),
            "two weeks, high": fields(0.15, 2),
            "three weeks, high": fields(0.1, 3),
            "six weeks, high": fields(0.07, 6),
            "a quarter of a year": fields(0.05, 12),
            "never": fields(5.0, 2),
            "fires when quiet": rule(0.06, 3, direction="below"),
            "level not counted": rule(0.06, 3, over="null"),
            "no patience": fields(0.06, 0),
            "half a week": fields(0.06, 2.5),
            "below zero": fields(-0.06, 3),
            "no number": fields("low", 3),
            "infinite": fields(float("inf"), 3),
            "half filled": fields(0.06, ...),
            "a field too many": fields(0.06, 3) | {"cooldown": 3},
            "a field too few": {"limit": 0.06},
            "a pair": (0.06, 3),
        },
    ),
)
test_solution, test_blank, test_wrong_answers = prove(*PROOFS)


@pytest.mark.parametrize(
    "answer", [fields(0.06, 3), fields(0.05, 4), fields(0.065, 3), rule(0.028, 3, over="null")]
)
def test_more_than_one_rule_is_right(answer):
    """Any pair that is calm and awake, as a dict or as a Rule, also above the level of chance."""
    assert judge("3.6", answer).status == "right"


def test_a_limit_alone_is_not_enough():
    """With a patience of one week no limit at all is right: waiting is what is to be learned."""
    limits = np.linspace(0.02, 0.6, 15)
    assert {judge("3.6", fields(float(limit), 1)).status for limit in limits} == {"wrong"}


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (fields(0.1, 1), "a single odd week is enough"),
        (fields(0.06, 2), "too often in a row"),
        (fields(0.07, 6), "in the course of the year"),
        (fields(0.05, 12), "whatever the limit"),
        (fields(0.25, 1), "neither calm nor awake"),
        (fields(5.0, 2), "a whole year"),
    ],
)
def test_each_mistake_is_named(answer, said):
    """Too hasty, too low, too slow and too deaf are four different words."""
    assert said in judge("3.6", answer).message


def test_years_go_as_the_alerts_of_the_course_do():
    """The fast count of weeks in a row opens an alert in the same week as `evaluate_rules`."""
    weeks = weekly_index(seed=5, years=4, shift=0.03)
    patient = rule(0.075, 2)
    found = first_alert(weeks > patient.limit, patient.patience)
    assert np.isfinite(found).any()
    ends = pd.date_range("2024-01-08", periods=WEEKS, freq="7D", tz="UTC")
    for year, expected in zip(weeks, found, strict=True):
        rows = pd.DataFrame({"metric": "psi", "subject": "income", "window_end": ends})
        rows = rows.assign(value=year, reference=0.0, model_version=1)
        opened = [
            week + 1
            for week, end in enumerate(ends)
            if len(evaluate_rules([patient], rows, when=end))
        ]
        assert (opened[0] if opened else None) == (None if np.isnan(expected) else expected)


@pytest.mark.parametrize("answer", [rule(0.06, 3), rule(0.09, 2), rule(0.04, 2, over="null")])
def test_exact_shares_are_those_of_simulated_years(answer):
    """The chain of weeks agrees with 20,000 drawn years, in quiet and with the shift."""
    level = 9 * (1 / 300 + 1 / 5_000) if answer.over == "null" else 0.0
    for shift, weeks in ((0.0, WEEKS), (SHIFT, WITHIN)):
        years = weekly_index(seed=8, years=20_000, shift=shift)[:, :weeks]
        drawn = np.isfinite(first_alert(years - level > answer.limit, answer.patience)).mean()
        exact = chance_of_alert(answer, weeks=weeks, shift=shift)
        assert drawn == pytest.approx(exact, abs=4 * np.sqrt(exact * (1 - exact) / 20_000))


def test_a_patience_beyond_the_year_never_alerts():
    """Also a silly one, without a list of that length."""
    assert chance_of_alert(rule(0.01, 10**12), weeks=WEEKS) == 0.0


def test_verdict_and_figures_agree_along_the_edge():
    """No rule is right above 5.0 % or below 90.0 %, as shown, and none is wrong within both."""
    verdicts = set()
    for patience, limit in itertools.product((2, 3, 4, 5), np.arange(0.04, 0.1, 0.0025)):
        verdict = judge("3.6", fields(float(limit), patience))
        shown = [float(x) for x in re.findall(r"([0-9.]+)% of the (?:quiet )?years", str(verdict))]
        noticed, false = sorted(shown, reverse=True)
        assert (verdict.status == "right") == (false <= 5.0 and noticed >= 90.0), verdict
        verdicts.add(verdict.status)
    assert verdicts == {"right", "wrong"}


def test_quiet_weeks_have_the_level_that_chance_explains():
    """The simulated index has the mean of the real one: `psi_null`, and the odd weeks."""
    quiet, shifted = (weekly_index(seed=6, years=400, shift=shift) for shift in (0.0, SHIFT))
    null = 9 * (1 / 300 + 1 / 5_000)
    assert quiet.mean() == pytest.approx(null + 0.03 * 0.30, rel=0.05)
    assert shifted.mean() - quiet.mean() == pytest.approx(SHIFT, rel=0.05)
