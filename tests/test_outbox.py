"""What is to be told is told: stored first, tried again, in order, whatever one channel does."""

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pandas as pd
import pytest
import sqlalchemy as sa

from mlops_helpers.alerts import Rule, evaluate_rules
from mlops_helpers.channels import (
    ChannelError,
    LogChannel,
    MailChannel,
    PartlySentError,
    WebhookChannel,
)
from mlops_helpers.log_store import LogError
from mlops_helpers.outbox import REPORT_COLUMNS, _Terms, deliver
from mlops_helpers.predictions import PredictionLog
from mlops_helpers.tables import deliveries
from tests.alerted import DAY, JANUARY, alert, alerts
from tests.receivers import answering, hook_server, mail_server
from tests.servers import free_port

NOON = JANUARY + pd.Timedelta(hours=12)
MINUTE = pd.Timedelta(minutes=1)
PROJECT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    """Loopback is reached directly, whatever the machine's settings."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture
def log(tmp_path):
    """An open, empty log."""
    with PredictionLog(f"sqlite:///{tmp_path / 'log.db'}") as log:
        yield log


@pytest.fixture
def shared(store_url):
    """An open, empty log on each database that several processes can share."""
    with PredictionLog(store_url) as log:
        yield log


class Kept:
    """A channel that keeps its messages, and fails as often as it is told to."""

    def __init__(self, *errors):
        """Raise these, one a message (None: keep it), then keep all."""
        self.errors, self.messages = list(errors), []

    def send(self, message):
        """Keep it or fail."""
        if self.errors and (error := self.errors.pop(0)) is not None:
            raise error
        self.messages.append(message)


class Hangs:
    """A channel that does not come back before the test is over."""

    def __init__(self):
        """Hang until `over` is set."""
        self.over = threading.Event()

    def send(self, message):
        """Wait."""
        self.over.wait(60)


def mail_to(port, **other):
    """A mail channel to loopback."""
    people = ("ann@example.org", "bob@example.org")
    return MailChannel("127.0.0.1", port, "mlops@example.org", people, timeout=5, **other)


def process(log, url, how):
    """A process of `tests.alerted` on the same store."""
    store = log._engine.url.render_as_string(hide_password=False)
    command = [sys.executable, "-m", "tests.alerted", store, url, how]
    return subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True)


def ended(worker):
    """How a process ended, and what it printed."""
    printed = worker.communicate(timeout=120)[0]
    return worker.returncode, printed


def test_from_metric_rows_to_a_mail_a_post_and_a_log_line(log, caplog):
    """The whole way, with real servers: opened, then resolved, on three channels."""
    rule = Rule("score drift", "psi", 0.1, "above", "high", owner="risk", action="look")
    ends = [JANUARY + DAY, JANUARY + 2 * DAY]
    rows = pd.DataFrame(
        {"metric": "psi", "subject": "age", "value": [0.3, 0.0], "window_end": ends}
    )
    log.append_metrics(rows.assign(window_start=rows["window_end"] - DAY))
    with (
        mail_server() as mails,
        hook_server() as hook,
        caplog.at_level("INFO", "mlops_helpers.alerts"),
    ):
        channels = {
            "log": LogChannel(),
            "mail": mail_to(mails.port),
            "hook": WebhookChannel(hook.url, secret="s"),
        }
        for end in (*ends, ends[-1]):
            changed = evaluate_rules([rule], log.metrics(), when=end, open_alerts=log.alerts())
            log.append_alerts(changed, channels=list(channels))
            report = deliver(log, channels, when=end)
            assert report["status"].eq("sent").all()
        assert report.empty
        assert tuple(report.columns) == REPORT_COLUMNS
    subjects = [mail["Subject"] for mail in mails.mails]
    assert subjects == ["[high] score drift (age) opened", "[high] score drift (age) resolved"]
    lines = [record for record in caplog.records if record.name == "mlops_helpers.alerts"]
    assert len(hook.posts) == len(lines) == 2
    assert log.deliveries()["status"].tolist() == ["sent"] * 6
    assert set(log.deliveries()["sent_at"]) == set(ends)


def test_stored_before_sent(log):
    """When the receiver hears of an alert, the store has long known it and its delivery."""
    seen = []
    with hook_server() as hook:

        def look(handler):
            with PredictionLog(log._engine.url.render_as_string()) as other:
                seen.append((len(other.alerts("open")), len(other.deliveries("pending"))))
            answering(200)(handler)

        hook.answer = look
        log.append_alerts(alert(), channels=["hook"])
        deliver(log, {"hook": WebhookChannel(hook.url)}, when=NOON)
    assert seen == [(1, 1)]


def test_killed_between_storing_and_sending(shared):
    """A process that dies after storing has lost nothing: the next one sends."""
    with hook_server() as hook:
        assert ended(process(shared, hook.url, "stores")) == (-signal.SIGKILL, "")
        assert hook.posts == []
        assert len(deliver(shared, {"hook": WebhookChannel(hook.url)}, when=NOON)) == 3
        assert len(hook.posts) == 3


def test_killed_between_sending_and_writing_it_down(shared):
    """It is sent again after the claim has run out, under the same key: at least once."""
    shared.append_alerts(alert(), channels=["hook"])
    with hook_server() as hook:
        assert ended(process(shared, hook.url, "dies")) == (-signal.SIGKILL, "")
        assert len(hook.posts) == 1
        channels = {"hook": WebhookChannel(hook.url)}
        assert deliver(shared, channels, when=JANUARY + DAY).empty, "somebody may be sending it"
        report = deliver(shared, channels, when=JANUARY + DAY + 10 * MINUTE)
        assert report[["status", "attempts"]].to_numpy().tolist() == [["sent", 2]]
    first, again = hook.posts
    assert first.headers["idempotency-key"] == again.headers["idempotency-key"]
    assert first.body == again.body


def test_two_deliverers_at_once_send_each_once(shared):
    """Three processes share the work; the receiver gets every message once."""
    shared.append_alerts(alerts(90), channels=["hook"])
    with hook_server() as hook:
        workers = [process(shared, hook.url, "delivers") for _ in range(3)]
        codes, told = zip(*map(ended, workers), strict=True)
    assert codes == (0, 0, 0)
    keys = [post.headers["idempotency-key"] for post in hook.posts]
    assert len(keys) == len(set(keys)) == 90
    assert sum(map(int, told)) == 90
    assert shared.deliveries()["status"].eq("sent").all()


def test_a_thousand_alerts(log):
    """Every one arrives, once, and nothing is left."""
    log.append_alerts(alerts(1000), channels=["kept"])
    kept = Kept()
    report = deliver(log, {"kept": kept}, when=NOON)
    assert len(report) == len(log.deliveries("sent")) == 1000
    assert len({message.delivery_id for message in kept.messages}) == 1000
    assert log.deliveries("pending").empty


def test_a_server_that_is_away_and_comes_back(log):
    """Refused, then refused again later each time, then back: everything arrives, in order."""
    log.append_alerts(alert(), channels=["mail"])
    port = free_port()
    first = deliver(log, {"mail": mail_to(port)}, when=NOON).iloc[0]
    assert [first["status"], first["attempts"]] == ["pending", 1]
    assert f"mail server 127.0.0.1:{port}: Connection" in first["error"]
    assert first["next_attempt_at"] == NOON + MINUTE
    log.append_alerts(alert(day=1, status="resolved"), channels=["mail"])
    late = JANUARY + 2 * DAY
    with mail_server(port) as mails:
        assert deliver(log, {"mail": mail_to(port)}, when=NOON).empty, "not due yet"
        assert len(deliver(log, {"mail": mail_to(port)}, when=late)) == 2
    assert [mail["Subject"].rsplit()[-1] for mail in mails.mails] == ["opened", "resolved"]


def test_flaky_then_fine(log):
    """A server error, a wait that was asked for, then success: one message, three attempts."""
    log.append_alerts(alert(), channels=["hook"])
    with hook_server() as hook:
        channels = {"hook": WebhookChannel(hook.url)}
        hook.answer = answering(500)
        assert deliver(log, channels, when=NOON)["next_attempt_at"].tolist() == [NOON + MINUTE]
        hook.answer = answering(429, Retry_After="3600")
        when = NOON + MINUTE
        report = deliver(log, channels, when=when)
        assert report["next_attempt_at"].tolist() == [when + 60 * MINUTE]
        hook.answer = None
        report = deliver(log, channels, when=when + 60 * MINUTE)
    assert report[["status", "attempts"]].to_numpy().tolist() == [["sent", 3]]
    assert log.deliveries()["last_error"].tolist() == [""]


def test_waits_double_up_to_a_bound_and_then_it_is_given_up(log):
    """1, 2, 4, 5, 5 minutes; after the sixth attempt it stays in the log, until it is requeued."""
    log.append_alerts(alert(), channels=["away"])
    away = {"away": Kept(*[ChannelError("nobody there")] * 6)}
    when, waits, terms = NOON, [], {"attempts": 6, "longest": 5 * MINUTE}
    for _ in range(5):
        due = deliver(log, away, when=when, **terms)["next_attempt_at"].iloc[0]
        waits.append((due - when) // MINUTE)
        when = due
    assert waits == [1, 2, 4, 5, 5]
    last = deliver(log, away, when=when, **terms).iloc[0]
    assert [last["status"], last["attempts"], last["error"]] == ["given up", 6, "nobody there"]
    assert pd.isna(last["next_attempt_at"])
    assert deliver(log, away, when=when + 9 * DAY, **terms).empty
    assert log.deliveries("given up")["last_error"].tolist() == ["nobody there"]
    assert log.outbox.requeue(when=when) == 1
    assert deliver(log, away, when=when, **terms)["status"].tolist() == ["sent"]


def test_a_bad_channel_costs_the_others_nothing(log):
    """One that hangs, refuses, is unknown, has a fault of its own: the good one gets all of its."""
    names = ["good", "hangs", "refuses", "unknown", "faulty"]
    log.append_alerts(alerts(5), channels=names)
    hangs, good = Hangs(), Kept()
    channels = {
        "good": good,
        "hangs": hangs,
        "refuses": WebhookChannel(f"http://127.0.0.1:{free_port()}/", timeout=5),
        "faulty": Kept(*[RuntimeError("with a secret-token in it")] * 9),
    }
    began = time.monotonic()
    report = deliver(log, channels, when=NOON, patience=pd.Timedelta(seconds=3))
    hangs.over.set()
    assert time.monotonic() - began < 30
    assert len(good.messages) == 5
    by_channel = report.groupby("channel")
    assert by_channel.size().to_dict() == dict(zip(names, [5, 1, 3, 3, 3], strict=True))
    errors = by_channel["error"].first()
    assert errors["hangs"] == "channel 'hangs' did not finish within 3 s"
    assert "ConnectionRefusedError" in errors["refuses"]
    assert errors["unknown"] == (
        "there is no channel 'unknown'; there are: faulty, good, hangs, refuses"
    )
    assert errors["faulty"] == "channel 'faulty' failed with RuntimeError"
    assert not log.deliveries()["last_error"].str.contains("secret").any()
    left = log.deliveries("pending")
    assert len(left) == 20, "nothing is lost"
    assert (left["next_attempt_at"] <= NOON).sum() == 4 + 2 * 3, "the rest is due at the next call"


def test_one_bad_message_does_not_hold_up_the_channel(log):
    """What fails waits for its next attempt, and the others go first."""
    log.append_alerts(alerts(6), channels=["kept"])
    kept = Kept(ChannelError("bad"), None, ChannelError("bad"))
    report = deliver(log, {"kept": kept}, when=NOON)
    assert report["status"].tolist() == ["pending", "sent", "pending", "sent", "sent", "sent"]


def test_a_refused_recipient_is_told_and_not_tried_again(log):
    """The others have their mail: it is sent, with the complaint beside it."""
    log.append_alerts(alert(), channels=["mail"])
    with mail_server() as mails:
        mails.refused = {"bob@example.org"}
        assert deliver(log, {"mail": mail_to(mails.port)}, when=NOON)["status"].tolist() == ["sent"]
        assert deliver(log, {"mail": mail_to(mails.port)}, when=NOON + DAY).empty
    assert len(mails.mails) == 1
    assert "bob@example.org (550" in log.deliveries("sent")["last_error"].iloc[0]


def test_a_store_that_fails_is_told(tmp_path):
    """A store that is gone is no channel's failure: it raises."""
    path = tmp_path / "log.db"
    with PredictionLog(f"sqlite:///{path}") as log:
        log.append_alerts(alert(), channels=["kept"])
        for file in tmp_path.iterdir():
            file.unlink()
        with pytest.raises(LogError, match="is not there any more"):
            deliver(log, {"kept": Kept()}, when=NOON)


