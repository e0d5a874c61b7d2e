"""The points behind the pictures of a model: ROC, precision and recall, gain, calibration, errors.

The bands of `roc_bands` and `pr_bands` are pointwise and vertical: at each false-positive rate (or
recall) the interval of the true-positive rate (or precision) there, not a band that holds the
whole curve at once. They are Wilson's intervals (1927) with the effective number of rows that has
the variance of a bootstrap over the loans, after E. L. Korn and B. I. Graubard (1998), Survey
Methodology 24(2), 193-201. The bootstrap knows that the cut-off was estimated as well; Wilson's
form keeps the limits honest near 0 and 1, where a bootstrap alone has no width.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve
from statsmodels.stats.proportion import proportion_confint

from mlops_helpers.delong import MIN_PER_CLASS

__all__ = [
    "calibration_bins",
    "confusion_at",
    "gain_points",
    "pr_bands",
    "roc_bands",
    "roc_points",
]

GRID = np.linspace(0, 1, 101)

Floats = NDArray[np.float64]


def roc_points(outcome: ArrayLike, probability: ArrayLike, *, model: str = "model") -> pd.DataFrame:
    """Corners of the ROC curve: `model, fpr, tpr, threshold`, from (0, 0) to (1, 1).

    `fpr` is the share of repaid loans and `tpr` the share of defaults whose probability is at least
    `threshold` (infinite at the first corner). Raises ValueError if one class is missing.
    """
    y, p = _both_classes(outcome, probability, "a ROC curve")
    fpr, tpr, threshold = roc_curve(y, p)
    return pd.DataFrame({"model": model, "fpr": fpr, "tpr": tpr, "threshold": threshold})


def roc_bands(
    outcome: ArrayLike,
    probability: ArrayLike,
    *,
    seed: int,
    model: str = "model",
    n_boot: int = 500,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """The ROC curve with its band: `model, fpr, tpr, low, high, auc`, on 101 values of `fpr`.

    `low` and `high` are the interval of `tpr` at that `fpr`; `auc` is the area, the same in every
    row. Both ends of the curve are fixed. With fewer than `MIN_PER_CLASS` loans of a class the
    limits are NaN. Raises ValueError if one class is missing.
    """
    y, p = _both_classes(outcome, probability, "a ROC curve")
    d, r = _stacked(y, p)
    value = _tpr_at(d, r)
    draws = np.array([_tpr_at(*drawn) for drawn in _resamples(d, r, seed, n_boot)])
    low, high = _limits(value, draws, np.full(GRID.size, y.sum()), y, confidence)
    for limit in (low, high):
        limit[[0, -1]] = np.where(np.isnan(limit[[0, -1]]), np.nan, [0.0, 1.0])
    columns = {"fpr": GRID, "tpr": value, "low": low, "high": high, "auc": roc_auc_score(y, p)}
    return pd.DataFrame({"model": model} | columns)


def pr_bands(
    outcome: ArrayLike,
    probability: ArrayLike,
    *,
    seed: int,
    model: str = "model",
    n_boot: int = 500,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Precision at each recall: `model, recall, precision, low, high, average_precision`.

    On 100 values of `recall`, the share of defaults that is flagged, from 0.01 to 1; `precision` is
    the share of defaults among the flagged, which at recall 1 (all flagged) is the default rate.
    Between two cut-offs the counts of flagged loans are joined by a line, not the precisions
    (J. Davis and M. Goadrich, ICML 2006). Limits and errors as in `roc_bands`.
    """
    y, p = _both_classes(outcome, probability, "precision and recall")
    d, r = _stacked(y, p)
    value = _precision_at(d, r)
    draws = np.array([_precision_at(*drawn) for drawn in _resamples(d, r, seed, n_boot)])
    low, high = _limits(value, draws, GRID[1:] * y.sum() / value, y, confidence)
    columns = {"recall": GRID[1:], "precision": value, "low": low, "high": high}
    area = average_precision_score(y, p)
    return pd.DataFrame({"model": model} | columns | {"average_precision": area})


