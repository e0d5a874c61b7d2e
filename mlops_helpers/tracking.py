"""Train a candidate and log everything that explains it, in MLflow.

Everything goes through an `MlflowClient` with an explicit address: nothing here sets MLflow's
global tracking address or active run, so a notebook's own MLflow calls are left alone and two
trainings may run at once. A run of this module holds: parameters, cross-validated and held-out
metrics, data (digest, rows, time span), the model (skops) with signature and input example,
sample rows with the predictions made for them, and the pictures it was given to draw.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from mlflow import MlflowClient
from mlflow.entities import Run
from sklearn.base import ClassifierMixin, clone
from sklearn.model_selection import TimeSeriesSplit
from sklearn.pipeline import Pipeline

from mlops_helpers.data import TARGET, Split
from mlops_helpers.features import build_pipeline
from mlops_helpers.model_files import read_model, types_to_vouch
from mlops_helpers.performance import evaluate
from mlops_helpers.provenance import content_digest, flat_parameters, origin_tags
from mlops_helpers.runs import (
    MODEL_FILE,
    SAMPLE_FILE,
    SIGNATURE,
    artifact_folder,
    connect,
    log_data,
    log_model,
    log_numbers,
    log_sample,
)

__all__ = [
    "EXPERIMENT",
    "MODEL_FILE",
    "SAMPLE_FILE",
    "SIGNATURE",
    "Candidate",
    "TrainedRun",
    "artifact_folder",
    "compare_runs",
    "connect",
    "content_digest",
    "load_logged",
    "train_and_log",
]

EXPERIMENT = "credit-risk"
FOLDS = 4

Draw = Callable[[pd.DataFrame], Any]


@dataclass(frozen=True)
class Candidate:
    """A name for the comparison and the unfitted estimator behind the shared features."""

    name: str
    estimator: ClassifierMixin


@dataclass(frozen=True)
class TrainedRun:
    """What `train_and_log` leaves: where the run is, and its metrics by name."""

    run_id: str
    name: str
    model_uri: str
    metrics: dict[str, float]
    data_digest: str


def train_and_log(
    candidate: Candidate,
    split: Split,
    *,
    tracking_uri: str,
    seed: int,
    artifact_location: str | None = None,
    experiment: str = EXPERIMENT,
    tags: Mapping[str, str] | None = None,
    figures: Mapping[str, Draw] | None = None,
) -> TrainedRun:
    """Fit `candidate` on `split.train`, measure it on `split.holdout`, log it; returns the record.

    `seed` becomes the estimator's `random_state` where it has one that is unset, and seeds the
    intervals. `artifact_location` is used when the experiment is new; leave it None for a server.
    `figures` maps a name to a function from the holdout (columns `default`, `probability`) to a
    matplotlib Axes or Figure, such as those of `mlops_helpers.plots`; each becomes a PNG.
    Metrics: `cv_auc_mean`, `cv_auc_sd` over time-ordered folds of the training rows, and for each
    metric of `performance.evaluate` `holdout_<metric>`, `…_low`, `…_high` (95 %).
    Raises UntrustedTypeError if the fitted model holds a type nobody reviewed; a run that fails is
    marked FAILED in the store.
    """
    client = connect(tracking_uri)
    pipeline = build_pipeline(_seeded(candidate.estimator, seed))
    train = split.train.sort_values("applied_at", kind="stable")
    split = split._replace(train=train)
    digest = content_digest(train)
    where = _experiment_id(client, experiment, artifact_location)
    run_id = client.create_run(where, run_name=candidate.name).info.run_id
    try:
        scores = _fold_aucs(pipeline, train, seed)
        pipeline.fit(train, train[TARGET])
        trusted = types_to_vouch(pipeline)
        scored = split.holdout.assign(probability=pipeline.predict_proba(split.holdout)[:, 1])
        metrics = _fold_metrics(scores) | _holdout_metrics(scored, seed)
        parameters = flat_parameters(pipeline) | {"seed": str(seed)}
        labels = origin_tags(split, digest) | dict(tags or {})
        log_numbers(client, run_id, metrics, parameters, labels)
        log_data(client, run_id, split)
        client.set_tag(run_id, "sample_sha256", log_sample(client, run_id, scored))
        for name, draw in (figures or {}).items():
            drawn = draw(scored)
            client.log_figure(run_id, getattr(drawn, "figure", drawn), f"figures/{name}.png")
        model = log_model(client, where, run_id, pipeline, trusted, train, parameters)
        client.set_tag(run_id, "model_sha256", model.sha256)
    except BaseException:
        client.set_terminated(run_id, status="FAILED")
        raise
    client.set_terminated(run_id)
    return TrainedRun(run_id, candidate.name, model.uri, metrics, digest)


def compare_runs(
    tracking_uri: str, experiment: str = EXPERIMENT, *, metric: str = "auc"
) -> pd.DataFrame:
    """The newest finished run of each name in an experiment, best first by `holdout_<metric>`.

    Columns: `name, value, low, high` of that metric on the holdout (as `plots.metric_comparison`
    takes them), `cv_auc_mean, cv_auc_sd, brier, default_rate, rows_holdout, train_until, run_id`.
    Empty, with these columns, if the experiment does not exist. For `brier` and `log_loss`
    the lowest is the best.
    """
    client = connect(tracking_uri)
    found = client.get_experiment_by_name(experiment)
    rows = []
    runs = _finished(client, found.experiment_id) if found else []
    newest: dict[str, Run] = {}
    for run in runs:  # newest first
        newest.setdefault(run.info.run_name, run)
    for run in newest.values():
        got, head = run.data.metrics, f"holdout_{metric}"
        rows.append(
            {
                "name": run.info.run_name,
                "value": got.get(head, np.nan),
                "low": got.get(f"{head}_low", np.nan),
                "high": got.get(f"{head}_high", np.nan),
                "cv_auc_mean": got.get("cv_auc_mean", np.nan),
                "cv_auc_sd": got.get("cv_auc_sd", np.nan),
                "brier": got.get("holdout_brier", np.nan),
                "default_rate": got.get("holdout_default_rate", np.nan),
                "rows_holdout": got.get("holdout_n", np.nan),
                "train_until": run.data.tags.get("train_until"),
                "run_id": run.info.run_id,
            }
        )
    columns = ["name", "value", "low", "high", "cv_auc_mean", "cv_auc_sd", "brier"]
    columns += ["default_rate", "rows_holdout", "train_until", "run_id"]
    frame = pd.DataFrame(rows, columns=columns)
    lowest_first = metric in ("brier", "log_loss")
    return frame.sort_values(["value", "name"], ascending=[lowest_first, True], ignore_index=True)


def _finished(client: MlflowClient, experiment_id: str) -> list[Run]:
    order = ["attributes.start_time DESC"]
    return client.search_runs([experiment_id], "attributes.status = 'FINISHED'", order_by=order)


def load_logged(run: TrainedRun | str, *, tracking_uri: str) -> Pipeline:
    """The fitted pipeline that a run (or its id) stored, read with reviewed types only."""
    client = connect(tracking_uri)
    outputs = client.get_run(run if isinstance(run, str) else run.run_id).outputs
    if outputs is None or not outputs.model_outputs:
        raise LookupError(f"{run} logged no model. Train it with train_and_log.")
    logged = client.get_logged_model(outputs.model_outputs[-1].model_id)
    with artifact_folder(logged.artifact_location, tracking_uri=tracking_uri) as folder:
        return read_model(folder / MODEL_FILE)


def _seeded(estimator: ClassifierMixin, seed: int) -> ClassifierMixin:
    fresh = clone(estimator)
    unset = {"random_state": None}.items() <= fresh.get_params(deep=False).items()
    return fresh.set_params(random_state=seed) if unset else fresh


def _experiment_id(client: MlflowClient, name: str, location: str | None) -> str:
    found = client.get_experiment_by_name(name)
    return found.experiment_id if found else client.create_experiment(name, location)


def _fold_aucs(pipeline: Pipeline, train: pd.DataFrame, seed: int) -> list[float]:
    """AUC of each time-ordered fold: fitted on what came before, measured on what follows."""
    aucs = []
    for before, after in TimeSeriesSplit(FOLDS).split(train):
        past, later = train.iloc[before], train.iloc[after]
        if past[TARGET].nunique() < 2:
            continue
        probability = clone(pipeline).fit(past, past[TARGET]).predict_proba(later)[:, 1]
        table = evaluate(later[TARGET], probability, seed=seed, n_boot=0).set_index("metric")
        aucs.append(float(table.loc["auc", "value"]))
    return [auc for auc in aucs if np.isfinite(auc)]


def _fold_metrics(aucs: list[float]) -> dict[str, float]:
    found = {"cv_folds": float(len(aucs))}
    if len(aucs) > 1:
        found |= {"cv_auc_mean": float(np.mean(aucs)), "cv_auc_sd": float(np.std(aucs, ddof=1))}
    return found


def _holdout_metrics(scored: pd.DataFrame, seed: int) -> dict[str, float]:
    found = {}
    for row in evaluate(scored[TARGET], scored["probability"], seed=seed).itertuples():
        bounds = (
            {"": row.value}
            if row.metric == "n"
            else {"": row.value, "_low": row.low, "_high": row.high}
        )
        found |= {f"holdout_{row.metric}{end}": float(v) for end, v in bounds.items()}
    return {name: value for name, value in found.items() if np.isfinite(value)}
