"""A log outlives the code that made it: upgraded whole, or left as it was and refused in words."""

import os
import signal
import sqlite3
from contextlib import ExitStack

import pandas as pd
import pytest
import sqlalchemy as sa

from mlops_helpers import log_store, tables, upgrading
from mlops_helpers.predictions import PredictionLog
from tests.log_writers import heard, killed, process
from tests.logged import FEBRUARY, JANUARY, two_months
from tests.servers import empty_schema
from tests.version_1 import make_version_1
from tests.version_2 import make_version_2

OLDER = {1: make_version_1, 2: make_version_2}
AGED = pytest.mark.parametrize("version", OLDER)


def everything(url: str) -> dict[str, list[tuple]]:
    """All rows of all tables that are there, as the driver gives them."""
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        names = sorted(sa.inspect(connection).get_table_names())
        rows = {n: connection.execute(sa.text(f"select * from {n}")).all() for n in names}
    engine.dispose()
    return {name: [tuple(row) for row in found] for name, found in rows.items()}


def conditions(index) -> list[str]:
    """Which rows an index holds."""
    options = index.get("dialect_options", {})
    return [str(value) for name, value in options.items() if name.endswith("_where")]


def shape(url: str) -> dict[str, object]:
    """Columns with their defaults, keys, checks and indexes with their conditions, of all tables.

    Names of keys are left out: PostgreSQL gives one to what has none.
    """
    engine = sa.create_engine(url)
    inspector = sa.inspect(engine)
    found = {
        name: (
            [
                (c["name"], str(c["type"]), c["nullable"], c["default"])
                for c in inspector.get_columns(name)
            ],
            inspector.get_pk_constraint(name)["constrained_columns"],
            [
                (k["constrained_columns"], k["referred_table"])
                for k in inspector.get_foreign_keys(name)
            ],
            sorted((c["name"], c["sqltext"]) for c in inspector.get_check_constraints(name)),
            sorted(
                (i["name"], tuple(i["column_names"]), i["unique"], conditions(i))
                for i in inspector.get_indexes(name)
            ),
        )
        for name in sorted(inspector.get_table_names())
    }
    engine.dispose()
    return found


@AGED
def test_an_older_store_is_upgraded_and_keeps_its_rows(store_url, version):
    """Every row is there afterwards, a new column has its default, writes work."""
    OLDER[version](store_url)
    before = everything(store_url)
    with PredictionLog(store_url) as log:
        back = log.window(JANUARY, FEBRUARY)
        assert back["prediction_id"].tolist() == ["p1"]
        assert back["default"].tolist() == [1.0]
        assert back["outcome_at"].tolist() == [FEBRUARY]
        assert log.metrics()["value"].tolist() == [0.3]
        assert log.alerts()["owner"].tolist() == [{1: "", 2: "Ada"}[version]]
        assert len(log.deliveries()) == {1: 0, 2: 1}[version]
        (first,) = log.experiments()
        assert (first["name"], first["status"], first["imported"]) == ("first", "completed", True)
        assert log.append(two_months()) == 200
        assert log.steps().empty
        log.save_step({"key": "k", "stage": "watch", "status": "done", "started_at": FEBRUARY})
        assert log.steps()["stage"].tolist() == ["watch"]
    after = everything(store_url)
    assert after.pop("store") == [(tables.SCHEMA_VERSION,)]
    assert after["alerts"][0][: len(before["alerts"][0])] == before["alerts"][0]
    assert after["predictions"][0] == before["predictions"][0]
    for name in before.keys() - {"store", "alerts", "predictions"}:
        assert after[name] == before[name]


@AGED
def test_an_upgraded_store_is_like_a_new_one(store_url, version):
    """Columns in their order, types, keys and indexes: nobody can tell where it came from."""
    log_store.connect(store_url).dispose()
    new = shape(store_url)
    engine = sa.create_engine(store_url)
    tables._tables.drop_all(engine)
    engine.dispose()
    OLDER[version](store_url)
    assert shape(store_url) != new
    log_store.connect(store_url).dispose()
    assert shape(store_url) == new


