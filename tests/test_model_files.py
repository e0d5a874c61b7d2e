"""A stored model is read only if every type in it was reviewed, whatever it says about itself."""

from __future__ import annotations

import os

import numpy as np
import pytest
import skops.io
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from mlops_helpers.features import build_pipeline
from mlops_helpers.model_files import (
    REVIEWED_TYPES,
    ModelFileError,
    UntrustedTypeError,
    read_model,
    types_to_vouch,
)
from tests.loans_on_record import small_split


@pytest.mark.parametrize(
    "estimator",
    [
        DummyClassifier(strategy="prior"),
        LogisticRegression(max_iter=500),
        RandomForestClassifier(10, random_state=0),
        HistGradientBoostingClassifier(max_iter=5, random_state=0),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
def test_the_courses_models_come_back_with_the_same_probabilities(tmp_path, estimator):
    """Each kind of model of the course needs reviewed types only and survives the round trip."""
    rows = small_split().train
    model = build_pipeline(estimator).fit(rows, rows["default"])
    assert set(types_to_vouch(model)) <= REVIEWED_TYPES
    path = tmp_path / "model.skops"
    skops.io.dump(model, path)
    again = read_model(path).predict_proba(rows)
    np.testing.assert_array_equal(again, model.predict_proba(rows))


def test_a_file_that_asks_for_another_type_is_refused_by_name(tmp_path):
    """A stored os.system is named in the error; loading it would have left a file behind."""
    trap = tmp_path / "sprung"
    model = Pipeline([("trap", FunctionTransformer(os.system)), ("model", DummyClassifier())])
    path = tmp_path / "model.skops"
    skops.io.dump(model, path)
    with pytest.raises(UntrustedTypeError, match=r"posix\.system|nt\.system|os\.system"):
        read_model(path).transform(f"touch {trap}")
    assert not trap.exists()


def test_a_pipeline_with_an_unreviewed_type_is_refused_before_it_is_stored():
    """types_to_vouch raises and lists the types; nothing is vouched for in passing."""
    model = Pipeline(
        [("home-made", FunctionTransformer(small_split)), ("model", DummyClassifier())]
    )
    with pytest.raises(UntrustedTypeError) as refused:
        types_to_vouch(model)
    assert refused.value.types == ["tests.loans_on_record.small_split"]


def test_a_file_cut_short_or_missing_is_named(tmp_path):
    """Half a file and no file are ModelFileErrors that name the file."""
    path = tmp_path / "model.skops"
    with pytest.raises(ModelFileError, match=r"no model file model\.skops"):
        read_model(path)
    rows = small_split().train
    skops.io.dump(build_pipeline(DummyClassifier()).fit(rows, rows["default"]), path)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(ModelFileError, match=r"model\.skops is no readable skops file"):
        read_model(path)


def test_a_bare_estimator_is_refused(tmp_path):
    """A model without its features is no model: only a Pipeline is returned."""
    path = tmp_path / "model.skops"
    skops.io.dump(LogisticRegression(), path)
    with pytest.raises(ModelFileError, match="holds a LogisticRegression, must be a Pipeline"):
        read_model(path)
