"""What is known of a registered model, asked without a store."""

from __future__ import annotations

import pandas as pd

from mlops_helpers.journal import Event
from mlops_helpers.state import State

WHEN = pd.Timestamp("2023-12-01", tz="UTC")


def state(*told, aliases=None):
    """After these events, each a kind and a version."""
    events = [Event.new(n, kind, v, when=WHEN) for n, (kind, v) in enumerate(told, start=1)]
    return State({1: None, 2: None}, aliases or {}, events)


def test_every_change_of_champion_counts():
    """A promotion, a rollback, a hand in MLflow and another machine; nothing else."""
    kinds = ["registered", "promoted", "rolled back", "moved outside", "overtaken", "archived"]
    assert state(*((kind, 2) for kind in kinds)).champions_so_far == 4


def test_the_last_event_of_a_kind_about_a_version():
    """Not another version's, and none if there was none."""
    found = state(("archived", 1), ("restored", 1), ("archived", 2))
    assert found.last(1, "archived", "restored").event == "restored"
    assert [found.archived(version) for version in (1, 2)] == [False, True]
    assert found.last(1, "deleted") is None


def test_a_change_that_is_not_completed_counts():
    """Roles are where the journal sends the aliases."""
    moving = Event.new(1, "promoted", 2, when=WHEN, before={}, after={"champion": 2}, pending=True)
    assert State({2: None}, {}, [moving]).roles == {"champion": 2}
