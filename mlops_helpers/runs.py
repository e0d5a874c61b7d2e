"""What one training run leaves in MLflow, written piece by piece through an explicit client.

`tracking` decides what is trained and measured; this module knows how MLflow wants it stored:
numbers, the data as inputs, sample rows, and the model with its signature and input example.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

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
    RunTag,
)
from mlflow.models import Model, ModelSignature
from mlflow.types import ColSpec, Schema, TensorSpec
from sklearn.pipeline import Pipeline

from mlops_helpers.candidates import checked_name
from mlops_helpers.data import FEATURES, NUMERIC, TARGET
from mlops_helpers.features import as_features
from mlops_helpers.model_files import digests_of
from mlops_helpers.provenance import PACKAGES, content_digest
from mlops_helpers.reopening import notice_replaced_files

__all__ = [
    "EXPERIMENT",
    "KIND",
    "MODEL_FILE",
    "MODEL_FILES",
    "PARENT",
    "SAMPLE_FILE",
    "SIGNATURE",
    "StoredModel",
    "artifact_folder",
    "connect",
    "experiment_id",
    "log_data",
    "log_model",
    "log_numbers",
    "log_sample",
    "run_id_of",
]

EXPERIMENT = "credit-risk"
PARENT = "mlflow.parentRunId"
"""Tag of a run within another, which the MLflow UI shows below it."""
KIND = "kind"
"""Tag of a run that is no trained candidate: "search"."""
SHOWN_AS = {"mlflow.experimentKind": "custom_model_development"}
"""Tag of an experiment: MLflow's page begins with the runs, not with traces of language models."""
SAMPLE_FILE = "evidence/sample.json"
"""Artifact of a run: rows of the holdout with the probabilities the fitted pipeline gave them."""
MODEL_FILE = "model.skops"
MODEL_FILES = "model_files"
"""Tag of a run, and of a version: SHA-256 (hex) of each file of its model, by name, as JSON."""
SAMPLE_ROWS = 50
MOST_AT_ONCE = 100  # parameters, or tags, that MLflow takes in one call


SIGNATURE = ModelSignature(
    inputs=Schema([ColSpec("double" if n in NUMERIC else "string", n) for n in FEATURES]),
    outputs=Schema([TensorSpec(np.dtype("float64"), (-1, 2))]),
)
"""The contract of every model of the course: FEATURES in, probabilities of both classes out."""


def connect(tracking_uri: str) -> MlflowClient:
    """A client for tracking and registry at `tracking_uri`; creates a new SQLite store if needed.

    MLflow announces the creation of its tables on its logger, at level INFO; this sets the loggers
    `mlflow` and `alembic` to WARNING, as MLflow's documentation suggests, unless a level is set.
    Its progress bar for a download of one small file is switched off in the same manner, and a
    server that does not answer is asked four times (about 15 s) and not eight (4 minutes). A
    database file that is replaced is opened anew (`reopening`).
    """
    notice_replaced_files()
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")
    for name in ("mlflow", "alembic"):
        logger = logging.getLogger(name)
        if logger.level in (logging.NOTSET, logging.INFO):
            logger.setLevel(logging.WARNING)
    return MlflowClient(tracking_uri=tracking_uri, registry_uri=tracking_uri)


def experiment_id(client: MlflowClient, name: str, location: str | None) -> str:
    """The experiment's id; it is made, with its artifacts at `location`, if there is none."""
    found = client.get_experiment_by_name(checked_name(name, "experiment"))
    if found is None:
        return client.create_experiment(name, location, tags=SHOWN_AS)
    if found.lifecycle_stage != "active":
        raise ValueError(
            f"experiment == {name!r} was deleted and its name is still taken. Restore it, or "
            "choose another name."
        )
    return found.experiment_id


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


def log_numbers(
    client: MlflowClient,
    run_id: str,
    metrics: Mapping[str, float],
    parameters: Mapping[str, str],
    tags: Mapping[str, str],
) -> None:
    """Metrics, parameters and tags of a run, in as few calls as MLflow allows."""
    now = client.get_run(run_id).info.start_time
    texts = [
        [Param(name, value) for name, value in parameters.items()],
        [RunTag(name, value) for name, value in tags.items()],
    ]
    numbers = [Metric(name, value, now, 0) for name, value in metrics.items()]
    for start in range(0, max(map(len, texts), default=0) or 1, MOST_AT_ONCE):
        params, labels = (part[start : start + MOST_AT_ONCE] for part in texts)
        client.log_batch(run_id, metrics=[] if start else numbers, params=params, tags=labels)


def log_data(client: MlflowClient, run_id: str, parts: Mapping[str, pd.DataFrame]) -> None:
    """Each part as an MLflow input: digest (36 characters fit), columns, rows and time span."""
    inputs = []
    for context, rows in parts.items():
        profile = {
            "num_rows": len(rows),  # this name is the one that MLflow's page shows
            "defaults": int(rows[TARGET].sum()),
            "applied_from": rows["applied_at"].min().isoformat(),
            "applied_until": rows["applied_at"].max().isoformat(),
        }
        columns = [{"name": str(n), "type": str(kind)} for n, kind in rows.dtypes.items()]
        dataset = Dataset(
            name=f"applications-{context}",
            digest=content_digest(rows)[:36],
            source_type="local",
            source=json.dumps({"digest": content_digest(rows)}),
            schema=json.dumps({"mlflow_colspec": columns}),
            profile=json.dumps(profile),
        )
        inputs.append(DatasetInput(dataset, [InputTag("mlflow.data.context", context)]))
    client.log_inputs(run_id, inputs)


def log_sample(client: MlflowClient, run_id: str, scored: pd.DataFrame) -> str:
    """The first rows of the holdout with their probabilities, for the gate to replay.

    Returns the SHA-256 (hex) of the artifact's bytes.
    """
    head = scored.head(SAMPLE_ROWS)
    rows = as_features(head).astype(object).where(lambda frame: frame.notna(), None)
    sample = {
        "features": rows.to_dict(orient="list"),
        "probability": head["probability"].tolist(),
    }
    text = json.dumps(sample)  # one line: the same bytes on every system
    client.log_text(run_id, text, SAMPLE_FILE)
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class StoredModel:
    """A logged model: its address `models:/<id>`, and the SHA-256 (hex) of its file's bytes."""

    uri: str
    sha256: str


def log_model(
    client: MlflowClient,
    experiment_id: str,
    run_id: str,
    pipeline: Pipeline,
    trusted: list[str],
    train: pd.DataFrame,
    parameters: Mapping[str, str],
) -> StoredModel:
    """What `mlflow.sklearn.log_model` does, at an explicit address and without guessing.

    The run's tag `model_files` gets the digests of all its files.

    MLflow finds out which packages a model needs by loading it in a new process, which takes
    seconds; signature and packages are known here.
    """
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
        digests = digests_of(path)
        client.log_model_artifacts(logged.model_id, str(path))
    client.finalize_logged_model(logged.model_id, "READY")
    client.log_outputs(run_id, [LoggedModelOutput(logged.model_id, 0)])
    client.set_tag(run_id, MODEL_FILES, json.dumps(digests))
    return StoredModel(logged.model_uri, digests[MODEL_FILE])


def run_id_of(run: object) -> str:
    """The id of what `train_and_log` returned, or an id as it is; TypeError for anything else."""
    found = run if isinstance(run, str) else getattr(run, "run_id", None)
    if not isinstance(found, str):
        raise TypeError(
            f"run is a {type(run).__name__}, must be what train_and_log returned, or a run's id."
        )
    return found
