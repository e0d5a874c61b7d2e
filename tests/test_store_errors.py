"""Whatever is wrong with a store, there is one clear error, and the registry is as it was."""

from __future__ import annotations

import logging
import os
import shutil
import sqlite3

import pytest
from mlflow.exceptions import MlflowException

from mlops_helpers.registry import Registry
from mlops_helpers.runs import connect
from mlops_helpers.store_errors import (
    TROUBLES,
    StoreError,
    UnknownModelError,
    check_file,
    explained,
)
from tests.loans_on_record import make_record
from tests.servers import free_port


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    """Three finished runs in one store."""
    return make_record(tmp_path_factory.mktemp("troubles"))


@pytest.fixture
def copy(record, tmp_path):
    """A copy of the store with a version on record, to be ruined; the file's path."""
    Registry(record.tracking_uri).register(record.runs["dummy"])
    path = tmp_path / "mlflow.db"
    source = sqlite3.connect(record.tracking_uri.removeprefix("sqlite:///"))
    target = sqlite3.connect(path)
    source.backup(target)
    source.close()
    target.close()
    return path


def change(path, *statements):
    """Run SQL on a file."""
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


def dump(path):
    """Everything in the database, to be compared."""
    connection = sqlite3.connect(path)
    lines = list(connection.iterdump())
    connection.close()
    return lines


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_a_locked_store(record, copy, caplog):
    """Somebody's open transaction: after MLflow's 20 s one sentence, no stack in the log."""
    registry = Registry(f"sqlite:///{copy}")
    before = dump(copy)
    holder = sqlite3.connect(copy, isolation_level=None)
    holder.execute("begin immediate")
    with (
        caplog.at_level(logging.INFO),
        pytest.raises(StoreError, match="is locked: another connection holds a transaction open"),
    ):
        registry.register(record.runs["logistic"])
    holder.execute("rollback")
    holder.close()
    assert dump(copy) == before
    assert "Traceback" not in caplog.text
    assert registry.register(record.runs["logistic"]) == 2, "and it works again"


def test_a_read_only_store(record, copy, tmp_path, monkeypatch):
    """It can be read; a change is refused in one sentence and leaves nothing behind."""
    monkeypatch.chdir(tmp_path)
    before = dump(copy)
    registry = Registry(f"sqlite:///file:{copy}?mode=ro&uri=true")
    assert registry.status()["name"].tolist() == ["dummy"]
    assert registry.load(1).version == 1
    with pytest.raises(StoreError, match=r"is read-only\. Use an address"):
        registry.register(record.runs["logistic"])
    assert dump(copy) == before
    assert not (tmp_path / "file:").exists(), "MLflow takes the address for a path and makes it"


def test_a_store_that_was_replaced_is_read_anew(record, copy, tmp_path):
    """The champion of the file that lies there now is served, by whoever had the old one open."""
    registry = Registry(f"sqlite:///{copy}")
    backup = tmp_path / "backup.db"
    shutil.copyfile(copy, backup)
    second = registry.register(record.runs["logistic"])
    for file, version in ((copy, second), (backup, 1)):
        change(
            file,
            "insert into registered_model_aliases (name, alias, version, workspace) "
            f"values ('credit-risk', 'champion', {version}, 'default')",
        )
    assert registry.load().version == second
    backup.replace(copy)
    assert registry.load().version == registry.version_of("champion") == 1
    assert registry.status()["version"].tolist() == [1]
    assert Registry(f"sqlite:///{copy}").load().version == 1
    assert registry.register(record.runs["logistic"]) == 2, "and it can be written to"


def test_a_store_that_was_deleted_serves_nobody(copy):
    """Told at the next call; no empty file is made in its place."""
    registry = Registry(f"sqlite:///{copy}")
    assert registry.load(1).version == 1
    copy.unlink()
    for call in (
        lambda: registry.load(1),
        registry.status,
        lambda: registry.version_of("champion"),
    ):
        with pytest.raises(StoreError, match=r"is not there any more: .* moved or deleted"):
            call()
    assert not copy.exists()


