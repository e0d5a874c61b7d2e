"""Alerts and what is to be told of them are stored together, once, and never set back."""

import contextlib
import sqlite3
from concurrent.futures import ThreadPoolExecutor

import pandas as pd
import pytest
import sqlalchemy as sa

from mlops_helpers import log_alerts, log_store
from mlops_helpers.log_store import LogError
from mlops_helpers.messages import Message
from mlops_helpers.predictions import PredictionLog
from mlops_helpers.tables import alerts as tables_alerts
from mlops_helpers.tables import deliveries
from tests.alerted import DAY, JANUARY, alert, alerts


@pytest.fixture
def log(store_url):
    """An open, empty log."""
    with PredictionLog(store_url) as log:
        yield log


def events(log, channel="mail"):
    """What is to be told on a channel: event and day."""
    frame = log.deliveries()
    frame = frame[frame["channel"] == channel]
    days = (frame["event_at"] - JANUARY).dt.days
    return list(zip(frame["event"], days, strict=True))


def test_an_alert_that_opened_is_to_be_told_on_each_channel(log):
    """One pending delivery for each channel, due at once, with the alert's words."""
    assert log.append_alerts(alert(), channels=["mail", "hook", "mail"]) == 1
    pending = log.deliveries("pending")
    assert pending["channel"].tolist() == ["hook", "mail"]
    assert pending["next_attempt_at"].tolist() == [JANUARY, JANUARY]
    assert pending["attempts"].tolist() == [0, 0]
    assert pending["sent_at"].isna().all()
    assert log.deliveries("sent").empty
    back = log.alerts()
    pd.testing.assert_frame_equal(back, alert().astype({c: back[c].dtype for c in back}))


def test_without_channels_nothing_is_to_be_told(log):
    """`append_alerts(frame)` stores alerts only, also those without an owner."""
    assert log.append_alerts(alert().drop(columns="owner")) == 1
    assert log.alerts()["owner"].tolist() == [""]
    assert log.deliveries().empty


def test_opened_folded_resolved_reopened(log):
    """A repeat is not told; recovery and a second breach are."""
    for change in (
        alert(day=0),
        alert(day=1, seen=2),
        alert(day=2, seen=2, status="resolved"),
        alert(day=3, seen=3),
        alert(day=4, seen=3, status="resolved"),
    ):
        log.append_alerts(change, channels=["mail"])
    assert events(log) == [("opened", 0), ("resolved", 2), ("reopened", 3), ("resolved", 4)]


def test_what_came_and_went_meanwhile_is_told(log):
    """A catch-up stores an alert that is over already: both events, in order."""
    log.append_alerts(alert(day=2, status="resolved"), channels=["mail"])
    assert events(log) == [("opened", 0), ("resolved", 2)]
    log.append_alerts(alert(day=6, seen=4, status="resolved"), channels=["mail"])
    assert events(log)[2:] == [("reopened", 6), ("resolved", 6)]


def test_the_same_again_changes_nothing(log):
    """A restarted scheduler stores the same alerts: nothing new is to be told."""
    for _ in range(3):
        log.append_alerts(alerts(4), channels=["mail"])
    assert len(log.alerts()) == len(log.deliveries()) == 4


def test_a_slower_scheduler_does_not_set_an_alert_back(log):
    """What was seen before the stored state is left out, and tells nothing."""
    log.append_alerts(alert(day=3, seen=2, status="resolved"), channels=["mail"])
    assert log.append_alerts(alert(day=1), channels=["mail"]) == 0
    assert log.alerts()["status"].tolist() == ["resolved"]
    assert len(log.deliveries()) == 2


def test_two_schedulers_at_once_tell_it_once(store_url):
    """Four that store the same alerts at the same time: each event is one delivery."""
    steps = [alerts(20), alerts(20, day=1, seen=2), alerts(20, day=2, seen=2, status="resolved")]

    def schedule(_):
        with PredictionLog(store_url) as log:
            for step in steps:
                log.append_alerts(step, channels=["mail"])

    with PredictionLog(store_url) as log, ThreadPoolExecutor(4) as pool:
        list(pool.map(schedule, range(4)))
        assert log.alerts()["status"].eq("resolved").all()
        assert log.deliveries()["event"].value_counts().to_dict() == {"opened": 20, "resolved": 20}


