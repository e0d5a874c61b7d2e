"""The judge: is the challenger better than the champion, on rows that neither was trained on?

It fails closed: missing or impossible values, too few rows or a check that raises never promote.
How often it promotes an equal and a better challenger is measured in `judge_scores`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from mlops_helpers.business import CostModel, Interval, profit_interval
from mlops_helpers.delong import auc_difference, auc_interval
from mlops_helpers.judge_checks import Row, arrays, compared, enough, no_harm, not_compared
from mlops_helpers.judge_level import level_gain
from mlops_helpers.judge_profit import profit_gain
from mlops_helpers.judge_segments import worst_group

__all__ = ["Margins", "Verdict", "judge"]

Outcome = Literal["promote", "keep", "not enough evidence"]
Metric = Literal["profit", "auc", "brier"]
METRICS = ("profit", "auc", "brier", "calibration")
"""What is compared over all rows, in the order of the table."""

MISRANKED = 10
"""Loans of the rarer class that the worse model must rank by chance, for DeLong to be trusted."""


@dataclass(frozen=True)
class Margins:
    """How much worse than the champion a challenger may be where it need not be better.

    profit: dollars per application; auc, brier: in their own units; calibration: by how much
    its mean probability may be farther from the default rate; segment: AUC that any one group may
    lose.
    brier_share, calibration_share: where defaults are rare the two margins shrink, see `at`.
    All 0 or more.
    """

    profit: float = 25.0
    auc: float = 0.01
    brier: float = 0.005
    calibration: float = 0.02
    segment: float = 0.05
    brier_share: float = 0.06
    calibration_share: float = 0.25

    def __post_init__(self) -> None:
        """Refuse margins that cannot be."""
        for name, margin in asdict(self).items():
            if not (np.isfinite(margin) and margin >= 0):
                raise ValueError(f"{name} margin is {margin!r}, must be 0 or more.")

    def at(self, default_rate: float) -> Margins:
        """The margins among loans of which that share p (0 to 1) defaults.

        0.02 is nothing at a default rate of 20 % and everything at 1 %, where a model that promises
        no default at all is off by half of that. So `calibration` is at most its share of p and
        `brier` at most its share of p (1 - p), which is the score of one who says p of everybody;
        where repaid loans are the rarer class, p is their share. With the defaults both are what
        they say from p = 9.2 % on (8 % for the calibration).
        """
        if not 0 <= default_rate <= 1:
            raise ValueError(f"default_rate is {default_rate!r}, must be a share from 0 to 1.")
        rarer = min(default_rate, 1 - default_rate)
        return replace(
            self,
            brier=min(self.brier, self.brier_share * rarer * (1 - rarer)),
            calibration=min(self.calibration, self.calibration_share * rarer),
        )


@dataclass(frozen=True)
class Verdict:
    """What the judge concluded.

    checks: always the rows evidence, profit, auc, brier and calibration, and segments if there were
    groups: check, value, low, high, limit, passed, reason. For all but evidence `value` is
    challenger minus champion, turned so that positive is better; NaN where nothing could be
    compared, and `reason` says why. `limit` is the one used, at the default rate of these loans.
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
    groups: pd.DataFrame | None = None,
    costs: CostModel | None = None,
    cutoff: float | None = None,
    primary: Metric | None = "auc",
    margins: Margins | None = None,
    min_rows: int = 300,
    min_defaults: int = 30,
    confidence: float = 0.95,
) -> Verdict:
    """Compare two models by their probabilities on the same rows, which neither was trained on.

    *promote*: on the primary metric the challenger is better (the interval of the paired difference
    lies above 0), on the others and in its level it is not worse by more than the margin, and it
    ranks no group surely worse. With `primary=None` it need not be better at anything: not worse by
    more than the margin is enough everywhere, as when an old model is to be replaced.
    *keep*: the challenger is worse on the primary metric, or surely worse than the margin on
    another or in a group, or too close to the champion to matter.
    *not enough evidence*: anything else, which includes missing or impossible values, one class
    only, too few rows, and a check that raised (its exception is named in its row).

    `groups`: columns that divide the applicants, one row for each loan, in the order of the others.
    Declined applications earn nothing; the cut-off defaults to break-even. With equal models the
    chance of *promote* is about (1 - confidence) / 2 at most; with `primary=None` that is the
    chance for a model that is worse by just a margin. All checks must pass, which costs power: with
    few rows the profit is seldom surely within its margin (see `judge_scores`).
    """
    if primary is not None and primary not in get_args(Metric):
        known = ", ".join(get_args(Metric))
        raise ValueError(f"primary is {primary!r}, must be one of {known}, or None.")
    costs, margins = costs or CostModel(), margins or Margins()
    columns = {
        "outcomes": outcome,
        "champion": champion,
        "challenger": challenger,
        "amounts": amount,
    }
    rows = [enough(columns, groups, min_rows=min_rows, min_defaults=min_defaults)]
    fit = rows[0]["passed"]
    if fit:
        label, old, new, dollars = arrays(*columns.values())
        margins = margins.at(float(label.mean()))
    limits = {name: 0.0 if name == primary else -getattr(margins, name) for name in METRICS}
    if not fit:
        limits |= {} if groups is None else {"segments": -margins.segment}
        rows += [not_compared(name, least) for name, least in limits.items()]
    else:
        limit = costs.break_even if cutoff is None else cutoff
        measures: dict[str, Callable[[], Interval]] = {
            "profit": lambda: profit_gain(
                dollars, label, old < limit, new < limit, costs=costs, confidence=confidence
            ),
            "auc": lambda: _ranking(label, old, new, confidence),
            "brier": lambda: profit_interval(
                (old - label) ** 2 - (new - label) ** 2, confidence=confidence
            ),
            "calibration": lambda: level_gain(label, old, new, confidence=confidence),
        }
        rows += [compared(name, measures[name], limits[name]) for name in METRICS]
        if groups is not None:
            rows.append(
                no_harm(
                    "segments",
                    lambda: worst_group(groups, label, old, new, confidence=confidence),
                    -margins.segment,
                )
            )
    concluded, reason = _conclude(rows, primary, margins)
    return Verdict(concluded, reason, pd.DataFrame(rows))


