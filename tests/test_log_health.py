"""The counts behind the health report are those of the rows, on both databases."""

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa

from mlops_helpers.contracts import FEATURES, LIMITS
from mlops_helpers.predictions import PredictionLog
from tests.logged import FEBRUARY, JANUARY, outcomes_of, two_months

MARCH = pd.Timestamp("2024-03-01", tz="UTC")
LATER = pd.Timestamp("2025-01-01", tz="UTC")


@pytest.fixture
def log(store_url):
    """An open, empty log."""
    with PredictionLog(store_url) as log:
        yield log


def test_counts_are_those_of_the_rows(log):
    """Approved, labelled, defaults, missing and out of contract as pandas counts them."""
    rows = two_months()
    rows.loc[rows.index[::9], "age"] = 7.0
    rows.loc[rows.index[::11], "annual_income"] = 0.0
    rows.loc[rows.index[::5], "home_ownership"] = None
    log.append(rows)
    outcomes = pd.concat([outcomes_of(rows.iloc[:60], 0), outcomes_of(rows.iloc[60:160], 1)])
    log.record_outcomes(outcomes)
    late = rows["scored_at"] >= FEBRUARY
    figures = log.health_figures(FEBRUARY, MARCH, as_of=LATER, usual_days=28)
    known = rows[late & rows["prediction_id"].isin(outcomes["prediction_id"])]
    found = figures.window
    assert found.n == late.sum()
    assert found.approved == (rows.loc[late, "decision"] == "approve").sum()
    assert found.labelled == len(known)
    assert found.predicted == pytest.approx(known["probability"].mean())
    assert found.missing == {c: rows.loc[late, c].isna().sum() for c in FEATURES}
    outside = {c: (rows[c] < low) | (rows[c] > high) for c, (low, high) in LIMITS.items()}
    assert found.out_of_contract == {c: (late & wrong).sum() for c, wrong in outside.items()}
    assert found.out_of_contract["annual_income"] > 0
    before = rows["scored_at"].between(FEBRUARY - pd.Timedelta(days=28), FEBRUARY, inclusive="left")
    assert figures.before.n == before.sum() == figures.days_before.sum()
    assert log.health_figures(FEBRUARY, MARCH, as_of=MARCH, usual_days=28).window.labelled == 0


def test_days_without_predictions_count(log):
    """A day of silence is a day with none, not one that is left out."""
    rows = two_months()
    quiet = rows["scored_at"].between(
        JANUARY + pd.Timedelta(days=9), JANUARY + pd.Timedelta(days=19)
    )
    log.append(rows[~quiet])
    days = log.health_figures(FEBRUARY, MARCH, as_of=MARCH, usual_days=31).days_before
    assert (days.loc["2024-01-10":"2024-01-19"] == 0).all()
    assert days.index[-1] == FEBRUARY - pd.Timedelta(days=1)


def test_the_interval_of_a_quantile_holds_what_it_promises(log):
    """Of samples with a known median, nearly all of the intervals hold it; few rows have none."""
    rng = np.random.default_rng(5)
    rows = two_months()
    held = []
    for _ in range(60):
        with log._engine.begin() as connection:
            connection.execute(sa.text("DELETE FROM predictions"))
        log.append(rows.assign(latency_ms=rng.exponential(10.0, len(rows))))
        found = log.health_figures(JANUARY, MARCH, as_of=MARCH, usual_days=1).latency["p50"]
        assert found.low <= found.value <= found.high
        held.append(found.low <= 10.0 * np.log(2) <= found.high)
    assert np.mean(held) > 0.88
    few = log.health_figures(JANUARY, JANUARY + pd.Timedelta(days=1), as_of=MARCH, usual_days=1)
    assert np.isnan(few.latency["p99"].high)


def test_no_row_of_the_predictions_leaves_the_database(log):
    """However many predictions there are, the queries give back a handful of rows."""
    log.append(two_months())
    fetched = []

    def count(connection, cursor, statement, *_):
        if "FROM predictions" in statement:
            fetched.append(statement)

    sa.event.listen(log._engine, "after_cursor_execute", count)
    log.health_figures(FEBRUARY, MARCH, as_of=MARCH, usual_days=28)
    assert fetched
    for statement in fetched:
        assert "count(" in statement.lower() or "LIMIT" in statement
