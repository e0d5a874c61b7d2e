"""Who is in which arm at a moment."""

import numpy as np
import pandas as pd
import pytest

from mlops_helpers import lifecycle
from mlops_helpers.assignment import Experiment, Holdout
from mlops_helpers.enrolment import HELD, HOLDOUT, NOBODY, Enrolment
from mlops_helpers.experiment_plan import ExperimentPlan

UNITS = pd.Series([f"loan-{number}" for number in range(2_000)])
ARMS = ("control", "b", "c")


def day(text: str) -> pd.Timestamp:
    """Midnight, UTC."""
    return pd.Timestamp(text, tz="UTC")


def plan_of(**changes) -> ExperimentPlan:
    """Three arms, with what a test changes."""
    given = {
        "experiment": Experiment("x", arms=ARMS, split=(0.4, 0.3, 0.3), ramp=0.2),
        "versions": {"control": 1, "b": 2, "c": 3},
        "hypothesis": "they earn more",
        "size": 100,
        "smallest_effect": 50.0,
    }
    return ExperimentPlan(**given | changes)


def life(plan: ExperimentPlan):
    """Started in January, ramped in February, a pause in March, completed in May."""
    record = lifecycle.draft(plan, day("2023-12-01"))
    record = lifecycle.start(record, day("2024-01-01"))
    record = lifecycle.ramp(record, 1.0, day("2024-02-01"), "no complaints")
    record = lifecycle.pause(record, day("2024-03-01"), "a broken feed")
    record = lifecycle.resume(record, day("2024-04-01"), "mended")
    return lifecycle.complete(record, day("2024-05-01"), "enough")


def at(enrolment: Enrolment, when: str) -> np.ndarray:
    """The numbers of all units at one moment."""
    return enrolment.numbers(UNITS, pd.Series([pd.Timestamp(when, tz="UTC")] * len(UNITS)))


@pytest.mark.parametrize(
    ("when", "ramp"),
    [
        ("2023-12-31 23:59:59.999999", None),
        ("2024-01-01", 0.2),
        ("2024-01-31 23:59:59.999999", 0.2),
        ("2024-02-01", 1.0),
        ("2024-03-01", None),
        ("2024-03-31 23:59:59.999999", None),
        ("2024-04-01", 1.0),
        ("2024-05-01", None),
        ("2030-01-01", None),
    ],
)
def test_what_was_in_force_at_that_moment_counts(when, ramp):
    """From each event on, to the microsecond: the ramp of then, or nobody at all."""
    plan = plan_of()
    found = at(Enrolment.of(plan, life(plan)), when)
    if ramp is None:
        assert (found == NOBODY).all()
    else:
        expected = plan.experiment.at(ramp).assign(UNITS)
        assert [ARMS[number] for number in found] == expected.tolist()


def test_one_list_may_span_all_stages():
    """Each unit follows its own time, in whatever order and zone the times come."""
    plan = plan_of()
    enrolment = Enrolment.of(plan, life(plan))
    moments = ["2023-12-15", "2024-01-15", "2024-02-15", "2024-03-15", "2024-04-15", "2024-06-15"]
    chosen = np.random.default_rng(1).integers(0, len(moments), len(UNITS))
    times = pd.Series(pd.to_datetime(moments)[chosen].tz_localize("UTC"))
    found = enrolment.numbers(UNITS, times.dt.tz_convert("Asia/Tokyo"))
    for place, moment in enumerate(moments):
        assert (found == at(enrolment, moment))[chosen == place].all()


def test_a_record_may_be_read_as_it_was():
    """Until a moment: what happened later is left out, though the record holds it."""
    plan = plan_of()
    enrolment = Enrolment.of(plan, life(plan), day("2024-02-15"))
    assert at(enrolment, "2024-06-01").tolist() == at(enrolment, "2024-02-01").tolist()
    assert (at(Enrolment.of(plan, life(plan), day("2023-12-15")), "2024-06-01") == NOBODY).all()


