"""What mlops_helpers.lifecycle_rules promises: each reason against a step, in a clause."""

import math

import pandas as pd
import pytest

from mlops_helpers.lifecycle_rules import is_over, refused_changes, refused_end, without_model

END = "2024-06-01T00:00:00+00:00"
DRAFT = {"name": "first", "size": 100, "ramp": 0.1, "end": END, "status": "draft", "events": []}
RUNNING = DRAFT | {"status": "running"}


@pytest.mark.parametrize(
    ("record", "key", "new", "said"),
    [
        (DRAFT, "size", 5, None),
        (RUNNING, "size", 5, "fixed at the start"),
        (RUNNING, "ramp", 0.2, None),
        (RUNNING, "ramp", 0.05, "a ramp only grows"),
        (DRAFT, "ramp", 0.05, None),
        *(
            (one, "ramp", x, f"a number above {least} and at most 1")
            for one, least in ((DRAFT, 0), (RUNNING, 0.1))
            for x in ("1", None, True)
        ),
        (RUNNING, "ramp", math.nan, "a number above 0.1 and at most 1"),
        (DRAFT, "name", "other", "a record is kept under its name"),
        (DRAFT, "status", "running", "the plan has no such field, it has name, size"),
    ],
)
def test_a_change_is_allowed_or_told(record, key, new, said):
    """By field, old and new; None where it may be made."""
    found = list(refused_changes(record, {key: [record.get(key), new]}))
    assert [each[:2] for each in found] == ([] if said is None else [(key, record.get(key))])
    assert all(said in each[3] for each in found)


def test_an_end_is_still_to_come():
    """The old one and the new one, unless it is a draft; after it nothing starts."""
    late = "2024-07-01T00:00:00+00:00"
    assert refused_end(RUNNING, late, "2024-05-01T00:00:00+00:00") == []
    assert refused_end(DRAFT, late, late) == refused_end(RUNNING, END, late) == []
    (said,) = refused_end(RUNNING, late, END)
    assert "both must be still to come" in said
    assert is_over(RUNNING, pd.Timestamp(END), "complete it") == [f"its end is {END}: complete it"]
    assert is_over(RUNNING, pd.Timestamp("2024-05-31", tz="UTC"), "complete it") == []
    assert is_over(RUNNING | {"end": None}, pd.Timestamp(late), "complete it") == []


def test_arms_without_a_model_are_named():
    """Each with its version and those that are there; what are no versions is told."""
    assert without_model({"a": 1}, iter([1, 2])) == []
    (said,) = without_model({"a": 1, "b": 3}, [1, 2])
    assert "arm 'b' has no model: version 3 is not in the registry, which has 1, 2" in said
    for wrong in (5, [None], ["a"]):
        (said,) = without_model({"a": 1}, wrong)
        assert f"available is {wrong!r}, must be numbers of versions" in said
