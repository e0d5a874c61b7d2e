"""Loading the champion again, and registering and promoting, against the bare MLflow calls."""

from __future__ import annotations

import itertools
import json
import statistics

import mlflow
import pytest

from mlops_helpers import loading
from mlops_helpers import registry as registry_module
from mlops_helpers.registry import Registry
from mlops_helpers.runs import connect
from tests.benchmarks.measuring import Ratio, paired, seconds
from tests.contending import NO_ROWS, WHEN, easy_gate
from tests.loans_on_record import make_record

names = (f"bench {number}" for number in itertools.count())


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    """Three finished runs in one store."""
    return make_record(tmp_path_factory.mktemp("registry"))


@pytest.fixture(autouse=True)
def _gate_that_passes(monkeypatch):
    """The gate has a benchmark of its own."""
    monkeypatch.setattr(registry_module, "standard_checks", easy_gate)


def champion_of(record) -> Registry:
    """A registry with one version, which serves."""
    registry = Registry(record.tracking_uri, next(names))
    version = registry.register(record.runs["logistic"])
    registry.promote(version, registry.gate(version, NO_ROWS))
    return registry


def test_loading_the_champion_again(record, monkeypatch, figures):
    """At least 100 times faster than the first load, in a process that has read models before."""
    registry = champion_of(record)

    def first() -> None:
        monkeypatch.setattr(loading, "_MODELS", loading.Newest(loading.KEPT))
        Registry(record.tracking_uri, registry.name).load("champion")

    registry.load("champion")
    ratio = paired(first, lambda: registry.load("champion"), times=15)
    figures.bar("load(champion): first / second", ratio, at_least=100)


@pytest.mark.parametrize(
    ("bare", "limit"), [("register_model", 1.5), ("create_model_version", None)]
)
def test_registering_and_promoting(record, monkeypatch, figures, bare, limit):
    """At most 1.5 times `mlflow.register_model`, two aliases and a tag for the event.

    The same version tags, the same number of events, the same aliases at the end; both are the
    second version, so `previous` is set. The gate between is not timed. `create_model_version` on
    its own, which finds neither the run's model nor anything else, is measured beside it.
    """
    client = connect(record.tracking_uri)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", record.tracking_uri)  # it knows no other address
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", record.tracking_uri)
    event = json.dumps({"event": "promoted", "version": 2, "replaced": 1, "reason": "x" * 80})
    tags = {"model_sha256": "0" * 64, "sample_sha256": "1" * 64, "event.000004": event}
    run = record.runs["cautious"]

    def ours(registry: Registry) -> float:
        spent = seconds(lambda: registry.register(run, when=WHEN))
        verdict = registry.gate(2, NO_ROWS, when=WHEN)
        return spent + seconds(lambda: registry.promote(2, verdict, reason="x" * 80, when=WHEN))

    def theirs(name: str) -> float:
        if bare == "register_model":
            spent = seconds(lambda: mlflow.register_model(run.model_uri, name, tags=tags))
        else:
            logged = client.get_logged_model(run.model_uri.removeprefix("models:/"))
            args = {"run_id": run.run_id, "model_id": logged.model_id, "tags": tags}
            spent = seconds(
                lambda: client.create_model_version(name, logged.artifact_location, **args)
            )

        def promote() -> None:
            client.set_registered_model_alias(name, "previous", "1")
            client.set_registered_model_alias(name, "champion", "2")
            client.set_registered_model_tag(name, "event.000007", event)

        return spent + seconds(promote)

    pairs = []
    for _ in range(14):
        both = (lambda: ours(champion_of(record)), lambda: theirs(champion_of(record).name))
        order = (0, 1) if len(pairs) % 2 else (1, 0)
        spent = {which: both[which]() for which in order}
        pairs.append((spent[0], spent[1]))
    pairs = pairs[2:]  # the first of each order warms up
    ratio = Ratio(
        statistics.median(a / b for a, b in pairs),
        *(statistics.median(pair[which] for pair in pairs) for which in (0, 1)),
        len(pairs),
    )
    name = f"register and promote: helper / {bare}"
    if limit is None:
        figures.note(name, ratio.value, "times")
    else:
        figures.bar(name, ratio, at_most=limit)
