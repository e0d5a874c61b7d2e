"""The list of events of a registered model, which is also the journal that survives a kill.

An event that moves aliases is written *before* they move, with the aliases before and after it and
the mark `pending`. Once they have moved, the mark goes. So a process may be killed at any point:
whoever comes next finds the mark and completes what was begun. A change counts from the moment it
is in the journal. An alias that moved with no event about it was moved in MLflow by somebody else;
that is recorded when it is noticed, and never put back.

Nothing here knows MLflow: tags in, tags out. An event is one tag, under a key of its own that
begins with its number, stored with what it is about: with a version, in the same call that makes
it, or with the model, where it outlives the version.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any, TypedDict, Unpack

import pandas as pd

__all__ = [
    "ALIASES",
    "HISTORY",
    "LONGEST",
    "UNREADABLE",
    "Event",
    "Told",
    "checked_text",
    "events_in",
    "forgotten_versions",
    "moment",
    "moved_outside",
    "roles_after",
    "still_to_move",
]

ALIASES = ("champion", "challenger", "previous")
HISTORY = ["event", "version", "replaced", "when", "by", "reason"]
LONGEST = {"by": 200, "reason": 2000}
"""Characters that MLflow's tag for an event has room for: 5,000 on PostgreSQL, all in all."""
UNREADABLE = "unreadable entry"
_ROOM = 4900
_PREFIX = "event."


class Told(TypedDict, total=False):
    """What may be said of an event beside what happened to which version, and when."""

    replaced: int | None
    by: str
    reason: str
    before: Mapping[str, int]
    after: Mapping[str, int]
    pending: bool
    checks: list[dict[str, Any]]
    compared_with: int | None
    champions: int
    rows: dict[str, Any]


@dataclass(frozen=True)
class Event:
    """One line of the history.

    before, after: the aliases around it, if it moved any. Of a gate's verdict: checks, its table;
    compared_with and champions, what it was reached against; rows, what `gate.RowsSeen` says.
    """

    number: int
    event: str
    version: int | None
    when: str
    replaced: int | None = None
    by: str = ""
    reason: str = ""
    before: Mapping[str, int] | None = None
    after: Mapping[str, int] | None = None
    pending: bool = False
    checks: list[dict[str, Any]] | None = None
    compared_with: int | None = None
    champions: int | None = None
    rows: dict[str, Any] | None = None
    key: str = field(default="", compare=False)

    @classmethod
    def new(
        cls,
        number: int,
        event: str,
        version: int | None,
        *,
        when: pd.Timestamp,
        **more: Unpack[Told],
    ) -> Event:
        """An event with a key that no other process can take, whatever it counts."""
        key = f"{_PREFIX}{number:06d}.{secrets.token_hex(4)}"
        return cls(number, event, version, when=when.isoformat(), key=key, **more)

    def done(self) -> Event:
        """The same event, completed."""
        return replace(self, pending=False)

    def text(self) -> str:
        """The tag's value: JSON, shortened at the reason if a store could not hold it."""
        told = {k: v for k, v in asdict(self).items() if v is not None and k != "key"}
        if not self.pending:
            del told["pending"]
        text = json.dumps(told, ensure_ascii=False)
        if self.checks is None and len(text) > _ROOM:
            over = len(text) - _ROOM
            return replace(self, reason=self.reason[: -over - 1] + "…").text()
        return text


def events_in(tags: Iterable[tuple[int | None, Mapping[str, str]]]) -> list[Event]:
    """The events in some sets of tags, in order; one that was copied counts once.

    Each set comes with the version that it is stored with, or None if that is the model. A tag that
    somebody else wrote under such a key is an UNREADABLE event, which says nothing and comes first.
    """
    found = {
        key: (version, text)
        for version, some in tags
        for key, text in some.items()
        if key.startswith(_PREFIX)
    }
    events = [_parsed(key, *found[key]) for key in found]
    return sorted(events, key=lambda event: (event.number, event.key))


def _parsed(key: str, stored_with: int | None, text: str) -> Event:
    number = re.fullmatch(rf"{re.escape(_PREFIX)}(\d{{6,12}})\.\w+", key)
    try:
        told = {k: v for k, v in json.loads(text).items() if k in _KINDS}
    except (ValueError, AttributeError, RecursionError):
        told = {}
    if number and {"event", "when"} <= told.keys() and all(map(_fits, told, told.values())):
        if told.get("version") is None:
            told["version"] = stored_with
        return Event(**told | {"number": int(number[1]), "key": key})
    words = f"the tag {key[:80]!r} holds {text[:80]!r}: it was not written by this package"
    return Event(0, UNREADABLE, stored_with, when="", reason=words, key=key)


