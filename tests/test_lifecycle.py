"""What mlops_helpers.lifecycle promises: one plan an experiment, whatever comes in what order."""

import copy
import itertools
import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlops_helpers import lifecycle
from mlops_helpers.assignment import Experiment, Holdout
from mlops_helpers.experiment_plan import ExperimentPlan
from mlops_helpers.lifecycle import StepRefused
from mlops_helpers.lifecycle_events import NOT_THE_PLAN


def day(number):
    """A day of the experiment's life."""
    return pd.Timestamp("2024-01-01", tz="UTC") + pd.Timedelta(days=number)


PLAN = ExperimentPlan(
    Experiment("three", ("control", "a", "b"), (0.5, 0.3, 0.2), ramp=0.1),
    {"control": 1, "a": 2, "b": 3},
    "a and b earn more",
    5000,
    25.0,
    start=day(0),
    end=day(300),
)
DRAFT = lifecycle.draft(PLAN, day(0))
RUNNING = lifecycle.start(DRAFT, day(1))
PAUSED = lifecycle.pause(RUNNING, day(2), "a faulty feed")
COMPLETED = lifecycle.complete(RUNNING, day(2), "planned size reached")
STEPS = {
    "start": lambda record, at, _: lifecycle.start(record, at),
    "ramp": lambda record, at, share: lifecycle.ramp(record, share, at, "no guardrail moved"),
    "pause": lambda record, at, _: lifecycle.pause(record, at, "a faulty feed"),
    "resume": lambda record, at, _: lifecycle.resume(record, at, "mended"),
    "complete": lambda record, at, _: lifecycle.complete(record, at, "long enough"),
    "result": lambda record, at, _: lifecycle.result(record, at, "go on", "Go on until more."),
    "size": lambda record, at, share: lifecycle.amend(
        record, {"size": round(9000 * share)}, at, "more"
    ),
    "end": lambda record, at, share: lifecycle.amend(
        record, {"end": day(301 + round(90 * share))}, at, "slow"
    ),
    "both": lambda record, at, share: lifecycle.amend(
        record, {"ramp": share, "split": [0.4, 0.4, 0.2]}, at, "a is better"
    ),
}
LEGAL = {  # a table of its own: where each step leads from where
    "start": {"draft": "running"},
    "ramp": {"running": "running", "paused": "paused"},
    "pause": {"running": "paused"},
    "resume": {"paused": "running"},
    "complete": {"running": "completed", "paused": "completed"},
    "result": {name: name for name in ("running", "paused", "completed")},
    "size": {"draft": "draft"},
    "end": {name: name for name in ("draft", "running", "paused")},
    "both": {"draft": "draft"},
}


def plan_of(record):
    """The fields of the plan."""
    return {key: value for key, value in record.items() if key not in NOT_THE_PLAN}


def times(record):
    """When the events were."""
    return [pd.Timestamp(event["at"]) for event in record["events"]]


@given(
    st.lists(
        st.tuples(
            st.sampled_from([*STEPS, "pause", "resume", "start"]),
            st.integers(0, 30),
            st.sampled_from([0.05, 0.1, 0.4, 0.7, 1.0, 1.2, -1.0]),
        ),
        max_size=25,
    )
)
@example([("size", 0, 0.1), ("start", 0, 1.0), ("size", 0, 0.4)])
def test_whatever_is_tried_in_whatever_order(tried):
    """Never two plans; completed stays completed; events and stages in order of time.

    A refused step leaves nothing behind; one that was taken changes nothing when it comes again.
    What was to come when it is paused or completed has never been, but for the event's memory.
    """
    record, taken, lived = DRAFT, set(), [DRAFT]
    for name, number, share in tried:
        same = (name, number, share if name in ("ramp", "size", "end", "both") else None)
        before, kept = record, copy.deepcopy(record)
        try:
            record = STEPS[name](before, day(number), share)
        except StepRefused:
            assert before == kept
            continue
        assert before == kept
        if record is before:
            assert same in taken
            continue
        taken.add(same)
        if back := record["events"][-1].get("taken_back"):
            assert name in ("pause", "complete")
            assert record["events"][:-1] + back == before["events"]
            assert all(when > day(number) for when in times({"events": back}))
            del lived[-len(back) :]
            before = lived[-1]
            assert plan_of(record) == plan_of(before)
            ended = {"pause": "paused", "complete": "completed"}[name]
            assert record["status"] == (
                "draft" if (name, before["status"]) == ("pause", "draft") else ended
            )
            legal = {before["status"]: record["status"]}
        else:
            legal = LEGAL[name]
        lived.append(record)
        only_ramp = name == "both" and before["split"] == [0.4, 0.4, 0.2]  # since the draft
        legal = LEGAL["end"] if only_ramp else legal
        assert legal[before["status"]] == record["status"]
        assert len(record["events"]) == len(before["events"]) + 1
        assert times(record) == sorted(times(record))
        assert json.loads(json.dumps(record)) == record
        assert STEPS[name](record, day(number), share) is record
        if before["status"] != "draft":
            old, new = plan_of(before), plan_of(record)
            assert {key for key in old if old[key] != new[key]} <= {"ramp", "end"}
            assert new["ramp"] >= old["ramp"]
        assert ExperimentPlan.from_dict(record).to_dict() == plan_of(record)
        check_stages(record)
        again = ExperimentPlan.from_dict(DRAFT)
        assert lifecycle.draft(again, day(0), stored=record) is record


