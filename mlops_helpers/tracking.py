"""Train a candidate and log everything that explains it, in MLflow.

Everything goes through an `MlflowClient` with an explicit address: nothing here sets MLflow's
global tracking address or active run, so a notebook's own MLflow calls are left alone and two
trainings may run at once. `training` measures, `provenance` says where the run comes from,
`evidence` makes its tables and pictures, `runs` knows how MLflow wants it all stored.
"""

from __future__ import annotations

import difflib
import json
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from mlflow import MlflowClient
from mlflow.entities import LoggedModel, Run
from mlflow.exceptions import MlflowException
from sklearn.pipeline import Pipeline

from mlops_helpers.business import CostModel
from mlops_helpers.candidates import Candidate
from mlops_helpers.comparing import all_runs, compare_runs
from mlops_helpers.data import Split
from mlops_helpers.evidence import Figure, standard_tables
from mlops_helpers.model_files import read_model, types_to_vouch
from mlops_helpers.plots.base import png
from mlops_helpers.profiles import data_profile
from mlops_helpers.provenance import (
    checked_tags,
    content_digest,
    flat_parameters,
    flat_settings,
    origin_tags,
    told_weights,
)
from mlops_helpers.runs import (
    EXPERIMENT,
    MODEL_FILE,
    MODEL_FILES,
    SAMPLE_FILE,
    SIGNATURE,
    artifact_folder,
    connect,
    experiment_id,
    log_data,
    log_model,
    log_numbers,
    log_sample,
)
from mlops_helpers.store_errors import explained, gone
from mlops_helpers.threads import one_thread
from mlops_helpers.training import Trained, fit_and_measure, ready, weights_of
from mlops_helpers.training_rows import checked_split, demand