def _numbers(value: object) -> bool:
    return isinstance(value, dict) and all(_number(v) for v in value.values())


def _number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53


def _rows(value: object) -> bool:
    return (
        isinstance(value, dict)
        and value.keys() == {"digest", "n", "earlier", "earlier_refused"}
        and isinstance(value["digest"], str)
        and all(_number(value[name]) for name in value if name != "digest")
    )


def _time(value: object) -> bool:
    try:
        return isinstance(value, str) and datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        return False


_KINDS: Mapping[str, Callable[[Any], bool]] = {
    "event": lambda value: isinstance(value, str),
    "version": _number,
    "when": _time,
    "replaced": _number,
    "by": lambda value: isinstance(value, str),
    "reason": lambda value: isinstance(value, str),
    "before": _numbers,
    "after": _numbers,
    "pending": lambda value: isinstance(value, bool),
    "checks": lambda value: isinstance(value, list),
    "compared_with": _number,
    "champions": _number,
    "rows": _rows,
}
"""What an event's tag may hold; another package's tag under the same name may hold anything."""


def _fits(name: str, value: object) -> bool:
    return value is None if value is None and name in _OPTIONAL else _KINDS[name](value)


_OPTIONAL = {"version", "replaced", "before", "after", "checks", "compared_with", "champions"}


def roles_after(aliases: Mapping[str, int], events: Iterable[Event]) -> dict[str, int]:
    """What the aliases are once every pending event is completed."""
    roles = {name: version for name, version in aliases.items() if name in ALIASES}
    for event in events:
        if event.pending:
            for name, version in still_to_move(event, roles).items():
                roles.pop(name, None)
                if version is not None:
                    roles[name] = version
    return roles


def still_to_move(event: Event, aliases: Mapping[str, int]) -> dict[str, int | None]:
    """What a pending event still has to do: alias to version, or to None to take it away.

    In an order that keeps a champion at every step. An alias that is neither where it was nor where
    it should be was moved by somebody else since, and is left alone.
    """
    before, after = event.before or {}, event.after or {}
    moves = {}
    for name in sorted(ALIASES, key=lambda name: (name not in after, name == "champion")):
        now, goal = aliases.get(name), after.get(name)
        if now != goal and now == before.get(name):
            moves[name] = goal
    return moves


def moved_outside(
    events: Iterable[Event], aliases: Mapping[str, int]
) -> list[tuple[str, int | None, int | None]]:
    """Aliases that are not where the last event left them: name, version then, version now.

    Empty if the last change was recorded without its aliases, as the first registries did.
    """
    expected: Mapping[str, int] | None = {}
    for event in events:
        if event.after is not None:
            expected = event.after
        elif event.event in ("promoted", "rolled back", "challenger"):
            expected = None
    if expected is None:
        return []
    pairs = [(name, expected.get(name), aliases.get(name)) for name in ALIASES]
    return [(name, then, now) for name, then, now in pairs if then != now]


def forgotten_versions(events: Iterable[Event], existing: Iterable[int]) -> list[int]:
    """Numbers that were given away and are neither there nor on record as deleted."""
    existing, events = set(existing), list(events)
    told = {event.version for event in events if event.version is not None}
    deleted = {e.version for e in events if e.event in ("deleted", "deleted outside")}
    return sorted(set(range(1, max(existing | told, default=0) + 1)) - existing - deleted)


def checked_text(name: str, value: str) -> str:
    """`by` or `reason` as it is; ValueError if it is no text, too long, or cannot be stored."""
    if not isinstance(value, str):
        raise ValueError(f"{name} is a {type(value).__name__}, must be text.")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise ValueError(
            f"{name} holds half a character at {error.start}, which no store can keep. Write it "
            "again, or decode it with errors='replace'."
        ) from error
    if len(value) > LONGEST[name]:
        raise ValueError(
            f"{name} has {len(value):,} characters, must have at most {LONGEST[name]:,}. Keep the "
            "long text elsewhere and say here where."
        )
    return value


def moment(when: pd.Timestamp | None) -> pd.Timestamp:
    """The time to record: as given, which must carry a zone, or the clock's; in UTC."""
    try:
        at = pd.Timestamp.now("UTC") if when is None else pd.Timestamp(when)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"when == {when!r:.80}, must be a time such as pd.Timestamp('2024-01-31', tz='UTC')."
        ) from error
    if at is pd.NaT or at.tzinfo is None:
        raise ValueError(f"when == {at}, must carry a time zone; use tz='UTC'.")
    return at.tz_convert("UTC")
