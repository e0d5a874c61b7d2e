"""The judge: is the challenger better than the champion, on rows that neither was trained on?

It fails closed: missing or impossible values, too few rows or a check that raises never promote.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from mlops_helpers.business import UNKNOWN, CostModel, Interval, in_words, profit_interval
from mlops_helpers.delong import auc_difference

__all__ = ["Margins", "Verdict", "judge"]

Outcome = Literal["promote", "keep", "not enough evidence"]
Metric = Literal["profit", "auc", "brier"]


@dataclass(frozen=True)
class Margins:
    """How much worse than the champion a challenger may be where it need not be better.

    profit: dollars per application; auc, brier: in their own units. All 0 or more.
    """

    profit: float = 25.0
    auc: float = 0.01
    brier: float = 0.005

    def __post_init__(self) -> None:
        """Refuse margins that cannot be."""
        for name, margin in asdict(self).items():
            if not (np.isfinite(margin) and margin >= 0):
                raise ValueError(f"{name} margin is {margin!r}, must be 0 or more.")


@dataclass(frozen=True)
class Verdict:
    """What the judge concluded.

    checks: always four rows, evidence, profit, auc and brier: check, value, low, high, limit,
    passed, reason. For the three metrics `value` is challenger minus champion, turned so that
    positive is better; NaN where nothing could be compared, and `reason` says why.
    """

    outcome: Outcome
    reason: str
    checks: pd.DataFrame = field(compare=False)

    @property
    def promote(self) -> bool:
        """True only for the outcome *promote*."""
        return self.outcome == "promote"

    @property
    def sentence(self) -> str:
        """The verdict in words."""
        return f"{self.outcome[0].upper()}{self.outcome[1:]}: {self.reason}"


def judge(
    outcome: ArrayLike,
    champion: ArrayLike,
    challenger: ArrayLike,
    amount: ArrayLike,
    *,
    costs: CostModel | None = None,
    cutoff: float | None = None,
    primary: Metric = "auc",
    margins: Margins | None = None,
    min_rows: int = 300,
    min_defaults: int = 30,
    confidence: float = 0.95,
) -> Verdict:
    """Compare two models by their probabilities on the same rows, which neither was trained on.

    *promote*: on the primary metric the challenger is better (the interval of the paired difference
    lies above 0), and on the other two it is not worse by more than the margin.
    *keep*: the challenger is worse on the primary metric, or surely worse than the margin on
    another, or too close to the champion to matter.
    *not enough evidence*: anything else, which includes missing or impossible values, one class
    only, too few rows, and a check that raised (its exception is named in its row).

    Declined applications earn nothing; the cut-off defaults to break-even. With equal models the
    chance of *promote* is at most (1 - confidence) / 2.
    """
    if primary not in get_args(Metric):
        raise ValueError(f"primary is {primary!r}, must be one of {', '.join(get_args(Metric))}.")
    costs, margins = costs or CostModel(), margins or Margins()
    limit = costs.break_even if cutoff is None else cutoff
    rows = [_enough(outcome, champion, challenger, amount, min_rows, min_defaults)]
    limits = {
        name: 0.0 if name == primary else -getattr(margins, name) for name in get_args(Metric)
    }
    if not rows[0]["passed"]:
        rows += [_not_compared(name, least) for name, least in limits.items()]
    else:
        label, old, new, dollars = _arrays(outcome, champion, challenger, amount)
        measures: dict[Metric, Callable[[], Interval]] = {
            "profit": lambda: profit_interval(
                costs.profit(dollars, label, new < limit)
                - costs.profit(dollars, label, old < limit),
                confidence=confidence,
            ),
            "auc": lambda: auc_difference(label, old, new, confidence=confidence),
            "brier": lambda: profit_interval(
                (old - label) ** 2 - (new - label) ** 2, confidence=confidence
            ),
        }
        rows += [_compare(name, measure, limits[name]) for name, measure in measures.items()]
    checks = pd.DataFrame(rows)
    concluded, reason = _conclude(checks, primary, margins)
    return Verdict(concluded, reason, checks)


def _conclude(checks: pd.DataFrame, primary: Metric, margins: Margins) -> tuple[Outcome, str]:
    by_name = checks.set_index("check")
    failed = by_name.loc[~by_name["passed"]]
    if failed.empty:
        return "promote", "; ".join(by_name["reason"]) + "."
    if "evidence" in failed.index:
        return "not enough evidence", f"{failed.loc['evidence', 'reason']}."
    metrics = by_name.loc[by_name.index != "evidence"]
    if metrics["high"].isna().any():
        return "not enough evidence", "; ".join(failed["reason"]) + "."
    main, harmful = metrics.loc[primary], metrics[metrics["high"] < metrics["limit"]]
    if not harmful.empty:
        return "keep", "the challenger is worse: " + "; ".join(harmful["reason"]) + "."
    margin = getattr(margins, primary)
    if main["low"] <= 0 and -margin < main["low"] and main["high"] < margin:
        return "keep", f"too close to matter (margin {margin:g}): {main['reason']}."
    return "not enough evidence", "; ".join(failed["reason"]) + "."


def _compare(name: str, measure: Callable[[], Interval], limit: float) -> dict[str, object]:
    try:
        found = measure()
    except Exception as problem:  # noqa: BLE001 - fails closed: the check is refused, by name
        found, note = UNKNOWN, f"{name} could not be compared ({type(problem).__name__}: {problem})"
    else:
        note = (
            f"{name} difference {in_words(found.value)} [{in_words(found.low)}, "
            f"{in_words(found.high)}], must lie above {in_words(limit)}"
        )
    return {
        "check": name,
        "value": found.value,
        "low": found.low,
        "high": found.high,
        "limit": limit,
        "passed": bool(found.low > limit),
        "reason": note,
    }


def _not_compared(name: str, limit: float) -> dict[str, object]:
    """The row of a metric that was not looked at, because the evidence is unfit."""
    return {
        "check": name,
        "value": UNKNOWN.value,
        "low": UNKNOWN.low,
        "high": UNKNOWN.high,
        "limit": limit,
        "passed": False,
        "reason": f"{name} was not compared: the evidence is unfit",
    }


def _enough(
    outcome: ArrayLike,
    champion: ArrayLike,
    challenger: ArrayLike,
    amount: ArrayLike,
    min_rows: int,
    min_defaults: int,
) -> dict[str, object]:
    """The first check: are these rows fit to be compared on at all?"""
    n, passed = float("nan"), False
    try:
        label, old, new, dollars = _arrays(outcome, champion, challenger, amount)
    except (TypeError, ValueError) as problem:
        note = f"the columns cannot be read ({type(problem).__name__}: {problem})"
    else:
        n = float(label.size)
        note = _shortage(label, old, new, dollars, min_rows, min_defaults)
        if not note:
            passed, note = True, f"{label.size} rows, {int(label.sum())} defaults"
    return {
        "check": "evidence",
        "value": n,
        "low": float("nan"),
        "high": float("nan"),
        "limit": float(min_rows),
        "passed": passed,
        "reason": note,
    }


def _shortage(
    label: np.ndarray,
    old: np.ndarray,
    new: np.ndarray,
    dollars: np.ndarray,
    min_rows: int,
    min_defaults: int,
) -> str:
    """What is wrong with the rows, in words; empty when nothing is."""
    columns = {"outcomes": label, "champion": old, "challenger": new, "amounts": dollars}
    if len({array.size for array in columns.values()}) > 1:
        return "lengths differ: " + ", ".join(f"{k} {a.size}" for k, a in columns.items())
    missing = {k: int((~np.isfinite(a)).sum()) for k, a in columns.items()}
    if any(missing.values()):
        return "values missing: " + ", ".join(f"{k} {count}" for k, count in missing.items())
    if not np.isin(label, (0, 1)).all():
        return "an outcome is neither 0 nor 1"
    for name, scores in (("champion", old), ("challenger", new)):
        if scores.size and not (scores.min() >= 0 and scores.max() <= 1):
            return f"a probability of the {name} lies outside 0 to 1"
    defaults, repaid = int(label.sum()), int((1 - label).sum())
    if label.size < min_rows or min(defaults, repaid) < min_defaults:
        return (
            f"{label.size} rows (needs {min_rows}), {defaults} defaults and {repaid} repaid "
            f"(needs {min_defaults} of each)"
        )
    return ""


def _arrays(*columns: ArrayLike) -> tuple[np.ndarray, ...]:
    return tuple(pd.Series(np.ravel(c)).to_numpy(dtype=float, na_value=np.nan) for c in columns)
