"""A model is read and checked once, kept while it serves, and replaced when another one does."""

from __future__ import annotations

import copy
import itertools
import sqlite3
import threading

import numpy as np
import pytest

from mlops_helpers import loading
from mlops_helpers import registry as registry_module
from mlops_helpers.loading import KEPT, Newest
from mlops_helpers.model_files import DigestError
from mlops_helpers.registry import Registry, RegistryError
from tests.contending import NO_ROWS, easy_gate
from tests.loans_on_record import make_record

names = (f"loading {number}" for number in itertools.count())


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    """Three finished runs in one store."""
    return make_record(tmp_path_factory.mktemp("loading"))


@pytest.fixture(autouse=True)
def _gate_that_passes(monkeypatch):
    """These tests are about what happens after."""
    monkeypatch.setattr(registry_module, "standard_checks", easy_gate)
    monkeypatch.setattr(loading, "_MODELS", Newest(KEPT))


@pytest.fixture
def registry(record):
    """A registry with a champion."""
    registry = Registry(record.tracking_uri, next(names))
    promote(registry, record, "logistic")
    return registry


def promote(registry, record, name):
    """Make a run's version the champion; returns its number."""
    version = registry.register(record.runs[name])
    registry.promote(version, registry.gate(version, NO_ROWS))
    return version


def model_file(record, name):
    """Where the model of a run lies."""
    mark = record.runs[name].model_uri.removeprefix("models:/")
    (path,) = record.artifacts.glob(f"**/{mark}/**/model.skops")
    return path


def count_queries(registry, monkeypatch):
    """A list that grows with every call to MLflow."""
    calls, client = [], registry._versions.client

    class Counted:
        def __getattr__(self, name):
            calls.append(name)
            return getattr(client, name)

    monkeypatch.setattr(registry._versions, "client", Counted())
    return calls


def test_the_same_object_comes_back_without_a_query(registry, monkeypatch):
    """As long as nobody writes to the store there is nothing to ask."""
    first = registry.load()
    calls = count_queries(registry, monkeypatch)
    assert registry.load("champion") is first
    assert calls == []


def test_another_registry_of_the_process_shares_it(registry, record):
    """A second object for the same model reads no file."""
    first = registry.load()
    assert Registry(record.tracking_uri, registry.name).load(first.version) is first


def test_a_new_champion_is_noticed_at_the_next_call(registry, record):
    """Whoever promoted it: another object, or MLflow alone."""
    first = registry.load()
    second = promote(Registry(record.tracking_uri, registry.name), record, "cautious")
    assert registry.load().version == second
    registry._versions.client.set_registered_model_alias(registry.name, "champion", "1")
    assert registry.load() is first


def test_what_another_process_writes_is_noticed(registry, record):
    """A plain connection to the file, which tells nobody."""
    second = registry.register(record.runs["cautious"])
    assert registry.load().version == 1
    connection = sqlite3.connect(record.tracking_uri.removeprefix("sqlite:///"))
    connection.execute(
        "update registered_model_aliases set version = ? where name = ?", (second, registry.name)
    )
    connection.commit()
    connection.close()
    assert registry.load().version == second


def test_in_write_ahead_mode_it_asks_each_time(registry, monkeypatch):
    """There the file does not tell of a write; a query does, and the model is not read again."""
    first = registry.load()
    monkeypatch.setattr(registry._versions, "stamp", lambda: None)
    calls = count_queries(registry, monkeypatch)
    assert registry.load() is first
    assert calls == ["get_registered_model", "get_model_version"]


def test_a_write_during_the_query_is_not_missed(registry, monkeypatch):
    """If the store changed while we asked, the answer is used once and asked for again."""
    stamps = iter([(1,), (2,), (2,), (2,), (2,)])
    monkeypatch.setattr(registry._versions, "stamp", lambda: next(stamps))
    registry.load()
    calls = count_queries(registry, monkeypatch)
    registry.load()
    assert calls, "asked again"


def test_a_shared_model_cannot_be_poisoned_by_accident(registry):
    """Coefficients are read-only; a copy may be changed."""
    model = registry.load().pipeline[-1]
    with pytest.raises(ValueError, match="read-only"):
        model.coef_[:] = 0
    mine = copy.deepcopy(model)
    mine.coef_[:] = 0


def test_few_models_are_kept(record, monkeypatch):
    """The process does not grow with every version it has ever looked at."""
    kept = Newest(2)
    for number in range(4):
        kept.put(number, str(number))
    assert [kept.get(number) for number in range(4)] == [None, None, "2", "3"]
    kept.get(2)
    kept.put(4, "4")
    assert kept.get(2) == "2", "what was used last stays"
    assert kept.put(4, "another") == "4", "whoever was first stays"


def test_threads_that_load_at_once_get_one_object(registry):
    """Each may read the file; all of them get the same model."""
    found = []
    threads = [threading.Thread(target=lambda: found.append(registry.load())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert len({id(model) for model in found}) == 1


def test_a_tampered_file_is_not_served(registry, record):
    """The first load of a version compares the digest; with the file restored it loads."""
    path = model_file(record, "logistic")
    kept = path.read_bytes()
    path.write_bytes(model_file(record, "dummy").read_bytes())
    try:
        with pytest.raises(DigestError, match="is not the file that was registered"):
            registry.load()
    finally:
        path.write_bytes(kept)
    rows = record.split.holdout
    assert np.isfinite(registry.load().pipeline.predict_proba(rows)).all()


def test_a_tampered_file_is_not_registered(record):
    """Between training and registering a file may change as well: refused, no version is made."""
    registry, path = Registry(record.tracking_uri, next(names)), model_file(record, "cautious")
    kept = path.read_bytes()
    path.write_bytes(kept[:-1])
    try:
        with pytest.raises(DigestError):
            registry.register(record.runs["cautious"])
    finally:
        path.write_bytes(kept)
    assert registry.status().empty
    assert registry.history().empty


def test_a_run_without_digests_is_not_registered(record):
    """What an older package or a hand logged names no file: refused, with the way out."""
    registry = Registry(record.tracking_uri, next(names))
    client = registry._versions.client
    run_id = record.runs["dummy"].run_id
    digest = client.get_run(run_id).data.tags["model_sha256"]
    client.delete_tag(run_id, "model_sha256")
    try:
        with pytest.raises(RegistryError, match=r"has no model_sha256.*Train it again"):
            registry.register(run_id)
    finally:
        client.set_tag(run_id, "model_sha256", digest)
    assert registry.register(run_id) == 1


def test_a_version_made_around_the_registry_is_not_loaded(registry, record):
    """Nobody knows which file was meant; the way out is in the message."""
    versions, run = registry._versions, record.runs["dummy"]
    logged = versions.logged_by(versions.run(run.run_id))
    made = versions.client.create_model_version(
        registry.name, logged.artifact_location, run_id=run.run_id
    )
    with pytest.raises(RegistryError, match=r"has no model_sha256.*Register its run"):
        registry.load(int(made.version))