def test_a_draft_and_a_record_of_an_earlier_release_enrol_nobody():
    """The first has not begun; of the second nothing is known but that it is over."""
    plan = plan_of()
    draft = lifecycle.draft(plan, day("2023-12-01"))
    amended = lifecycle.amend(draft, {"ramp": 0.5}, day("2023-12-02"), "a bolder start")
    for record in (draft, amended, plan.to_dict()):
        assert (at(Enrolment.of(plan, record), "2024-06-01") == NOBODY).all()
    begun = lifecycle.start(amended, day("2024-01-01"))
    found = at(Enrolment.of(plan, begun), "2024-01-01")
    expected = plan.experiment.at(0.5).assign(UNITS)
    assert [ARMS[number] for number in found] == expected.tolist()


def test_the_planned_end_is_the_end():
    """From `end` on nobody is enrolled, whether or not somebody completed it."""
    plan = plan_of(end=day("2024-02-01"))
    enrolment = Enrolment.always(plan, running=True)
    assert (at(enrolment, "2024-01-31 23:59:59.999999") >= 0).all()
    assert (at(enrolment, "2024-02-01") == NOBODY).all()
    assert (at(Enrolment.always(plan, running=False), "2024-01-01") == NOBODY).all()


def test_nobody_is_enrolled_before_the_planned_start():
    """Though it was started early: the plan says when it is meant to run."""
    plan = plan_of(start=day("2024-01-20"))
    for enrolment in (Enrolment.always(plan, running=True), Enrolment.of(plan, life(plan))):
        assert (at(enrolment, "2024-01-19 23:59:59.999999") == NOBODY).all()
        assert (at(enrolment, "2024-01-20") >= 0).all()


@pytest.mark.parametrize("unit", [12.0, True, b"x", None, ("t",)])
@pytest.mark.parametrize("running", [True, False])
def test_what_is_no_id_is_refused_in_every_state(unit, running):
    """An id that a pause lets pass would be another unit when it is over."""
    units = pd.Series(["loan-1", unit], dtype=object)
    times = pd.Series([day("2024-01-01")] * 2)
    with pytest.raises(ValueError, match="unit 1"):
        Enrolment.always(plan_of(), running=running).numbers(units, times)


@pytest.mark.parametrize("until", [pd.NaT, "2024", 5, pd.Timestamp("2024-01-01")])
def test_a_record_is_read_until_an_instant(until):
    """Anything else would hide all of its events."""
    plan = plan_of()
    with pytest.raises(ValueError, match="must be an instant"):
        Enrolment.of(plan, life(plan), until)


def test_the_held_out_are_so_in_every_state():
    """Before, during, in pauses and after: the same units, and no others change their arm."""
    plan = plan_of(holdout=Holdout("kept out", 0.1))
    held = plan.holdout.holds(UNITS)
    with_holdout = Enrolment.of(plan, life(plan))
    without = Enrolment.of(plan_of(), life(plan_of()))
    for when in ("2023-12-31", "2024-01-15", "2024-02-15", "2024-03-15", "2024-06-01"):
        found = at(with_holdout, when)
        assert (found[held] == HELD).all()
        assert (found[~held] == at(without, when)[~held]).all()


def test_numbers_have_the_names_of_the_log():
    """An arm, the holdout, nothing."""
    enrolment = Enrolment.always(plan_of(holdout=Holdout("kept out", 0.1)), running=True)
    assert enrolment.names(2) == ("x", "c")
    assert enrolment.names(HELD) == ("kept out", HOLDOUT)
    assert enrolment.names(NOBODY) == (None, None)


def test_nobody_to_enrol():
    """No units, no numbers."""
    none = pd.Series([], dtype="datetime64[us, UTC]")
    enrolment = Enrolment.always(plan_of(holdout=Holdout("kept out", 0.1)), running=True)
    assert enrolment.numbers(pd.Series([], dtype="str"), none).shape == (0,)
