"""The one pipeline object: same rows in, same probabilities out, nothing learnt twice."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, RidgeClassifier

from mlops_helpers.data import CATEGORICAL, FEATURES, simulate_applications
from mlops_helpers.features import (
    ENGINEERED,
    LoanFeatures,
    as_features,
    build_pipeline,
    feature_names,
)


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    """Eight hundred quiet applications with outcomes."""
    return simulate_applications(800, seed=3, start=pd.Timestamp("2022-01-01", tz="UTC"))


def test_features_are_selected_by_name_whatever_order_and_type(rows):
    """Columns may come in any order, as integers, with extra columns: the model sees the same."""
    shuffled = rows[list(reversed(rows.columns))].assign(secret=1)
    pd.testing.assert_frame_equal(as_features(shuffled), as_features(rows))
    whole = rows.assign(num_credit_lines=rows["num_credit_lines"].astype("int64"))
    assert as_features(whole)["num_credit_lines"].dtype == "float64"
    assert list(as_features(rows).columns) == list(FEATURES)


def test_the_outcome_never_reaches_the_model(rows):
    """The pipeline gives the same probabilities when the outcome columns are turned around."""
    model = build_pipeline(LogisticRegression(max_iter=500)).fit(rows, rows["default"])
    turned = rows.assign(default=1 - rows["default"])
    np.testing.assert_array_equal(model.predict_proba(rows), model.predict_proba(turned))


def test_missing_features_are_named(rows):
    """A row without a feature is refused, and the message names the feature."""
    with pytest.raises(ValueError, match=r"features missing: \['loan_amount'\]"):
        as_features(rows.drop(columns="loan_amount"))


def test_a_new_column_depends_on_its_own_row_only(rows):
    """Transforming one row alone gives the same numbers as transforming it among others."""
    step = LoanFeatures().fit(rows)
    together = step.transform(rows).iloc[[5]]
    pd.testing.assert_frame_equal(together, step.transform(rows.iloc[[5]]))
    assert list(together.columns) == list(step.get_feature_names_out())


def test_ratios_are_what_their_names_say(rows):
    """Loan to income and total burden, computed by hand for one row."""
    row = rows.iloc[[0]].assign(annual_income=50_000, loan_amount=10_000, debt_to_income_ratio=0.3)
    made = LoanFeatures().fit(row).transform(row).iloc[0]
    assert made["loan_to_income"] == pytest.approx(0.2)
    assert made["total_burden"] == pytest.approx(0.5)
    assert made["debt_times_loan"] == pytest.approx(0.06)


def test_no_income_gives_missing_ratios_and_a_finite_probability(rows):
    """A zero income makes a ratio missing, not infinite, and the pipeline still answers."""
    odd = rows.head(3).assign(annual_income=0.0)
    made = LoanFeatures().fit(odd).transform(odd)
    assert made["loan_to_income"].isna().all()
    model = build_pipeline(LogisticRegression(max_iter=500)).fit(rows, rows["default"])
    assert np.isfinite(model.predict_proba(odd)).all()


@pytest.mark.parametrize(
    "estimator",
    [
        DummyClassifier(strategy="prior"),
        LogisticRegression(max_iter=500),
        RandomForestClassifier(20, random_state=0),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
def test_an_empty_column_and_an_unseen_word_are_survived(rows, estimator):
    """A file without age trains a model; a purpose never seen in training gets a probability."""
    without_age = rows.assign(age=np.nan)
    model = build_pipeline(clone(estimator)).fit(without_age, rows["default"])
    unseen = rows.head(4).assign(loan_purpose="a trip to the moon")
    probability = model.predict_proba(unseen)
    assert probability.shape == (4, 2)
    assert np.isfinite(probability).all()


def test_names_of_what_the_estimator_sees(rows):
    """The names cover raw, engineered and one-hot columns, one for each coefficient."""
    model = build_pipeline(LogisticRegression(max_iter=500)).fit(rows, rows["default"])
    names = feature_names(model)
    assert len(names) == model["model"].coef_.shape[1]
    assert set(ENGINEERED) <= set(names)
    assert any(name.startswith(CATEGORICAL[0]) for name in names)


def test_a_classifier_without_probabilities_is_refused():
    """An estimator that only gives labels cannot become a credit model, and is named."""
    with pytest.raises(TypeError, match="RidgeClassifier has no predict_proba"):
        build_pipeline(RidgeClassifier())
