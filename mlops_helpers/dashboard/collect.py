"""From the stores to nine tidy frames. Every number of the dashboard passes through here.

The stores are handed in: a prediction log (asked for sums where the database can add up) and the
frame of the model registry. Nothing is typed in, and no clock is asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import pandas as pd

from mlops_helpers.business import CostModel
from mlops_helpers.dashboard import impact
from mlops_helpers.dashboard.impact import months
from mlops_helpers.exposure_checks import one_arm_each
from mlops_helpers.lifecycle import stages

BINS = 20


class Log(Protocol):
    """What the dashboard asks of a prediction log (see `predictions.PredictionLog`)."""

    def daily_volume(self) -> pd.DataFrame:
        """Predictions of each day and version."""

    def score_histogram(self, bins: int) -> pd.DataFrame:
        """Predictions of each version in each bin of probability."""

    def latency(self) -> pd.DataFrame:
        """Percentiles of each version's measured latencies."""

    def alerts(self) -> pd.DataFrame:
        """All alerts."""

    def metrics(self, name: str) -> pd.DataFrame:
        """The stored rows of one metric."""

    def experiments(self) -> list[dict[str, Any]]:
        """The stored records of the experiments."""

    def window(self, *, shadow: bool = True) -> pd.DataFrame:
        """Predictions with their outcomes where known, if asked without those in the shadow."""


def collect(
    log: Log, registry_status: pd.DataFrame, cost_model: CostModel
) -> dict[str, pd.DataFrame]:
    """One frame a panel (empty while its phase has not run), and `as_of`: the newest moments.

    `registry_status` is what `Registry.status()` returned; `cost_model` turns outcomes into
    dollars and is the only assumption here.
    """
    plans = [kept for kept in log.experiments() if {"arms", "split"} <= kept.keys()]
    rows = log.window(shadow=False)
    alerts = log.alerts()
    drift = _drift(log.metrics("psi"))
    return {
        "registry": registry_status[["version", "alias", "name", "auc", "gate"]],
        "performance": _performance(registry_status, log.metrics("auc")),
        "volume": _volume(log.daily_volume()),
        "scores": log.score_histogram(BINS),
        "alerts": _alerts(alerts),
        "traffic": _traffic(rows, plans),
        "health": log.latency(),
        "drift": drift,
        "impact": impact.compare(rows, plans, cost_model),
        "as_of": _newest(rows, alerts, drift),
    }


def _performance(status: pd.DataFrame, stored: pd.DataFrame) -> pd.DataFrame:
    """`name, window, version, rows, value, low, high` with `rows` one of holdout, live, judged.

    The holdout comes from the registry, the rest from the log: `live` is what a version did in
    service, `judged` what another version would have done on the same loans. Versions without a
    role that were never in service are left out, unless there are no others.
    """
    live = stored.rename(columns={"model_version": "version"}).dropna(subset="version")
    kind = live["subject"].map({"": "live", "judged rows": "judged"})
    spans = [months(*ends) for ends in zip(live["window_start"], live["window_end"], strict=True)]
    live = live.assign(rows=kind, window=pd.Series(spans, index=live.index, dtype="object"))
    live = live.dropna(subset="rows").sort_values("rows", ascending=False)
    live = live.drop_duplicates(["version", "window"])  # served and judged: once, as live
    holdout = status.rename(columns={"auc": "value"}).assign(rows="holdout", window=None)
    judged = live.loc[live["rows"] == "judged", "version"]
    holdout = holdout[~holdout["version"].isin(judged)]  # its holdout are the judged loans
    in_use = (holdout["alias"] != "") | holdout["version"].isin(live["version"])
    holdout = holdout[in_use] if in_use.any() or len(live) else holdout
    columns = ["version", "rows", "window", "value", "low", "high"]
    parts = [part[columns] for part in (holdout, live) if len(part)]
    frame = pd.concat(parts) if parts else pd.DataFrame(columns=columns)
    frame = frame.dropna(subset=["value"]).astype({"version": int})
    frame = frame.sort_values(["version", "rows", "window"], ignore_index=True)
    names = [f"v{v} {rows}" for v, rows in zip(frame["version"], frame["rows"], strict=True)]
    frame.insert(0, "name", pd.Series(names, index=frame.index, dtype="str"))
    return frame


