"""Rules over metric rows become alerts: opened once, folded while they last, resolved on recovery.

Pure: rules, metric rows and the alerts that are known go in, the alerts that changed come out. The
caller stores them before showing them to anybody.

A rule walks through its windows in order of time, and every time in an alert is the end of a
window, never the moment of the call. So evaluating four missed weeks at once gives the alerts that
four evaluations would have given, a second scheduler gives the same again, and a call that comes
late or twice finds that `last_seen_at` is not before its windows, and changes nothing.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from numbers import Integral, Real
from operator import itemgetter
from typing import Any, Literal

import numpy as np
import pandas as pd

__all__ = ["ALERT_COLUMNS", "Rule", "evaluate_rules", "retired", "silent"]

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
    "owner",
)
NO_TIME = pd.Timedelta(0)
_TIMES = ("opened_at", "last_seen_at", "resolved_at")
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:mlops-helpers:alert")
_SERIES = itemgetter("subject", "model_version")
_NEEDED = ("metric", "subject", "model_version", "window_end", "value", "reference")

Alert = dict[str, Any]
Key = tuple[str, str, str, int]  # rule, metric, subject, model version


@dataclass(frozen=True)
class Rule:
    """When a metric is a matter for somebody, who that is, and what they should do.

    A window breaches when `value` (or, with `over="null"`, value minus `reference`: what is left
    above the level that chance explains) is beyond `limit` in `direction`. After `patience`
    breaching windows in a row an alert opens; a window whose value is not known neither counts
    nor breaks the row, because silence is no evidence of health (`silent` names the rules that hear
    nothing); nor do gaps between windows. The first window within the limit resolves the alert.
    Within `cooldown` of its recovery a new breach opens the same alert again instead of another
    one. A severity that is raised while an alert is open is stored, and told with its next event.
    Windows that end at or before `since` are left out: for a rule that is new or has a new limit.
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
    owner: str = ""
    since: pd.Timestamp | None = None

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
        for name, kind in (("limit", Real), ("patience", Integral)):
            value, what = getattr(self, name), "number" if kind is Real else "whole number"
            if not isinstance(value, kind) or isinstance(value, bool):
                raise ValueError(f"rule {self.name!r}: {name} == {value!r}; must be a {what}")
        if pd.isna(self.limit):
            raise ValueError(f"rule {self.name!r}: limit is missing; it would never be crossed")
        if not np.isfinite(self.limit):
            raise ValueError(f"rule {self.name!r}: limit == {self.limit}; must be finite")
        if self.patience < 1:
            raise ValueError(f"rule {self.name!r}: patience == {self.patience}; must be at least 1")
        if pd.isna(self.cooldown) or self.cooldown < NO_TIME:
            raise ValueError(f"rule {self.name!r}: cooldown == {self.cooldown}; must be 0 or more")
        if self.since is not None and pd.Timestamp(self.since).tz is None:
            raise ValueError(
                f"rule {self.name!r}: since == {self.since} has no time zone; "
                "pass pd.Timestamp(since, tz='UTC')"
            )

    def excess(self, rows: pd.DataFrame) -> pd.Series:
        """How far each metric row is beyond the limit, in the metric's unit; NaN if not known."""
        value = rows["value"] - (rows["reference"] if self.over == "null" else 0.0)
        return value - self.limit if self.direction == "above" else self.limit - value


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
    resolved ones are needed for a cooldown, and so that they are not found again). The same call
    twice changes nothing, and windows up to an alert's `last_seen_at` are never judged again. Of
    several rows whose windows end together the worst counts, once. An open alert whose rule is not
    among `rules` is left as it is; see `retired`. Raises `ValueError` for a naive time, for two
    rules of one name, for missing columns and for an infinite value.
    """
    names = [rule.name for rule in rules]
    if pd.Timestamp(when).tz is None:
        raise ValueError(f"when == {when} has no time zone; pass pd.Timestamp(when, tz='UTC')")
    if len(set(names)) < len(names):
        raise ValueError(f"rules {names} share a name; alerts are kept under it")
    rows = _checked(metric_rows)
    rows = rows[rows["window_end"] <= when]
    known = {} if open_alerts is None else _latest(open_alerts)
    changed: list[Alert] = []
    for rule in rules:
        for (subject, version), windows in groupby(_judged(rule, rows), key=_SERIES):
            alert = known.get((rule.name, rule.metric, subject, version))
            changed += _walk(rule, windows, alert)
    return _frame(changed)


def retired(
    rules: Iterable[Rule],
    alerts: pd.DataFrame,
    *,
    when: pd.Timestamp,
    versions: Iterable[int] | None = None,
) -> pd.DataFrame:
    """The open ones of `alerts` that none of `rules` watches any more, resolved at `when`.

    With `versions`, the model versions in service, also those of other versions (alerts without a
    version stay). Nothing closes them otherwise: deleting a rule or taking a model out of service
    is no recovery. Look at them and hand them to `PredictionLog.append_alerts` if they are settled.
    """
    watched = {(rule.name, rule.metric) for rule in rules}
    serving = None if versions is None else {0, *versions}
    left = [
        {
            **alert,
            "status": "resolved",
            "resolved_at": max(pd.Timestamp(when), alert["last_seen_at"]),
        }
        for alert in alerts[alerts["status"] == "open"].to_dict("records")
        if (alert["rule"], alert["metric"]) not in watched
        or (serving is not None and alert["model_version"] not in serving)
    ]
    return _frame([{**alert, "last_seen_at": alert["resolved_at"]} for alert in left])


def silent(rules: Iterable[Rule], rows: pd.DataFrame, *, when: pd.Timestamp) -> pd.DataFrame:
    """Rules that hear nothing in the windows known at `when`: `rule`, `metric`, `why`.

    Nobody writes their metric, or it has no value, or with `over="null"` no reference: they open
    nothing, which looks like health. `rows` are `PredictionLog.metrics()`.
    """
    rows = _checked(rows)
    rows = rows[rows["window_end"] <= when]
    found = []
    for rule in rules:
        mine = rows[rows["metric"] == rule.metric]
        if rule.since is not None:
            mine = mine[mine["window_end"] > rule.since]
        if rule.excess(mine).notna().any():
            continue
        what = "value" if mine["value"].isna().all() else "value with a reference (over='null')"
        why = f"none of {len(mine)} windows has a {what}" if len(mine) else "no window is known"
        found.append((rule.name, rule.metric, why))
    return pd.DataFrame(found, columns=["rule", "metric", "why"], dtype="str")


def _judged(rule: Rule, rows: pd.DataFrame) -> list[Alert]:
    """The known windows of a rule's metric, series by series in order of time, with `excess`."""
    mine = rows[rows["metric"] == rule.metric]
    if rule.since is not None:
        mine = mine[mine["window_end"] > rule.since]
    mine = mine.assign(excess=rule.excess(mine)).dropna(subset="excess")
    keys = ["subject", "model_version", "window_end"]
    worst = mine.sort_values([*keys, "excess"]).drop_duplicates(keys, keep="last")
    return worst.to_dict("records")


