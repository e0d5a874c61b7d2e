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

from mlops_helpers import retrain_place, standing
from mlops_helpers.data import simulate_portfolio
from mlops_helpers.places import PHASES, WorkspaceError, external, state_folder
from mlops_helpers.retrain_place import AtWork, RetrainPlace, one_at_a_time, open_place
from mlops_helpers.violations import ContractError
from mlops_helpers.workspace import Finished, read_finished
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
    """What the servers hold counts, whatever the file; only the report's file lies here."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    monkeypatch.setenv("MLOPS_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    place = open_place()
    assert place.tracking_uri == "http://127.0.0.1:1"
    assert place.database_url == "postgresql://nobody@127.0.0.1:1/none"
    assert place.artifact_location is None
    written = [path for path in (root / "outputs").rglob("*") if path.is_file()]
    assert written == [place.folder / "begun.json"]
    (root / "june.csv").write_text("the loans of June")
    assert open_place(applications=str(root / "june.csv"), seed=7) == place


def test_servers_are_retrained_though_no_report_can_be_written(root, monkeypatch):
    """The page may wait, a rollback must not."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    monkeypatch.setenv("MLOPS_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    (root / "outputs").write_text("a file where the folder belongs")
    assert open_place().tracking_uri == "http://127.0.0.1:1"


@pytest.fixture
def ready(root, monkeypatch) -> Path:
    """A root where phase 03 has finished for whatever is asked, with two small databases."""

    def finished(phase: str, state: Path) -> Finished:
        folder = state / f"{phase}-0a"
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("mlflow.db", "course.db"):
            with sqlite3.connect(folder / name) as connection:
                connection.execute("create table if not exists steps (phase text)")
            connection.close()
        return Finished(phase, "0a", folder, {}, {})

    monkeypatch.setattr(retrain_place, "settled_file", lambda given, **_: given)
    monkeypatch.setattr(
        retrain_place, "make_finished", lambda phase, state, *_: finished(phase, state)
    )
    monkeypatch.setattr(retrain_place, "read_finished", finished)
    return root


def test_a_state_needs_nothing_beside_it_to_be_found(ready):
    """Whatever else is lost or left over in `state`, the file that grew goes on in its own."""
    loans = ready / "loans.csv"
    loans.write_text("the loans of June")
    first = open_place(applications=str(loans))
    for path in (ready / "outputs" / "state").iterdir():
        if path != first.folder.parent:
            path.unlink()
    loans.write_text("the loans of June and July")
    assert open_place(applications=str(loans)) == first


def test_a_call_that_was_killed_while_it_copied_leaves_no_state_without_a_name(ready, monkeypatch):
    """The name is swapped in with the folder: a grown file finds it, or there is none yet."""
    loans = ready / "loans.csv"
    loans.write_text("the loans of June")

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(standing, "join", killed)  # the first thing after the swap
        with pytest.raises(KeyboardInterrupt):
            open_place(applications=str(loans))
    loans.write_text("the loans of June and July")
    open_place(applications=str(loans))
    assert len(list((ready / "outputs").rglob("course.db"))) == 2, "phase 03 and one standing state"


def test_a_link_that_leads_elsewhere_goes_on_in_its_state(ready):
    """`newest.csv` leads to another file each month; the path as it was given counts."""
    link = ready / "newest.csv"
    places = []
    for month in ("june", "july"):
        (ready / f"{month}.csv").write_text(f"the loans until {month}")
        link.unlink(missing_ok=True)
        link.symlink_to(ready / f"{month}.csv")
        places.append(open_place(applications=str(link)))
    assert places[0] == places[1]


def test_a_new_state_beside_that_of_another_file_is_said_aloud(ready, capsys):
    """A path with the month in it begins anew each month: nobody shall find out a year later."""
    for month in ("june", "july"):
        (ready / f"{month}.csv").write_text(f"the loans until {month}")
    open_place()
    open_place(applications=str(ready / "june.csv"))
    assert capsys.readouterr().err == ""
    open_place(applications=str(ready / "july.csv"))
    told = capsys.readouterr().err
    assert told.startswith("A new standing state begins for july.csv, seed 42")
    assert "there is one already for june.csv, seed 42." in told
    open_place(applications=str(ready / "july.csv"))
    assert capsys.readouterr().err == ""


def test_a_state_with_a_damaged_name_is_not_passed_over(ready):
    """One sentence, and nothing begun; with the content it began with it is known again."""
    loans = ready / "loans.csv"
    loans.write_text("the loans of June")
    first = open_place(applications=str(loans))
    (first.folder / "begun.json").write_text("{}")
    loans.write_text("the loans of June and July")
    with pytest.raises(WorkspaceError, match=r"begun\.json is missing or damaged"):
        open_place(applications=str(loans))
    loans.write_text("the loans of June")
    assert open_place(applications=str(loans)) == first
    loans.write_text("the loans of June and July")
    assert open_place(applications=str(loans)) == first


@pytest.mark.parametrize("name", ["course.db", "mlflow.db"])
def test_an_empty_database_is_refused(ready, name):
    """SQLite takes 0 bytes for a new database: a lender's history would begin anew unseen."""
    place = open_place()
    (place.folder / name).write_bytes(b"")
    with pytest.raises(WorkspaceError, match=rf"{name} in the .* has 0 bytes.*Put it back"):
        open_place()
    assert not (place.folder / name).stat().st_size


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
