"""What the labels of a window say beyond what its applicants and the holdout led one to expect.

The model is judged against what it was, not against what it never was: a logistic curve
``logit q = a + b logit p`` fitted to the holdout's outcomes says what a probability `p` meant
there, with the holdout's rows weighted to be like the window's (`cause_likeness`). `q` is what to
expect of the applicants of the window, whoever they are, so neither a model that was miscalibrated
from the start nor applicants who are more alike (whom nobody ranks as well: restriction of range)
count as a change. What is left is a sum of `w (y - q)` over the window. Its
variance has two parts: the luck of the window's loans, and the holdout's, which is that of a and b.

Sources: D. R. Cox (1958), Biometrika 45, 562-565 (recalibration); H. White (1982), Econometrica
50, 1-25 (their covariance); the weights of the AUC are the derivatives of its pairs by outcome.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import statsmodels.api as sm
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, special, stats

from mlops_helpers.business import UNKNOWN, Interval
from mlops_helpers.calibration import recalibration
from mlops_helpers.contracts import TARGET
from mlops_helpers.delong import MIN_PER_CLASS, auc_interval

__all__ = ["Found", "expected_auc", "holdout_signals", "outcome_signals"]

Found = tuple[float, float, Interval]
"""Before, now, and the change with its interval."""
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class _Meaning:
    """What a probability meant in the holdout: the curve, and the covariance of its two numbers."""

    curve: Floats
    covariance: Floats
    least: float

    def logit(self, p: Floats) -> Floats:
        """Logits of `p`; a 0 or 1 counts as half a row of the holdout, as its logit is infinite."""
        return special.logit(np.clip(p, self.least, 1 - self.least))

    def expected(self, p: Floats) -> Floats:
        """Probabilities of default of the loans with `p`, had nothing changed."""
        return special.expit(self.curve[0] + self.curve[1] * self.logit(p))


def holdout_signals(holdout: pd.DataFrame, level: float) -> dict[str, Found]:
    """Whether the model was ever right: O/E and slope of the holdout itself, beside 1.

    `holdout` has "probability" and `default`. Empty with too few of a class.
    """
    y, p = _outcomes(holdout)
    if _few(y):
        return {}
    slope = recalibration(y, p, confidence=level).slope
    ratio, error = y.sum() / p.sum(), ((y - p) ** 2).sum() ** 0.5 / y.sum()
    return {
        "holdout O/E": (1.0, ratio, _on_log(ratio, error, level, len(y))),
        "holdout slope": (1.0, slope.value, slope),
    }


def outcome_signals(
    holdout: pd.DataFrame, window: pd.DataFrame, level: float, *, weight: Floats | None = None
) -> dict[str, Found]:
    """O/E, AUC and slope of the window against what the holdout led one to expect of these rows.

    Both frames have "probability" and `default`, known for all. `weight` says how much each row of
    the holdout counts (`cause_likeness`; all the same by default). `before` of O/E is the holdout's
    as it is, of the AUC the expected one, of the slope that of the weighted holdout. Empty with
    fewer than `MIN_PER_CLASS` of a class on a side (of the holdout: effectively, as few heavy rows
    are no more than they are), and where the holdout's scores are all the same.
    """
    (y0, p0), (y1, p1) = _outcomes(holdout), _outcomes(window)
    w0 = np.ones(len(y0)) if weight is None else weight
    if _few(y0, w0) or _few(y1) or np.ptp(p0) == 0:
        return {}
    meant = _fitted(y0, p0, w0)
    q, x = meant.expected(p1), meant.logit(p1)
    n, slopes = len(y1), np.column_stack([q * (1 - q), q * (1 - q) * x])
    luck = ((y1 - q) ** 2).sum() / y1.sum() ** 2
    doubt = slopes.sum(axis=0) / q.sum()
    error = float(np.sqrt(luck + doubt @ meant.covariance @ doubt))
    change = _on_log(y1.sum() / q.sum(), error, level, n)
    reach = _reach(level) * float(np.sqrt(meant.covariance[1, 1]))
    before = Interval(meant.curve[1], meant.curve[1] - reach, meant.curve[1] + reach, len(y0))
    now = recalibration(y1, p1, confidence=level).slope
    return {
        "observed / expected": (y0.sum() / p0.sum(), y1.sum() / p1.sum(), change),
        "AUC": _ranking(meant, y1, p1, level),
        "calibration slope": (before.value, now.value, _ratio_of(before, now)),
    }


def expected_auc(p: ArrayLike, score: ArrayLike | None = None) -> float:
    """The AUC that `score` (the probabilities themselves by default) has if `p` are right.

    Expected concordant pairs over expected pairs, ties counting half. NaN without a pair.
    """
    p_ = np.asarray(p, dtype=np.float64).ravel()
    order = p_ if score is None else np.asarray(score, dtype=np.float64).ravel()
    return _pairs(p_, order)[0]


def _ranking(meant: _Meaning, y: Floats, p: Floats, level: float) -> Found:
    """The AUC less the expected one. Its level is taken as it came: O/E is another question."""
    x = meant.logit(p)
    start = meant.curve[1] * x
    level_now = optimize.brentq(lambda a: special.expit(a + start).sum() - y.sum(), -99, 99)
    q = special.expit(level_now + start)
    expected, by_outcome = _pairs(q, p)
    spread = q * (1 - q)
    weight = by_outcome - np.average(by_outcome, weights=spread)  # the level costs one number
    luck = (spread * weight**2).sum()
    doubt = (weight * spread * x).sum() ** 2 * meant.covariance[1, 1]
    now = auc_interval(y, p).value
    reach = _reach(level) * float(np.sqrt(luck + doubt))
    rise = now - expected
    return expected, now, Interval(rise, rise - reach, rise + reach, len(y))


def _pairs(q: Floats, score: Floats) -> tuple[float, Floats]:
    """Expected AUC of `score` under default probabilities `q`, and its derivatives by outcome."""
    _, place = np.unique(score, return_inverse=True)
    bad, good = np.bincount(place, weights=q), np.bincount(place, weights=1 - q)
    good_below = (np.cumsum(good) - good / 2)[place] - (1 - q) / 2  # no pair with oneself
    bad_above = (bad.sum() - np.cumsum(bad) + bad / 2)[place] - q / 2
    pairs = bad.sum() * good.sum() - (q * (1 - q)).sum()
    if not pairs > 0:
        return np.nan, np.full(len(q), np.nan)
    area = float((q * good_below).sum() / pairs)
    return area, (good_below - bad_above - area * (good.sum() - bad.sum())) / pairs


def _fitted(y: Floats, p: Floats, weight: Floats) -> _Meaning:
    least = 0.5 / len(y)
    x = special.logit(np.clip(p, least, 1 - least))
    model = sm.GLM(y, sm.add_constant(x), family=sm.families.Binomial(), var_weights=weight)
    fit = model.fit(cov_type="HC1")
    return _Meaning(np.asarray(fit.params), np.asarray(fit.cov_params()), least)


def _ratio_of(before: Interval, now: Interval) -> Interval:
    """Ratio of two slopes by the delta method; unknown if the first may be 0."""
    if not (before.known and now.known and before.low > 0):
        return UNKNOWN
    ratio = now.value / before.value
    # Both intervals are symmetric and of one level, so their reaches add as errors do.
    reach = np.hypot(now.high - now.value, ratio * (before.high - before.value)) / before.value
    return Interval(ratio, float(ratio - reach), float(ratio + reach), now.n)


def _on_log(ratio: float, error: float, level: float, n: int) -> Interval:
    """A ratio with an interval that is normal on the scale of the logarithm."""
    reach = float(np.exp(_reach(level) * error))
    return Interval(float(ratio), float(ratio / reach), float(ratio * reach), n)


def _reach(level: float) -> float:
    return float(stats.norm.ppf((1 + level) / 2))


def _outcomes(frame: pd.DataFrame) -> tuple[Floats, Floats]:
    return (
        frame[TARGET].to_numpy(np.float64, na_value=np.nan),
        frame["probability"].to_numpy(np.float64),
    )


def _few(y: Floats, weight: Floats | None = None) -> bool:
    """Whether a class has too few rows; of weighted ones Kish's effective number counts."""
    w = np.ones(len(y)) if weight is None else weight
    classes = (w[y == outcome] for outcome in (0, 1))
    return any(c.sum() ** 2 < MIN_PER_CLASS * (c**2).sum() or not len(c) for c in classes)
