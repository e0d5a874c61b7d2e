"""Scheduled retrainings on the report: what the store knows of them, safely shown."""

import pandas as pd

from mlops_helpers import retrainings
from mlops_helpers.predictions import PredictionLog

JUNE = pd.Timestamp("2024-06-01 06:30:15", tz="UTC")
MINUTE = pd.Timedelta(minutes=1)


def stage(name: str, minutes: int, key: str = "2024-06-01", **more) -> dict:
    """A stage that began so many minutes after the first."""
    known = {"key": key, "stage": name, "status": "done", "seconds": 1.25}
    return {**known, "started_at": JUNE + minutes * MINUTE, **more}


def test_what_the_store_has_comes_back_from_the_file(tmp_path):
    """Stages in order of time, the outcome and the sentence of the last that has one."""
    with PredictionLog(f"sqlite:///{tmp_path / 'course.db'}") as log:
        log.save_step(stage("train", 2, attempts=2))
        log.save_step(stage("watch", 0, result={"outcome": "stay"}, told="nothing to see"))
        log.save_step(stage("judge", 3, result={"outcome": "kept"}, told="AUC too close"))
        log.save_step(stage("promote", 4, status="skipped", seconds=None))
        log.save_step(stage("watch", 60, key="2024-07-01", status="running", seconds=None))
        path = retrainings.write(tmp_path / "state" / "0a" / "standing", log.steps())
    assert path == tmp_path / "state" / "0a" / "standing" / "retrainings.json"
    later, first = retrainings.read(tmp_path)
    assert (first.key, first.outcome, first.told) == ("2024-06-01", "kept", "AUC too close")
    assert [s.stage for s in first.stages] == ["watch", "train", "judge", "promote"]
    assert [s.attempts for s in first.stages] == [1, 2, 1, 1]
    assert first.started == "2024-06-01 06:30 UTC"
    assert first.seconds == 3.75
    assert (later.key, later.outcome, later.seconds) == ("2024-07-01", "running", 0.0)
    assert [s.mark for s in (*first.stages, *later.stages)] == ["✓", "✓", "✓", "–", "…"]


def test_all_states_are_read_newest_first(tmp_path):
    """Other loans or another seed have a state of their own."""
    for state, days in (("aa", 0), ("bb", 31)):
        rows = pd.DataFrame([stage("watch", 1440 * days, key=state, attempts=1, told="")])
        retrainings.write(tmp_path / "state" / state / "standing", rows.assign(result=[{}]))
    assert [run.key for run in retrainings.read(tmp_path)] == ["bb", "aa"]
    assert retrainings.read(tmp_path / "elsewhere") == []


def test_no_stages_are_a_file_without_retrainings(tmp_path):
    """A store that nobody retrained in."""
    with PredictionLog(f"sqlite:///{tmp_path / 'course.db'}") as log:
        retrainings.write(tmp_path / "state" / "0a" / "standing", log.steps())
    assert retrainings.read(tmp_path) == []


def test_a_broken_file_says_so_and_hides_no_other(tmp_path):
    """The report of a run is written whatever lies in a state's folder."""
    whole = pd.DataFrame([stage("watch", 0, attempts=1, told="")]).assign(result=[{}])
    retrainings.write(tmp_path / "state" / "aa" / "standing", whole)
    for state, content in (("bb", "[{"), ("cc", '[{"key": "x"}]'), ("dd", "3")):
        path = tmp_path / "state" / state / "standing" / retrainings.FILE
        path.parent.mkdir(parents=True)
        path.write_text(content, encoding="utf-8")
    found = retrainings.read(tmp_path)
    assert [run.key for run in found] == ["2024-06-01", "dd", "cc", "bb"]
    assert {run.outcome for run in found[1:]} == {"cannot be read"}
    assert found[2].told.startswith("state/cc/standing/retrainings.json: KeyError")
