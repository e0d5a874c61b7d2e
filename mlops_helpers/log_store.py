"""The database behind the log: opened, written to in one transaction, read in one snapshot.

What a database cannot do (locked, full, read-only, gone, away) comes as a `LogError`: one sentence
that names the store. A write that failed has left nothing behind.
"""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from mlops_helpers.sqlite_files import database_path
from mlops_helpers.upgrading import address, bring_up_to_date

__all__ = ["LogError", "connect", "reading", "writing"]

_BUSY_SECONDS = 60  # how long one transaction waits for another that holds a lock
_ANSWER_SECONDS = 10  # how long a PostgreSQL may take to answer when it is called
# Ids are random, so a batch touches pages all over their index. With SQLite's 2 MB each of them is
# written and read again many times within the batch; with room for all that the batch changes,
# once. (Batches of 500,000 rows, at two million: 18 us of CPU a row with 2 MB, 11 with 256 MB; the
# index of ids outgrows 256 MB at some five million rows.) Taken only as far as a batch uses it. Not
# for reading: a query that sorts would fill it before it uses the disk.
_WRITE_CACHE_KIB = 512 * 1024
_DRIVERS = {"sqlite": "sqlite", "postgresql": "postgresql+psycopg"}
_WRITES = "log_writes"  # the execution option that tells a write from a read

# What the databases say, what it means, and the way out.
_TROUBLES = (
    (
        r"is locked|lock timeout|deadlock",
        "is locked by another connection's transaction; end that, or try again",
    ),
    (
        r"could not serialize",
        "was changed by another writer in the same moment; try again",
    ),
    (
        r"within a transaction",
        "is in memory and has one connection, from which chunks are being read; read them to the "
        "end first, or keep the log in a file",
    ),
    (
        r"readonly|read-only|permission denied",
        "may not be written to; use an address that may, or give yourself the right",
    ),
    (r"is full|No space left|could not extend", "has no room left; make room, then try again"),
    (
        r"invalid connection option|invalid URI",
        "has an option in its address that PostgreSQL does not know; correct the address",
    ),
    (
        r"FATAL:.*database .* does not exist",
        "is not there: its server has no such database; make it, or correct the address",
    ),
    (
        r"FATAL:.*role .* does not exist|password authentication|no password supplied|pg_hba",
        "refuses you; see to the user and the password of the address",
    ),
    (
        r"too many (clients|connections)|remaining connection slots",
        "has no connection left; close others, or let the server have more of them",
    ),
    (
        r"statement timeout|user request",
        "was told to stop before it was done: by a person, or by the server's statement_timeout; "
        "raise that, or do less at once",
    ),
    (
        r"is gone|no such table|no such column|does not exist",
        "is not there any more as it was opened; put it back, or open another one",
    ),
    (
        r"not a database|malformed|file is encrypted",
        "is no whole SQLite database; restore it from a copy, or name another file",
    ),
    (
        r"disk I/O error|unable to open database file",
        "cannot be read or written; its folder must exist, and the disk must be sound",
    ),
    (
        r"connection|timeout|terminat|could not connect|could not translate|shutting down"
        r"|starting up|SSL SYSCALL|EOF detected",
        "does not answer; see whether the server runs and the address is right",
    ),
)


class LogError(Exception):
    """The log's store cannot do what was asked; nothing of it was stored."""


def connect(url: str) -> sa.Engine:
    """An engine on a store of this schema: made, or upgraded, if need be.

    Raises `ValueError` for what is no address, for a database other than SQLite and PostgreSQL,
    for one that belongs to another program, and for a store that is damaged or of a newer schema;
    `LogError` for one that cannot be used.
    """
    parsed = _parsed(url)
    backend = parsed.get_backend_name()
    if backend not in _DRIVERS:
        raise ValueError(
            f"database {backend!r} is not supported; use sqlite:///file.db or "
            "postgresql://user@host/database"
        )
    engine = _sqlite(parsed) if backend == "sqlite" else _postgresql(parsed)
    try:
        with _explained(engine):
            bring_up_to_date(engine, writing)
    except BaseException:
        engine.dispose()
        raise
    return engine


