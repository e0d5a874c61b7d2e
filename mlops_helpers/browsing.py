"""The MLflow UI on what a phase has stored: a copy of its database, on this machine only.

The page can rename and delete what it shows, and its server writes to the database it is given. So
it gets a copy: the course's own store stays as it is, is never locked, and may be replaced by the
next run while the page is open. The files of models and pictures are shown where they lie.
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from mlops_helpers.places import (
    PHASES,
    SIMULATED,
    WorkspaceError,
    external,
    phase_position,
    state_folder,
)
from mlops_helpers.runs import EXPERIMENT, connect
from mlops_helpers.workspace import TRACKING_FILE, Finished, copy_database, read_finished

__all__ = ["LOCALHOST", "check_port", "find_finished", "free_port", "open_ui", "runs_page"]

LOCALHOST = "127.0.0.1"
STARTING, ENDING = 120, 10  # seconds that the server gets to begin and to end by itself
LOG = "server.log"


def find_finished(
    phase: str | None,
    *,
    applications: str = SIMULATED,
    seed: int = 42,
    outputs: str | Path = "outputs",
) -> Finished:
    """The finished state of `phase`; of the last phase that has one if `phase` is None.

    Raises `WorkspaceError` if there is none, and if a tracking server of your own is set: then
    nothing is stored here, and that server has the page.
    """
    server = external("MLFLOW_TRACKING_URI")
    if server:
        raise WorkspaceError(
            f"MLFLOW_TRACKING_URI is set: the runs are at {server}. Open that address in a browser "
            "if it is a server's, or unset the variable to see what lies in the outputs."
        )
    if phase is not None:
        phase_position(phase)
    state = state_folder(applications, seed, outputs)
    for name in [phase] if phase else reversed(PHASES):
        found = read_finished(name, state)
        if found and (found.folder / TRACKING_FILE).is_file():
            return found
    raise WorkspaceError(
        f"{phase or 'No phase'} has {'not ' if phase else ''}finished for applications == "
        f"{applications!r} and seed == {seed} below {state.parent}. Run `make run` first, or name "
        "the same loans, seed and outputs as that run had."
    )


def free_port() -> int:
    """A port of this machine that nothing listens on at this moment."""
    with socket.socket() as probe:
        probe.bind((LOCALHOST, 0))
        return probe.getsockname()[1]


def check_port(port: int) -> int:
    """`port` itself; `WorkspaceError`, with another to take, if something listens on it already."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server itself does
        try:
            probe.bind((LOCALHOST, port))
        except OSError as error:
            raise WorkspaceError(
                f"port == {port} of {LOCALHOST} cannot be used ({error.strerror}). Try "
                f"--port {free_port()}, which is free now."
            ) from error
    return port


def runs_page(port: int) -> str:
    """The address of the table of runs on the server that answers on `port`.

    The front page, and an experiment opened from it, show what language models need (traces); the
    address names the view. Without the course's experiment it is the front page.
    """
    server = f"http://{LOCALHOST}:{port}"
    found = connect(server).get_experiment_by_name(EXPERIMENT)
    if found is None:
        return server
    return f"{server}/#/experiments/{found.experiment_id}/runs?workflowType=machine_learning"


@contextmanager
def open_ui(finished: Finished, *, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Serve a copy of the finished phase's runs on `port`, answering when this is entered.

    Server and copy end with the block, interrupted or not. The server has a session of its own, so
    that all processes it starts can be ended together and Ctrl-C reaches them once, from here.
    Raises `WorkspaceError` if the port is taken or the server does not start.
    """
    check_port(port)
    with tempfile.TemporaryDirectory(prefix="mlops-ui-") as folder:
        database = Path(folder) / TRACKING_FILE
        copy_database(finished.folder / TRACKING_FILE, database)
        with (Path(folder) / LOG).open("wb") as log, _serving(database, port, log) as server:
            _until_it_answers(server, port, Path(folder) / LOG)
            yield server
            if (code := server.poll()) is not None:
                raise WorkspaceError(
                    f"the MLflow server ended by itself with exit code {code}.\n"
                    + _last_words(Path(folder) / LOG)
                )


@contextmanager
def _serving(database: Path, port: int, log: IO[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    environment = os.environ | {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # its jobs evaluate language models
    }
    environment.pop("MLFLOW_TRACKING_URI", None)
    command = [sys.executable, "-m", "mlflow", "server", "--host", LOCALHOST, "--port", str(port)]
    command += ["--workers", "1", "--backend-store-uri", f"sqlite:///{database}"]
    command += ["--artifacts-destination", (database.parent / "artifacts").as_uri()]
    server = subprocess.Popen(
        command,
        cwd=database.parent,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        yield server
    finally:
        _end(server)


def _until_it_answers(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    end = time.monotonic() + STARTING
    while time.monotonic() < end and server.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection((LOCALHOST, port), timeout=1):
            return
        time.sleep(0.2)
    raise WorkspaceError(
        f"the MLflow server did not start within {STARTING} s.\n{_last_words(log)}"
    )


def _last_words(log: Path) -> str:
    return "\n".join(log.read_text("utf-8", errors="replace").splitlines()[-10:])


def _end(server: subprocess.Popen[bytes]) -> None:
    """End the server and everything it started: kindly, then without asking."""
    for kind in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, kind)
        with contextlib.suppress(subprocess.TimeoutExpired, KeyboardInterrupt):
            server.wait(ENDING)  # a second Ctrl-C means: at once
    server.wait()
