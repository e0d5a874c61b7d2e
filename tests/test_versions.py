"""What MLflow holds about a model: numbered by the store, files by version, events only added."""

from __future__ import annotations

import itertools
import json

import pytest

from mlops_helpers.data import FEATURES
from mlops_helpers.model_files import DigestError, ModelFileError
from mlops_helpers.runs import SAMPLE_FILE, SIGNATURE, connect
from mlops_helpers.versions import RECORDED, RegistryError, UnknownModelError, Versions
from tests.loans_on_record import make_record

names = (f"versions {number}" for number in itertools.count())


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    """Three finished runs in one store."""
    return make_record(tmp_path_factory.mktemp("versions"))


@pytest.fixture
def versions(record):
    """A registered model of its own for each test."""
    return Versions(record.tracking_uri, next(names))


def add(versions, record):
    """Make a version of the logistic run with nothing but MLflow; returns its number."""
    run = versions.run(record.runs["logistic"].run_id)
    logged = versions.logged_by(run)
    made = versions.client.create_model_version(
        versions.name, logged.artifact_location, run_id=run.info.run_id, tags=digests(run)
    )
    return int(made.version)


def digests(run):
    """The tags that name the files of a run."""
    return {name: run.data.tags[name] for name in RECORDED}


def test_the_store_numbers_the_versions(versions, record):
    """Two scripts that know nothing of each other get different numbers."""
    elsewhere = Versions(record.tracking_uri, versions.name)
    assert [add(versions, record), add(elsewhere, record), add(versions, record)] == [1, 2, 3]
    assert [int(found.version) for found in versions.all()] == [1, 2, 3]


def test_more_versions_than_a_page_holds_are_all_found(versions, record, monkeypatch):
    """MLflow answers in pages; a version on the second one exists all the same."""
    search = versions.client.search_model_versions

    def two_at_a_time(query, max_results, page_token):
        return search(query, max_results=2, page_token=page_token)

    for _ in range(5):
        add(versions, record)
    monkeypatch.setattr(versions.client, "search_model_versions", two_at_a_time, raising=False)
    assert [int(found.version) for found in versions.all()] == [1, 2, 3, 4, 5]


def test_an_alias_points_at_one_version(versions, record):
    """Pointing again moves the alias; nothing else keeps it."""
    first, second = add(versions, record), add(versions, record)
    for number in (first, second):
        versions.client.set_registered_model_alias(versions.name, "champion", str(number))
    assert versions.aliases() == versions.roles() == {"champion": second}


def test_sample_and_signature_come_with_the_version(versions, record):
    """The stored rows, their probabilities and the contract of the training run."""
    version = add(versions, record)
    rows, probability = versions.sample(version)
    assert list(rows.columns) == list(FEATURES)
    assert len(rows) == len(probability) > 0
    assert versions.signature(version) == SIGNATURE


def test_a_sample_that_was_rewritten_is_not_used(versions, record):
    """Probabilities made to fit another model are refused; the registered ones are read."""
    version = add(versions, record)
    run = versions.run_of(versions.get(version))
    with versions.files(f"{run.info.artifact_uri}/{SAMPLE_FILE}") as path:
        kept = path.read_bytes()
        path.write_bytes(kept.replace(b"0.1", b"0.2"))
        try:
            assert json.loads(path.read_bytes()), "still a sample, of other numbers"
            with pytest.raises(DigestError, match=r"sample\.json is not the file"):
                versions.sample(version)
        finally:
            path.write_bytes(kept)
    assert versions.sample(version)[1]


def test_files_that_are_gone_are_named(versions, record):
    """A folder that was cleaned away is a ModelFileError with its address and the way out."""
    add(versions, record)
    missing = f"{record.artifacts.as_uri()}/nobody"
    with (
        pytest.raises(ModelFileError, match="nobody: the files were moved or deleted"),
        versions.files(missing),
    ):
        pass


