"""Whether the arms of an experiment have the sizes that were planned (sample-ratio mismatch).

A mismatch means that something besides chance decided who is in the data. No analysis can mend
that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from mlops_helpers.assignment import Experiment

__all__ = ["SRM_ALPHA", "SrmCheck", "check_ratio", "check_stages"]

SRM_ALPHA = 0.001
"""Level of the checks of the data themselves: sizes of the arms, missing outcomes."""
_LEAST_PLANNED = 20  # units of an arm below which chi-square raises false alarms
_FAR = 400  # counts that an arm with fewer planned than that does not reach by chance


@dataclass(frozen=True)
class SrmCheck:
    """Whether the arms got the shares that were planned (sample-ratio mismatch)."""

    counts: dict[str, int]
    expected: dict[str, float]
    p_value: float
    passed: bool

    @property
    def table(self) -> pd.DataFrame:
        """Columns variant, n, planned: one row for each arm."""
        return pd.DataFrame(
            {
                "variant": list(self.counts),
                "n": list(self.counts.values()),
                "planned": list(self.expected.values()),
            }
        )


def check_ratio(
    counts: dict[str, int], experiment: Experiment, *, alpha: float = SRM_ALPHA
) -> SrmCheck:
    """Test of the arms' counts against their shares, as :func:`check_stages` with one stage."""
    seen = {arm: counts.get(arm, 0) for arm in experiment.arms}
    return check_stages([seen], [experiment.shares], alpha)


def check_stages(
    counts: Sequence[Mapping[str, int]], shares: Sequence[Sequence[float]], alpha: float = SRM_ALPHA
) -> SrmCheck:
    """Test of the arms' sizes over stages of different shares; fails below `alpha`.

    What each arm has more than planned is summed over the stages and compared with its covariance,
    the sum of the stages' multinomial ones: chi-square with one degree of freedom less than arms.
    So a loss in one direction is noticed as well in ten stages as in one; losses in opposite
    directions cancel. Where an arm should have fewer than 20 units, each arm is tested by itself,
    the small ones exactly, and the smallest p-value times the arms counts (two arms are one test).
    Without any unit the check fails with p-value NaN. Raises `ValueError` for what are no counts.
    """
    arms = list(counts[0])
    for stage in counts:
        if not all(n >= 0 and n == int(n) for n in stage.values()):
            raise ValueError(
                f"counts is {dict(stage)!r}, must be a whole number of units, 0 or more, for each "
                "arm."
            )
    seen = np.array([[stage[arm] for arm in arms] for stage in counts], dtype=float)
    split = np.array(shares, dtype=float)
    total = seen.sum(axis=1)
    planned = total @ split
    p_value = float("nan")
    if total.sum():
        far = seen.sum(axis=0) - planned
        least = int(planned.argmin())
        if planned[least] >= _LEAST_PLANNED:
            covariance = np.diag(planned) - (split.T * total) @ split
            square = far[1:] @ np.linalg.solve(covariance[1:, 1:], far[1:])
            p_value = float(stats.chi2.sf(square, len(arms) - 1))
        else:
            tested = [least] if len(arms) == 2 else range(len(arms))
            found = [_p_of_arm(seen[:, k].sum(), total, split[:, k]) for k in tested]
            p_value = min(1.0, len(found) * min(found))
    told = {arm: int(n) for arm, n in zip(arms, seen.sum(axis=0), strict=True)}
    expected = {arm: float(n) for arm, n in zip(arms, planned, strict=True)}
    return SrmCheck(told, expected, p_value, p_value >= alpha)


def _p_of_arm(seen: float, total: NDArray[np.float64], share: NDArray[np.float64]) -> float:
    """Two-sided p-value of one arm's count, a sum of binomials; exact where few are planned."""
    planned = float(total @ share)
    if planned >= _LEAST_PLANNED:
        error = np.sqrt(total @ (share * (1 - share)))
        return 2 * float(stats.norm.sf(abs(seen - planned) / error))
    each = [stats.binom.pmf(np.arange(_FAR), n, p) for n, p in zip(total, share, strict=True)]
    chance = reduce(lambda a, b: np.convolve(a, b)[:_FAR], each)
    # as scipy.stats.binomtest: every count that is no more probable, but for rounding
    here = chance[min(int(seen), _FAR - 1)]
    return min(1.0, float(chance[chance <= here * (1 + 1e-7)].sum()))
