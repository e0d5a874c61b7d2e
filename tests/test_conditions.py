"""What must hold before anything changes, asked of a state that needs no store."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest

from mlops_helpers.conditions import (
    after_promotion,
    back_to,
    objection,
    refuse_role,
    told,
)
from mlops_helpers.gate import Finding, GateVerdict
from mlops_helpers.journal import Event
from mlops_helpers.state import State
from mlops_helpers.store_errors import RegistryError

WHEN = pd.Timestamp("2023-12-01", tz="UTC")
HERE = ("credit", "sqlite://")
PASSED = (("passes", Finding(True, "always")),)


def state(*kinds, aliases=None):
    """A registry of two versions after some events about version 2."""
    events = [
        Event.new(n, kind, 2, when=WHEN, champions=0) for n, kind in enumerate(kinds, start=1)
    ]
    return State({1: None, 2: None}, aliases or {}, events)


@pytest.mark.parametrize(
    ("kinds", "words"),
    [
        (["gate passed"], ""),
        ([], "no verdict about it is stored here"),
        (["gate passed", "gate refused"], "the gate has refused it since"),
        (["gate refused", "gate passed"], ""),
        (["gate passed", "archived"], "it is archived"),
        (["gate passed", "archived", "restored"], "it was restored after the gate judged it"),
        (["archived", "gate passed", "restored"], "it was restored after the gate judged it"),
        (["archived", "restored", "gate passed"], ""),
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
    assert "against no champion, but version 1 serves now" in objection(now, 2, verdict, HERE)


def test_a_verdict_that_its_holder_rewrote_does_not_count():
    """Brought up to date by hand, or of a class that never objects: what is stored decides."""
    now = State({1: None, 2: None}, {"champion": 1}, state("gate passed", "promoted").events)
    forged = replace(GateVerdict(2, None, PASSED, HERE, 0), compared_with=1, champions=1)
    assert "the champion has changed since the verdict that is stored" in objection(
        now, 2, forged, HERE
    )

    class Obliging(GateVerdict):
        def objection(self, *_):
            return ""

    assert "a Obliging is no verdict" in objection(now, 2, Obliging(2, None, PASSED), HERE)
    old = State({2: None}, {}, [Event.new(1, "gate passed", 2, when=WHEN)])  # of an older package
    assert "run the gate again" in objection(old, 2, GateVerdict(2, None, PASSED, HERE, 0), HERE)


def served(*champions, last="promoted", archived=()):
    """A registry whose champion was each of these in turn; the last change is of this kind."""
    kinds = ["promoted"] * (len(champions) - 1) + [last]
    events = [
        Event.new(n, kind, champion, when=WHEN, after={"champion": champion})
        for n, (kind, champion) in enumerate(zip(kinds, champions, strict=True), start=1)
    ]
    events += [Event.new(99, "archived", version, when=WHEN) for version in archived]
    return State({1: None, 2: None, 3: None}, {"champion": champions[-1], "previous": 1}, events)


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (served(1, 2), 1),
        (served(1, 2, 3, last="moved outside"), 2),
        (served(1, 2, 3, last="overtaken"), 2),
        (served(1, 2, 3, last="moved outside", archived=[2]), None),
        (served(1, 7, 3, last="moved outside"), None),
        (served(3, last="moved outside"), 1),
        (State({}, {}, []), None),
    ],
)
def test_a_rollback_goes_to_who_served_before(now, expected):
    """By the alias, or by the history if a hand moved the champion past it."""
    assert back_to(now) == expected


def test_the_aliases_after_a_promotion():
    """Nobody has two; who served is where a rollback goes."""
    assert after_promotion({}, 1) == {"champion": 1}
    assert after_promotion({"champion": 1, "challenger": 2}, 2) == {"champion": 2, "previous": 1}
    assert after_promotion({"champion": 2, "previous": 1, "challenger": 3}, 1) == {
        "champion": 1,
        "previous": 2,
        "challenger": 3,
    }


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
