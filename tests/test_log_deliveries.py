"""A delivery is one deliverer's at a time, comes in order, and is never lost."""

import pandas as pd
import pytest

from mlops_helpers.predictions import PredictionLog
from tests.alerted import DAY, JANUARY, alert, alerts

NOON = JANUARY + pd.Timedelta(hours=12)
MINUTE = pd.Timedelta(minutes=1)


@pytest.fixture
def log(store_url):
    """An open, empty log."""
    with PredictionLog(store_url) as log:
        yield log


def claim(log, *, at=NOON, until=NOON + MINUTE, channel="mail"):
    """The claims on all that is due on a channel."""
    due = log.outbox.due(channel, when=at, now=at)
    return [log.outbox.claim(d, when=at, now=at, until=until) for d in due]


def test_a_claim_is_exclusive_until_it_runs_out(log):
    """Nobody else gets a claimed delivery; after the claim it is the next one's, as attempt 2."""
    log.append_alerts(alert(), channels=["mail", "hook"])
    assert log.outbox.channels(NOON) == ["hook", "mail"]
    (first,) = claim(log)
    assert (first.attempt, first.channel, first.message.subject) == (1, "mail", "feature 0")
    assert claim(log) == []
    assert log.outbox.claim(first.delivery_id, when=NOON, now=NOON, until=NOON + MINUTE) is None
    assert log.outbox.channels(NOON) == ["hook"]
    later = NOON + MINUTE
    (second,) = claim(log, at=later, until=later + MINUTE)
    assert (second.attempt, second.delivery_id) == (2, first.delivery_id)


def test_what_is_not_due_yet_is_left_alone(log):
    """Neither before its event, nor before its next attempt."""
    log.append_alerts(alert(day=1, opened=1), channels=["mail"])
    assert claim(log, at=NOON) == []
    (one,) = claim(log, at=JANUARY + DAY, until=JANUARY + DAY + MINUTE)
    log.outbox.failed(one, told="no", retry_at=JANUARY + 2 * DAY)
    assert claim(log, at=JANUARY + 2 * DAY - MINUTE) == []
    assert len(claim(log, at=JANUARY + 2 * DAY)) == 1


def test_what_is_about_one_alert_comes_in_order(log):
    """The recovery waits for the opening of its alert on its channel, for no other."""
    log.append_alerts(alert(1, day=1, status="resolved"), channels=["mail", "hook"])
    log.append_alerts(alert(2, day=1, status="resolved"), channels=["mail"])
    late = JANUARY + 2 * DAY
    opened = claim(log, at=late, until=late + MINUTE)
    assert [one.message.event for one in opened] == ["opened", "opened"]
    log.outbox.sent(opened[0], when=late)
    (resolved,) = claim(log, at=late, until=late + MINUTE)
    assert (resolved.message.event, resolved.message.alert_id) == (
        "resolved", opened[0].message.alert_id,
    )  # fmt: skip
    log.outbox.failed(opened[1], told="gone", retry_at=None)
    (other,) = claim(log, at=late, until=late + MINUTE)
    assert other.message.event == "resolved"


def test_a_claim_that_was_lost_cannot_undo_anything(log):
    """The slow one's failure is not written over the other's claim or success; its success is."""
    log.append_alerts(alerts(2), channels=["mail"])
    slow = claim(log)
    later = NOON + MINUTE
    quick = claim(log, at=later, until=later + MINUTE)
    log.outbox.failed(slow[0], told="slow", retry_at=later)
    assert claim(log, at=later) == [], "the quick one still holds it"
    log.outbox.sent(quick[0], when=later)
    log.outbox.failed(slow[0], told="slow", retry_at=None)
    log.outbox.sent(slow[1], when=NOON)
    log.outbox.failed(quick[1], told="quick", retry_at=later)
    assert log.deliveries()["status"].tolist() == ["sent", "sent"]
    assert log.deliveries()["last_error"].tolist() == ["", ""]


def test_what_was_given_up_stays_and_can_be_taken_up(log):
    """It is in the log with its error; requeued it is due as if new, one channel or all."""
    log.append_alerts(alert(), channels=["mail", "hook"])
    for channel in ("mail", "hook"):
        for one in claim(log, channel=channel):
            log.outbox.failed(one, told="gone", retry_at=None)
    given_up = log.deliveries("given up")
    assert given_up["last_error"].tolist() == ["gone", "gone"]
    assert log.outbox.requeue(when=NOON, channel="mail") == 1
    assert log.outbox.requeue(when=NOON) == 1
    assert log.outbox.requeue(when=NOON) == 0
    assert log.deliveries("pending")["attempts"].tolist() == [0, 0]
    assert len(claim(log)) == 1


def test_what_a_later_event_has_overtaken_is_not_taken_up(log):
    """ "opened" was given up, "resolved" went out: telling "opened" now would be false."""
    log.append_alerts(alert(1, day=1, status="resolved"), channels=["mail", "hook"])
    log.append_alerts(alert(2, day=1, status="resolved"), channels=["mail"])
    late = JANUARY + 2 * DAY
    for channel in ("mail", "hook"):
        for one in claim(log, at=late, until=late + MINUTE, channel=channel):
            log.outbox.failed(one, told="gone", retry_at=None)
    for one in claim(log, at=late, until=late + MINUTE):
        if one.message.alert_id == "alert-1":
            log.outbox.sent(one, when=late)
        else:
            log.outbox.failed(one, told="gone", retry_at=None)
    assert log.outbox.requeue(when=late) == 3, "hook's opened; both events of alert 2"
    left = log.deliveries("given up")
    assert left[["alert_id", "event", "channel"]].to_numpy().tolist() == [
        ["alert-1", "opened", "mail"]
    ]


def test_sent_once_is_when_it_was_sent(log):
    """The slow one's success does not overwrite the time and the words of the first."""
    log.append_alerts(alert(), channels=["mail"])
    (slow,) = claim(log)
    later = NOON + MINUTE
    (quick,) = claim(log, at=later, until=later + MINUTE)
    log.outbox.sent(quick, when=later, told="bob refused")
    log.outbox.sent(slow, when=later + DAY)
    row = log.deliveries().iloc[0]
    assert [row["sent_at"], row["last_error"]] == [later, "bob refused"]
