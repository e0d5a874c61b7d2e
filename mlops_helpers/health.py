"""Is the system well? One row a figure, each with its uncertainty, a verdict and a sentence.

Everything is read from the store; where it does not hold enough, the row says so instead of "ok".
What is usual is what the days before the window show.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from statsmodels.stats.proportion import proportion_confint

from mlops_helpers.log_health import HealthFigures
from mlops_helpers.predictions import PredictionLog

__all__ = ["HEALTH_COLUMNS", "HealthLimits", "health_report"]

HEALTH_COLUMNS = ("section", "figure", "value", "low", "high", "unit", "status", "told")
Status = Literal["ok", "attention", "not enough data"]
Row = tuple[str, str, float, float, float, str, Status, str]

_NAN = float("nan")
_DAY = pd.Timedelta(days=1)
_HOUR = pd.Timedelta(hours=1)
_UNJUDGED = ("", "no data")
_MILD = ("none", "low", *_UNJUDGED)  # severities that call for nobody; an unknown word does
_DRIFT = (  # the metrics of `DriftReport.metric_rows`
    *("psi", "tail_share", "missing_share", "out_of_contract_share", "classifier_auc"),
    "share_drifted",
)


@dataclass(frozen=True)
class HealthLimits:
    """From where on a figure needs attention, and how much data a figure needs.

    `volume_ratio`: predictions a day against the median day before. `approval` and `missing`:
    change of a share against the days before. `out_of_contract`: share of one column's rows.
    `latency_ms`: of the 95th percentile. `auc`: below it. `usual_days` are compared with, at least
    `least_days` of them; a share needs `least_rows`, a default rate `least_defaults`. A pending
    delivery is late after `late`.
    """

    volume_ratio: float = 2.0
    approval: float = 0.1
    missing: float = 0.05
    out_of_contract: float = 0.001
    latency_ms: float = 250.0
    auc: float = 0.6
    usual_days: int = 28
    least_days: int = 7
    least_rows: int = 30
    least_defaults: int = 5
    late: pd.Timedelta = _HOUR


def health_report(
    log: PredictionLog,
    start: pd.Timestamp,
    end: pd.Timestamp,
    *,
    as_of: pd.Timestamp,
    limits: HealthLimits | None = None,
) -> pd.DataFrame:
    """The health of what was scored in [start, end), as known at `as_of`: `HEALTH_COLUMNS`.

    An outcome counts if its date is not after `as_of`. `status` is "ok", "attention" or "not
    enough data"; `low` and `high` bound the value with 95 % confidence where it has sampling
    uncertainty, and are missing elsewhere. A share, a quantile or an AUC calls for attention only
    if its whole interval is beyond the limit. Raises `ValueError` for naive times and a window
    that is empty or has not begun at `as_of`.
    """
    for name, time in (("start", start), ("end", end), ("as_of", as_of)):
        if pd.isna(time) or pd.Timestamp(time).tz is None:
            raise ValueError(f"{name} == {time} has no time zone; pd.Timestamp({name}, tz='UTC')")
    start, end, as_of = pd.Timestamp(start), pd.Timestamp(end), pd.Timestamp(as_of)
    if not start < min(end, as_of):
        raise ValueError(f"start == {start} must be before end == {end} and as_of == {as_of}")
    given = limits or HealthLimits()
    until = min(end, as_of)
    figures = log.health_figures(start, until, as_of=as_of, usual_days=given.usual_days)
    days = (until - start) / _DAY
    rows = [
        *_volume(figures, given, days),
        *_latency(figures, given),
        *_quality(figures, given),
        *_drift(figures),
        *_performance(figures, given),
        *_alerts(figures, as_of),
        *_deliveries(figures, given, as_of),
    ]
    return pd.DataFrame(rows, columns=list(HEALTH_COLUMNS)).astype(
        {"value": "float64", "low": "float64", "high": "float64"}
    )


def _volume(figures: HealthFigures, limits: HealthLimits, days: float) -> Iterator[Row]:
    now, before = figures.window, figures.before
    daily = now.n / days
    usual = float(figures.days_before.median()) if len(figures.days_before) else _NAN
    head = ("volume", "predictions a day", daily, _NAN, _NAN, "a day")
    if len(figures.days_before) < limits.least_days:
        told = f"{daily:.1f} predictions a day; too few days before to say what is usual"
        yield *head, "not enough data", told
    else:
        far = daily > usual * limits.volume_ratio or daily * limits.volume_ratio < usual
        told = f"{daily:.1f} predictions a day, usual are {usual:.1f}"
        yield *head, "attention" if far or not now.n else "ok", told
    value, low, high = _share(now.approved, now.n)
    head = ("volume", "approval share", value, low, high, "share")
    if min(now.n, before.n) < limits.least_rows:
        yield *head, "not enough data", f"{now.n} decisions, {before.n} before: too few to compare"
        return
    usual = before.approved / before.n
    far = low > usual + limits.approval or high < usual - limits.approval
    told = f"{value:.1%} approved ({low:.1%} to {high:.1%}), before {usual:.1%}"
    yield *head, "attention" if far else "ok", told


def _latency(figures: HealthFigures, limits: HealthLimits) -> Iterator[Row]:
    for name, quantile in figures.latency.items():
        head = ("latency", name, quantile.value, quantile.low, quantile.high, "ms")
        if np.isnan(quantile.low) or np.isnan(quantile.high):
            told = f"{figures.timed} answers were timed: too few for an interval of {name}"
            yield *head, "not enough data", told
            continue
        # The milliseconds are in `value`: a sentence that is the same in every run can be compared.
        if name != "p95":
            yield *head, "ok", f"of {figures.timed} timed answers; no limit is set for {name}"
            continue
        far = quantile.low > limits.latency_ms
        told = f"of {figures.timed} timed answers; the limit is {limits.latency_ms:g} ms"
        yield *head, "attention" if far else "ok", told


def _quality(figures: HealthFigures, limits: HealthLimits) -> Iterator[Row]:
    """Missing values against what was usual; values out of contract against none."""
    now, before = figures.window, figures.before
    for figure, counts, usual, allowed in (
        ("missing values", now.missing, before.missing, limits.missing),
        ("out of contract", now.out_of_contract, before.out_of_contract, limits.out_of_contract),
    ):
        relative = figure == "missing values"
        known = before.n >= limits.least_rows
        shares = {column: _share(count, now.n) for column, count in counts.items() if count}
        then = {column: usual[column] / before.n if known else 0.0 for column in shares}
        beyond = {c: s[1] - (then[c] if relative else 0) for c, s in shares.items()}
        column = max(beyond, key=beyond.__getitem__, default="")
        value, low, high = shares.get(column, _share(0, now.n))
        head = ("quality", figure, value, low, high, "share")
        if now.n < limits.least_rows:
            yield *head, "not enough data", f"{now.n} predictions: too few to tell"
        elif not column:
            yield *head, "ok", f"none in {now.n} predictions"
        else:
            told = f"most in {column}: {value:.1%} ({low:.1%} to {high:.1%})"
            if relative and not known:
                told += "; too few rows before to say what is usual"
                yield *head, "not enough data", told
                continue
            told += f", before {then[column]:.1%}" if known else ""
            yield *head, "attention" if beyond[column] > allowed else "ok", told


def _drift(figures: HealthFigures) -> Iterator[Row]:
    """Features with a drift row of any kind that moved, and all columns together."""
    every = figures.metrics[figures.metrics["metric"].isin(_DRIFT)]
    rows = every[every["metric"] != "share_drifted"]
    severity = rows["severity"].fillna("")
    moved = rows[~severity.isin(_MILD)]
    unjudged = rows[severity.isin(_UNJUDGED)]
    shares = every.loc[every["metric"] == "share_drifted", "value"]
    # The share counts small drifts too: alone it calls only where no row says which they are.
    share = 0.0 if severity.isin(["low"]).any() or len(moved) else shares.max()
    features = set(rows["subject"]) - {""}
    names = sorted(name or "all columns together" for name in set(moved["subject"]))
    value = len(set(moved["subject"]) - {""}) if features else _NAN
    head = ("drift", "features drifted", value, _NAN, _NAN, "features")
    told = f"{len(set(moved['subject']) - {''})} of {len(features)} moved by more than a little: "
    told += ", ".join(names) or "none"
    if share > 0:
        told += f"; the share of features that drifted is stored as {share:.1%}"
    if len(moved) or share > 0:
        yield *head, "attention", told
    elif rows.empty:
        yield *head, "not enough data", "no drift report is stored for this window"
    elif len(unjudged):
        which = ", ".join(sorted({name or "all columns together" for name in unjudged["subject"]}))
        yield *head, "not enough data", f"{told}; no verdict is stored for {which}"
    else:
        yield *head, "ok", told


def _performance(figures: HealthFigures, limits: HealthLimits) -> Iterator[Row]:
    now = figures.window
    value, low, high = _share(now.labelled, now.n)
    told = f"{now.labelled} of {now.n} outcomes are known"
    status: Status = "ok" if now.n and now.labelled == now.n else "not enough data"
    yield "performance", "outcomes known", value, _NAN, _NAN, "share", status, told
    value, low, high = _share(now.defaults, now.labelled)
    head = ("performance", "default rate", value, low, high, "share")
    if now.labelled < limits.least_rows or now.defaults < limits.least_defaults:
        told = f"{now.labelled} outcomes, {now.defaults} defaults: too few to judge"
        yield *head, "not enough data", told
    elif now.labelled < now.n:
        told = f"{value:.1%} of the outcomes so far; the rest is open, and defaults come first"
        yield *head, "not enough data", told
    else:
        far = not low <= now.predicted <= high
        told = f"{value:.1%} ({low:.1%} to {high:.1%}), the model expected {now.predicted:.1%}"
        yield *head, "attention" if far else "ok", told
    yield _auc(figures.metrics, limits)


def _auc(metrics: pd.DataFrame, limits: HealthLimits) -> Row:
    """The worst of all model versions: one that fails is not hidden by another."""
    rows = metrics[metrics["metric"] == "auc"]
    whole = rows[rows["subject"] == ""]
    rows = whole if len(whole) else rows
    if rows["value"].isna().all():
        missing = ("performance", "auc", _NAN, _NAN, _NAN, "")
        return *missing, "not enough data", "no AUC is stored for this window"
    unknown = rows[["value", "low", "high"]].isna().any(axis=1)
    failing = rows["high"] < limits.auc
    status: Status
    if failing.any():
        worst, status = rows[failing].sort_values("high").iloc[0], "attention"
    elif unknown.any():
        worst, status = rows[unknown].sort_values("value").iloc[0], "not enough data"
    else:
        worst, status = rows.sort_values("low").iloc[0], "ok"
    head = ("performance", "auc", worst["value"], worst["low"], worst["high"], "")
    told = f"{worst['value']:.3f} ({worst['low']:.3f} to {worst['high']:.3f}), floor {limits.auc:g}"
    if pd.isna(worst["value"]):
        told = "not known"
    elif status == "not enough data":
        told = f"{worst['value']:.3f} without an interval"
    if len(rows) > 1:
        told += f"; the worst of {len(rows)}: model version {worst['model_version']}"
        told += f", {worst['subject']}" if worst["subject"] else ""
    return *head, status, told


def _alerts(figures: HealthFigures, as_of: pd.Timestamp) -> Iterator[Row]:
    unit = "alerts"
    known = figures.alerts[figures.alerts["opened_at"] <= as_of]
    if known.empty and figures.metrics.empty:
        told = "neither metrics of this window nor alerts are stored: nothing was watched"
        yield "alerts", "open", _NAN, _NAN, _NAN, unit, "not enough data", told
        return
    still = known["resolved_at"].isna() | (known["resolved_at"] > as_of)
    now = known[still]
    grave = now[now["severity"].isin(["high", "critical"])]
    owners = ", ".join(sorted({owner or "nobody" for owner in now["owner"]}))
    told = f"{len(now)} open, {len(grave)} of them high or critical"
    if len(now):
        age = (as_of - now["opened_at"].min()) / _DAY
        told += f"; the oldest for {age:.0f} days; owned by {owners}"
    status: Status = "attention" if len(grave) else "ok"
    yield "alerts", "open", len(now), _NAN, _NAN, unit, status, told


def _deliveries(figures: HealthFigures, limits: HealthLimits, as_of: pd.Timestamp) -> Iterator[Row]:
    """Messages that did not go out; one that only some people got counts in its own window."""
    head = ("deliveries", "not delivered")
    if not figures.messages:
        told = "nothing was to be told on any channel"
        yield *head, _NAN, _NAN, _NAN, "messages", "not enough data", told
        return
    troubled = figures.troubled
    pending = troubled[troubled["status"] == "pending"]
    late = pending[pending["event_at"] < as_of - limits.late]
    lost = troubled[troubled["status"] == "given up"]
    partly = troubled[troubled["status"] == "sent"]
    told = f"of {figures.messages} messages {len(lost)} given up, {len(late)} late"
    if len(partly):
        told += f", {len(partly)} not to everybody"
    where = sorted({*lost["channel"], *late["channel"], *partly["channel"]})
    told += f"; channels: {', '.join(where)}" if where else ""
    status: Status = "attention" if where else "ok"
    yield *head, len(lost) + len(pending), _NAN, _NAN, "messages", status, told


def _share(count: int, n: int) -> tuple[float, float, float]:
    """A share with Wilson's interval; NaN of nothing."""
    if not n:
        return _NAN, _NAN, _NAN
    low, high = proportion_confint(count, n, method="wilson")
    return count / n, float(low) if count else 0.0, float(high) if count < n else 1.0
