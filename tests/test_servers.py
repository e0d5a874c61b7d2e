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
from tests.servers import mlflow_server, postgres_binaries, postgres_server

needs_postgres = pytest.mark.skipif(
    postgres_binaries() is None and not os.environ.get("CI"),
    reason="no PostgreSQL server binaries here (install Debian's `postgresql`); CI never skips",
)


@needs_postgres
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_course_runs_on_postgresql_and_a_remote_mlflow(tmp_path):
    """With two environment variables all six phases use the servers, and nothing is copied."""
    with postgres_server() as database, mlflow_server(tmp_path / "mlflow") as tracking:
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
