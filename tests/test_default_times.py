"""Dates of default follow the distribution that is documented, and the same loan has the same."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from mlops_helpers.default_times import FIRST, default_dates, share_by
from mlops_helpers.simulation import LABEL_DELAY, simulate_applications

LOANS = simulate_applications(4000, seed=3, start="2024-01-01", months=3)
A_DAY = pd.Timedelta(days=1)


def ages(loans, seed):
    """Days from application to default of the loans that default."""
    return ((default_dates(loans, seed=seed) - loans["applied_at"]) / A_DAY).dropna()


def test_defaults_have_a_date_and_repaid_loans_have_none():
    """A date where default is 1, missing elsewhere, on the index of the frame, in UTC."""
    loans = LOANS.sample(500, random_state=1)
    dates = default_dates(loans, seed=1)
    assert dates.index.equals(loans.index)
    assert str(dates.dtype) == "datetime64[us, UTC]"
    assert (dates.notna() == (loans["default"] == 1)).all()


def test_a_date_lies_after_the_application_and_within_the_label_delay():
    """Every loan of 4,000: at least 30 days after applying and at most `LABEL_DELAY`."""
    found = ages(LOANS, 1)
    assert found.min() >= FIRST / A_DAY
    assert found.max() <= LABEL_DELAY / A_DAY


def test_the_same_loan_has_the_same_date_in_any_frame():
    """Order and company do not matter; the seed does, and ids do."""
    dates = default_dates(LOANS, seed=1)
    some = LOANS.sample(300, random_state=2)
    pd.testing.assert_series_equal(default_dates(some, seed=1), dates.loc[some.index])
    assert (ages(LOANS, 1) != ages(LOANS, 2)).mean() > 0.99
    assert ages(LOANS, 1).nunique() > 0.99 * (LOANS["default"] == 1).sum()


def test_a_known_loan_keeps_its_date_on_every_machine():
    """The date is arithmetic on a hash: these are written down."""
    at = pd.to_datetime(["2024-01-01"] * 2, utc=True)
    loans = pd.DataFrame({"application_id": ["S1", "S2"], "applied_at": at, "default": 1})
    found = default_dates(loans, seed=42).dt.strftime("%Y-%m-%d %H:%M:%S").tolist()
    assert found == ["2024-03-14 17:02:07", "2024-04-11 18:03:49"]


def test_dates_follow_the_distribution_of_the_docstring():
    """The ages of 20,000 defaults pass Kolmogorov's test against F, and ids alone decide."""
    n = 20_000
    at = pd.Series(pd.Timestamp("2024-01-01", tz="UTC"), index=range(n))
    ids = [f"S42-202401-{number:05d}" for number in range(n)]
    loans = pd.DataFrame({"application_id": ids, "applied_at": at, "default": 1})
    for seed in range(3):
        assert stats.kstest(ages(loans, seed), share_by).pvalue > 0.01
    apart = np.corrcoef(ages(loans, 0)[:-1], ages(loans, 0)[1:])[0, 1]
    assert abs(apart) < 4 / np.sqrt(n)


def test_the_hazard_peaks_in_the_middle():
    """Of loans alive, a tenth of which default, most a day are lost about day 98."""
    days = np.arange(30, 183)
    lost = 0.1 * np.diff(share_by(days)) / (1 - 0.1 * share_by(days[:-1]))
    assert 90 <= days[lost.argmax()] <= 105
    assert (np.diff(lost[: lost.argmax()]) > 0).all()
    assert (np.diff(lost[lost.argmax() :]) < 0).all()


def test_nobody_defaults_before_the_first_and_everybody_by_the_last_day():
    """F is 0 to day 30, 1 from day 182 on, and never falls, in any shape."""
    grid = share_by(np.linspace(-10, 400, 500).reshape(5, 100))
    assert grid.shape == (5, 100)
    assert (np.diff(grid.ravel()) >= 0).all()
    assert share_by([-1, 30, 182, 1000]).tolist() == [0.0, 0.0, 1.0, 1.0]


def test_an_empty_frame_and_one_without_defaults():
    """No loans: no dates. No defaults: all missing."""
    assert default_dates(LOANS.iloc[:0], seed=1).empty
    assert default_dates(LOANS[LOANS["default"] == 0], seed=1).isna().all()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"default": np.nan}, "default is nan in 4000 rows; must be 0 or 1"),
        ({"default": 2}, "default is 2 in 4000 rows"),
        ({"applied_at": pd.Timestamp("2024-01-01")}, "applied_at is of type datetime64"),
        ({"applied_at": LOANS["applied_at"].where(LOANS["default"] == 0)}, "applied_at is missing"),
    ],
)
def test_impossible_loans_are_refused(change, said):
    """The message names the column and the value."""
    with pytest.raises(ValueError, match=said):
        default_dates(LOANS.assign(**change), seed=1)


def test_a_missing_column_is_named():
    """Without an id no date can be the same again."""
    with pytest.raises(ValueError, match="no column 'application_id'"):
        default_dates(LOANS.drop(columns="application_id"), seed=1)