@contextmanager
def writing(engine: sa.Engine) -> Iterator[sa.Connection]:
    """One transaction: all of what is done in it is stored at its end, or nothing if it fails.

    On SQLite it holds the write lock from its start: to read first and write later would fail as
    soon as another one has written in between.
    """
    marked = engine.execution_options(**{_WRITES: True})
    with _explained(engine), marked.begin() as connection:
        yield connection


@contextmanager
def reading(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A connection whose queries see one state of the store."""
    if engine.dialect.name == "postgresql":
        engine = engine.execution_options(isolation_level="REPEATABLE READ")
    with _explained(engine), engine.connect() as connection:
        yield connection


@contextmanager
def _explained(engine: sa.Engine) -> Iterator[None]:
    """Raise `LogError` for what the database cannot do; all else passes as it is."""
    try:
        yield
    except (sa.exc.IntegrityError, sa.exc.DataError):
        raise  # of the rows, whatever they say
    except (sa.exc.DBAPIError, engine.dialect.loaded_dbapi.Error) as error:
        said = str(getattr(error, "orig", error))
        for pattern, words in _TROUBLES:
            if re.search(pattern, said, re.IGNORECASE):
                raise LogError(f"the log's store {address(engine)} {words}") from error
        raise


def _parsed(url: str) -> sa.URL:
    try:
        return sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError) as error:
        shown = re.sub(r"[?#].*", "", re.sub(r"//.*@", "//***@", str(url)))  # no secrets
        raise ValueError(
            f"{shown!r} is no address of a database; use sqlite:///file.db or "
            "postgresql://user@host:port/database"
        ) from error


def _postgresql(url: sa.URL) -> sa.Engine:
    waiting = {"connect_timeout": _ANSWER_SECONDS}
    engine = sa.create_engine(
        url.set(drivername=_DRIVERS["postgresql"]),
        connect_args=waiting,
        pool_pre_ping=True,  # a server that was restarted between two calls is no trouble
    )
    sa.event.listen(engine, "begin", _begin_postgresql)
    return engine


def _begin_postgresql(connection: sa.Connection) -> None:
    """Else a reader or writer waits for another one's lock without end and without a word."""
    connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{round(1000 * _BUSY_SECONDS)}ms'")


def _sqlite(url: sa.URL) -> sa.Engine:
    options: dict[str, Any] = {"connect_args": {"timeout": _BUSY_SECONDS, "isolation_level": None}}
    path = database_path(f"sqlite:///{url.database or ''}")
    if path:
        options["poolclass"] = sa.NullPool  # no handle outlives its use: the file can be copied
    engine = sa.create_engine(url, **options)
    if path:
        _never_make_it_again(engine, path)
    sa.event.listen(engine, "connect", _prepare_sqlite)
    sa.event.listen(engine, "begin", _begin_sqlite)
    return engine


def _never_make_it_again(engine: sa.Engine, path: Path) -> None:
    """SQLite makes an empty file where there is none: right once, wrong for a log that was lost."""
    seen = False

    def look(*_: object) -> None:
        nonlocal seen
        if seen and not path.exists():
            raise sqlite3.OperationalError("the database file is gone")
        seen = True

    sa.event.listen(engine, "do_connect", look)


def _prepare_sqlite(connection: Any, _: object) -> None:  # noqa: ANN401 - a driver's connection
    cursor = connection.cursor()
    _set_journal(cursor)
    # NORMAL would be safe against a crash of the program only: a power cut takes what was stored
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _set_journal(cursor: sqlite3.Cursor) -> None:
    """Write ahead, as the file then remembers. SQLite does not wait here for who has it locked."""
    until = time.monotonic() + _BUSY_SECONDS
    while cursor.execute("PRAGMA journal_mode").fetchone()[0] == "delete":
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(0.01)


def _begin_sqlite(connection: sa.Connection) -> None:
    """Python's driver would begin late, and not at all before a change of a table."""
    writes = connection.get_execution_options().get(_WRITES)
    if writes:
        connection.exec_driver_sql(f"PRAGMA cache_size=-{_WRITE_CACHE_KIB}")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
