"""What can go wrong with a store, as one clear error instead of a stack of three libraries'.

MLflow, SQLAlchemy and the database each have errors of their own for "somebody else holds the
lock". `explained` turns those that say something about the store into a RegistryError with the way
out; what it does not recognise stays what it is.

How long a caller waits before the error is MLflow's decision: 20 s for an SQLite file that another
connection keeps locked, about 15 s for an MLflow server that does not answer (four tries, see
`runs.connect`), 10 s for a PostgreSQL that does not answer when it is first used (see `probing`).
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import mlflow
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from mlops_helpers.sqlite_files import database_path, file_fault

__all__ = [
    "Guarded",
    "RegistryError",
    "StoreError",
    "UnknownModelError",
    "check_file",
    "explained",
    "gone",
]


P, R = ParamSpec("P"), TypeVar("R")


class RegistryError(Exception):
    """The registry cannot do what was asked; it is as it was before."""


class UnknownModelError(RegistryError, LookupError):
    """No such version, alias or run; the message names the nearest that exist."""


class StoreError(RegistryError):
    """The store behind the registry cannot be used; the message says why and what to do.

    Nothing was changed, unless a promotion, rollback or the like was already journalled: then the
    next call completes it.
    """


# Words of the databases and of MLflow (as of 3.17), what they mean, and the way out.
TROUBLES = (
    (
        r"database (table )?is locked|locked database",
        "is locked: another connection holds a transaction open. End it, or try again later",
    ),
    (
        r"readonly database|read-only|permission denied",
        "is read-only. Use an address that may be written to, or give yourself the right",
    ),
    (
        r"out-of-date database schema|Can't locate revision|no such (table|column)",
        f"was written by another version of MLflow than this one ({mlflow.__version__}). If that "
        "is a newer one, install it here; if it is older, copy it and run `mlflow db upgrade`",
    ),
    (
        r"file is not a database|malformed|disk I/O error|file is encrypted",
        "is damaged. Restore it from a copy",
    ),
    (r"disk is full|No space left", "has no room left. Make room, then do it again"),
    (
        r"unable to open database file",
        "cannot be opened. Its folder must exist, and you must be allowed to read it",
    ),
    (
        r"Max retries exceeded|Connection refused|connection failed|could not connect|timed out"
        r"|Name or service not known|server closed the connection|Failed to resolve",
        "does not answer. See whether the server runs and the address is right",
    ),
    (
        r"failed with error code 40[45]|<!doctype html|<html",
        "answers, but not as an MLflow server does. Check the address",
    ),
    (r"40[13]\b.*(UNAUTH|FORBID)|Unauthorized|Forbidden", "refuses you. Check your credentials"),
)
LIBRARIES = ("mlflow", "sqlalchemy", "sqlite3", "psycopg", "alembic", "requests", "urllib3")


@contextmanager
def explained(address: str) -> Iterator[None]:
    """Raise StoreError for what the store at `address` cannot do; all else passes as it is."""
    _LOGGER.addFilter(_SAID_ONCE)
    try:
        yield
    except Exception as error:
        words = _meaning(error)
        if not words:
            raise
        raise StoreError(f"the store {_without_password(address)} {words}.") from error
    finally:
        _LOGGER.removeFilter(_SAID_ONCE)


def check_file(address: str) -> None:
    """StoreError at once for an SQLite file that is none or is cut short."""
    path = database_path(address)
    if path and (fault := file_fault(path)):
        raise StoreError(
            f"the store {address} {fault}. Restore it from a copy, or name another file."
        )


def gone(error: MlflowException) -> bool:
    """Does MLflow say that what was asked for does not exist?"""
    return error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")


class Guarded:
    """A client whose calls raise StoreError where the store is the trouble, and log nothing.

    MLflow logs a failed query with its whole stack before it raises; the error says it once.
    """

    def __init__(self, client: MlflowClient, address: str) -> None:
        """Every method of `client` is a method of this one."""
        self._client, self._address = client, address

    def __getattr__(self, name: str) -> Callable[..., Any]:
        """The client's method `name`, guarded."""
        return _guarded(getattr(self._client, name), self._address)


def _guarded(method: Callable[P, R], address: str) -> Callable[P, R]:
    path = database_path(address)

    @wraps(method)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        if path and not path.exists():  # SQLite would make an empty one
            raise StoreError(
                f"the store {address} is not there any more: somebody has moved or deleted {path}. "
                "Put it back, or name another file."
            )
        with explained(address):
            return method(*args, **kwargs)

    return call


class _SaidOnce(logging.Filter):
    """Keeps MLflow from logging, with its whole stack, the error that it raises next."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not record.getMessage().startswith("SQLAlchemy database error")


_SAID_ONCE = _SaidOnce()
_LOGGER = logging.getLogger("mlflow.store.db.utils")


def _meaning(error: Exception) -> str:
    if isinstance(error, OSError) or type(error).__module__.partition(".")[0] in LIBRARIES:
        said = str(error)
        for pattern, words in TROUBLES:
            if re.search(pattern, said, re.IGNORECASE):
                return words
    return ""


def _without_password(address: str) -> str:
    return re.sub(r"(?<=//)([^:@/]*):[^@/]*@", r"\1:***@", address)
