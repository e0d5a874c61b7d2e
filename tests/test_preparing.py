"""A cold phase gets what it needs, once, and is told why when it cannot."""

import contextlib
import sqlite3
import subprocess
import sys

import pytest

from mlops_helpers.places import PHASES, state_folder
from mlops_helpers.preparing import unfinished
from mlops_helpers.workspace import Workspace, WorkspaceError
from tests.tiny import BEGIN, outputs_text, write_course, write_notebook

FIRST, SECOND, THIRD = PHASES[:3]


@pytest.fixture(autouse=True)
def _own_place(tmp_path, monkeypatch):
    """Outputs and notebooks of each test lie in a folder of its own; no servers are set."""
    monkeypatch.setenv("MLOPS_ROOT", str(tmp_path))
    monkeypatch.setenv("MLOPS_NOTEBOOKS", str(tmp_path / "notebooks"))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv("MLOPS_DATABASE_URL", raising=False)


def test_phases_before_are_run_first(tmp_path, capfd):
    """A cold phase gets what it needs, with progress on stderr and nothing on stdout."""
    write_course(tmp_path / "notebooks", 2)
    ws = Workspace.begin(THIRD, seed=5)
    with contextlib.closing(sqlite3.connect(ws.folder / "course.db")) as database:
        assert list(database.execute("select phase from steps")) == [(FIRST,), (SECOND,)]
    shown = capfd.readouterr()
    assert shown.out == ""
    assert f"Preparing {SECOND}" in shown.err
    assert f"[2/2] {SECOND}" in shown.err
    executed = ws.state / "prepared" / f"{SECOND}.ipynb"
    assert outputs_text(executed) == ["2 steps, seed 5\n"]


def test_a_failed_preparation_names_notebook_cell_and_exception(tmp_path):
    """The error of the cold phase says where the phase before it went wrong."""
    write_notebook(tmp_path / "notebooks", FIRST, "1 / 0")
    with pytest.raises(WorkspaceError) as error:
        Workspace.begin(SECOND)
    for part in (f"{FIRST}.ipynb", "cell [3]", "ZeroDivisionError"):
        assert part in str(error.value)


def test_a_phase_that_never_finishes_is_a_failed_preparation(tmp_path):
    """A notebook without `finish` is named, instead of a loop of preparations."""
    write_notebook(tmp_path / "notebooks", FIRST, BEGIN.format(phase=FIRST))
    with pytest.raises(WorkspaceError, match=rf"{FIRST}.ipynb never reached `ws.finish"):
        Workspace.begin(SECOND)


def test_a_missing_notebook_is_named(tmp_path):
    """The preparation says which file it looked for, and where."""
    with pytest.raises(WorkspaceError, match=rf"{FIRST}.ipynb is missing from"):
        Workspace.begin(SECOND)


def test_two_cold_phases_at_once_prepare_once(tmp_path):
    """The second process waits, and then finds the work done."""
    write_course(tmp_path / "notebooks", 1)
    code = f"from mlops_helpers.workspace import Workspace; Workspace.begin({SECOND!r})"
    children = [
        subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    told = [child.communicate()[1] for child in children]
    assert [child.returncode for child in children] == [0, 0]
    assert sum(f"Preparing {FIRST}" in text for text in told) == 1
    state = state_folder("simulated", 42, "outputs")
    assert len(list(state.glob(f"{FIRST}-*/"))) == 1
    assert len(list(state.glob(f"{SECOND}-*/"))) == 2


def test_what_is_unfinished_follows_the_last_finished_phase():
    """Phases before a finished one are not run again, whatever became of them."""
    first = Workspace.begin(FIRST)
    assert unfinished(THIRD, first.state) == [FIRST, SECOND, THIRD]
    first.finish()
    assert unfinished(THIRD, first.state) == [SECOND, THIRD]
    Workspace.begin(SECOND).finish()
    (first.state / f"{FIRST}.json").unlink()
    assert unfinished(THIRD, first.state) == [THIRD]
    assert unfinished(SECOND, first.state) == []
