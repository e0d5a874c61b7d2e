"""A frame survives the database: instants, missing values and types."""

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa

from mlops_helpers import log_store, sql_frames, tables
from mlops_helpers.log_rows import checked
from mlops_helpers.predictions import PredictionLog
from tests.logged import outcomes_of, two_months


@pytest.fixture
def log(store_url):
    """An open, empty log."""
    with PredictionLog(store_url) as log:
        yield log


@pytest.fixture(scope="module")
def rows():
    """Two hundred predictions of January and February 2024, some features missing."""
    return two_months()


def test_a_naive_time_is_refused_by_name(log, rows):
    """Local or naive timestamps never reach the store; the message names the column."""
    with pytest.raises(ValueError, match="'scored_at' has no time zone"):
        log.append(rows.assign(scored_at=rows["scored_at"].dt.tz_localize(None)))
    with pytest.raises(ValueError, match="'outcome_at' has no time zone"):
        log.record_outcomes(outcomes_of(rows).assign(outcome_at=pd.Timestamp("2024-07-01")))


def test_another_zone_is_the_same_instant(log, rows):
    """Times given in local time with a zone come back in UTC, unmoved."""
    log.append(rows.assign(scored_at=rows["scored_at"].dt.tz_convert("America/New_York")))
    assert log.window()["scored_at"].tolist() == sorted(rows["scored_at"])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda r: r.drop(columns="age"), r"missing columns \['age'\]"),
        (lambda r: r.assign(colour="red"), r"unknown columns \['colour'\]"),
        (lambda r: r.assign(application_id=None), "'application_id' is missing in 200 rows"),
    ],
)
def test_a_frame_of_another_shape_is_refused_by_name(log, rows, change, said):
    """Missing, unknown and empty columns are named."""
    with pytest.raises(ValueError, match=said):
        log.append(change(rows))


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1969-12-31T23:59:59.999999Z", -1),
        ("2024-02-29T23:59:59.000001Z", 1_709_251_199_000_001),
        ("2024-03-01T00:59:59.000001+01:00", 1_709_251_199_000_001),
    ],
)
def test_an_instant_is_whole_microseconds(when, expected):
    """By hand, before 1970 and in another zone too; and back without loss."""
    assert sql_frames.epoch(pd.Timestamp(when)) == expected
    back = sql_frames.utc_series(pd.Series([expected, None], dtype=object))
    assert back.dtype == "datetime64[us, UTC]"
    assert back[0] == pd.Timestamp(when)
    assert back[1] is pd.NaT


def test_rows_are_plain_python(rows):
    """Drivers get Python's own values in the table's order, and None for what is missing."""
    first = checked(rows, tables.predictions).as_dicts()[0]
    assert list(first) == [column.name for column in tables.predictions.columns]
    assert first["scored_at"] == sql_frames.epoch(rows["scored_at"].iloc[0])
    assert np.isnan(rows["age"].iloc[0])
    assert first["age"] is None
    assert first["experiment"] is None
    assert {type(value) for value in first.values()} <= {str, int, float, type(None)}


def test_types_do_not_depend_on_the_rows(store_url, rows):
    """A query without rows has the types of one with rows: empty windows concatenate."""
    engine = log_store.connect(store_url)
    query = sa.select(tables.predictions)
    with engine.begin() as connection:
        nothing = sql_frames.read(connection, query)
        tables.insert_new(connection, tables.predictions, checked(rows, tables.predictions))
        something = sql_frames.read(connection, query)
    engine.dispose()
    assert len(something) == len(rows)
    pd.testing.assert_series_equal(nothing.dtypes, something.dtypes)


def test_an_id_of_digits_is_the_same_id_as_a_text(log, rows):
    """Outcomes with whole numbers as ids find the predictions that were logged with them."""
    numbered = rows.assign(prediction_id=np.arange(200), application_id=np.arange(200))
    assert log.append(numbered) == 200
    assert log.append(numbered.assign(prediction_id=numbered["prediction_id"].astype(str))) == 0
    receipt = log.record_outcomes(outcomes_of(numbered))
    assert (receipt.stored, receipt.unknown) == (200, 0)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"application_id": " "}, "application_id == ' ' in 200 rows; must be a text"),
        ({"latency_ms": -np.inf}, "latency_ms == -inf in 200 rows; must be finite"),
        ({"latency_ms": -1.0}, "latency_ms == -1.0 in 200 rows; must be 0 or more"),
    ],
)
def test_what_cannot_be_is_refused_with_column_value_and_rule(log, rows, change, said):
    """Blank ids and latencies below zero or without end are not stored."""
    with pytest.raises(ValueError, match=said):
        log.append(rows.assign(**change))
    assert log.window().empty


def test_an_outcome_before_its_prediction_is_refused(log, rows):
    """Nothing of the batch is stored when an outcome is dated before it could be known."""
    log.append(rows)
    outcomes = outcomes_of(rows)
    outcomes.loc[outcomes.index[3], "outcome_at"] = rows["scored_at"].min() - pd.Timedelta(days=1)
    with pytest.raises(ValueError, match="outcome_at is before scored_at in 1 rows"):
        log.record_outcomes(outcomes)
    assert log.window()["default"].isna().all()


@pytest.mark.parametrize(
    ("value", "days", "said"), [(np.inf, 1, "value == inf"), (0.1, -1, "before its window_start")]
)
def test_a_metric_that_cannot_be_is_refused(log, value, days, said):
    """An infinite value and a window that ends before it starts are named."""
    start = pd.Timestamp("2024-01-01", tz="UTC")
    row = {"metric": "auc", "value": value, "window_start": start}
    with pytest.raises(ValueError, match=said):
        log.append_metrics(pd.DataFrame([row | {"window_end": start + pd.Timedelta(days=days)}]))