def check_stages(record):
    """In order of time from the start on; treatments only grow; the last is as the plan says."""
    found = lifecycle.stages(record)
    if record["status"] == "draft":
        assert found == ()
        return
    since = [stage.since for stage in found]
    starts = [event["at"] for event in record["events"] if event["event"] == "started"]
    if not starts:  # it was to come, and taken back
        assert found == ()
        return
    assert since[0] == pd.Timestamp(starts[0])
    assert since == sorted(since)
    for one, two in itertools.pairwise(found):
        assert all(b >= a for a, b in zip(one.shares[1:], two.shares[1:], strict=True))
    assert all(sum(stage.shares) == pytest.approx(1) for stage in found)
    last = ExperimentPlan.from_dict(record).experiment
    assert (found[-1].shares, found[-1].full) == (last.shares, last.ramp == 1)


@pytest.mark.parametrize("record", [DRAFT, RUNNING, PAUSED, COMPLETED], ids=lambda r: r["status"])
@pytest.mark.parametrize("name", STEPS)
def test_each_step_has_its_states(record, name):
    """It is taken where the table says, and refused elsewhere with the state and the way out."""
    there = record["status"]
    if there in LEGAL[name]:
        assert STEPS[name](record, day(9), 0.7)["status"] == LEGAL[name][there]
        return
    with pytest.raises(StepRefused, match=r"experiment 'three' cannot be \w+ at 2024-01-10") as no:
        STEPS[name](record, day(9), 0.7)
    if name in ("size", "both") and there != "completed":
        assert "fixed at the start" in str(no.value)
    else:
        assert f"it is {there}: " in str(no.value)


def test_stages_of_a_ramp():
    """Shares of all arms since each change; a pause is no stage, a change in a draft neither."""
    record = lifecycle.amend(DRAFT, {"ramp": 0.2}, day(0), "not so slowly")
    record = lifecycle.start(record, day(1))
    record = lifecycle.ramp(record, 0.5, day(3), "no guardrail moved")
    record = lifecycle.pause(record, day(4), "a faulty feed")
    record = lifecycle.amend(record, {"ramp": 1.0, "end": day(310)}, day(5), "no guardrail moved")
    record = lifecycle.resume(record, day(6), "mended")
    found = lifecycle.stages(record)
    assert [stage.since for stage in found] == [day(1), day(3), day(5)]
    assert [stage.full for stage in found] == [False, False, True]
    wanted = [(0.9, 0.06, 0.04), (0.75, 0.15, 0.1), (0.5, 0.3, 0.2)]
    for stage, shares in zip(found, wanted, strict=True):
        assert stage.shares == pytest.approx(shares)
    assert lifecycle.stages(lifecycle.complete(record, day(9), "done")) == found


