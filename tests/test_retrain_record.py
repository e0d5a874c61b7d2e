"""How far a retraining has come is in the log: stages begun, ended, failed or not needed."""

from __future__ import annotations

import pandas as pd
import pytest

from mlops_helpers import retrainings
from mlops_helpers.predictions import PredictionLog
from mlops_helpers.retrain_record import STAGES, Done, Record, day_of, key_of

NOW = pd.Timestamp("2024-06-01 06:00", tz="UTC")
KEY = key_of("credit-risk", pd.Timestamp("2024-06-01", tz="UTC"))


@pytest.fixture
def log(store_url):
    """An open log, on each database."""
    with PredictionLog(store_url) as log:
        yield log


def _record(log: PredictionLog) -> Record:
    return Record(log, KEY, clock=lambda: NOW)


def test_what_a_stage_came_to_is_there_for_the_next_process(log):
    """Sentence, values and seconds; what was given at the beginning stays."""
    with _record(log).stage("watch", spent=5.0, settings={"seed": 7}) as came_to:
        came_to.told = "nothing to see"
        came_to.result |= {"look": 0}
    again = _record(log)
    assert again.begun
    assert not again.over
    assert again.settings == {"seed": 7}
    assert again.done("watch") == Done("nothing to see", {"settings": {"seed": 7}, "look": 0})
    assert again.table["seconds"].iloc[0] >= 5
    assert again.done("check") is None
    with pytest.raises(LookupError, match="the stage check of credit-risk 2024-06-01 is not done"):
        again.had("check")


def test_a_stage_that_fails_says_why_and_counts_its_attempts(log):
    """The exception goes on; the next attempt is the second."""
    with pytest.raises(OSError, match="disk"), _record(log).stage("train"):
        raise OSError("no room left on the disk")
    failed = _record(log).table.iloc[0]
    assert (failed["status"], failed["attempts"]) == ("failed", 1)
    assert failed["told"] == "OSError: no room left on the disk"
    record = _record(log)
    with record.stage("train"):
        pass
    assert (record.table["status"].iloc[0], record.table["attempts"].iloc[0]) == ("done", 2)


def test_a_killed_stage_is_not_done(log):
    """It says running, for ever; only the next call knows better."""
    stage = _record(log).stage("train")
    stage.__enter__()
    left = _record(log)
    assert left.table["status"].tolist() == ["running"]
    assert left.done("train") is None
    left.give_up("nobody came back")
    again = _record(log)
    assert again.given_up
    assert not again.over
    assert again.table["told"].tolist() == ["nobody came back", "nobody came back"]
    stage.gen.close()


def test_stages_that_are_not_needed_end_the_retraining(log, tmp_path):
    """The last one carries what came of it; the report's file says the same."""
    folder = tmp_path / "state" / "k" / "standing"
    record = Record(log, KEY, clock=lambda: NOW, folder=folder)
    with record.stage("watch"):
        pass
    record.skip(STAGES[1:], Done("no reason", {"outcome": "kept"}))
    assert _record(log).over
    assert _record(log).had("promote") == Done("no reason", {"outcome": "kept"})
    (told,) = retrainings.read(tmp_path)
    assert (told.key, told.outcome, told.told) == (KEY, "kept", "no reason")


def test_made_with_other_settings_nothing_counts_but_the_attempts(log):
    """Also for the call after next: each stage says what it was made with."""
    first = _record(log)
    first.use({"seed": 7})
    for stage in STAGES[:2]:
        with first.stage(stage, settings={"seed": 7}):
            pass
    second = _record(log)
    second.use({"seed": 8})
    assert second.done("watch") is None
    with second.stage("watch", settings={"seed": 8}):
        pass
    assert second.table["attempts"].tolist() == [2, 1]
    third = _record(log)
    third.use({"seed": 8})
    assert third.done("watch") is not None
    assert third.done("check") is None, "it was made with the settings of before"


def test_a_page_that_cannot_be_written_stops_nothing(log, tmp_path):
    """It is said, and the log has all."""
    (tmp_path / "in_the_way").write_text("")
    record = Record(log, KEY, clock=lambda: NOW, folder=tmp_path / "in_the_way")
    with record.stage("watch"):
        pass
    assert record.unpublished.startswith(f"{tmp_path / 'in_the_way' / 'retrainings.json'}: ")
    assert _record(log).done("watch") is not None


def test_a_call_that_is_stopped_says_so(log):
    """Ctrl-C, and SIGTERM which does the same: failed, not running for ever."""
    with pytest.raises(KeyboardInterrupt), _record(log).stage("train"):
        raise KeyboardInterrupt
    assert _record(log).table["status"].tolist() == ["failed"]


def test_a_key_tells_whose_day_it_is():
    """Another model's name may begin with ours."""
    assert day_of("credit-risk 2024-06-01", "credit-risk") == "2024-06-01"
    assert day_of("credit-risk b 2024-06-01", "credit-risk") is None