def test_the_stamp_says_whether_anything_was_written(versions, record):
    """It stays while nobody writes and changes with a version, whoever makes it."""
    before = versions.stamp()
    versions.state()
    assert versions.stamp() == before is not None
    add(Versions(record.tracking_uri, versions.name), record)
    assert versions.stamp() != before


def test_a_run_without_a_model_gives_no_version(versions, record):
    """Nothing to serve, nothing registered; the error says how to get one."""
    client = connect(record.tracking_uri)
    empty = client.create_run(client.get_experiment_by_name("credit-risk").experiment_id)
    with pytest.raises(RegistryError, match="logged no model"):
        versions.logged_by(empty)
    assert versions.all() == []


def test_a_run_whose_model_was_deleted_gives_no_version(versions, record):
    """Told in our words, with the way out."""
    client = connect(record.tracking_uri)
    run = versions.run(record.runs["dummy"].run_id)
    client.delete_logged_model(versions.logged_by(run).model_id)
    with pytest.raises(RegistryError, match=r"logged, was deleted\. Train it again"):
        versions.logged_by(run)


@pytest.mark.parametrize("number", [2**31, 2**70, 0, -1])
def test_a_number_that_no_version_has_is_named(versions, record, number):
    """Too large for any database, nothing and less: the nearest one is told."""
    add(versions, record)
    with pytest.raises(UnknownModelError, match=rf"version == {number} .*The nearest is 1"):
        versions.get(number)


@pytest.mark.parametrize("store", ["", None, "ftp://x", "file:///tmp/x", "/tmp/x", "mlflow.db"])
def test_what_is_no_address_is_refused(store, tmp_path, monkeypatch):
    """Before MLflow makes a folder of it, or takes the address that nobody meant."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RegistryError, match="must be a database or a server: sqlite:"):
        Versions(store, "credit")
    assert not list(tmp_path.iterdir())


def test_what_does_not_exist_is_named(versions):
    """An unknown version and an unknown run."""
    with pytest.raises(UnknownModelError, match="version == 5"):
        versions.get(5)
    with pytest.raises(UnknownModelError, match=r"run_id == 'nobody' does not exist\. compare"):
        versions.run("nobody")


def test_a_run_that_is_nearly_right_is_suggested(versions, record):
    """A run's name in the place of its id, and an id with a wrong letter, lead to the run."""
    run_id = record.runs["logistic"].run_id
    with pytest.raises(UnknownModelError, match=rf"Did you mean {run_id} \(logistic\)"):
        versions.run("logistik")
    with pytest.raises(UnknownModelError, match=rf"Did you mean {run_id} \(logistic\)"):
        versions.run(run_id[:-1] + ("0" if run_id[-1] != "0" else "1"))


@pytest.mark.parametrize("number", ["1", 1.0, None, True])
def test_what_is_no_number_is_no_version(versions, number):
    """Text, a fraction, nothing and a truth value are named with their type."""
    with pytest.raises(UnknownModelError, match=f"is a {type(number).__name__}, must be a whole"):
        versions.get(number)


@pytest.mark.parametrize("name", ["Kreditrisiko (Süd)", "信用リスク", "кредит_2", "x" * 250])
def test_letters_of_any_script_make_a_name(record, name):
    """A name in another script, or as long as MLflow takes it, is stored and searched for."""
    versions = Versions(record.tracking_uri, name)
    assert add(versions, record) == 1
    assert Versions(record.tracking_uri, name).all()[0].name == name


@pytest.mark.parametrize("name", ["", "a/b", "a:b", "it's", 'say "x"', "x" * 500, "-a", "a ", 7])
def test_names_that_mlflow_cannot_hold_are_refused(record, name):
    """Slashes, quotes, nothing and too much: a clear error, short, before anything is created."""
    with pytest.raises(RegistryError, match="must be 1 to 250 letters") as refused:
        Versions(record.tracking_uri, name)
    assert len(str(refused.value)) < 300
