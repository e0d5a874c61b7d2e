"""Experiments in the log: one record a name, changed by one step at a time."""

import contextlib
import json
import sqlite3
import threading
import time

import pandas as pd
import pytest
import sqlalchemy as sa

from mlops_helpers import lifecycle, log_store, tables
from mlops_helpers.assignment import Experiment
from mlops_helpers.experiment_plan import ExperimentPlan
from mlops_helpers.log_store import LogError
from mlops_helpers.predictions import PredictionLog
from tests.servers import empty_schema

JANUARY = pd.Timestamp("2024-01-01", tz="UTC")
PLAN = ExperimentPlan(Experiment("first"), {"control": 3, "treatment": 4}, "earns more", 5000, 25.0)
FIRST = lifecycle.draft(PLAN, JANUARY)


@pytest.fixture
def log(store_url):
    """An open, empty log."""
    with PredictionLog(store_url) as log:
        yield log


def keep(record):
    """A step that keeps this, whatever was there."""
    return lambda _: record


def test_a_record_is_kept_under_its_name(log):
    """A step gets None for a new name, what was kept for one that is there; records by name."""
    seen = []

    def step(record):
        seen.append(record)
        return FIRST | {"n": len(seen)}

    for n in (1, 2):
        assert log.change_experiment("first", step)["n"] == n
    assert seen == [None, FIRST | {"n": 1}]
    log.change_experiment("a second", keep(FIRST | {"name": "a second"}))
    assert [record["name"] for record in log.experiments()] == ["a second", "first"]
    assert [log.experiment(name) for name in ("first", "third")] == [FIRST | {"n": 2}, None]


def test_a_step_that_is_refused_keeps_nothing(log):
    """What it raises comes out, and the record is as it was."""
    log.change_experiment("first", keep(FIRST))

    def refuse(_):
        raise ZeroDivisionError

    for name in ("first", "second"):
        with pytest.raises(ZeroDivisionError):
            log.change_experiment(name, refuse)
    assert log.experiments() == [FIRST]


def test_a_record_that_stays_as_it_is_is_not_written(log, monkeypatch):
    """A step that was taken before costs no write."""
    log.change_experiment("first", keep(FIRST))
    monkeypatch.setattr(tables, "upsert", None)
    log.change_experiment("first", lambda stored: stored)
    with pytest.raises(TypeError):
        log.change_experiment("first", lambda stored: stored | {"n": 1})


def test_what_json_has_no_word_for_is_refused(log):
    """A record is values of JSON; nothing is guessed at, nothing stored."""
    with pytest.raises(TypeError, match="not JSON serializable"):
        log.change_experiment("first", keep({"name": "first", "at": pd.Timestamp("2024-01-01")}))
    assert log.experiments() == []


@pytest.mark.parametrize("name", ["a\0b", "é" * 501, "a\ud800", 3])
def test_a_name_that_a_database_cannot_hold_is_refused(log, name):
    """On every database in the same words, which do not repeat a page of them."""
    with pytest.raises(ValueError, match="name == ") as caught:
        log.change_experiment(name, keep({"name": name, "status": "draft"}))
    assert len(str(caught.value)) < 300
    assert log.experiments() == []


DAMAGED = {  # a text in the place of a record, and what is said of it
    '{"name": "fi': "must be values by name in JSON",
    "[]": "must be values by name",
    "null": "must be values by name",
    "": "must be values by name in JSON",
    "{}": "its name is None",
    '{"name": "other"}': "its record is that of 'other'",
    '{"name": "first", "arms": null}': "its arms is None",
    '{"name": "first", "arms": ["a"], "split": [1], "start": "soon"}': "soon",
    json.dumps(FIRST | {"status": "frozen"}): "its status is 'frozen', must be one of draft",
    json.dumps(FIRST | {"events": None}): "its events are None",
    json.dumps(FIRST | {"size": 0}): "size is 0",
    json.dumps({key: FIRST[key] for key in FIRST if key != "versions"}): "lacks versions",
}


@pytest.mark.parametrize(("text", "said"), DAMAGED.items(), ids=range(len(DAMAGED)))
def test_a_record_that_was_damaged_hurts_only_itself(tmp_path, text, said):
    """It is told by name, with what is there; a step keeps nothing. All others are as they were."""
    path = tmp_path / "log.db"
    second = FIRST | {"name": "second"}
    with PredictionLog(f"sqlite:///{path}") as log:
        for record in (FIRST, second):
            log.change_experiment(record["name"], keep(record))
        with contextlib.closing(sqlite3.connect(path)) as connection:
            connection.execute("UPDATE experiments SET record = ? WHERE name = 'first'", (text,))
            connection.commit()
        for ask in (
            lambda: log.experiment("first"),
            lambda: log.change_experiment("first", keep({})),
            lambda: log.exposure_sums(PLAN, as_of=JANUARY),
        ):
            with pytest.raises(LogError, match="the experiment 'first' is damaged in") as caught:
                ask()
            assert said in str(caught.value)
        damaged = {"name": "first", "status": "damaged", "damage": str(caught.value)}
        assert log.experiments() == [damaged, second]
        assert log.experiment("second") == second
        assert log.change_experiment("second", lambda stored: stored | {"n": 1})["n"] == 1
        with contextlib.closing(sqlite3.connect(path)) as connection:
            ((there,),) = connection.execute("SELECT record FROM experiments WHERE name = 'first'")
            assert there == text


@pytest.mark.parametrize("new", [True, False])
def test_the_second_of_two_steps_sees_what_the_first_has_made(postgres_url, monkeypatch, new):
    """It comes when the first has read and not yet written: it waits, whether a row was there."""
    empty_schema(postgres_url)
    write = "insert_new" if new else "upsert"
    plain = getattr(tables, write)

    def add(letter):
        return lambda stored: FIRST | {"told": (stored or {"told": ""})["told"] + letter}

    with PredictionLog(postgres_url) as log:
        if not new:
            log.change_experiment("first", add("-"))
        second = threading.Thread(target=log.change_experiment, args=("first", add("b")))

        def held(connection, table, rows):
            monkeypatch.setattr(tables, write, plain)
            done = plain(connection, table, rows)
            second.start()
            while second.is_alive() and not somebody_waits(log):
                time.sleep(0.01)
            return done

        monkeypatch.setattr(tables, write, held)
        log.change_experiment("first", add("a"))
        second.join()
        assert [record["told"] for record in log.experiments()] == ["ab" if new else "-ab"]


def somebody_waits(log: PredictionLog) -> bool:
    """Does a connection wait for another one's lock?"""
    with log_store.reading(log._engine) as connection:
        return bool(connection.scalar(sa.text("select count(*) from pg_locks where not granted")))
