"""What a decision about a loan is worth: profit per application, cut-offs, intervals.

A lender earns a margin on the amount of each loan that is repaid and loses a share of the amount
of each loan that defaults; a declined application earns nothing. Everything here is in dollars.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats

__all__ = [
    "UNKNOWN",
    "CostModel",
    "CutoffChoice",
    "Interval",
    "best_cutoff",
    "in_dollars",
    "in_words",
    "p_in_words",
    "profit_curve",
    "profit_interval",
]

FloatArray = NDArray[np.float64]
MIN_ROWS = 30
"""Values that a mean needs before it gets an interval."""


@dataclass(frozen=True)
class CostModel:
    """What one dollar lent earns when it is repaid and costs when it is not.

    margin: earned per dollar of a repaid loan, above 0.
    loss_given_default: lost per dollar of a defaulted loan, above 0 and at most 1.
    """

    margin: float = 0.12
    loss_given_default: float = 0.55

    def __post_init__(self) -> None:
        """Refuse costs that cannot be."""
        if not (np.isfinite(self.margin) and self.margin > 0):
            raise ValueError(
                f"margin is {self.margin!r}, must be a number above 0. "
                "Give what a repaid dollar earns, e.g. 0.12."
            )
        if not 0 < self.loss_given_default <= 1:
            raise ValueError(
                f"loss_given_default is {self.loss_given_default!r}, must be above 0 and at most "
                "1. Give it as a share of the amount, e.g. 0.55 for 55 %."
            )

    @property
    def break_even(self) -> float:
        """The probability of default at which a loan is expected to earn exactly nothing.

        Solves ``margin * (1 - p) = loss_given_default * p``. Approving below it is right for
        calibrated probabilities, whatever the amount.
        """
        return self.margin / (self.margin + self.loss_given_default)

    def profit(
        self, amount: ArrayLike, default: ArrayLike, approved: ArrayLike | None = None
    ) -> FloatArray:
        """Profit of each application in dollars; 0 for one that was declined.

        An approved loan whose outcome is not known yet has profit NaN, never 0: leave it out (and
        count it) before you average. Without `approved` every loan counts as approved.
        """
        dollars, outcome = _aligned(amount=amount, default=default)
        _require_outcomes(outcome)
        earned = np.where(outcome == 1, -self.loss_given_default, self.margin) * dollars
        earned = np.where(np.isnan(outcome), np.nan, earned)
        if approved is None:
            return earned
        taken = np.asarray(approved, dtype=bool)
        if taken.shape != dollars.shape:
            raise ValueError(
                f"approved has {taken.size} values, amount has {dollars.size}. Give one per loan."
            )
        return np.where(taken, earned, 0.0)

    def expected_profit(self, amount: ArrayLike, probability: ArrayLike) -> FloatArray:
        """Expected profit in dollars of approving each application, before any outcome is known."""
        dollars, chance = _aligned(amount=amount, probability=probability)
        return dollars * (self.margin * (1 - chance) - self.loss_given_default * chance)


@dataclass(frozen=True)
class Interval:
    """A mean with its confidence interval. NaN limits mean: too few values to say anything."""

    value: float
    low: float
    high: float
    n: int

    @property
    def known(self) -> bool:
        """Whether both limits are finite."""
        return bool(np.isfinite(self.low) and np.isfinite(self.high))


UNKNOWN = Interval(float("nan"), float("nan"), float("nan"), 0)


@dataclass(frozen=True)
class CutoffChoice:
    """The cut-off that would have earned most on the rows it was chosen from."""

    cutoff: float
    profit_per_application: float
    approval_rate: float
    default_rate: float
    n: int


def profit_curve(
    probability: ArrayLike,
    default: ArrayLike,
    amount: ArrayLike,
    costs: CostModel,
    *,
    cutoffs: ArrayLike | None = None,
) -> pd.DataFrame:
    """What each cut-off would have earned on loans whose outcomes are all known.

    Comes back with one row per cut-off: cutoff, approval_rate, default_rate (among approved, NaN
    when nobody is), profit_per_application (declined ones count as 0). An application is approved
    when its probability is below the cut-off. `cutoffs` defaults to 0, 0.005, ... 1.
    """
    chance, outcome, dollars = _aligned(probability=probability, default=default, amount=amount)
    _require_outcomes(outcome)
    if chance.size == 0 or np.isnan(chance).any() or np.isnan(outcome).any():
        raise ValueError(
            f"{chance.size} rows, {int(np.isnan(chance).sum())} probabilities and "
            f"{int(np.isnan(outcome).sum())} outcomes missing; a cut-off needs at least one row "
            "and all of them known. Leave out the loans whose outcome is not known yet."
        )
    limits = np.linspace(0, 1, 201) if cutoffs is None else np.asarray(cutoffs, dtype=float)
    order = np.argsort(chance, kind="stable")
    approved = np.searchsorted(chance[order], limits, side="left")
    earned = np.concatenate([[0.0], np.cumsum(costs.profit(dollars, outcome)[order])])
    defaults = np.concatenate([[0.0], np.cumsum(outcome[order])])
    rate = np.full(limits.shape, np.nan)
    np.divide(defaults[approved], approved, out=rate, where=approved > 0)
    return pd.DataFrame(
        {
            "cutoff": limits,
            "approval_rate": approved / chance.size,
            "default_rate": rate,
            "profit_per_application": earned[approved] / chance.size,
        }
    )


def best_cutoff(
    probability: ArrayLike,
    default: ArrayLike,
    amount: ArrayLike,
    costs: CostModel,
    *,
    cutoffs: ArrayLike | None = None,
) -> CutoffChoice:
    """The most profitable cut-off of :func:`profit_curve`; of equal ones the lowest.

    It is chosen with hindsight, so its profit flatters itself: measure it on other rows.
    """
    curve = profit_curve(probability, default, amount, costs, cutoffs=cutoffs)
    best = curve.loc[curve["profit_per_application"].idxmax()]
    return CutoffChoice(
        cutoff=float(best["cutoff"]),
        profit_per_application=float(best["profit_per_application"]),
        approval_rate=float(best["approval_rate"]),
        default_rate=float(best["default_rate"]),
        n=int(np.size(probability)),
    )


def profit_interval(profit: ArrayLike, *, confidence: float = 0.95) -> Interval:
    """Mean profit per application with Student's t interval.

    For two models on the same applications pass the difference of their profits, row by row: the
    interval is then the paired one. With fewer than `MIN_ROWS` values the limits are NaN: a few
    losses among many small gains are too skewed for a t interval. It is still too narrow, mostly
    on the side of the losses, while there are only a handful of defaults: count them beside it. A
    missing profit raises, because averaging what happens to be known answers another question.
    """
    values = np.asarray(profit, dtype=float)
    if not 0 < confidence < 1:
        raise ValueError(f"confidence is {confidence!r}, must lie between 0 and 1, e.g. 0.95.")
    if np.isnan(values).any():
        raise ValueError(
            f"{int(np.isnan(values).sum())} of {values.size} profits are missing. Leave out the "
            "loans whose outcome is not known yet, and report how many they are."
        )
    if values.size < MIN_ROWS:
        mean = float(values.mean()) if values.size else float("nan")
        return Interval(mean, float("nan"), float("nan"), int(values.size))
    mean = float(values.mean())
    error = float(values.std(ddof=1) / np.sqrt(values.size))
    reach = float(stats.t.ppf((1 + confidence) / 2, values.size - 1)) * error
    return Interval(mean, mean - reach, mean + reach, int(values.size))


def in_words(value: float) -> str:
    """A figure for a sentence: whole from 100 up, three significant digits below."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def in_dollars(value: float) -> str:
    """Dollars and cents for a sentence, the sign before the currency: -$12.50."""
    return f"{'-' if value < 0 else ''}${abs(value):,.2f}"


def p_in_words(p_value: float) -> str:
    """A p-value for a sentence; below 1e-16 only that it is below."""
    return "p below 1e-16" if p_value < 1e-16 else f"p = {p_value:.2g}"


def _aligned(**columns: ArrayLike) -> tuple[FloatArray, ...]:
    """The columns as float arrays of one length; missing values become NaN."""
    arrays = {
        name: np.atleast_1d(pd.Series(np.ravel(column)).to_numpy(dtype=float, na_value=np.nan))
        for name, column in columns.items()
    }
    sizes = {name: array.size for name, array in arrays.items()}
    if len(set(sizes.values())) > 1:
        told = ", ".join(f"{name} {size}" for name, size in sizes.items())
        raise ValueError(f"The columns differ in length ({told}). Give one value per loan in each.")
    return tuple(arrays.values())


def _require_outcomes(outcome: FloatArray) -> None:
    known = outcome[~np.isnan(outcome)]
    wrong = known[(known != 0) & (known != 1)]
    if wrong.size:
        raise ValueError(
            f"default contains {wrong[0]:g}, must be 0 (repaid), 1 (defaulted) or missing. "
            "Probabilities are no outcomes: see expected_profit."
        )
