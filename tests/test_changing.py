"""A change is made by one process at a time, survives a kill, and is in the history once."""

from __future__ import annotations

import itertools
import multiprocessing

import pandas as pd
import pytest

from mlops_helpers import registry as registry_module
from mlops_helpers.changing import changing
from mlops_helpers.model_files import ModelFileError
from mlops_helpers.registry import PromotionRefused, Registry, RegistryError, StoreError
from tests.contending import NO_ROWS, WHEN, contend, easy_gate, prepare
from tests.loans_on_record import make_record

names = (f"changing {number}" for number in itertools.count())


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    """Three finished runs in one store."""
    return make_record(tmp_path_factory.mktemp("changing"))


@pytest.fixture(scope="module")
def runs(record):
    """The ids of the runs by name."""
    return {name: run.run_id for name, run in record.runs.items()}


@pytest.fixture(autouse=True)
def _gate_that_passes(monkeypatch):
    """These tests are about who comes first."""
    monkeypatch.setattr(registry_module, "standard_checks", easy_gate)


@pytest.fixture
def registry(record):
    """A registry of its own for each test, in the store they share."""
    return Registry(record.tracking_uri, next(names))


@pytest.mark.timeout(150)
def test_two_processes_promote_at_once_fifty_times(registry, record, runs):
    """There is one champion after each round, and both attempts are in the history, in order."""
    rounds = 50
    prepare(registry, runs, "")
    context = multiprocessing.get_context("spawn")
    start, told = context.Barrier(2), context.Queue()
    workers = [
        context.Process(
            target=contend, args=(record.tracking_uri, registry.name, place, rounds, start, told)
        )
        for place in range(2)
    ]
    for worker in workers:
        worker.start()
    answers = [told.get(timeout=100) for _ in range(2 * rounds)]
    for worker in workers:
        worker.join(30)
    assert [worker.exitcode for worker in workers] == [0, 0]

    table = pd.DataFrame(answers, columns=["round", "version", "outcome", "champion"])
    for _, both in table.groupby("round"):
        (winner,) = both.loc[both["outcome"] == "promoted", "version"]
        assert set(both["champion"]) == {winner}
        assert sorted(both["outcome"]) == ["promoted", "promotion refused"]
    trail = registry.history()
    attempts = trail[trail["event"].isin(["promoted", "promotion refused"])]
    assert attempts["event"].value_counts().to_dict() == {
        "promoted": rounds + 2,
        "promotion refused": rounds,
    }
    assert trail.index.tolist() == list(range(1, len(trail) + 1))
    moved = trail[trail["event"] == "promoted"]
    assert moved["replaced"].iloc[1:].tolist() == moved["version"].iloc[:-1].tolist()
    assert registry.version_of("champion") == moved["version"].iloc[-1]


def test_an_alias_moved_in_mlflow_is_recorded_and_not_moved_back(registry, runs):
    """The next change tells who served instead, and a verdict of before does not count."""
    prepare(registry, runs, "")
    verdict = registry.gate(3, NO_ROWS)
    registry._versions.client.set_registered_model_alias(registry.name, "champion", "1")
    with pytest.raises(PromotionRefused, match="champion 2, but version 1 serves now"):
        registry.promote(3, verdict)
    assert registry.version_of("champion") == 1
    told = registry.history().iloc[-2]
    assert (told["event"], told["version"], told["replaced"]) == ("moved outside", 1, 2)
    assert "champion was moved in MLflow itself" in told["reason"]
    assert registry.rollback(reason="rehearsal") == 2, "who served before, not `previous`"
    assert registry.history()["event"].tolist().count("moved outside") == 1


def test_a_version_deleted_in_mlflow_is_recorded(registry, runs):
    """Its own events went with it; that it is gone is told, once, and the numbers go on."""
    prepare(registry, runs, "")
    registry._versions.client.delete_model_version(registry.name, "1")
    registry.restore(2)
    registry.restore(3)
    trail = registry.history()
    assert trail["event"].tolist().count("deleted outside") == 1
    assert trail["event"].tolist().count("moved outside") == 1, "MLflow took the alias previous"
    assert trail.index.is_unique
    assert registry.register(runs["dummy"]) == 4


def test_an_alias_that_another_machine_moved_meanwhile_is_noticed(registry, runs, monkeypatch):
    """Where no lock is shared the alias is read back: overtaken is on record."""
    prepare(registry, runs, "")
    versions, verdict = registry._versions, registry.gate(3, NO_ROWS)
    monkeypatch.setattr(versions, "database", None)  # as for a server
    move = versions.client.set_registered_model_alias

    def and_then_another(name, alias, version):
        move(name, alias, version)
        if alias == "champion":
            move(name, alias, "1")

    monkeypatch.setattr(
        versions.client, "set_registered_model_alias", and_then_another, raising=False
    )
    with pytest.raises(RegistryError, match="promoted version 3, but somebody else has set"):
        registry.promote(3, verdict)
    assert registry.version_of("champion") == 1
    assert registry.history()["event"].tolist()[-2:] == ["promoted", "overtaken"]


def test_a_store_that_fails_half_way_says_what_will_happen(registry, runs, monkeypatch):
    """Journalled and not completed: the error says so, and the next change completes it."""
    prepare(registry, runs, "")
    verdict = registry.gate(3, NO_ROWS)

    def fail(*_):
        raise StoreError("the store is locked.")

    with monkeypatch.context() as patch:
        patch.setattr(registry._versions.client, "set_registered_model_alias", fail, raising=False)
        with pytest.raises(StoreError, match=r"locked\. That version 3 is promoted was journalled"):
            registry.promote(3, verdict)
    registry.restore(1)
    assert registry._versions.aliases() == {"champion": 3, "previous": 2}
    assert registry.history()["event"].tolist()[-1] == "promoted"


def test_the_same_run_registered_twice_at_once_is_one_version(registry, runs):
    """Whoever waits for the lock sees what the other did."""
    elsewhere = Registry(registry.tracking_uri, registry.name)
    assert registry.register(runs["dummy"]) == elsewhere.register(runs["dummy"]) == 1


def test_an_error_inside_leaves_the_lock(registry):
    """A change that fails does not block the next one."""
    with pytest.raises(ModelFileError), changing(registry._versions, when=WHEN):
        raise ModelFileError("no file")
    with changing(registry._versions, when=WHEN) as change:
        assert change.state.events == []
