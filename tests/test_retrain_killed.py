"""A scheduled retraining that is killed before any of its writes: the next call completes it."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from mlops_helpers import registry as registry_module
from mlops_helpers.predictions import PredictionLog
from mlops_helpers.registry import Registry
from mlops_helpers.tracking import connect
from tests.contending import easy_gate
from tests.retrain_killing import killer
from tests.retrain_world import copy_place, go, loans, make_place

# Calls that write in an undisturbed retraining, of which each is killed in turn: two a stage for
# the log and two for the report's file, and what training, registry and gate write in between.
WRITES = {"promoted": 46, "rolled back": 16}
# Of the writes that track the training run, one leaves behind what the next one does: a run that is
# RUNNING. Killed before the first two, when it has a model, and before the last.
TRACKING = range(11, 25)
# The report's file is written anew after each write of the log. Killed before it, it is one write
# behind: tried at the first, in the middle and at the last. Killed after it, the log is the same.
REPORTS = {"promoted": {4, 6, 8, 10, 32, 34, 36}, "rolled back": {8, 10, 12, 14}}
# Each of the four stages that a rollback skips is one write of the log: the first and the last.
SKIPS = {11, 13}
SPARED = {
    "promoted": REPORTS["promoted"] | set(TRACKING) - {11, 12, 20, 24},
    "rolled back": REPORTS["rolled back"] | SKIPS,
}
# All of them: MLOPS_TEST_KILLS=all, or `python -m tests.benchmarks.kills_retraining`.


def points() -> list[tuple[str, int]]:
    """Where to kill, by outcome; the last one of each is beyond its last write."""
    every = os.environ.get("MLOPS_TEST_KILLS") == "all"
    return [
        (outcome, at)
        for outcome, n in WRITES.items()
        for at in range(1, n + 2)
        if every or at not in SPARED[outcome]
    ]


@pytest.fixture(scope="module")
def frame():
    """The lender's loans."""
    return loans()


@pytest.fixture(scope="module")
def templates(tmp_path_factory, frame):
    """For each outcome a place that leads to it."""
    folder = tmp_path_factory.mktemp("templates")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry_module, "standard_checks", easy_gate)
        return {
            "promoted": make_place(folder / "poor", frame),
            "rolled back": make_place(folder / "worse", frame, better_before=True),
        }


@pytest.fixture(scope="module")
def kill():
    """Has another process retrain and be killed in it."""
    with killer() as function:
        yield function


@pytest.fixture(autouse=True)
def _gate_that_passes(monkeypatch):
    """These tests are about what is left behind."""
    monkeypatch.setattr(registry_module, "standard_checks", easy_gate)


@pytest.fixture(scope="module")
def undisturbed(templates, frame, tmp_path_factory):
    """What comes of each place if nobody is killed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry_module, "standard_checks", easy_gate)
        return {
            outcome: go(copy_place(place, tmp_path_factory.mktemp("whole") / "it"), frame)
            for outcome, place in templates.items()
        }


@pytest.mark.parametrize(("outcome", "at"), points())
def test_killed_before_any_write(outcome, at, templates, undisturbed, frame, kill, tmp_path):
    """A champion serves, the next call comes to the same end, everything is there once.

    The last `at` is beyond the last write, where the process ends by itself: none was left out.
    """
    place = copy_place(templates[outcome], tmp_path / "it")
    first = Registry(place.tracking_uri).load("champion").version
    ended = kill(place, at)
    assert (ended == -1) == (at <= WRITES[outcome]), f"{ended} writes"

    registry = Registry(place.tracking_uri)
    whole = undisturbed[outcome]
    assert registry.load("champion").version in (first, whole.champion)
    found = go(place, frame)
    assert found.repeated == (at >= WRITES[outcome]), "the last write is the report's file"
    assert (found.outcome, found.champion) == (outcome, whole.champion)
    assert found.details.get("judge") == whole.details.get("judge")
    assert registry.load("champion").version == whole.champion
    assert go(place, frame).repeated

    events = registry.history()
    assert (events["event"] == outcome).sum() == 1 + (outcome == "promoted")
    assert events.index.is_unique
    assert not [event for event in registry._versions.events() if event.pending]
    assert registry.status()["version"].tolist() == [1, 2]
    client = connect(place.tracking_uri)
    runs = client.search_runs([e.experiment_id for e in client.search_experiments()])
    assert "RUNNING" not in {run.info.status for run in runs}
    with PredictionLog(place.database_url) as log:
        assert set(log.steps()["status"]) <= {"done", "skipped"}


def test_two_processes_at_once(templates, kill, tmp_path):
    """One works; the other leaves without a write. Promoted once, one new version."""
    place, spare = (copy_place(templates["promoted"], tmp_path / name) for name in ("it", "spare"))
    with killer() as second, ThreadPoolExecutor() as pool:
        assert kill(spare, 1) == second(spare, 1) == -1, "both are warm and will begin at once"
        calls = [pool.submit(start, place, 0) for start in (kill, second)]
        writes = sorted(call.result() for call in calls)
    assert writes == [0, WRITES["promoted"]]
    registry = Registry(place.tracking_uri)
    assert (registry.history()["event"] == "promoted").sum() == 2
    assert registry.status()["version"].tolist() == [1, 2]
