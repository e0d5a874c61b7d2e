"""Do the probabilities mean what they say: logistic recalibration of outcomes on logit(p).

The slope is b of `logit P(y = 1) = a + b logit(p)`: 1 is right, below 1 the probabilities are too
extreme, above 1 too timid. The intercept is *calibration in the large*, a of the same model with
b = 1: 0 is right, above 0 more default than was said. Both are found by Newton's method.

Sources: D. R. Cox (1958), "Two further applications of a model for binary regression", Biometrika
45, 562-565; E. W. Steyerberg, *Clinical Prediction Models* (2nd ed. 2019), chapter 15. The
variance is H. White's (1982), which holds as well when the curve is no straight line.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special, stats

from mlops_helpers.business import Interval
from mlops_helpers.delong import MIN_PER_CLASS

__all__ = ["Recalibration", "expected_recalibration", "recalibration"]

_STEPS = 100
_CLOSE = 1e-10

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Recalibration:
    """Slope (right: 1) and calibration in the large (right: 0), on the scale of the logit."""

    slope: Interval
    intercept: Interval


def recalibration(y: ArrayLike, p: ArrayLike, *, confidence: float = 0.95) -> Recalibration:
    """How outcomes `y` (1 = default) follow the probabilities `p` that were given for them.

    NaN, value and limits, is what has no finite answer: both with one class only or with a `p` of
    exactly 0 or 1 (whose logit is infinite, so the answer would be that of wherever it is cut); the
    slope also with one value of `p` only, or where a cut in `p` separates the classes. With fewer
    than `delong.MIN_PER_CLASS` of a class there are values without limits. Raises `ValueError` for
    labels other than 0 and 1, values of `p` outside [0, 1] and unequal lengths.

    >>> recalibration([0, 1, 0, 1], [0.2, 0.2, 0.8, 0.8]).slope.value
    0.0
    """
    y_, p_ = np.asarray(y, dtype=np.float64).ravel(), np.asarray(p, dtype=np.float64).ravel()
    if y_.size != p_.size:
        raise ValueError(f"y has {y_.size} rows and p has {p_.size}; they must be the same loans")
    if not np.isin(y_, (0.0, 1.0)).all():
        raise ValueError(f"y holds {y_[~np.isin(y_, (0.0, 1.0))][0]}; labels must be 0 or 1")
    if not ((p_ >= 0) & (p_ <= 1)).all():
        raise ValueError(f"p holds {p_[~((p_ >= 0) & (p_ <= 1))][0]}; must be within [0, 1]")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence is {confidence!r}, must lie between 0 and 1, e.g. 0.95.")
    unknown = Interval(np.nan, np.nan, np.nan, y_.size)
    rare = min(y_.sum(), (1 - y_).sum())
    if rare == 0 or not ((p_ > 0) & (p_ < 1)).all():
        return Recalibration(unknown, unknown)
    reach = stats.norm.ppf((1 + confidence) / 2) if rare >= MIN_PER_CLASS else np.nan
    x = special.logit(p_)
    one = np.ones((y_.size, 1))
    intercept = _last(one, x, y_, reach)
    if _separated(y_, x):
        return Recalibration(unknown, intercept)
    middle, spread = x.mean(), x.std()  # standardised, so that Newton's steps are of one size
    slope = _last(np.column_stack([one, (x - middle) / spread]), np.zeros_like(x), y_, reach)
    scaled = (float(v / spread) for v in (slope.value, slope.low, slope.high))
    return Recalibration(Interval(*scaled, y_.size), intercept)


def expected_recalibration(p: ArrayLike, *, confidence: float = 0.95) -> Recalibration:
    """Where `recalibration` should lie if the probabilities `p` are right: 1 and 0, with bounds.

    The bounds are normal ones from the information of `p` (no outcome is needed). NaN as for
    `recalibration`, with the expected numbers of defaults and repaid loans in place of those seen.
    """
    p_ = np.asarray(p, dtype=np.float64).ravel()
    unknown = Interval(np.nan, np.nan, np.nan, p_.size)
    if not p_.size or not ((p_ > 0) & (p_ < 1)).all():
        return Recalibration(unknown, unknown)
    enough = min(p_.sum(), (1 - p_).sum()) >= MIN_PER_CLASS
    reach = stats.norm.ppf((1 + confidence) / 2) if enough else np.nan
    weight, x = p_ * (1 - p_), special.logit(p_)
    off = float(reach / np.sqrt(weight.sum()))
    intercept = Interval(0.0, -off, off, p_.size)
    if np.ptp(x) == 0:
        return Recalibration(unknown, intercept)
    off = float(reach / np.sqrt(weight @ (x - np.average(x, weights=weight)) ** 2))
    return Recalibration(Interval(1.0, 1.0 - off, 1.0 + off, p_.size), intercept)


def _separated(y: Floats, x: Floats) -> bool:
    """Whether a cut in x has all defaults on one side and all repaid loans on the other."""
    bad, good = x[y == 1], x[y == 0]
    return bool(bad.min() >= good.max() or bad.max() <= good.min())


def _last(design: Floats, offset: Floats, y: Floats, reach: float) -> Interval:
    """The last coefficient of a logistic regression, `reach` standard errors either way."""
    beta = _fitted(design, offset, y)
    p = special.expit(offset + design @ beta)
    bread = np.linalg.inv(_information(design, p))
    # A residual is shrunk by the fit, as in a linear model: HC3 takes that back (few defaults).
    leverage = p * (1 - p) * np.einsum("ij,jk,ik->i", design, bread, design)
    scores = design * ((y - p) / (1 - leverage))[:, None]
    error = float(np.sqrt((bread @ (scores.T @ scores) @ bread)[-1, -1]))
    value = float(beta[-1])
    return Interval(value, float(value - reach * error), float(value + reach * error), y.size)


def _fitted(design: Floats, offset: Floats, y: Floats) -> Floats:
    """Maximum likelihood by Newton's method, a step halved until it climbs."""
    beta = np.zeros(design.shape[1])
    reached = _log_likelihood(design, offset, y, beta)
    for _ in range(_STEPS):
        p = special.expit(offset + design @ beta)
        gradient = design.T @ (y - p)
        step = np.linalg.solve(_information(design, p), gradient)
        while (climbed := _log_likelihood(design, offset, y, beta + step)) < reached:
            if np.abs(step).max() < _CLOSE:
                return beta
            step = step / 2
        beta, reached = beta + step, climbed
        if np.abs(step).max() < _CLOSE:
            return beta
    raise ArithmeticError(
        f"the recalibration of {y.size} rows did not settle in {_STEPS} steps; look at the spread "
        "of the probabilities: some may lie within rounding of 0 or 1."
    )


def _information(design: Floats, p: Floats) -> Floats:
    return design.T @ (design * (p * (1 - p))[:, None])


def _log_likelihood(design: Floats, offset: Floats, y: Floats, beta: Floats) -> float:
    eta = offset + design @ beta
    return float(y @ eta - np.logaddexp(0.0, eta).sum())
