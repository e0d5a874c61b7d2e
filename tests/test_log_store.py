"""The database behind the log: one file or server, whole transactions, plain words for troubles."""

import sqlite3
import threading

import pytest
import sqlalchemy as sa

from mlops_helpers import log_store, tables
from mlops_helpers.log_rows import checked
from mlops_helpers.log_store import LogError
from mlops_helpers.predictions import PredictionLog
from tests.logged import two_months


@pytest.fixture
def engine(store_url):
    """An empty store, reached without the log."""
    engine = log_store.connect(store_url)
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def rows():
    """Two hundred predictions of January and February 2024, some features missing."""
    return two_months()


def test_sqlite_is_in_wal_mode_with_foreign_keys_and_can_be_copied(tmp_path, rows):
    """Readers do not wait for a writer, orphans are impossible, and a backup holds every row."""
    path = tmp_path / "log.db"
    with PredictionLog(f"sqlite:///{path}") as log:
        log.append(rows)
        with log._engine.connect() as connection:
            assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
            assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
    source, copy = sqlite3.connect(path), sqlite3.connect(tmp_path / "copy.db")
    source.backup(copy)
    source.close()
    copy.close()
    with PredictionLog(f"sqlite:///{tmp_path / 'copy.db'}") as log:
        assert len(log.window()) == len(rows)


def test_another_database_is_refused():
    """Only databases that the tests run on are supported."""
    with pytest.raises(ValueError, match="'mysql' is not supported"):
        log_store.connect("mysql://host/db")


def test_opening_again_changes_nothing(engine, store_url, rows):
    """The tables are made once; a second connection finds the rows of the first."""
    with engine.begin() as connection:
        tables.insert_new(connection, tables.predictions, checked(rows, tables.predictions))
    again = log_store.connect(store_url)
    with again.connect() as connection:
        count = sa.select(sa.func.count()).select_from(tables.predictions)
        assert connection.scalar(count) == len(rows)
        versions = connection.execute(sa.text("select schema_version from store")).all()
    again.dispose()
    assert versions == [(tables.SCHEMA_VERSION,)]


def test_a_log_that_was_deleted_is_not_made_again(tmp_path, rows):
    """A file that is gone is told, and no empty one takes its place."""
    path = tmp_path / "log.db"
    with PredictionLog(f"sqlite:///{path}") as log:
        log.append(rows)
        path.unlink()
        for work in (log.window, lambda: log.append(rows)):
            with pytest.raises(LogError, match=r"log\.db is not there any more") as caught:
                work()
            assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_another_writer_that_never_ends_is_told(tmp_path, rows, monkeypatch):
    """A locked log is one sentence after the wait, readers go on, and later writes work."""
    monkeypatch.setattr(log_store, "_BUSY_SECONDS", 0.2)
    path = tmp_path / "log.db"
    with PredictionLog(f"sqlite:///{path}") as log:
        log.append(rows.head(100))
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(LogError, match="is locked by another writer"):
            log.append(rows)
        assert len(log.window()) == 100
        other.execute("COMMIT")
        other.close()
        assert log.append(rows) == 100


def test_a_disk_without_room_is_told_and_nothing_is_half_there(tmp_path, rows):
    """No page more than there are, as on a full disk: none of the batch is stored."""
    with PredictionLog(f"sqlite:///{tmp_path / 'log.db'}") as log:
        log.append(rows.head(5))

        def limit(connection, _):
            connection.execute("PRAGMA max_page_count=1")

        sa.event.listen(log._engine, "connect", limit)
        with pytest.raises(LogError, match="has no room left"):
            log.append(rows)
        sa.event.remove(log._engine, "connect", limit)
        assert len(log.window()) == 5
        assert log.append(rows) == len(rows) - 5


def test_a_log_that_may_only_be_read_is_told(tmp_path, rows):
    """A read-only connection reads, and refuses to write in one sentence."""
    path = tmp_path / "log.db"
    with PredictionLog(f"sqlite:///{path}") as log:
        log.append(rows)
    with PredictionLog(f"sqlite:///file:{path}?mode=ro&uri=true") as log:
        assert len(log.window()) == len(rows)
        with pytest.raises(LogError, match="may not be written to"):
            log.append(rows)


def test_a_folder_that_is_not_there_is_told(tmp_path):
    """No folder is made by mistake."""
    with pytest.raises(LogError, match="its folder must exist"):
        PredictionLog(f"sqlite:///{tmp_path / 'nowhere' / 'log.db'}")
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_is_away_is_told_without_its_password():
    """Nobody listens on the port: one sentence with the address, and no secret in it."""
    with pytest.raises(LogError, match="does not answer") as caught:
        PredictionLog("postgresql://course:secret@127.0.0.1:9/nothing")
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_write_that_fails_leaves_nothing(engine, rows):
    """What was done in the transaction before the failure is undone, on both databases."""

    def fail_in_the_middle():
        with log_store.writing(engine) as connection:
            tables.insert_new(connection, tables.predictions, checked(rows, tables.predictions))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_in_the_middle()
    with log_store.reading(engine) as connection:
        assert connection.execute(sa.select(tables.predictions)).all() == []


def test_a_reader_sees_one_state(engine, rows):
    """Two queries of one reading agree, although a writer has come between them."""
    count = sa.select(sa.func.count()).select_from(tables.predictions)
    with log_store.reading(engine) as reader:
        assert reader.scalar(count) == 0
        with log_store.writing(engine) as writer:
            tables.insert_new(writer, tables.predictions, checked(rows, tables.predictions))
        assert reader.scalar(count) == 0
    with log_store.reading(engine) as reader:
        assert reader.scalar(count) == len(rows)


def test_a_writer_that_reads_first_does_not_fail(engine):
    """Read, then write, in two threads at once: the second waits and sees what the first did."""
    count = sa.select(sa.func.count()).select_from(tables.experiments)
    both = threading.Barrier(2)

    def write():
        both.wait()
        for _ in range(10):
            with log_store.writing(engine) as connection:
                there = connection.scalar(count)
                row = {"name": f"{threading.get_ident()} {there}", "record": "{}"}
                tables.insert_new(connection, tables.experiments, [row])

    threads = [threading.Thread(target=write) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with log_store.reading(engine) as connection:
        assert connection.scalar(count) == 20
