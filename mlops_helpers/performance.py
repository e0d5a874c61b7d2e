"""How good are the probabilities: metrics with intervals, per window and group, and before labels.

Each metric has the interval that covers best on simulated loans whose truth is known
(tests/benchmarks/coverage_metrics.py measures it): AUC and Gini DeLong's on the logit scale, KS and
average precision a corrected bootstrap (`ranking_intervals`), Brier and log loss Student's with
Johnson's correction for skewness, slope and intercept of the calibration a robust normal one
(`calibration`), the default rate Wilson's.

Sources: E. R. DeLong et al. (1988), see `delong`; N. J. Johnson (1978), "Modified t tests and
confidence intervals for asymmetrical populations", JASA 73, 536-544; E. B. Wilson (1927).
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from mlops_helpers.calibration import expected_recalibration, recalibration
from mlops_helpers.delong import MIN_PER_CLASS, auc_interval
from mlops_helpers.performance_windows import COUNTS, Awaits, windows
from mlops_helpers.ranking_intervals import ranking_limits
from mlops_helpers.two_samples import wilson
from mlops_helpers.weighted_metrics import NAMES, RANKING, TINY, chunks, statistics

METRICS = (*NAMES, "calibration_slope", "calibration_intercept")
"""The rows of `evaluate`; slope 1 and intercept 0 are right, see `calibration`."""

Floats = NDArray[np.float64]
Limits = tuple[float, float]


def evaluate(
    y: ArrayLike, p: ArrayLike, *, seed: int, n_boot: int = 500, level: float = 0.95
) -> pd.DataFrame:
    """Metrics of probabilities `p` against outcomes `y` (1 = default), each with its interval.

    Returns a frame `metric, value, low, high`, a row for each of `METRICS` and one for `n`.
    What cannot be computed (no rows, one class only) is NaN, never a flattering number. With fewer
    than `MIN_PER_CLASS` rows of a class only the default rate has limits; average precision has
    none where the ranking is perfect, either, since every resample of it is perfect as well.
    `n_boot` resamples, drawn from `seed`, serve KS and average precision; with `n_boot=0` these two
    have no limits, and all others are computed at once. Raises `ValueError` for labels other than 0
    and 1, probabilities outside [0, 1], missing values and unequal lengths.

    >>> evaluate([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8], seed=1, n_boot=0).value[0]
    np.float64(0.75)
    """
    y_, p_ = _checked(y, p)
    order = np.argsort(p_, kind="stable")
    y_, p_ = y_[order], p_[order]
    value = dict(zip(NAMES, statistics(y_[None, :], 1.0 - y_[None, :], p_)[0], strict=True))
    calibration = recalibration(y_, p_, confidence=level)
    value["calibration_slope"] = calibration.slope.value
    value["calibration_intercept"] = calibration.intercept.value
    limits: dict[str, Limits] = {}
    if len(y_):
        rate = wilson(pd.Series(y_), 1 - level)
        limits["default_rate"] = rate.low, rate.high
    if min(y_.sum(), (1.0 - y_).sum()) >= MIN_PER_CLASS:
        auc = auc_interval(y_, p_, confidence=level)
        stated = np.clip(np.where(y_ == 1, p_, 1.0 - p_), TINY, 1.0)
        limits |= {
            "auc": (auc.low, auc.high),
            "gini": (2.0 * auc.low - 1.0, 2.0 * auc.high - 1.0),
            "brier": _mean_limits((y_ - p_) ** 2, level),
            "log_loss": _mean_limits(-np.log(stated), level),
            "calibration_slope": (calibration.slope.low, calibration.slope.high),
            "calibration_intercept": (calibration.intercept.low, calibration.intercept.high),
        }
        if n_boot:
            ranking = ranking_limits(y_, p_, seed=seed, n_boot=n_boot, level=level)
            limits |= {"ks": ranking.ks, "average_precision": ranking.average_precision}
    return _tidy(value, limits, len(y_))


def expected_performance(
    p: ArrayLike, *, seed: int = 0, n_sim: int = 500, level: float = 0.95
) -> pd.DataFrame:
    """What `evaluate` should show once labels arrive, *if* the probabilities `p` are right.

    Labels are drawn `n_sim` times as Bernoulli(p). Returns the same frame as `evaluate`: `value` is
    the mean over the draws (exact for `default_rate`, `brier` and `log_loss`), `low` and `high`
    bound the share `level` of the draws. Slope and intercept of the calibration are 1 and 0 by
    assumption; their bounds come from the information in `p` instead of draws. It measures a world
    in which the model is calibrated: it sees a change in who applies, and is blind to a change in
    what makes people default.
    """
    p_ = np.sort(_checked(np.zeros(np.shape(p)), p)[1])
    n = len(p_)
    if not n:
        return _tidy({}, {}, 0)
    rng = np.random.default_rng(seed)
    drawn = []
    for rows in chunks(n_sim, n):
        labels = (rng.random((rows, n)) < p_).astype(np.float64)
        drawn.append(statistics(labels, 1.0 - labels, p_))
    draws = np.concatenate(drawn)
    usable = ~np.isnan(draws[:, : len(RANKING)]).any(axis=1)
    mean = draws[usable].mean(axis=0) if usable.any() else np.full(len(NAMES), np.nan)
    clipped = np.clip(p_, TINY, 1.0 - TINY)
    entropy = -(p_ * np.log(clipped) + (1.0 - p_) * np.log1p(-clipped))
    calibration = expected_recalibration(p_, confidence=level)
    value = dict(zip(NAMES, mean, strict=True)) | {
        "default_rate": p_.mean(),
        "brier": (p_ * (1.0 - p_)).mean(),
        "log_loss": entropy.mean(),
        "calibration_slope": calibration.slope.value,
        "calibration_intercept": calibration.intercept.value,
    }
    limits = {name: _percentiles(draws[:, i], level) for i, name in enumerate(NAMES)} | {
        "calibration_slope": (calibration.slope.low, calibration.slope.high),
        "calibration_intercept": (calibration.intercept.low, calibration.intercept.high),
    }
    return _tidy(value, limits, n)


def by_window(
    log: pd.DataFrame,
    freq: str = "MS",
    *,
    seed: int,
    n_boot: int = 500,
    by: Sequence[str] = ("model_version",),
    time: str = "scored_at",
    label_delay: pd.Timedelta | None = None,
    as_of: pd.Timestamp | None = None,
    awaits: Awaits = "all",
    level: float = 0.95,
) -> pd.DataFrame:
    """`evaluate` for each window [start, end) of `time` and each group of the columns `by`.

    `log` is a prediction log joined with outcomes (`PredictionLog.window`). Returns a frame
    `window_start, window_end, *by, metric, value, low, high, predictions, awaited, labelled, due,
    overdue, complete`, with the metrics of `evaluate`, `observed_to_expected` (defaults seen over
    the sum of the probabilities) and, if `log` has a `decision`, `default_rate_approved`; both have
    Wilson's limits. `n_boot=0` leaves out the limits of KS and average precision only: that is the
    way to read a million rows in seconds.

    With `as_of` the log is seen as it was then (labels need their `outcome_at`), and a window is
    complete when it is over and each of its predictions has its label. With a `label_delay`
    besides, `due` counts the predictions scored (`scored_at`, also where `time` is another) at
    least that long before, `overdue` those of them without a label; the due rows alone are
    measured, and complete is a window when all are due: early labels are mostly defaults, see
    `performance_windows`. A window merely young has `overdue` 0. Without a `label_delay` nobody
    knows what is due: both are missing, and an incomplete window shows the loans that were quick.
    `awaits="approved"`: only predictions with `decision` "approve" owe a label (`awaited` counts
    them, and so do the columns after it), and every figure is about them, the AUC of approved loans
    included: a selection, see `performance_windows`. `predictions` counts all.
    What no label supports is NaN. Windows without predictions have no rows. Raises `ValueError`
    as `performance_windows.windows` does.
    """
    by = (by,) if isinstance(by, str) else tuple(by)
    parts = []
    asked = {"label_delay": label_delay, "as_of": as_of, "awaits": awaits}
    for window in windows(log, freq, by=by, time=time, **asked):
        known = window.known
        table = evaluate(
            known["default"], known["probability"], seed=seed, n_boot=n_boot, level=level
        )
        rates = pd.DataFrame(_rates(known, level), columns=list(table.columns))
        table = pd.concat([table.iloc[:-1], rates, table.iloc[-1:]], ignore_index=True)
        parts.append(table.assign(**window.head, **window.counts))
    columns = ["window_start", "window_end", *by, "metric", "value", "low", "high", *COUNTS]
    if not parts:
        return pd.DataFrame(columns=columns)
    table = pd.concat(parts, ignore_index=True)[columns]
    return table.astype({"due": "Int64", "overdue": "Int64"})


def _rates(known: pd.DataFrame, level: float) -> list[tuple[str, float, float, float]]:
    """Rows of a metric table that need more than outcome and probability of all."""
    rate, expected = wilson(known["default"], 1 - level), known["probability"].mean()
    ratio = 1 / expected if expected > 0 else np.nan
    rows = [("observed_to_expected", rate.value * ratio, rate.low * ratio, rate.high * ratio)]
    if "decision" in known:
        approved = wilson(known.loc[known["decision"] == "approve", "default"], 1 - level)
        rows.append(("default_rate_approved", approved.value, approved.low, approved.high))
    return rows


def _mean_limits(losses: Floats, level: float) -> Limits:
    """Student's interval for the mean of losses of at least 0, moved for skewness as Johnson's."""
    n, mean, spread = len(losses), losses.mean(), losses.std(ddof=1)
    reach = stats.t.ppf((1 + level) / 2, n - 1) * spread / np.sqrt(n)
    third = ((losses - mean) ** 3).mean()
    # Johnson's t solved for the mean, (mean - mu)^2 being about quantile^2 * spread^2 / n.
    moved = third * (1.0 + 2.0 * stats.norm.ppf((1 + level) / 2) ** 2) / (6.0 * n)
    centre = mean + (moved / spread**2 if spread > 0 else 0.0)
    return min(max(float(centre - reach), 0.0), float(mean)), max(
        float(centre + reach), float(mean)
    )


def _percentiles(draws: Floats, level: float) -> Limits:
    """Bounds of the share `level` of the draws; draws that held one class only are left out."""
    usable = draws[~np.isnan(draws)]
    if not len(usable):
        return np.nan, np.nan
    # What comes is one more draw of the same kind: among n + 1 the i-th has i / (n + 1) below it.
    low, high = np.quantile(usable, [(1 - level) / 2, (1 + level) / 2], method="weibull")
    return float(low), float(high)


def _tidy(value: dict[str, float], limits: dict[str, Limits], n: int) -> pd.DataFrame:
    """A row for each metric and one for n; NaN where nothing is said."""
    rows = [(m, value.get(m, np.nan), *limits.get(m, (np.nan, np.nan))) for m in METRICS]
    rows.append(("n", float(n), float(n), float(n)))
    return pd.DataFrame(rows, columns=["metric", "value", "low", "high"])


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
