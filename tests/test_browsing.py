"""`make mlflow`: the page shows a copy, on this machine only, and leaves nothing behind."""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from click.testing import CliRunner

from mlops_helpers import __main__ as command_line
from mlops_helpers.browsing import LOCALHOST, check_port, find_finished, free_port
from mlops_helpers.places import WorkspaceError
from mlops_helpers.runs import connect
from mlops_helpers.workspace import Workspace


@pytest.fixture
def root(tmp_path, monkeypatch) -> Path:
    """An empty place for outputs, in a folder with a space in its name."""
    monkeypatch.setenv("MLOPS_ROOT", str(tmp_path / "a root"))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return tmp_path / "a root"


@pytest.fixture
def finished(root):
    """Phase 1, finished with one run that has a picture and a run within it."""
    ws = Workspace.begin("01_experiment_tracking")
    client = connect(ws.tracking_uri)
    where = client.create_experiment("credit-risk", ws.artifact_location)
    run_id = client.create_run(where, run_name="a run").info.run_id
    client.log_text(run_id, "seen", "figures/note.txt")
    client.set_terminated(run_id)
    client.create_registered_model("credit-risk")
    return ws.finish()


def test_the_last_finished_phase_is_shown(finished, root):
    """Without a name it is the last that has a store; a name that is no phase is an error."""
    assert find_finished(None) == finished
    assert find_finished("01_experiment_tracking").folder == finished.folder
    with pytest.raises(WorkspaceError, match="did you mean '02_model_registry'"):
        find_finished("2_model_registry")


def test_without_a_finished_phase_it_says_what_to_do(finished):
    """Other loans, another seed or a phase that has not run: the message names `make run`."""
    for question in ({"seed": 7}, {"outputs": "elsewhere"}):
        with pytest.raises(WorkspaceError, match=r"No phase has finished .*`make run`"):
            find_finished(None, **question)
    with pytest.raises(WorkspaceError, match="03_monitoring has not finished"):
        find_finished("03_monitoring")


def test_a_server_of_ones_own_has_its_own_page(finished, monkeypatch):
    """With MLFLOW_TRACKING_URI set nothing lies here: the message names the address."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://mlflow.example.org")
    done = CliRunner().invoke(command_line.main, ["mlflow"])
    assert done.exit_code == 2
    assert "https://mlflow.example.org" in done.output


def test_a_port_that_is_taken_is_told_with_one_that_is_free(finished):
    """Exit code 2, and another port to copy; nothing was started."""
    with socket.socket() as taken:
        taken.bind((LOCALHOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = CliRunner().invoke(command_line.main, ["mlflow", "--port", str(port)])
    assert done.exit_code == 2
    assert f"port == {port}" in done.output
    proposed = int(done.output.partition("--port ")[2].split(",")[0])
    assert check_port(proposed) == proposed != port


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "interrupts"),
    [
        (signal.SIGINT, signal.default_int_handler),
        (signal.SIGTERM, signal.default_int_handler),
        (signal.SIGTERM, signal.SIG_IGN),
    ],
    ids=["Ctrl-C", "SIGTERM", "SIGTERM behind &"],
)
def test_the_page_shows_the_runs_and_a_signal_ends_it(finished, number, interrupts, tmp_path):
    """Runs and files are served from a copy; afterwards no process, no copy and no change.

    A shell's background job ignores Ctrl-C, and SIGTERM ends it all the same.
    """
    store = finished.folder / "mlflow.db"
    before = hashlib.sha256(store.read_bytes()).hexdigest()
    port, scratch = free_port(), tmp_path / "scratch"
    scratch.mkdir()
    command = [sys.executable, "-m", "mlops_helpers", "mlflow", "--port", str(port)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=os.environ | {"TMPDIR": str(scratch)},
        preexec_fn=lambda: signal.signal(signal.SIGINT, interrupts),
    ) as child:  # fmt: skip
        shown = child.stdout.readline().split()[-1]
        address, _, view = shown.partition("/#/")
        assert address == f"http://{LOCALHOST}:{port}"
        child.stdout.readline()
        client = connect(address)
        where = client.get_experiment_by_name("credit-risk").experiment_id
        assert view == f"experiments/{where}/runs?workflowType=machine_learning"
        (run,) = client.search_runs([where])
        page = f"{address}/get-artifact?path=figures/note.txt&run_uuid={run.info.run_id}"
        with urllib.request.urlopen(page, timeout=20) as answer:
            assert answer.read() == b"seen"
        with urllib.request.urlopen(address, timeout=20) as answer:
            assert b"<title>MLflow" in answer.read()
        client.set_tag(run.info.run_id, "changed", "on the page")
        child.send_signal(number)
        said, complaint = child.communicate(timeout=60)
    assert child.returncode == 0, complaint
    assert said.strip() == "Closed."
    assert "Traceback" not in complaint
    assert hashlib.sha256(store.read_bytes()).hexdigest() == before
    assert list(scratch.iterdir()) == []
    with socket.socket() as probe:
        assert probe.connect_ex((LOCALHOST, port)) != 0, "somebody still listens"
