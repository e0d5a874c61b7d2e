"""Metrics of weighted rows, many weightings at once: what an estimate and its resamples share.

Every metric is a function of three arrays: the ascending probabilities and, for each, how many
defaults and how many repayments stand behind it. One set of formulas therefore serves the point
estimate (weights 0/1), the bootstrap (resampling counts) and the expectation before labels arrive
(labels drawn from the probabilities themselves).

Source: the area under the ROC curve as the Mann-Whitney probability, ties counted half (Hanley and
McNeil, 1982); average precision as scikit-learn's, without interpolation.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

__all__ = ["NAMES", "RANKING", "TINY", "chunks", "ranked", "statistics", "tally"]

RANKING = ("auc", "gini", "ks", "average_precision")
"""Metrics that need both classes: missing (NaN) where only one is present."""
NAMES = (*RANKING, "brier", "log_loss", "default_rate")
"""What `statistics` returns, in its order."""

TINY = 1e-15
"""A probability of 0 or 1 is taken as this far from it in a log loss, as scikit-learn does."""
_CELLS = 2_000_000  # most weights held at once: about 16 MB an array

Floats = NDArray[np.float64]


def statistics(defaults: Floats, repaid: Floats, p: Floats) -> Floats:
    """All of `NAMES` for B weightings at once: (B, n) counts over ascending `p` -> (B, 7)."""
    if not len(p):
        return np.full((len(defaults), len(NAMES)), np.nan)
    d, r = tally(defaults, repaid, p)
    d_total, r_total = d.sum(axis=1), r.sum(axis=1)
    total = d_total + r_total
    clipped = np.clip(p, TINY, 1.0 - TINY)
    brier = (defaults @ (1.0 - p) ** 2 + repaid @ p**2) / total
    log_loss = -(defaults @ np.log(clipped) + repaid @ np.log1p(-clipped)) / total
    with np.errstate(invalid="ignore", divide="ignore"):  # one class only: 0/0 is the NaN we want
        auc = (d * (np.cumsum(r, axis=1) - 0.5 * r)).sum(axis=1) / (d_total * r_total)
        gaps, precision = ranked(d, r)
        ks = np.abs(gaps).max(axis=1)
        ranking = np.stack([auc, 2.0 * auc - 1.0, ks, precision], axis=1)
    ranking[(d_total == 0) | (r_total == 0)] = np.nan
    return np.column_stack([ranking, brier, log_loss, d_total / total])


def tally(defaults: Floats, repaid: Floats, p: Floats) -> tuple[Floats, Floats]:
    """Both counts with a column for each distinct probability instead of each row."""
    starts = np.flatnonzero(np.r_[True, p[1:] != p[:-1]])
    if len(starts) == len(p):
        return defaults, repaid
    return np.add.reduceat(defaults, starts, axis=1), np.add.reduceat(repaid, starts, axis=1)


def ranked(d: Floats, r: Floats) -> tuple[Floats, Floats]:
    """Gaps and average precision of counts over ascending distinct probabilities: (B, k) and (B,).

    A gap is the share of defaults less the share of repaid loans at or below a probability; average
    precision is the precision at the cut of each default, averaged over the defaults.
    """
    below_d, below_r = np.cumsum(d, axis=1), np.cumsum(r, axis=1)
    d_total, r_total = below_d[:, -1:], below_r[:, -1:]
    gaps = below_d / d_total
    gaps -= below_r / r_total
    some = d.any(axis=0)  # where nobody defaults, precision is asked by nobody
    hits = d[:, some]
    at_or_above = d_total - below_d[:, some] + hits
    everybody = at_or_above + r_total - below_r[:, some] + r[:, some]
    precision = np.divide(at_or_above, everybody, out=np.zeros_like(hits), where=everybody > 0)
    return gaps, (hits * precision).sum(axis=1) / d_total[:, 0]


def chunks(total: int, width: int) -> Iterator[int]:
    """Sizes that add up to `total`, each so small that its (size, width) weights fit in memory."""
    size = max(1, _CELLS // width)
    for start in range(0, total, size):
        yield min(size, total - start)
