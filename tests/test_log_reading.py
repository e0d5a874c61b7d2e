"""A window at once and in chunks is the same rows, through an index, whoever writes meanwhile."""

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa

from mlops_helpers import log_store
from mlops_helpers.log_reading import window_query
from mlops_helpers.predictions import PredictionLog
from tests.log_writers import labels, made_up
from tests.logged import FEBRUARY, JANUARY

DAY = pd.Timedelta(days=1)
ROWS = 3_000


@pytest.fixture
def log(store_url):
    """A log of three thousand predictions of three versions, a part of them labelled."""
    with PredictionLog(store_url) as log:
        log.append(made_up(range(ROWS)))
        log.record_outcomes(labels(range(0, ROWS, 3)))
        yield log


@pytest.mark.parametrize("chunk_rows", [1, 499, 500, 501, 2_999, 3_000, 10_000])
def test_chunks_are_the_window_in_pieces(log, chunk_rows):
    """The same rows, order, columns and types; all chunks full but the last, none empty."""
    bounds = (JANUARY, FEBRUARY) if chunk_rows > 1 else (JANUARY, JANUARY + DAY / 24)
    whole = log.window(*bounds)
    chunks = list(log.windows(*bounds, chunk_rows=chunk_rows))
    pd.testing.assert_frame_equal(pd.concat(chunks, ignore_index=True), whole)
    assert [len(chunk) for chunk in chunks[:-1]] == [chunk_rows] * (len(chunks) - 1)
    assert 0 < len(chunks[-1]) <= chunk_rows
    for chunk in chunks:
        pd.testing.assert_series_equal(chunk.dtypes, whole.dtypes)


@pytest.mark.parametrize(
    "filters", [{"model_version": 2}, {"experiment": "first"}, {"model_version": 1, "end": JANUARY}]
)
def test_chunks_have_the_filters_of_a_window(log, filters):
    """By version, experiment and time; nothing found is no chunk."""
    whole = log.window(**filters)
    chunks = list(log.windows(**filters, chunk_rows=100))
    assert sum(map(len, chunks)) == len(whole)
    if chunks:
        pd.testing.assert_frame_equal(pd.concat(chunks, ignore_index=True), whole)
    else:
        assert whole.empty


def test_chunks_show_one_state(log):
    """What is written between two chunks is in none of them, and all of it in the next reading."""
    chunks = log.windows(chunk_rows=1_000)
    first = next(chunks)
    log.append(made_up(range(ROWS, 2 * ROWS)))
    log.record_outcomes(labels(range(ROWS)))
    rest = list(chunks)
    back = pd.concat([first, *rest])
    assert len(back) == ROWS
    assert int(back["default"].notna().sum()) == ROWS // 3
    again = pd.concat(log.windows(chunk_rows=1_000))
    assert len(again) == 2 * ROWS
    assert int(again["default"].notna().sum()) == ROWS


def test_a_reading_that_stops_early_holds_nothing(log):
    """After the first chunk the iterator is closed; the log can be written, and closed."""
    chunks = log.windows(chunk_rows=10)
    assert len(next(chunks)) == 10
    chunks.close()
    assert log.append(made_up([ROWS])) == 1


@pytest.mark.parametrize("bounds", [(pd.Timestamp("2024-01-01"), None), (None, "2024-01-01")])
def test_naive_bounds_and_empty_chunks_are_refused_at_once(log, bounds):
    """By the call itself, not by the first step of the iterator."""
    with pytest.raises(ValueError, match="has no time zone"):
        log.windows(*bounds)
    with pytest.raises(ValueError, match="chunk_rows == 0; must be at least 1"):
        log.windows(chunk_rows=0)


@pytest.mark.parametrize("read", ["window", "windows", "daily_volume", "latency"])
def test_a_window_that_ends_before_it_starts_is_refused(log, read):
    """Two bounds that came in the wrong order are no empty window."""
    with pytest.raises(ValueError, match=r"is after end == .*; a window is"):
        getattr(log, read)(FEBRUARY, JANUARY)


