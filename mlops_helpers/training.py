"""Fit a candidate and measure it: folds in order of time, later rows, profit, seconds.

Nothing is stored here; `tracking` and `search` do that. Weights say how much a row counts in
fitting; rows that judge count alike, for each is one loan. A cut-off is chosen on predictions for
training rows that the model which made them had not seen, and only measured on the holdout: a
cut-off chosen where its profit is measured flatters itself.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.model_selection import TimeSeriesSplit
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import has_fit_parameter

from mlops_helpers.business import CostModel, best_cutoff, profit_interval
from mlops_helpers.candidates import Candidate, seeded
from mlops_helpers.data import TARGET, Split
from mlops_helpers.features import build_pipeline
from mlops_helpers.performance import evaluate
from mlops_helpers.training_rows import (
    FOLDS,
    checked_seed,
    checked_training_rows,
    checked_weights,
    demand,
)

__all__ = [
    "Trained",
    "fit_and_measure",
    "fold_metrics",
    "fold_predictions",
    "probabilities",
    "ready",
    "weights_of",
]


@dataclass(frozen=True)
class Trained:
    """A fitted pipeline and what was measured.

    scored: the holdout with `probability`, and `cutoff` in every row.
    metrics: by name, the same for the same rows and seed; timings: seconds, which never are.
    cutoff_from: where the cut-off comes from, in words.
    """

    pipeline: Pipeline
    scored: pd.DataFrame
    metrics: dict[str, float]
    timings: dict[str, float]
    cutoff: float
    cutoff_from: str


def ready(candidate: Candidate, train: pd.DataFrame, seed: int) -> tuple[Pipeline, pd.DataFrame]:
    """The unfitted pipeline, seeded, and the training rows in order of time.

    Raises TypeError or ValueError as `training_rows.checked_training_rows` and `checked_seed` do.
    """
    demand(Candidate, candidate=candidate)
    checked_seed(seed)
    checked_training_rows(train)
    ordered = train.sort_values("applied_at", kind="stable")
    return build_pipeline(seeded(candidate.estimator, seed)), ordered


def weights_of(candidate: Candidate, weights: pd.Series, train: pd.DataFrame) -> pd.Series:
    """`training_rows.checked_weights`; TypeError if the candidate's estimator takes none."""
    if not has_fit_parameter(candidate.estimator, "sample_weight"):
        raise TypeError(
            f"the candidate {candidate.name!r} is a {type(candidate.estimator).__name__}, whose "
            "fit takes no sample_weight: weights would be lost in silence. Take an estimator that "
            "does, or a sliding window."
        )
    return checked_weights(weights, train)


def fit_and_measure(
    pipeline: Pipeline,
    split: Split,
    *,
    seed: int,
    costs: CostModel,
    weights: pd.Series | None = None,
) -> Trained:
    """Fit `pipeline` on `split.train` (in order of time) and measure it on `split.holdout`.

    `weights` of the training rows, in their order, go to the pipeline's last step, in the folds
    too; no figure is weighted.

    Metrics: those of `fold_metrics`; for each of `performance.evaluate` `holdout_<metric>`,
    `…_low`, `…_high` (95 %, where they are known); `holdout_profit` with `…_low`, `…_high`, the
    profit per application at the cut-off. Timings: `fit_seconds`, `predict_ms_per_1000`.
    Raises ValueError if what the pipeline gives are no probabilities.
    """
    unseen = fold_predictions(pipeline, split.train, weights)
    cutoff, cutoff_from = _cutoff(unseen, costs)
    begun = time.perf_counter()
    _fit(pipeline, split.train, weights)
    fitted = time.perf_counter()
    probability = probabilities(pipeline, split.holdout)
    answered = time.perf_counter()
    scored = split.holdout.assign(probability=probability, cutoff=cutoff)
    timings = {
        "fit_seconds": fitted - begun,
        "predict_ms_per_1000": 1e6 * (answered - fitted) / len(scored),
    }
    metrics = fold_metrics(unseen) | _holdout_metrics(scored, seed) | _profit(scored, costs)
    return Trained(pipeline, scored, metrics, timings, cutoff, cutoff_from)


def fold_predictions(
    pipeline: Pipeline, rows: pd.DataFrame, weights: pd.Series | None = None
) -> pd.DataFrame:
    """Probabilities for rows that the model had not seen, from folds in order of time.

    `rows` must be in that order, and `weights` with them. Each fold is fitted on all that came
    before it; the first rows are only ever learnt from. Returns the predicted rows with
    `probability` and `fold` (1, 2, …); a fold whose past holds one class only is left out.
    """
    return pd.concat(
        [rows.iloc[:0].assign(probability=0.0, fold=0), *_folds(pipeline, rows, weights)]
    )


