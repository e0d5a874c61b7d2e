"""Try settings of a candidate on the training rows: one run for the search, one within it for each.

The holdout is no argument here, so no setting can be chosen by looking at it. A setting is measured
on folds in order of time (`training.fold_predictions`), as every candidate is.
"""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from mlflow import MlflowClient
from sklearn.base import clone
from sklearn.model_selection import ParameterGrid
from tqdm import tqdm

from mlops_helpers.candidates import LONGEST_NAME, Candidate
from mlops_helpers.provenance import content_digest, flat_parameters, flat_settings, origin_tags
from mlops_helpers.runs import (
    EXPERIMENT,
    KIND,
    PARENT,
    connect,
    experiment_id,
    log_data,
    log_numbers,
)
from mlops_helpers.store_errors import explained
from mlops_helpers.threads import one_thread
from mlops_helpers.training import fold_metrics, fold_predictions, ready
from mlops_helpers.training_rows import demand

__all__ = ["SearchError", "SearchResult", "grid_search"]

SEARCH = "search"
TABLE_FILE = "tables/search.csv"
REASON = "reason"
_LONGEST_REASON = 2000


class SearchError(Exception):
    """No setting could be measured; the message lists each with its reason."""


@dataclass(frozen=True)
class SearchResult:
    """What a search found.

    best: the candidate with the best setting, named after the one that was given, not fitted yet.
    table: a row a setting, best first: a column for each name in the grid, `cv_auc_mean`,
        `cv_auc_sd`, `cv_log_loss_mean`, `cv_brier_mean`, `cv_folds`, `near_best`, `status`,
        `reason` (of a failure), `run_id`.
    run_id: of the search; the runs of the settings lie within it.
    """

    best: Candidate
    table: pd.DataFrame
    run_id: str


def grid_search(
    candidate: Candidate,
    grid: Mapping[str, Sequence[Any]],
    train: pd.DataFrame,
    *,
    tracking_uri: str,
    seed: int,
    artifact_location: str | None = None,
    experiment: str = EXPERIMENT,
) -> SearchResult:
    """Measure `candidate` with each combination of `grid` (parameter name -> values) and log it.

    The best is the one with the highest mean AUC over the folds, of equal ones the first in the
    grid. The rule that takes the *simplest* within one standard error of the best would have to
    know what is simple, which a grid does not say: `near_best` marks those settings instead, so
    that whoever knows can choose. A setting that fails is a FAILED run with its `reason`, and the
    search goes on. Progress is a bar on stderr, none if MLOPS_QUIET is set.

    Raises TypeError or ValueError, before anything is stored, for a grid that is no mapping, a name
    that is no parameter of the estimator, values that are no list or cannot be recorded, and for
    rows that cannot be learnt from; SearchError if every setting fails.
    """
    demand(Candidate, candidate=candidate)
    _check_grid(candidate, grid)
    asked = flat_settings({"seed": seed, "grid": dict(grid)})
    settings = list(ParameterGrid({name: list(values) for name, values in grid.items()}))
    _, rows = ready(candidate, train, seed)
    with explained(tracking_uri):
        client = connect(tracking_uri)
        where = experiment_id(client, experiment, artifact_location)
        labels = origin_tags({"train": rows}, content_digest(rows)) | {KIND: SEARCH}
        with _run(client, where, f"search: {candidate.name}", labels) as parent, one_thread():
            log_numbers(client, parent, {}, asked, {})
            log_data(client, parent, {"train": rows})
            inner = {name: text for name, text in labels.items() if name != KIND} | {PARENT: parent}
            found = [
                _try(client, where, candidate, setting, rows, seed, inner)
                for setting in _told(settings, candidate.name)
            ]
            table = _ranked(found, list(grid))
            client.log_text(parent, table.to_csv(index=False), TABLE_FILE)
            best = _best(candidate, table, settings, found)
            numbers = {n: table[n].iloc[0] for n in table if n.startswith("cv_")}
            log_numbers(client, parent, numbers, {}, {"best_run_id": table["run_id"].iloc[0]})
    return SearchResult(best, table, parent)


