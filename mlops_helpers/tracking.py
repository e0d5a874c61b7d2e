"""Train a candidate and log everything that explains it, in MLflow.

Everything goes through an `MlflowClient` with an explicit address: nothing here sets MLflow's
global tracking address or active run, so a notebook's own MLflow calls are left alone and two
trainings may run at once. A run of this module holds: parameters, cross-validated and held-out
metrics, data (digest, rows, time span), the model (skops) with signature and input example,
sample rows with the predictions made for them, and the pictures it was given to draw.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import mlflow.artifacts
import mlflow.sklearn
import numpy as np
import pandas as pd
from mlflow import MlflowClient
from mlflow.entities import (
    Dataset,
    DatasetInput,
    InputTag,
    LoggedModelOutput,
    Metric,
    Param,
    Run,
    RunTag,
)
from mlflow.models import Model, ModelSignature
from mlflow.types import ColSpec, Schema, TensorSpec
from sklearn.base import ClassifierMixin, clone
from sklearn.model_selection import TimeSeriesSplit
from sklearn.pipeline import Pipeline

from mlops_helpers import __version__
from mlops_helpers.data import FEATURES, NUMERIC, TARGET, Split
from mlops_helpers.features import as_features, build_pipeline
from mlops_helpers.model_files import read_model, types_to_vouch
from mlops_helpers.performance import evaluate

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
SAMPLE_FILE = "evidence/sample.json"
"""Artifact of a run: rows of the holdout with the probabilities the fitted pipeline gave them."""
MODEL_FILE = "model.skops"
SAMPLE_ROWS = 50
FOLDS = 4
PACKAGES = ("scikit-learn", "skops", "numpy", "pandas", "scipy")
"""What a server needs beside this package (which is on no index, so it is not on the list)."""

SIGNATURE = ModelSignature(
    inputs=Schema([ColSpec("double" if n in NUMERIC else "string", n) for n in FEATURES]),
    outputs=Schema([TensorSpec(np.dtype("float64"), (-1, 2))]),
)
"""The contract of every model of the course: FEATURES in, probabilities of both classes out."""

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


def connect(tracking_uri: str) -> MlflowClient:
    """A client for tracking and registry at `tracking_uri`; creates a new SQLite store if needed.

    MLflow announces the creation of its tables on its logger, at level INFO; this sets the loggers
    `mlflow` and `alembic` to WARNING, as MLflow's documentation suggests, unless a level is set.
    Its progress bar for a download of one small file is switched off in the same manner.
    """
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    for name in ("mlflow", "alembic"):
        logger = logging.getLogger(name)
        if logger.level in (logging.NOTSET, logging.INFO):
            logger.setLevel(logging.WARNING)
    return MlflowClient(tracking_uri=tracking_uri, registry_uri=tracking_uri)


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
    digest = content_digest(train)
    where = _experiment_id(client, experiment, artifact_location)
    run_id = client.create_run(where, run_name=candidate.name).info.run_id
    try:
        scores = _fold_aucs(pipeline, train, seed)
        pipeline.fit(train, train[TARGET])
        trusted = types_to_vouch(pipeline)
        scored = split.holdout.assign(probability=pipeline.predict_proba(split.holdout)[:, 1])
        metrics = _fold_metrics(scores) | _holdout_metrics(scored, seed)
        parameters = _flat_parameters(pipeline) | {"seed": str(seed)}
        _log_numbers(client, run_id, metrics, parameters, _tags(split, digest) | dict(tags or {}))
        _log_data(client, run_id, split)
        _log_sample(client, run_id, scored)
        for name, draw in (figures or {}).items():
            drawn = draw(scored)
            client.log_figure(run_id, getattr(drawn, "figure", drawn), f"figures/{name}.png")
        uri = _log_model(client, where, run_id, pipeline, trusted, train, parameters, metrics)
    except BaseException:
        client.set_terminated(run_id, status="FAILED")
        raise
    client.set_terminated(run_id)
    return TrainedRun(run_id, candidate.name, uri, metrics, digest)


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


@contextmanager
def artifact_folder(address: str, *, tracking_uri: str) -> Iterator[Path]:
    """The files at an artifact address: where they lie, or a copy of them if on a server."""
    local = address.startswith(("file:", "/")) or re.match(r"[A-Za-z]:[\\/]", address)
    with tempfile.TemporaryDirectory() as copies:
        yield Path(
            mlflow.artifacts.download_artifacts(
                artifact_uri=address,
                dst_path=None if local else copies,
                tracking_uri=tracking_uri,
            )
        )


def content_digest(frame: pd.DataFrame) -> str:
    """SHA-256 (hex) of the rows' values, in order; the index does not count."""
    digest = hashlib.sha256(json.dumps([str(c) for c in frame.columns]).encode())
    digest.update(pd.util.hash_pandas_object(frame, index=False).to_numpy().tobytes())
    return digest.hexdigest()


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


