"""What mlops_helpers.lifecycle_events promises of the record of an experiment."""

import pandas as pd
import pytest

from mlops_helpers.lifecycle_events import (
    StepRefused,
    as_drafted,
    as_known,
    damage,
    entry,
    in_force,
    instant,
    repeated,
    stages,
)

JANUARY, JUNE = (pd.Timestamp(day, tz="UTC") for day in ("2024-01-01", "2024-06-01"))
RECORD = {
    "name": "first",
    "size": 300,
    "ramp": 1.0,
    "status": "running",
    "conclusion": "go on",
    "events": [
        entry("drafted", instant(JANUARY), "", {}),
        entry("amended", instant(JANUARY), "more", {"size": [100, 200]}),
        entry("amended", instant(JANUARY), "more", {"size": [200, 300], "ramp": [0.1, 1.0]}),
        entry("analysed", instant(JUNE), "", {"conclusion": [None, "go on"]}),
    ],
}


def test_a_plan_is_known_as_it_was_drafted():
    """All changes taken back, the latest first; results are no part of it."""
    assert as_drafted(RECORD) == {"name": "first", "size": 100, "ramp": 0.1}


def test_what_was_in_force_when():
    """The ramp after each event, and whether units entered the experiment then."""
    events = [*RECORD["events"][:3], entry("started", instant(JUNE), "", {})]
    events += [entry("paused", instant(JUNE), "x", {}), entry("ramped", instant(JUNE), "y", {})]
    assert list(in_force(RECORD | {"events": events})) == [
        *((JANUARY, 0.1, False), (JANUARY, 0.1, False), (JANUARY, 1.0, False)),
        *((JUNE, 1.0, True), (JUNE, 1.0, False), (JUNE, 1.0, False)),
    ]
    assert list(in_force({"name": "old"})) == []


def test_an_event_is_repeated_if_all_of_it_is():
    """Time (in whatever zone), words and new values."""
    same = ("amended", JANUARY.tz_convert("Asia/Tokyo"), "more", {"size": 300, "ramp": 1.0})
    assert repeated(RECORD, *same)
    others = (("ramped", JUNE, "why", {"size": 300})[n] for n in range(4))
    for place, other in enumerate(others):
        assert not repeated(RECORD, *same[:place], other, *same[place + 1 :])


def test_a_record_of_an_earlier_release_is_known():
    """It has no status: completed, marked, otherwise as it was; a known one is the same."""
    old = {"name": "old", "verdict": "Deploy."}
    assert as_known(old) == {**old, "status": "completed", "imported": True, "events": []}
    assert as_known(RECORD) is RECORD


def test_a_state_that_nobody_knows_is_refused():
    """Nothing is done with a record that this release cannot read."""
    with pytest.raises(
        StepRefused, match=r"'first' .* status is 'frozen', must be one of draft, r"
    ):
        as_known(RECORD | {"status": "frozen"})


@pytest.mark.parametrize(
    ("record", "said"),
    [
        (None, "its record is None, must be values by name"),
        ([], r"its record is \[\]"),
        ({}, "its name is None, must be a text"),
        ({"name": "old", "arms": None}, "its arms is None, must be a list"),
        ({"name": "old", "arms": ["a", "b"], "split": 0.5}, "its split is 0.5, must be a list"),
        (RECORD | {"events": None}, "its events are None, must be a list of what happened"),
        ({"name": "new", "status": "running"}, "its events are None"),
        (RECORD | {"events": [{"event": "drafted"}]}, "its events are"),
        (RECORD | {"events": [RECORD["events"][0] | {"changes": {"size": 3}}]}, "its events are"),
        (RECORD | {"events": [RECORD["events"][0] | {"at": None}]}, "its events are"),
    ],
)
def test_what_is_no_record_is_told(record, said):
    """What it lacks, in words, wherever a record is read."""
    assert damage(RECORD) == damage({"name": "bare"}) == ""
    for read in (as_known, stages, lambda record: list(in_force(record))):
        with pytest.raises(StepRefused, match=f"cannot be read: {said}"):
            read(record)