def _try(
    client: MlflowClient,
    where: str,
    candidate: Candidate,
    setting: Mapping[str, Any],
    rows: pd.DataFrame,
    seed: int,
    labels: Mapping[str, str],
) -> dict[str, Any]:
    """One setting as a run within the search; its row of the table."""
    told = ", ".join(f"{name}={value}" for name, value in setting.items()) or "as it is"
    row: dict[str, Any] = {**setting, "status": "FINISHED", REASON: ""}
    try:
        with _run(client, where, f"{candidate.name}: {told}"[:LONGEST_NAME], labels) as run_id:
            row["run_id"] = run_id
            parameters = flat_settings({"seed": seed, "setting": dict(setting)})
            log_numbers(client, run_id, {}, parameters, {})
            estimator = clone(candidate.estimator).set_params(**setting)
            pipeline, rows = ready(Candidate(candidate.name, estimator), rows, seed)
            log_numbers(client, run_id, {}, flat_parameters(pipeline), {})
            metrics = fold_metrics(fold_predictions(pipeline, rows))
            if "cv_auc_mean" not in metrics:
                raise ValueError("fewer than two folds hold both classes: bring a longer span.")
            log_numbers(client, run_id, metrics, {}, {})
            row |= metrics
    except Exception as error:  # an estimator may raise anything: it is recorded, never lost
        if "run_id" not in row:
            raise
        row |= {"status": "FAILED", REASON: f"{type(error).__name__}: {error}"[:_LONGEST_REASON]}
        client.set_tag(row["run_id"], REASON, row[REASON])
    return row


@contextmanager
def _run(client: MlflowClient, where: str, name: str, labels: Mapping[str, str]) -> Iterator[str]:
    """A run that ends FINISHED, or FAILED if what happens within it raises."""
    run_id = client.create_run(where, run_name=name[:LONGEST_NAME], tags=dict(labels)).info.run_id
    try:
        yield run_id
    except BaseException:
        client.set_terminated(run_id, status="FAILED")
        raise
    client.set_terminated(run_id)


def _ranked(found: list[dict[str, Any]], names: list[str]) -> pd.DataFrame:
    figures = ["cv_auc_mean", "cv_auc_sd", "cv_log_loss_mean", "cv_brier_mean", "cv_folds"]
    table = pd.DataFrame(found).reindex(columns=[*names, *figures, "status", REASON, "run_id"])
    table = table.sort_values("cv_auc_mean", ascending=False, kind="stable", ignore_index=True)
    best = table.iloc[0]
    reach = best["cv_auc_sd"] / np.sqrt(best["cv_folds"])  # one standard error of the best mean
    near = (table["cv_auc_mean"] >= best["cv_auc_mean"] - reach).fillna(False)
    table.insert(table.columns.get_loc("status"), "near_best", near)
    return table


def _best(
    candidate: Candidate,
    table: pd.DataFrame,
    settings: list[dict[str, Any]],
    found: list[dict[str, Any]],
) -> Candidate:
    if (table["status"] == "FAILED").all():
        told = "\n".join(f"  {s}: {row[REASON]}" for s, row in zip(settings, found, strict=True))
        raise SearchError(
            f"none of {len(settings)} settings of {candidate.name!r} could be measured:\n{told}"
        )
    places = [row["run_id"] for row in found]
    setting = settings[places.index(table["run_id"].iloc[0])]  # as given: a table may change types
    name = f"{candidate.name[: LONGEST_NAME - 7]}, tuned"
    return Candidate(name, clone(candidate.estimator).set_params(**setting))


def _check_grid(candidate: Candidate, grid: Mapping[str, Sequence[Any]]) -> None:
    if not isinstance(grid, Mapping):
        raise TypeError(
            f"grid is a {type(grid).__name__}, must be a mapping of each parameter's name to a "
            "list of values, such as {'C': [0.1, 1.0]}."
        )
    known = candidate.estimator.get_params()
    for name, values in grid.items():
        if name not in known:
            folded = {parameter.casefold(): parameter for parameter in known}
            near = difflib.get_close_matches(str(name).casefold(), folded, n=1, cutoff=0.6)
            hint = f"Did you mean {folded[near[0]]!r}?" if near else f"It has {sorted(known)}."
            raise ValueError(
                f"grid names {name!r}, which is no parameter of "
                f"{type(candidate.estimator).__name__}. {hint}"
            )
        listed = isinstance(values, Sequence) and not isinstance(values, (str, bytes))
        if not (listed or isinstance(values, np.ndarray)) or len(values) == 0:
            raise ValueError(
                f"grid[{name!r}] == {values!r}, must be a list with at least one value."
            )


def _told(settings: list[dict[str, Any]], name: str) -> Iterator[dict[str, Any]]:
    """The settings one by one, with a bar on stderr."""
    quiet = bool(os.environ.get("MLOPS_QUIET"))
    yield from tqdm(settings, desc=name, unit="setting", file=sys.stderr, disable=quiet)