def test_in_memory_too():
    """A store in memory belongs to one thread: only the sending leaves it."""
    with PredictionLog("sqlite://") as log:
        log.append_alerts(alerts(3), channels=["kept"])
        assert len(deliver(log, {"kept": Kept()}, when=NOON)) == 3


def test_calls_that_cannot_work_are_refused(log):
    """A time without a zone, no attempts, no waits, a lease shorter than the patience."""
    for wrong, told in (
        ({"when": pd.Timestamp("2024-01-01")}, "no time zone"),
        ({"attempts": 0}, "attempts == 0"),
        ({"rest_after": 0}, "rest_after == 0"),
        ({"backoff": pd.Timedelta(0)}, "backoff == 0"),
        ({"lease": MINUTE, "patience": MINUTE}, "would be sent by two"),
    ):
        with pytest.raises(ValueError, match=told):
            deliver(log, {}, **{"when": NOON} | wrong)


@pytest.mark.parametrize(
    "told",
    ["no\0such", "no \ud800 such", "no" * 10_000, "\x1b[31mno"],
    ids=["nul", "half a character", "long", "escape"],
)
def test_whatever_a_server_answers_can_be_stored(shared, told):
    """A NUL, half a character, a book: a failure like any other, and the others get theirs."""
    shared.append_alerts(alerts(2), channels=["bad", "good"])
    good = Kept()
    channels = {"bad": Kept(ChannelError(told), PartlySentError(told)), "good": good}
    report = deliver(shared, channels, when=NOON)
    assert len(good.messages) == 2
    assert sorted(report["status"]) == ["pending", "sent", "sent", "sent"]
    errors = shared.deliveries().query("channel == 'bad'")["last_error"]
    assert errors.str.startswith(("no", "[31mno")).all()
    assert all(map(str.isprintable, errors))
    assert errors.str.len().max() <= 500