def _walk(rule: Rule, windows: Iterable[Alert], alert: Alert | None) -> list[Alert]:
    """The alerts of one series that windows after the known `alert` made or changed."""
    changed: dict[str, Alert] = {}
    seen = None if alert is None else alert["last_seen_at"]
    in_a_row = 0
    for row in windows:
        if seen is not None and row["window_end"] <= seen:
            continue
        in_a_row = in_a_row + 1 if row["excess"] > 0 else 0
        after = _step(rule, row, in_a_row, alert)
        if after is not None:
            alert = changed[after["alert_id"]] = after
    return list(changed.values())


def _step(rule: Rule, row: Alert, in_a_row: int, alert: Alert | None) -> Alert | None:
    """What one known window makes of the latest alert; None if nothing."""
    end = row["window_end"]
    # As the rule is now: an old limit beside a value judged by the new one would mislead.
    now = {
        "severity": rule.severity,
        "limit": rule.limit,
        "action": rule.action,
        "owner": rule.owner,
        "value": row["value"],
        "last_seen_at": end,
    }
    is_open = alert is not None and alert["status"] == "open"
    if not in_a_row:
        healed = {"status": "resolved", "resolved_at": end}
        return {**alert, **now, **healed} if is_open and alert is not None else None
    if not is_open and in_a_row < rule.patience:
        return None
    opened = {"status": "open", "resolved_at": pd.NaT}
    if alert is not None and (is_open or end - alert["resolved_at"] < rule.cooldown):
        return {**alert, **now, **opened, "times_seen": alert["times_seen"] + 1}
    subject, version = str(row["subject"]), int(row["model_version"])
    key = json.dumps([rule.name, rule.metric, subject, version, pd.Timestamp(end).isoformat()])
    new = {
        "alert_id": str(uuid.uuid5(_NAMESPACE, key)),
        "rule": rule.name,
        "metric": rule.metric,
        "subject": subject,
        "model_version": version,
        "times_seen": 1,
        "opened_at": end,
    }
    return {**new, **now, **opened}


def _checked(metric_rows: pd.DataFrame) -> pd.DataFrame:
    """The columns that rules need, in one form: no missing subject or version, numbers, UTC."""
    missing = [name for name in _NEEDED if name not in metric_rows.columns]
    if missing:
        raise ValueError(f"metric_rows lack {missing}; pass what PredictionLog.metrics() returns")
    rows = metric_rows[list(_NEEDED)].copy()
    if rows.empty:
        rows["window_end"] = pd.to_datetime(rows["window_end"], utc=True)
    elif not isinstance(rows["window_end"].dtype, pd.DatetimeTZDtype):
        raise ValueError(
            f"metric_rows: window_end has no time zone ({rows['window_end'].dtype}); "
            "use dt.tz_localize(zone).dt.tz_convert('UTC')"
        )
    rows["window_end"] = rows["window_end"].dt.tz_convert("UTC").dt.as_unit("us")
    rows["subject"] = rows["subject"].astype(object).fillna("").astype("str")
    rows["model_version"] = rows["model_version"].astype("Int64").fillna(0).astype("int64")
    rows = rows.astype({"value": "float64", "reference": "float64"})
    for name in ("value", "reference"):
        wrong = rows[np.isinf(rows[name])]
        if len(wrong):
            first = wrong.iloc[0]
            raise ValueError(
                f"metric {first['metric']!r} of {first['subject']!r}: {name} == {first[name]} in "
                f"{len(wrong)} rows; must be finite, or missing if it could not be computed"
            )
    return rows


def _latest(alerts: pd.DataFrame) -> dict[Key, Alert]:
    """The last opened alert of each rule, metric, subject and model version."""
    ordered = alerts.sort_values(["opened_at", "last_seen_at"]).to_dict("records")
    return {(a["rule"], a["metric"], a["subject"], int(a["model_version"])): a for a in ordered}


def _frame(alerts: list[Alert]) -> pd.DataFrame:
    frame = pd.DataFrame(alerts, columns=list(ALERT_COLUMNS))
    for name in _TIMES:
        frame[name] = pd.to_datetime(frame[name], utc=True).dt.as_unit("us")
    kinds = {"value": "float64", "limit": "float64"}
    kinds |= {"model_version": "int64", "times_seen": "int64"}
    texts = dict.fromkeys((c for c in ALERT_COLUMNS if c not in (*kinds, *_TIMES)), "str")
    return frame.astype(kinds | texts)
