"""How good are the probabilities: metrics with intervals, per window and group, and before labels.

Every metric here is a function of three arrays: the sorted probabilities and, for each, how
many defaults and how many repayments stand behind it. One set of formulas therefore serves the
point estimate (weights 0/1), the bootstrap (resampling counts) and the expectation before labels
arrive (labels drawn from the probabilities themselves).

Source: B. Efron, *Bootstrap methods* (1979), percentile intervals; the area under the ROC curve
as the Mann-Whitney probability, ties counted half (Hanley and McNeil, 1982); the interval of a
rate is Wilson's (1927).
"""

import itertools
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from mlops_helpers.two_samples import wilson

RANKING = ("auc", "gini", "ks", "average_precision")
"""Metrics that need both classes: missing (NaN) where only one is present."""
METRICS = (*RANKING, "brier", "log_loss", "default_rate")
MIN_PER_CLASS = 5
"""With fewer rows of either class only the default rate gets an interval: others are fiction."""

_CELLS = 2_000_000  # most resampling counts held at once: about 16 MB an array
_TINY = 1e-15
_KS, _RATE = METRICS.index("ks"), METRICS.index("default_rate")

Floats = NDArray[np.float64]


def evaluate(
    y: ArrayLike, p: ArrayLike, *, seed: int, n_boot: int = 500, level: float = 0.95
) -> pd.DataFrame:
    """Metrics of probabilities `p` against outcomes `y` (1 = default), with bootstrap intervals.

    Returns a frame `metric, value, low, high`, a row for each of `METRICS` and one for `n`.
    What cannot be computed (no rows, one class only) is NaN, never a flattering number.
    The default rate has Wilson's interval. KS has none: it is the largest of many gaps, so it lies
    too high in a sample and higher still in a resample, and a bootstrap interval that should cover
    95 % covers a third to three quarters. Compare it with `expected_performance`, or read the AUC.
    `n_boot=0` leaves the intervals out. Raises `ValueError` for labels other than 0 and 1,
    probabilities outside [0, 1], missing values and unequal lengths.

    >>> evaluate([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8], seed=1, n_boot=0).value[0]
    np.float64(0.75)
    """
    y_, p_ = _checked(y, p)
    n = len(y_)
    order = np.argsort(p_, kind="stable")
    y_, p_ = y_[order], p_[order]
    point = _statistics(y_[None, :], 1.0 - y_[None, :], p_)
    low, high = (np.full(len(METRICS), np.nan) for _ in range(2))
    if n and n_boot:
        rng = np.random.default_rng(seed)
        drawn = [_statistics(w * y_, w * (1.0 - y_), p_) for w in _resamples(rng, n, n_boot)]
        low, high = _interval(np.concatenate(drawn), level)
        if min(y_.sum(), n - y_.sum()) < MIN_PER_CLASS:
            low[:] = high[:] = np.nan
        low[_KS] = high[_KS] = np.nan
        rate = wilson(pd.Series(y_), 1 - level)
        low[_RATE], high[_RATE] = rate.low, rate.high
    return _tidy(point[0], low, high, n)


def expected_performance(
    p: ArrayLike, *, seed: int = 0, n_sim: int = 500, level: float = 0.95
) -> pd.DataFrame:
    """What `evaluate` should show once labels arrive, *if* the probabilities `p` are right.

    Labels are drawn `n_sim` times as Bernoulli(p). Returns the same frame as `evaluate`: `value` is
    the mean over the draws (exact for `default_rate`, `brier` and `log_loss`), `low` and `high`
    bound the share `level` of the draws. It measures a world in which the model is calibrated: it
    sees a change in who applies, and is blind to a change in what makes people default.
    """
    p_ = np.sort(_checked(np.zeros(np.shape(p)), p)[1])
    n = len(p_)
    if not n:
        return _tidy(*np.full((3, len(METRICS)), np.nan), 0)
    rng = np.random.default_rng(seed)
    drawn = []
    for rows in _chunks(n_sim, n):
        labels = (rng.random((rows, n)) < p_).astype(np.float64)
        drawn.append(_statistics(labels, 1.0 - labels, p_))
    draws = np.concatenate(drawn)
    usable = ~np.isnan(draws[:, : len(RANKING)]).any(axis=1)
    value = draws[usable].mean(axis=0) if usable.any() else np.full(len(METRICS), np.nan)
    clipped = np.clip(p_, _TINY, 1.0 - _TINY)
    value[METRICS.index("default_rate")] = p_.mean()
    value[METRICS.index("brier")] = (p_ * (1.0 - p_)).mean()
    entropy = -(p_ * np.log(clipped) + (1.0 - p_) * np.log1p(-clipped))
    value[METRICS.index("log_loss")] = entropy.mean()
    return _tidy(value, *_interval(draws, level), n)


