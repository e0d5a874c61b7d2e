"""What a run leaves in MLflow can be read back: by us, and by a program that knows MLflow only."""

from __future__ import annotations

import hashlib

import mlflow
import pytest

from mlops_helpers.data import FEATURES
from mlops_helpers.runs import (
    MODEL_FILE,
    SAMPLE_FILE,
    SIGNATURE,
    artifact_folder,
    connect,
    log_numbers,
)
from tests.loans_on_record import make_record


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    """Three finished runs in one store."""
    return make_record(tmp_path_factory.mktemp("runs"))


def test_the_signature_is_the_contract():
    """Every feature in order, and both probabilities."""
    assert SIGNATURE.inputs.input_names() == list(FEATURES)


def test_files_lie_where_they_were_put_and_stay(record):
    """A local artifact is read in place: the folder is still there afterwards."""
    client = connect(record.tracking_uri)
    model = client.get_logged_model(record.runs["logistic"].model_uri.removeprefix("models:/"))
    with artifact_folder(model.artifact_location, tracking_uri=record.tracking_uri) as folder:
        names = {path.name for path in folder.iterdir()}
    assert {MODEL_FILE, "MLmodel", "input_example.json", "requirements.txt"} <= names
    assert folder.is_relative_to(record.artifacts)
    assert (folder / MODEL_FILE).exists()
    assert not [
        line for line in (folder / "requirements.txt").read_text().split() if "==" not in line
    ]


def test_mlflows_own_loader_reads_it_too(record, monkeypatch):
    """A server that knows MLflow only gets both probabilities for the logged input example."""
    # Not mlflow.set_tracking_uri: it writes to the environment, and setting back what it was before
    # leaves `sqlite:///mlflow.db` there, a file in the project for every process started later.
    monkeypatch.setenv("MLFLOW_TRACKING_URI", record.tracking_uri)
    model = mlflow.pyfunc.load_model(record.runs["logistic"].model_uri)
    assert model.metadata.signature.inputs.input_names() == list(FEATURES)
    rows = record.split.holdout[list(FEATURES)].head(3)
    assert model.predict(rows).shape == (3, 2)


def test_the_tags_are_the_digests_of_the_files(record):
    """Who reads the model or the sample later can tell whether a byte of it has changed."""
    client = connect(record.tracking_uri)
    run = client.get_run(record.runs["logistic"].run_id)
    model = client.get_logged_model(record.runs["logistic"].model_uri.removeprefix("models:/"))
    for address, file, tag in (
        (model.artifact_location, MODEL_FILE, "model_sha256"),
        (f"{run.info.artifact_uri}/evidence", SAMPLE_FILE.split("/")[-1], "sample_sha256"),
    ):
        with artifact_folder(address, tracking_uri=record.tracking_uri) as folder:
            found = hashlib.sha256((folder / file).read_bytes()).hexdigest()
        assert run.data.tags[tag] == found, file


def test_more_settings_than_one_call_takes(record):
    """MLflow takes a hundred parameters at once; a nested setting may be longer than that."""
    client = connect(record.tracking_uri)
    run_id = client.create_run("0").info.run_id
    many = {f"setting.{number}": "x" for number in range(250)}
    log_numbers(client, run_id, {"figure": 1.5}, many, {"a": "b"})
    stored = client.get_run(run_id).data
    assert stored.params == many
    assert stored.metrics == {"figure": 1.5}
    assert stored.tags["a"] == "b"