def test_a_pause_takes_back_what_was_to_come():
    """A ramp that was announced is undone, and kept in the event; the shares are those of before.

    The same ramp again is known to be taken back and changes nothing; in other words it is new.
    """
    announced = lifecycle.ramp(RUNNING, 1.0, day(9), "as planned")
    paused = lifecycle.pause(announced, day(8), "complaints")
    assert (paused["status"], paused["ramp"]) == ("paused", 0.1)
    assert paused["events"][-1]["taken_back"] == announced["events"][-1:]
    assert lifecycle.stages(paused) == lifecycle.stages(RUNNING)
    assert lifecycle.pause(paused, day(8), "complaints") is paused
    resumed = lifecycle.resume(paused, day(8), "they were wrong")
    assert lifecycle.ramp(resumed, 1.0, day(9), "as planned") is resumed
    assert lifecycle.ramp(resumed, 1.0, day(9), "announced again")["ramp"] == 1.0
    earlier = lifecycle.complete(paused, day(7), "given up")
    (back,) = earlier["events"][-1]["taken_back"]
    assert back == paused["events"][-1]
    assert lifecycle.ramp(earlier, 1.0, day(9), "as planned") is earlier
    assert (earlier["status"], earlier["ramp"]) == ("completed", 0.1)


@pytest.mark.parametrize("end", ["pause", "complete"])
def test_a_wrong_year_locks_no_experiment(end):
    """A start, a pause, an end or a new end of 2042 is taken back now; without its start a draft is
    one again, which starts when it should.
    """
    far = pd.Timestamp("2042-01-03", tz="UTC")
    endless = lifecycle.amend(DRAFT, {"end": None}, day(0), "no hurry")
    running = lifecycle.start(endless, day(1))
    for wrong in (
        lifecycle.pause(running, far, "a faulty feed"),
        lifecycle.complete(running, far, "long enough"),
        lifecycle.amend(running, {"end": far + pd.Timedelta(days=1)}, far, "slow"),
    ):
        right = STEPS[end](wrong, day(3), 0.5)
        assert right["status"] == {"pause": "paused", "complete": "completed"}[end]
        assert right["end"] is None
        assert [one["event"] for one in right["events"]][:-1] == ["drafted", "amended", "started"]
    taken = STEPS[end](lifecycle.start(endless, far), day(3), 0.5)
    assert lifecycle.stages(taken) == ()
    if end == "pause":
        assert taken["status"] == "draft"
        again = lifecycle.start(taken, day(4))
        assert [stage.since for stage in lifecycle.stages(again)] == [day(4)]
    else:
        assert taken["status"] == "completed"


def test_what_came_true_is_not_taken_back():
    """If applications were exposed since then; an analysis never is; the way out is told."""
    ramped = lifecycle.ramp(RUNNING, 1.0, day(5), "as planned")
    asked = []

    def exposed(since):
        asked.append(since)
        return True

    said = r"ramped at 2024-01-06.*exposed since 2024-01-05.*give a time after the last of them"
    for stop in (lifecycle.pause, lifecycle.complete):
        with pytest.raises(StepRefused, match=said):
            stop(ramped, day(4), "harm", exposed_since=exposed)
        assert stop(ramped, day(6), "harm", exposed_since=exposed)["ramp"] == 1.0
    assert asked == [day(4)] * 2
    analysed = lifecycle.result(ramped, day(7), "go on", "Go on.")
    with pytest.raises(StepRefused, match=r"it was analysed later, at .* so give a later one\."):
        lifecycle.pause(analysed, day(6), "harm")
    with pytest.raises(
        StepRefused, match=r"drafted later, .* or draft the plan under another name"
    ):
        lifecycle.start(lifecycle.draft(PLAN, day(9)), day(8))
    with pytest.raises(StepRefused, match="give a later one, or take it back with pause or com"):
        lifecycle.amend(ramped, {"end": day(99)}, day(4), "slow")


@pytest.mark.parametrize("reason", [None, "", " ", 5])
def test_a_step_needs_a_reason(reason):
    """In words; a start and a result need none."""
    for step in (
        lambda: lifecycle.pause(RUNNING, day(5), reason),
        lambda: lifecycle.resume(PAUSED, day(5), reason),
        lambda: lifecycle.complete(RUNNING, day(5), reason),
        lambda: lifecycle.ramp(RUNNING, 0.5, day(5), reason),
        lambda: lifecycle.amend(RUNNING, {"end": day(50)}, day(5), reason),
    ):
        with pytest.raises(StepRefused, match=f"reason is {reason!r}; say why, in words"):
            step()


