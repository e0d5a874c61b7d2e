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


@contextlib.contextmanager
def postgres_server() -> Iterator[str]:
    """A throw-away PostgreSQL; yields its SQLAlchemy URL.

    The server refuses to run as root, so root hands it to the user that Debian's package makes,
    in a folder which that user owns.
    """
    binaries = postgres_binaries()
    if binaries is None:
        raise FileNotFoundError("no PostgreSQL server binaries; install Debian's `postgresql`")
    home = Path(tempfile.mkdtemp(prefix="mlops-postgres-"))
    as_user: list[str] = []
    if os.geteuid() == 0:
        shutil.chown(home, "postgres")
        as_user = ["runuser", "-u", "postgres", "--"]
    port = free_port()
    server = None
    try:
        subprocess.run(
            [*as_user, binaries / "initdb", "-D", home / "data", "-A", "trust", "-U", "course"],
            check=True, capture_output=True, cwd=home,
        )  # fmt: skip
        with (home / "log").open("wb") as log:
            server = subprocess.Popen(
                [*as_user, binaries / "postgres", "-D", home / "data", "-p", str(port),
                 "-h", "127.0.0.1", "-k", home, "-c", "fsync=off"],
                stdout=log, stderr=log, cwd=home,
            )  # fmt: skip
        wait_until(lambda: _accepts(port), server, home / "log")
        yield f"postgresql+psycopg://course@127.0.0.1:{port}/postgres"
    finally:
        if server is not None:
            subprocess.run(
                [*as_user, binaries / "pg_ctl", "-D", home / "data", "stop", "-m", "fast"],
                check=False, capture_output=True, cwd=home,
            )  # fmt: skip
            server.wait(timeout=30)
        shutil.rmtree(home, ignore_errors=True)


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