def _flat_parameters(pipeline: Pipeline) -> dict[str, str]:
    """Every plain setting of every step, as `step__setting`; the steps themselves are left out."""
    plain = (str, int, float, bool, type(None))
    return {n: str(v) for n, v in pipeline.get_params().items() if isinstance(v, plain)}


def _tags(split: Split, digest: str) -> dict[str, str]:
    spans = {}
    for name, rows in (("train", split.train), ("holdout", split.holdout)):
        spans[f"{name}_from"] = rows["applied_at"].min().isoformat()
        spans[f"{name}_until"] = rows["applied_at"].max().isoformat()
    return spans | {"data_digest": digest, "mlops_helpers": __version__}


def _log_numbers(
    client: MlflowClient,
    run_id: str,
    metrics: Mapping[str, float],
    parameters: Mapping[str, str],
    tags: Mapping[str, str],
) -> None:
    now = client.get_run(run_id).info.start_time
    client.log_batch(
        run_id,
        metrics=[Metric(name, value, now, 0) for name, value in metrics.items()],
        params=[Param(name, value) for name, value in parameters.items()],
        tags=[RunTag(name, value) for name, value in tags.items()],
    )


def _log_data(client: MlflowClient, run_id: str, split: Split) -> None:
    """Both parts as MLflow inputs: digest (36 characters fit), columns, rows and time span."""
    inputs = []
    for context, rows in (("train", split.train), ("holdout", split.holdout)):
        profile = {
            "rows": len(rows),
            "defaults": int(rows[TARGET].sum()),
            "applied_from": rows["applied_at"].min().isoformat(),
            "applied_until": rows["applied_at"].max().isoformat(),
        }
        dataset = Dataset(
            name=f"applications-{context}",
            digest=content_digest(rows)[:36],
            source_type="local",
            source=json.dumps({"digest": content_digest(rows)}),
            schema=json.dumps({"columns": {c: str(t) for c, t in rows.dtypes.items()}}),
            profile=json.dumps(profile),
        )
        inputs.append(DatasetInput(dataset, [InputTag("mlflow.data.context", context)]))
    client.log_inputs(run_id, inputs)


def _log_sample(client: MlflowClient, run_id: str, scored: pd.DataFrame) -> None:
    """The first rows of the holdout with their probabilities: the gate replays them."""
    head = scored.head(SAMPLE_ROWS)
    rows = as_features(head).astype(object).where(lambda frame: frame.notna(), None)
    sample = {
        "features": rows.to_dict(orient="list"),
        "probability": head["probability"].tolist(),
    }
    client.log_dict(run_id, sample, SAMPLE_FILE)


def _log_model(
    client: MlflowClient,
    experiment_id: str,
    run_id: str,
    pipeline: Pipeline,
    trusted: list[str],
    train: pd.DataFrame,
    parameters: Mapping[str, str],
    metrics: Mapping[str, float],
) -> str:
    """What `mlflow.sklearn.log_model` does, at an explicit address; returns `models:/<id>`."""
    logged = client.create_logged_model(
        experiment_id,
        name="model",
        source_run_id=run_id,
        params=dict(parameters),
        model_type="classifier",
    )
    example = as_features(train.dropna(subset=list(FEATURES), how="all").head(3))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model"
        mlflow.sklearn.save_model(
            pipeline,
            str(path),
            mlflow_model=Model(
                artifact_path=logged.artifact_location,
                run_id=run_id,
                model_uuid=logged.model_id,
                model_id=logged.model_id,
            ),
            serialization_format="skops",
            skops_trusted_types=trusted,
            signature=SIGNATURE,
            input_example=example.to_dict(orient="list"),
            pip_requirements=[f"{name}=={version(name)}" for name in PACKAGES],
            pyfunc_predict_fn="predict_proba",
        )
        client.log_model_artifacts(logged.model_id, str(path))
    client.finalize_logged_model(logged.model_id, "READY")
    client.log_outputs(run_id, [LoggedModelOutput(logged.model_id, 0)])
    return logged.model_uri