def test_the_message_stays_as_it_was(log):
    """The words are those of the event, whatever becomes of the alert before they are sent."""
    log.append_alerts(alert(), channels=["mail"])
    log.append_alerts(alert(day=1, status="resolved"), channels=["mail"])
    with log._engine.connect() as connection:
        texts = connection.scalars(sa.select(deliveries.c.message).order_by("event_at")).all()
    opened, resolved = map(Message.from_json, texts)
    assert (opened.event, opened.value, opened.event_at) == ("opened", 0.3, JANUARY)
    assert (resolved.event, resolved.value, resolved.event_at) == ("resolved", 0.0, JANUARY + DAY)
    assert opened.delivery_id in log.deliveries()["delivery_id"].tolist()


def test_both_or_neither(log):
    """If what is to be told cannot be stored, neither is the alert: it would stay unknown."""

    def full(connection, cursor, statement, *_):
        if "INTO deliveries" in statement:
            raise sa.exc.OperationalError(statement, {}, Exception("database or disk is full"))

    sa.event.listen(log._engine, "before_cursor_execute", full)
    with pytest.raises(LogError, match="no room left"):
        log.append_alerts(alert(), channels=["mail"])
    sa.event.remove(log._engine, "before_cursor_execute", full)
    assert log.alerts().empty
    assert log.append_alerts(alert(), channels=["mail"]) == 1
    assert len(log.deliveries()) == 1


def test_channels_are_names(log):
    """A text would be a channel a letter; an object or a blank is no name."""
    cases = (
        ("mail", "pass a list"),
        ([object()], "must be printable names"),
        ([" "], "names"),
        (["a\0b"], "names"),
        (["n" * 201], "at most 200"),
    )
    for wrong, told in cases:
        with pytest.raises(ValueError, match=told):
            log.append_alerts(alert(), channels=wrong)
    assert log.alerts().empty


def test_an_empty_frame_is_nothing(log):
    """No alerts, nothing stored."""
    assert log.append_alerts(alert().iloc[:0], channels=["mail"]) == 0


@pytest.mark.parametrize("first", ["open", "resolved"])
def test_two_states_of_one_window(log, first):
    """Schedulers that disagree about a window: whichever comes first, both end as resolved."""
    log.append_alerts(alert(), channels=["mail"])
    both = {
        "open": alert(day=1, seen=2),
        "resolved": alert(day=1, status="resolved"),
    }
    stored = [log.append_alerts(both.pop(first), channels=["mail"])]
    stored.append(log.append_alerts(*both.values(), channels=["mail"]))
    assert stored == ([1, 1] if first == "open" else [1, 0])
    assert log.alerts()["status"].tolist() == ["resolved"]
    assert events(log) == [("opened", 0), ("resolved", 1)]
    log.append_alerts(alert(day=2, seen=3), channels=["mail"])
    assert events(log)[2:] == [("reopened", 2)], "the next breach is told"


def test_one_alert_twice_in_a_frame_is_refused(log):
    """Which of the two would be told could not be said; nothing is stored."""
    both = pd.concat([alert(), alert(day=1, status="resolved")], ignore_index=True)
    with pytest.raises(ValueError, match="alert_id 'alert-0' is there more than once"):
        log.append_alerts(both, channels=["mail"])
    assert log.alerts().empty


def test_what_was_stored_without_channels_is_told_with_the_next_window(log):
    """An upgraded store, a process without channels: the channel hears that it is open."""
    log.append_alerts(alerts(2))
    log.append_alerts(alerts(2, day=1, seen=2), channels=["mail"])
    assert events(log) == [("opened", 0)] * 2
    log.append_alerts(alerts(2, day=1, seen=2), channels=["hook"])
    assert events(log, "hook") == [("opened", 0)] * 2
    log.append_alerts(log.alerts("open"), channels=["mail", "hook"])
    assert len(log.deliveries()) == 4


