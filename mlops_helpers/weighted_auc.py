"""The difference of two AUCs on rows that stand for different numbers of applicants.

An area under the ROC curve of weighted rows, and DeLong's variance with weighted placements: with
equal weights it is that of `delong`. Sources: as in `delong`; for rows that were verified with a
known chance T. A. Alonzo and M. S. Pepe (2005), JRSS C 54, 173-190.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from mlops_helpers.business import Interval
from mlops_helpers.delong import MIN_PER_CLASS

__all__ = ["MIN_HEAVY", "weighted_auc_difference"]

MIN_HEAVY = 8
"""Effective rows of each class among the heavy ones that an interval needs, if they matter."""
HEAVY, MATTERS = 2.0, 0.02
"""Heavy: more than twice the median weight. They matter from a fiftieth of all weight on."""

FloatArray = NDArray[np.float64]


def weighted_auc_difference(
    outcome: ArrayLike,
    champion: ArrayLike,
    challenger: ArrayLike,
    weights: ArrayLike,
    *,
    confidence: float = 0.95,
) -> Interval:
    """AUC of the challenger minus that of the champion, each row counted `weights` times.

    The interval is DeLong's with weighted placements: a row's part of the variance is the square
    of its weight times its distance from the AUC, over the square of all weights. Few heavy rows
    make the variance itself uncertain, so that Student's t takes the place of the normal, with as
    many degrees of freedom as rows that carry it: (sum of parts)² / sum of parts². With equal
    weights it is the interval of `delong.auc_difference` but for one part in a hundred. Rows of
    weight 0 count for nothing. No limits with fewer than `MIN_PER_CLASS` of a class. O(n log n).

    No limits either where heavy rows matter and are effectively fewer than `MIN_HEAVY` of a class,
    (sum of weights)² / sum of weights²: a sample that by chance has hardly a heavy default does not
    show by its own spread what it lacks.

    The two tails are not alike where heavy rows are few. Two equal models, 3,000 applicants after
    a policy change, the declined let in by a known chance (1,000 draws of the pool of `selection`
    with seed 2026, draw i seeded [3, i]; in brackets what it would be without that rule):

    ==========================  ===============  ===============  =========
    chance of the declined      called better    called worse     no limits
    ==========================  ===============  ===============  =========
    10 %                        1.9 % (4.0)      0.4 % (0.4)      12 %
    5 %                         0.0 % (7.6)      0.1 % (0.1)      80 %
    soft cut-off, 5 % or more   1.0 % (6.3)      0.1 % (0.1)      49 %
    ==========================  ===============  ===============  =========
    """
    label, old, new, weight = (
        np.asarray(column, dtype=float) for column in (outcome, champion, challenger, weights)
    )
    if len({label.size, old.size, new.size, weight.size}) > 1 or not np.isin(label, (0, 1)).all():
        raise ValueError(
            f"{label.size} outcomes, {old.size} and {new.size} scores, {weight.size} weights: one "
            "of each per row, and outcomes must be 0 or 1. Leave out loans without an outcome."
        )
    if not (np.isfinite([old, new, weight]).all() and (weight >= 0).all()):
        raise ValueError("a score or weight is missing or infinite, or a weight is below 0.")
    bad = label == 1
    if not (weight[bad].any() and weight[~bad].any()):
        raise ValueError("an AUC needs defaults and repaid loans with a weight above 0.")
    pairs = [_placements(score, bad, weight) for score in (old, new)]
    of_bad, of_good = (second - first for first, second in zip(*pairs, strict=True))
    value = float(np.average(of_bad, weights=weight[bad]))
    parts = np.concatenate(
        [
            w * (part - value) / w.sum()
            for w, part in ((weight[bad], of_bad), (weight[~bad], of_good))
        ]
    )
    variance = float((parts**2).sum())
    freedom = variance**2 / float((parts**4).sum()) if variance > 0 else np.inf
    counted = weight > 0
    few = min((bad & counted).sum(), (~bad & counted).sum()) < MIN_PER_CLASS
    heavy = weight > HEAVY * np.median(weight[counted])
    if weight[heavy].sum() > MATTERS * weight.sum():
        few |= min(_effective(weight[heavy & bad]), _effective(weight[heavy & ~bad])) < MIN_HEAVY
    reach = np.nan if few else special.stdtrit(freedom, (1 + confidence) / 2) * variance**0.5
    return Interval(value, float(value - reach), float(value + reach), label.size)


def _effective(weight: FloatArray) -> float:
    """How many rows of equal weight would say as much about a mean; 0 without any."""
    return float(weight.sum() ** 2 / (weight**2).sum()) if weight.size else 0.0


def _placements(
    score: FloatArray, bad: NDArray[np.bool_], weight: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """The weighted share of repaid loans below each default, of defaults above each repaid loan."""
    order = np.argsort(score)
    fresh = np.ones(score.size, dtype=bool)
    fresh[1:] = np.diff(score[order]) != 0
    starts, group = np.flatnonzero(fresh), np.cumsum(fresh) - 1
    below = []
    for others in (~bad, bad):
        tied = np.add.reduceat(np.where(others, weight, 0.0)[order], starts)
        share = np.empty(score.size)
        share[order] = ((np.cumsum(tied) - tied / 2) / tied.sum())[group]
        below.append(share)
    return below[0][bad], 1 - below[1][~bad]
