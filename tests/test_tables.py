"""The store itself guards its rows, whoever writes them."""

import sqlite3

import pandas as pd
import pytest
import sqlalchemy as sa

from mlops_helpers import tables
from mlops_helpers.predictions import PredictionLog
from mlops_helpers.sql_frames import epoch, to_rows
from tests.logged import FEBRUARY, JANUARY, outcomes_of, two_months


@pytest.fixture
def engine(store_url):
    """An empty store, reached without the log."""
    engine = tables.connect(store_url)
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


def test_a_newer_store_is_refused(store_url):
    """The course does not write into a store that it does not understand."""
    engine = tables.connect(store_url)
    with engine.begin() as connection:
        connection.execute(sa.text("insert into store values (99)"))
    engine.dispose()
    with pytest.raises(ValueError, match="schema version 99, this code knows 1"):
        tables.connect(store_url)


def test_another_database_is_refused():
    """Only databases that the tests run on are supported."""
    with pytest.raises(ValueError, match="'mysql' is not supported"):
        tables.connect("mysql://host/db")


def test_opening_again_changes_nothing(engine, store_url, rows):
    """The tables are made once; a second connection finds the rows of the first."""
    with engine.begin() as connection:
        tables.insert_new(connection, tables.predictions, to_rows(rows, tables.predictions))
    again = tables.connect(store_url)
    with again.connect() as connection:
        count = sa.select(sa.func.count()).select_from(tables.predictions)
        assert connection.scalar(count) == len(rows)
        versions = connection.execute(sa.text("select schema_version from store")).all()
    again.dispose()
    assert versions == [(tables.SCHEMA_VERSION,)]


def test_insert_keeps_the_first_and_upsert_the_last(engine):
    """Both may be repeated; they count new rows and all rows."""
    one, two = ({"name": name, "record": "first"} for name in ("a", "b"))
    with engine.begin() as connection:
        assert tables.insert_new(connection, tables.experiments, []) == 0
        assert tables.insert_new(connection, tables.experiments, [one]) == 1
        both = [two, one | {"record": "second"}]
        assert tables.insert_new(connection, tables.experiments, both) == 1
        query = sa.select(tables.experiments).order_by(tables.experiments.c.name)
        assert connection.execute(query).all() == [("a", "first"), ("b", "first")]
        assert tables.upsert(connection, tables.experiments, []) == 0
        assert tables.upsert(connection, tables.experiments, both) == 2
        assert connection.execute(query).all() == [("a", "second"), ("b", "first")]


@pytest.mark.parametrize("change", [{"probability": 1.5}, {"decision": "maybe"}])
def test_the_database_refuses_impossible_predictions(engine, rows, change):
    """What another program writes is held to the same rules."""
    row = to_rows(rows.head(1), tables.predictions)[0]
    with pytest.raises(sa.exc.IntegrityError, match=r"_is_"), engine.begin() as connection:
        connection.execute(sa.insert(tables.predictions), [row | change])


def test_the_database_refuses_orphans_and_odd_labels(engine, rows):
    """An outcome belongs to a prediction, and is 0 or 1."""
    first = rows.head(1)
    label = to_rows(outcomes_of(first), tables.outcomes)
    with (
        pytest.raises(sa.exc.IntegrityError, match=r"(?i)foreign key"),
        engine.begin() as connection,
    ):
        connection.execute(sa.insert(tables.outcomes), label)
    with engine.begin() as connection:
        tables.insert_new(connection, tables.predictions, to_rows(first, tables.predictions))
    with (
        pytest.raises(sa.exc.IntegrityError, match="default_is_known"),
        engine.begin() as connection,
    ):
        connection.execute(sa.insert(tables.outcomes), [label[0] | {"default": 2}])


def test_bounds_are_half_open_and_aware():
    """From the start on, before the end; without bounds no condition; naive ones are named."""
    said = [
        str(c.compile(compile_kwargs={"literal_binds": True}))
        for c in tables.within(JANUARY, FEBRUARY)
    ]
    assert said == [
        f"predictions.scored_at >= {epoch(JANUARY)}",
        f"predictions.scored_at < {epoch(FEBRUARY)}",
    ]
    assert tables.within(None, None) == []
    naive = pd.Timestamp("2024-01-01")
    with pytest.raises(ValueError, match="start == 2024-01-01 00:00:00 has no time zone"):
        tables.within(naive, FEBRUARY)
    with pytest.raises(ValueError, match="end == 2024-01-01 00:00:00 has no time zone"):
        tables.within(None, naive)
