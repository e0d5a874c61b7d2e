"""What a run leaves in MLflow can be read back: by us, and by a program that knows MLflow only."""

from __future__ import annotations

import mlflow
import pytest

from mlops_helpers.data import FEATURES
from mlops_helpers.features import build_pipeline
from mlops_helpers.runs import (
    MODEL_FILE,
    SIGNATURE,
    artifact_folder,
    connect,
    content_digest,
    flat_parameters,
)
from tests.loans_on_record import LOGISTIC, make_record, small_split


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    """Three finished runs in one store."""
    return make_record(tmp_path_factory.mktemp("runs"))


def test_settings_are_flat_and_plain():
    """Each setting of each step has one name and one word; steps and estimators are left out."""
    settings = flat_parameters(build_pipeline(LOGISTIC.estimator))
    assert settings["model__max_iter"] == "500"
    assert settings["prepare__numbers__impute__strategy"] == "median"
    assert not {"model", "prepare", "steps"} & set(settings)
    assert all("\n" not in value and len(value) < 100 for value in settings.values())


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


def test_mlflows_own_loader_reads_it_too(record):
    """A server that knows MLflow only gets both probabilities for the logged input example."""
    before = mlflow.get_tracking_uri()
    try:
        mlflow.set_tracking_uri(record.tracking_uri)
        model = mlflow.pyfunc.load_model(record.runs["logistic"].model_uri)
    finally:
        mlflow.set_tracking_uri(before)
    assert model.metadata.signature.inputs.input_names() == list(FEATURES)
    rows = record.split.holdout[list(FEATURES)].head(3)
    assert model.predict(rows).shape == (3, 2)


def test_a_digest_tells_values_and_order_but_not_the_index():
    """The same rows have the same digest; one changed cent does not."""
    rows = small_split().train.head(20)
    assert content_digest(rows.set_axis(range(100, 120))) == content_digest(rows)
    changed = rows.copy()
    changed.loc[changed.index[3], "loan_amount"] += 0.01
    assert content_digest(changed) != content_digest(rows)
    assert content_digest(rows.iloc[::-1]) != content_digest(rows)
