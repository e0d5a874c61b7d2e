"""Run the phases that a notebook needs but that have not finished yet.

`prepare_in_subprocess` is the caller's side, `prepare` what the new process does. It is a process
of its own because the caller is usually a kernel that is busy with a cell.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, TextIO

from filelock import FileLock, Timeout

from mlops_helpers.places import (
    PHASES,
    WorkspaceError,
    external,
    find_notebook,
    outputs_folder,
    phase_position,
    project_root,
    state_folder,
)
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


def prepare(phase: str, *, applications: str, seed: int, outputs: str) -> str | None:
    """Run every phase up to `phase` that has no finished state; None, or what went wrong.

    What they executed is kept in ``prepared/`` beside the state, to be looked at after a failure.
    """
    from mlops_helpers.executing import Progress, execute
    from mlops_helpers.parameters import read_notebook

    state = state_folder(applications, seed, outputs)
    needed = unfinished(phase, state)
    parameters = {"applications": applications, "seed": seed, "outputs": outputs}
    progress = Progress(every=0.5)
    for position, name in enumerate(needed, 1):
        notebook = read_notebook(find_notebook(name))
        target = state / "prepared" / notebook.path.name
        progress.begin(position, len(needed), name)
        execution = execute(notebook.path, target, parameters=parameters, on_cell=progress.cell)
        progress.end(f"failed: {execution.failure}" if execution.failure else "done")
        if execution.failure:
            return f"{notebook.path.name}, {execution.failure} (executed copy: {target})"
        if read_finished(name, state) is None:
            return f"{notebook.path.name} never reached `ws.finish(...)`."
    return None


def unfinished(phase: str, state: Path) -> list[str]:
    """The phases to run, in order, so that `phase` has a finished state."""
    names = PHASES[: phase_position(phase) + 1]
    done = [number for number, name in enumerate(names) if read_finished(name, state)]
    return list(names[done[-1] + 1 :]) if done else list(names)


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
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8") as answer,
        subprocess.Popen(
            command,
            cwd=project_root(),
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=answer,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        ) as process,
    ):
        try:
            last = _pass_on(process.stderr) if process.stderr else ""
            code = process.wait()
        finally:
            if process.poll() is None:  # the cell was interrupted: stop the work it started
                process.terminate()
        answer.seek(0)
        return code, answer.read().strip() or last


def _pass_on(lines: TextIO) -> str:
    """Show `lines` on stderr: each over the last, so a notebook shows one line that moves.

    The last line comes back.
    """
    longest, text = 0, ""
    for line in lines:
        text = line.rstrip()
        longest = max(longest, len(text))
        _say("\r" + text.ljust(longest))
    _say("\n")
    return text


def _say(text: str) -> None:
    if os.environ.get("MLOPS_QUIET"):  # where outputs are compared, a notice would be a difference
        return
    sys.stderr.write(text)
    sys.stderr.flush()
