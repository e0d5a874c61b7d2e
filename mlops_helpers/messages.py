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

__all__ = ["EVENTS", "Event", "Message"]

Event = Literal["opened", "reopened", "resolved"]
EVENTS: tuple[Event, ...] = ("opened", "reopened", "resolved")
_LONGEST_TITLE = 150  # characters: what a list of mails shows


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
                object.__setattr__(self, field.name, _one_line(value))

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
            opened_at=pd.Timestamp(alert["opened_at"]),
            value=_number(alert["value"]),
            limit=_number(alert["limit"]),
            times_seen=int(alert["times_seen"]),
            model_version=int(alert["model_version"]),
            **{name: str(alert[name]) for name in ("alert_id", "rule", "metric", "subject")},
            **{name: str(alert[name]) for name in ("severity", "owner", "action")},
        )

    @classmethod
    def from_json(cls, text: str) -> Message:
        """The message that `to_json` wrote."""
        record = json.loads(text)
        times = {name: pd.Timestamp(record[name]) for name in ("event_at", "opened_at")}
        return cls(**{**record, **times})

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
        return "\n".join(
            [
                f"What: {self.metric} of {about}{version}: {self._value()}.",
                f"{self.event.capitalize()}: {_day(self.event_at)}.",
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


def _one_line(text: str) -> str:
    """Without line breaks and control characters, runs of spaces made one."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _number(value: object) -> float | None:
    return None if pd.isna(value) else float(value)  # type: ignore[arg-type, call-overload]


def _day(when: pd.Timestamp) -> str:
    return when.tz_convert("UTC").strftime("%Y-%m-%d %H:%M UTC")
