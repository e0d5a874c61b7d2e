"""One way to pass the gate: a clear finding with numbers. Everything else refuses, by name."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from mlops_helpers.gate import Finding, GateVerdict, run_checks, with_extra

FINE = Finding(True, "fine")


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


def test_an_extra_check_is_added_and_replaces_none():
    """Own checks come first; a name that is taken raises and says whose it is."""
    own = {"one": lambda: FINE}
    assert list(with_extra(own, {"two": crash})) == ["one", "two"]
    with pytest.raises(ValueError, match=r"\['one'\], which the gate checks itself"):
        with_extra(own, {"one": lambda: FINE})