def fold_metrics(unseen: pd.DataFrame) -> dict[str, float]:
    """`cv_folds`, and mean and standard deviation over the folds of `unseen`.

    `cv_auc_mean`, `cv_auc_sd`, the same for `log_loss` and `brier`; left out where fewer than two
    folds have a figure.
    """
    tables = [
        evaluate(fold[TARGET], fold["probability"], seed=0, n_boot=0).set_index("metric")["value"]
        for _, fold in unseen.groupby("fold")
    ]
    found = {"cv_folds": float(len(tables))}
    for metric in ("auc", "log_loss", "brier"):
        values = np.array([table[metric] for table in tables])
        values = values[np.isfinite(values)]
        if len(values) > 1:
            found[f"cv_{metric}_mean"] = float(values.mean())
            found[f"cv_{metric}_sd"] = float(values.std(ddof=1))
    return found


def probabilities(pipeline: Pipeline, rows: pd.DataFrame) -> NDArray[np.float64]:
    """P(default) of each row; ValueError unless there is one in [0, 1] for every row."""
    name = type(pipeline[-1]).__name__
    given = np.asarray(pipeline.predict_proba(rows))
    if given.shape != (len(rows), 2):
        raise ValueError(
            f"{name}.predict_proba gives an array of shape {given.shape} for {len(rows)} rows, "
            f"must be {(len(rows), 2)}: a column for repaid, a column for defaulted."
        )
    chance = given[:, 1].astype(float)
    wrong = ~((chance >= 0) & (chance <= 1))
    if wrong.any():
        raise ValueError(
            f"{name}.predict_proba gives {chance[wrong][0]} as probability of default, in "
            f"{wrong.sum()} of {len(rows)} rows; must be within [0, 1]. Mend the estimator."
        )
    return chance


def _folds(
    pipeline: Pipeline, rows: pd.DataFrame, weights: pd.Series | None
) -> Iterator[pd.DataFrame]:
    for number, (before, after) in enumerate(TimeSeriesSplit(FOLDS).split(rows), 1):
        past, later = rows.iloc[before], rows.iloc[after]
        heavy = None if weights is None else weights.iloc[before]
        counted = past if heavy is None else past[heavy > 0]
        if counted[TARGET].nunique() == 2:
            fitted = _fit(clone(pipeline), past, heavy)
            yield later.assign(probability=probabilities(fitted, later), fold=number)


def _fit(pipeline: Pipeline, rows: pd.DataFrame, weights: pd.Series | None) -> Pipeline:
    """Fit with weights of mean 1, so that a penalty means the same for any of them."""
    if weights is None:
        return pipeline.fit(rows, rows[TARGET])
    counting = {f"{pipeline.steps[-1][0]}__sample_weight": (weights / weights.mean()).to_numpy()}
    return pipeline.fit(rows, rows[TARGET], **counting)


def _cutoff(unseen: pd.DataFrame, costs: CostModel) -> tuple[float, str]:
    """The most profitable cut-off of predictions for unseen rows; without any the break-even."""
    if unseen.empty:
        return costs.break_even, "break-even of the costs: no fold could be fitted"
    best = best_cutoff(unseen["probability"], unseen[TARGET], unseen["loan_amount"], costs)
    return best.cutoff, f"best on out-of-fold predictions of {best.n:,} training rows"


def _holdout_metrics(scored: pd.DataFrame, seed: int) -> dict[str, float]:
    found = {}
    for row in evaluate(scored[TARGET], scored["probability"], seed=seed).itertuples():
        head = f"holdout_{row.metric}"
        found[head] = row.value
        if row.metric != "n":
            found |= {f"{head}_low": row.low, f"{head}_high": row.high}
    return {name: float(value) for name, value in found.items() if np.isfinite(value)}


def _profit(scored: pd.DataFrame, costs: CostModel) -> dict[str, float]:
    approved = scored["probability"] < scored["cutoff"]
    earned = profit_interval(costs.profit(scored["loan_amount"], scored[TARGET], approved))
    bounds = {"": earned.value, "_low": earned.low, "_high": earned.high}
    return {f"holdout_profit{end}": v for end, v in bounds.items() if np.isfinite(v)}
