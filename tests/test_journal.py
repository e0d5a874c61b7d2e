"""Events are tags: written and read back the same, numbered, and enough to complete a change."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from mlops_helpers.journal import (
    LONGEST,
    UNREADABLE,
    Event,
    checked_text,
    events_in,
    forgotten_versions,
    moment,
    moved_outside,
    roles_after,
    still_to_move,
)

WHEN = pd.Timestamp("2023-12-01", tz="UTC")
BEFORE, AFTER = {"champion": 1, "challenger": 2}, {"champion": 2, "previous": 1}


def event(number=1, kind="promoted", version=2, **more):
    """An event of that day."""
    return Event.new(number, kind, version, when=WHEN, **more)


def test_an_event_survives_its_tag():
    """What was written is what is read, whatever is in the words."""
    told = event(replaced=1, by="Ann", reason='two\nlines, "信用"', before=BEFORE, after=AFTER)
    (found,) = events_in([(None, {told.key: told.text(), "other": "no event"})])
    assert found == told
    assert found.key == told.key


def test_events_come_in_order_and_a_copy_counts_once():
    """Tags are a set; the numbers order them, also beyond a million and among versions."""
    some = [event(number) for number in (10, 9, 1_000_001, 2)]
    tags = {e.key: e.text() for e in some}
    found = events_in([(None, tags), (2, {some[0].key: some[0].text()})])
    assert [e.number for e in found] == [2, 9, 10, 1_000_001]


def test_an_event_without_a_version_is_about_what_it_is_stored_with():
    """The event of a registration is written before MLflow has numbered the version."""
    told = event(kind="registered", version=None)
    (found,) = events_in([(7, {told.key: told.text()})])
    assert found.version == 7


GOOD = {"event": "promoted", "when": WHEN.isoformat(), "version": 2}


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("event.x", json.dumps(GOOD)),
        ("event.000001", json.dumps(GOOD)),
        ("event.999999999999999999999.ab", json.dumps(GOOD)),
        ("event.000001.ab", "hi"),
        ("event.000001.ab", "[" * 100_000),
        ("event.000001.ab", "[]"),
        ("event.000001.ab", "{}"),
        *(
            ("event.000001.ab", json.dumps(GOOD | wrong))
            for wrong in (
                *({"event": None}, {"when": "soon"}, {"when": "2023-01-01"}, {"version": "2"}),
                *({"after": {"champion": "2"}}, {"after": []}, {"pending": 1}, {"checks": "none"}),
                *({"reason": 7}, {"replaced": 1.5}, {"champions": True}, {"rows": {"n": 1}}),
                *({"rows": None}, {"by": None}),
            )
        ),
    ],
)
def test_what_this_package_did_not_write_is_named(key, text):
    """It says nothing about any version, moves nothing, and counts as number 0."""
    (found,) = events_in([(3, {key: text})])
    assert (found.event, found.number, found.version) == (UNREADABLE, 0, 3)
    assert (found.after, found.pending, found.when) == (None, False, "")
    assert key[:20] in found.reason
    good = event(5)
    assert events_in([(3, {key: text, good.key: good.text()})])[1] == good


def test_two_processes_that_count_the_same_number_lose_nothing():
    """The keys differ by chance letters."""
    assert event(5).key != event(5).key


@pytest.mark.parametrize("letter", ["x", "信", "\n", "\x01", '"'])
def test_the_longest_texts_fit_where_postgresql_keeps_them(letter):
    """5,000 characters with everything; what escaping makes too long is cut and says so."""
    told = event(
        by=letter * LONGEST["by"],
        reason=letter * LONGEST["reason"],
        before=dict(BEFORE, previous=999_999),
        after=dict(AFTER, challenger=999_999),
        pending=True,
    )
    text = told.text()
    assert len(text) <= 5000
    kept = json.loads(text)["reason"]
    assert kept == told.reason or kept.endswith("…")
    assert kept == told.reason or letter == "\x01", "only control characters take that much"


def test_a_pending_change_is_completed_in_an_order_that_keeps_a_champion():
    """First where to go back to, then who serves, then what goes away; and nothing twice."""
    told = event(before=BEFORE, after=AFTER, pending=True)
    assert list(still_to_move(told, BEFORE).items()) == [
        ("previous", 1),
        ("champion", 2),
        ("challenger", None),
    ]
    assert still_to_move(told, BEFORE | {"previous": 1}) == {"champion": 2, "challenger": None}
    assert still_to_move(told, AFTER) == {}


def test_what_somebody_else_moved_is_left_alone():
    """Neither where it was nor where it should be: a decision taken since."""
    told = event(before=BEFORE, after=AFTER, pending=True)
    assert "champion" not in still_to_move(told, BEFORE | {"champion": 3})


def test_a_change_counts_once_it_is_journalled():
    """Readers see where the aliases are going; other people's aliases are not ours."""
    told = event(before=BEFORE, after=AFTER, pending=True)
    assert roles_after(BEFORE | {"prod": 1}, [told]) == AFTER
    assert roles_after(BEFORE, [told.done()]) == BEFORE


def test_moves_without_an_event_are_found():
    """By alias, with both versions; none if the last change did not say where it left them."""
    told = event(before=BEFORE, after=AFTER)
    assert moved_outside([told], AFTER) == []
    assert moved_outside([told], {"champion": 1, "challenger": 3}) == [
        ("champion", 2, 1),
        ("challenger", None, 3),
        ("previous", 1, None),
    ]
    assert moved_outside([], {"champion": 1}) == [("champion", None, 1)]
    assert moved_outside([event(kind="promoted")], {"champion": 1}) == []


def test_versions_that_are_gone_without_a_word():
    """Given away, not there, and not on record as deleted."""
    events = [event(1, "promoted", 5), event(2, "deleted", 2)]
    assert forgotten_versions(events, [1, 4]) == [3, 5]
    assert forgotten_versions([], []) == []


def test_texts_are_checked_before_anything_is_written():
    """A text comes back as it is; half a character, a number and too much are refused."""
    assert checked_text("by", "Ann") == "Ann"
    for value, words in (("\udc80", "half a character"), (7, "is a int"), ("x" * 201, "201 char")):
        with pytest.raises(ValueError, match=words):
            checked_text("by", value)


def test_moments_are_aware_and_in_utc():
    """Another zone is converted, a naive time and no time refused, none is the clock's."""
    berlin = pd.Timestamp("2023-12-01 01:00", tz="Europe/Berlin")
    assert moment(berlin).isoformat() == "2023-12-01T00:00:00+00:00"
    assert moment(None).tzinfo is not None
    with pytest.raises(ValueError, match="when == 'nonsense', must be a time such as"):
        moment("nonsense")
    for naive in (pd.Timestamp("2023-12-01"), pd.NaT):
        with pytest.raises(ValueError, match="must carry a time zone"):
            moment(naive)
