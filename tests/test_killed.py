"""A process killed between two writes leaves nothing half done: the next change completes it."""

from __future__ import annotations

import itertools

import pytest

from mlops_helpers import registry as registry_module
from mlops_helpers.registry import Registry
from tests.contending import WHEN, easy_gate, killer, operate, prepare
from tests.loans_on_record import make_record

names = (f"killed {number}" for number in itertools.count())
AFTER = {
    "register": {"champion": 2, "previous": 1},
    "gate": {"champion": 2, "previous": 1},
    "promote": {"champion": 3, "previous": 2},
    "rollback": {"champion": 1},
    "challenge": {"champion": 2, "previous": 1, "challenger": 3},
    "archive": {"champion": 2, "previous": 1},
    "delete": {"champion": 2, "previous": 1},
}
RECORDED = {
    "register": "registered",
    "gate": "gate passed",
    "promote": "promoted",
    "rollback": "rolled back",
    "challenge": "challenger",
    "archive": "archived",
    "delete": "deleted",
}
# Calls that write, of which each is killed in turn: the journal, the aliases, the mark that it is
# done; a version comes with its event in one; a deletion first saves the event of registration.
WRITES = {
    "register": 1,
    "gate": 3,
    "promote": 5,
    "rollback": 4,
    "challenge": 3,
    "archive": 3,
    "delete": 4,
}


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    """Three finished runs in one store."""
    return make_record(tmp_path_factory.mktemp("killed"))


@pytest.fixture(scope="module")
def runs(record):
    """The ids of the runs by name."""
    return {name: run.run_id for name, run in record.runs.items()}


@pytest.fixture(scope="module")
def kill():
    """Has another process do an operation and be killed in it."""
    with killer() as function:
        yield function


@pytest.fixture(autouse=True)
def _gate_that_passes(monkeypatch):
    """These tests are about what is left behind."""
    monkeypatch.setattr(registry_module, "standard_checks", easy_gate)


@pytest.fixture
def registry(record):
    """A registry of its own for each test, in the store they share."""
    return Registry(record.tracking_uri, next(names))


@pytest.mark.parametrize(
    ("operation", "at"), [(name, at) for name, n in WRITES.items() for at in range(1, n + 2)]
)
def test_a_process_killed_between_any_two_writes(registry, record, runs, kill, operation, at):
    """The next change finds the registry as before or completes it; each event is there once.

    Killed before the first write nothing has happened; from the second on the change counts, for
    readers at once and in MLflow as soon as anybody changes anything. The last `at` is beyond the
    last write, where the process ends by itself: so no write was left out.
    """
    prepare(registry, runs, operation)
    before, old = registry._versions.roles(), registry.history()["event"].tolist()
    uri, name = record.tracking_uri, registry.name
    order = {"runs": runs, "operation": operation, "at": at}
    assert kill(uri=uri, name=name, **order) == (at <= WRITES[operation])

    expected = AFTER[operation] if at > 1 else before
    assert registry._versions.roles() == expected, "what readers see, before anybody repairs it"
    assert registry.load("champion").version == expected["champion"]
    registry.restore(1, when=WHEN)  # the next change; it has nothing to do itself
    state = registry._versions.state()
    assert state.aliases == expected, "in MLflow"
    assert not [event for event in state.events if event.pending]
    extra = ["gate passed"] if operation == "promote" else []
    happened = [*extra, *([RECORDED[operation]] if at > 1 else [])]
    assert registry.history()["event"].tolist() == old + happened
    assert registry.history().index.tolist() == list(range(1, len(old + happened) + 1))
    if operation in ("register", "delete"):
        assert (3 in state.versions) == ((at > 1) == (operation == "register"))
    if at == 1:
        operate(registry, runs, operation)
        assert registry._versions.aliases() == AFTER[operation]


def test_an_alias_moved_after_a_kill_stays_where_it_was_put(registry, record, runs, kill):
    """Completing what was begun does not overwrite a decision that somebody took since."""
    prepare(registry, runs, "promote")
    order = {"runs": runs, "operation": "promote", "at": 2}
    assert kill(uri=record.tracking_uri, name=registry.name, **order)
    registry._versions.client.set_registered_model_alias(registry.name, "champion", "1")
    registry.restore(1)
    assert registry._versions.aliases() == {"champion": 1, "previous": 2}
    assert registry.history()["event"].tolist()[-2:] == ["promoted", "moved outside"]
