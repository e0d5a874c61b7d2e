"""The same notebooks on a PostgreSQL and a remote MLflow, both started here."""

from __future__ import annotations

import os
import subprocess
import sys

import mlflow
import pytest
import sqlalchemy as sa

from mlops_helpers.predictions import PredictionLog
from mlops_helpers.workspace import PHASES
from tests import servers


def test_without_postgresql_ci_fails_and_others_are_told(monkeypatch):
    """CI never leaves the second database out; elsewhere the skip says what to install."""
    monkeypatch.setattr(servers, "postgres_binaries", lambda: None)
    with pytest.raises(pytest.skip.Exception, match="Debian's `postgresql`"):
        servers.require_postgres(in_ci=False)
    servers.require_postgres(in_ci=True)
    with pytest.raises(FileNotFoundError, match="Debian's `postgresql`"), servers.postgres():
        pass


def test_a_server_can_be_taken_away_and_brought_back(in_ci):
    """It comes back at the same address with what it had stored, even after a power cut."""
    servers.require_postgres(in_ci=in_ci)
    with servers.postgres() as server:
        engine = sa.create_engine(server.url, poolclass=sa.NullPool)
        with engine.begin() as connection:
            connection.execute(sa.text("create table kept as select 7 as number"))
        for mode in ("fast", "immediate"):
            server.stop(mode)
            with pytest.raises(sa.exc.OperationalError, match="refused"):
                engine.connect()
            server.start()
            with engine.connect() as connection:
                assert connection.scalar(sa.text("select number from kept")) == 7
        engine.dispose()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_course_runs_on_postgresql_and_a_remote_mlflow(tmp_path, in_ci):
    """With two environment variables all six phases use the servers, and nothing is copied."""
    servers.require_postgres(in_ci=in_ci)
    with (
        servers.postgres_server() as database,
        servers.mlflow_server(tmp_path / "mlflow") as tracking,
    ):
        done = subprocess.run(
            [sys.executable, "-m", "mlops_helpers", "run", "--outputs", str(tmp_path / "outputs")],
            env={
                **os.environ,
                "MLFLOW_TRACKING_URI": tracking,
                "MLOPS_DATABASE_URL": database,
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        assert not list((tmp_path / "outputs").rglob("*.db")), "a local copy was made"

        client = mlflow.MlflowClient(tracking)
        champion = client.get_model_version_by_alias("credit-risk", "champion")
        with PredictionLog(database) as log:
            logged = log.daily_volume()["n"].sum()
            assert len(log.experiments()) == 1
        engine = sa.create_engine(database)
        with engine.connect() as connection:
            stored = connection.execute(sa.text("select count(*) from predictions")).scalar_one()
        engine.dispose()

    assert int(champion.version) >= 1
    assert logged == stored > 0
    report = (tmp_path / "outputs" / "index.html").read_text(encoding="utf-8")
    assert all(phase in report for phase in PHASES)
