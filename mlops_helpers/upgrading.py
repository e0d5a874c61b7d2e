"""Schema versions of the log: a new store is made, an older one upgraded, a newer one refused.

Each step leads from one version to the next and is written out in full, because it must go on
doing what it did when the tables of `tables` have changed again. All steps are one transaction: a
process that is killed in the middle leaves the store as it was, and of several that open it at
once one does the work and the others find it done.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import sqlalchemy as sa

from mlops_helpers import tables
from mlops_helpers.tables import SCHEMA_VERSION

__all__ = ["STEPS", "address", "bring_up_to_date"]

STEPS: dict[int, tuple[str, ...]] = {
    1: (
        "ALTER TABLE alerts ADD COLUMN owner TEXT NOT NULL DEFAULT ''",
        """CREATE TABLE deliveries (
            delivery_id TEXT NOT NULL PRIMARY KEY,
            alert_id TEXT NOT NULL,
            event TEXT NOT NULL,
            event_at BIGINT NOT NULL,
            channel TEXT NOT NULL,
            status TEXT NOT NULL,
            attempts INTEGER NOT NULL,
            next_attempt_at BIGINT NOT NULL,
            claimed_until BIGINT,
            sent_at BIGINT,
            last_error TEXT NOT NULL DEFAULT '',
            message TEXT NOT NULL
        )""",
        "CREATE INDEX deliveries_by_status ON deliveries (status, next_attempt_at)",
        "CREATE INDEX deliveries_by_alert ON deliveries (alert_id, channel, event_at)",
        "CREATE INDEX predictions_by_version ON predictions (model_version, scored_at)",
        "DROP INDEX predictions_by_experiment",
        "CREATE INDEX predictions_by_experiment ON predictions (experiment, scored_at) "
        "WHERE experiment IS NOT NULL",
    ),
    2: (
        """CREATE TABLE steps (
            key TEXT NOT NULL,
            stage TEXT NOT NULL,
            status TEXT NOT NULL,
            started_at BIGINT NOT NULL,
            seconds DOUBLE PRECISION,
            attempts INTEGER NOT NULL,
            told TEXT NOT NULL DEFAULT '',
            result TEXT NOT NULL,
            PRIMARY KEY (key, stage)
        )""",
    ),
}
"""What leads from this version to the next; both databases understand it."""

# How long a step of the upgrade waits for those who use the store: all others queue behind it.
_STEP_SECONDS = 10
_LOCK = 7_236_041_955  # any number of our own: PostgreSQL's name for the lock of those who open

Writing = Callable[[sa.Engine], AbstractContextManager[sa.Connection]]


def bring_up_to_date(engine: sa.Engine, writing: Writing) -> None:
    """See to it that the store has the tables of this version; `writing` opens a transaction.

    A store that has them is only read. Raises `ValueError` for a newer one, for the database of
    another program, and for a store that lacks what its version must have.
    """
    with engine.connect() as connection:
        version = _version(connection)
    if version != SCHEMA_VERSION:
        with writing(engine) as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
            _change(connection, _version(connection))
    with engine.connect() as connection:
        _complete(connection)
        lost = _lost_indexes(connection)
    if lost:  # rows are as they were; only the ways to find them are made again
        with writing(engine) as connection:
            for index in lost:
                connection.execute(sa.schema.CreateIndex(index, if_not_exists=True))


def _change(connection: sa.Connection, version: int | None) -> None:
    """Make the tables, or take the steps that are missing, or refuse."""
    if version == SCHEMA_VERSION:
        return  # another process was faster
    if version is None:
        tables._tables.create_all(connection)
    else:
        if version < 1:
            raise ValueError(_damaged(connection, f"its schema version is {version}, never given"))
        if version not in STEPS:
            raise ValueError(
                f"the store {address(connection.engine)} has schema version {version}, this "
                f"code knows {SCHEMA_VERSION}; update mlops_helpers, or point MLOPS_DATABASE_URL "
                "to another database"
            )
        if connection.dialect.name == "postgresql":
            limit = f"SET LOCAL lock_timeout = '{round(1000 * _STEP_SECONDS)}ms'"
            connection.exec_driver_sql(limit)
        for step in range(version, SCHEMA_VERSION):
            for statement in STEPS[step]:
                with _damage_told(connection, f"as schema version {step} left it"):
                    connection.exec_driver_sql(statement)
        connection.execute(sa.delete(tables.store))
    connection.execute(sa.insert(tables.store), {"schema_version": SCHEMA_VERSION})


def _version(connection: sa.Connection) -> int | None:
    """The store's version; None if there is nothing yet. `ValueError` for what is not ours."""
    found = set(sa.inspect(connection).get_table_names())
    ours = set(tables._tables.tables)
    if tables.store.name not in found:
        # a server's database may hold other tables beside ours; a file is one program's
        foreign = found if connection.dialect.name == "sqlite" else found & ours
        if foreign:
            raise ValueError(_foreign(connection, f"it has {_named(foreign)} and no log's version"))
        return None
    columns = {column["name"] for column in sa.inspect(connection).get_columns(tables.store.name)}
    version = None
    if columns == set(tables.store.columns.keys()):
        version = connection.scalar(sa.select(sa.func.max(tables.store.c.schema_version)))
    if not isinstance(version, int):
        raise ValueError(_foreign(connection, f"its table {tables.store.name!r} has no version"))
    return version