__all__ = [
    "EXPERIMENT",
    "MODEL_FILE",
    "PROFILE_FILE",
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

PROFILE_FILE = "data/profile.json"
"""Artifact of a run: `profiles.data_profile` of "train" and of "holdout"."""
FILE_TAGS = ("model_sha256", "sample_sha256", MODEL_FILES)


@dataclass(frozen=True)
class TrainedRun:
    """What `train_and_log` leaves: where the run is, and its metrics by name.

    `metrics` are the same for the same rows, settings and seed; `timings` never are.
    """

    run_id: str
    name: str
    model_uri: str
    metrics: dict[str, float]
    data_digest: str
    timings: dict[str, float]
    cutoff: float


def train_and_log(
    candidate: Candidate,
    split: Split,
    *,
    tracking_uri: str,
    seed: int,
    artifact_location: str | None = None,
    experiment: str = EXPERIMENT,
    tags: Mapping[str, str] | None = None,
    settings: Mapping[str, Any] | None = None,
    figures: Mapping[str, Figure] | None = None,
    costs: CostModel | None = None,
    weights: pd.Series | None = None,
) -> TrainedRun:
    """Fit `candidate` on `split.train`, measure it on `split.holdout`, log it; returns the record.

    `seed` becomes the estimator's `random_state` where it has one that is unset, and seeds the
    intervals. `artifact_location` is used when the experiment is new; leave it None for a server.
    `settings` may be nested and are stored flat, see `provenance.flat_settings`. The metrics are
    those of `training.fit_and_measure`; profit and cut-off are those of `costs`. `weights` say how
    much each training row counts, on the index of `split.train`; the run keeps their figures as
    parameters `weights.…` and their digest as the tag `weights_digest`.
    Artifacts: the model, sample rows with their predictions, `data/profile.json`, the tables of
    `evidence.standard_tables` as `tables/<name>.csv`, and for each of `figures` (such as those of
    `evidence.standard_figures`) `figures/<name>.png` with its frame in `tables/<name>.csv`.

    Raises ValueError or TypeError, before anything is stored, for names, tags, settings and rows
    that cannot be used (every holdout row must be later than all training rows), and
    UntrustedTypeError if the fitted model holds a type nobody reviewed. A run that fails after it
    was made is marked FAILED in the store.
    """
    costs = CostModel() if costs is None else costs
    demand(CostModel, costs=costs)
    demand(Mapping, tags=tags or {}, settings=settings or {}, figures=figures or {})
    pipeline, train = ready(candidate, checked_split(split).train, seed)
    if weights is not None:
        weights = weights_of(candidate, weights, split.train).loc[train.index]
    split = split._replace(train=train)
    digest = content_digest(train)
    counting, counted = told_weights(weights)
    labels = _labels(split, digest, tags or {}, counted)
    parameters = _parameters(pipeline, seed, costs, settings or {}, counting)
    _check_figures(figures or {})
    with explained(tracking_uri):
        client = connect(tracking_uri)
        where = experiment_id(client, experiment, artifact_location)
        # its tags come with it: a run that a kill leaves behind says what it was
        made = client.create_run(where, run_name=candidate.name, tags=checked_tags(tags or {}))
        run_id = made.info.run_id
    try:
        with explained(tracking_uri), one_thread():
            trained = fit_and_measure(pipeline, split, seed=seed, costs=costs, weights=weights)
            trusted = types_to_vouch(pipeline)
            labels["cutoff_from"] = trained.cutoff_from
            parameters["cutoff"] = f"{trained.cutoff:.6g}"
            log_numbers(client, run_id, trained.metrics | trained.timings, parameters, labels)
            log_data(client, run_id, split._asdict())
            client.set_tag(run_id, "sample_sha256", log_sample(client, run_id, trained.scored))
            _log_evidence(client, run_id, split, trained, figures or {}, seed)
            model = log_model(client, where, run_id, pipeline, trusted, train, parameters)
            client.set_tag(run_id, "model_sha256", model.sha256)
    except BaseException:
        client.set_terminated(run_id, status="FAILED")
        raise
    client.set_terminated(run_id)
    return TrainedRun(
        run_id,
        candidate.name,
        model.uri,
        trained.metrics,
        digest,
        trained.timings,
        trained.cutoff,
    )


def load_logged(run: TrainedRun | str, *, tracking_uri: str) -> Pipeline:
    """The fitted pipeline that a run (or its id) stored, read with reviewed types only.

    Raises TypeError for what is neither, LookupError for a run that does not exist, naming the
    nearest, or that stored no model or whose model was deleted, and ModelFileError if the file is
    not the one whose digest the run recorded.
    """
    if not isinstance(run, (str, TrainedRun)):
        raise TypeError(
            f"run == {run!r:.80} is a {type(run).__name__}, must be what train_and_log returned, "
            "or its run_id as text. compare_runs lists the finished ones."
        )
    with explained(tracking_uri):
        client = connect(tracking_uri)
        found = _run(client, run if isinstance(run, str) else run.run_id)
    if found.outputs is None or not found.outputs.model_outputs:
        raise LookupError(f"run {found.info.run_id} logged no model. Train it with train_and_log.")
    logged = _logged_model(client, found, tracking_uri)
    with artifact_folder(logged.artifact_location, tracking_uri=tracking_uri) as folder:
        return read_model(folder / MODEL_FILE, sha256=found.data.tags.get("model_sha256"))


def _parameters(
    pipeline: Pipeline,
    seed: int,
    costs: CostModel,
    settings: Mapping[str, Any],
    weights: Mapping[str, str],
) -> dict[str, str]:
    """All parameters of a run but the cut-off; ValueError for a setting that is ours."""
    ours = flat_parameters(pipeline) | flat_settings({"seed": seed, "costs": vars(costs)})
    ours |= weights
    given = flat_settings(settings)
    if taken := sorted(given.keys() & {*ours, "cutoff"}):
        raise ValueError(
            f"settings name {taken}, which every run records by itself. Rename or leave them out."
        )
    return ours | given


def _labels(
    split: Split, digest: str, tags: Mapping[str, str], weights: Mapping[str, str]
) -> dict[str, str]:
    """All tags of a run but those of its files; ValueError for a tag that is ours."""
    ours = origin_tags(split._asdict(), digest) | weights
    if taken := sorted(tags.keys() & {*ours, "cutoff_from", *FILE_TAGS}):
        raise ValueError(
            f"tags name {taken}, which every run records by itself. Rename or leave them out."
        )
    return ours | checked_tags(tags)


def _check_figures(figures: Mapping[str, Figure]) -> None:
    for name, figure in figures.items():
        if not re.fullmatch(r"\w[\w-]{0,99}", name):
            raise ValueError(
                f"the figure {name!r} becomes a file name: must be 1 to 100 letters, digits, _ or "
                "-, and begin with no -. Rename it."
            )
        if not isinstance(figure, Figure):
            raise TypeError(
                f"the figure {name!r} is a {type(figure).__name__}, must be an evidence.Figure: "
                "Figure(compute, draw), where compute makes a frame of the scored holdout and "
                "draw draws that frame."
            )


def _log_evidence(
    client: MlflowClient,
    run_id: str,
    split: Split,
    trained: Trained,
    figures: Mapping[str, Figure],
    seed: int,
) -> None:
    """Profile, tables and pictures of a run."""
    profile = {name: data_profile(part) for name, part in split._asdict().items()}
    client.log_text(run_id, json.dumps(profile, allow_nan=False, indent=1), PROFILE_FILE)
    tables = standard_tables(trained.pipeline, trained.scored, seed=seed)
    tables |= {
        name: figure.compute(trained.scored) for name, figure in figures.items() if figure.compute
    }
    for name, table in tables.items():
        client.log_text(run_id, table.to_csv(index=False), f"tables/{name}.csv")
    if unknown := sorted(figures.keys() - tables.keys()):
        raise LookupError(
            f"the figure {unknown[0]!r} computes nothing and no table has its name; there are "
            f"{sorted(tables)}. Give it a compute."
        )
    with tempfile.TemporaryDirectory() as folder:
        for name, figure in figures.items():
            path = Path(folder) / f"{name}.png"
            path.write_bytes(png(figure.draw(tables[name])))
            client.log_artifact(run_id, str(path), "figures")


def _logged_model(client: MlflowClient, run: Run, tracking_uri: str) -> LoggedModel:
    model_id = run.outputs.model_outputs[-1].model_id
    try:
        with explained(tracking_uri):
            return client.get_logged_model(model_id)
    except MlflowException as error:
        if not gone(error):
            raise
        raise LookupError(
            f"the model {model_id} of run {run.info.run_id} was deleted. Restore it, or train it "
            "again with train_and_log."
        ) from error


def _run(client: MlflowClient, run_id: str) -> Run:
    try:
        return client.get_run(run_id)
    except MlflowException as error:
        if not gone(error):
            raise
        known = {r.info.run_id: r.info.run_name for r in all_runs(client)}
        names = {name: key for key, name in known.items()}
        near = difflib.get_close_matches(run_id, [*known, *names], n=1, cutoff=0.5)
        key = names.get(near[0], near[0]) if near else ""
        hint = f" The nearest is {key} ({known[key]})." if near else ""
        raise LookupError(
            f"run {run_id!r} does not exist.{hint} compare_runs lists the finished ones."
        ) from error
