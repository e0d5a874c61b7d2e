"""What must hold before anything changes, asked of a state that needs no store."""

from __future__ import annotations

import pandas as pd
import pytest

from mlops_helpers.conditions import champions_so_far, objection, refuse_role, told
from mlops_helpers.gate import Finding, GateVerdict
from mlops_helpers.journal import Event
from mlops_helpers.store_errors import RegistryError
from mlops_helpers.versions import State

WHEN = pd.Timestamp("2023-12-01", tz="UTC")
HERE = ("credit", "sqlite://")
PASSED = (("passes", Finding(True, "always")),)


def state(*kinds, aliases=None):
    """A registry of two versions after some events about version 2."""
    events = [Event.new(n, kind, 2, when=WHEN) for n, kind in enumerate(kinds, start=1)]
    return State({1: None, 2: None}, aliases or {}, events)


def test_every_change_of_champion_counts():
    """A promotion, a rollback, a hand in MLflow and another machine; nothing else."""
    kinds = ["registered", "promoted", "rolled back", "moved outside", "overtaken", "archived"]
    assert champions_so_far(state(*kinds)) == 4


@pytest.mark.parametrize(
    ("kinds", "words"),
    [
        (["gate passed"], ""),
        ([], "no verdict about it is stored here"),
        (["gate passed", "gate refused"], "the gate has refused it since"),
        (["gate refused", "gate passed"], ""),
        (["gate passed", "archived"], "it is archived"),
        (["gate passed", "archived", "restored"], ""),
    ],
)
def test_the_last_word_about_a_version_counts(kinds, words):
    """Of the gate, and of whoever put it aside."""
    verdict = GateVerdict(2, None, PASSED, HERE, 0)
    found = objection(state(*kinds), 2, verdict, HERE)
    assert found.startswith(words) if words else found == ""


def test_a_verdict_is_one_of_this_champion():
    """Reached against nobody, it is worth nothing once somebody serves."""
    verdict = GateVerdict(2, None, PASSED, HERE, 0)
    now = state("gate passed", aliases={"champion": 1})
    assert "judged against champion None, but it is 1 now" in objection(now, 2, verdict, HERE)


def test_a_role_protects():
    """Only the roles that are asked about, and only of that version."""
    with pytest.raises(RegistryError, match="version 1 is champion and previous and cannot be del"):
        refuse_role(1, {"champion": 1, "previous": 1}, ("champion", "previous"), "deleted")
    refuse_role(2, {"champion": 1}, ("champion",), "deleted")
    refuse_role(1, {"challenger": 1}, ("champion",), "archived")


def test_a_reason_is_asked_for_where_it_is_needed():
    """Blank is no reason; elsewhere it may be left out."""
    assert told("Ann", "") == {"by": "Ann", "reason": ""}
    with pytest.raises(ValueError, match="say why you roll back"):
        told("Ann", " \n", needed="roll back")
    with pytest.raises(ValueError, match="reason is a int"):
        told("Ann", 7, needed="roll back")
