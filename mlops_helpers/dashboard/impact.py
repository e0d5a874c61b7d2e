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
from mlops_helpers.plots.base import said

COLUMNS = ["name", "value", "low", "high", "n", "against", "gain", "gain_low", "gain_high"]


def compare(rows: pd.DataFrame, plans: list[dict[str, Any]], costs: CostModel) -> pd.DataFrame:
    """One row a policy: profit per application with 95 % interval, and the gain over a baseline.

    `rows` are predictions with outcomes where known (`PredictionLog.window()`), `plans` the stored
    experiments. Columns: name, value, low, high, n, against (the baseline's name or missing), gain,
    gain_low, gain_high. Only months are counted whose approved loans all have their outcome.
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
    verb = "earns" if last["gain"] >= 0 else "loses"
    low, high = sorted([last["gain_low"], last["gain_high"]])
    sure = "" if low > 0 or high < 0 else " – not decided"
    return (
        f"{last['name']} {verb} {said(abs(last['gain']), '$')} an application against "
        f"{last['against']} [{said(low, '$')}, {said(high, '$')}]{sure}"
    )


def _advised(rows: pd.DataFrame, version: str, costs: CostModel) -> list[dict[str, Any]]:
    """Approve all against the advice, on the same loans."""
    if rows.empty:
        return []
    everything = costs.profit(rows["loan_amount"], rows["default"])
    advice = costs.profit(rows["loan_amount"], rows["default"], rows["decision"] == "approve")
    months = _months(rows)
    baseline = f"approve all ({months})"
    return [
        _row(baseline, profit_interval(everything)),
        _row(
            f"{version} ({months})",
            profit_interval(advice),
            baseline,
            profit_interval(advice - everything),
        ),
    ]


def _experiment(rows: pd.DataFrame, plan: dict[str, Any], costs: CostModel) -> list[dict[str, Any]]:
    """Each arm on its own applications; the others against the first."""
    known = _complete_months(rows)
    profits, names = {}, {}
    for arm in plan["arms"]:
        part = known[known["variant"] == arm]
        if len(part) >= 2:
            profits[arm] = costs.profit(
                part["loan_amount"], part["default"], part["decision"] == "approve"
            )
            names[arm] = f"v{part['model_version'].iloc[0]} {arm} ({_months(part)})"
    control = plan["arms"][0]
    return [
        _row(names[arm], profit_interval(profit))
        if arm == control or control not in profits
        else _row(
            names[arm],
            profit_interval(profit),
            names[control],
            _difference(profits[control], profit),
        )
        for arm, profit in profits.items()
    ]


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
    name: str, profit: Interval, against: str | None = None, gain: Interval | None = None
) -> dict[str, Any]:
    nothing = float("nan")
    return {
        "name": name,
        "value": profit.value,
        "low": profit.low,
        "high": profit.high,
        "n": profit.n,
        "against": against,
        "gain": gain.value if gain else nothing,
        "gain_low": gain.low if gain else nothing,
        "gain_high": gain.high if gain else nothing,
    }


def _months(rows: pd.DataFrame) -> str:
    first, last = rows["scored_at"].min(), rows["scored_at"].max()
    if (first.year, first.month) == (last.year, last.month):
        return f"{first:%b %Y}"
    return f"{first:%b %y}–{last:%b %y}"
