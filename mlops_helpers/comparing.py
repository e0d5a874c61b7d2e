"""The runs of an experiment as one tidy table, best first."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from mlflow import MlflowClient
from mlflow.entities import Run

from mlops_helpers.runs import EXPERIMENT, KIND, PARENT, connect
from mlops_helpers.store_errors import explained

__all__ = ["COLUMNS", "all_runs", "compare_runs"]

COLUMNS = (
    "name",
    "metric",
    "value",
    "low",
    "high",
    "cv_auc_mean",
    "cv_auc_sd",
    "brier",
    "default_rate",
    "rows_holdout",
    "train_until",
    "run_id",
)
LOWEST_FIRST = ("brier", "log_loss")
TARGETS = {"calibration_slope": 1.0, "calibration_intercept": 0.0}
"""Metrics that are best at a value, not high or low."""


def compare_runs(
    tracking_uri: str, experiment: str = EXPERIMENT, *, metric: str | Sequence[str] = "auc"
) -> pd.DataFrame:
    """The newest finished run of each name in an experiment, best first by `holdout_<metric>`.

    Columns: `name, metric, value, low, high` of that metric on the holdout (as
    `plots.metric_comparison` takes them), `cv_auc_mean, cv_auc_sd, brier, default_rate,
    rows_holdout, train_until, run_id`. Several metrics come one below the other, each best first:
    for `brier` and `log_loss` the lowest, for a calibration slope what is nearest to 1 and for an
    intercept what is nearest to 0. Searches and the runs within them are left out: nothing of them
    saw the holdout. Empty if no run has finished. Raises LookupError, naming what is nearest, for
    an experiment that does not exist and for a metric that no run has.
    """
    with explained(tracking_uri):
        runs = _newest(connect(tracking_uri), experiment)
    wanted = [metric] if isinstance(metric, str) else list(metric)
    _check_metrics(wanted, runs)
    return pd.concat([_table(one, runs) for one in wanted], ignore_index=True)


def all_runs(client: MlflowClient) -> Iterator[Run]:
    """Every run of the store that was not deleted, of all experiments."""
    yield from _pages(client, [e.experiment_id for e in client.search_experiments()], "")


def _newest(client: MlflowClient, experiment: str) -> list[Run]:
    """The newest finished run of each name."""
    found = client.get_experiment_by_name(experiment)
    if found is None:
        known = [e.name for e in client.search_experiments()]
        raise LookupError(f"experiment {experiment!r} does not exist.{_nearest(experiment, known)}")
    newest: dict[str, Run] = {}
    for run in _pages(client, [found.experiment_id], "attributes.status = 'FINISHED'"):
        if not run.data.tags.keys() & {PARENT, KIND}:
            newest.setdefault(run.info.run_name, run)  # they come newest first
    return list(newest.values())


def _pages(client: MlflowClient, experiments: list[str], wanted: str) -> Iterator[Run]:
    order, token = ["attributes.start_time DESC"], None
    while True:
        page = client.search_runs(experiments, wanted, order_by=order, page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def _table(metric: str, runs: list[Run]) -> pd.DataFrame:
    rows = []
    for run in runs:
        got, head = run.data.metrics, f"holdout_{metric}"
        rows.append(
            {
                "name": run.info.run_name,
                "metric": metric,
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
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    worst = -frame["value"]
    if metric in LOWEST_FIRST:
        worst = frame["value"]
    elif metric in TARGETS:
        worst = (frame["value"] - TARGETS[metric]).abs()
    ranked = frame.assign(worst=worst).sort_values(["worst", "name"], ignore_index=True)
    return ranked[list(COLUMNS)]


def _check_metrics(wanted: list[str], runs: list[Run]) -> None:
    if not wanted:
        raise ValueError("metric is empty: name at least one, such as 'auc'.")
    logged = {name for run in runs for name in run.data.metrics if name.startswith("holdout_")}
    known = sorted(
        name.removeprefix("holdout_") for name in logged if not name.endswith(("_low", "_high"))
    )
    for metric in wanted if runs else []:
        if metric not in known:
            raise LookupError(f"no run has the metric {metric!r}.{_nearest(metric, known)}")


def _nearest(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.3)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return f"{hint} There are: {', '.join(map(repr, known)) or 'none'}."
