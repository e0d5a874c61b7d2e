"""Where scheduled retraining goes on from one date to the next, and who is at work there now.

The notebooks each start from a copy of the phase before and leave the rest alone; a scheduler needs
one state that stays. It lies in ``outputs/state/<key>/standing/``: a copy of the databases of the
finished phase 03, made at the first call and never again. Delete the folder to start over.
A lender's file grows from month to month, while the key stands for its content: so the state itself
says with which path it was begun (see `standing`). Keep one path: a link to the newest file will
do. If the file holds loans that are still open, phase 03 is that of its settled months (see
`settling`). With ``MLFLOW_TRACKING_URI`` and ``MLOPS_DATABASE_URL`` set, those servers are that
state, and only the file for the report lies here.

One retraining at a time: the operating system frees the lock of a process that ended, however it
ended. It excludes the processes of one machine (see `locking`), not two machines on one server.
"""

from __future__ import annotations

import json
import os
import platform
import secrets
import shutil
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from filelock import FileLock, Timeout

from mlops_helpers import standing
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
from mlops_helpers.standing import STANDING, Begun
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

    `applications` is the path as it was given: where its links lead may change from month to month.
    If phase 03 has not finished for them it is run first, with progress on stderr; with both
    servers set nothing is run: what they hold counts. A state that begins beside those of other
    files is told on stderr. Raises `WorkspaceError` if the loans are not found, the phases fail,
    the copy fails, a part of the standing state is gone or empty, or nobody can say whose a state
    is; `ContractError` if the phases cannot work on the settled loans.
    """
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    servers = {
        TRACKING_FILE: external("MLFLOW_TRACKING_URI"),
        DATABASE_FILE: external("MLOPS_DATABASE_URL"),
    }
    ours = [name for name, server in servers.items() if server is None]
    asked = Begun.asked(applications, seed, outputs)
    folder = standing.find(asked) or _begin(asked, applications, seed, ours)
    _check_whole(folder, ours)
    uris = {name: server or f"sqlite:///{folder / name}" for name, server in servers.items()}
    location = None if servers[TRACKING_FILE] else (folder.parent / "artifacts").as_uri()
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


def _begin(asked: Begun, applications: str, seed: int, ours: list[str]) -> Path:
    """The standing folder for what was never asked before, with `ours` copied into it."""
    states = Path(asked.outputs) / "state"
    if not ours:
        folder = states / asked.mark / STANDING
        with suppress(
            OSError
        ):  # only the report's: whoever publishes there will say that it failed
            standing.write(folder, asked)
        return folder
    given = find_applications(applications)
    settled = settled_file(given, seed=seed, folder=states / f"{asked.mark}.settled")
    state = state_folder(settled, seed, asked.outputs)
    folder = state / STANDING
    standing.refuse_unknown(asked, but=folder)
    if not folder.is_dir():
        if SIMULATED not in asked.paths and (there := standing.others(asked)):
            print(
                f"A new standing state begins for {asked.label}, with a history of its own: there "
                f"is one already for {'; '.join(there)}. If these are the same lender's loans, "
                "give them under that path; it may be a link to the newest file.",
                file=sys.stderr,
            )
        make_finished(PHASE, state, {"applications": settled, "seed": seed}, asked.outputs)
        _copy(state, folder, ours, asked)
    standing.join(folder, asked)
    return folder


def _check_whole(folder: Path, ours: list[str]) -> None:
    """Refuse a state without one of its databases, or with one that SQLite would make anew."""
    way_out = (
        "Put it back from a copy, or delete the folder: the next call begins anew from phase 03."
    )
    if gone := [name for name in ours if not (folder / name).is_file()]:
        raise WorkspaceError(f"the standing state {folder} lacks {', '.join(gone)}. {way_out}")
    if empty := [name for name in ours if not (folder / name).stat().st_size]:
        raise WorkspaceError(
            f"{' and '.join(empty)} in the standing state {folder} has 0 bytes: what it held is "
            f"gone. {way_out}"
        )


def _told(about: Path) -> str:
    """Who holds the lock, in words; the file may be a moment behind the lock."""
    try:
        who = json.loads(about.read_text(encoding="utf-8"))
        return f"process {who['pid']} on {who['host']}, {who['what']}, since {who['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "a process that has only just begun"


def _copy(state: Path, folder: Path, names: list[str], asked: Begun) -> None:
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
            standing.write(beside, asked)  # with the folder or not at all
            beside.rename(folder)
        except (OSError, sqlite3.Error) as error:
            shutil.rmtree(beside, ignore_errors=True)
            raise WorkspaceError(
                f"the standing state {folder} cannot be made: {error}. {PHASE} is untouched; free "
                "some disk space or choose another folder with --outputs."
            ) from error
