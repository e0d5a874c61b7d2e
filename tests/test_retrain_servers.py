"""The same retraining on an MLflow server and PostgreSQL; and when a server goes away."""

from __future__ import annotations

import pytest

from mlops_helpers import registry as registry_module
from mlops_helpers.predictions import PredictionLog
from mlops_helpers.registry import Registry, StoreError
from mlops_helpers.tracking import connect
from tests.contending import easy_gate
from tests.retrain_killing import killer
from tests.retrain_world import go, make_place
from tests.servers import empty_schema, mlflow_server


@pytest.fixture
def place(lender, tmp_path, postgres_url, monkeypatch):
    """The small lender on servers; they end with the test."""
    monkeypatch.setattr(registry_module, "standard_checks", easy_gate)
    empty_schema(postgres_url)
    with mlflow_server(tmp_path / "server") as url:
        yield make_place(tmp_path / "it", lender, servers=(url, postgres_url))


def test_on_servers_it_is_promoted_once_and_completed_after_a_kill(place, lender):
    """Killed while it trains: the champion serves on, and the next call promotes."""
    with killer() as kill:
        assert kill(place, 20) == -1
    registry = Registry(place.tracking_uri)
    assert registry.load("champion").version == 1
    result = go(place, lender)
    assert (result.outcome, result.champion, result.repeated) == ("promoted", 2, False)
    assert go(place, lender).repeated
    assert registry.load("champion").version == 2
    assert (registry.history()["event"] == "promoted").sum() == 2
    client = connect(place.tracking_uri)
    runs = client.search_runs([e.experiment_id for e in client.search_experiments()])
    assert "RUNNING" not in {run.info.status for run in runs}


def test_a_server_that_went_away_is_a_failure_that_loses_nothing(lender, tmp_path, postgres_url):
    """StoreError in words, and the log knows of no stage that was begun."""
    empty_schema(postgres_url)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry_module, "standard_checks", easy_gate)
        with mlflow_server(tmp_path / "server") as url:
            place = make_place(tmp_path / "it", lender, servers=(url, postgres_url))
        with pytest.raises(StoreError, match="does not answer"):
            go(place, lender)
    with PredictionLog(postgres_url) as log:
        assert log.steps().empty