def test_a_strangers_error_is_one_too(log):
    """A subclass that does not call ours, as strangers write them."""

    class OwnError(ChannelError):
        def __init__(self):
            Exception.__init__(self, "own")

    log.append_alerts(alert(), channels=["kept"])
    assert deliver(log, {"kept": Kept(OwnError())}, when=NOON)["error"].tolist() == ["own"]


def test_a_delivery_that_cannot_be_read_is_its_own_failure(shared):
    """Damaged rows are told and given up; all others go out, on their channel too."""
    shared.append_alerts(alerts(9), channels=["kept", "other"])
    with shared._engine.begin() as connection:
        damaged = sa.update(deliveries).where(deliveries.c.channel == "kept")
        some = deliveries.c.alert_id.in_([f"alert-{n}" for n in range(4)])
        connection.execute(damaged.where(some).values(message="{}"))
    kept, other = Kept(), Kept()
    channels = {"kept": kept, "other": other}
    report = deliver(shared, channels, when=NOON, attempts=2)
    assert (len(kept.messages), len(other.messages)) == (5, 9)
    failed = report[report["status"] != "sent"]
    assert len(failed) == 4
    assert failed["error"].str.startswith("the stored message cannot be read: it lacks").all()
    assert failed["event"].eq("opened").all()
    last = deliver(shared, channels, when=NOON + MINUTE, attempts=2)
    assert last["status"].tolist() == ["given up"] * 4


