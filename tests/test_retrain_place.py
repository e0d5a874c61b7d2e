"""The standing state: a copy of phase 03 made once; one retraining at a time, told who."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from mlops_helpers import retrain_place
from mlops_helpers.data import simulate_portfolio
from mlops_helpers.places import PHASES, WorkspaceError, external, state_folder
from mlops_helpers.retrain_place import AtWork, RetrainPlace, one_at_a_time, open_place
from mlops_helpers.violations import ContractError
from mlops_helpers.workspace import read_finished
from tests.test_settling import opened
from tests.tiny import write_course

NOW = pd.Timestamp("2024-06-01 12:00", tz="UTC")


@pytest.fixture
def root(tmp_path, monkeypatch) -> Path:
    """A root with three tiny phases that write real databases, and no servers."""
    monkeypatch.setenv("MLOPS_ROOT", str(tmp_path))
    monkeypatch.setenv("MLOPS_NOTEBOOKS", str(tmp_path / "notebooks"))
    for name in ("MLFLOW_TRACKING_URI", "MLOPS_DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    write_course(tmp_path / "notebooks", 3)
    return tmp_path


def _steps(folder: Path) -> list[str]:
    connection = sqlite3.connect(folder / "course.db")
    try:
        return [row[0] for row in connection.execute("select phase from steps")]
    finally:
        connection.close()


@pytest.fixture
def only_the_log(root, monkeypatch):
    """The tiny phases keep no MLflow store: one stands elsewhere."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:////nowhere/mlflow.db")


@pytest.mark.usefixtures("only_the_log")
def test_the_first_call_copies_phase_03_and_later_ones_go_on(root):
    """The phases run if need be; what was written since stays; a killed copy is swept away."""
    state = state_folder("simulated", 42, "outputs")
    (state / ".standing-dead").mkdir(parents=True)
    place = open_place()
    standing = state / "standing"
    assert place.database_url == f"sqlite:///{standing / 'course.db'}"
    assert place.artifact_location is None, "the MLflow store is a server of one's own"
    assert _steps(standing) == list(PHASES[:3])
    assert not (state / ".standing-dead").exists()
    with sqlite3.connect(standing / "course.db") as connection:
        connection.execute("insert into steps values ('mine')")
    connection.close()
    assert open_place() == place
    assert _steps(standing) == [*PHASES[:3], "mine"]
    assert _steps(read_finished(PHASES[2], state).folder) == list(PHASES[:3])


@pytest.mark.usefixtures("only_the_log")
def test_a_file_that_grew_goes_on_in_its_state(root, monkeypatch):
    """New loans at the same path are the same lender's; another path has a state of its own."""
    monkeypatch.setattr(retrain_place, "settled_file", lambda given, **_: given)
    mine, theirs = root / "mine.csv", root / "theirs.csv"
    for path in (mine, theirs):
        path.write_text("the loans of June")
    first = open_place(applications=str(mine))
    mine.write_text("the loans of June and July")
    assert open_place(applications=str(mine)) == first
    theirs.write_text("the loans of somebody else")
    assert open_place(applications=str(theirs)) != first


@pytest.mark.usefixtures("only_the_log")
def test_a_file_with_open_loans_begins_with_its_settled_months(root):
    """Phase 03 is that of the copy; a month later, with other loans open, it goes on there."""
    path = root / "loans.parquet"
    loans = simulate_portfolio(seed=1, per_month=160)
    opened(loans).to_parquet(path)
    first = open_place(applications=str(path))
    (copy,) = root.glob("outputs/state/*.settled/loans.parquet")
    assert state_folder(str(copy), 42, "outputs") == first.folder.parent
    assert _steps(first.folder) == list(PHASES[:3])
    opened(loans, pd.Timestamp("2025-02-01", tz="UTC")).to_parquet(path)
    assert open_place(applications=str(path)) == first


