"""One pipeline object, from the columns of an application to a probability of default.

Whatever a model needs to know about preparing data (ratios, imputing, encoding, scaling) is a step
of the same scikit-learn `Pipeline` as the estimator. It is fitted once, on training rows, stored as
one file and used unchanged everywhere else. A scaler or an encoder kept beside the model is the
classic way to serve other numbers than the ones that were evaluated.
"""

from __future__ import annotations

from typing import Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from mlops_helpers.data import CATEGORICAL, FEATURES, NUMERIC

__all__ = [
    "ENGINEERED",
    "LoanFeatures",
    "as_features",
    "build_pipeline",
    "feature_names",
]

ENGINEERED: tuple[str, ...] = (
    "loan_to_income",
    "total_burden",
    "debt_times_loan",
    "income_per_line",
    "age_at_first_credit",
    "log_annual_income",
    "log_loan_amount",
)


class LoanFeatures(TransformerMixin, BaseEstimator):
    """Adds the ratios and interactions of `ENGINEERED` to the raw columns of an application.

    It learns nothing from the data, so it cannot leak: every new column depends on its own row
    only. A ratio whose denominator is zero or missing is missing, never infinite; the imputer that
    follows in `build_pipeline` decides what to do with it.

    A model file may contain this class, and code that loads one has to decide which classes it lets
    in. That decision is the list `registry.REVIEWED_TYPES`, in our code. A model file carries a
    list of its own, but whoever can change the file can change that list: it is no trust boundary.

    Column by column: `loan_to_income` = loan_amount / annual_income; `total_burden` =
    debt_to_income_ratio + loan_to_income (all debt, this loan included, as a share of a year's
    income); `debt_times_loan` = their product; `income_per_line` = annual_income /
    (num_credit_lines + 1); `age_at_first_credit` = age - credit_history_length; and the natural
    logarithms of 1 + annual_income and 1 + loan_amount.
    """

    def fit(self, X: pd.DataFrame, y: object = None) -> Self:
        """Checks the columns and remembers nothing but their names and number."""
        columns = as_features(X).columns
        self.feature_names_in_ = np.asarray(columns, dtype=object)
        self.n_features_in_ = len(columns)
        return self

    def transform(self, X: pd.DataFrame) -> pd.DataFrame:
        """Returns the columns of FEATURES followed by those of ENGINEERED, same index as X."""
        frame = as_features(X)
        income = frame["annual_income"].where(frame["annual_income"] > 0)
        to_income = frame["loan_amount"] / income
        return frame.assign(
            loan_to_income=to_income,
            total_burden=frame["debt_to_income_ratio"] + to_income,
            debt_times_loan=frame["debt_to_income_ratio"] * to_income,
            income_per_line=frame["annual_income"] / (frame["num_credit_lines"] + 1.0),
            age_at_first_credit=frame["age"] - frame["credit_history_length"],
            log_annual_income=np.log1p(frame["annual_income"].clip(lower=0)),
            log_loan_amount=np.log1p(frame["loan_amount"].clip(lower=0)),
        )

    def get_feature_names_out(self, input_features: object = None) -> np.ndarray:
        """Names of the columns that `transform` returns, in order."""
        return np.asarray([*FEATURES, *ENGINEERED], dtype=object)


def as_features(frame: pd.DataFrame) -> pd.DataFrame:
    """The columns of FEATURES, in that order, numbers as float64 and words as objects.

    This is the form in which a model sees an application, wherever the rows come from: columns may
    arrive in another order, as integers, or with columns a model must not see (`default`,
    `outcome_at`), which are dropped here. Raises ValueError if a feature is missing.
    """
    missing = [name for name in FEATURES if name not in frame.columns]
    if missing:
        raise ValueError(
            f"features missing: {missing}. A model needs all of {list(FEATURES)}; "
            f"the rows given have {list(frame.columns)}. Add the column, empty if it is unknown."
        )
    found = frame.loc[:, list(FEATURES)].astype(dict.fromkeys(NUMERIC, "float64"))
    words = {name: found[name].astype("object") for name in CATEGORICAL}
    return found.assign(**{name: word.where(word.notna(), np.nan) for name, word in words.items()})


def build_pipeline(estimator: ClassifierMixin) -> Pipeline:
    """An unfitted pipeline: raw application columns in, `predict_proba` out.

    Steps: `features` (LoanFeatures), `prepare` (numbers: median imputing, then scaling; words:
    one-hot encoding, where a word never seen in training becomes all zeros), `model` (estimator).
    A column that is empty in all training rows is kept as a constant, so that a file without `age`
    gives a model too. Raises TypeError if the estimator gives no probabilities.
    """
    if not hasattr(estimator, "predict_proba"):
        raise TypeError(
            f"{type(estimator).__name__} has no predict_proba: a credit model must give "
            "probabilities. Take a classifier that does, or wrap it in CalibratedClassifierCV."
        )
    numbers = Pipeline(
        [
            ("impute", SimpleImputer(strategy="median", keep_empty_features=True)),
            ("scale", StandardScaler()),
        ]
    )
    words = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    prepare = ColumnTransformer(
        [
            ("numbers", numbers, [*NUMERIC, *ENGINEERED]),
            ("words", words, list(CATEGORICAL)),
        ],
        verbose_feature_names_out=False,
    )
    return Pipeline([("features", LoanFeatures()), ("prepare", prepare), ("model", estimator)])


def feature_names(pipeline: Pipeline) -> list[str]:
    """Names of the columns that the estimator of a fitted `build_pipeline` sees, in order."""
    return [str(name) for name in pipeline[:-1].get_feature_names_out()]
