"""Scheduled retrainings on the report: what the store knows of them, safely shown."""

import json

import pandas as pd
import pytest

from mlops_helpers import retrainings, standing
from mlops_helpers.predictions import PredictionLog

JUNE = pd.Timestamp("2024-06-01 06:30:15", tz="UTC")
MINUTE = pd.Timedelta(minutes=1)


def stage(name: str, minutes: int, key: str = "2024-06-01", **more) -> dict:
    """A stage that began so many minutes after the first."""
    known = {"key": key, "stage": name, "status": "done", "seconds": 1.25}
    return {**known, "started_at": JUNE + minutes * MINUTE, **more}


def steps(*rows: dict) -> pd.DataFrame:
    """Stages as the log gives them."""
    known = [{"attempts": 1, "told": "", "result": {}, **row} for row in rows]
    return pd.DataFrame(known).sort_values("started_at", kind="stable")


def test_what_the_store_has_comes_back_from_the_file(tmp_path):
    """Stages in their order, the outcome and the sentence of the last."""
    with PredictionLog(f"sqlite:///{tmp_path / 'course.db'}") as log:
        log.save_step(stage("train", 2, attempts=2))
        log.save_step(stage("watch", 0, result={"outcome": "stay"}, told="nothing to see"))
        log.save_step(stage("judge", 3, result={"outcome": "promote"}, told="better"))
        ended = {"result": {"outcome": "kept"}, "told": "the gate refused"}
        log.save_step(stage("promote", 4, status="skipped", seconds=None, **ended))
        log.save_step(stage("watch", 60, key="2024-07-01", status="running", seconds=None))
        path = retrainings.write(tmp_path / "state" / "0a" / "standing", log.steps())
    assert path == tmp_path / "state" / "0a" / "standing" / "retrainings.json"
    later, first = retrainings.read(tmp_path)
    assert (first.key, first.outcome, first.told) == ("2024-06-01", "kept", "the gate refused")
    assert [s.stage for s in first.stages] == ["watch", "train", "judge", "promote"]
    assert [s.attempts for s in first.stages] == [1, 2, 1, 1]
    assert first.started == "2024-06-01 06:30 UTC"
    assert first.seconds == 3.75
    assert (later.key, later.outcome, later.seconds) == ("2024-07-01", "running", 0.0)
    assert [s.mark for s in (*first.stages, *later.stages)] == ["✓", "✓", "✓", "–", "…"]


WATCHED = stage("watch", 0, result={"outcome": "stay"})
CHECKED = stage("check", 1, result={"outcome": "retrain"}, told="drift")
JUDGED = stage("judge", 3, result={"outcome": "promote"}, told="better")


@pytest.mark.parametrize(
    ("rows", "outcome", "told"),
    [
        ([WATCHED, CHECKED], "running", "drift"),
        ([WATCHED, CHECKED, stage("train", 2, status="failed", told="full")], "failed", "full"),
        ([WATCHED, CHECKED, JUDGED], "running", "better"),
        ([WATCHED, JUDGED, stage("promote", 4, status="running")], "running", ""),
        ([WATCHED, JUDGED, stage("promote", 4, status="failed", told="lost")], "failed", "lost"),
        (
            [JUDGED, stage("promote", 9, status="failed", told="late", result={"given up": True})],
            "given up",
            "late",
        ),
        # begun anew with other rows: the stages of before still stand in the log
        ([stage("watch", 9, status="running"), CHECKED, JUDGED], "running", ""),
        ([stage("watch", 9, status="failed", told="no log"), CHECKED, JUDGED], "failed", "no log"),
    ],
)
def test_what_is_not_over_has_no_outcome(tmp_path, rows, outcome, told):
    """The word of a stage on the way ("promote", "retrain") is not what came of the retraining."""
    retrainings.write(tmp_path / "state" / "0a" / "standing", steps(*rows))
    (run,) = retrainings.read(tmp_path)
    assert (run.outcome, run.told) == (outcome, told)


def test_stages_that_were_skipped_at_once_keep_their_order(tmp_path):
    """Their times may be equal, or the clock may have been set back."""
    names = retrainings.STAGES
    rows = [stage(name, -minute) for minute, name in enumerate(names)]
    retrainings.write(tmp_path / "state" / "0a" / "standing", steps(*rows))
    (run,) = retrainings.read(tmp_path)
    assert tuple(s.stage for s in run.stages) == names
    assert run.started == "2024-06-01 06:26 UTC"


