"""The first bytes of a database say whether it is whole and whether it was written to."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from mlops_helpers.sqlite_files import (
    changed_stamp,
    database_path,
    file_fault,
    identity,
    no_stray_folders,
)


@pytest.fixture
def path(tmp_path):
    """A small database."""
    path = tmp_path / "small.db"
    connection = sqlite3.connect(path)
    connection.execute("create table t (x)")
    connection.commit()
    connection.close()
    return path


def write(path):
    """Commit a row."""
    connection = sqlite3.connect(path)
    connection.execute("insert into t values (1)")
    connection.commit()
    connection.close()


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("sqlite:////data/a.db", "/data/a.db"),
        ("sqlite+pysqlite:////data/a.db?timeout=3", "/data/a.db"),
        ("sqlite:///file:/data/a%20b.db?mode=ro&uri=true", "/data/a b.db"),
        ("sqlite:///file:/data/%C3%A9.db?uri=true", "/data/é.db"),
        ("sqlite:///file:///data/a.db?mode=ro&uri=true", "/data/a.db"),
        ("sqlite://", None),
        ("sqlite:///:memory:", None),
        ("postgresql://db/x", None),
        ("http://127.0.0.1:5000", None),
    ],
)
def test_the_file_behind_an_address(uri, expected):
    """Every way to write it leads to one file; a server and a database in memory have none."""
    assert database_path(uri) == (Path(expected) if expected else None)


def test_a_relative_address_is_meant_from_here(tmp_path, monkeypatch):
    """As SQLite takes it."""
    monkeypatch.chdir(tmp_path)
    assert database_path("sqlite:///a.db") == tmp_path / "a.db"


def test_the_stamp_changes_with_a_commit_and_not_before(path):
    """Reading leaves it, an open transaction leaves it, its end changes it."""
    first = changed_stamp(path)
    connection = sqlite3.connect(path)
    connection.execute("select * from t").fetchall()
    connection.execute("insert into t values (1)")
    assert changed_stamp(path) == first is not None
    connection.commit()
    connection.close()
    assert changed_stamp(path) != first


def test_a_file_put_in_its_place_has_another_stamp(path, tmp_path):
    """A copy with the same counter is another file all the same."""
    first, copy = changed_stamp(path), tmp_path / "copy.db"
    copy.write_bytes(path.read_bytes())
    copy.replace(path)
    assert changed_stamp(path)[0] == first[0], "the counter alone would not tell"
    assert changed_stamp(path) != first


def test_where_it_cannot_be_known_there_is_no_stamp(path, tmp_path):
    """In write-ahead mode, for another file, and for none."""
    (tmp_path / "text").write_text("x" * 200)
    assert changed_stamp(tmp_path / "text") is None
    assert changed_stamp(tmp_path / "nothing") is None
    connection = sqlite3.connect(path)
    connection.execute("pragma journal_mode = wal")
    write(path)
    assert changed_stamp(path) is None
    connection.close()


def test_a_whole_database_has_no_fault(path, tmp_path):
    """Nor has an empty file, or one that is not there yet."""
    (tmp_path / "empty.db").touch()
    for file in (path, tmp_path / "empty.db", tmp_path / "new.db"):
        assert file_fault(file) == ""


def test_faults_are_told_in_words(path, tmp_path):
    """Cut by one byte, another kind of file, and a folder."""
    size = path.stat().st_size
    path.write_bytes(path.read_bytes()[:-1])
    assert file_fault(path) == f"is cut short: {size - 1:,} bytes, must be {size:,}"
    path.write_bytes(b"PK\x03\x04" * 100)
    assert file_fault(path) == "is no SQLite database"
    assert file_fault(tmp_path).startswith("cannot be read (")


def test_which_file_it_is_does_not_depend_on_what_is_in_it(path, tmp_path):
    """Written to, it is the same; replaced, another; gone, none."""
    first = identity(path)
    write(path)
    assert identity(path) == first is not None
    copy = tmp_path / "copy.db"
    copy.write_bytes(path.read_bytes())
    copy.replace(path)
    assert identity(path) not in (first, None)
    path.unlink()
    assert identity(path) is None


def test_folders_made_by_mistake_are_taken_away(tmp_path, monkeypatch):
    """New and empty ones of an address with `file:`; nothing else, and what was there stays."""
    monkeypatch.chdir(tmp_path)
    uri, made = "sqlite:///file:/data/x/m.db?uri=true", Path("file:/data/x")
    with no_stray_folders(uri):
        made.mkdir(parents=True)
    assert not Path("file:").exists()
    made.parent.mkdir(parents=True)
    with no_stray_folders(uri):
        made.mkdir()
    assert made.parent.exists()
    assert not made.exists()
    with no_stray_folders("sqlite:////data/x/m.db"):
        made.mkdir()
    assert made.exists()