def gain_points(
    outcome: ArrayLike, probability: ArrayLike, *, model: str = "model"
) -> pd.DataFrame:
    """What the riskiest applications hold: `model, share, found, perfect, random`.

    `found` is the share of all defaults among the riskiest `share` of applications; `perfect` is
    that of a model that knows the outcomes, `random` of one that knows nothing. Of equal
    probabilities each part holds its share of the defaults. Raises ValueError if one class is
    missing.
    """
    y, p = _both_classes(outcome, probability, "a gain curve")
    d, r = _stacked(y, p)
    rate = y.mean()
    share = np.union1d(GRID, rate)
    reviewed, found = np.cumsum(d + r) / y.size, np.cumsum(d) / y.sum()
    columns = {
        "share": share,
        "found": np.interp(share, np.r_[0.0, reviewed], np.r_[0.0, found]),
        "perfect": np.minimum(share / rate, 1.0),
        "random": share,
    }
    return pd.DataFrame({"model": model} | columns)


def confusion_at(
    outcome: ArrayLike, probability: ArrayLike, cutoff: float, *, confidence: float = 0.95
) -> pd.DataFrame:
    """What a cut-off decides about whom: `actual, decided, n, share, low, high, cutoff`, four rows.

    `actual` is "repaid" or "defaulted"; `decided` is "approve" for a probability below `cutoff`,
    else "decline". `share` is of the loans with that outcome, `low` and `high` its Wilson interval;
    all three are NaN where no loan has that outcome. Raises ValueError for a cut-off outside
    [0, 1].
    """
    y, p = _loans(outcome, probability)
    if not 0 <= cutoff <= 1:
        raise ValueError(f"cutoff is {cutoff!r}, must lie within [0, 1]: it is a probability.")
    rows = []
    for actual, label in (("repaid", 0), ("defaulted", 1)):
        approved, total = int(((y == label) & (p < cutoff)).sum()), int((y == label).sum())
        for decided, n in (("approve", approved), ("decline", total - approved)):
            limits: tuple[float, float] = (np.nan, np.nan)
            if total:
                limits = proportion_confint(n, total, alpha=1 - confidence, method="wilson")
            share = n / total if total else np.nan
            rows.append((actual, decided, n, share, *map(float, limits), float(cutoff)))
    names = ["actual", "decided", "n", "share", "low", "high", "cutoff"]
    return pd.DataFrame(rows, columns=names)


def calibration_bins(
    outcome: ArrayLike, probability: ArrayLike, *, bins: int = 10, model: str = "model"
) -> pd.DataFrame:
    """Predicted against observed default rate in `bins` groups of about equal size.

    Columns `model, bin_mid` (mean probability of the group), `observed, low, high` (Wilson's 95 %
    interval), `n`. Rows with the same probability stay together, so there may be fewer groups;
    without rows there is none.
    """
    y, p = _loans(outcome, probability)
    frame = pd.DataFrame({"y": y, "p": p})
    edges = np.unique(frame["p"].quantile(np.linspace(0, 1, bins + 1)[1:-1]))
    group = np.searchsorted(edges, frame["p"], side="right")
    table = frame.groupby(group).agg(bin_mid=("p", "mean"), defaults=("y", "sum"), n=("y", "size"))
    low, high = proportion_confint(table["defaults"], table["n"], method="wilson")
    found = table.assign(model=model, observed=table["defaults"] / table["n"], low=low, high=high)
    columns = ["model", "bin_mid", "observed", "low", "high", "n"]
    return found[columns].reset_index(drop=True)


def _stacked(y: Floats, p: Floats) -> tuple[Floats, Floats]:
    """Defaults and repaid loans at each distinct probability, the highest first."""
    _, place = np.unique(-p, return_inverse=True)
    return np.bincount(place, weights=y), np.bincount(place, weights=1 - y)


