"""Where a phase keeps its state, and how it starts from the phase before it.

A notebook is a function from a workspace to a workspace::

    ws = Workspace.begin("03_monitoring", applications=applications, seed=seed, outputs=outputs)
    ...  # work on ws.tracking_uri and ws.database_url
    ws.finish({"Features that drifted": "4 of 9"})

On disk, below ``outputs/state/<key>/`` (the key stands for the loans and the seed):

==========================  =================================================================
``<phase>.json``            the pointer: which folder, with which files, is the finished state
``<phase>-<token>/``        one run of the phase: ``mlflow.db``, ``course.db``, its pictures
``artifacts/``              the files of logged models; shared by all runs and only added to
==========================  =================================================================

``begin`` always makes a new folder and ``finish`` only swaps the pointer, so a run that is killed,
or that runs out of disk, leaves the finished state as it was, and two notebooks that run at once
never delete what the other one reads.

With ``MLFLOW_TRACKING_URI`` and ``MLOPS_DATABASE_URL`` set, the notebooks work on those servers
and nothing is copied. `places` knows the folders.
"""

import contextlib
import json
import os
import secrets
import shutil
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from mlops_helpers import __version__
from mlops_helpers.places import (
    PHASES,
    SIMULATED,
    WorkspaceError,
    external,
    find_applications,
    phase_position,
    state_folder,
    write_atomically,
)

__all__ = ["PHASES", "SIMULATED", "Finished", "Workspace", "WorkspaceError", "read_finished"]

TRACKING_FILE = "mlflow.db"
DATABASE_FILE = "course.db"
IN_USE_FILE = "in-use.lock"
STATE_LOCK = "state.lock"


@dataclass(frozen=True)
class Finished:
    """The pointer of a finished phase: its folder, token, headlines, parameters and files.

    `files` are the names, relative to the folder of the state, of all that was there at the end:
    what the phase wrote, and the files of the logged models. All of them are still there.
    """

    phase: str
    token: str
    folder: Path
    headlines: dict[str, str]
    parameters: dict[str, Any]
    files: tuple[str, ...] = ()


@dataclass(frozen=True)
class Workspace:
    """The state of one run of one phase.

    `tracking_uri` and `database_url` belong to this run alone, unless servers of your own are set.
    `folder` is for its pictures; `artifacts` is shared by all phases and only added to.
    """

    phase: str
    folder: Path
    tracking_uri: str
    database_url: str
    artifacts: Path
    parameters: dict[str, Any]
    external_tracking: bool = False
    _in_use: FileLock | None = field(default=None, repr=False, compare=False)

    @property
    def artifact_location(self) -> str | None:
        """Address for MLflow's artifacts; None with your own server, which has its own place."""
        return None if self.external_tracking else self.artifacts.as_uri()

    @property
    def state(self) -> Path:
        """The folder of all phases for these loans and this seed."""
        return self.folder.parent

    @classmethod
    def begin(
        cls,
        phase: str,
        *,
        applications: str = SIMULATED,
        seed: int = 42,
        outputs: str | Path = "outputs",
    ) -> "Workspace":
        """Start `phase` from a fresh copy of the finished phase before it.

        If that phase has not finished for these loans and this seed, it is run first (and what
        precedes it), with progress on stderr. Raises `WorkspaceError` when the phase is unknown,
        the loans cannot be found, the copy fails or the preparation fails.
        """
        position = phase_position(phase)
        os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
        state = state_folder(applications, seed, outputs)
        parameters = {"applications": find_applications(applications), "seed": seed}
        before = PHASES[position - 1] if position else None
        if before:
            make_finished(before, state, parameters, outputs)
        folder = state / f"{phase}-{secrets.token_hex(4)}"
        tracking, database = external("MLFLOW_TRACKING_URI"), external("MLOPS_DATABASE_URL")
        copied = {TRACKING_FILE: not tracking, DATABASE_FILE: not database}
        try:
            in_use = _start_folder(folder, before, [name for name in copied if copied[name]])
        except (OSError, sqlite3.Error) as error:
            shutil.rmtree(folder, ignore_errors=True)  # unfinished; a rest does no harm
            raise WorkspaceError(
                f"{phase} cannot begin in {folder}: {error}. What was finished before is "
                "untouched; free some disk space or choose another folder with `outputs`."
            ) from error
        return cls(
            phase=phase,
            folder=folder,
            tracking_uri=tracking or f"sqlite:///{folder / TRACKING_FILE}",
            database_url=database or f"sqlite:///{folder / DATABASE_FILE}",
            artifacts=state / "artifacts",
            parameters=parameters,
            external_tracking=tracking is not None,
            _in_use=in_use,
        )

    def finish(self, headlines: Mapping[str, str] | None = None) -> Finished:
        """Make this run the finished state of its phase; `headlines` go into the report.

        The pointer is swapped in one step. Folders of the phase that are neither this run, nor the
        one before it, nor in use by a running notebook are removed.
        """
        if not self.folder.is_dir():
            raise WorkspaceError(
                f"{self.phase} cannot finish: {self.folder} is gone. Run it again from the start."
            )
        with FileLock(self.state / STATE_LOCK):
            previous = read_finished(self.phase, self.state)
            pointer = {
                "version": __version__,
                "token": self.folder.name.removeprefix(f"{self.phase}-"),
                "headlines": {str(name): str(text) for name, text in (headlines or {}).items()},
                "parameters": self.parameters,
                "files": [*_files(self.folder, self.state), *_files(self.artifacts, self.state)],
            }
            write_atomically(self.state / f"{self.phase}.json", json.dumps(pointer, indent=2))
            keep = {self.folder} | ({previous.folder} if previous else set())
            _remove_old_runs(self.state, self.phase, keep=keep)
        finished = read_finished(self.phase, self.state)
        if finished is None:
            raise WorkspaceError(f"{self.phase} was finished but {self.state} does not show it.")
        return finished


