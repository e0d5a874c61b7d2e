"""What MLflow holds about a model: numbered by the store, files by version, events only added."""

from __future__ import annotations

import itertools

import pandas as pd
import pytest

from mlops_helpers.data import FEATURES
from mlops_helpers.runs import SIGNATURE, connect
from mlops_helpers.versions import RegistryError, UnknownModelError, Versions, moment
from tests.loans_on_record import make_record

WHEN = pd.Timestamp("2023-12-01", tz="UTC")
names = (f"versions {number}" for number in itertools.count())


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    """Three finished runs in one store."""
    return make_record(tmp_path_factory.mktemp("versions"))


@pytest.fixture
def versions(record):
    """A registered model of its own for each test."""
    return Versions(record.tracking_uri, next(names))


def test_the_store_numbers_the_versions(versions, record):
    """Two scripts that know nothing of each other get different numbers."""
    elsewhere = Versions(record.tracking_uri, versions.name)
    run = versions.run(record.runs["logistic"].run_id)
    assert [versions.add(run), elsewhere.add(run), versions.add(run)] == [1, 2, 3]
    assert [int(found.version) for found in versions.all()] == [1, 2, 3]


def test_an_alias_points_at_one_version(versions, record):
    """Pointing again moves the alias; nothing else keeps it."""
    run = versions.run(record.runs["logistic"].run_id)
    first, second = versions.add(run), versions.add(run)
    versions.point("champion", first)
    versions.point("champion", second)
    assert versions.aliases() == {"champion": second}
    versions.unpoint("champion")
    assert versions.aliases() == {}


def test_sample_and_signature_come_with_the_version(versions, record):
    """The stored rows, their probabilities and the contract of the training run."""
    version = versions.add(versions.run(record.runs["logistic"].run_id))
    rows, probability = versions.sample(version)
    assert list(rows.columns) == list(FEATURES)
    assert len(rows) == len(probability) > 0
    assert versions.signature(version) == SIGNATURE


def test_events_are_added_in_order_and_none_is_lost(versions, record):
    """Two writers that count the same number of events do not overwrite each other."""
    elsewhere = Versions(record.tracking_uri, versions.name)
    elsewhere._event_tags = lambda: {}  # believes that nothing has been written yet
    versions.record("registered", 1, when=WHEN)
    elsewhere.record("registered", 2, when=WHEN, by="another")
    versions.record("promoted", 2, when=WHEN, replaced=1, reason="better")
    assert len(versions.events()) == 3
    assert {event["version"] for event in versions.events()[:2]} == {1, 2}
    assert versions.events()[-1]["reason"] == "better"


def test_a_run_without_a_model_gives_no_version(versions, record):
    """Nothing to serve, nothing registered; the error says how to get one."""
    client = connect(record.tracking_uri)
    empty = client.create_run(client.get_experiment_by_name("credit-risk").experiment_id)
    with pytest.raises(RegistryError, match="logged no model"):
        versions.add(empty)
    assert versions.all() == []


def test_what_does_not_exist_is_named(versions):
    """An unknown version and an unknown run."""
    with pytest.raises(UnknownModelError, match="version == 5"):
        versions.get(5)
    with pytest.raises(UnknownModelError, match="run_id == 'nobody'"):
        versions.run("nobody")


def test_moments_are_aware_and_in_utc():
    """Another zone is converted, a naive time refused, none is the clock's."""
    berlin = pd.Timestamp("2023-12-01 01:00", tz="Europe/Berlin")
    assert moment(berlin).isoformat() == "2023-12-01T00:00:00+00:00"
    assert moment(None).tzinfo is not None
    with pytest.raises(ValueError, match="must carry a time zone"):
        moment(pd.Timestamp("2023-12-01"))
