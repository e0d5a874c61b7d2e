"""The gate's look at groups of applicants: whom the average would hide.

Many groups are looked at, and one of many looks bad by chance. The confidence of each interval is
therefore raised until all of them hold together in 95 % of samples (Bonferroni; Holm's procedure
refuses in the same cases, because one refusal is enough).

A group may be one person, so the interval of its default rate is the exact one: the limit that it
must not pass lies in it unless so few (or so many) defaults are improbable even there. The exact
tails are the binomial ones of the mean probability; the probabilities of a group differ, which
makes its defaults vary less, not more, so nothing is refused too often.

Sources: C. J. Clopper and E. S. Pearson (1934), Biometrika 26, 404-413; W. Hoeffding (1956),
Annals of Mathematical Statistics 27, 713-721 (unequal probabilities).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from mlops_helpers.business import Interval
from mlops_helpers.data import TARGET
from mlops_helpers.delong import MIN_PER_CLASS, auc_difference, auc_interval
from mlops_helpers.gate import Finding
from mlops_helpers.gate_figures import for_each_promised, need_columns
from mlops_helpers.gate_policy import GatePolicy
from mlops_helpers.segments import SEGMENTS, Group, groups_of, too_small

__all__ = ["fair_to_groups"]

SHOWN = 3
"""Groups that a refusal spells out; of more it says how many."""

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class _Look:
    """One figure of one group, against the limit that it must not surely pass."""

    words: str
    found: Interval
    least: float
    most: float = np.inf

    @property
    def faulty(self) -> bool:
        """Whether the whole interval lies at a limit or beyond."""
        return self.found.high <= self.least or self.found.low >= self.most

    def __str__(self) -> str:
        """The figure with its interval, for a sentence."""
        found = self.found
        return f"{self.words} {found.value:.3f} [{found.low:.3f}, {found.high:.3f}]"

    @property
    def rule(self) -> str:
        """What the figure must not surely be, for a sentence."""
        if np.isinf(self.most):
            return f"at or below {self.least:.3f}"
        return f"outside {self.least:.2f} to {self.most:.2f}"

    @property
    def limit(self) -> float:
        """The limit that the figure is nearer to."""
        return self.most if self.found.low >= self.most else self.least


def fair_to_groups(
    rows: pd.DataFrame,
    candidate: FloatArray,
    champion: FloatArray | None,
    policy: GatePolicy,
) -> Finding:
    """Is there no group of applicants that the candidate surely serves badly?

    Badly means: it ranks them worse than the champion by more than `segment_margin` (without a
    champion: no better than by chance), or more or fewer of them default than promised by more than
    the factor `level`. A ranking is judged with `MIN_PER_CLASS` of each class; groups with fewer
    are counted and named, and if no group at all can be judged that is no evidence and refuses.
    A column in which all applicants are alike divides nobody and is left out.
    """
    need_columns(rows, TARGET, *SEGMENTS)
    label = rows[TARGET].to_numpy(dtype=float)
    if not np.isin(label, (0, 1)).all():
        raise ValueError("an outcome is missing, or neither 0 nor 1; leave such rows out")
    groups = list(groups_of(rows, label))
    ranked = [group for group in groups if group.ranked]
    if not ranked:
        return Finding(
            False, f"not enough evidence: none of {len(groups)} groups has {MIN_PER_CLASS} of each"
        )
    confidence = 1 - 0.05 / (len(ranked) + len(groups))
    looks = [_ranking(group, label, candidate, champion, policy, confidence) for group in ranked]
    worst = min(looks, key=lambda look: look.found.high - look.least)
    looks += [_level(group, label, candidate, policy, confidence) for group in groups]
    faults = [look for look in looks if look.faulty]
    told = "; ".join(map(str, faults[:SHOWN])) or f"worst of {len(ranked)}: {worst}"
    told += f"; and {len(faults) - SHOWN} more" if len(faults) > SHOWN else ""
    rules = " or ".join(dict.fromkeys(look.rule for look in faults[:SHOWN] or [worst]))
    told += f"; must not surely be {rules}"
    told += too_small([group for group in groups if not group.ranked], len(groups))
    shown = faults[0] if faults else worst
    found = shown.found
    return Finding(not faults, told, found.value, found.low, found.high, shown.limit)


def _ranking(
    group: Group,
    label: FloatArray,
    candidate: FloatArray,
    champion: FloatArray | None,
    policy: GatePolicy,
    confidence: float,
) -> _Look:
    own, y = candidate[group.rows], label[group.rows]
    if champion is None:
        area = auc_interval(y, own, confidence=confidence)
        return _Look(f"{group}: AUC", area, 0.5)
    gap = auc_difference(y, champion[group.rows], own, confidence=confidence)
    return _Look(f"{group}: AUC against the champion's", gap, -policy.segment_margin)


def _level(
    group: Group, label: FloatArray, candidate: FloatArray, policy: GatePolicy, confidence: float
) -> _Look:
    """Defaults for each one promised, with the exact interval of the default rate."""
    rate = _exact(label[group.rows], confidence)
    ratio = for_each_promised(rate, candidate[group.rows])
    words = f"{group}: defaults for each one promised"
    return _Look(words, ratio, 1 / policy.level, policy.level)


def _exact(label: FloatArray, confidence: float) -> Interval:
    """The rate with Clopper and Pearson's interval, which holds however few rows there are."""
    defaults, n = int(label.sum()), len(label)
    found = stats.binomtest(defaults, n).proportion_ci(confidence)
    return Interval(defaults / n, float(found.low), float(found.high), n)
