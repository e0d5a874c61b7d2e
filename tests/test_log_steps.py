"""Stages of a scheduled run: each there once, as it last was, or refused in words."""

import contextlib
import datetime
import math
import sqlite3

import numpy as np
import pandas as pd
import pytest

from mlops_helpers.log_store import LogError
from mlops_helpers.predictions import PredictionLog
from tests.log_writers import heard, killed, process

JUNE = pd.Timestamp("2024-06-01", tz="UTC")
STEP = {"key": "credit-risk 2024-06-01", "stage": "watch", "status": "running", "started_at": JUNE}


@pytest.fixture
def log(store_url):
    """An open log, on each database."""
    with PredictionLog(store_url) as log:
        yield log


def test_a_stage_comes_back_as_it_was_saved(log):
    """All fields, with times and missing numbers in the result; what was left out by default."""
    log.save_step(STEP)
    done = {"stage": "check", "status": "done", "seconds": 1.5, "attempts": 2, "told": "<b>größer"}
    found = {"auc": 0.7, "gap": math.nan, "reasons": ["drift", "age"], "as_of": JUNE, "n": None}
    log.save_step(STEP | done | {"started_at": JUNE + pd.Timedelta(minutes=1), "result": found})
    back = log.steps()
    assert back["started_at"].dtype == "datetime64[us, UTC]"
    first, second = back.to_dict("records")
    assert math.isnan(first.pop("seconds"))
    assert first == STEP | {"attempts": 1, "told": "", "result": {}}
    assert {name: second[name] for name in done} == done
    assert math.isnan(second["result"].pop("gap"))
    assert second["result"] == {
        "auc": 0.7,
        "reasons": ["drift", "age"],
        "as_of": "2024-06-01T00:00:00+00:00",
        "n": None,
    }


def test_an_instant_is_kept_in_utc(log):
    """In whatever zone it was given, of pandas or of Python; NumPy's numbers as numbers."""
    berlin = JUNE.tz_convert("Europe/Berlin")
    found = {"looks": [JUNE, berlin, berlin.to_pydatetime()], "n": np.int64(3)}
    log.save_step(STEP | {"result": found | {"wait": pd.Timedelta(days=2)}})
    kept = {"looks": ["2024-06-01T00:00:00+00:00"] * 3, "n": 3, "wait": "P2DT0H0M0S"}
    assert log.steps()["result"].tolist() == [kept]


def test_the_same_stage_again_replaces_what_was_known(log):
    """One row a stage of a run, its latest state; the same stage of another run is another."""
    log.save_step(STEP)
    log.save_step(STEP | {"status": "failed", "seconds": 3, "told": "no data"})
    log.save_step(STEP | {"key": "credit-risk 2024-07-01"})
    assert log.steps()["status"].tolist() == ["failed", "running"]
    one = log.steps(STEP["key"])
    assert one["told"].tolist() == ["no data"]
    assert log.steps("never").empty
    assert log.steps("never").dtypes.to_dict() == one.dtypes.to_dict()


def test_stages_come_in_order_of_time(log):
    """Whatever the order in which they were saved."""
    for minutes, stage in ((2, "train"), (0, "watch"), (1, "check")):
        at = JUNE + pd.Timedelta(minutes=minutes)
        log.save_step(STEP | {"stage": stage, "started_at": at})
    assert log.steps()["stage"].tolist() == ["watch", "check", "train"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"key": " "}, r"step\['key'\] == ' '; must be a text"),
        ({"stage": None}, r"step\['stage'\] == None; must be a text"),
        ({"status": "odd"}, "status == 'odd' in 1 rows; must be running or done or failed or sk"),
        ({"started_at": pd.Timestamp("2024-06-01")}, "'started_at' has no time zone"),
        ({"seconds": -1.0}, "seconds == -1.0 in 1 rows; must be 0 or more"),
        ({"seconds": math.inf}, "seconds == inf in 1 rows; must be finite"),
        ({"attempts": 0}, "attempts == 0 in 1 rows; must be within"),
        ({"told": "a\0b"}, "told == 'a.*without the character zero"),
        ({"colour": "red"}, r"unknown columns \['colour'\]"),
        ({"result": [1]}, r"step\['result'\] == \[1\]; must be values by name"),
        ({"result": {"at": pd.Timestamp("2024-06-01")}}, "'at'.*has no time zone"),
        ({"result": {"looks": {"last": [JUNE, pd.NaT]}}}, r"result\['looks'\]: NaT has no time"),
        ({"result": {"at": datetime.datetime(2024, 6, 1)}}, "'at'.*has no time zone"),
    ],
)
def test_what_cannot_be_kept_is_refused_and_nothing_changes(log, change, said):
    """One sentence with the field, its value and the rule; the stage is as it was."""
    log.save_step(STEP)
    with pytest.raises(ValueError, match=said):
        log.save_step(STEP | {"status": "done"} | change)
    assert log.steps()["status"].tolist() == ["running"]


def test_a_field_that_is_missing_is_named(log):
    """A stage has a time at which it began."""
    without = {name: value for name, value in STEP.items() if name != "started_at"}
    with pytest.raises(ValueError, match=r"missing columns \['started_at'\]"):
        log.save_step(without)


def test_a_result_that_json_cannot_hold_is_refused(log):
    """A frame in a result is a mistake of the caller's, not something to be guessed at."""
    with pytest.raises(TypeError, match="cannot be kept as JSON"):
        log.save_step(STEP | {"result": {"rows": pd.DataFrame()}})
    assert log.steps().empty


def _save_many(told, url, stage):
    """Save the same stage again and again, at a word from the parent."""
    told.send("ready")
    told.recv()
    with PredictionLog(url) as log:
        for attempt in range(1, 21):
            log.save_step(STEP | {"stage": stage, "attempts": attempt})
    told.send("done")


def test_two_processes_save_at_once(store_url):
    """Neither loses a write: two stages, each as it was last saved."""
    with PredictionLog(store_url):
        pass
    with (
        process(_save_many, store_url, "watch") as (one, ours),
        process(_save_many, store_url, "check") as (other, theirs),
    ):
        assert [heard(ours), heard(theirs)] == ["ready", "ready"]
        ours.send("go")
        theirs.send("go")
        assert [heard(ours), heard(theirs)] == ["done", "done"]
        assert [killed(one), killed(other)] == [False, False]
    with PredictionLog(store_url) as log:
        assert log.steps()["attempts"].tolist() == [20, 20]


@pytest.mark.parametrize("text", ['{"outcome": "ke', "[]", "null", ""])
def test_a_result_that_was_damaged_is_told(tmp_path, text):
    """Which stage, what is there, what to do."""
    path = tmp_path / "log.db"
    with PredictionLog(f"sqlite:///{path}") as log:
        log.save_step(STEP)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE steps SET result = ?", (text,))
        connection.commit()
    with (
        PredictionLog(f"sqlite:///{path}") as log,
        pytest.raises(LogError, match="the stage watch of credit-risk 2024-06-01 is damaged"),
    ):
        log.steps()
