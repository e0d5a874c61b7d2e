"""What mlops_helpers.judge_checks promises."""

import numpy as np
import pandas as pd
import pytest

from mlops_helpers.business import Interval
from mlops_helpers.judge_checks import arrays, compared, enough, no_harm, not_compared

GAIN = Interval(0.02, 0.01, 0.03, 500)


def columns(n=100, **others):
    """Sound columns of n loans, half of them defaults, and those given in place of them."""
    sound = {"outcomes": np.arange(n) % 2, "champion": np.full(n, 0.4)}
    sound |= {"challenger": np.full(n, 0.5), "amounts": np.full(n, 1000)}
    return sound | others


def judged(given, groups=None):
    """The check of rows and defaults, a hundred and thirty of them being enough."""
    return enough(given, groups, min_rows=100, min_defaults=30)


@pytest.mark.parametrize(("limit", "passed"), [(0.0, True), (0.01, False), (0.02, False)])
def test_a_metric_must_lie_above_its_limit_as_a_whole(limit, passed):
    """At the lower limit is not above it; the figures and the limit are in the reason."""
    row = compared("auc", lambda: GAIN, limit)
    assert row["passed"] is passed
    assert (row["value"], row["low"], row["high"], row["limit"]) == (0.02, 0.01, 0.03, limit)
    assert row["reason"] == f"auc difference 0.02 [0.01, 0.03], must lie above {limit:.3g}"


@pytest.mark.parametrize(("limit", "passed"), [(0.02, True), (0.03, True), (0.031, False)])
def test_harm_must_not_be_sure(limit, passed):
    """Only an interval that lies below the limit as a whole is harm."""
    row = no_harm("segments", lambda: (GAIN, "renters: {figures}. Too small: {none}"), limit)
    assert row["passed"] is passed
    said = f"renters: 0.02 [0.01, 0.03], must not surely lie below {limit:.3g}. Too small: {{none}}"
    assert row["reason"] == said


def test_unknown_limits_never_pass():
    """An interval without limits passes neither kind of check."""
    unknown = Interval(0.02, np.nan, np.nan, 500)
    assert compared("auc", lambda: unknown, -1.0)["passed"] is False
    assert no_harm("segments", lambda: (unknown, ""), -1.0)["passed"] is False


@pytest.mark.parametrize("check", [compared, no_harm])
def test_what_raises_is_refused_by_name(check):
    """Any exception is the reason of a refusal, and there are no figures."""

    def broken():
        raise KeyError("region")

    row = check("segments", broken, 0.0)
    assert row["passed"] is False
    assert row["reason"] == "segments could not be compared (KeyError: 'region')"
    assert np.isnan([row["value"], row["low"], row["high"]]).all()


def test_all_rows_have_the_same_columns():
    """Whatever happened, a row is check, value, low, high, limit, passed, reason."""
    rows = [compared("auc", lambda: GAIN, 0), not_compared("auc", 0), judged(columns())]
    assert {tuple(row) for row in rows} == {
        ("check", "value", "low", "high", "limit", "passed", "reason")
    }


@pytest.mark.parametrize(
    ("given", "groups", "said"),
    [
        (columns(), None, "100 rows, 50 defaults"),
        (columns(99), None, "99 rows (needs 100), 49 defaults and 50 repaid (needs 30 of each)"),
        (columns(outcomes=np.arange(100) % 4 == 0), None, "100 rows (needs 100), 25 defaults"),
        (columns(), pd.DataFrame({"a": [1]}), "lengths differ: outcomes 100"),
        (columns(champion=[np.inf] * 100), None, "values missing: outcomes 0, champion 100"),
        (columns(champion=[pd.NA] * 100), None, "values missing: outcomes 0, champion 100"),
        (columns(champion=["x"] * 100), None, "the columns cannot be read (ValueError"),
        (columns(champion=[-0.1] * 100), None, "a probability of the champion lies outside"),
        (columns(amounts=[-5] * 100), None, "an amount is -5 dollars, below 0"),
        (columns(outcomes=[2] * 100), None, "an outcome is neither 0 nor 1"),
    ],
)
def test_what_is_wrong_with_the_rows_is_said(given, groups, said):
    """Sound and enough passes; each fault is named, and only the sound pass."""
    row = judged(given, groups)
    assert row["reason"].startswith(said)
    assert row["passed"] is (said == "100 rows, 50 defaults")


def test_columns_of_any_kind_become_floats():
    """Booleans, nullable integers and one-column frames are read; missing is NaN."""
    found = arrays([True, False], pd.Series([1, None], dtype="Int64"), np.array([[1], [2]]))
    assert [list(np.nan_to_num(column, nan=-1)) for column in found] == [[1, 0], [1, -1], [1, 2]]