def test_changes_after_the_start_are_refused_by_name():
    """Every field that the analysis rests on, old -> new, at once with all else."""
    end = pd.Timestamp("2026-01-01")
    changes = {"size": 10, "alpha": 0.1, "end": end, "ramp": 0.05, "colour": "red"}
    with pytest.raises(StepRefused) as no:
        lifecycle.amend(RUNNING, changes, day(0), " ")
    for said in (
        "it was started later, at 2024-01-02",
        "reason is ' '; say why",
        "size 5000 -> 10: fixed at the start, for the analysis rests on it",
        "alpha 0.05 -> 0.1: fixed",
        "ramp 0.1 -> 0.05: a ramp only grows",
        "colour None -> 'red': the plan has no such field, it has name, arms",
        "end is Timestamp('2026-01-01 00:00:00'), must be a pd.Timestamp with a time zone",
    ):
        assert said in str(no.value)


def test_an_end_moves_only_while_it_is_to_come():
    """What was decided after the old end, or before the new one, must stay as it was decided."""
    assert lifecycle.amend(RUNNING, {"end": day(9)}, day(8), "long enough")["end"][:10] == (
        "2024-01-10"
    )
    for end, at in ((day(9), day(9)), (day(400), day(300))):
        with pytest.raises(StepRefused, match=r"end 2024-10-27.*: both must be still to come"):
            lifecycle.amend(RUNNING, {"end": end}, at, "slow")
    assert lifecycle.amend(RUNNING, {"end": None}, day(8), "no hurry")["end"] is None
    assert lifecycle.amend(DRAFT, {"end": day(9)}, day(8), "short")["status"] == "draft"
    with pytest.raises(StepRefused, match="label_delay is 'soon', must be a"):
        lifecycle.amend(DRAFT, {"label_delay": "soon"}, day(8), "short")


def test_a_draft_may_be_changed_and_that_is_recorded():
    """All its fields but the name, several at once, old and new; a wrong plan is refused."""
    changes = {"arms": ["control", "a"], "split": (0.6, 0.4), "versions": {"control": 1, "a": 7}}
    record = lifecycle.amend(DRAFT, changes, day(1), "b is not ready")
    assert ExperimentPlan.from_dict(record).experiment.split == (0.6, 0.4)
    assert record["events"][-1] == {
        "at": "2024-01-02T00:00:00+00:00",
        "event": "amended",
        "reason": "b is not ready",
        "changes": {
            "arms": [["control", "a", "b"], ["control", "a"]],
            "split": [[0.5, 0.3, 0.2], [0.6, 0.4]],
            "versions": [PLAN.versions, {"control": 1, "a": 7}],
        },
    }
    named = lifecycle.amend(DRAFT, {"primary": "approval_rate"}, day(1), "as in the plan")
    assert named["primary_metric"] == "approval_rate"
    assert named["events"][-1]["changes"] == {
        "primary_metric": ["profit_per_application", "approval_rate"]
    }
    held = {"holdout": {"name": "nobody", "share": 0.1}, "split": np.array([0.4, 0.4, 0.2])}
    made = lifecycle.amend(DRAFT, held, day(1), "other shapes")
    assert ExperimentPlan.from_dict(made).holdout == Holdout("nobody", 0.1)
    assert made["split"] == [0.4, 0.4, 0.2]
    for wrong, said in (
        (None, "changes is None, must be new values by field"),
        (["size"], r"changes is \['size'\], must be"),
        ({"ramp": None}, "ramp 0.1 -> None: must be a number above 0 and at most 1"),
        ({"ramp": True}, "ramp 0.1 -> True: must be a number above"),
        ({"ramp": "0.5"}, "ramp 0.1 -> '0.5': must be a number above"),
        ({"ramp": float("nan")}, "ramp 0.1 -> nan: must be a number above"),
        ({"label_delay": 90}, "label_delay is 90, must be a pd.Timedelta"),
        ({"end": 2025}, "end is 2025, must be a pd.Timestamp with a time zone"),
        ({"name": "four"}, "'three' -> 'four': a record is kept under its name"),
        ({"split": [0.5, 0.4, 0.2]}, r"sums to 1\.1"),
        ({"size": 0, "alpha": 2}, "size is 0.*alpha is 2"),
        ({"guardrails": [{"colour": 3}]}, r"guardrail {'colour': 3} must be a Guardrail\(metric"),
        ({"size": 5000}, "size is given, and nothing changes"),
        ({}, "no field is given"),
    ):
        with pytest.raises(StepRefused, match=said):
            lifecycle.amend(DRAFT, wrong, day(1), "why not")


