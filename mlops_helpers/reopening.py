"""A database file that was replaced is opened anew, whoever keeps connections to the old one.

MLflow keeps SQLite connections open for the whole process. A connection reads the file that it
opened, also after another one was put in its place: a service would go on answering from a store
that is not there any more. SQLAlchemy asks before it lends a connection
(https://docs.sqlalchemy.org/en/20/core/pooling.html#disconnect-handling-pessimistic), and here it
is told when the file at that path is another one now.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from sqlalchemy import event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.pool import Pool

from mlops_helpers.sqlite_files import identity

__all__ = ["notice_replaced_files"]

_KEY = "mlops_helpers.opened"
"""Where a connection's record keeps what it opened: path, and which file that was."""


def notice_replaced_files() -> None:
    """From now on no connection of this process reads a file that was replaced; once is enough.

    Connections to servers and to databases in memory are left alone.
    """
    if not event.contains(Pool, "checkout", _still_the_same):
        event.listen(Pool, "connect", _opened)
        event.listen(Pool, "checkout", _still_the_same)


def _opened(connection: Any, record: Any) -> None:  # noqa: ANN401 - any database's
    if isinstance(connection, sqlite3.Connection):
        path = _path(connection)
        record.info[_KEY] = (path, identity(path)) if path else None


def _still_the_same(connection: Any, record: Any, _: object) -> None:  # noqa: ANN401
    if not isinstance(connection, sqlite3.Connection):
        return
    if _KEY not in record.info:  # opened before anybody asked for this: by now it may be another
        path = _path(connection)
        if path:
            raise DisconnectionError(f"{path} was opened before its file was known")
        record.info[_KEY] = None
    known = record.info[_KEY]
    if known and identity(known[0]) != known[1]:
        raise DisconnectionError(f"{known[0]} is another file now")


def _path(connection: sqlite3.Connection) -> Path | None:
    """The file of the main database; None for one in memory."""
    name = next(row[2] for row in connection.execute("pragma database_list") if row[1] == "main")
    return Path(name) if name else None
