"""A phase starts from a copy of the finished phase before it, and nothing finished is ever lost."""

import contextlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading

import pytest

from mlops_helpers import workspace as module
from mlops_helpers.places import PHASES
from mlops_helpers.workspace import Workspace, WorkspaceError, read_finished, runs_in_use

FIRST, SECOND, THIRD = PHASES[:3]


@pytest.fixture(autouse=True)
def _own_place(tmp_path, monkeypatch):
    """Outputs and notebooks of each test lie in a folder of its own; no servers are set."""
    monkeypatch.setenv("MLOPS_ROOT", str(tmp_path))
    monkeypatch.setenv("MLOPS_NOTEBOOKS", str(tmp_path / "notebooks"))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv("MLOPS_DATABASE_URL", raising=False)


def _write(ws: Workspace, word: str) -> None:
    with contextlib.closing(sqlite3.connect(ws.folder / "course.db")) as database:
        database.execute("create table if not exists words (word text)")
        database.execute("insert into words values (?)", [word])
        database.commit()


def _words(ws: Workspace) -> list[str]:
    with contextlib.closing(sqlite3.connect(ws.folder / "course.db")) as database:
        return [row[0] for row in database.execute("select word from words")]


def _folders(ws: Workspace) -> set[str]:
    return {path.name for path in ws.state.glob(f"{ws.phase}-*/")}


def test_a_phase_starts_from_a_copy_of_the_one_before():
    """What it writes never reaches the phase it started from, so it can run again and again."""
    first = Workspace.begin(FIRST)
    _write(first, "one")
    first.finish({"Words": "1"})
    for _ in range(3):
        second = Workspace.begin(SECOND)
        _write(second, "two")
        assert _words(second) == ["one", "two"]
        second.finish()
    assert _words(first) == ["one"]
    assert second.artifacts == first.artifacts
    assert read_finished(FIRST, first.state).headlines == {"Words": "1"}


def test_the_first_phase_starts_from_nothing():
    """A second run of the first phase sees nothing of the first run."""
    first = Workspace.begin(FIRST)
    _write(first, "one")
    first.finish()
    assert not (Workspace.begin(FIRST).folder / "course.db").exists()


def test_addresses_point_into_the_folder_of_the_run():
    """MLflow and SQLAlchemy get absolute addresses; telemetry is off."""
    ws = Workspace.begin(FIRST)
    assert ws.tracking_uri == f"sqlite:///{ws.folder / 'mlflow.db'}"
    assert ws.database_url == f"sqlite:///{ws.folder / 'course.db'}"
    assert ws.artifact_location == ws.artifacts.as_uri()
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"


def test_a_copy_is_consistent_while_the_source_is_open():
    """An uncommitted change in the source is not copied, and copying does not fail on it."""
    first = Workspace.begin(FIRST)
    _write(first, "one")
    first.finish()
    with contextlib.closing(sqlite3.connect(first.folder / "course.db")) as open_database:
        open_database.execute("insert into words values ('half')")
        assert _words(Workspace.begin(SECOND)) == ["one"]


def test_unfinished_work_is_nobodys_start():
    """Until `finish`, the next phase starts from the run before."""
    first = Workspace.begin(FIRST)
    _write(first, "one")
    first.finish()
    _write(Workspace.begin(FIRST), "another")
    assert _words(Workspace.begin(SECOND)) == ["one"]


def test_old_runs_are_removed_but_none_that_is_in_use():
    """The finished run, the one before it and open runs stay; all others go."""
    open_run = Workspace.begin(FIRST)
    names = []
    for _ in range(4):
        run = Workspace.begin(FIRST)
        names.append(run.folder.name)
        run.finish()
    assert _folders(open_run) == {open_run.folder.name, *names[-2:]}
    assert {path.name for path in runs_in_use(open_run.state)} == {open_run.folder.name, names[-1]}
    open_run.finish()
    assert read_finished(FIRST, open_run.state).folder == open_run.folder


