"""What the first 100 bytes of an SQLite file say, without opening the database.

Two questions are cheap to answer from them (https://sqlite.org/fileformat2.html#the_database_header):
is this a whole database at all, and has anybody written to it since I looked? SQLite adds one to
its *file change counter* with every transaction that is committed in its usual mode. In
write-ahead-log mode it does not, so there this module says that it does not know.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

__all__ = [
    "Stamp",
    "changed_stamp",
    "database_path",
    "file_fault",
    "identity",
    "no_stray_folders",
]

MAGIC = b"SQLite format 3\0"
WAL = 2

Stamp = tuple[int, ...]


def database_path(uri: str) -> Path | None:
    """The file behind an address such as `sqlite:////data/mlflow.db`; None if there is none."""
    found = re.match(r"sqlite(?:\+\w+)?:///(?P<path>[^?]*)", uri)
    path = found["path"] if found else ""
    if path.startswith("file:"):  # sqlite:///file:/data/mlflow.db?mode=ro&uri=true
        path = re.sub(r"^//[^/]*", "", path.removeprefix("file:"))
        path = re.sub(r"(?:%[0-9a-fA-F]{2})+", _unescaped, path)
    return None if path in ("", ":memory:") else Path(path).absolute()


def identity(path: Path) -> Stamp | None:
    """Which file lies at a path, whatever is written into it; None if there is none."""
    try:
        about = path.stat()
    except OSError:
        return None
    return about.st_dev, about.st_ino


@contextlib.contextmanager
def no_stray_folders(uri: str) -> Iterator[None]:
    """Take away the folders that MLflow makes by mistake for an address with `file:`.

    As of 3.17 it takes the `file:/data/x.db` of `sqlite:///file:/data/x.db?uri=true` for a path
    from here and makes `file:/data`. What was there before, and what is not empty, stays.
    """
    found = re.match(r"sqlite(?:\+\w+)?:///(?P<path>file:[^?]*)", uri)
    folders = [*Path(found["path"]).parents][:-1] if found else []
    new = [folder for folder in folders if not folder.exists()]
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            for folder in new:
                folder.rmdir()


def changed_stamp(path: Path) -> Stamp | None:
    """Numbers that differ once a transaction was committed to the file or the file was replaced.

    None if that cannot be known: no such file, no SQLite file, or one in write-ahead-log mode. A
    stamp may change although nothing did. To keep what a query found, compare the stamps taken
    before and after it, because a transaction may be under way.
    """
    try:
        with path.open("rb") as file:
            about, header = os.fstat(file.fileno()), file.read(100)
    except OSError:
        return None
    if len(header) < 100 or not header.startswith(MAGIC) or WAL in header[18:20]:
        return None
    counter = int.from_bytes(header[24:28])
    return counter, about.st_dev, about.st_ino, about.st_size, about.st_mtime_ns


def file_fault(path: Path) -> str:
    """What is wrong with the file in words, or nothing; a file that is not there is no fault."""
    try:
        with path.open("rb") as file:
            size, header = os.fstat(file.fileno()).st_size, file.read(100)
    except FileNotFoundError:
        return ""
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    if not size:
        return ""  # SQLite's own idea of a new database
    if len(header) < 100 or not header.startswith(MAGIC):
        return "is no SQLite database"
    page = int.from_bytes(header[16:18])
    page, pages = 65536 if page == 1 else page, int.from_bytes(header[28:32])
    counted = header[24:28] == header[92:96]  # else an old library wrote it, which did not count
    if counted and size < page * pages:
        return f"is cut short: {size:,} bytes, must be {page * pages:,}"
    return ""


def _unescaped(found: re.Match[str]) -> str:
    return bytes.fromhex(found[0].replace("%", "")).decode()