def test_a_file_stays_small_and_only_what_changed_is_read(tmp_path):
    """The newest 50; the log is asked for one key, and for all where the file is lost or broken."""
    folder = tmp_path / "state" / "0a" / "standing"
    everything = steps(*(stage("watch", 60 * n, key=f"{n:03}") for n in range(120)))
    asked = []

    def log(key: str | None) -> pd.DataFrame:
        asked.append(key)
        return everything if key is None else everything[everything["key"] == key]

    path = retrainings.update(folder, log, "119")
    newest = [f"{n:03}" for n in range(119, 69, -1)]
    assert [run.key for run in retrainings.read(tmp_path)] == newest
    everything.loc[everything["key"] == "100", "told"] = "changed"
    retrainings.update(folder, log, "100")
    retrainings.update(folder, log, "003")
    assert [run.key for run in retrainings.read(tmp_path)] == newest
    assert [run.key for run in retrainings.read(tmp_path) if run.told] == ["100"]
    path.write_text("[{", encoding="utf-8")
    retrainings.update(folder, log, "100")
    assert [run.key for run in retrainings.read(tmp_path)] == newest
    assert asked == [None, "100", "003", None]


def test_one_log_on_a_server_is_told_once(tmp_path):
    """Two files that work on it have a state each: a day is there twice, the later one counts."""
    ran = stage("watch", 0), stage("watch", 60, told="again")
    for state, row in zip(("aa", "bb", "cc"), (*ran, ran[0]), strict=True):
        folder = tmp_path / "state" / state / "standing"
        retrainings.write(folder, steps(row))
        database = "" if state == "cc" else "0123456789ab"
        standing.write(folder, standing.Begun((f"/{state}.csv",), 42, str(tmp_path), "", database))
    found = [(run.where, run.told) for run in retrainings.read(tmp_path)]
    assert found == [("bb.csv, seed 42", "again"), ("cc.csv, seed 42", "")]


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


WHOLE = {"stage": "watch", "status": "done", "started_at": "2024-06-01", "seconds": 1}


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("[{", "JSONDecodeError"),
        ('[{"key": "x"}]', "KeyError"),
        ("3", "TypeError"),
        ("[" * 100_000, "RecursionError"),
        (b"\xff", "UnicodeDecodeError"),
        ({"attempts": float("inf"), "started_at": "2024-06-01T00:00Z"}, "OverflowError"),
        ({"attempts": 1}, "TypeError"),
        ({"attempts": 1, "started_at": None}, "ValueError"),
        (None, "IsADirectoryError"),
    ],
)
def test_a_broken_file_says_so_and_hides_no_other(tmp_path, content, why):
    """The report of a run is written whatever lies in a state's folder, a retraining is too."""
    whole = steps(stage("watch", 0))
    retrainings.write(tmp_path / "state" / "aa" / "standing", whole)
    path = tmp_path / "state" / "bb" / "standing" / retrainings.FILE
    path.parent.mkdir(parents=True)
    if content is None:
        path.mkdir()
    elif isinstance(content, dict):
        row = {**WHOLE, "told": "", **content}
        path.write_text(json.dumps([{"key": "", "outcome": "", "told": "", "stages": [row]}]))
    else:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    known, broken = retrainings.read(tmp_path)
    assert (known.key, broken.key) == ("2024-06-01", "bb")
    assert broken.outcome == "cannot be read"
    assert broken.told.startswith(f"state/bb/standing/retrainings.json: {why}")
    if content is not None:
        retrainings.write(path.parent, whole)
        assert {run.outcome for run in retrainings.read(tmp_path)} == {"running"}


def test_what_no_page_can_hold_is_replaced(tmp_path):
    """JSON lets half of a surrogate pair through, UTF-8 does not: the report must be written."""
    path = retrainings.write(tmp_path / "state" / "0a" / "standing", steps(stage("watch", 0)))
    path.write_text(path.read_text().replace('"told": ""', '"told": "\\ud800"'))
    assert [run.told for run in retrainings.read(tmp_path)] == ["?"]
