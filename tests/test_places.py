"""Everything has one place, whoever asks and from wherever."""

import errno
import os
from pathlib import Path

import pytest

from mlops_helpers import places as module
from mlops_helpers.places import (
    PHASES,
    applications_digest,
    external,
    find_applications,
    outputs_folder,
    state_folder,
    write_atomically,
)
from mlops_helpers.workspace import Workspace, WorkspaceError

FIRST = PHASES[0]


@pytest.fixture(autouse=True)
def _own_place(tmp_path, monkeypatch):
    """Outputs and notebooks of each test lie in a folder of its own; no servers are set."""
    monkeypatch.setenv("MLOPS_ROOT", str(tmp_path))
    monkeypatch.setenv("MLOPS_NOTEBOOKS", str(tmp_path / "notebooks"))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv("MLOPS_DATABASE_URL", raising=False)


def test_loans_and_seed_keep_states_apart(tmp_path):
    """Other loans (by content, not by name) or another seed mean another state."""
    one, same, other = (tmp_path / name for name in ("one.csv", "same.csv", "other.csv"))
    one.write_text("a\n1\n")
    same.write_text("a\n1\n")
    other.write_text("a\n2\n")
    keys = {
        name: state_folder(applications, seed, "outputs")
        for name, (applications, seed) in {
            "simulated": ("simulated", 42),
            "seed": ("simulated", 7),
            "one": (str(one), 42),
            "other": (str(other), 42),
        }.items()
    }
    assert len(set(keys.values())) == len(keys)
    assert state_folder(str(same), 42, "outputs") == keys["one"]


def test_relative_loans_are_found_from_here_then_in_the_project(tmp_path, monkeypatch):
    """A path is taken from the working folder first; a missing file is named with the way out."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").write_text("")
    assert find_applications("pyproject.toml") == str(tmp_path / "pyproject.toml")
    assert Path(find_applications("requirements.lock")).is_file()
    with pytest.raises(WorkspaceError, match=r"'nope.csv': no such file.*simulated"):
        Workspace.begin(FIRST, applications="nope.csv")


def _odd(kind: str, path: Path) -> None:
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "loop":
        path.symlink_to(path)
    elif kind == "missing":
        path.symlink_to(path.with_name("gone"))
    else:
        path.symlink_to("/dev/null")


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("folder", "is a folder"),
        ("pipe", "is a pipe"),
        ("loop", "is a link that leads back to itself"),
        ("missing", "is a link to a file that is missing"),
        ("device", "is a device"),
    ],
)
def test_what_is_no_plain_file_is_called_what_it_is(kind, said, tmp_path):
    """A folder, a pipe, a device and a bad link are named, and never opened."""
    path = tmp_path / "loans.csv"
    _odd(kind, path)
    with pytest.raises(WorkspaceError, match=rf"loans\.csv' {said}.*CSV or Parquet"):
        applications_digest(str(path))


def test_loans_that_may_not_be_read_are_named(tmp_path, monkeypatch):
    """Missing permission is a refusal with the reason, not a failure of the run."""
    path = tmp_path / "loans.csv"
    path.write_text("a\n1\n")

    def refuse(*_):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(WorkspaceError, match=r"loans\.csv' cannot be read: Permission denied"):
        state_folder(str(path), 42, "outputs")


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_a_seed_that_no_generator_takes_is_refused(seed):
    """The rule is in the message, and no folder is made."""
    with pytest.raises(WorkspaceError, match=f"seed == {seed}, must be a whole number from 0 to"):
        Workspace.begin(FIRST, seed=seed)


def test_relative_outputs_lie_in_the_root(tmp_path, monkeypatch):
    """`MLOPS_ROOT` moves relative outputs only; without it they lie in the project."""
    assert outputs_folder("x") == tmp_path / "x"
    assert outputs_folder("/somewhere") == Path("/somewhere")
    monkeypatch.delenv("MLOPS_ROOT")
    assert outputs_folder("x") == Path(module.__file__).resolve().parents[1] / "x"


def test_an_unknown_phase_names_the_nearest():
    """A misspelt phase is refused with what was probably meant."""
    with pytest.raises(WorkspaceError, match="did you mean '03_monitoring'"):
        Workspace.begin("03_monitorng")


def test_a_moved_folder_starts_over(tmp_path):
    """Artifacts are known by absolute addresses: the same outputs elsewhere are another state."""
    here, there = state_folder("simulated", 42, "outputs"), state_folder("simulated", 42, tmp_path)
    assert here.name != there.name


def test_own_servers_are_told_from_what_mlflow_leaves_behind(monkeypatch, tmp_path):
    """A server counts; the database of a phase, exported by MLflow, does not."""
    assert external("MLFLOW_TRACKING_URI") is None
    ours = tmp_path / "outputs" / "state" / "key" / f"{FIRST}-0a1b2c3d" / "mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{ours}")
    assert external("MLFLOW_TRACKING_URI") is None
    for server in ("http://127.0.0.1:9", f"sqlite:///{tmp_path / 'mine.db'}"):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
        assert external("MLFLOW_TRACKING_URI") == server


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path, monkeypatch):
    """When the swap fails the old content stays and nothing is left beside it."""
    path = tmp_path / "new" / "file.txt"
    write_atomically(path, "old")

    def refuse(*_):
        raise OSError("no space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(module.os, "fsync", refuse)
        with pytest.raises(OSError, match="no space left"):
            write_atomically(path, "new")
    assert path.read_text() == "old"
    assert list(path.parent.iterdir()) == [path]
