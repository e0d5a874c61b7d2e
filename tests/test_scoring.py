"""Scoring is pure, its ids are stable, and what a model cannot mean is refused."""

import numpy as np
import pandas as pd
import pytest

from mlops_helpers.data import FEATURES, simulate_applications
from mlops_helpers.scoring import PREDICTION_COLUMNS, prediction_id, score


class ByDebt:
    """A model whose probability of default is the debt-to-income ratio."""

    def predict_proba(self, X):
        """Two columns, as scikit-learn gives them; only features are looked at."""
        assert list(X.columns) == list(FEATURES)
        p = X["debt_to_income_ratio"].clip(0, 1).to_numpy(float)
        return np.column_stack([1 - p, p])


@pytest.fixture(scope="module")
def applications():
    """Fifty simulated applications."""
    return simulate_applications(50, seed=3, start=pd.Timestamp("2024-01-01", tz="UTC"))


def test_a_prediction_holds_what_the_model_saw_and_said(applications):
    """The columns are those of the log; features are carried along; time defaults to arrival."""
    before = applications.copy()
    rows = score(ByDebt(), applications, model_version=3, cutoff=0.2)
    assert list(rows.columns) == list(PREDICTION_COLUMNS)
    assert rows["probability"].tolist() == applications["debt_to_income_ratio"].tolist()
    assert (rows["scored_at"].to_numpy() == applications["applied_at"].to_numpy()).all()
    assert rows["scored_at"].dtype == "datetime64[us, UTC]"
    assert rows[["experiment", "variant", "latency_ms"]].isna().all(axis=None)
    pd.testing.assert_frame_equal(applications, before)


def test_below_the_cutoff_is_approved_and_at_it_is_not(applications):
    """The cut-off itself declines: approve means probability < cutoff."""
    at = float(applications["debt_to_income_ratio"].iloc[0])
    rows = score(ByDebt(), applications, model_version=1, cutoff=at)
    assert rows["decision"].iloc[0] == "decline"
    assert ((rows["decision"] == "approve") == (rows["probability"] < at)).all()


def test_ids_depend_on_application_version_and_experiment_only(applications):
    """Scoring again gives the same ids; another version, experiment or application another."""
    first = score(ByDebt(), applications, model_version=1, cutoff=0.2, latency_ms=3.0)
    again = score(ByDebt(), applications, model_version=1, cutoff=0.5)
    assert first["prediction_id"].tolist() == again["prediction_id"].tolist()
    ids = {prediction_id(a, v, e) for a in ("a", "b") for v in (1, 12) for e in (None, "", "x")}
    assert len(ids) == 12


class Fixed:
    """A model that answers whatever it was made with."""

    def __init__(self, answer):
        """The array that comes back from every question."""
        self.answer = answer

    def predict_proba(self, X):
        """The same for all applications."""
        return self.answer


@pytest.mark.parametrize("shape", [(1, 2), (52, 2), (50, 1), (50, 3), (50,)])
def test_a_model_that_answers_something_else_is_refused(applications, shape):
    """One pair for each application: neither repeated, nor cut, nor filled with missing values."""
    with pytest.raises(ValueError, match=r"gave an array of shape .* for 50 applications; must be"):
        score(Fixed(np.full(shape, 0.5)), applications, model_version=1, cutoff=0.2)


@pytest.mark.parametrize("n", [1, 49, 51])
def test_times_and_latencies_are_one_for_each(applications, n):
    """No row is made for a time without an application, and no application without a time."""
    times = pd.Series([pd.Timestamp("2024-01-01", tz="UTC")] * n)
    with pytest.raises(ValueError, match=f"scored_at has {n} values for 50 applications"):
        score(ByDebt(), applications, model_version=1, cutoff=0.2, scored_at=times)
    with pytest.raises(ValueError, match=f"latency_ms has {n} values for 50 applications"):
        score(ByDebt(), applications, model_version=1, cutoff=0.2, latency_ms=[1.0] * n)