def by_window(
    log: pd.DataFrame,
    freq: str = "MS",
    *,
    seed: int,
    n_boot: int = 500,
    by: Sequence[str] = ("model_version",),
    time: str = "scored_at",
) -> pd.DataFrame:
    """`evaluate` for each window [start, end) of `time` and each group of the columns `by`.

    `log` is a prediction log joined with outcomes (`PredictionLog.window`). Returns a frame
    `window_start, window_end, *by, metric, value, low, high, predictions, labelled, complete`.
    A window is complete when every prediction in it has an outcome; metrics use the labelled rows,
    so an incomplete window shows the loans that were quick to default, not all of them.
    Windows without predictions have no rows. Raises `ValueError` naming a missing column.
    """
    missing = [c for c in (time, "probability", "default", *by) if c not in log.columns]
    if missing:
        raise ValueError(
            f"log has no column {missing[0]!r}; by_window needs {time!r}, 'probability', "
            f"'default' and {list(by)}: pass the frame that PredictionLog.window returns"
        )
    parts = []
    for start, end in _windows(log[time], freq):
        rows = log[(log[time] >= start) & (log[time] < end)]
        for keys, group in rows.groupby(list(by), dropna=False) if by else [((), rows)]:
            known = group[group["default"].notna()]
            table = evaluate(known["default"], known["probability"], seed=seed, n_boot=n_boot)
            head = {"window_start": start, "window_end": end} | dict(zip(by, keys, strict=True))
            counts = {"predictions": len(group), "labelled": len(known)}
            parts.append(table.assign(**head, **counts, complete=len(known) == len(group)))
    columns = ["window_start", "window_end", *by, "metric", "value", "low", "high"]
    columns += ["predictions", "labelled", "complete"]
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)


def _statistics(defaults: Floats, repaid: Floats, p: Floats) -> Floats:
    """All of `METRICS` for B weightings at once: (B, n) counts over ascending `p` -> (B, 7)."""
    b = len(defaults)
    if not len(p):
        return np.full((b, len(METRICS)), np.nan)
    starts = np.flatnonzero(np.r_[True, p[1:] != p[:-1]])
    d = np.add.reduceat(defaults, starts, axis=1)  # a column for each distinct probability
    r = np.add.reduceat(repaid, starts, axis=1)
    d_total, r_total = d.sum(axis=1), r.sum(axis=1)
    d_below, r_below = np.cumsum(d, axis=1), np.cumsum(r, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):  # one class only: 0/0 is the NaN we want
        auc = (d * (r_below - 0.5 * r)).sum(axis=1) / (d_total * r_total)
        gap = d_below / d_total[:, None] - r_below / r_total[:, None]
        d_above = d_total[:, None] - d_below + d  # at or above this probability
        r_above = r_total[:, None] - r_below + r
        at_least = d_above + r_above
        precision = np.divide(d_above, at_least, out=np.zeros_like(d), where=at_least > 0)
        average_precision = (d * precision).sum(axis=1) / d_total
    ks = np.abs(gap).max(axis=1)
    total = d_total + r_total
    clipped = np.clip(p, _TINY, 1.0 - _TINY)
    brier = (defaults @ (1.0 - p) ** 2 + repaid @ p**2) / total
    log_loss = -(defaults @ np.log(clipped) + repaid @ np.log1p(-clipped)) / total
    one_class = (d_total == 0) | (r_total == 0)
    ranking = np.stack([auc, 2.0 * auc - 1.0, ks, average_precision], axis=1)
    ranking[one_class] = np.nan
    return np.column_stack([ranking, brier, log_loss, d_total / total])


def _resamples(rng: np.random.Generator, n: int, n_boot: int) -> Iterator[Floats]:
    """How often each of n rows is drawn in each bootstrap sample, in blocks of bounded memory."""
    for rows in _chunks(n_boot, n):
        drawn = rng.integers(0, n, size=(rows, n)) + n * np.arange(rows)[:, None]
        yield np.bincount(drawn.ravel(), minlength=rows * n).reshape(rows, n).astype(np.float64)


def _chunks(total: int, width: int) -> Iterator[int]:
    size = max(1, _CELLS // width)
    for start in range(0, total, size):
        yield min(size, total - start)


def _interval(draws: Floats, level: float) -> tuple[Floats, Floats]:
    """Percentile bounds of each column; draws that held one class only are left out."""
    low, high = (np.full(draws.shape[1], np.nan) for _ in range(2))
    for column in range(draws.shape[1]):
        usable = draws[~np.isnan(draws[:, column]), column]
        if len(usable):
            low[column], high[column] = np.quantile(usable, [(1 - level) / 2, (1 + level) / 2])
    return low, high


def _windows(times: pd.Series, freq: str) -> list[tuple[pd.Timestamp, pd.Timestamp]]:
    """The windows [start, end) of `freq` that cover `times`, the last one included."""
    if times.empty:
        return []
    step = pd.tseries.frequencies.to_offset(freq)
    first = step.rollback(times.min().normalize())
    edges = pd.date_range(first, times.max() + step, freq=step)
    return list(itertools.pairwise(edges))


def _tidy(value: Floats, low: Floats, high: Floats, n: int) -> pd.DataFrame:
    frame = pd.DataFrame({"metric": METRICS, "value": value, "low": low, "high": high})
    count = pd.DataFrame({"metric": ["n"], "value": [float(n)], "low": float(n), "high": float(n)})
    return pd.concat([frame, count], ignore_index=True)


def _checked(y: ArrayLike, p: ArrayLike) -> tuple[Floats, Floats]:
    y_, p_ = np.asarray(y, dtype=np.float64).ravel(), np.asarray(p, dtype=np.float64).ravel()
    if len(y_) != len(p_):
        raise ValueError(f"y has {len(y_)} rows and p has {len(p_)}; they must be the same loans")
    if np.isnan(y_).any():
        raise ValueError(f"y has {np.isnan(y_).sum()} missing labels; pass only known outcomes")
    if not np.isin(y_, (0.0, 1.0)).all():
        raise ValueError(f"y holds {y_[~np.isin(y_, (0.0, 1.0))][0]}; labels must be 0 or 1")
    bad = ~((p_ >= 0) & (p_ <= 1))
    if bad.any():
        raise ValueError(f"p holds {p_[bad][0]} in {bad.sum()} rows; must be within [0, 1]")
    return y_, p_
