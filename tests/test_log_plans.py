"""The plan of an experiment is written once; its results join it."""

import datetime
import threading
import time

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa

from mlops_helpers import log_store, tables
from mlops_helpers.predictions import PredictionLog
from tests.logged import FEBRUARY, JANUARY
from tests.servers import empty_schema


@pytest.fixture
def log(store_url):
    """An open, empty log."""
    with PredictionLog(store_url) as log:
        yield log


def test_experiments_are_kept_under_their_name(log):
    """A record is kept under its name, JSON and times; without a name it is refused."""
    log.save_experiment({"name": "second", "arms": [{"arm": "control"}]})
    log.save_experiment({"name": "first", "n": np.int64(3), "began": JANUARY})
    assert log.experiments() == [
        {"name": "first", "n": 3, "began": JANUARY.isoformat()},
        {"name": "second", "arms": [{"arm": "control"}]},
    ]
    with pytest.raises(ValueError, match="'name'"):
        log.save_experiment({"n": 1})
    with pytest.raises(TypeError, match="cannot be kept as JSON"):
        log.save_experiment({"name": "odd", "what": object()})


def test_the_plan_of_an_experiment_cannot_be_changed(log):
    """Another value or one more field is refused by name, and what is stored stays as it was."""
    plan = {"name": "first", "split": (0.5, 0.5), "smallest": 100.0, "began": JANUARY}
    log.save_experiment(plan)
    before = log.experiments()
    with pytest.raises(ValueError, match=r"smallest is 100\.0, not 20\.0.*name of its own"):
        log.save_experiment({**plan, "smallest": 20.0, "verdict": "deploy"})
    with pytest.raises(ValueError, match=r"began is .*; metric == 'defaults' was not planned"):
        log.save_experiment({"name": "first", "began": FEBRUARY, "metric": "defaults"})
    assert log.experiments() == before


def test_results_join_the_plan_and_a_run_may_be_repeated(log):
    """The same plan again changes nothing; a verdict is added, and replaced by a later one."""
    plan = {"name": "first", "split": (0.5, 0.5), "began": JANUARY}
    stored = {"name": "first", "split": [0.5, 0.5], "began": JANUARY.isoformat()}
    for _ in range(2):
        log.save_experiment(plan)
    assert log.experiments() == [stored]
    log.save_experiment({"name": "first", "conclusion": "undecided", "analysed": FEBRUARY})
    decided = {**stored, "conclusion": "undecided", "analysed": FEBRUARY.isoformat()}
    assert log.experiments() == [decided]
    log.save_experiment(plan)
    assert log.experiments() == [decided]
    log.save_experiment({**plan, "conclusion": "deploy"})
    assert log.experiments() == [{**decided, "conclusion": "deploy"}]


def test_a_plan_stays_as_it_was_written(log):
    """1000.0 is 1000 and no change, and does not take its place."""
    log.save_experiment({"name": "first", "n": 1000})
    log.save_experiment({"name": "first", "n": 1000.0, "verdict": "deploy"})
    assert str(log.experiments()) == "[{'n': 1000, 'name': 'first', 'verdict': 'deploy'}]"


def test_the_same_instant_is_the_same_plan(log):
    """In another zone, and as Python's own time: kept in UTC, and no change of the plan."""
    log.save_experiment({"name": "first", "looks": [JANUARY, FEBRUARY]})
    zoned = [when.tz_convert("Europe/Berlin") for when in (JANUARY, FEBRUARY)]
    log.save_experiment({"name": "first", "looks": zoned})
    log.save_experiment({"name": "first", "looks": [when.to_pydatetime() for when in zoned]})
    assert log.experiments() == [
        {"name": "first", "looks": [JANUARY.isoformat(), FEBRUARY.isoformat()]}
    ]


@pytest.mark.parametrize(
    "when", [pd.Timestamp("2024-01-01"), datetime.datetime(2024, 1, 1), pd.NaT]
)
def test_a_time_without_a_zone_is_no_plan(log, when):
    """Refused by the field's name, wherever in it the time is; nothing is stored."""
    with pytest.raises(ValueError, match=r"record\['looks'\]: .* has no time zone"):
        log.save_experiment({"name": "first", "looks": {"last": [JANUARY, when]}})
    assert log.experiments() == []


def test_a_number_that_is_none_is_the_same_when_it_is_repeated(log):
    """NaN differs from itself; what is written down does not."""
    for _ in range(2):
        log.save_experiment({"name": "first", "arms": [{"lift": np.nan}]})
    with pytest.raises(ValueError, match="arms is "):
        log.save_experiment({"name": "first", "arms": [{"lift": 0.0}]})


@pytest.mark.parametrize("name", ["a\0b", "é" * 501, "a\ud800"])
def test_a_name_that_a_database_cannot_hold_is_refused(log, name):
    """On every database in the same words, which do not repeat a page of them."""
    with pytest.raises(ValueError, match="experiments: name == ") as caught:
        log.save_experiment({"name": name, "n": 3})
    assert len(str(caught.value)) < 300
    log.save_experiment({"name": "é" * 500, "n": 3})


def test_two_results_at_once_are_both_kept(postgres_url, monkeypatch):
    """The second comes when the first has read and not yet written: it waits, and adds its own."""
    empty_schema(postgres_url)
    upsert = tables.upsert
    with PredictionLog(postgres_url) as log:
        log.save_experiment({"name": "first", "n": 3})
        verdict = {"name": "first", "verdict": "deploy"}
        second = threading.Thread(target=log.save_experiment, args=(verdict,))

        def held(connection, table, rows):
            monkeypatch.setattr(tables, "upsert", upsert)
            second.start()
            while second.is_alive() and not somebody_waits(log):
                time.sleep(0.01)
            return upsert(connection, table, rows)

        monkeypatch.setattr(tables, "upsert", held)
        log.save_experiment({"name": "first", "conclusion": "better"})
        second.join()
        assert log.experiments() == [
            {"name": "first", "n": 3, "conclusion": "better", "verdict": "deploy"}
        ]


def somebody_waits(log: PredictionLog) -> bool:
    """Does a connection wait for another one's lock?"""
    with log_store.reading(log._engine) as connection:
        return bool(connection.scalar(sa.text("select count(*) from pg_locks where not granted")))
