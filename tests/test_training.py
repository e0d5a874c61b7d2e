"""A model is measured on rows it has not seen, and so is the cut-off."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.tree import DecisionTreeClassifier
from threadpoolctl import threadpool_limits

from mlops_helpers.business import CostModel, best_cutoff
from mlops_helpers.candidates import Candidate
from mlops_helpers.data import TARGET
from mlops_helpers.performance import METRICS
from mlops_helpers.threads import one_thread
from mlops_helpers.training import (
    FOLDS,
    fit_and_measure,
    fold_metrics,
    fold_predictions,
    probabilities,
    ready,
    weights_of,
)
from tests.loans_on_record import DUMMY, LOGISTIC, small_split

COSTS = CostModel()


@pytest.fixture(scope="module")
def split():
    """Rows to learn from, later rows to be judged on."""
    return small_split()


@pytest.fixture(scope="module")
def trained(split):
    """The logistic regression, fitted and measured."""
    pipeline, rows = ready(LOGISTIC, split.train, seed=1)
    return fit_and_measure(pipeline, split._replace(train=rows), seed=1, costs=COSTS)


class Saying(ClassifierMixin, BaseEstimator):
    """A classifier that answers what it was told to."""

    def __init__(self, answer: object = None) -> None:
        """Keep the answer."""
        self.answer = answer

    def fit(self, X, y):
        """Learn nothing."""
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        """Give the answer, a row each."""
        return np.tile(self.answer, (len(X), 1))


def test_every_metric_comes_with_what_is_known_of_it(trained):
    """All of `evaluate` under `holdout_`, intervals around their figures, and none that is NaN."""
    assert {f"holdout_{name}" for name in METRICS} <= set(trained.metrics)
    assert all(np.isfinite(value) for value in trained.metrics.values())
    for name in ("auc", "brier", "profit", "default_rate"):
        low, value, high = (
            trained.metrics[f"holdout_{name}{end}"] for end in ("_low", "", "_high")
        )
        assert low < value < high, name


def test_the_cutoff_is_chosen_on_training_rows(split, trained):
    """It is the best of the out-of-fold predictions, whatever the holdout looks like."""
    pipeline, rows = ready(LOGISTIC, split.train, seed=1)
    unseen = fold_predictions(pipeline, rows)
    best = best_cutoff(unseen["probability"], unseen[TARGET], unseen["loan_amount"], COSTS)
    assert trained.cutoff == best.cutoff
    assert f"{len(unseen):,} training rows" in trained.cutoff_from
    turned = split.holdout.assign(**{TARGET: 1 - split.holdout[TARGET]})
    again = fit_and_measure(
        pipeline, split._replace(train=rows, holdout=turned), seed=1, costs=COSTS
    )
    assert again.cutoff == trained.cutoff
    assert again.metrics["holdout_profit"] < trained.metrics["holdout_profit"]


def test_the_profit_is_that_of_the_cutoff_on_the_holdout(trained):
    """Mean profit of all later applications; those at or above the cut-off earn nothing."""
    rows = trained.scored
    approved = rows["probability"] < trained.cutoff
    earned = COSTS.profit(rows["loan_amount"], rows[TARGET], approved)
    assert trained.metrics["holdout_profit"] == pytest.approx(earned.mean())
    assert 0 < approved.mean() < 1


def test_other_costs_make_another_cutoff(split):
    """Where a default costs nearly nothing, nearly everybody is approved."""
    pipeline, rows = ready(LOGISTIC, split.train, seed=1)
    generous = CostModel(margin=0.5, loss_given_default=0.01)
    found = fit_and_measure(pipeline, split._replace(train=rows), seed=1, costs=generous)
    assert (found.scored["probability"] < found.cutoff).mean() > 0.99


def test_folds_are_in_order_of_time_and_leave_the_first_rows_alone(split):
    """Each prediction is for a row later than everything its model saw."""
    pipeline, rows = ready(DUMMY, split.train.sample(frac=1, random_state=1), seed=1)
    unseen = fold_predictions(pipeline, rows)
    assert sorted(unseen["fold"].unique()) == [*range(1, FOLDS + 1)]
    assert unseen["applied_at"].is_monotonic_increasing
    for number, fold in unseen.groupby("fold"):
        past = rows[rows["applied_at"] < fold["applied_at"].min()]
        assert fold["probability"].unique() == pytest.approx(past[TARGET].mean()), number


def test_a_past_of_one_class_is_left_out(split):
    """No fold can be fitted where nobody has defaulted yet; without folds the costs decide."""
    rows = split.train.sort_values("applied_at").assign(**{TARGET: 0})
    rows.iloc[-3:, rows.columns.get_loc(TARGET)] = 1
    pipeline, rows = ready(DUMMY, rows, seed=1)
    assert fold_metrics(fold_predictions(pipeline, rows)) == {"cv_folds": 0.0}
    found = fit_and_measure(pipeline, split._replace(train=rows), seed=1, costs=COSTS)
    assert found.cutoff == COSTS.break_even
    assert "break-even" in found.cutoff_from


@pytest.mark.parametrize("outcome", [0, 1, np.nan, 2])
def test_training_rows_of_one_class_are_refused(split, outcome):
    """Or with an outcome that is missing or none: the message counts them."""
    rows = split.train.assign(**{TARGET: float(outcome)})
    with pytest.raises(ValueError, match=rf"hold default = .*\({len(rows)} rows\)"):
        ready(LOGISTIC, rows, seed=1)
    with pytest.raises(ValueError, match="no training rows"):
        ready(LOGISTIC, rows.iloc[:0], seed=1)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ([np.nan, np.nan], r"nan as probability of default, in 1500 of 1500 rows"),
        ([-0.5, 1.5], r"1\.5"),
        ([1.0], r"shape \(1500, 1\) for 1500 rows, must be \(1500, 2\)"),
        ([0.2, 0.3, 0.5], r"shape \(1500, 3\)"),
    ],
)
def test_what_is_no_probability_is_refused(split, answer, said):
    """NaN, beyond 1, one class only, three classes: named with the estimator."""
    pipeline, rows = ready(Candidate("saying", Saying(answer)), split.train, seed=1)
    pipeline.fit(rows, rows[TARGET])
    with pytest.raises(ValueError, match=rf"Saying\.predict_proba gives (an array of )?{said}"):
        probabilities(pipeline, split.holdout)


def test_the_figures_are_the_same_on_one_thread(split):
    """Gradient boosting may start threads: what it learns does not depend on how many."""
    candidate = Candidate("boosting", HistGradientBoostingClassifier(max_iter=5))
    found = []
    for threads in (one_thread(), threadpool_limits(2)):
        with threads:
            pipeline, rows = ready(candidate, split.train, seed=1)
            pipeline.fit(rows, rows[TARGET])
            found.append(probabilities(pipeline, split.holdout))
    np.testing.assert_array_equal(*found)


# --- weights ------------------------------------------------------------------------------------


def test_weights_count_rows_as_often_as_they_say():
    """Weights of 0, 1 and 2 fit as rows left out, taken once and taken twice do."""
    split = small_split()
    pipeline, rows = ready(Candidate("tree", DecisionTreeClassifier(max_depth=3)), split.train, 1)
    times = pd.Series(np.arange(len(rows)) % 3, index=rows.index, dtype=float)
    found = fit_and_measure(
        pipeline, split._replace(train=rows), seed=1, costs=COSTS, weights=times
    )
    # imputing and scaling see each row once, whatever it weighs, and a tree does not mind
    repeated = rows.loc[rows.index.repeat(times.astype(int))]
    alone = clone(pipeline[-1]).fit(pipeline[:-1].transform(repeated), repeated[TARGET])
    expected = alone.predict_proba(pipeline[:-1].transform(split.holdout))[:, 1]
    assert found.scored["probability"].to_numpy() == pytest.approx(expected)


def test_equal_weights_change_nothing_and_unequal_ones_do(split, trained):
    """Weights that are all 7 are no weights, in folds and cut-off too; others are felt there."""
    pipeline, rows = ready(LOGISTIC, split.train, seed=1)
    given = split._replace(train=rows)
    alike = pd.Series(7.0, index=rows.index)
    same = fit_and_measure(pipeline, given, seed=1, costs=COSTS, weights=alike)
    for name, value in trained.metrics.items():
        assert same.metrics[name] == pytest.approx(value), name
    fading = pd.Series(np.geomspace(0.01, 1, len(rows)), index=rows.index)
    other = fit_and_measure(clone(pipeline), given, seed=1, costs=COSTS, weights=fading)
    assert other.metrics["cv_auc_mean"] != trained.metrics["cv_auc_mean"]
    assert other.metrics["holdout_auc"] != trained.metrics["holdout_auc"]


def test_a_candidate_that_takes_no_weights_is_refused(split):
    """Weights that would be lost in silence are an error."""
    alike = pd.Series(1.0, index=split.train.index)
    neighbours = Candidate("neighbours", KNeighborsClassifier())
    with pytest.raises(TypeError, match=r"KNeighborsClassifier.*takes no sample_weight"):
        weights_of(neighbours, alike, split.train)
    assert weights_of(LOGISTIC, alike, split.train).equals(alike)