def _complete(connection: sa.Connection) -> None:
    """`ValueError` naming the table that is not as this version has it."""
    for table in tables._tables.sorted_tables:
        with _damage_told(connection, f"as schema version {SCHEMA_VERSION} has it"):
            connection.execute(sa.select(table).limit(0))


def _lost_indexes(connection: sa.Connection) -> list[sa.Index]:
    """Those that somebody dropped. `ValueError` naming one that is another than its name says."""
    inspector, lost = sa.inspect(connection), []
    for table in tables._tables.sorted_tables:
        found = {index["name"]: index for index in inspector.get_indexes(table.name)}
        for index in sorted(table.indexes, key=lambda index: str(index.name)):
            there = found.get(index.name)
            if there is None:
                lost.append(index)
                continue
            columns, limits = there["column_names"], there.get("dialect_options", {})
            where = f"{connection.dialect.name}_where"
            wanted = _plain(index.dialect_kwargs.get(where))
            if columns != index.columns.keys() or _plain(limits.get(where)) != wanted:
                why = f"its index {index.name!r} is not as schema version {SCHEMA_VERSION} has it"
                raise ValueError(_damaged(connection, why))
    return lost


def _plain(condition: object) -> str:
    """A condition as both databases write it down."""
    return "" if condition is None else re.sub(r"[()\s]", "", str(condition)).lower()


@contextmanager
def _damage_told(connection: sa.Connection, what: str) -> Iterator[None]:
    """`ValueError` where a table or column is missing that must be there, or there already."""
    try:
        yield
    except (sa.exc.OperationalError, sa.exc.ProgrammingError) as error:
        said = str(error.orig).splitlines()[0]
        if re.search("no such|does not exist|already exists|duplicate column", said):
            raise ValueError(_damaged(connection, f"it is not {what}: {said}")) from error
        raise


def _damaged(connection: sa.Connection, why: str) -> str:
    return (
        f"the store {address(connection.engine)} is damaged, {why}; "
        "restore it from a copy, or name another database"
    )


def _named(names: set[str]) -> str:
    first = ", ".join(sorted(names)[:3])
    return f"the tables {first}" + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _foreign(connection: sa.Connection, why: str) -> str:
    return (
        f"the database {address(connection.engine)} belongs to another program: {why}; "
        "name another database for the log"
    )


def address(engine: sa.Engine) -> str:
    """Where the store is, without secrets: a password may stand in the query as well."""
    return engine.url.set(query={}).render_as_string(hide_password=True)