def test_a_newer_store_is_refused_and_left_alone(store_url):
    """The course does not write into a store that it does not understand."""
    make_version_1(store_url)
    engine = sa.create_engine(store_url)
    with engine.begin() as connection:
        connection.execute(sa.text("insert into store values (99)"))
    engine.dispose()
    before = everything(store_url), shape(store_url)
    with pytest.raises(ValueError, match="schema version 99, this code knows 3; update"):
        log_store.connect(store_url)
    assert (everything(store_url), shape(store_url)) == before


@pytest.mark.parametrize(
    ("statements", "said"),
    [
        (["create table metrics (key text)"], "another program: it has the tables metrics"),
        (["create table store (name text)"], "another program: its table 'store' has no version"),
        (["create table store (schema_version integer)"], "its table 'store' has no version"),
        (
            ["create table store (schema_version integer)", "insert into store values (3)"],
            "is damaged, it is not as schema version 3 has it",
        ),
        (
            ["create table store (schema_version integer)", "insert into store values (1)"],
            "is damaged, it is not as schema version 1 left it",
        ),
    ],
)
def test_the_database_of_another_program_is_refused(store_url, statements, said):
    """One sentence says what was found; nothing is added to what is there."""
    engine = sa.create_engine(store_url)
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
    before = everything(store_url), shape(store_url)
    try:
        with pytest.raises(ValueError, match=said) as caught:
            log_store.connect(store_url)
        assert "\n" not in str(caught.value)
        assert (everything(store_url), shape(store_url)) == before
    finally:
        with engine.begin() as connection:
            for name in before[0]:
                connection.exec_driver_sql(f"drop table {name}")
        engine.dispose()


def test_a_version_that_never_was_is_damage(store_url):
    """Nobody is told to update the code for a number that no code has ever written."""
    log_store.connect(store_url).dispose()
    engine = sa.create_engine(store_url)
    with engine.begin() as connection:
        connection.execute(sa.update(tables.store).values(schema_version=0))
    with pytest.raises(ValueError, match="is damaged, its schema version is 0, never given"):
        log_store.connect(store_url)
    engine.dispose()


@pytest.mark.parametrize("name", ["predictions_by_time", "predictions_by_experiment"])
def test_an_index_that_was_lost_is_made_again(store_url, name):
    """Opening finds it missing and makes it as it was; rows are untouched."""
    with PredictionLog(store_url) as log:
        log.append(two_months())
    before = everything(store_url), shape(store_url)
    engine = sa.create_engine(store_url)
    with engine.begin() as connection:
        connection.exec_driver_sql(f"drop index {name}")
    engine.dispose()
    assert shape(store_url) != before[1]
    log_store.connect(store_url).dispose()
    assert (everything(store_url), shape(store_url)) == before


@pytest.mark.parametrize(
    "other",
    [
        "predictions_by_experiment on predictions (experiment, scored_at)",
        "predictions_by_time on predictions (scored_at)",
    ],
)
def test_an_index_that_is_another_is_refused_by_name(store_url, other):
    """Of the same name with other columns, or without its condition: damaged, not guessed at."""
    log_store.connect(store_url).dispose()
    name = other.split()[0]
    engine = sa.create_engine(store_url)
    with engine.begin() as connection:
        connection.exec_driver_sql(f"drop index {name}")
        connection.exec_driver_sql(f"create index {other}")
    engine.dispose()
    with pytest.raises(ValueError, match=f"is damaged, its index '{name}' is not as schema vers"):
        log_store.connect(store_url)


