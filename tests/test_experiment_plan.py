"""What mlops_helpers.experiment_plan promises: one record of all that is fixed, and back."""

import json
from dataclasses import fields, replace

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_helpers.assignment import Experiment, Holdout
from mlops_helpers.experiment_plan import METRICS, ExperimentPlan, Guardrail
from mlops_helpers.plan_rules import STOPS

VERSIONS = {"control": 3, "treatment": 4}
PLAN = ExperimentPlan(Experiment("v4-against-v3"), VERSIONS, "v4 earns more", 5000, 25.0)
DAYS = st.integers(0, 400).map(lambda days: pd.Timedelta(days=days))
TIMES = st.none() | DAYS.map(lambda days: pd.Timestamp("2024-01-01", tz="UTC") + days)


@st.composite
def plans(draw):
    """Any plan that can be kept."""
    weights = draw(st.lists(st.integers(1, 50), min_size=2, max_size=4))
    arms = tuple("abcd"[: len(weights)])
    split = tuple(weight / sum(weights) for weight in weights)
    primary = draw(st.sampled_from([name for name in METRICS if name != "auc_approved"]))
    rails = draw(st.sets(st.sampled_from([name for name in METRICS if name != primary])))
    start, end = draw(TIMES), draw(TIMES)
    if start is not None and end is not None and end <= start:
        end = None
    return ExperimentPlan(
        Experiment(
            draw(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1)) + "x",
            arms,
            split,
            salt=draw(st.sampled_from(["", "again"])),
            ramp=draw(st.sampled_from([0.1, 0.5, 1.0])),
        ),
        {arm: draw(st.integers(1, 9)) for arm in arms},
        draw(st.sampled_from(["earns more", "größer ist besser"])),
        draw(st.integers(2, 10**7)),
        draw(st.floats(1e-6, 1e6)),
        primary=primary,
        guardrails=tuple(Guardrail(name, draw(st.floats(1e-6, 0.99))) for name in sorted(rails)),
        stop=draw(st.sampled_from(STOPS)),
        alpha=draw(st.floats(1e-6, 0.49)),
        covariate=draw(st.sampled_from([None, "credit_score"])),
        label_delay=draw(DAYS),
        start=start,
        end=end,
        holdout=draw(st.sampled_from([None, Holdout("held out", 0.05, "salt")])),
    )


@given(plans())
def test_a_plan_comes_back_from_its_record(plan):
    """Through JSON text, with every field, whatever else stands in the record."""
    record = json.loads(json.dumps(plan.to_dict() | {"status": "draft", "events": []}))
    assert ExperimentPlan.from_dict(record) == plan
    assert ExperimentPlan.from_dict(record).to_dict() == plan.to_dict()


@given(plans())
def test_every_arm_has_its_share_of_the_size(plan):
    """Control exactly `size`; the others at least in proportion to it, by less than one more."""
    needed, split = plan.needed(), plan.experiment.split
    assert list(needed) == list(plan.arms)
    assert needed[plan.arms[0]] == plan.size
    for arm, share in zip(plan.arms, split, strict=True):
        exact = plan.size * share / split[0]
        assert exact * (1 - 1e-8) - 1e-6 <= needed[arm] < exact * (1 + 1e-8) + 1


@pytest.mark.parametrize(
    ("split", "needed"), [((0.1, 0.3, 0.6), (100, 300, 600)), ((0.3, 0.1, 0.6), (100, 34, 200))]
)
def test_what_a_computer_makes_of_a_share_needs_no_unit_more(split, needed):
    """0.6 / 0.3 is 2, and a third of a unit is a unit."""
    arms = ("a", "b", "c")
    three, versions = Experiment("three", arms, split), dict.fromkeys(arms, 1)
    plan = replace(PLAN, experiment=three, versions=versions, size=100)
    assert tuple(plan.needed().values()) == needed


def test_the_record_has_the_keys_that_others_read():
    """Flat: the fields of the assignment, then the plan's own; nothing else."""
    record = PLAN.to_dict()
    own = {field.name for field in fields(ExperimentPlan)} - {"experiment", "primary"}
    assert set(record) == own | set(PLAN.experiment.to_dict()) | {"primary_metric"}
    assert (record["name"], record["arms"]) == ("v4-against-v3", ["control", "treatment"])
    assert record["versions"] == VERSIONS
    assert record["label_delay"] == "P0DT0H0M0S"


def test_the_same_instant_is_the_same_plan():
    """In another zone: kept in UTC."""
    when = pd.Timestamp("2024-06-01", tz="Europe/Berlin")
    record = replace(PLAN, start=when).to_dict()
    assert record["start"] == "2024-05-31T22:00:00+00:00"
    assert ExperimentPlan.from_dict(record) == replace(PLAN, start=when)


def test_a_record_that_is_no_whole_plan_is_refused():
    """What earlier releases kept says neither size nor stop rule; each missing field is named."""
    old = {"name": "old", "arms": ["a", "b"], "split": [0.5, 0.5], "cutoff": 0.2, "salt": ""}
    with pytest.raises(
        ValueError, match=r"'old' lacks ramp, versions, hypothesis, size, .*new name"
    ):
        ExperimentPlan.from_dict(old)


def test_a_plan_that_is_wrong_is_refused_with_its_name():
    """All faults in one sentence (each of them: test_plan_rules), also out of a record."""
    with pytest.raises(ValueError, match=r"'v4-against-v3' cannot be kept: .*hypothesis.*; size"):
        replace(PLAN, hypothesis=" ", size=0)
    with pytest.raises(ValueError, match=r"size is 0"):
        ExperimentPlan.from_dict(PLAN.to_dict() | {"size": 0})
    with pytest.raises(ValueError, match=r"sums to 0\.9"):
        ExperimentPlan.from_dict(PLAN.to_dict() | {"split": [0.5, 0.4]})


def test_versions_are_in_the_order_of_the_arms_and_the_plans_own():
    """Who changes the mapping that he gave changes no plan."""
    mine = {"treatment": 4, "control": 3}
    plan = replace(PLAN, versions=mine)
    mine["treatment"] = 9
    assert list(plan.versions.items()) == [("control", 3), ("treatment", 4)]