def test_bounds_between_two_microseconds(log):
    """A row is in a window if its time is, to the nanosecond: at neither bound one off."""
    log.append(made_up([ROWS]).assign(scored_at=FEBRUARY + DAY))
    later = FEBRUARY + DAY + pd.Timedelta(1, "ns")
    earlier = FEBRUARY + DAY - pd.Timedelta(1, "ns")
    row = made_up([ROWS])["prediction_id"].iloc[0]
    inside = {
        (earlier, later): True,
        (earlier, FEBRUARY + DAY): False,
        (FEBRUARY + DAY, later): True,
        (later, FEBRUARY + 2 * DAY): False,
    }
    for bounds, expected in inside.items():
        assert (row in set(log.window(*bounds)["prediction_id"])) is expected


def test_bounds_of_any_year_that_may_be_stored(log):
    """From year 1 to 9999: all of the log, and the row that a bound is taken from."""
    ancient = pd.Timestamp("0100-01-01T00:00:00.000001Z")
    log.append(made_up([ROWS]).assign(scored_at=ancient))
    first, last = pd.Timestamp("0001-01-01T00:00Z"), pd.Timestamp("9999-12-31T00:00Z")
    assert len(log.window(first, last)) == ROWS + 1
    assert log.window(ancient, last)["scored_at"].iloc[0] == ancient
    assert log.window(first, ancient).empty
    assert log.daily_volume(end=JANUARY)["day"].iloc[0] == pd.Timestamp("0100-01-01T00:00Z")


@pytest.mark.parametrize("version", [2**70, -(2**31) - 1, 1.5, np.nan, np.inf, "1", pd.NA])
def test_a_version_that_cannot_be_stored_is_not_searched_for(log, version):
    """One sentence on every database; a whole number of any type is found."""
    with pytest.raises(ValueError, match=r"model_version == .*; must be a whole number within"):
        log.window(model_version=version)
    found = log.window(model_version=2)
    for same in (2.0, np.int64(2), np.float32(2)):
        pd.testing.assert_frame_equal(log.window(model_version=same), found)


@pytest.mark.parametrize("name", ["a\0", "a\ud800", 5])
def test_names_that_cannot_be_stored_are_not_searched_for(log, name):
    """Neither an experiment's nor a metric's; the same words on every database."""
    for ask in (lambda: log.window(experiment=name), lambda: log.metrics(name)):
        with pytest.raises(ValueError, match="must be a text that UTF-8 can write, without the ch"):
            ask()


def plan(log: PredictionLog, **filters) -> str:
    """How the database will find the rows of a day, in its own words."""
    both = {"model_version": None, "experiment": None} | filters
    query = window_query(JANUARY, JANUARY + DAY / 8, **both)
    with log_store.reading(log._engine) as connection:
        dialect = connection.dialect
        text = query.compile(dialect=dialect, compile_kwargs={"literal_binds": True})
        explain = "EXPLAIN QUERY PLAN" if dialect.name == "sqlite" else "EXPLAIN"
        return "\n".join(str(row[-1]) for row in connection.execute(sa.text(f"{explain} {text}")))


@pytest.mark.parametrize(
    ("filters", "index"),
    [
        ({}, "predictions_by_time"),
        ({"model_version": 2}, "predictions_by_version"),
        ({"experiment": "first"}, "predictions_by_experiment"),
    ],
)
def test_a_window_is_found_through_an_index(log, filters, index):
    """By time, by version and by experiment: the plan names the index and scans no table."""
    log.append(made_up(range(ROWS, 10 * ROWS)))
    if log._engine.dialect.name == "postgresql":
        with log_store.writing(log._engine) as connection:
            connection.execute(sa.text("ANALYZE"))  # a server does so by itself, later
    said = plan(log, **filters)
    assert index in said
    assert "SCAN predictions" not in said
    assert "Seq Scan on predictions" not in said


def test_rows_far_apart_in_time_come_in_order(log):
    """Ties in time are in order of their id, so that two readings never differ."""
    same = made_up(range(ROWS, ROWS + 50)).assign(scored_at=JANUARY - DAY)
    log.append(same.sample(frac=1.0, random_state=1))
    back = log.window(end=JANUARY)
    assert back["prediction_id"].tolist() == sorted(same["prediction_id"])
    assert np.all(np.diff(log.window()["scored_at"].astype("int64")) >= 0)
