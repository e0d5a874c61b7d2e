"""What one planned test found, and how much it matters: severity needs evidence and effect."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

__all__ = ["EFFECTS", "LEVELS", "Row", "Severity", "improved", "severity", "weight"]

Severity = Literal["none", "low", "medium", "high", "no data"]
LEVELS: tuple[Severity, ...] = ("none", "low", "medium", "high")
EFFECTS = {
    "psi": (0.02, 0.1, 0.25),
    "wasserstein": (0.14, 0.32, 0.5),
    "auc": (0.08, 0.18, 0.28),
    # Rows more without a value, as a share of all: half a point one looks at next time, two points
    # are worth asking who owns the feed, and where one row in twenty is scored without what the
    # model was given the scores themselves are in doubt.
    "missing": (0.005, 0.02, 0.05),
    # What the contract forbids should not come at all, so any rise that is none of chance is told;
    # from one row in two hundred on the feed is asked about, at one in fifty it is not to be used.
    "out of contract": (0.0, 0.005, 0.02),
}
"""Effects from which a significant change is low, medium and high.

The first three are above their level by chance and say the same: a shift of d standard deviations
moves the Wasserstein distance by d, the index by about d squared, and 2 AUC - 1 of a classifier
that sees it by ``2 Phi(d / sqrt(2)) - 1``. The shares that are counted, missing and out of
contract, have scales of their own in shares of all rows: an index of two bins depends on how rare
they were before, and what one does about them does not.
"""


@dataclass(frozen=True)
class Row:
    """What one planned test found, before the p-values are adjusted.

    `shares` are those before and now of what is counted (missing, out of contract, tails: before
    is what chance would give); `effect` is 2 AUC - 1 of the classifier; a row that is not `shown`
    had nothing to count on either side, or is of tails, which are shown when they have drifted.
    """

    feature: str
    column: str
    about: Literal["values", "tails", "missing", "out of contract", "all columns"]
    test: str
    statistic: float = np.nan
    p_value: float = np.nan
    psi: float = np.nan
    psi_null: float = np.nan
    wasserstein: float = np.nan
    wasserstein_null: float = np.nan
    note: str = ""
    broken: bool = False  # the column cannot be compared at all: no test is needed
    shares: tuple[float, float] = (np.nan, np.nan)
    effect: float = np.nan
    shown: bool = True


def severity(row: Row, p: float, alpha: float) -> Severity:
    """Of a row with the adjusted p-value `p`; what got better is low at most."""
    if row.broken:
        return "high"
    if np.isnan(p):
        return "no data"
    if p >= alpha:
        return "none"
    worst = max(sum(x >= limit for limit in EFFECTS[name]) for name, x in _effects(row).items())
    return LEVELS[min(worst, 1) if improved(row) else worst]


def weight(row: Row) -> float:
    """The row's largest effect in units of the one from which it is high."""
    if row.broken:
        return np.inf
    return float(np.nanmax([0.0, *(x / EFFECTS[name][-1] for name, x in _effects(row).items())]))


def improved(row: Row) -> bool:
    """Whether fewer rows than before are missing or out of contract.

    Not if all were missing before: of values that nobody has seen yet nothing good is known.
    """
    before, now = row.shares
    if row.about == "missing":
        return now < before < 1
    return row.about == "out of contract" and now < before


def _effects(row: Row) -> dict[str, float]:
    if row.about == "missing" or row.about == "out of contract":
        return {row.about: abs(row.shares[1] - row.shares[0])}
    if row.about == "all columns":
        return {"auc": row.effect}
    return {"psi": row.psi - row.psi_null, "wasserstein": row.wasserstein - row.wasserstein_null}
