"""What an alert says to people: one event of it in words. Pure; channels carry it.

The message is written when the event is stored, so every attempt to send it says the same, however
much later it is and whatever has become of the alert since.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

import pandas as pd

__all__ = ["EVENTS", "Event", "Message", "one_line"]

Event = Literal["opened", "reopened", "resolved"]
EVENTS: tuple[Event, ...] = ("opened", "reopened", "resolved")
_LONGEST_TITLE = 150  # characters: what a list of mails shows
_NEEDED = ("delivery_id", "alert_id", "event", "event_at", "rule")
_LEFT_OUT = {
    **dict.fromkeys(("metric", "subject", "severity", "owner", "action"), ""),
    **{"model_version": 0, "value": None, "limit": None, "times_seen": 1},
}


@dataclass(frozen=True)
class Message:
    """One event of one alert: what, since when, value against limit, owner, what to do.

    `delivery_id` is the same in every attempt: who gets a message twice can tell. Texts are single
    lines: line breaks and control characters in names are replaced by spaces.
    """

    delivery_id: str
    alert_id: str
    event: Event
    event_at: pd.Timestamp
    rule: str
    metric: str
    subject: str
    model_version: int
    severity: str
    value: float | None
    limit: float | None
    times_seen: int
    opened_at: pd.Timestamp
    owner: str
    action: str

    def __post_init__(self) -> None:
        """Make every text one line, so that none can become a header or another log entry."""
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, str):
                object.__setattr__(self, field.name, one_line(value))

    @classmethod
    def of(
        cls,
        alert: Mapping[str, Any],
        *,
        delivery_id: str,
        event: Event,
        event_at: pd.Timestamp,
    ) -> Message:
        """The message about an alert (a row with the columns `alerts.ALERT_COLUMNS`)."""
        return cls(
            delivery_id=delivery_id,
            event=event,
            event_at=pd.Timestamp(event_at),
            opened_at=_aware(alert["opened_at"]),
            value=_number(alert["value"]),
            limit=_number(alert["limit"]),
            times_seen=int(alert["times_seen"]),
            model_version=int(alert["model_version"]),
            **{name: str(alert[name]) for name in ("alert_id", "rule", "metric", "subject")},
            **{name: str(alert[name]) for name in ("severity", "owner", "action")},
        )

    @classmethod
    def from_json(cls, text: str) -> Message:
        """The message that `to_json` wrote, also that of an older or newer version of this code.

        Fields that are not known are ignored, and those that a message can do without are left
        empty. Raises `ValueError` for a text that is no message.
        """
        try:
            record = json.loads(text)
            lacks = [name for name in _NEEDED if name not in record]
            if lacks:
                raise ValueError(f"it lacks {', '.join(lacks)}")
            record = {"opened_at": record["event_at"], **_LEFT_OUT, **record}
            return cls.of(
                record,
                delivery_id=str(record["delivery_id"]),
                event=_event(record["event"]),
                event_at=_aware(record["event_at"]),
            )
        except (TypeError, ValueError, OverflowError) as error:
            raise ValueError(f"the stored message cannot be read: {error}") from error

    def to_json(self) -> str:
        """The fields as JSON in a fixed order: numbers, texts, times in ISO 8601 with their zone.

        The same message is the same text, byte for byte.
        """
        record = asdict(self)
        times = {name: record[name].isoformat() for name in ("event_at", "opened_at")}
        return json.dumps({**record, **times}, sort_keys=True, allow_nan=False)

    @property
    def title(self) -> str:
        """One line: severity, rule, what it is about, what happened."""
        about = f" ({self.subject})" if self.subject else ""
        line = f"[{self.severity}] {self.rule}{about} {self.event}"
        return line if len(line) <= _LONGEST_TITLE else line[: _LONGEST_TITLE - 1] + "…"

    @property
    def text(self) -> str:
        """The whole message in words, some lines."""
        about = self.subject or "all"
        version = f", model version {self.model_version}" if self.model_version else ""
        windows = "window" if self.times_seen == 1 else "windows"
        # A scheduler that was late knows the last window that breached, not the first.
        by = " at the latest" if self.event == "reopened" else ""
        return "\n".join(
            [
                f"What: {self.metric} of {about}{version}: {self._value()}.",
                f"{self.event.capitalize()}{by}: {_day(self.event_at)}.",
                f"Since: {_day(self.opened_at)}, seen in {self.times_seen} {windows}.",
                f"Severity: {self.severity}.",
                f"Owner: {self.owner or 'nobody is named; name one in the rule'}.",
                f"What to do: {self._advice()}",
                f"Alert: {self.alert_id}",
            ]
        )

    def _value(self) -> str:
        value = "not known" if self.value is None else f"{self.value:.4g}"
        limit = "not known" if self.limit is None else f"{self.limit:.4g}"
        return f"value {value} against a limit of {limit}"

    def _advice(self) -> str:
        if self.event == "resolved":
            return "nothing more; it is over."
        return self.action or "the rule does not say; write it down once you know."


def one_line(text: str) -> str:
    """Without line breaks, control characters and halves of characters; single spaces.

    What comes back can be stored in any database and written into any header.
    """
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _event(name: str) -> Event:
    found = [event for event in EVENTS if event == name]
    if not found:
        raise ValueError(f"event == {name!r}; must be in {EVENTS}")
    return found[0]


def _aware(when: str) -> pd.Timestamp:
    time = pd.Timestamp(when)
    if pd.isna(time) or time.tz is None:
        raise ValueError(f"time {when!r} has no zone")
    return time


def _number(value: object) -> float | None:
    return None if pd.isna(value) else float(value)  # type: ignore[arg-type, call-overload]


def _day(when: pd.Timestamp) -> str:
    return when.tz_convert("UTC").strftime("%Y-%m-%d %H:%M UTC")
