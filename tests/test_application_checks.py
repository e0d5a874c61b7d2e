"""What could not be analysed later is refused before anybody is answered."""

from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from mlops_helpers.application_checks import checked_applications, times_of
from tests.serving import JANUARY, arrivals

ROWS = arrivals(5)


def test_times_and_latencies_come_one_for_each():
    """By default the arrival; one given time or number is everybody's."""
    times, latency = checked_applications(ROWS, None, None)
    assert times.tolist() == ROWS["applied_at"].tolist()
    assert np.isnan(latency).all()
    assert latency.shape == (5,)
    times, latency = checked_applications(ROWS, JANUARY.to_pydatetime(), 7)
    assert times.tolist() == [JANUARY] * 5
    assert latency.tolist() == [7.0] * 5
    _, latency = checked_applications(ROWS, None, [1, None, 3, 4, 5])
    assert latency[0] == 1
    assert np.isnan(latency[1])
    assert times_of(ROWS.head(0), None).tolist() == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"loan_amount": [1.0, None, 3, 4, 5]}, "loan_amount == nan in 1 .* first .*00002"),
        ({"loan_amount": np.inf}, "loan_amount == inf in 5"),
        ({"loan_amount": 1e200}, r"loan_amount == 1e\+200"),
        ({"loan_amount": 1e-200}, "loan_amount == 1e-200"),
        ({"loan_amount": -5.0}, "loan_amount == -5.0"),
        ({"loan_amount": "much"}, "loan_amount == much"),
    ],
)
def test_an_amount_that_no_sum_could_hold_is_refused(change, said):
    """Missing, not finite, or so large or small that its square is no number."""
    with pytest.raises(ValueError, match=said + r".* must be a number from 0.01 to 1e\+12"):
        checked_applications(ROWS.assign(**change), None, None)


@pytest.mark.parametrize("amount", [0.01, 1e12, Decimal(5), "5000"])
def test_an_amount_that_the_log_can_keep_is_taken(amount):
    """To the limits, and in each kind that the log reads as a number."""
    checked_applications(ROWS.assign(loan_amount=amount), None, None)


@pytest.mark.parametrize(
    ("rows", "kind"), [(None, "NoneType"), ([], "list"), ({}, "dict"), (ROWS.iloc[0], "Series")]
)
def test_what_is_no_frame_is_refused(rows, kind):
    """In words that name what came."""
    with pytest.raises(TypeError, match=f"came as {kind}, must be a DataFrame"):
        checked_applications(rows, None, None)


def test_columns_that_lack_or_come_twice_are_named():
    """All that are needed, the features too: else a treatment would be blamed for it."""
    with pytest.raises(ValueError, match=r"lack the columns \['application_id', 'loan_amount'\]"):
        checked_applications(ROWS.drop(columns=["application_id", "loan_amount"]), None, None)
    with pytest.raises(ValueError, match=r"have the columns \['application_id'\] more than once"):
        checked_applications(pd.concat([ROWS, ROWS[["application_id"]]], axis=1), None, None)
    with pytest.raises(ValueError, match="lack the column 'applied_at'; give scored_at"):
        times_of(ROWS.drop(columns="applied_at"), None)


@pytest.mark.parametrize(
    ("when", "error", "said"),
    [
        ([JANUARY] * 5, TypeError, "scored_at came as list"),
        (pd.DatetimeIndex([JANUARY] * 5), TypeError, "scored_at came as DatetimeIndex"),
        (5, TypeError, "scored_at came as int"),
        ("2024-01-01", TypeError, "scored_at came as str"),
        (pd.NaT, ValueError, "scored_at is missing"),
        (pd.Timestamp("2024-01-01"), ValueError, "no time zone"),
        (pd.Series([JANUARY] * 4), ValueError, "4 values for 5 applications"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_what_is_no_time_is_refused(when, error, said):
    """Nor is a list of them: whose row is whose would be a guess."""
    with pytest.raises(error, match=said):
        checked_applications(ROWS, when, None)


@pytest.mark.parametrize(
    ("latency", "said"), [([1, 2], r"shape \(2,\) for 5"), ("x", "latency_ms is 'x'")]
)
def test_what_are_no_latencies_is_refused(latency, said):
    """Numbers, one for each."""
    with pytest.raises(ValueError, match=said):
        checked_applications(ROWS, None, latency)