def read_finished(phase: str, state: Path) -> Finished | None:
    """The finished state of `phase`, or None if there is none that is whole and of this version."""
    try:
        pointer = json.loads((state / f"{phase}.json").read_text(encoding="utf-8"))
        if pointer["version"] != __version__:
            return None
        found = Finished(
            phase=phase,
            token=pointer["token"],
            folder=state / f"{phase}-{pointer['token']}",
            headlines=dict(pointer["headlines"]),
            parameters=dict(pointer["parameters"]),
            files=tuple(pointer["files"]),
        )
        whole = found.folder.is_dir() and all((state / name).is_file() for name in found.files)
    except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
        return None  # damaged: worth nothing more than running again
    return found if whole else None


def runs_in_use(state: Path, phase: str = "") -> Iterator[Path]:
    """Folders of runs (of one phase, or of all) that a live process works in."""
    for folder in sorted(state.glob(f"{phase or '*'}-*/")):
        if not folder.is_dir():
            continue
        try:
            with FileLock(folder / IN_USE_FILE).acquire(timeout=0):
                pass
        except Timeout:
            yield folder


def make_finished(phase: str, state: Path, parameters: dict[str, Any], outputs: str | Path) -> None:
    """See to it that `phase` has a finished state: if it has none, it is run."""
    if read_finished(phase, state):
        return
    from mlops_helpers.preparing import prepare_in_subprocess

    prepare_in_subprocess(phase, state=state, parameters=parameters, outputs=outputs)
    if read_finished(phase, state) is None:
        raise WorkspaceError(
            f"{phase} ran but left no finished state in {state}: its notebook never reached "
            "`ws.finish(...)`, or it works with other loans, another seed or other outputs."
        )


def _start_folder(folder: Path, before: str | None, copied: list[str]) -> FileLock:
    """Make the folder of a run, mark it as in use, and copy the databases of the phase before.

    Under the lock of the state, so that nobody removes the source meanwhile, or this new folder.
    """
    state = folder.parent
    state.mkdir(parents=True, exist_ok=True)
    with FileLock(state / STATE_LOCK):
        source = read_finished(before, state) if before else None
        if before and source is None:
            raise WorkspaceError(
                f"The finished state of {before} vanished from {state} while the next phase began. "
                "Begin again: it is made anew."
            )
        (state / "artifacts").mkdir(exist_ok=True)
        folder.mkdir()
        in_use = FileLock(folder / IN_USE_FILE)
        in_use.acquire(timeout=0)
        for name in copied if source else []:
            if f"{source.folder.name}/{name}" in source.files:
                copy_database(source.folder / name, folder / name)
    return in_use


def _files(folder: Path, state: Path) -> list[str]:
    """The files below `folder`, relative to `state`, without locks and SQLite's own helpers."""
    passing = (".lock", "-journal", "-wal", "-shm")
    found = (path for path in folder.rglob("*") if path.is_file())
    return sorted(
        path.relative_to(state).as_posix() for path in found if not path.name.endswith(passing)
    )


def copy_database(source: Path, target: Path) -> None:
    """Copy an SQLite file as one consistent snapshot; `sqlite3.Error` if there is no source."""
    with (
        contextlib.closing(sqlite3.connect(f"{source.as_uri()}?mode=ro", uri=True)) as old,
        contextlib.closing(sqlite3.connect(target)) as new,
    ):
        old.backup(new)


def _remove_old_runs(state: Path, phase: str, *, keep: set[Path]) -> None:
    keep = keep | set(runs_in_use(state, phase))
    for folder in state.glob(f"{phase}-*/"):
        if folder not in keep:
            shutil.rmtree(folder, ignore_errors=True)  # what stays is removed the next time
