"""What the gate is shown of a version is read from its files when a check asks, and not before."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from mlflow.models import Model

from mlops_helpers.gate_model import files_as_registered
from mlops_helpers.model_files import DigestError, sha256_of
from mlops_helpers.registry import Registry, RegistryError
from mlops_helpers.runs import connect
from mlops_helpers.subjects import replays, subject_of
from tests.loans_on_record import make_record


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    """Three finished runs in one store."""
    return make_record(tmp_path_factory.mktemp("subjects"))


@pytest.fixture(scope="module")
def subject(record):
    """The logistic run's version."""
    registry = Registry(record.tracking_uri)
    version = registry.register(record.runs["logistic"])
    return subject_of(registry._versions, version)


@pytest.fixture
def folder(record):
    """Where its model lies."""
    mark = record.runs["logistic"].model_uri.removeprefix("models:/")
    (file,) = record.artifacts.glob(f"**/{mark}/**/model.skops")
    return file.parent


def test_model_and_sample_belong_together(subject):
    """The pipeline gives the stored probabilities for the stored rows."""
    rows, stored = subject.sample()
    np.testing.assert_allclose(subject.pipeline().predict_proba(rows)[:, 1], stored, atol=1e-9)


def test_the_contract_is_the_signature(subject, folder):
    """The signature of the course passes; one with a feature less is named."""
    assert subject.contract().passed
    path = folder / "MLmodel"
    kept, model = path.read_text(encoding="utf-8"), Model.load(str(folder))
    names = model.signature.inputs.inputs
    model.signature.inputs._inputs = [column for column in names if column.name != "age"]
    model.save(path)
    try:
        found = subject.contract()
        assert not found.passed
        assert "missing ['age']" in found.evidence
    finally:
        path.write_text(kept, encoding="utf-8")


def test_what_lies_in_the_folder_is_listed(subject, folder):
    """Digest and size of the model's bytes, and every file, also one that nobody expects."""
    data = (folder / "model.skops").read_bytes()
    stray = folder / "code" / "run_me.py"
    stray.parent.mkdir()
    stray.touch()
    facts = subject.files()
    stray.unlink()
    stray.parent.rmdir()
    assert facts.expected["model.skops"] == facts.found["model.skops"] == sha256_of(data)
    assert facts.bytes == len(data)
    assert set(facts.found) == {*facts.expected, "code/run_me.py"}
    assert {"model.skops", "MLmodel", "input_example.json"} <= set(facts.expected)
    assert facts.unknown_types == ()


def test_a_changed_file_is_shown_as_it_is_and_not_loaded(subject, folder):
    """The audit sees another digest; asking for the pipeline is refused."""
    path = folder / "model.skops"
    kept = path.read_bytes()
    path.write_bytes(kept + b"x")
    try:
        facts = subject.files()
        assert facts.found["model.skops"] != facts.expected["model.skops"]
        with pytest.raises(DigestError):
            subject.pipeline()
    finally:
        path.write_bytes(kept)
    assert subject.pipeline() is not subject.pipeline(), "read anew each time, not from memory"


def test_a_missing_file_is_a_fact(subject, folder):
    """No digest, no size, and the name is not in the list."""
    path = folder / "model.skops"
    path.rename(folder / "elsewhere")
    try:
        facts = subject.files()
    finally:
        (folder / "elsewhere").rename(path)
    assert facts.bytes == 0
    assert "model.skops" not in facts.found


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("MLmodel", "mlflow.sklearn", "evil_module"),
        ("requirements.txt", "skops", "skops-evil"),
        ("input_example.json", "[", "[ "),
    ],
)
def test_every_file_of_the_model_is_audited(subject, folder, name, old, new):
    """What MLflow imports and installs to serve the model is part of it, not only its data."""
    path = folder / name
    kept = path.read_text(encoding="utf-8")
    assert files_as_registered(subject.files()).evidence == (
        "digests as recorded, reviewed types only, 7 files"
    )
    path.write_text(kept.replace(old, new, 1), encoding="utf-8")
    try:
        found = files_as_registered(subject.files())
    finally:
        path.write_text(kept, encoding="utf-8")
    assert not found.passed
    assert found.evidence == f"not the files that were recorded: {name}"


def test_a_version_of_before_the_digests_is_refused_with_a_way_out(record):
    """Registered by an older package: the audit says what to do."""
    registry = Registry(record.tracking_uri, "older")
    version = registry.register(record.runs["dummy"])
    registry._versions.client.delete_model_version_tag("older", str(version), "model_files")
    with pytest.raises(RegistryError, match=r"no model_files.* train and log it again"):
        subject_of(registry._versions, version).files()


def test_the_end_of_its_training(subject, record):
    """The last application of the training rows, with its zone."""
    assert subject.trained_until() == record.split.train["applied_at"].max()
    assert isinstance(subject.trained_until(), pd.Timestamp)


def test_what_the_run_says_later_does_not_count(subject, record):
    """The end of the training rows is taken at registration: a tag changed since moves nothing."""
    run_id = record.runs["logistic"].run_id
    client = connect(record.tracking_uri)
    kept = client.get_run(run_id).data.tags["train_until"]
    client.set_tag(run_id, "train_until", "1990-01-01T00:00:00+00:00")
    try:
        assert subject.trained_until() == record.split.train["applied_at"].max()
        with pytest.raises(RegistryError, match=r"train_until == '1990.*Somebody changed the tag"):
            Registry(record.tracking_uri, "second look").register(run_id)
    finally:
        client.set_tag(run_id, "train_until", kept)


def test_a_version_is_replayed_from_its_file(subject, record):
    """Its stored rows get their stored probabilities."""
    assert replays(Registry(record.tracking_uri)._versions, 1).passed
