"""Sends what the log has stored to be told, and tries again what did not go out.

Stored before sent, at least once: a deliverer that is killed after sending and before writing it
down leaves the delivery to the next one, which sends it again under the same id (a mail's
Message-ID, a webhook's Idempotency-Key), so that the receiver can tell. Exactly once is not to be
had between two machines.

Channels work side by side, each sending one message after the other; the store is only touched
from the calling thread. A channel that fails costs the others nothing.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

import pandas as pd

from mlops_helpers.channels import Channel, ChannelError, PartlySentError
from mlops_helpers.log_deliveries import Claim, Outbox
from mlops_helpers.messages import Message, one_line
from mlops_helpers.predictions import PredictionLog

__all__ = ["REPORT_COLUMNS", "deliver"]

REPORT_COLUMNS = (
    "delivery_id",
    "channel",
    "rule",
    "subject",
    "event",
    "status",
    "attempts",
    "next_attempt_at",
    "error",
)
_MINUTE = pd.Timedelta(minutes=1)
_TOLD = 500  # characters of an error that are stored

Answer = tuple[Claim, ChannelError | None]
Answers = queue.SimpleQueue[Answer]

# Where channels that were too slow for their call will have put what became of their messages.
_LATE: WeakKeyDictionary[PredictionLog, list[Answers]] = WeakKeyDictionary()


class _UnreadableError(ChannelError):
    """The message in the store is none: that is not the channel's fault."""


@dataclass(frozen=True)
class _Terms:
    """How `deliver` was asked to work."""

    when: pd.Timestamp
    lease: pd.Timedelta
    attempts: int
    backoff: pd.Timedelta
    longest: pd.Timedelta
    began: float

    def now(self) -> pd.Timestamp:
        """`when`, moved on by the time that this call has taken: a claim must not run out early."""
        return self.when + pd.Timedelta(seconds=time.monotonic() - self.began)

    def retry_at(self, attempt: int, asked: pd.Timedelta | None) -> pd.Timestamp | None:
        """The time of the next attempt: each wait is twice the last one; None to give up."""
        if attempt >= self.attempts:
            return None
        doubled = self.backoff * 2 ** min(attempt - 1, 30)
        return self.when + min(max(doubled, asked or doubled), self.longest)


@dataclass
class _Lane:
    """One channel's turn: what it is sending, until when, and how often in a row it failed."""

    name: str
    waiting: deque[str] = field(default_factory=deque)
    claim: Claim | None = None
    deadline: float = 0.0
    failures: int = 0


def deliver(
    log: PredictionLog,
    channels: Mapping[str, Channel],
    *,
    when: pd.Timestamp,
    lease: pd.Timedelta = 5 * _MINUTE,
    attempts: int = 8,
    backoff: pd.Timedelta = _MINUTE,
    longest: pd.Timedelta = 360 * _MINUTE,
    patience: pd.Timedelta = _MINUTE,
    rest_after: int = 3,
) -> pd.DataFrame:
    """Try each delivery that is due at `when` once; return what became of it (`REPORT_COLUMNS`).

    `channels` are all of them by name; a delivery to a name that is not among them fails like any
    other. After a failure the next attempt is due `backoff` later, then twice that, at most
    `longest` (or what the other side asked for, up to that); after `attempts` it is given up, stays
    in the log, and can be taken up by `log.outbox.requeue`. What is about one alert goes to a
    channel in the order in which it happened.

    Never raises for a channel. One that takes more than `patience` for a message, or fails
    `rest_after` times in a row, is left alone until the next call; what it sent after all counts
    as sent then, or at the end of a call of the same process that is later. A claim holds for
    `lease`, within which nobody else tries the same delivery. A store that fails does raise.
    """
    if pd.Timestamp(when).tz is None:
        raise ValueError(f"when == {when} has no time zone; pass pd.Timestamp(when, tz='UTC')")
    if attempts < 1 or rest_after < 1:
        raise ValueError(f"attempts == {attempts}, rest_after == {rest_after}; must be at least 1")
    if not pd.Timedelta(0) < backoff <= longest:
        raise ValueError(f"backoff == {backoff}; must be above 0 and at most longest == {longest}")
    if not pd.Timedelta(0) < patience < lease:
        raise ValueError(
            f"patience == {patience}; must be above 0 and below lease == {lease}: a claim that "
            "runs out while its message is under way would be sent by two"
        )
    began = time.monotonic()
    terms = _Terms(pd.Timestamp(when), lease, attempts, backoff, longest, began)
    outbox = log.outbox
    with outbox.kept_open():
        unheard = _LATE.pop(log, [])
        _LATE[log] = [answers for answers in unheard if not _heard(answers, outbox, terms.when)]
        turn = _Round(outbox, channels, terms, patience.total_seconds(), rest_after)
        report = turn.run()
        if turn.overdue:
            _LATE[log].append(turn.answers)
        return report


