"""Checks of notebook 06: a panel that cannot move, and a cut-off chosen under a condition."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from mlops_helpers.exercises.engine import Wrong, exercise, number


def _rows(defaults: int, repaid: int, declined: int, waiting: int) -> pd.DataFrame:
    """Logged predictions: approved ones with outcomes, declined ones that defaulted, young ones."""
    groups = (
        ("approve", 1.0, defaults),
        ("approve", 0.0, repaid),
        ("decline", 1.0, declined),
        ("approve", np.nan, waiting),
    )
    return pd.DataFrame(
        [(decision, default) for decision, default, n in groups for _ in range(n)],
        columns=["decision", "default"],
    )


@exercise(
    "6.1",
    title="Find the fault: a panel that cannot move",
    fault=True,
    hints=(
        "Which number in the panel would still be there if the store were empty?",
        "A share needs both its parts from the same rows. Which rows can have defaulted at all?",
        "Keep the approved rows whose outcome is known; the mean of `default` there is the rate.",
    ),
)
def default_rate(answer: Callable[[pd.DataFrame], Any]) -> str:
    """`answer(rows)` is the default rate among approved applications with a known outcome."""
    found = number(answer(_rows(20, 80, 0, 0)), "the rate of 20 defaults among 100 approved loans")
    if abs(found - 20) < 1e-9:
        raise Wrong("20 defaults among 100 approved loans gave 20: a rate is a share, from 0 to 1")
    more = number(answer(_rows(20, 380, 0, 0)), "the rate of 20 defaults among 400 approved loans")
    if abs(found - more) < 1e-9:
        raise Wrong(
            f"100 approved loans with 20 defaults gave {found:.3g}, and so did 400 loans with 20: "
            "something in it does not come from the rows"
        )
    if abs(found - 0.2) > 1e-9:
        raise Wrong(f"20 defaults among 100 approved loans gave {found:.3g}; count by hand")
    declined = number(answer(_rows(20, 80, 50, 0)), "the rate beside 50 declined applications")
    if abs(declined - 0.2) > 1e-9:
        raise Wrong(
            f"50 declined applications moved the rate to {declined:.3g}; nobody lent them any money"
        )
    young = number(answer(_rows(20, 80, 0, 100)), "the rate beside 100 loans without an outcome")
    if abs(young - 0.2) > 1e-9:
        raise Wrong(
            f"100 loans whose outcome is not known yet moved the rate to {young:.3g}; "
            "not known is not the same as repaid"
        )
    return "it follows the store, and counts only loans that were granted and have shown themselves"


def _curve(profits: list[float], approvals: list[float]) -> pd.DataFrame:
    """A curve over evenly spaced cut-offs."""
    return pd.DataFrame(
        {
            "cutoff": np.round(np.linspace(0.1, 0.1 * len(profits), len(profits)), 2),
            "profit_per_application": profits,
            "approval_rate": approvals,
            "default_rate": np.linspace(0.02, 0.2, len(profits)),
        }
    )


@exercise(
    "6.2",
    title="A cut-off under a condition",
    hints=(
        "Strike out the cut-offs that break the condition first; the best of the rest is wanted.",
        "Keep the rows whose approval rate is the limit or more; which columns do you need then?",
        "`idxmax()` gives the label of the largest profit; what is asked for is the cut-off there.",
    ),
)
def cutoff_under_condition(answer: Callable[[pd.DataFrame, float], Any]) -> str:
    """`answer(curve, least_approved)` is the most profitable cut-off that approves enough."""
    curve = _curve([100.0, 300.0, 250.0, 120.0], [0.2, 0.5, 0.7, 0.95])
    found = number(answer(curve, 0.6), "the cut-off")
    if found in set(curve["profit_per_application"]):
        raise Wrong(f"it returned {found:g}, which is a profit; the board needs the cut-off")
    if found in set(curve["approval_rate"]) - set(curve["cutoff"]):
        raise Wrong(
            f"it returned {found:g}, which is an approval rate; the board needs the cut-off"
        )
    if not np.isclose(curve["cutoff"], found).any():
        raise Wrong(f"{found:g} is no cut-off of the curve, which has {list(curve['cutoff'])}")
    row = curve[np.isclose(curve["cutoff"], found)].iloc[0]
    if row["approval_rate"] < 0.6:
        raise Wrong(
            f"with at least 60 % to be approved it chose {found:g}, which approves "
            f"{row['approval_rate']:.0%}; the condition comes before the profit"
        )
    if not np.isclose(found, 0.3):
        raise Wrong(
            f"it chose {found:g}, which earns ${row['profit_per_application']:g}; another cut-off "
            "that approves enough earns more"
        )
    free = number(answer(curve, 0.0), "the cut-off without a condition")
    if not np.isclose(free, 0.2):
        raise Wrong(f"without a condition it chose {free:g}; the most profitable one is free then")
    edge = number(answer(curve, 0.5), "the cut-off for a limit that one cut-off meets exactly")
    if not np.isclose(edge, 0.2):
        raise Wrong("an approval rate of exactly 50 % does meet 'at least 50 %'")
    return "the condition strikes out first, the profit chooses among the rest"