def test_a_name_already_in_use_is_refused():
    """Another plan, or the same at another time; what differs is named."""
    other = replace(PLAN, size=10, alpha=0.1)
    with pytest.raises(StepRefused, match=r"'three' is already in use: .* is draft and differs in"):
        lifecycle.draft(other, day(0), stored=DRAFT)
    with pytest.raises(
        StepRefused, match=r"is completed and differs in size, alpha\. Give the new"
    ):
        lifecycle.draft(other, day(0), stored=COMPLETED)
    with pytest.raises(StepRefused, match="is running and was drafted at another time"):
        lifecycle.draft(PLAN, day(1), stored=RUNNING)
    with pytest.raises(StepRefused, match="plan is None, must be an ExperimentPlan"):
        lifecycle.draft(None, day(1))


def test_an_arm_without_a_model_does_not_start():
    """Each of them by name, with the versions that the registry has."""
    assert lifecycle.start(DRAFT, day(1), available=[3, 2, 1]) == RUNNING
    with pytest.raises(
        StepRefused, match=r"'a' has no model: version 2 .* has 1, 5; register it.*; arm 'b'"
    ):
        lifecycle.start(DRAFT, day(1), available=(5, 1))
    with pytest.raises(StepRefused, match=r"'control' has no model: version 1 .* has none"):
        lifecycle.start(DRAFT, day(1), available=())
    for available in (5, [None], ["a"]):
        with pytest.raises(StepRefused, match=r"available is .*, must be numbers of versions"):
            lifecycle.start(DRAFT, day(1), available=available)


def test_nobody_would_be_assigned_after_the_end():
    """It does not start then, before the end is moved, and is not resumed."""
    with pytest.raises(StepRefused, match=r"its end is 2024-10-27T00:00:00\+00:00: amend end"):
        lifecycle.start(DRAFT, day(300))
    moved = lifecycle.amend(DRAFT, {"end": day(301)}, day(300), "late")
    assert lifecycle.start(moved, day(300))["status"] == "running"
    with pytest.raises(StepRefused, match=r"its end is 2024-10-27T00:00:00\+00:00: complete it"):
        lifecycle.resume(PAUSED, day(300), "mended")


def test_results_are_kept_and_looked_at_again():
    """The latest is in the record, those before in the events; also after the end, not before."""
    record = lifecycle.result(COMPLETED, day(100), "go on", "Go on until 5,000.")
    record = lifecycle.result(record, day(200), "deploy", "Deploy a.")
    assert [record[key] for key in ("analysed", "conclusion", "verdict", "status")] == [
        day(200).isoformat(),
        "deploy",
        "Deploy a.",
        "completed",
    ]
    assert record["events"][-1]["changes"]["verdict"] == ["Go on until 5,000.", "Deploy a."]
    with pytest.raises(StepRefused, match="it is draft: start it first"):
        lifecycle.result(DRAFT, day(100), "deploy", "Deploy a.")
    with pytest.raises(StepRefused, match=r"conclusion is '', must be a text.*verdict is None"):
        lifecycle.result(COMPLETED, day(100), "", None)


@pytest.mark.parametrize("at", [pd.Timestamp("2024-01-05"), pd.NaT, "2024-01-05", None])
def test_a_time_that_is_no_instant_is_refused(at):
    """In every step."""
    for step in STEPS.values():
        with pytest.raises(StepRefused, match="must be an instant"):
            step(RUNNING, at, 0.7)
    with pytest.raises(StepRefused, match="must be an instant"):
        lifecycle.draft(PLAN, at)


def test_what_an_earlier_release_kept_is_over():
    """Completed, at its planned split from its planned start; no step leads on from there."""
    old = {"name": "old", "arms": ["a", "b"], "split": [0.7, 0.3], "versions": [1, 2]}
    (stage,) = lifecycle.stages(old | {"start": day(3).isoformat(), "conclusion": "undecided"})
    assert (stage.since, stage.shares, stage.full) == (day(3), (0.7, 0.3), True)
    assert lifecycle.stages(old)[0].since < day(-36_500)
    assert lifecycle.stages({"name": "bare"}) == ()
    for name in STEPS.keys() - {"result"}:
        with pytest.raises(StepRefused, match="it is completed: it never starts again"):
            STEPS[name](old, day(9), 0.7)
    with pytest.raises(StepRefused, match="is completed and differs in"):
        lifecycle.draft(PLAN, day(0), stored=old)