class _Round:
    """One call of `deliver`: every channel's lane, and the answers that come back from them."""

    def __init__(
        self,
        outbox: Outbox,
        channels: Mapping[str, Channel],
        terms: _Terms,
        patience: float,
        rest_after: int,
    ) -> None:
        self.outbox, self.channels, self.terms = outbox, channels, terms
        self.patience, self.rest_after = patience, rest_after
        self.answers: Answers = queue.SimpleQueue()
        self.overdue = 0
        self.rows: dict[str, tuple[object, ...]] = {}
        self.lanes = {name: _Lane(name) for name in outbox.channels(terms.when)}

    def run(self) -> pd.DataFrame:
        """Keep every lane going until nothing is due."""
        for lane in self.lanes.values():
            self.go_on(lane)
        while busy := [lane for lane in self.lanes.values() if lane.claim is not None]:
            first = min(busy, key=lambda lane: lane.deadline)
            try:
                wait = max(0.0, first.deadline - time.monotonic())
                claim, error = self.answers.get(timeout=wait)
            except queue.Empty:
                told = f"channel {first.name!r} did not finish within {self.patience:g} s"
                first.failures = self.rest_after  # its thread may hang: nothing more for it now
                self.overdue += 1
                self.settle(first, ChannelError(told))
                continue
            lane = self.lanes[claim.channel]
            if lane.claim is claim:
                self.settle(lane, error)
                self.go_on(lane)
            else:  # too late: it was counted as failed, and may have gone out all the same
                self.overdue -= 1
                self.late(claim, error)
        return _report(list(self.rows.values()))

    def late(self, claim: Claim, error: ChannelError | None) -> None:
        """Take a failure back that was none."""
        if _went_out(error):
            told = _told(error)
            self.outbox.sent(claim, when=self.terms.when, told=told)
            self.note(claim, "sent", None, told)

    def go_on(self, lane: _Lane) -> None:
        """Claim the lane's next delivery and send it, in a thread of its own."""
        while lane.failures < self.rest_after:
            now = self.terms.now()
            if not lane.waiting:
                lane.waiting.extend(self.outbox.due(lane.name, when=self.terms.when, now=now))
            if not lane.waiting:
                return
            lane.claim = self.outbox.claim(
                lane.waiting.popleft(), when=self.terms.when, now=now, until=now + self.terms.lease
            )
            if lane.claim is not None:
                lane.deadline = time.monotonic() + self.patience
                work = (lane.claim, self.channels, self.answers)
                threading.Thread(target=_send, args=work, daemon=True).start()
                return

    def settle(self, lane: _Lane, error: ChannelError | None) -> None:
        """Write down how the lane's attempt ended."""
        claim = lane.claim
        if claim is None:
            raise RuntimeError(f"lane {lane.name!r} has nothing under way")
        told = _told(error)
        retry_at, status = None, "sent"
        if error is None or _went_out(error):
            lane.failures = 0
            self.outbox.sent(claim, when=self.terms.when, told=told)
        else:
            lane.failures += not isinstance(error, _UnreadableError)
            retry_at = self.terms.retry_at(claim.attempt, error.retry_after)
            status = "given up" if retry_at is None else "pending"
            self.outbox.failed(claim, told=told, retry_at=retry_at)
        self.note(claim, status, retry_at, told)
        lane.claim = None

    def note(self, claim: Claim, status: str, retry_at: pd.Timestamp | None, told: str) -> None:
        """Keep the row of the report for a delivery; one call tries each once."""
        try:
            about = (claim.message.rule, claim.message.subject)
        except ValueError:
            about = ("", "")  # cannot be read; `told` says so
        head = (claim.delivery_id, claim.channel, *about, claim.event)
        self.rows[claim.delivery_id] = (*head, status, claim.attempt, retry_at, told)


def _went_out(error: ChannelError | None) -> bool:
    return error is None or isinstance(error, PartlySentError)


def _told(error: ChannelError | None) -> str:
    """What an error says, as any database can store it: a server may answer with any bytes."""
    return "" if error is None else one_line(str(error))[:_TOLD]


def _heard(answers: Answers, outbox: Outbox, when: pd.Timestamp) -> bool:
    """Write down what channels of an earlier call sent after it; False while there is nothing."""
    try:
        claim, error = answers.get_nowait()
    except queue.Empty:
        return False
    if _went_out(error):
        outbox.sent(claim, when=when, told=_told(error))
    return True


def _send(claim: Claim, channels: Mapping[str, Channel], answers: Answers) -> None:
    """Send a message; puts (claim, error or None) into `answers`, whatever happens."""
    error: ChannelError | None = None
    name = claim.channel
    try:
        if name not in channels:
            known = ", ".join(sorted(channels)) or "none"
            raise ChannelError(f"there is no channel {name!r}; there are: {known}")
        channels[name].send(_readable(claim))
    except ChannelError as failed:
        error = failed
    except Exception as failed:  # noqa: BLE001 - whatever a channel raises is stored and told
        # Its text is not repeated: a stranger's error may hold an address with a key.
        error = ChannelError(f"channel {name!r} failed with {type(failed).__name__}")
    answers.put((claim, error))


def _readable(claim: Claim) -> Message:
    try:
        return claim.message
    except ValueError as error:
        raise _UnreadableError(str(error)) from None


def _report(rows: list[tuple[object, ...]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=list(REPORT_COLUMNS))
    frame["next_attempt_at"] = pd.to_datetime(frame["next_attempt_at"], utc=True).dt.as_unit("us")
    texts = [name for name in REPORT_COLUMNS if name not in ("attempts", "next_attempt_at")]
    return frame.astype(dict.fromkeys(texts, "str") | {"attempts": "int64"})
