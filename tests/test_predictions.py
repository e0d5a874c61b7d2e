"""The log stores once, forgets nothing in silence, and gives back what it was given."""

import threading

import pandas as pd
import pytest

from mlops_helpers.predictions import METRIC_COLUMNS, OutcomeReceipt, PredictionLog
from tests.logged import FEBRUARY, JANUARY, outcomes_of, two_months


@pytest.fixture
def log(store_url):
    """An open, empty log."""
    with PredictionLog(store_url) as log:
        yield log


@pytest.fixture(scope="module")
def rows():
    """Two hundred predictions of January and February 2024, some features missing."""
    return two_months()


def test_what_goes_in_comes_out(log, rows):
    """Values, missing values, types and instants survive the store to the microsecond."""
    assert log.append(rows) == len(rows)
    back = log.window()
    assert back["default"].isna().all()
    assert back["outcome_at"].isna().all()
    expected = rows.sort_values(["scored_at", "prediction_id"], ignore_index=True)
    pd.testing.assert_frame_equal(
        back[list(rows.columns)], expected.astype({c: back[c].dtype for c in rows.columns})
    )
    assert back["scored_at"].dtype == "datetime64[us, UTC]"


def test_sending_twice_stores_once(log, rows):
    """A retry, a partial overlap and a repeat within one batch each store distinct rows only."""
    assert log.append(rows.head(100)) == 100
    assert log.append(rows) == len(rows) - 100
    assert log.append(pd.concat([rows, rows])) == 0
    assert len(log.window()) == len(rows)


def test_the_first_prediction_stays(log, rows):
    """A log is not edited: the same id with another probability does not overwrite."""
    log.append(rows)
    log.append(rows.assign(probability=0.5))
    back = log.window()
    assert back["probability"].tolist() != [0.5] * len(rows)


def test_all_or_nothing(log, rows):
    """A batch with one impossible row stores none of its rows."""
    bad = rows.copy()
    bad.loc[bad.index[-1], "probability"] = 1.5
    with pytest.raises(ValueError, match=r"probability == 1\.5 in 1 rows"):
        log.append(bad)
    assert log.window().empty


def test_windows_are_half_open(log, rows):
    """Midnight belongs to the month it begins; adjoining windows share no row and lose none."""
    edge = rows.copy()
    edge.loc[edge.index[0], "scored_at"] = FEBRUARY
    log.append(edge)
    january = log.window(JANUARY, FEBRUARY)
    later = log.window(FEBRUARY)
    assert len(january) + len(later) == len(rows)
    assert (january["scored_at"] < FEBRUARY).all()
    assert edge["prediction_id"].iloc[0] in set(later["prediction_id"])


def test_filters_by_version_and_experiment(log, rows):
    """A window can be one model's or one experiment's."""
    log.append(rows)
    frame = rows.head(5).assign(prediction_id=list("abcde"), model_version=2, experiment="first")
    log.append(frame)
    assert len(log.window(model_version=2)) == 5
    assert len(log.window(experiment="first")) == 5
    assert log.window(model_version=1)["experiment"].isna().all()
    assert log.window(model_version=9).empty


def test_outcomes_are_all_accounted_for(log, rows):
    """New, repeated, unknown and contradicting outcomes are counted, and the first label stays."""
    log.append(rows)
    first = outcomes_of(rows.head(10))
    assert log.record_outcomes(first) == OutcomeReceipt(10, 0, 0, 0)
    stranger = first.head(1).assign(prediction_id="nobody")
    changed = first.head(2).assign(default=1)
    moved = first.tail(1).assign(outcome_at=first["outcome_at"].max() + pd.Timedelta(days=1))
    news = outcomes_of(rows.iloc[10:13], default=1)
    batch = pd.concat([first.iloc[2:6], stranger, changed, moved, news, news.head(1)])
    receipt = log.record_outcomes(batch)
    assert receipt == OutcomeReceipt(stored=3, repeated=5, unknown=1, contradicting=3)
    back = log.window().set_index("prediction_id").loc[rows["prediction_id"]]
    assert back["default"].head(13).tolist() == [0.0] * 10 + [1.0] * 3
    assert back["default"].iloc[13:].isna().all()
    assert back["outcome_at"].iloc[0] == first["outcome_at"].iloc[0]


def test_more_outcomes_than_one_statement_can_name(tmp_path, rows):
    """Ids are looked up in blocks, so a year of outcomes is one call."""
    many = pd.concat([rows] * 110, ignore_index=True)
    many["prediction_id"] = [f"p{i}" for i in range(len(many))]
    with PredictionLog(f"sqlite:///{tmp_path / 'log.db'}") as log:
        log.append(many)
        assert log.record_outcomes(outcomes_of(many)) == OutcomeReceipt(len(many), 0, 0, 0)


def test_a_label_that_is_no_label_is_refused(log, rows):
    """2 is not an outcome; nothing of the batch is stored."""
    log.append(rows)
    with pytest.raises(ValueError, match="default == 2"):
        log.record_outcomes(outcomes_of(rows, default=2))
    assert log.window()["default"].isna().all()


def test_a_decision_that_is_no_decision_is_refused(log, rows):
    """A prediction approves or declines; the message says what came instead."""
    with pytest.raises(ValueError, match="decision == 'maybe'"):
        log.append(rows.assign(decision="maybe"))


def test_an_empty_store_answers_with_empty_tables(log):
    """Before the first prediction every question has an empty answer of the right types."""
    assert log.window().empty
    assert log.window()["scored_at"].dtype == "datetime64[us, UTC]"
    assert log.metrics().empty
    assert log.alerts().empty
    assert log.experiments() == []
    assert log.record_outcomes(log.window()) == OutcomeReceipt(0, 0, 0, 0)


def test_metrics_are_replaced_not_repeated(log):
    """Measuring a window again, for instance with more labels, replaces the value."""
    row = {"metric": "psi", "subject": "age", "model_version": 2, "value": 0.3}
    frame = pd.DataFrame([row | {"window_start": JANUARY, "window_end": FEBRUARY}])
    assert log.append_metrics(frame) == 1
    log.append_metrics(frame.assign(value=0.1, severity="low"))
    log.append_metrics(frame.drop(columns=["subject", "model_version"]))
    back = log.metrics("psi")
    assert tuple(back.columns) == METRIC_COLUMNS
    assert back["value"].tolist() == [0.3, 0.1]
    assert back["severity"].tolist() == ["none", "low"]
    assert back["model_version"].isna().tolist() == [True, False]
    assert back["window_end"].iloc[0] == FEBRUARY
    assert log.metrics("auc").empty


def test_writers_at_once_lose_and_repeat_nothing(store_url, rows):
    """Four writers send overlapping batches; exactly the distinct rows are there."""
    PredictionLog(store_url).close()
    counts = []

    def write(part):
        with PredictionLog(store_url) as log:
            counts.append(sum(log.append(chunk) for chunk in (part.head(60), part.tail(60), part)))

    parts = [rows.iloc[start : start + 80] for start in (0, 40, 80, 120)]
    writers = [threading.Thread(target=write, args=(part,)) for part in parts]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    with PredictionLog(store_url) as log:
        assert len(log.window()) == len(rows)
    assert sum(counts) == len(rows)
