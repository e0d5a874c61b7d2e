"""A shared model answers as before, and whoever writes into it is told."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import skops.io
from sklearn.calibration import CalibratedClassifierCV
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from mlops_helpers.features import build_pipeline
from mlops_helpers.freezing import frozen
from mlops_helpers.model_files import read_model
from tests.loans_on_record import small_split


@pytest.mark.parametrize(
    "estimator",
    [
        DummyClassifier(strategy="prior"),
        LogisticRegression(max_iter=500),
        RandomForestClassifier(10, random_state=0),
        HistGradientBoostingClassifier(max_iter=5, random_state=0),
        CalibratedClassifierCV(LogisticRegression(max_iter=500)),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
def test_every_kind_of_model_answers_as_before(tmp_path, estimator):
    """Read from a file and frozen it gives the same probabilities; a copy can be trained again."""
    rows = small_split().train
    skops.io.dump(build_pipeline(estimator).fit(rows, rows["default"]), tmp_path / "m.skops")
    expected = read_model(tmp_path / "m.skops").predict_proba(rows)
    model = frozen(read_model(tmp_path / "m.skops"))
    np.testing.assert_array_equal(model.predict_proba(rows), expected)
    again = copy.deepcopy(model).fit(rows, rows["default"])
    np.testing.assert_array_equal(again.predict_proba(rows), expected)


def test_arrays_anywhere_in_it_are_read_only():
    """In attributes, lists and object arrays, round a circle too; what is no array is left."""

    class Part:
        """Something with attributes."""

    part, inner = Part(), np.zeros(2)
    part.itself, part.many = part, [{"a": (inner,)}]
    part.boxed = np.array([np.zeros(3), None], dtype=object)
    assert frozen(part) is part
    for array in (inner, part.boxed, part.boxed[0]):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1
    part.new = "settings can be changed"
