"""Whether the data of an experiment allow a comparison at all: who is in them, who is missing.

Before any effect: the sizes of the arms against their planned shares (sample-ratio mismatch), and
outcomes that are missing from one arm more than from another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from mlops_helpers.assignment import Experiment, ratio_p_value
from mlops_helpers.business import p_in_words
from mlops_helpers.experiment_plan import ExperimentPlan
from mlops_helpers.exposure_sums import (
    ExposureSums,
    compared_until,
    complete_until,
    in_full_split,
    without_outcome,
)

__all__ = ["SRM_ALPHA", "Sample", "SrmCheck", "check_ratio", "sample_of"]

SRM_ALPHA = 0.001
"""Level of the checks of the data themselves: sizes of the arms, missing outcomes."""


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
    """Test of the arms' counts against their shares (`ratio_p_value`); fails below `alpha`.

    A mismatch means that something besides chance decided who is in the data. No analysis can
    mend that. Without any unit the check fails with p-value NaN.
    """
    seen = {arm: int(counts.get(arm, 0)) for arm in experiment.arms}
    return _check_stages([seen], [experiment.shares], alpha)


@dataclass(frozen=True)
class Sample:
    """Who is compared and who is not; every count is of applications.

    complete: of complete months and the full split, by arm. missing: of those, approved and
    without an outcome. compared: the others. fallbacks: compared ones that another version than
    the arm's answered. granted: complete and approved. waiting: of months that are not complete, or
    from before the full split.
    arrives: when every arm will have been given the planned number of applications, at the traffic
    so far; None where no traffic tells.
    """

    srm: SrmCheck
    left_out: dict[str, int]
    complete: dict[str, int]
    missing: dict[str, int]
    compared: dict[str, int]
    fallbacks: dict[str, int]
    granted: dict[str, int]
    waiting: int
    arrives: pd.Timestamp | None

    def mismatch(self) -> str:
        """What is wrong with the sizes of the arms; nothing if they are as planned."""
        if self.srm.passed:
            return ""
        told = ", ".join(
            f"{arm} {n:,} (planned {self.srm.expected[arm]:,.0f})"
            for arm, n in self.srm.counts.items()
        )
        if not sum(self.srm.counts.values()):
            return "no application was exposed yet."
        return (
            f"sample-ratio mismatch: {told}, {p_in_words(self.srm.p_value)}; the limit is "
            f"{SRM_ALPHA:g}. Find out who is missing before reading any effect."
        )

    def uneven_outcomes(self) -> str:
        """Which arms surely miss their outcomes at different rates; nothing if none do.

        Each treatment is tested against control, exactly (Fisher), at `SRM_ALPHA` over all.
        """
        control, *treatments = self.missing
        for arm in treatments if any(self.missing.values()) else []:
            table = [[self.missing[a], self.granted[a] - self.missing[a]] for a in (control, arm)]
            p_value = float(stats.fisher_exact(table).pvalue)
            if p_value < SRM_ALPHA / len(treatments):
                told = " and ".join(
                    f"{self.missing[a]:,} of {self.granted[a]:,} in {a}" for a in (control, arm)
                )
                return (
                    f"outcomes that are due are missing for {told} approved loans, "
                    f"{p_in_words(p_value)}: what is left of the arms cannot be compared. Find out "
                    "why they are missing."
                )
        return ""

    def too_little(self) -> str:
        """What is missing for a comparison; nothing if each arm can be compared."""
        for arm, n in self.compared.items():
            if n < 2:
                return f"arm {arm} has {n} applications that can be analysed, needs 2 or more."
        if not sum(self.granted.values()):
            return "no application was approved, so there is no outcome to compare."
        if self.missing == self.granted:
            lost = sum(self.missing.values())
            return f"none of {lost:,} approved loans has its outcome, although all are due."
        return ""


def sample_of(sums: ExposureSums, plan: ExperimentPlan) -> Sample:
    """Count who is in the sums of an experiment."""
    cells, arms = sums.cells, plan.arms
    n = cells["n"].to_numpy(dtype=float)
    variant = cells["variant"].to_numpy()
    month = cells["month"]
    complete = (month < complete_until(plan, sums.as_of)).to_numpy(dtype=bool)
    until = compared_until(cells, plan, sums.as_of, sums.stages)
    early = (month < until).to_numpy(dtype=bool)
    full, silent = in_full_split(sums), without_outcome(sums)

    def each(which: NDArray[np.bool_]) -> dict[str, int]:
        return {arm: round(n[which & (variant == arm)].sum()) for arm in arms}

    due = early & full
    used = due & ~silent
    approved = (cells["decision"] == "approve").to_numpy(dtype=bool)
    stage = cells["stage"].to_numpy(dtype=int)
    shares = [stage_.shares for stage_ in sums.stages] or [plan.experiment.shares]
    missing = each(due & silent)
    left_out = {
        **sums.left_out,
        "month not complete yet": round(n[~complete].sum()),
        "before the full split": round(n[complete & ~full].sum()),
        "after the planned size": round(n[complete & full & ~early].sum()),
        "approved, outcome missing": sum(missing.values()),
    }
    return Sample(
        srm=_check_stages([each(stage == k) for k in range(len(shares))], shares, SRM_ALPHA),
        left_out=left_out,
        complete=each(due),
        missing=missing,
        compared=each(used),
        fallbacks=each(used & cells["fallback"].to_numpy(dtype=bool)),
        granted=each(due & approved),
        waiting=round(n[~due].sum()),
        arrives=_arrives(sums, plan, each(full)),
    )


def _check_stages(
    counts: Sequence[Mapping[str, int]], shares: Sequence[Sequence[float]], alpha: float
) -> SrmCheck:
    """The arms' sizes over stages of different shares: the sum of the stages' chi-squares.

    A small stage's exact p-value enters as the chi-square that has it.
    """
    arms = list(counts[0])
    seen = {arm: sum(stage[arm] for stage in counts) for arm in arms}
    planned = dict.fromkeys(arms, 0.0)
    found: list[float] = []
    for stage, split in zip(counts, shares, strict=True):
        total = sum(stage.values())
        for arm, share in zip(arms, split, strict=True):
            planned[arm] += share * total
        if total:
            found.append(ratio_p_value([stage[arm] for arm in arms], split))
    p_value = found[0] if found else float("nan")
    if len(found) > 1:
        freedom = len(arms) - 1
        chi_square = stats.chi2.isf(found, freedom).sum()
        p_value = float(stats.chi2.sf(chi_square, freedom * len(found)))
    return SrmCheck(seen, planned, p_value, p_value >= alpha)


def _arrives(
    sums: ExposureSums, plan: ExperimentPlan, arrived: Mapping[str, int]
) -> pd.Timestamp | None:
    """When the last application of the planned size comes, at the traffic of all arms so far.

    arrived: applications of the full split, by arm. What came before counts for the traffic: from
    the first application to the last.
    """
    if sums.seen is None:
        return None
    first, last = (when.tz_convert("UTC") for when in sums.seen)
    needed = plan.needed()
    to_come = max(
        (needed[arm] - arrived[arm]) / share
        for arm, share in zip(plan.arms, plan.experiment.split, strict=True)
    )
    if to_come <= 0:
        return last
    return last + (last - first) * (to_come / int(sums.cells["n"].sum())) if last > first else None
