"""The log stores once, forgets nothing in silence, and gives back what it was given."""

import os
import sqlite3
import threading

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa

from mlops_helpers import tables
from mlops_helpers.data import simulate_applications
from mlops_helpers.predictions import METRIC_COLUMNS, OutcomeReceipt, PredictionLog
from mlops_helpers.scoring import score
from tests.servers import postgres_binaries, postgres_server
from tests.test_scoring import ByDebt

JANUARY = pd.Timestamp("2024-01-01", tz="UTC")
FEBRUARY = pd.Timestamp("2024-02-01", tz="UTC")


@pytest.fixture(scope="module")
def postgres_url():
    """A PostgreSQL: the one in MLOPS_TEST_POSTGRES (tables dropped), or a throw-away one."""
    given = os.environ.get("MLOPS_TEST_POSTGRES")
    if given:
        yield given
    elif postgres_binaries() is None:
        pytest.skip("no PostgreSQL: set MLOPS_TEST_POSTGRES or install the server's binaries")
    else:
        with postgres_server() as url:
            yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path):
    """An empty store on each supported database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'log.db'}"
    url = request.getfixturevalue("postgres_url")
    engine = sa.create_engine(url)
    tables._tables.drop_all(engine)
    engine.dispose()
    return url


@pytest.fixture
def log(url):
    """An open, empty log."""
    with PredictionLog(url) as log:
        yield log


@pytest.fixture(scope="module")
def rows():
    """Two hundred predictions of January and February 2024, some features missing."""
    frame = simulate_applications(200, seed=3, start=JANUARY, months=2)
    frame.loc[frame.index[::7], "age"] = np.nan
    latency = np.arange(1.0, 201.0)
    return score(ByDebt(), frame, model_version=1, cutoff=0.2, latency_ms=latency)


def outcomes_of(rows, default=0):
    """All outcomes of these predictions, half a year later."""
    return pd.DataFrame(
        {
            "prediction_id": rows["prediction_id"],
            "default": default,
            "outcome_at": rows["scored_at"] + pd.Timedelta(days=182),
        }
    )


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


def test_a_naive_time_is_refused_by_name(log, rows):
    """Local or naive timestamps never reach the store; the message names the column."""
    with pytest.raises(ValueError, match="'scored_at' has no time zone"):
        log.append(rows.assign(scored_at=rows["scored_at"].dt.tz_localize(None)))
    with pytest.raises(ValueError, match="'outcome_at' has no time zone"):
        log.record_outcomes(outcomes_of(rows).assign(outcome_at=pd.Timestamp("2024-07-01")))
    with pytest.raises(ValueError, match="start == 2024-01-01 00:00:00 has no time zone"):
        log.window(pd.Timestamp("2024-01-01"))


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
        (lambda r: r.assign(decision="maybe"), "decision == 'maybe'"),
    ],
)
def test_a_frame_of_another_shape_is_refused_by_name(log, rows, change, said):
    """Missing, unknown and empty columns and unknown decisions are named."""
    with pytest.raises(ValueError, match=said):
        log.append(change(rows))


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


def test_volume_a_day(log, rows):
    """Volume, approvals and mean score of each UTC day equal those of the rows."""
    log.append(rows)
    table = log.daily_volume()
    day = rows["scored_at"].dt.floor("D")
    assert table["n"].tolist() == rows.groupby(day).size().tolist()
    approved = (rows["decision"] == "approve").groupby(day).mean()
    assert table["approval_rate"].tolist() == pytest.approx(approved.tolist())
    assert table["mean_probability"].tolist() == pytest.approx(
        rows.groupby(day)["probability"].mean().tolist()
    )
    assert table["day"].dtype == "datetime64[us, UTC]"
    assert log.daily_volume(FEBRUARY)["day"].min() >= FEBRUARY


def test_histogram_counts_every_score_once(log, rows):
    """Bins are [low, high), the last includes 1, empty bins are there, and all rows counted."""
    edge = rows.copy()
    edge["probability"] = [0.0, 0.25, 0.5, 1.0] * 50
    log.append(edge)
    table = log.score_histogram(4)
    assert table["n"].tolist() == [50, 50, 50, 50]
    assert table["bin_low"].tolist() == [0, 0.25, 0.5, 0.75]
    assert log.score_histogram([0, 0.1, 0.2, 1])["n"].tolist() == [50, 0, 150]
    assert log.score_histogram(1)["n"].tolist() == [200]
    with pytest.raises(ValueError, match="bins == 0"):
        log.score_histogram(0)


def test_latency_quantiles_are_exact(log, rows):
    """p50, p95 and p99 are order statistics of what was measured."""
    log.append(rows)
    table = log.latency()
    assert table[["n", "p50", "p95", "p99"]].iloc[0].tolist() == [200, 100, 190, 198]


def test_an_empty_store_answers_with_empty_tables(log):
    """Before the first prediction every question has an empty answer of the right types."""
    assert log.window().empty
    assert log.window()["scored_at"].dtype == "datetime64[us, UTC]"
    assert log.daily_volume()["day"].dtype == "datetime64[us, UTC]"
    for table in (log.score_histogram(), log.latency(), log.metrics(), log.alerts()):
        assert table.empty
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


def test_experiments_keep_their_last_record(log):
    """A record is kept under its name, JSON and times; without a name it is refused."""
    log.save_experiment({"name": "first", "n": np.int64(3), "began": JANUARY})
    log.save_experiment({"name": "first", "n": 4, "arms": [{"arm": "control"}]})
    assert log.experiments() == [{"name": "first", "n": 4, "arms": [{"arm": "control"}]}]
    with pytest.raises(ValueError, match="'name'"):
        log.save_experiment({"n": 1})
    with pytest.raises(TypeError, match="cannot be kept as JSON"):
        log.save_experiment({"name": "odd", "what": object()})


def test_writers_at_once_lose_and_repeat_nothing(url, rows):
    """Four writers send overlapping batches; exactly the distinct rows are there."""
    PredictionLog(url).close()
    counts = []

    def write(part):
        with PredictionLog(url) as log:
            counts.append(sum(log.append(chunk) for chunk in (part.head(60), part.tail(60), part)))

    parts = [rows.iloc[start : start + 80] for start in (0, 40, 80, 120)]
    writers = [threading.Thread(target=write, args=(part,)) for part in parts]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    with PredictionLog(url) as log:
        assert len(log.window()) == len(rows)
    assert sum(counts) == len(rows)


def test_sqlite_is_in_wal_mode_with_foreign_keys_and_can_be_copied(tmp_path, rows):
    """Readers do not wait for a writer, orphans are impossible, and a backup holds every row."""
    path = tmp_path / "log.db"
    with PredictionLog(f"sqlite:///{path}") as log:
        log.append(rows)
        with log._engine.connect() as connection:
            assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
            assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
    source, copy = sqlite3.connect(path), sqlite3.connect(tmp_path / "copy.db")
    source.backup(copy)
    source.close()
    copy.close()
    with PredictionLog(f"sqlite:///{tmp_path / 'copy.db'}") as log:
        assert len(log.window()) == len(rows)


def test_a_newer_store_and_another_database_are_refused(tmp_path):
    """The course does not write into a store that it does not understand."""
    url = f"sqlite:///{tmp_path / 'log.db'}"
    PredictionLog(url).close()
    connection = sqlite3.connect(tmp_path / "log.db")
    connection.execute("insert into store values (99)")
    connection.commit()
    connection.close()
    with pytest.raises(ValueError, match="schema version 99"):
        PredictionLog(url)
    with pytest.raises(ValueError, match="'mysql' is not supported"):
        PredictionLog("mysql://host/db")
