"""Where scheduled retraining goes on from one date to the next, and who is at work there now.

The notebooks each start from a copy of the phase before and leave the rest alone; a scheduler needs
one state that stays. It lies in ``outputs/state/<key>/standing/``: a copy of the databases of the
finished phase 03, made at the first call and never again. Delete the folder to start over.
A lender's file grows from month to month, while the key stands for its content: so a pointer,
``outputs/state/<mark>.standing``, says for each path which state was begun with it. If the file
holds loans that are still open, phase 03 is that of its settled months (see `settling`).
With ``MLFLOW_TRACKING_URI`` and ``MLOPS_DATABASE_URL`` set, those servers are that state.

One retraining at a time: the operating system frees the lock of a process that ended, however it
ended. It excludes the processes of one machine (see `locking`), not two machines on one server.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import secrets
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from filelock import FileLock, Timeout

from mlops_helpers.locking import lock_file
from mlops_helpers.places import (
    SIMULATED,
    WorkspaceError,
    external,
    find_applications,
    state_folder,
    write_atomically,
)
from mlops_helpers.settling import settled_file
from mlops_helpers.workspace import (
    DATABASE_FILE,
    STATE_LOCK,
    TRACKING_FILE,
    copy_database,
    make_finished,
    read_finished,
)

__all__ = ["AtWork", "RetrainPlace", "one_at_a_time", "open_place"]

PHASE = "03_monitoring"
"""What must be there first: a champion that serves, and predictions that were logged."""
STANDING = "standing"


class AtWork(Exception):
    """Another retraining is at work; the message says who and since when."""


@dataclass(frozen=True)
class RetrainPlace:
    """The stores of a registered model that is retrained.

    artifact_location: where a new experiment keeps its files; None for a server, which knows.
    folder: where the file for the report goes (`retrainings`); None: nowhere.
    """

    tracking_uri: str
    database_url: str
    artifact_location: str | None = None
    folder: Path | None = None
    name: str = "credit-risk"


def open_place(
    *, applications: str = SIMULATED, seed: int = 42, outputs: str | Path = "outputs"
) -> RetrainPlace:
    """The standing state for these loans, this seed and these servers; made if there is none yet.

    If phase 03 has not finished for them it is run first, with progress on stderr; with both
    servers set nothing is run: what they hold counts. Raises `WorkspaceError` if the loans are not
    found, the phases fail, the copy fails, or a part of the standing state is gone, `ContractError`
    if the phases cannot work on the settled loans.
    """
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    state, pointer = _state(applications, seed, outputs)
    servers = {
        TRACKING_FILE: external("MLFLOW_TRACKING_URI"),
        DATABASE_FILE: external("MLOPS_DATABASE_URL"),
    }
    ours = [name for name, server in servers.items() if server is None]
    folder = state / STANDING
    if ours and not folder.is_dir():
        given = find_applications(applications)
        settled = settled_file(given, seed=seed, folder=pointer.with_suffix(".settled"))
        state = state_folder(settled, seed, outputs)
        folder = state / STANDING
        parameters = {"applications": settled, "seed": seed}
        make_finished(PHASE, state, parameters, outputs)
        _copy(state, folder, ours)
        write_atomically(pointer, state.name)
    if gone := [name for name in ours if not (folder / name).is_file()]:
        raise WorkspaceError(
            f"the standing state {folder} lacks {', '.join(gone)}. Put it back from a copy, or "
            "delete the folder: the next call begins anew from phase 03."
        )
    uris = {name: server or f"sqlite:///{folder / name}" for name, server in servers.items()}
    location = None if servers[TRACKING_FILE] else (state / "artifacts").as_uri()
    return RetrainPlace(uris[TRACKING_FILE], uris[DATABASE_FILE], location, folder)


@contextmanager
def one_at_a_time(place: RetrainPlace, *, what: str, now: datetime) -> Iterator[None]:
    """Hold the lock of the place's retraining; AtWork at once if another process holds it.

    `what` and `now` are what the others are told of us.
    """
    path = lock_file(place.tracking_uri, f"retraining of {place.name}")
    about = path.with_suffix(".who")
    lock = FileLock(path, thread_local=False)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise AtWork(
            f"Another retraining of {place.name} is at work: {_told(about)}. Nothing was done "
            "here; call again when it has ended."
        ) from error
    try:
        told = {"pid": os.getpid(), "host": platform.node(), "what": what}
        write_atomically(about, json.dumps(told | {"since": f"{now:%Y-%m-%d %H:%M:%S %Z}"}))
        yield
    finally:
        about.unlink(missing_ok=True)
        lock.release()


def _state(applications: str, seed: int, outputs: str | Path) -> tuple[Path, Path]:
    """The folder of the state that was begun with this path, and the pointer that says so."""
    state = state_folder(applications, seed, outputs)
    parts = [find_applications(applications), str(seed)]
    parts += [external(name) or "" for name in ("MLFLOW_TRACKING_URI", "MLOPS_DATABASE_URL")]
    mark = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]
    pointer = state.with_name(f"{mark}.{STANDING}")
    if pointer.is_file():
        begun = state.with_name(pointer.read_text(encoding="utf-8").strip())
        if (begun / STANDING).is_dir():
            return begun, pointer
    return state, pointer


def _told(about: Path) -> str:
    """Who holds the lock, in words; the file may be a moment behind the lock."""
    try:
        who = json.loads(about.read_text(encoding="utf-8"))
        return f"process {who['pid']} on {who['host']}, {who['what']}, since {who['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "a process that has only just begun"


def _copy(state: Path, folder: Path, names: list[str]) -> None:
    """Copy the databases of the finished phase beside, and swap the folder in whole."""
    with FileLock(state / STATE_LOCK):
        if folder.is_dir():
            return  # another process was faster
        for left in state.glob(f".{STANDING}-*"):
            shutil.rmtree(left, ignore_errors=True)  # of a process that was killed in here
        source = read_finished(PHASE, state)
        if source is None:
            raise WorkspaceError(
                f"The finished state of {PHASE} vanished from {state}. Call again: it is made anew."
            )
        beside = state / f".{STANDING}-{secrets.token_hex(4)}"
        try:
            beside.mkdir()
            for name in names:
                copy_database(source.folder / name, beside / name)
            beside.rename(folder)
        except (OSError, sqlite3.Error) as error:
            shutil.rmtree(beside, ignore_errors=True)
            raise WorkspaceError(
                f"the standing state {folder} cannot be made: {error}. {PHASE} is untouched; free "
                "some disk space or choose another folder with --outputs."
            ) from error
