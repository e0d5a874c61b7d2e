"""A connection that is kept reads the file that lies at its path now, never the one before."""

from __future__ import annotations

import sqlite3

import pytest
import sqlalchemy as sa
from sqlalchemy.pool import StaticPool

from mlops_helpers.reopening import notice_replaced_files


def database(path, value):
    """A file with one row; returns its path."""
    connection = sqlite3.connect(path)
    connection.execute("create table t (x)")
    connection.execute("insert into t values (?)", [value])
    connection.commit()
    connection.close()
    return path


def read(engine):
    """What is in it."""
    with engine.connect() as connection:
        return connection.execute(sa.text("select x from t")).scalar_one()


@pytest.mark.parametrize("opened_first", [False, True])
def test_a_replaced_file_is_opened_anew(tmp_path, opened_first):
    """Also by an engine that was opened before anybody asked for this."""
    engine = sa.create_engine(f"sqlite:///{database(tmp_path / 'a.db', 'old')}")
    if opened_first:
        assert read(engine) == "old"
    notice_replaced_files()
    notice_replaced_files()
    assert read(engine) == "old"
    database(tmp_path / "b.db", "new").replace(tmp_path / "a.db")
    assert read(engine) == "new"
    engine.dispose()


def test_a_file_that_stays_keeps_its_connection(tmp_path):
    """Being written to is no reason to open it again; a link to it is as good."""
    notice_replaced_files()
    path = database(tmp_path / "a.db", "old")
    (tmp_path / "link.db").symlink_to(path)
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'link.db'}")
    opened = []
    sa.event.listen(engine, "connect", lambda *_: opened.append(1))
    read(engine)
    with engine.begin() as connection:
        connection.execute(sa.text("update t set x = 'newer'"))
    assert read(engine) == "newer"
    assert len(opened) == 1
    engine.dispose()


def test_a_database_in_memory_is_left_alone():
    """It has no file, and would be empty if it were opened again."""
    engine = sa.create_engine("sqlite://", poolclass=StaticPool)
    with engine.begin() as connection:
        connection.execute(sa.text("create table t (x)"))
        connection.execute(sa.text("insert into t values (1)"))
    notice_replaced_files()
    assert [read(engine), read(engine)] == [1, 1]
    engine.dispose()