def _volume(daily: pd.DataFrame) -> pd.DataFrame:
    """`week` (its Monday) and `n`, all versions; `month` where the days are month starts only.

    Some lenders keep no more than the month of an application: a week would be invented then.
    """
    days = pd.to_datetime(daily["day"], utc=True)
    if len(days) and (days.dt.day == 1).all():
        step = days.rename("month")
    else:
        step = (days - pd.to_timedelta(days.dt.day_of_week, unit="D")).rename("week")
    return daily.groupby(step, as_index=False)["n"].sum()


def _alerts(alerts: pd.DataFrame) -> pd.DataFrame:
    """`severity, status, rule, n`."""
    keys = ["severity", "status", "rule"]
    return alerts.groupby(keys, as_index=False).size().rename(columns={"size": "n"})


def _traffic(rows: pd.DataFrame, plans: list[dict[str, Any]]) -> pd.DataFrame:
    """`experiment, variant, n, planned` of the latest experiment; both are counts of units.

    A unit counts as in the analysis: by its first exposure, and not if it met several arms.
    Planned by the shares of each stage of its ramp, for the units scored in it.
    """
    columns = ["experiment", "variant", "n", "planned"]
    if not plans:
        return pd.DataFrame(columns=columns)
    plan = latest(plans, rows)
    mine, _ = one_arm_each(rows[rows["experiment"] == plan["name"]], tuple(plan["arms"]))
    counts = mine["variant"].value_counts().reindex(plan["arms"], fill_value=0).tolist()
    frame = pd.DataFrame(
        {
            "experiment": plan["name"],
            "variant": plan["arms"],
            "n": counts,
            "planned": _planned(mine["scored_at"], plan),
        }
    )
    return frame if sum(counts) else frame.head(0)


def _planned(scored_at: pd.Series, plan: dict[str, Any]) -> list[float]:
    """How many of these applications each arm was to have; before its start, as at the start."""
    lived = stages(plan)
    since = pd.DatetimeIndex([stage.since for stage in lived], tz="UTC")
    shares = np.array([stage.shares for stage in lived] or [plan["split"]])
    of_each = since.searchsorted(scored_at, side="right").clip(1) - 1
    return shares[of_each].sum(axis=0).tolist()


def latest(plans: list[dict[str, Any]], rows: pd.DataFrame) -> dict[str, Any]:
    """The plan whose experiment scored an application last; the first one if none did."""
    newest: Mapping[Any, pd.Timestamp] = rows.groupby("experiment")["scored_at"].max().to_dict()
    never = pd.Timestamp.min.tz_localize("UTC")
    return max(plans, key=lambda plan: newest.get(plan["name"], never))


def _drift(stored: pd.DataFrame) -> pd.DataFrame:
    """`feature, psi, psi_null, severity, drifted` of the latest window."""
    last = stored[stored["window_end"] == stored["window_end"].max()]
    frame = last.rename(columns={"subject": "feature", "value": "psi", "reference": "psi_null"})
    frame = frame.assign(drifted=frame["severity"].fillna("none") != "none")
    columns = ["feature", "psi", "psi_null", "severity", "drifted", "window_start", "window_end"]
    return frame[columns].sort_values("psi", ascending=False, ignore_index=True)


def _newest(rows: pd.DataFrame, alerts: pd.DataFrame, drift: pd.DataFrame) -> pd.DataFrame:
    """`store, newest`: the latest moment of each feed, read from its own rows; NaT without any.

    The newest of all dates the picture; a feed that has stopped shows only in its own row.
    """
    moments = {
        "predictions": rows["scored_at"],
        "timed answers": rows.loc[rows["latency_ms"].notna(), "scored_at"],
        "experiment": rows.loc[rows["experiment"].notna(), "scored_at"],
        "outcomes": rows["outcome_at"],
        "alerts": alerts["last_seen_at"],
        "drift": drift["window_end"],
    }
    newest = [times.dropna().max() if times.notna().any() else pd.NaT for times in moments.values()]
    return pd.DataFrame({"store": list(moments), "newest": pd.to_datetime(newest, utc=True)})
