"""One way to pass the gate: a clear finding with numbers. Everything else refuses, by name."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from mlops_helpers.gate import (
    Finding,
    GateVerdict,
    beats_baseline,
    gives_probabilities,
    not_worse,
    reproduces,
    run_checks,
    unseen_rows,
)

FINE = Finding(True, "fine")


class Answers:
    """A stand-in for a pipeline that answers with given probabilities of default."""

    def __init__(self, probability):
        """Keep the probabilities."""
        self.probability = np.asarray(probability, dtype=float)

    def predict_proba(self, rows):
        """Give them back, whatever the rows."""
        return np.column_stack([1 - self.probability, self.probability])


def crash() -> Finding:
    """A check that cannot compare."""
    raise ZeroDivisionError("no rows to compare")


@pytest.mark.parametrize(
    ("check", "words"),
    [
        (crash, "could not be checked: ZeroDivisionError: no rows"),
        (lambda: None, "evidence missing: the check returned NoneType"),
        (lambda: True, "evidence missing: the check returned bool"),
        (lambda: Finding(True, "fine", value=math.nan), "value is not a finite number"),
        (lambda: Finding(True, "fine", low=math.inf), "low is not a finite number"),
        (lambda: Finding(True, "fine", high="abc"), "high is not a finite number"),
        (lambda: Finding(True, "fine", limit=pd.NA), "limit is not a finite number"),
        (lambda: Finding(True, "fine", value=np.ones(2)), "value is not a finite number"),
        (lambda: Finding(True, "fine", value=10**400), "could not be checked: OverflowError"),
        (lambda: Finding(True, None), "says nothing in words"),
        (lambda: Finding("no", "said no"), "said no"),
    ],
)
def test_whatever_is_not_a_clear_pass_refuses_and_says_why(check, words):
    """An exception, nothing, a bare True, a NaN and a word instead of True all refuse."""
    verdict = GateVerdict(1, None, run_checks({"first": lambda: FINE, "second": check}))
    assert not verdict.passed
    assert verdict.refused_by == ["second"]
    assert words in verdict.checks["evidence"].iloc[1]


def test_a_verdict_is_not_changed_through_its_table():
    """The table is a copy: writing `True` into it makes no refused version a passed one."""
    verdict = GateVerdict(1, None, run_checks({"one": lambda: FINE, "two": crash}))
    table = verdict.checks
    table["passed"] = True
    assert not verdict.passed
    assert verdict.checks["passed"].tolist() == [True, False]


def test_a_gate_without_checks_lets_nobody_through():
    """No evidence at all is missing evidence."""
    assert not GateVerdict(1, None, run_checks({})).passed
    assert GateVerdict(1, None, run_checks({"one": lambda: FINE})).passed


def test_replay_notices_another_model():
    """Equal probabilities pass; a difference in the sixth digit, or missing rows, do not."""
    rows = pd.DataFrame({"x": [1, 2]})
    assert reproduces(Answers([0.2, 0.4]), rows, [0.2, 0.4]).passed
    assert not reproduces(Answers([0.2, 0.4]), rows, [0.2, 0.400001]).passed
    assert not reproduces(Answers([]), rows.head(0), []).passed


@pytest.mark.parametrize(
    ("probability", "words"),
    [
        ([0.2, np.nan], "missing or outside"),
        ([0.2, 1.2], "missing or outside"),
        ([0.3, 0.3], "one answer for all"),
    ],
)
def test_no_probabilities_no_pass(probability, words):
    """NaN, a number above 1 and one answer for everybody are refused with their own words."""
    found = gives_probabilities(Answers(probability), pd.DataFrame({"x": [1, 2]}))
    assert not found.passed
    assert words in found.evidence


def test_rows_of_the_training_period_are_no_evidence():
    """A model trained until the first judged row, or later, is named; equal times count as seen."""
    day = pd.Timestamp("2023-01-01", tz="UTC")
    rows = pd.DataFrame({"applied_at": [day, day + pd.Timedelta(days=3)]})
    assert unseen_rows(rows, {"old": day - pd.Timedelta(seconds=1)}).passed
    found = unseen_rows(rows, {"old": day - pd.Timedelta(days=1), "new": day})
    assert not found.passed
    assert found.evidence.startswith("new may have been trained")
    assert not unseen_rows(rows.head(0), {}).passed


def test_baseline_and_champion_are_judged_with_intervals():
    """A ranking by chance does not beat the baseline; the same model is never worse than itself."""
    rng = np.random.default_rng(0)
    risk = rng.uniform(0.05, 0.6, 2000)
    y = (rng.uniform(size=2000) < risk).astype(int)
    assert beats_baseline(y, risk).passed
    assert not beats_baseline(y, rng.uniform(size=2000)).passed
    assert not_worse(y, risk, risk, margin=0.02).passed
    assert not not_worse(y, risk, rng.uniform(size=2000), margin=0.02).passed


def test_a_handful_of_defaults_is_not_enough_evidence():
    """Three defaults that happen to rank last are no proof, and the refusal counts them."""
    y, risk = np.r_[np.zeros(197), np.ones(3)], np.linspace(0, 1, 200)
    for check in (
        lambda: beats_baseline(y, risk),
        lambda: not_worse(y, risk, risk, margin=0.02),
    ):
        ((_, found),) = run_checks({"auc": check})
        assert not found.passed
        assert found.evidence.startswith("not enough evidence: 3 defaults and 197 repaid")


def test_few_rows_are_not_enough_to_call_a_model_as_good():
    """With forty loans the interval is wide: a slightly worse point estimate cannot pass."""
    rng = np.random.default_rng(1)
    risk = rng.uniform(0.1, 0.6, 40)
    y = (rng.uniform(size=40) < risk).astype(int)
    assert not not_worse(y, risk, risk + rng.normal(0, 0.1, 40), margin=0.02).passed