def test_a_recovery_and_a_breach_that_a_channel_missed(log):
    """The last that a channel is told is how the alert stands."""
    log.append_alerts(alert(), channels=["mail"])
    log.append_alerts(alert(day=1, status="resolved"))
    log.append_alerts(alert(day=1, status="resolved"), channels=["mail"])
    assert events(log) == [("opened", 0), ("resolved", 1)]
    log.append_alerts(alert(day=2, seen=2))
    log.append_alerts(alert(day=3, seen=3), channels=["mail"])
    assert events(log)[2:] == [("reopened", 3)]
    log.append_alerts(alert(day=4, seen=3, status="resolved"), channels=["hook"])
    assert events(log, "hook") == [("opened", 0), ("resolved", 4)]


def test_what_is_over_and_was_never_told_is_left(log):
    """A new channel does not get the history."""
    log.append_alerts(alert(day=1, status="resolved"))
    log.append_alerts(alert(day=1, status="resolved"), channels=["mail"])
    assert log.deliveries().empty


def test_the_words_of_a_catch_up_are_true(log):
    """What came and went has no value of its breach: the recovery's is not put in its place."""
    log.append_alerts(alert(day=2, status="resolved"), channels=["mail"])
    log.append_alerts(alert(day=6, seen=4, status="resolved"), channels=["mail"])
    with log._engine.connect() as connection:
        order = (deliveries.c.event_at, deliveries.c.event)
        texts = connection.scalars(sa.select(deliveries.c.message).order_by(*order)).all()
    told = [(one.event, one.value) for one in map(Message.from_json, texts)]
    assert told == [("opened", None), ("resolved", 0.0), ("reopened", None), ("resolved", 0.0)]
    assert "Reopened at the latest: 2024-01-07" in Message.from_json(texts[2]).text


def test_alerts_that_contradict_themselves_are_refused(log):
    """A sentence that names the alert, and nothing stored."""
    for wrong, told in (
        (alert().assign(status="resolved"), "status == 'resolved' without a resolved_at"),
        (alert(status="resolved").assign(status="open"), "status == 'open' with a resolved_at"),
        (alert().assign(status="banana"), "status == 'banana'; must be in"),
        (alert().assign(severity="hihg"), "severity == 'hihg'; must be in"),
    ):
        with pytest.raises(ValueError, match=f"alert 'alert-0': {told}"):
            log.append_alerts(wrong, channels=["mail"])
    assert log.alerts().empty


def test_a_state_that_came_in_between_is_not_set_back(log, monkeypatch):
    """The one who compared before the other wrote does not overwrite what is newer."""
    log.append_alerts(alert(day=3, seen=2, status="resolved"))
    stored, looks = log_alerts._stored, iter((1, 2))
    monkeypatch.setattr(
        log_alerts, "_stored", lambda *given: {} if next(looks) == 1 else stored(*given)
    )
    log.append_alerts(alert(day=1), channels=["mail"])
    assert log.alerts()["status"].tolist() == ["resolved"]
    assert events(log) == [("opened", 0), ("resolved", 3)]


def test_who_compares_holds_the_alert(log):
    """Nobody changes it before the comparing transaction ends: a row's lock, SQLite the file's."""
    log.append_alerts(alert())
    if log._engine.dialect.name == "sqlite":
        other = sqlite3.connect(log._engine.url.database, timeout=0)
        with contextlib.closing(other), log_store.writing(log._engine) as one:
            log_alerts._stored(one, ["alert-0"])
            with pytest.raises(sqlite3.OperationalError, match="locked"):
                other.execute("UPDATE alerts SET owner = 'other'")
        return
    with log._engine.begin() as one, log._engine.begin() as other:
        log_alerts._stored(one, ["alert-0"])
        other.exec_driver_sql("SET LOCAL lock_timeout = '50ms'")
        with pytest.raises(sa.exc.OperationalError, match="lock timeout"):
            other.execute(sa.update(tables_alerts).values(owner="other"))
        other.rollback()