def test_what_comes_for_each_row_is_in_the_order_of_the_rows(applications):
    """Another index moves nothing: the first time and latency are the first application's."""
    times = pd.Timestamp("2024-01-01", tz="UTC") + pd.to_timedelta(np.arange(50), unit="h")
    turned = range(49, -1, -1)
    rows = score(
        ByDebt(), applications.iloc[::-1], model_version=1, cutoff=0.2,
        scored_at=pd.Series(times, index=turned),
        latency_ms=pd.Series(np.arange(50.0), index=turned),
    )  # fmt: skip
    assert rows["application_id"].tolist() == applications["application_id"].tolist()[::-1]
    assert rows["scored_at"].tolist() == times.tolist()
    assert rows["latency_ms"].tolist() == list(range(50))


@pytest.mark.parametrize("gone", [[7], range(50)])
def test_a_time_that_is_missing_is_refused(applications, gone):
    """One, or all of them; the row is named."""
    times = applications["applied_at"].copy()
    times.iloc[list(gone)] = pd.NaT
    with pytest.raises(ValueError, match=f"scored_at is missing in {len(gone)} rows, first in row"):
        score(ByDebt(), applications.assign(applied_at=times), model_version=1, cutoff=0.2)
    with pytest.raises(ValueError, match="scored_at is missing in 50 rows"):
        score(ByDebt(), applications, model_version=1, cutoff=0.2, scored_at=pd.NaT)


def test_nanoseconds_are_not_cut_in_silence(applications):
    """A time that a log would store as another one is refused; whole microseconds are kept."""
    fine = pd.Timestamp(1_704_067_200_000_000_999, tz="UTC")
    with pytest.raises(ValueError, match=r"finer than a microsecond.*floor\('us'\)"):
        score(ByDebt(), applications, model_version=1, cutoff=0.2, scored_at=fine)
    whole = pd.Timestamp(1_704_067_200_000_001_000, tz="UTC")
    rows = score(ByDebt(), applications, model_version=1, cutoff=0.2, scored_at=whole)
    assert (rows["scored_at"] == whole).all()


def test_a_model_version_is_a_whole_number(applications):
    """1.7 is not version 1."""
    with pytest.raises(ValueError, match=r"model_version == 1\.7; must be a whole number"):
        score(ByDebt(), applications, model_version=1.7, cutoff=0.2)


def test_an_id_is_the_same_on_every_machine():
    """The id is a fixed function, so a log written elsewhere is met by the same ids."""
    assert prediction_id("A-1", 1) == "f90b87a3-df14-5205-a211-d00818a2aa83"


def test_no_applications_give_no_rows_of_the_same_types(applications):
    """An empty hour is an empty frame that can still be appended and compared."""
    rows = score(ByDebt(), applications.head(0), model_version=1, cutoff=0.2)
    full = score(ByDebt(), applications, model_version=1, cutoff=0.2)
    assert rows.empty
    assert rows.dtypes.to_dict() == full.dtypes.to_dict()


def test_one_time_for_all_rows(applications):
    """A batch job scores everything at one instant; another zone means the same instant."""
    when = pd.Timestamp("2024-05-01 02:00", tz="Europe/Berlin")
    rows = score(ByDebt(), applications, model_version=1, cutoff=0.2, scored_at=when)
    assert (rows["scored_at"] == pd.Timestamp("2024-05-01 00:00", tz="UTC")).all()


def test_impossible_requests_are_refused(applications):
    """Each error names the value or column that is wrong."""
    with pytest.raises(ValueError, match="cutoff == 20"):
        score(ByDebt(), applications, model_version=1, cutoff=20)
    with pytest.raises(ValueError, match="annual_income"):
        score(ByDebt(), applications.drop(columns="annual_income"), model_version=1, cutoff=0.2)
    with pytest.raises(ValueError, match="scored_at has no time zone"):
        score(
            ByDebt(),
            applications,
            model_version=1,
            cutoff=0.2,
            scored_at=pd.Timestamp("2024-05-01"),
        )
    broken = applications.assign(debt_to_income_ratio=np.nan)
    with pytest.raises(ValueError, match="nan for application"):
        score(ByDebt(), broken, model_version=1, cutoff=0.2)