def test_a_store_of_a_newer_mlflow(copy):
    """Its schema is not guessed at: the versions are named, and nothing is migrated."""
    change(copy, "update alembic_version set version_num = 'fffffffffffe'")
    before = dump(copy)
    with pytest.raises(StoreError, match="was written by another version of MLflow than this one"):
        Registry(f"sqlite:///{copy}")
    assert dump(copy) == before


def test_a_store_of_a_newer_mlflow_that_dropped_a_table(copy):
    """The same if a table that this MLflow knows is not there any more."""
    change(
        copy,
        "update alembic_version set version_num = 'fffffffffffe'",
        "drop table webhook_events",
    )
    with pytest.raises(StoreError, match="was written by another version of MLflow than this one"):
        Registry(f"sqlite:///{copy}")


@pytest.mark.parametrize(
    ("ruin", "words"),
    [
        (lambda path: path.write_bytes(b"name,default\n" * 500), "is no SQLite database"),
        (lambda path: path.write_bytes(path.read_bytes()[:60]), "is no SQLite database"),
        (lambda path: path.write_bytes(path.read_bytes()[: 4096 * 20]), "is cut short: 81,920 byt"),
    ],
    ids=["another file", "60 bytes", "cut short"],
)
def test_a_file_that_is_no_whole_database(copy, ruin, words):
    """Seen from its first bytes, before a database library touches it; it stays as it is."""
    ruin(copy)
    before = copy.read_bytes()
    with pytest.raises(StoreError, match=words):
        Registry(f"sqlite:///{copy}")
    assert copy.read_bytes() == before


def test_a_file_that_is_damaged_inside(copy):
    """The length is right and the content is not: damaged, restore it."""
    size = copy.stat().st_size
    copy.write_bytes(copy.read_bytes()[:4096] + b"\xff" * (size - 4096))
    with pytest.raises(StoreError, match=r"is damaged\. Restore it"):
        Registry(f"sqlite:///{copy}")


def test_a_server_that_is_away(monkeypatch):
    """Nobody listens: one sentence with the address and what to look at."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(StoreError, match=rf"the store {url} does not answer\. See whether"):
        Registry(url)


@pytest.mark.parametrize(
    "said",
    [
        "API request to endpoint /x failed with error code 404 != 200. Response body: '<!doctype",
        "API request to endpoint was successful but the response: <HTML><body>welcome</body>",
    ],
)
def test_a_server_that_is_no_mlflow(said):
    """A page in the place of an answer is not repeated; the address is what to look at."""
    with (
        pytest.raises(StoreError) as met,
        explained("http://host/wrong"),
    ):
        raise MlflowException(said)
    assert str(met.value) == (
        "the store http://host/wrong answers, but not as an MLflow server does. Check the address."
    )


def test_no_sentence_ends_twice():
    """Each of the explanations is followed by one full stop."""
    assert not [words for _, words in TROUBLES if words.endswith((".", "?", "!"))]


def test_the_wait_for_a_server_is_bounded(monkeypatch):
    """Four tries, unless the user has set another number."""
    monkeypatch.delenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", raising=False)
    connect("http://127.0.0.1:9")
    assert os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] == "3"
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "5")
    connect("http://127.0.0.1:9")
    assert os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] == "5"


def test_a_password_is_not_repeated():
    """An address goes into the message without its secret."""
    with (
        pytest.raises(StoreError, match=r"postgresql://ann:\*\*\*@db/x is locked"),
        explained("postgresql://ann:geheim@db/x"),
    ):
        raise sqlite3.OperationalError("database is locked")


def test_other_errors_pass_unchanged():
    """A mistake of the caller, and a fault of ours, are not the store's."""
    for error in (UnknownModelError("no such table, says a person"), KeyError("locked database")):
        with pytest.raises(type(error)) as met, explained("sqlite://"):
            raise error
        assert met.value is error


def test_a_store_that_is_not_there_yet_is_no_fault(tmp_path):
    """A new file, an empty one and a server's address have nothing to be checked."""
    (tmp_path / "empty.db").touch()
    for address in (f"sqlite:///{tmp_path}/new.db", f"sqlite:///{tmp_path}/empty.db", "http://x"):
        check_file(address)
    shutil.rmtree(tmp_path)
