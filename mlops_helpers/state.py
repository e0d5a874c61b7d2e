"""A registered model at one moment: its versions, who has which alias, what has happened."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mlops_helpers.journal import Event, roles_after

__all__ = ["State"]


@dataclass(frozen=True)
class State:
    """A registered model at one moment.

    versions: MLflow's by number, without those deleted. aliases: as MLflow has them. events: all,
    in order.
    """

    versions: dict[int, Any]
    aliases: dict[str, int]
    events: list[Event]

    @property
    def roles(self) -> dict[str, int]:
        """Who has which alias, a change that is journalled and not yet completed included."""
        return roles_after(self.aliases, self.events)

    def last(self, version: int, *kinds: str) -> Event | None:
        """The last event of these kinds about a version."""
        told = (e for e in reversed(self.events) if e.version == version and e.event in kinds)
        return next(told, None)

    @property
    def champions_so_far(self) -> int:
        """How often the champion has changed. A rollback counts: it brings back an old number."""
        moving = ("promoted", "rolled back", "moved outside", "overtaken")
        return sum(event.event in moving for event in self.events)

    def archived(self, version: int) -> bool:
        """Was the version archived, and not restored since?"""
        last = self.last(version, "archived", "restored")
        return last is not None and last.event == "archived"
