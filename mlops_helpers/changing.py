"""Changes to a registered model: one at a time, journalled, and completed by whoever comes next.

    with changing(versions, when=when) as change:
        change.move("promoted", 2, {"champion": 2, "previous": 1}, replaced=1, ...)

On entering, what a killed process left half done is completed, and what somebody did in MLflow
itself is put on record; so inside the block `change.state` is how things are, and nobody else on
this machine changes them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Unpack

import pandas as pd

from mlops_helpers.journal import (
    ALIASES,
    UNREADABLE,
    Event,
    Told,
    forgotten_versions,
    moved_outside,
    still_to_move,
)
from mlops_helpers.locking import one_writer
from mlops_helpers.state import State
from mlops_helpers.store_errors import RegistryError, StoreError
from mlops_helpers.versions import Versions

__all__ = ["GATE_EVENTS", "Change", "changing", "gate_words"]

GATE_EVENTS = ("gate passed", "gate refused")


def gate_words(verdict: Event | None) -> str:
    """What the gate said last, in a few words."""
    if verdict is None:
        return "not judged"
    return "passed" if verdict.event == "gate passed" else f"refused: {verdict.reason}"


@contextmanager
def changing(versions: Versions, *, when: pd.Timestamp) -> Iterator[Change]:
    """Hold the model's lock with its state settled; `when` dates what is found and recorded."""
    with one_writer(versions.tracking_uri, versions.name):
        change = Change(versions, versions.state(), when)
        change.settle()
        yield change


class Change:
    """What may be written while the lock is held; events are dated `when` and numbered in order."""

    def __init__(self, versions: Versions, state: State, when: pd.Timestamp) -> None:
        """`state` must have been read since the lock was taken."""
        self.state, self.when = state, when
        self._versions, self._client, self._name = versions, versions.client, versions.name
        self._next = max((event.number for event in state.events), default=0) + 1

    def has(self, version: int) -> None:
        """UnknownModelError if there is no such version."""
        if version not in self.state.versions:
            raise self._versions.unknown(version, sorted(self.state.versions))

    def add(self, run_id: str, source: str, model_id: str, tags: Mapping[str, str]) -> int:
        """A new version and the event `registered`, in one call; MLflow numbers it.

        The event cannot know the number that MLflow will give: it is read from the version.
        """
        event = Event.new(self._number(), "registered", None, when=self.when)
        made = self._client.create_model_version(
            self._name,
            source,
            run_id=run_id,
            model_id=model_id,
            tags={**tags, event.key: event.text()},
        )
        return int(made.version)

    def note(self, event: str, version: int | None, **more: Unpack[Told]) -> None:
        """Record an event that moves nothing, with the model."""
        self._write(Event.new(self._number(), event, version, when=self.when, **more))

    def mark(self, event: str, version: int, **more: Unpack[Told]) -> None:
        """Record an event with the version it is about."""
        made = Event.new(self._number(), event, version, when=self.when, **more)
        self._client.set_model_version_tag(self._name, str(version), made.key, made.text())
        self._retag_gate(made)

    def move(
        self, event: str, version: int, after: Mapping[str, int], **more: Unpack[Told]
    ) -> None:
        """Journal an event, move the aliases to where `after` has them, and mark it as done.

        RegistryError if somebody moved one of them at the same time; that is recorded.
        """
        before = dict(self.state.roles)
        made = Event.new(
            *(self._number(), event, version),
            when=self.when,
            before=before,
            after=dict(after),
            pending=True,
            **more,
        )
        self._begin(made, before)
        if self._versions.database is None:  # a file has one lock for all, however it is reached
            self._read_back(made)

    def delete(self, version: int, **more: Unpack[Told]) -> None:
        """Journal the deletion, save the version's events, delete it; its number is not reused."""
        made = Event.new(self._number(), "deleted", version, when=self.when, pending=True, **more)
        self._begin(made, self.state.aliases)

    def settle(self) -> None:
        """Complete what was begun, and record what was done in MLflow itself."""
        pending = [event for event in self.state.events if event.pending]
        for event in pending:
            self._complete(event, self._versions.aliases())
        if pending:
            self.state = self._versions.state()
        self._record_moves()
        for version in forgotten_versions(self.state.events, self.state.versions):
            self._seen(
                "deleted outside", version, reason="deleted in MLflow itself, with its events"
            )
        for version in self.state.versions:
            if verdict := self.state.last(version, *GATE_EVENTS):
                self._retag_gate(verdict)

    def _record_moves(self) -> None:
        moves = moved_outside(self.state.events, self.state.aliases)
        *_, after = [e.after for e in self.state.events if e.after is not None] or [{}]
        for alias, then, now in moves:
            after = {k: v for k, v in {**after, alias: now}.items() if v is not None}
            reason = (
                f"the alias {alias} was " + ("moved" if now else "removed") + " in MLflow itself"
            )
            self._seen("moved outside", now, replaced=then, reason=reason, after=after)

    def _seen(self, event: str, version: int | None, **more: Unpack[Told]) -> None:
        made = Event.new(self._number(), event, version, when=self.when, **more)
        self._write(made)
        self.state.events.append(made)

    def _begin(self, event: Event, aliases: Mapping[str, int]) -> None:
        self._write(event)
        try:
            self._complete(event, aliases)
        except StoreError as error:
            raise StoreError(
                f"{error} That version {event.version} is {event.event} was journalled before: "
                f"the next change of {self._name} completes it."
            ) from error

    def _complete(self, event: Event, aliases: Mapping[str, int]) -> None:
        """Do what a pending event says and mark it; doing it twice does no harm."""
        if event.event == "deleted" and event.version in self.state.versions:
            self._save_events(event.version)
            self._client.delete_model_version(self._name, str(event.version))
        for alias, version in still_to_move(event, aliases).items():
            if version is None:
                self._client.delete_registered_model_alias(self._name, alias)
            elif version in self.state.versions:
                self._client.set_registered_model_alias(self._name, alias, str(version))
        self._write(event.done())

    def _save_events(self, version: int) -> None:
        """Copy the events that are stored with a version to the model, which outlives it."""
        tags = self.state.versions[version].tags
        for event in self.state.events:
            if event.key in tags and event.event != UNREADABLE:
                self._write(replace(event, checks=None))

    def _read_back(self, event: Event) -> None:
        """Did somebody whom our lock does not keep out move an alias meanwhile?"""
        now = {k: v for k, v in self._versions.aliases().items() if k in ALIASES}
        if now == dict(event.after or {}):
            return
        words = f"{event.event} version {event.version}, but somebody else has set {now} since"
        self.note("overtaken", event.version, by=event.by, reason=words, after=now)
        raise RegistryError(f"{words}. See history(), and decide who it shall be.")

    def _retag_gate(self, verdict: Event) -> None:
        """Show the last verdict in MLflow's own pages; the event is what counts."""
        if verdict.checks is None:
            return
        table = json.dumps(verdict.checks, ensure_ascii=False)
        known = self.state.versions[verdict.version].tags
        for key, value in (("gate_checks", table), ("gate", gate_words(verdict))):
            if known.get(key) != value:
                self._client.set_model_version_tag(self._name, str(verdict.version), key, value)

    def _write(self, event: Event) -> None:
        self._client.set_registered_model_tag(self._name, event.key, event.text())

    def _number(self) -> int:
        self._next += 1
        return self._next - 1
