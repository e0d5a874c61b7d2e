"""Run the phases that a notebook needs but that have not finished yet.

The work is done in a process of its own (``python -m mlops_helpers prepare``), because the caller
is usually a kernel that is busy with a cell.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, TextIO

from filelock import FileLock, Timeout

from mlops_helpers.places import WorkspaceError, external, outputs_folder, project_root
from mlops_helpers.workspace import read_finished


def prepare_in_subprocess(
    phase: str, *, state: Path, parameters: dict[str, Any], outputs: str | Path
) -> None:
    """Run `phase` and the unfinished phases before it; progress goes to stderr.

    One process at a time: another one waits and then finds the work done. Raises `WorkspaceError`
    with notebook, cell and exception if a notebook fails.
    """
    state.mkdir(parents=True, exist_ok=True)
    with _lock(state / "prepare.lock"):
        if read_finished(phase, state):
            return
        _say(f"Preparing {phase}: it has not run for these loans and this seed yet.\n")
        command = [sys.executable, "-m", "mlops_helpers", "prepare", phase]
        command += ["--data", str(parameters["applications"]), "--seed", str(parameters["seed"])]
        command += ["--outputs", str(outputs_folder(outputs))]
        code, message = _run(command)
    if code:
        raise WorkspaceError(f"The preparation of {phase} failed. {message}")


def _lock(path: Path) -> FileLock:
    """The acquired lock; says so when it has to wait."""
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        _say("Another notebook prepares the same phases: waiting for it.\n")
        lock.acquire()
    return lock


def _run(command: list[str]) -> tuple[int, str]:
    """Exit code of `command` and what it printed to stdout; its stderr is passed on as it comes."""
    environment = dict(os.environ)
    if external("MLFLOW_TRACKING_URI") is None:
        environment.pop("MLFLOW_TRACKING_URI", None)
    with tempfile.TemporaryFile("w+", encoding="utf-8") as answer:
        process = subprocess.Popen(
            command,
            cwd=project_root(),
            env=environment,
            stdout=answer,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
        )
        try:
            assert process.stderr is not None
            _pass_on(process.stderr)
            code = process.wait()
        finally:
            if process.poll() is None:  # the cell was interrupted: stop the work it started
                process.terminate()
                process.wait()
        answer.seek(0)
        return code, answer.read().strip()


def _pass_on(lines: TextIO) -> None:
    """Show `lines` on stderr: each over the last, so a notebook shows one line that moves."""
    longest = 0
    for line in lines:
        text = line.rstrip()
        longest = max(longest, len(text))
        _say("\r" + text.ljust(longest))
    _say("\n")


def _say(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()