@pytest.mark.usefixtures("only_the_log")
def test_a_file_without_a_course_in_its_settled_months_begins_nothing(root):
    """Said before any phase is run."""
    path = root / "loans.parquet"
    opened(simulate_portfolio(seed=1, per_month=20)).to_parquet(path)
    with pytest.raises(ContractError, match=r"before 2024-07, in which loan .* is still open"):
        open_place(applications=str(path))
    assert not list(root.glob("outputs/state/*"))


@pytest.mark.usefixtures("only_the_log")
def test_a_state_that_lost_a_file_is_refused(root):
    """Not made anew without a word: somebody's history would be gone."""
    open_place()
    lost = state_folder("simulated", 42, "outputs") / "standing" / "course.db"
    lost.unlink()
    with pytest.raises(WorkspaceError, match=r"lacks course\.db\. Put it back .* or delete"):
        open_place()


@pytest.mark.usefixtures("only_the_log")
def test_a_copy_that_fails_leaves_nothing(root, monkeypatch):
    """No half standing state that the next call would take for whole."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(retrain_place, "copy_database", full)
        with pytest.raises(WorkspaceError, match="No space left on device"):
            open_place()
    state = state_folder("simulated", 42, "outputs")
    assert not [path for path in state.iterdir() if "standing" in path.name]
    assert _steps(Path(open_place().database_url.removeprefix("sqlite:///")).parent)


def test_with_both_servers_nothing_is_run_or_copied(root, monkeypatch):
    """What the servers hold counts."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    monkeypatch.setenv("MLOPS_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    place = open_place()
    assert place.tracking_uri == "http://127.0.0.1:1"
    assert place.database_url == "postgresql://nobody@127.0.0.1:1/none"
    assert place.artifact_location is None
    assert not (root / "outputs").exists()


def test_the_standing_store_is_no_server_of_the_users(root, monkeypatch):
    """MLflow writes its address into the environment: the next call must not take it for one."""
    monkeypatch.setenv(
        "MLFLOW_TRACKING_URI", f"sqlite:///{root}/outputs/state/k/standing/mlflow.db"
    )
    assert external("MLFLOW_TRACKING_URI") is None


HOLD = """
import sys, time
import pandas as pd
from mlops_helpers.retrain_place import RetrainPlace, one_at_a_time
now = pd.Timestamp("2024-06-01 12:00", tz="UTC")
with one_at_a_time(RetrainPlace(sys.argv[1], "sqlite://"), what="as of 2024-06-01", now=now):
    print("held", flush=True)
    time.sleep(60)
"""


def test_the_second_is_told_who_is_at_work_and_a_kill_frees_the_lock(tmp_path):
    """At once, with process and time; nobody has to clean up after a process that was killed."""
    place = RetrainPlace(f"sqlite:///{tmp_path / 'mlflow.db'}", "sqlite://")
    command = [sys.executable, "-c", HOLD, place.tracking_uri]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        try:
            assert holder.stdout.readline() == "held\n"
            who = f"process {holder.pid} on .*, as of 2024-06-01, since 2024-06-01 12:00:00 UTC"
            with (
                pytest.raises(AtWork, match=who),
                one_at_a_time(place, what="as of 2024-07-01", now=NOW),
            ):
                pytest.fail("two at once")
        finally:
            os.kill(holder.pid, signal.SIGKILL)
    with one_at_a_time(place, what="as of 2024-07-01", now=NOW):
        assert "as of 2024-07-01" in next(tmp_path.glob("*.who")).read_text()
    assert not list(tmp_path.glob("*.who"))


def test_two_models_are_retrained_at_once(tmp_path):
    """The lock is the model's."""
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    first, second = (RetrainPlace(uri, "sqlite://", name=name) for name in ("a", "b"))
    with one_at_a_time(first, what="x", now=NOW), one_at_a_time(second, what="x", now=NOW):
        assert len(list(tmp_path.glob("*.who"))) == 2
