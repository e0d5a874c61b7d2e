"""One writer at a time for each registered model, among the processes of one machine.

The lock is a file that the operating system locks for a process and frees when the process ends,
however it ends, so nobody has to clean up after a crash. For an SQLite store it lies beside the
database (the file itself, not a link to it), where everybody who can write the one can write the
other. For a server it lies in this machine's folder for temporary files, one for each address,
however that is written: two *machines* do not exclude each other there, nor do two names of one
server, so `changing` reads the aliases back after it has set them.
"""

from __future__ import annotations

import hashlib
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from mlops_helpers.sqlite_files import database_path
from mlops_helpers.store_errors import RegistryError, StoreError

__all__ = ["PATIENCE", "lock_file", "one_writer"]

PATIENCE = 30.0
"""Seconds to wait for another process, which needs well under one for a change."""


def lock_file(tracking_uri: str, name: str) -> Path:
    """Where the lock of the model `name` lies; another model or another store has another file."""
    database = database_path(tracking_uri)
    if database:
        database = database.resolve()
        mark = hashlib.sha256(name.encode()).hexdigest()[:12]
        return database.with_name(f"{database.name}.{mark}.lock")
    mark = hashlib.sha256(f"{_server(tracking_uri)}\0{name}".encode()).hexdigest()[:24]
    return Path(tempfile.gettempdir()) / f"mlops-registry-{mark}.lock"


@contextmanager
def one_writer(tracking_uri: str, name: str, *, patience: float = PATIENCE) -> Iterator[None]:
    """Hold the lock of a model; RegistryError if another process keeps it `patience` seconds."""
    path = lock_file(tracking_uri, name)
    lock = FileLock(path, timeout=patience, poll_interval=0.01, thread_local=False)
    try:
        lock.acquire()
    except Timeout as error:
        raise RegistryError(
            f"another process has been changing {name!r} for more than {patience:g} s; nothing was "
            f"changed here. Try again; if nothing moves, see who holds {path} (lsof) and end it."
        ) from error
    except OSError as error:
        raise StoreError(
            f"the store of {name!r} is read-only for you: {path} cannot be opened "
            f"({error.strerror}). Use a store that you may write to."
        ) from error
    try:
        yield
    finally:
        lock.release()


def _server(address: str) -> str:
    """A server's address without what differs between two ways to write it.

    The driver, who logs in, capitals, the usual port, the ways to say "this machine".
    """
    found = re.match(r"(\w+)(?:\+\w+)?://(?:[^/@]*@)?(\[[^]/]*\]|[^/:?]*)(:\d+)?([^?]*)", address)
    if not found:
        return address
    scheme, host, port, path = found[1].lower(), found[2].lower(), found[3], found[4]
    if re.fullmatch(r"localhost|127(\.\d+){3}|\[::1\]|0\.0\.0\.0|\[::\]", host):
        host = "localhost"
    usual = {"http": ":80", "https": ":443", "postgresql": ":5432", "mysql": ":3306"}
    return f"{scheme}://{host}{port or usual.get(scheme, '')}{path.rstrip('/')}"
