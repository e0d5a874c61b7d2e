"""The database behind the log: one file or server, whole transactions, plain words for troubles."""

import sqlite3
import threading
import time
from contextlib import contextmanager

import pytest
import sqlalchemy as sa

from mlops_helpers import log_store, tables
from mlops_helpers.log_rows import checked
from mlops_helpers.log_store import LogError
from mlops_helpers.predictions import PredictionLog
from tests.logged import two_months
from tests.servers import empty_schema


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
    """Readers do not wait for a writer, orphans are impossible, and a backup holds every row.

    What a write has reported stored is on the disk: a power cut does not take it.
    """
    path = tmp_path / "log.db"
    with PredictionLog(f"sqlite:///{path}") as log:
        log.append(rows)
        with log._engine.connect() as connection:
            assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
            assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
            assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2, "FULL"
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
        with pytest.raises(LogError, match="is locked by another connection"):
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


@contextmanager
def busy(url, statement):
    """Another connection in the middle of a transaction in which it has done this."""
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        connection.exec_driver_sql(statement)
        yield
    engine.dispose()


@pytest.mark.parametrize("work", ["append", "window"])
def test_on_a_server_nobody_waits_for_a_lock_without_end(postgres_url, rows, monkeypatch, work):
    """Somebody's transaction that never ends: one sentence after the wait, and all works again."""
    empty_schema(postgres_url)
    with PredictionLog(postgres_url) as log:
        log.append(rows.head(100))
        monkeypatch.setattr(log_store, "_BUSY_SECONDS", 0.2)
        with busy(postgres_url, "lock table predictions in access exclusive mode"):
            begun = time.monotonic()
            with pytest.raises(LogError, match="is locked by another connection's transaction; e"):
                log.append(rows) if work == "append" else log.window()
            assert time.monotonic() - begun < 5
        assert log.append(rows) == 100


@pytest.fixture
def locked_out(postgres_url):
    """The address of a role that may not use the database, and of its owner; gone afterwards."""
    engine = sa.create_engine(postgres_url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql("create role guest login connection limit 0")
        yield engine.url
        connection.exec_driver_sql("drop role guest")
    engine.dispose()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"database": "nowhere"}, "is not there: its server has no such database; make it"),
        ({"username": "stranger"}, "refuses you; see to the user and the password"),
        ({"username": "guest"}, "has no connection left; close others"),
        ({"query": {"colour": "red"}}, "has an option in its address that PostgreSQL does not"),
    ],
)
def test_an_address_that_a_server_refuses_is_told_as_it_is(locked_out, change, said):
    """A real server's answers: no such database, nobody of that name, no room, no such option."""
    url = locked_out.set(**change).render_as_string(hide_password=False)
    with pytest.raises(LogError, match=said) as caught:
        PredictionLog(url)
    assert "\n" not in str(caught.value)
    assert "does not answer" not in str(caught.value)


def test_a_server_that_is_told_to_stop_is_told_as_it_is(postgres_url):
    """A statement that takes longer than the server allows is no server that is away."""
    empty_schema(postgres_url)
    engine = log_store.connect(postgres_url)

    def work():
        with log_store.writing(engine) as connection:
            connection.exec_driver_sql("set local statement_timeout = 50")
            connection.exec_driver_sql("select pg_sleep(5)")

    with pytest.raises(LogError, match="was told to stop before it was done"):
        work()
    engine.dispose()


def test_a_change_that_comes_first_on_a_server_is_told(postgres_url, rows):
    """Two that change one row of one snapshot: the later one is told to try again."""
    empty_schema(postgres_url)
    change = sa.update(tables.predictions).values(variant="changed")

    def both(engine):
        with log_store.reading(engine) as connection:
            connection.execute(sa.select(tables.predictions)).all()
            with log_store.writing(engine) as writer:
                writer.execute(change)
            connection.execute(change)

    with PredictionLog(postgres_url) as log:
        log.append(rows.head(1))
        with pytest.raises(LogError, match="was changed by another writer in the same moment"):
            both(log._engine)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("SSL SYSCALL error: EOF detected", "does not answer"),
        ("FATAL:  the database system is starting up", "does not answer"),
        ('FATAL:  password authentication failed for user "u"', "refuses you"),
        ("fe_sendauth: no password supplied", "refuses you"),
        ('FATAL:  no pg_hba.conf entry for host "10.0.0.1"', "refuses you"),
        ("FATAL:  sorry, too many clients already", "has no connection left"),
        ("FATAL:  remaining connection slots are reserved for", "has no connection left"),
    ],
)
def test_what_this_server_never_says_is_told_as_well(words, said):
    """PostgreSQL's own words that the tests' server, which trusts everybody, does not say."""
    engine = sa.create_engine("postgresql+psycopg://ann@host/log")
    failed = engine.dialect.loaded_dbapi.OperationalError(
        f'connection failed: connection to server at "127.0.0.1", port 5432 failed: {words}'
        if words.startswith("FATAL")
        else words
    )
    with pytest.raises(LogError, match=said), log_store._explained(engine):
        raise failed


@pytest.mark.parametrize(
    "url", ["log.db", "postgresql://ann:secret@host:port/log?password=secret", "", None]
)
def test_what_is_no_address_is_refused_without_its_password(url):
    """A path, a port that is no number, nothing: one sentence with two addresses that are."""
    with pytest.raises(ValueError, match="is no address of a database; use sqlite:///") as caught:
        PredictionLog(url)
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_password_in_the_query_is_not_told():
    """libpq takes a password there as well; the address is told without its query."""
    with pytest.raises(LogError, match=r"//course@127\.0\.0\.1:9/x does not answer") as caught:
        PredictionLog("postgresql://course@127.0.0.1:9/x?password=hunter2")
    assert "hunter2" not in str(caught.value)


def test_a_log_in_memory_says_that_it_is_being_read(rows):
    """It has one connection: a write between two chunks is refused, and works at their end."""
    with PredictionLog("sqlite://") as log:
        log.append(rows.head(100))
        chunks = log.windows(chunk_rows=30)
        next(chunks)
        with pytest.raises(LogError, match="from which chunks are being read; read them to the"):
            log.append(rows)
        assert sum(map(len, chunks)) == 70
        assert log.append(rows) == 100


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