class Slow:
    """A channel that takes longer than it may, and then succeeds or fails."""

    def __init__(self, error=None):
        """Wait for `go`; `done` is set when the answer is on its way."""
        self.go, self.error, self.sent = threading.Event(), error, 0

    def send(self, message):
        """Wait, then send."""
        self.go.wait(60)
        self.sent += 1
        if self.error is not None:
            raise self.error


def finished(slow):
    """Let a slow channel end, and wait until its thread is gone."""
    slow.go.set()
    for thread in threading.enumerate():
        if thread.name.endswith("(_send)") and thread is not threading.current_thread():
            thread.join(60)


def test_what_came_through_late_is_not_sent_again(log):
    """The call has ended; the next one of the same process finds it sent, and leaves it."""
    log.append_alerts(alert(), channels=["slow"])
    slow = Slow()
    second = pd.Timedelta(seconds=0.2)
    assert deliver(log, {"slow": slow}, when=NOON, patience=second)["status"].item() == "pending"
    finished(slow)
    assert deliver(log, {"slow": slow}, when=NOON + DAY, patience=second).empty
    assert slow.sent == 1
    assert log.deliveries()["status"].tolist() == ["sent"]


def test_what_failed_late_is_tried_again(log):
    """Only a success is taken back."""
    log.append_alerts(alert(), channels=["slow"])
    slow = Slow(ChannelError("no"))
    second = pd.Timedelta(seconds=0.2)
    deliver(log, {"slow": slow}, when=NOON, patience=second)
    finished(slow)
    assert log.deliveries()["status"].tolist() == ["pending"]
    slow.error = None
    assert deliver(log, {"slow": slow}, when=NOON + DAY)["attempts"].tolist() == [2]


def test_late_within_the_same_call(log):
    """While others are still at work, the late one is heard: the report says sent."""
    log.append_alerts(alerts(2), channels=["other"])
    log.append_alerts(alert(9), channels=["slow"])
    slow, began, turns = Slow(), time.monotonic(), iter((1, 2))

    class Other:
        def send(self, message):
            """Two messages: while the second is under way the slow one is over its time."""
            if next(turns) == 1:
                time.sleep(1.0)
            else:
                time.sleep(max(0.0, began + 2.5 - time.monotonic()))
                finished(slow)

    report = deliver(
        log, {"slow": slow, "other": Other()}, when=NOON, patience=pd.Timedelta(seconds=2)
    )
    assert report["status"].tolist() == ["sent"] * 3
    assert report["error"].tolist() == [""] * 3


def test_a_claim_moves_on_with_the_time_that_a_call_takes():
    """A message claimed late in a call is held for the whole lease from then on."""
    began = time.monotonic() - 100
    terms = _Terms(NOON, MINUTE, 8, MINUTE, MINUTE, began)
    assert pd.Timedelta(seconds=100) <= terms.now() - NOON < 30 * MINUTE
