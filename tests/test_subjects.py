"""What the gate is shown of a version is read from its files when a check asks, and not before."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from mlflow.models import Model

from mlops_helpers.model_files import DigestError, sha256_of
from mlops_helpers.registry import Registry
from mlops_helpers.subjects import subject_of
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
    assert facts.expected_sha256 == facts.found_sha256 == sha256_of(data)
    assert facts.bytes == len(data)
    assert {"model.skops", "MLmodel", "code/run_me.py"} <= set(facts.names)
    assert facts.unknown_types == ()


def test_a_changed_file_is_shown_as_it_is_and_not_loaded(subject, folder):
    """The audit sees another digest; asking for the pipeline is refused."""
    path = folder / "model.skops"
    kept = path.read_bytes()
    path.write_bytes(kept + b"x")
    try:
        assert subject.files().found_sha256 != subject.files().expected_sha256
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
    assert (facts.found_sha256, facts.bytes) == ("", 0)
    assert "model.skops" not in facts.names


def test_the_end_of_its_training(subject, record):
    """The last application of the training rows, with its zone."""
    assert subject.trained_until() == record.split.train["applied_at"].max()
    assert isinstance(subject.trained_until(), pd.Timestamp)