def test_an_upgrade_that_must_wait_is_told(postgres_url, monkeypatch):
    """A reader that never ends: after the wait one sentence, and version 1 as it was, for all."""
    empty_schema(postgres_url)
    make_version_1(postgres_url)
    before = everything(postgres_url), shape(postgres_url)
    monkeypatch.setattr(upgrading, "_STEP_SECONDS", 0.2)
    engine = sa.create_engine(postgres_url)
    with engine.connect() as reader:
        reader.execute(sa.text("select * from alerts")).all()
        with pytest.raises(log_store.LogError, match="is locked by another connection's transac"):
            log_store.connect(postgres_url)
        assert (everything(postgres_url), shape(postgres_url)) == before
    engine.dispose()
    log_store.connect(postgres_url).dispose()
    assert everything(postgres_url)["store"] == [(tables.SCHEMA_VERSION,)]


def test_any_other_table_makes_a_file_another_programs(tmp_path):
    """A file belongs to one program; on a server, tables of other names may lie beside ours."""
    path = tmp_path / "music.db"
    with sqlite3.connect(path) as connection:
        connection.execute("create table songs (name text)")
    connection.close()
    with pytest.raises(ValueError, match="it has the tables songs and no log's version"):
        PredictionLog(f"sqlite:///{path}")


@pytest.mark.parametrize("content", [b"prediction_id,probability\n" * 50, b"SQLite format 3\0" * 9])
def test_a_file_that_is_no_database_is_refused(tmp_path, content):
    """A table of values, or a database's first bytes: one sentence, the file untouched."""
    path = tmp_path / "log.csv"
    path.write_bytes(content)
    with pytest.raises(log_store.LogError, match="is no whole SQLite database") as caught:
        PredictionLog(f"sqlite:///{path}")
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == content


def _open(told, url):
    """Open the store at a word from the parent, and tell how many alerts it has."""
    told.send("ready")
    told.recv()
    with PredictionLog(url) as log:
        told.send(len(log.alerts()))


@pytest.mark.parametrize("old", [True, False])
def test_processes_that_open_it_at_once_upgrade_it_once(store_url, old):
    """Four processes open a store of version 1, or none at all, at the same time; all can work."""
    if old:
        make_version_1(store_url)
    with ExitStack() as stack:
        started = [stack.enter_context(process(_open, store_url)) for _ in range(4)]
        assert [heard(told) for _, told in started] == ["ready"] * 4
        for _, told in started:
            told.send("go")
        assert [heard(told) for _, told in started] == [int(old)] * 4
        assert not any(killed(child) for child, _ in started)
    assert everything(store_url)["store"] == [(tables.SCHEMA_VERSION,)]


def _open_and_die(_told, url, changes):
    """Open the store, and be killed as soon as so many changes of it are done."""
    done = []

    def count(_connection, _cursor, statement, *_rest):
        if statement.startswith(("ALTER", "CREATE", "DROP", "DELETE", "INSERT")):
            done.append(statement)
            if len(done) == changes:
                os.kill(os.getpid(), signal.SIGKILL)

    sa.event.listen(sa.Engine, "after_cursor_execute", count)
    PredictionLog(url)


def moments(version: int) -> list[int]:
    """How many changes an upgrade has made when it is killed: from one to all of them."""
    changes = sum(len(upgrading.STEPS[step]) for step in range(version, tables.SCHEMA_VERSION))
    return list(range(1, changes + 3))  # the version's number is two more


@pytest.mark.parametrize(
    ("version", "changes"), [(version, n) for version in OLDER for n in moments(version)]
)
def test_a_kill_in_the_middle_leaves_the_old_version(store_url, version, changes):
    """Killed after any of its changes, the next process finds the old one and upgrades it."""
    OLDER[version](store_url)
    before = everything(store_url), shape(store_url)
    with process(_open_and_die, store_url, changes) as (child, _):
        assert killed(child)
    assert (everything(store_url), shape(store_url)) == before
    with PredictionLog(store_url) as log:
        assert log.window()["prediction_id"].tolist() == ["p1"]
        assert pd.isna(log.alerts()["resolved_at"]).tolist() == [True]