def test_own_servers_are_used_as_they_are(tmp_path, monkeypatch):
    """With both addresses set nothing is copied and artifacts are left to the server."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLOPS_DATABASE_URL", f"sqlite:///{tmp_path / 'mine.db'}")
    first = Workspace.begin(FIRST)
    _write(first, "one")
    first.finish()
    second = Workspace.begin(SECOND)
    assert second.tracking_uri == "http://127.0.0.1:9"
    assert second.database_url == f"sqlite:///{tmp_path / 'mine.db'}"
    assert second.artifact_location is None
    assert not (second.folder / "course.db").exists()


def test_what_mlflow_leaves_in_the_environment_is_no_server(monkeypatch):
    """MLflow exports the address it was given; running the cell again must not take it for ours."""
    first = Workspace.begin(FIRST)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", first.tracking_uri)
    again = Workspace.begin(FIRST)
    assert again.tracking_uri != first.tracking_uri
    assert again.state == first.state


def test_a_full_disk_leaves_the_finished_state(monkeypatch):
    """When the copy fails the message says so, and the state from before is whole."""
    first = Workspace.begin(FIRST)
    _write(first, "one")
    first.finish()

    def full(source, target):
        target.write_bytes(b"half")
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(module, "copy_database", full)
        with pytest.raises(WorkspaceError, match="disk is full"):
            Workspace.begin(SECOND)
    assert list(first.state.glob(f"{SECOND}-*")) == []
    assert _words(Workspace.begin(SECOND)) == ["one"]


def test_a_killed_run_leaves_the_finished_state():
    """A process killed in mid-phase neither loses the pointer nor blocks the next run."""
    first = Workspace.begin(FIRST)
    _write(first, "one")
    first.finish()
    code = (
        "import time\nfrom mlops_helpers.workspace import Workspace\n"
        f"ws = Workspace.begin({FIRST!r})\n"
        "(ws.folder / 'course.db').write_bytes(b'half')\n"
        "print('begun', flush=True)\ntime.sleep(60)"
    )
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    with child:
        assert child.stdout.readline() == "begun\n"
        child.send_signal(signal.SIGKILL)
    assert len(_folders(first)) == 2
    assert read_finished(FIRST, first.state).folder == first.folder
    assert _words(Workspace.begin(SECOND)) == ["one"]
    Workspace.begin(FIRST).finish()
    Workspace.begin(FIRST).finish()
    assert first.folder.is_dir(), "its own object still holds it"
    assert len(_folders(first)) == 3, "what the killed process left is gone"


def test_a_damaged_pointer_is_no_state():
    """A pointer that cannot be read, or whose folder is gone, counts as unfinished."""
    first = Workspace.begin(FIRST)
    first.finish()
    pointer = first.state / f"{FIRST}.json"
    whole = pointer.read_text()
    versioned = json.dumps({"version": json.loads(whole)["version"]})
    moved = whole.replace(first.folder.name[-8:], "00000000")
    for text in ("", "{}", "null", "[]", "3", versioned, moved):
        pointer.write_text(text)
        assert read_finished(FIRST, first.state) is None, text
    pointer.write_bytes(b"\xff\xfe")
    assert read_finished(FIRST, first.state) is None
    pointer.write_text(whole)
    assert read_finished(FIRST, first.state).folder == first.folder


@pytest.mark.parametrize("lost", ["course.db", "artifacts", "picture"])
def test_a_state_with_a_file_missing_is_not_finished(lost):
    """A database, a model or a picture that somebody deleted means running the phase again."""
    first = Workspace.begin(FIRST)
    _write(first, "one")
    (first.artifacts / "model").mkdir()
    (first.artifacts / "model" / "weights").write_text("1")
    (first.folder / "picture").write_text("1")
    finished = first.finish()
    assert f"{first.folder.name}/course.db" in finished.files
    assert not any(name.endswith(".lock") for name in finished.files)
    if lost == "artifacts":
        shutil.rmtree(first.artifacts)
    else:
        (first.folder / lost).unlink()
    assert read_finished(FIRST, first.state) is None


def test_no_phase_starts_from_an_empty_store(monkeypatch):
    """When the phase before vanishes while the next one begins, that one says so and stops."""
    first = Workspace.begin(FIRST)
    _write(first, "one")
    first.finish()
    (first.folder / "course.db").unlink()
    monkeypatch.setattr(module, "make_finished", lambda *_: None)
    with pytest.raises(WorkspaceError, match=f"{FIRST} vanished"):
        Workspace.begin(SECOND)
    assert list(first.state.glob(f"{SECOND}-*")) == []


def test_finishing_twice_at_once_keeps_one_of_the_two():
    """Runs that finish at the same time leave a valid pointer and no run in use is removed."""
    runs = [Workspace.begin(FIRST) for _ in range(6)]
    threads = [
        threading.Thread(target=run.finish, args=({"Run": str(n)},)) for n, run in enumerate(runs)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    finished = read_finished(FIRST, runs[0].state)
    assert finished.folder == runs[int(finished.headlines["Run"])].folder
    assert all(run.folder.is_dir() for run in runs)


def test_importing_it_loads_nothing_heavy():
    """A kernel that only begins a phase does not wait for pandas or Papermill."""
    code = (
        "import sys, mlops_helpers.workspace\n"
        "heavy = {'pandas', 'numpy', 'mlflow', 'papermill', 'nbformat', 'sqlalchemy'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
