"""A message says in words what happened, the same in every attempt, on lines of its own making."""

import json

import pandas as pd
import pytest

from mlops_helpers.messages import Message

FEBRUARY = pd.Timestamp("2024-02-01", tz="UTC")
ALERT = {
    "alert_id": "a1",
    "rule": "score drift",
    "metric": "psi",
    "subject": "age",
    "model_version": 2,
    "severity": "high",
    "status": "open",
    "value": 0.31415926,
    "limit": 0.1,
    "times_seen": 3,
    "opened_at": pd.Timestamp("2024-01-01", tz="UTC"),
    "last_seen_at": FEBRUARY,
    "resolved_at": pd.NaT,
    "action": "look at the feed",
    "owner": "credit risk",
}


def message(event="opened", **other):
    """A message about the alert, with other fields."""
    return Message.of({**ALERT, **other}, delivery_id="d1", event=event, event_at=FEBRUARY)


def test_it_says_what_since_when_whose_and_what_to_do():
    """Everything that a person needs who has nothing but this text."""
    assert message().title == "[high] score drift (age) opened"
    assert message().text.splitlines() == [
        "What: psi of age, model version 2: value 0.3142 against a limit of 0.1.",
        "Opened: 2024-02-01 00:00 UTC.",
        "Since: 2024-01-01 00:00 UTC, seen in 3 windows.",
        "Severity: high.",
        "Owner: credit risk.",
        "What to do: look at the feed",
        "Alert: a1",
    ]


def test_what_is_not_known_is_said_so():
    """No owner, no advice, no subject, no version, no value: words, not gaps."""
    empty = message(owner="", action="", subject="", model_version=0, value=float("nan"))
    assert empty.title == "[high] score drift opened"
    assert "psi of all: value not known against" in empty.text
    assert "Owner: nobody is named" in empty.text
    assert "What to do: the rule does not say" in empty.text


def test_a_recovery_asks_for_nothing():
    """When it is over, the rule's advice is not repeated."""
    assert "What to do: nothing more; it is over." in message("resolved", times_seen=1).text
    assert "seen in 1 window." in message("resolved", times_seen=1).text


@pytest.mark.parametrize("nasty", ["a\r\nBcc: x@y.z", "a\x00b\x1b[31m", "a\u2028b\u202eb", "a\tb"])
def test_no_name_becomes_a_line(nasty):
    """Line breaks and control characters in names are blanks in the message."""
    told = message(subject=nasty, rule=nasty, action=nasty, owner=nasty)
    assert told.title.isprintable()
    assert len(told.text.splitlines()) == 7
    assert all(line.isprintable() for line in told.text.splitlines())


def test_a_long_title_is_cut():
    """A list of mails shows a line."""
    assert len(message(rule="r" * 1000).title) == 150


def test_json_and_back():
    """What was stored is what is sent, byte for byte; a missing value is null, not NaN."""
    for one in (message(), message(value=float("nan")), message("resolved", owner="Ä ß €")):
        text = one.to_json()
        assert Message.from_json(text) == one
        assert Message.from_json(text).to_json() == text
    assert '"value": null' in message(value=float("nan")).to_json()


def test_a_message_of_another_version_is_read():
    """Unknown fields are ignored, and what an older version did not write is empty."""
    record = json.loads(message().to_json())
    assert Message.from_json(json.dumps(record | {"colour": "red"})) == message()
    for name in ("owner", "action", "severity", "value", "times_seen", "opened_at"):
        del record[name]
    older = Message.from_json(json.dumps(record))
    assert (older.owner, older.value, older.opened_at) == ("", None, older.event_at)
    assert len(older.text.splitlines()) == 7


@pytest.mark.parametrize(
    "text",
    ["", "{", "{}", "[]", "5", "null"]
    + [
        json.dumps({"delivery_id": "d", "alert_id": "a", "event": "opened", "rule": "r"} | more)
        for more in (
            {"event_at": "2024-01-01"},
            {"event_at": "2024-01-01T00:00Z", "event": "exploded"},
            {"event_at": "2024-01-01T00:00Z", "value": "much"},
            {"event_at": None},
        )
    ],
)
def test_what_is_no_message_is_refused_in_a_sentence(text):
    """ValueError, whatever is wrong with it."""
    with pytest.raises(ValueError, match="the stored message cannot be read"):
        Message.from_json(text)
