"""Real servers for tests: a PostgreSQL and an MLflow server, on loopback, ended with the test."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from functools import partial
from pathlib import Path


def free_port() -> int:
    """A TCP port on 127.0.0.1 that nothing listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def postgres_binaries() -> Path | None:
    """The folder that holds `initdb` and `postgres`, newest version first; None without one."""
    on_path = shutil.which("initdb")
    packaged = sorted(
        Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: float(p.parent.name), reverse=True
    )
    candidates = [Path(on_path).resolve().parent] if on_path else []
    return next((p for p in candidates + packaged if (p / "postgres").exists()), None)


class Postgres:
    """A PostgreSQL of our own in `home`, which can be taken away and brought back.

    The server refuses to run as root, so root hands it to the user that Debian's package makes,
    in a folder which that user owns.
    """

    def __init__(self, home: Path) -> None:
        """Make its database: UTF-8 and sorted by code point, wherever the tests run."""
        binaries = postgres_binaries()
        if binaries is None:
            raise FileNotFoundError("no PostgreSQL server binaries; install Debian's `postgresql`")
        self._home, self._binaries, self._port = home, binaries, free_port()
        self._server: subprocess.Popen[bytes] | None = None
        self._as_user: list[str] = []
        if os.geteuid() == 0:
            shutil.chown(home, "postgres")
            self._as_user = ["runuser", "-u", "postgres", "--"]
        # its log in files of 1 MiB: they never meet a `largest_file` of that size
        small = "--wal-segsize=1"
        self._run("initdb", "-A", "trust", "-U", "course", "-E", "UTF8", "--locale=C", small)
        self.url = f"postgresql+psycopg://course@127.0.0.1:{self._port}/postgres"

    def start(self, *, largest_file: int | None = None) -> None:
        """Return when it takes connections; at once if it runs already.

        With `largest_file` none of its files grows beyond so many bytes, as on a full disk.
        """
        if self._server is not None and self._server.poll() is None:
            return
        with (self._home / "log").open("ab") as log:
            self._server = subprocess.Popen(
                [*self._as_user, self._binaries / "postgres", "-D", self._home / "data",
                 "-p", str(self._port), "-h", "127.0.0.1", "-k", self._home, "-c", "fsync=off"],
                stdout=log, stderr=log, cwd=self._home,
                preexec_fn=largest_file and partial(_limit_files, largest_file),
            )  # fmt: skip
        wait_until(lambda: _accepts(self._port), self._server, self._home / "log")

    def stop(self, mode: str = "fast") -> None:
        """End it: "fast" in order, "immediate" as in a power cut; nothing if it does not run."""
        if self._server is not None and self._server.poll() is None:
            self._run("pg_ctl", "stop", "-m", mode)
            self._server.wait(timeout=30)

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [*self._as_user, self._binaries / program, "-D", self._home / "data", *arguments],
            check=True, capture_output=True, cwd=self._home,
        )  # fmt: skip


def _limit_files(size: int) -> None:
    import resource  # not on every system

    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


@contextlib.contextmanager
def postgres() -> Iterator[Postgres]:
    """A throw-away PostgreSQL that runs; the test may stop and start it."""
    home = Path(tempfile.mkdtemp(prefix="mlops-postgres-"))
    try:
        server = Postgres(home)
        try:
            server.start()
            yield server
        finally:
            server.stop("immediate")  # nobody needs its files again
    finally:
        shutil.rmtree(home, ignore_errors=True)


@contextlib.contextmanager
def postgres_server() -> Iterator[str]:
    """A throw-away PostgreSQL; yields its SQLAlchemy URL."""
    with postgres() as server:
        yield server.url


def require_postgres(*, in_ci: bool) -> None:
    """Skip the test that needs the server's binaries where there are none; in CI fail it."""
    if postgres_binaries() is None and not in_ci:
        import pytest

        pytest.skip(
            "no PostgreSQL here: install the server's binaries (Debian's `postgresql`), or name "
            "a server in MLOPS_TEST_POSTGRES; CI fails instead of skipping"
        )


@contextlib.contextmanager
def own_schema(url: str) -> Iterator[str]:
    """A schema of this process in somebody's PostgreSQL, dropped at the end; yields its URL.

    Workers that run at once do not meet in it, and it leaves nobody else's tables touched.
    """
    import sqlalchemy as sa

    name = f"mlops_tests_{os.getpid()}"
    parsed = sa.make_url(url).set(drivername="postgresql+psycopg")
    engine = sa.create_engine(parsed)
    try:
        with engine.begin() as connection:
            connection.execute(sa.schema.CreateSchema(name))
        inside = parsed.update_query_dict({"options": f"-csearch_path={name}"})
        yield inside.render_as_string(hide_password=False)
    finally:
        with engine.begin() as connection:
            connection.execute(sa.schema.DropSchema(name, cascade=True, if_exists=True))
        engine.dispose()


def empty_schema(url: str) -> None:
    """Remove every table of whatever version from the schema that `url` works in.

    Waits ten seconds for a connection that a test left open with a lock, then says so.
    """
    import sqlalchemy as sa

    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.execute(sa.text("set local lock_timeout = '10s'"))
        name = connection.scalar(sa.text("select current_schema()"))
        connection.execute(sa.schema.DropSchema(name, cascade=True))
        connection.execute(sa.schema.CreateSchema(name))
    engine.dispose()


@contextlib.contextmanager
def mlflow_server(folder: Path) -> Iterator[str]:
    """An `mlflow server` that keeps everything in `folder`; yields its URL."""
    port = free_port()
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "server.log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port),
             "--workers", "1", "--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}",
             "--artifacts-destination", str(folder / "artifacts")],
            stdout=log, stderr=log, env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"},
            start_new_session=True,
        )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until(lambda: _answers(f"{url}/health"), server, folder / "server.log")
        yield url
    finally:
        os.killpg(server.pid, 15)
        server.wait(timeout=30)


def wait_until(ready, server: subprocess.Popen, log: Path, seconds: float = 90) -> None:
    """Return once `ready()`; raise with the end of the server's log when it dies or is late."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if server.poll() is not None:
            raise RuntimeError(f"the server ended with {server.returncode}:\n{_tail(log)}")
        if ready():
            return
        time.sleep(0.2)
    raise TimeoutError(f"the server was not ready after {seconds} s:\n{_tail(log)}")


def _tail(log: Path) -> str:
    return log.read_text(errors="replace")[-2000:]


def _accepts(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            # A server that is still starting answers this SSL request with an error or a close.
            connection.sendall(b"\x00\x00\x00\x08\x04\xd2\x16\x2f")
            return connection.recv(1) in (b"N", b"S")
    except OSError:
        return False


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return answer.status == 200
    except (urllib.error.URLError, OSError):
        return False
