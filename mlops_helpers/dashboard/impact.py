"""What the decisions earned: profit per application of each policy, against a named baseline.

Two comparisons, each fair in itself: while the model only advised, every loan was granted, so
"approve all" and "follow the advice" are known for the same loans (a paired difference). In the
experiment each arm decided about its own share of the applications (independent samples), and
what "approve all" would have earned there nobody knows.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from mlops_helpers.business import CostModel, Interval, profit_interval
from mlops_helpers.exposure_checks import one_arm_each
from mlops_helpers.lifecycle import stages
from mlops_helpers.plots.base import said

COLUMNS = [
    "name",
    "window",
    "value",
    "low",
    "high",
    "n",
    "against",
    "gain",
    "gain_low",
    "gain_high",
]


def compare(rows: pd.DataFrame, plans: list[dict[str, Any]], costs: CostModel) -> pd.DataFrame:
    """One row a policy: profit per application with 95 % interval, and the gain over a baseline.

    `rows` are predictions with outcomes where known (`PredictionLog.window()`), `plans` the records
    of the experiments. Columns: `COLUMNS`; `against` is the baseline's name, missing for the
    baselines themselves. Only months are counted whose approved loans all have their outcome.
    """
    found: list[dict[str, Any]] = []
    advised = rows[rows["experiment"].isna()]
    for version, part in advised.groupby("model_version"):
        found += _advised(part[part["default"].notna()], f"v{version}", costs)
    for plan in plans:
        found += _experiment(rows[rows["experiment"] == plan["name"]], plan, costs)
    return pd.DataFrame(found, columns=COLUMNS)


def finding(frame: pd.DataFrame) -> str:
    """The last comparison in one sentence, with its interval."""
    compared = frame.dropna(subset="gain")
    if compared.empty:
        best = frame.loc[frame["value"].idxmax()]
        return f"{best['name']}: {said(best['value'], '$')} an application"
    last = compared.iloc[-1]
    more = "more" if last["gain"] >= 0 else "less"
    low, high = float(last["gain_low"]), float(last["gain_high"])
    sure = "" if low > 0 or high < 0 else ", undecided"
    name, against = last["name"], last["against"]
    if name.split()[0] != against.split()[0] and " " in name:  # versions say enough, arms need not
        name, against = name.split()[0], against.split()[0]
    return (
        f"{name} earns {said(abs(last['gain']), '$')} {more} an application than "
        f"{against} [{said(low, '$')}, {said(high, '$')}]{sure}"
    )


def _advised(rows: pd.DataFrame, version: str, costs: CostModel) -> list[dict[str, Any]]:
    """Approve all against the advice, on the same loans."""
    if rows.empty:
        return []
    everything = costs.profit(rows["loan_amount"], rows["default"])
    advice = costs.profit(rows["loan_amount"], rows["default"], rows["decision"] == "approve")
    window = _window(rows)
    return [
        _row("approve all", window, profit_interval(everything)),
        _row(
            version,
            window,
            profit_interval(advice),
            "approve all",
            profit_interval(advice - everything),
        ),
    ]


def _experiment(rows: pd.DataFrame, plan: dict[str, Any], costs: CostModel) -> list[dict[str, Any]]:
    """Each arm on its own units, from the full split on; the others against the first."""
    units, _ = one_arm_each(rows, tuple(plan["arms"]))
    known = _complete_months(_at_full_split(units, plan))
    versions = plan.get("versions")
    control, found, before = plan["arms"][0], [], None
    for arm in plan["arms"]:
        part = known[known["variant"] == arm]
        if len(part) < 2:
            continue
        profit = costs.profit(part["loan_amount"], part["default"], part["decision"] == "approve")
        seen = part["model_version"].iloc[0]  # all that an earlier release's record lets us say
        name = f"v{versions[arm] if isinstance(versions, dict) else seen} {arm}"
        row = (name, _window(part), profit_interval(profit))
        found.append(
            _row(*row, before[0], _difference(before[1], profit)) if before else _row(*row)
        )
        before = (name, profit) if arm == control else before
    return found


def _at_full_split(rows: pd.DataFrame, plan: dict[str, Any]) -> pd.DataFrame:
    """The rows after the ramp: before, a month with few treated would weigh the arms apart."""
    lived = stages(plan)
    full = [stage.since for stage in lived if stage.full]
    if not full:
        return rows.head(0)
    return rows if lived[0].full else rows[rows["scored_at"] >= full[0]]


def _complete_months(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of months in which every approved loan has its outcome."""
    month = rows["scored_at"].dt.strftime("%Y-%m")
    waiting = (rows["decision"] == "approve") & rows["default"].isna()
    return rows[~month.isin(month[waiting])]


def _difference(control: np.ndarray, treatment: np.ndarray) -> Interval:
    """Welch's interval for the difference of two means (treatment minus control)."""
    result = stats.ttest_ind(treatment, control, equal_var=False).confidence_interval(0.95)
    gain = float(treatment.mean() - control.mean())
    return Interval(gain, float(result.low), float(result.high), len(control) + len(treatment))


def _row(
    name: str,
    window: str,
    profit: Interval,
    against: str | None = None,
    gain: Interval | None = None,
) -> dict[str, Any]:
    nothing = float("nan")
    return {
        "name": name,
        "window": window,
        "value": profit.value,
        "low": profit.low,
        "high": profit.high,
        "n": profit.n,
        "against": against,
        "gain": gain.value if gain else nothing,
        "gain_low": gain.low if gain else nothing,
        "gain_high": gain.high if gain else nothing,
    }


def months(start: pd.Timestamp, end: pd.Timestamp) -> str:
    """The months of [start, end) in words: `Dec 2023–Jan 2024`, `Aug–Dec 2024`, `Aug 2024`."""
    last = end - pd.Timedelta(microseconds=1)
    if (start.year, start.month) == (last.year, last.month):
        return f"{start:%b %Y}"
    return f"{start:%b}{'' if start.year == last.year else f'{start: %Y}'}–{last:%b %Y}"


def _window(rows: pd.DataFrame) -> str:
    return months(rows["scored_at"].min(), rows["scored_at"].max() + pd.Timedelta(microseconds=1))
