"""Rules over metric rows become alerts: opened once, folded while they last, resolved on recovery.

Pure: rules, metric rows and the alerts that are known go in, the alerts that changed come out. The
caller stores them before showing them to anybody. An unknown value (NaN) neither opens nor
resolves: silence is not health.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

__all__ = ["ALERT_COLUMNS", "Rule", "evaluate_rules"]

ALERT_COLUMNS = (
    "alert_id",
    "rule",
    "metric",
    "subject",
    "model_version",
    "severity",
    "status",
    "value",
    "limit",
    "times_seen",
    "opened_at",
    "last_seen_at",
    "resolved_at",
    "action",
)
NO_TIME = pd.Timedelta(0)
_TIMES = ("opened_at", "last_seen_at", "resolved_at")
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:mlops-helpers:alert")


@dataclass(frozen=True)
class Rule:
    """When a metric is a matter for somebody, and what they should do.

    A window breaches when `value` (or, with `over="null"`, value minus `reference`: what is left
    above the level that chance explains) is beyond `limit` in `direction`. After `patience`
    breaching windows in a row an alert opens. Within `cooldown` of its recovery a new breach opens
    the same alert again instead of another one.
    """

    name: str
    metric: str
    limit: float
    direction: Literal["above", "below"]
    severity: Literal["low", "medium", "high", "critical"]
    patience: int = 1
    cooldown: pd.Timedelta = NO_TIME
    action: str = ""
    over: Literal["zero", "null"] = "zero"

    def __post_init__(self) -> None:
        """Refuse a rule that could never work."""
        for name, allowed in (
            ("direction", ("above", "below")),
            ("severity", ("low", "medium", "high", "critical")),
            ("over", ("zero", "null")),
        ):
            if getattr(self, name) not in allowed:
                raise ValueError(
                    f"rule {self.name!r}: {name} == {getattr(self, name)!r}; must be in {allowed}"
                )
        if pd.isna(self.limit):
            raise ValueError(f"rule {self.name!r}: limit is missing; it would never be crossed")
        if self.patience < 1:
            raise ValueError(f"rule {self.name!r}: patience == {self.patience}; must be at least 1")

    def breached(self, rows: pd.DataFrame) -> pd.Series:
        """True, False, or missing where the value is not known, for each metric row."""
        value = rows["value"] - (rows["reference"] if self.over == "null" else 0.0)
        beyond = value > self.limit if self.direction == "above" else value < self.limit
        return beyond.astype("boolean").where(value.notna())


def evaluate_rules(
    rules: Sequence[Rule],
    metric_rows: pd.DataFrame,
    *,
    when: pd.Timestamp,
    open_alerts: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """The alerts that are new or changed at `when`, with the columns `ALERT_COLUMNS`.

    `metric_rows` are those of `PredictionLog.metrics()`; windows that end after `when` are not
    known yet and left out. `open_alerts` are the alerts known so far (`PredictionLog.alerts()`;
    resolved ones are needed for a cooldown). The same call twice changes nothing: a repeat at
    the same `when` is not counted again. Raises `ValueError` for a naive `when`, for two rules of
    one name, and for missing columns.
    """
    names = [rule.name for rule in rules]
    if pd.Timestamp(when).tz is None:
        raise ValueError(f"when == {when} has no time zone; pass pd.Timestamp(when, tz='UTC')")
    if len(set(names)) < len(names):
        raise ValueError(f"rules {names} share a name; alerts are kept under it")
    needed = ("metric", "subject", "model_version", "window_end", "value", "reference")
    missing = [name for name in needed if name not in metric_rows.columns]
    if missing:
        raise ValueError(f"metric_rows lack {missing}; pass what PredictionLog.metrics() returns")
    known = {} if open_alerts is None else _latest(open_alerts)
    rows = metric_rows[metric_rows["window_end"] <= when]
    rows = rows.assign(model_version=rows["model_version"].fillna(0).astype("int64"))
    changed = []
    for rule in rules:
        mine = rows[rows["metric"] == rule.metric].sort_values("window_end")
        for (subject, version), history in mine.groupby(["subject", "model_version"]):
            alert = _step(rule, history, known.get((rule.name, subject, int(version))), when)
            if alert is not None:
                changed.append(alert)
    return _frame(changed)


def _step(
    rule: Rule, history: pd.DataFrame, alert: dict[str, Any] | None, when: pd.Timestamp
) -> dict[str, Any] | None:
    """What becomes of one rule and subject: a new, folded, reopened or resolved alert, or None."""
    breached = rule.breached(history)
    last = history.iloc[-1]
    if alert is not None and alert["last_seen_at"] >= when:
        return None
    is_open = alert is not None and alert["status"] == "open"
    if pd.isna(breached.iloc[-1]):
        return None
    if not breached.iloc[-1]:
        healed = {"status": "resolved", "resolved_at": when, "last_seen_at": when}
        return {**alert, **healed, "value": last["value"]} if is_open else None
    recent = breached.iloc[-rule.patience :].fillna(False)
    if not is_open and (len(recent) < rule.patience or not recent.all()):
        return None
    seen = {"value": last["value"], "last_seen_at": when}
    if is_open or (alert is not None and when - alert["resolved_at"] < rule.cooldown):
        again = {"status": "open", "resolved_at": pd.NaT}
        return {**alert, **seen, **again, "times_seen": alert["times_seen"] + 1}
    return _opened(rule, last, when) | seen


def _opened(rule: Rule, row: pd.Series, when: pd.Timestamp) -> dict[str, Any]:
    subject, version = str(row["subject"]), int(row["model_version"])
    key = json.dumps([rule.name, subject, version, when.isoformat()])
    return {
        "alert_id": str(uuid.uuid5(_NAMESPACE, key)),
        "rule": rule.name,
        "metric": rule.metric,
        "subject": subject,
        "model_version": version,
        "severity": rule.severity,
        "status": "open",
        "limit": rule.limit,
        "times_seen": 1,
        "opened_at": when,
        "resolved_at": pd.NaT,
        "action": rule.action,
    }


def _latest(alerts: pd.DataFrame) -> dict[tuple[str, str, int], dict[str, Any]]:
    """The last opened alert of each rule, subject and model version."""
    ordered = alerts.sort_values("opened_at").to_dict("records")
    return {(a["rule"], a["subject"], int(a["model_version"])): a for a in ordered}


def _frame(alerts: list[dict[str, Any]]) -> pd.DataFrame:
    frame = pd.DataFrame(alerts, columns=list(ALERT_COLUMNS))
    for name in _TIMES:
        frame[name] = pd.to_datetime(frame[name], utc=True).dt.as_unit("us")
    kinds = {"value": "float64", "limit": "float64", "times_seen": "int64"}
    return frame.astype(kinds | {"model_version": "int64"})
