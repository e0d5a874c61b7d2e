"""One writer at a time for each model; a process that is killed holds nothing."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from mlops_helpers.locking import lock_file, one_writer
from mlops_helpers.store_errors import RegistryError, StoreError

HOLD = (
    "import sys, time\n"
    "from mlops_helpers.locking import one_writer\n"
    "with one_writer(sys.argv[1], 'credit'):\n"
    "    print('held', flush=True)\n"
    "    time.sleep(60)\n"
)


@pytest.fixture
def uri(tmp_path):
    """The address of a store; the file need not exist."""
    return f"sqlite:///{tmp_path / 'mlflow.db'}"


def test_the_lock_lies_where_the_writers_meet(uri, tmp_path):
    """Beside a database; one for each model; for a server one for each address."""
    assert lock_file(uri, "credit").parent == tmp_path
    assert lock_file(uri, "credit") == lock_file(uri + "?timeout=5", "credit")
    files = [
        lock_file(address, name)
        for address in (uri, "http://one:5000", "http://two:5000", "sqlite://")
        for name in ("credit", "信用")
    ]
    assert len(set(files)) == len(files)
    assert lock_file("http://one:5000/", "credit") == lock_file("http://one:5000", "credit")


def test_two_ways_to_one_store_lead_to_one_lock(tmp_path):
    """A link to the file or its folder, this machine's names, the port that everybody uses."""
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "m.db").touch()
    (tmp_path / "folder").symlink_to(tmp_path / "real")
    (tmp_path / "link.db").symlink_to(tmp_path / "real" / "m.db")
    ways = ("real/m.db", "link.db", "folder/m.db", "folder/../real/m.db")
    assert len({lock_file(f"sqlite:///{tmp_path}/{way}", "credit") for way in ways}) == 1
    for group in (
        (
            "http://localhost:5000",
            "http://127.0.0.1:5000/",
            "HTTP://LocalHost:5000",
            "http://[::1]:5000",
        ),
        ("http://ann:secret@one", "http://one:80"),
        ("postgresql://ann:x@db/a", "postgresql+psycopg://bob@DB:5432/a?connect_timeout=5"),
    ):
        assert len({lock_file(address, "credit") for address in group}) == 1, group
    others = ("http://one:5000/a", "http://one:5000/b", "https://one:5000/a", "postgresql://one/a")
    assert len({lock_file(address, "credit") for address in others}) == len(others)


def test_a_second_writer_waits_and_is_told_who_to_look_for(uri):
    """In the same process as well; the lock's file is named, and another model is free."""
    with one_writer(uri, "credit"):
        with (
            pytest.raises(RegistryError, match=r"changing 'credit' for more than 0\.1 s.*\.lock"),
            one_writer(uri, "credit", patience=0.1),
        ):
            pass
        with one_writer(uri, "fraud", patience=0.1):
            pass
    with one_writer(uri, "credit", patience=0.1):
        pass


def test_a_killed_process_holds_nothing(uri):
    """While it lives the lock is taken; the moment it is killed it is free."""
    child = subprocess.Popen([sys.executable, "-c", HOLD, uri], stdout=subprocess.PIPE)
    try:
        assert child.stdout.readline() == b"held\n"
        with pytest.raises(RegistryError), one_writer(uri, "credit", patience=0.1):
            pass
        child.send_signal(signal.SIGKILL)
        child.wait(30)
        with one_writer(uri, "credit", patience=5):
            pass
    finally:
        child.kill()
        child.wait(30)
        child.stdout.close()


def test_a_folder_that_cannot_be_written_is_a_clear_error(tmp_path):
    """No lock, no change: where the lock should lie is said."""
    (tmp_path / "file").touch()
    with (
        pytest.raises(StoreError, match=r"is read-only for you: .*mlflow.db.* cannot be opened"),
        one_writer(f"sqlite:///{tmp_path / 'file' / 'mlflow.db'}", "credit"),
    ):
        pass