def _ranking(
    label: NDArray[np.float64],
    old: NDArray[np.float64],
    new: NDArray[np.float64],
    confidence: float,
) -> Interval:
    """DeLong's paired interval; refused where both rank nearly perfectly.

    A handful of badly ranked loans then decides, and the normal interval of so few is too narrow,
    like that of a rate near 0.
    """
    found = auc_difference(label, old, new, confidence=confidence)
    champion = auc_interval(label, old).value
    rarer = min(label.sum(), (1 - label).sum())
    misranked = 2 * (1 - min(champion, champion + found.value)) * rarer
    if misranked < MISRANKED:
        raise ValueError(
            f"both rank nearly perfectly: of {rarer:.0f} loans of the rarer class the worse model "
            f"ranks {misranked:.1f} as by chance, needs {MISRANKED}; wait for more outcomes"
        )
    return found


def _conclude(rows: Sequence[Row], primary: Metric | None, margins: Margins) -> tuple[Outcome, str]:
    failed = [row for row in rows if not row["passed"]]
    if not failed:
        return "promote", _reasons(rows)
    evidence, *metrics = rows
    if not evidence["passed"]:
        return "not enough evidence", _reasons([evidence])
    if any(np.isnan(row["high"]) for row in metrics):
        return "not enough evidence", _reasons(failed)
    harmful = [row for row in metrics if row["high"] < row["limit"]]
    if harmful:
        return "keep", f"the challenger is worse: {_reasons(harmful)}"
    main = next((row for row in failed if row["check"] == primary), None)
    if main is not None:
        margin = getattr(margins, main["check"])
        if -margin <= main["low"] and main["high"] <= margin:
            return "keep", f"too close to matter (margin {margin:g}): {_reasons([main])}"
    return "not enough evidence", _reasons(failed)


def _reasons(rows: Sequence[Row]) -> str:
    return "; ".join(row["reason"] for row in rows) + "."