def _resamples(d: Floats, r: Floats, seed: int, n_boot: int) -> Iterator[tuple[Floats, Floats]]:
    """The same counts in bootstrap samples of the loans; those with one class are drawn again."""
    rng = np.random.default_rng(seed)
    cells = np.repeat(np.arange(2 * d.size), np.r_[d, r].astype(int))
    for _ in range(n_boot):
        drawn = cells[rng.integers(0, cells.size, cells.size)]
        counts = np.bincount(drawn, minlength=2 * d.size).astype(float)
        if counts[: d.size].any() and counts[d.size :].any():
            yield counts[: d.size], counts[d.size :]


def _tpr_at(d: Floats, r: Floats) -> Floats:
    """The true-positive rate at each false-positive rate of GRID; the ends are 0 and 1."""
    fpr, tpr = np.cumsum(r) / r.sum(), np.cumsum(d) / d.sum()
    found = np.interp(GRID, np.r_[0.0, fpr], np.r_[0.0, tpr])
    found[[0, -1]] = 0.0, 1.0
    return found


def _precision_at(d: Floats, r: Floats) -> Floats:
    """The precision at each recall of GRID but 0; the last is that of flagging everybody."""
    some = d > 0  # the fewest flagged for that recall: repaid loans further down are not needed
    caught, wrong = np.cumsum(d)[some], np.cumsum(r)[some]
    wanted = GRID[1:] * d.sum()
    flagged = np.interp(wanted, np.r_[0.0, caught], np.r_[0.0, wrong])
    flagged[-1] = r.sum()
    return wanted / (wanted + flagged)


def _limits(
    value: Floats, draws: Floats, most: Floats, y: Floats, confidence: float
) -> tuple[Floats, Floats]:
    """Wilson's limits for the number of rows that has the variance of the draws, at most `most`."""
    if not 0 < confidence < 1:
        raise ValueError(f"confidence is {confidence!r}, must lie between 0 and 1, e.g. 0.95.")
    if len(draws) < 2 or min(y.sum(), y.size - y.sum()) < MIN_PER_CLASS:
        return np.full(value.size, np.nan), np.full(value.size, np.nan)
    rows = most.astype(float)
    variance, alone = draws.var(axis=0, ddof=1), value * (1 - value)
    np.divide(alone, variance, out=rows, where=(variance > 0) & (alone > 0))
    rows = np.clip(rows, 1.0, most)
    low, high = proportion_confint(value * rows, rows, alpha=1 - confidence, method="wilson")
    return np.minimum(low, value), np.maximum(high, value)  # at 0 and 1 they meet but for rounding


def _both_classes(outcome: ArrayLike, probability: ArrayLike, what: str) -> tuple[Floats, Floats]:
    y, p = _loans(outcome, probability)
    if not y.size:
        raise ValueError(f"there are no loans; {what} needs both 0 and 1 among the outcomes.")
    if len(np.unique(y)) != 2:
        raise ValueError(f"outcomes are all {y[0]:g}; {what} needs both 0 and 1. Wait for more.")
    return y, p


def _loans(outcome: ArrayLike, probability: ArrayLike) -> tuple[Floats, Floats]:
    """Outcomes (0 and 1) and probabilities of the same loans, as floats; ValueError otherwise."""
    y, p = np.asarray(outcome, dtype=float).ravel(), np.asarray(probability, dtype=float).ravel()
    if y.size != p.size:
        raise ValueError(f"{y.size} outcomes and {p.size} probabilities. Give one of each a loan.")
    if np.isnan(y).any() or np.isnan(p).any():
        raise ValueError(
            f"{np.isnan(y).sum()} outcomes and {np.isnan(p).sum()} probabilities are missing. "
            "Leave those loans out, and report how many they are."
        )
    if not np.isin(y, (0.0, 1.0)).all():
        wrong = y[~np.isin(y, (0.0, 1.0))][0]
        raise ValueError(f"an outcome is {wrong:g}, must be 0 (repaid) or 1 (defaulted).")
    if not ((p >= 0) & (p <= 1)).all():
        wrong = p[~((p >= 0) & (p <= 1))][0]
        raise ValueError(f"a probability is {wrong:g}, must lie within [0, 1].")
    return y, p
