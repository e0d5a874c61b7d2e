"""What the analysed applications of each arm came to: profit, approvals, defaults, ranking.

Source of the adjustment for a covariate known before the decision (CUPED): A. Deng, Y. Xu, R.
Kohavi and T. Walker (2013), WSDM, 123-132, eq. 2 and 4.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from mlops_helpers.business import MIN_ROWS, UNKNOWN, CostModel, Interval
from mlops_helpers.confidence_sequences import Moments
from mlops_helpers.delong import interval_of_moments
from mlops_helpers.experiment_plan import ExperimentPlan
from mlops_helpers.exposure_sums import CELL_SUMS, ExposureSums, compared, without_outcome
from mlops_helpers.two_samples import wilson_of_counts

__all__ = ["ADJUSTED", "LEVEL_COLUMNS", "ArmFigures", "arm_figures", "levels"]

ADJUSTED = "profit_per_application, adjusted"
"""The metric's name after the adjustment for the plan's covariate."""
LEVEL_COLUMNS = ("variant", "metric", "value", "low", "high", "n")
_NAN = float("nan")
_ROUNDING = 1e-12  # of the squares: a spread below it is none


@dataclass(frozen=True)
class ArmFigures:
    """The analysed applications of an arm: how many, what they earned, how they were ranked.

    approved and defaults count; profit and adjusted are of one application in $ (adjusted is None
    without a covariate); auc's n is approved loans, its variance that of the AUC times n.
    granted of complete were approved, the outcome known or not.
    common: the squared standard error that the adjusted means of all arms have in common, of the
    covariate's mean over all arms; it is in no adjusted variance, because in a difference it
    cancels.
    tilt: the covariance of the arm's own part of the adjusted mean with that common part. It is not
    0 where the arm's slope on the covariate is another than that of all arms.
    """

    n: int
    approved: int
    defaults: int
    profit: Moments
    adjusted: Moments | None
    auc: Moments
    granted: int
    complete: int
    common: float = 0.0
    tilt: float = 0.0


def arm_figures(
    sums: ExposureSums, plan: ExperimentPlan, costs: CostModel, *, worst: bool = False
) -> dict[str, ArmFigures]:
    """The figures of each arm, control first: complete, of a full stage, outcome known.

    worst: the missing outcomes count as well, those of control as repaid, all others as defaults.

    The adjusted profit of an application is its profit less theta times what its covariate is above
    the mean of all arms (Deng et al., eq. 2). theta is the slope of profit on the covariate within
    the arms (eq. 4), one for all: it is 0 if the covariate does not vary.
    """
    cells = sums.cells
    taken = (cells["decision"] == "approve").to_numpy(dtype=bool)
    default = cells["default"].to_numpy(dtype=float)
    variant = cells["variant"].to_numpy()
    due = compared(sums, plan)
    if worst:
        missing = np.where(variant == plan.arms[0], 0.0, 1.0)
        default = np.where(without_outcome(sums), missing, default)
    used = due & ~(taken & np.isnan(default))
    gain = costs.profit(np.ones(len(cells)), default, taken)  # of one dollar
    n, amount, amount2, x, x2, x_amount = (cells[name].to_numpy(dtype=float) for name in CELL_SUMS)
    columns = (n, n * taken, n * (taken & (default == 1)), gain * amount, gain**2 * amount2)
    stacked = np.vstack([*columns, x, x2, gain * x_amount])
    totals = {arm: stacked[:, used & (variant == arm)].sum(axis=1) for arm in plan.arms}
    theta, mean_x, common = _slope(totals) if plan.covariate is not None else (0.0, 0.0, 0.0)
    aucs = {row[0]: row[1:] for row in sums.aucs.itertuples(index=False)}
    return {
        arm: ArmFigures(
            n=round(total[0]),
            approved=round(total[1]),
            defaults=round(total[2]),
            profit=_moments(total[0], total[3], total[4]),
            adjusted=_adjusted(total, theta, mean_x) if plan.covariate is not None else None,
            auc=_auc(*aucs.get(arm, (0, 0, _NAN, _NAN))),
            granted=round(n[due & taken & (variant == arm)].sum()),
            complete=round(n[due & (variant == arm)].sum()),
            common=common,
            tilt=_tilt(total, theta, sum(each[0] for each in totals.values())),
        )
        for arm, total in totals.items()
    }


def levels(figures: Mapping[str, ArmFigures], alpha: float) -> list[dict[str, Any]]:
    """A row of `LEVEL_COLUMNS` for each arm and metric: where it stands by itself, at one look."""
    rows: list[dict[str, Any]] = []
    for arm, found in figures.items():
        own = {
            "profit_per_application": _mean_interval(found.profit, alpha),
            "default_rate_approved": wilson_of_counts(found.defaults, found.approved, alpha),
            "approval_rate": wilson_of_counts(found.granted, found.complete, alpha),
            "auc_approved": _auc_interval(found, alpha),
        }
        if found.adjusted is not None:
            own[ADJUSTED] = _mean_interval(found.adjusted, alpha, found.common + 2 * found.tilt)
        rows += [{"variant": arm, "metric": metric, **vars(i)} for metric, i in own.items()]
    return rows


def _moments(n: float, total: float, squares: float) -> Moments:
    """Moments from sums; what is left by rounding when all values are the same counts as 0."""
    if n == 0:
        return Moments(0, _NAN, 0.0)
    mean = total / n
    spread = squares - n * mean**2
    varies = n > 1 and spread > _ROUNDING * squares
    return Moments(round(n), mean, spread / (n - 1) if varies else 0.0)


def _slope(totals: Mapping[str, NDArray[np.float64]]) -> tuple[float, float, float]:
    """Slope of profit on the covariate within the arms, the covariate's mean, `ArmFigures.common`.

    The last is slope^2 times the squared standard error of that mean, from the spread within arms.
    """
    together = sum(totals.values())
    n, x = together[0], together[5]
    with_x = squares = 0.0
    for total in totals.values():
        if total[0]:
            squares += total[6] - total[5] ** 2 / total[0]
            with_x += total[7] - total[5] * total[3] / total[0]
    varies = squares > _ROUNDING * together[6]
    slope = with_x / squares if varies else 0.0
    freedom = n - len(totals)
    common = slope**2 * squares / freedom / n if freedom > 0 else 0.0
    return slope, (x / n if n else 0.0), common


def _adjusted(total: NDArray[np.float64], theta: float, mean_x: float) -> Moments:
    n, y, y2, x, x2, xy = total[0], *total[3:]
    plain = _moments(n, y, y2)
    if n < 2:
        return plain
    of_x, with_x = (x2 - x**2 / n) / (n - 1), (xy - x * y / n) / (n - 1)
    variance = plain.variance + theta**2 * of_x - 2 * theta * with_x
    return Moments(plain.n, plain.mean - theta * (x / n - mean_x), max(variance, 0.0))


def _tilt(total: NDArray[np.float64], theta: float, n_all: float) -> float:
    """`ArmFigures.tilt`: theta / n_all times the covariance of what is left with the covariate."""
    n, y, x, x2, xy = total[0], *total[[3, 5, 6, 7]]
    if n < 2:
        return 0.0
    return theta * (xy - x * y / n - theta * (x2 - x**2 / n)) / (n - 1) / n_all


def _auc(positives: int, negatives: int, auc: float, variance: float) -> Moments:
    n = int(positives) + int(negatives)
    return Moments(n, float(auc), float(variance) * n)


def _auc_interval(found: ArmFigures, alpha: float) -> Interval:
    if not found.auc.n:
        return UNKNOWN
    return interval_of_moments(
        found.auc.mean,
        found.auc.variance / found.auc.n,
        positives=found.defaults,
        negatives=found.approved - found.defaults,
        confidence=1 - alpha,
    )


def _mean_interval(values: Moments, alpha: float, common: float = 0.0) -> Interval:
    """Student's t interval of a mean, with as many values as `profit_interval` asks for.

    common: what else there is of its squared standard error.
    """
    if values.n < MIN_ROWS:
        return Interval(values.mean, _NAN, _NAN, values.n)
    error = math.sqrt(max(values.variance / values.n + common, 0.0))
    reach = stats.t.ppf(1 - alpha / 2, values.n - 1) * error
    return Interval(values.mean, float(values.mean - reach), float(values.mean + reach), values.n)
