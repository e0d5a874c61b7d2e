"""Whether the data of an experiment allow a comparison at all: who is in them, who is missing.

Before any effect: the sizes of the arms against their planned shares (`ab_mismatch`), and outcomes
that are missing, from one arm more than from another or too many in all.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from mlops_helpers.ab_mismatch import SRM_ALPHA, SrmCheck, check_stages
from mlops_helpers.business import p_in_words
from mlops_helpers.experiment_plan import ExperimentPlan
from mlops_helpers.exposure_sums import (
    CROSSED,
    ExposureSums,
    before,
    compared,
    complete_until,
    in_full_split,
    month_of_size,
    without_outcome,
)

__all__ = ["MOST_MISSING", "Sample", "sample_of"]

MOST_MISSING = 0.02
"""Share of an arm's due outcomes that may be missing.

Declined applications are never missing, so whoever drops approved ones gives the others more
weight: at equal true profit, with arms that approve 27 % and 76 %, 30 % missing by chance made
10 % and 20 % missing defaults 44 % of tests of 2,000 an arm deploy, where 2.5 % are promised.
"""


_EARLY = "before the full split"


@dataclass(frozen=True)
class Sample:
    """Who is compared and who is not; every count is of applications.

    complete: of the months that are compared and the full split, by arm. missing: of those,
    approved and without an outcome. compared: the others. fallbacks: compared ones that another
    version than the arm's answered. granted: complete and approved. waiting: of months that are
    not complete, or from before the full split. planned_split: scored at the planned split, of
    whatever month.
    arrives: in which month every arm will have been given the planned number of applications, at
    the traffic so far; None where no traffic tells.
    """

    srm: SrmCheck
    left_out: dict[str, int]
    complete: dict[str, int]
    missing: dict[str, int]
    compared: dict[str, int]
    fallbacks: dict[str, int]
    granted: dict[str, int]
    waiting: int
    planned_split: dict[str, int]
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
            out = [f"{n:,} {reason}" for reason, n in self.left_out.items() if n]
            if out:
                return f"no row of the log can be used: {', '.join(out)}."
            return "no application was exposed yet."
        return (
            f"sample-ratio mismatch: {told}, {p_in_words(self.srm.p_value)}; the limit is "
            f"{SRM_ALPHA:g}. Find out who is missing before reading any effect{self._crossed()}."
        )

    def _crossed(self) -> str:
        n = self.left_out[CROSSED]
        return f"; {n:,} rows are left out of both because their unit met two arms" if n else ""

    def lost_outcomes(self) -> str:
        """Which arms miss more than `MOST_MISSING` of their due outcomes; nothing if none do."""
        if all(n <= MOST_MISSING * self.granted[arm] for arm, n in self.missing.items()):
            return ""
        return (
            f"of the approved loans whose outcome is due it is missing for {self.missing_told()}; "
            f"at most {100 * MOST_MISSING:g} % may be. Find out why, or plan a longer label delay."
        )

    def missing_told(self) -> str:
        """Missing outcomes of each arm: how many, of how many, and their share."""
        return ", ".join(
            f"{arm} {n:,} of {self.granted[arm]:,} ({100 * n / max(self.granted[arm], 1):.1f} %)"
            for arm, n in self.missing.items()
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
        early = self.left_out[_EARLY]
        if early and not any(self.planned_split.values()):
            return (
                f"none of {early:,} applications of complete months was scored at the planned "
                "split. Ramp the experiment to 1."
            )
        for arm, n in self.compared.items():
            if n < 2:
                return f"arm {arm} has {n} applications that can be analysed, needs 2 or more."
        if not sum(self.granted.values()):
            return "no application was approved, so there is no outcome to compare."
        return ""


def sample_of(sums: ExposureSums, plan: ExperimentPlan) -> Sample:
    """Count who is in the sums of an experiment."""
    cells, arms = sums.cells, plan.arms
    n = cells["n"].to_numpy(dtype=float)
    variant = cells["variant"].to_numpy()
    complete = before(cells, complete_until(plan, sums.as_of))
    full, silent = in_full_split(sums), without_outcome(sums)

    def each(which: NDArray[np.bool_]) -> dict[str, int]:
        return {arm: round(n[which & (variant == arm)].sum()) for arm in arms}

    due = compared(sums, plan)
    used = due & ~silent
    approved = (cells["decision"] == "approve").to_numpy(dtype=bool)
    stage = cells["stage"].to_numpy(dtype=int)
    shares = [stage_.shares for stage_ in sums.stages] or [plan.experiment.shares]
    missing = each(due & silent)
    left_out = {
        **sums.left_out,
        "month not complete yet": round(n[~complete].sum()),
        _EARLY: round(n[complete & ~full].sum()),
        "after the planned size": round(n[complete & full & ~due].sum()),
        "approved, outcome missing": sum(missing.values()),
    }
    return Sample(
        srm=check_stages([each(stage == k) for k in range(len(shares))], shares),
        left_out=left_out,
        complete=each(due),
        missing=missing,
        compared=each(used),
        fallbacks=each(used & cells["fallback"].to_numpy(dtype=bool)),
        granted=each(due & approved),
        waiting=round(n[~(complete & full)].sum()),
        planned_split=each(full),
        arrives=_arrives(sums, plan, each(full)),
    )


def _arrives(
    sums: ExposureSums, plan: ExperimentPlan, arrived: dict[str, int]
) -> pd.Timestamp | None:
    """The month in which the last application of the planned size came, or an instant to come.

    arrived: applications of the full split, by arm. The traffic is that of all arms so far, from
    the first application to the last; what came before the full split counts for it.
    """
    if sums.seen is None:
        return None
    month = month_of_size(sums.cells, plan, in_full_split(sums))
    if month is not None:
        return month
    first, last = (when.tz_convert("UTC") for when in sums.seen)
    needed = plan.needed()
    to_come = max(
        (needed[arm] - arrived[arm]) / share
        for arm, share in zip(plan.arms, plan.experiment.split, strict=True)
    )
    return last + (last - first) * (to_come / int(sums.cells["n"].sum())) if last > first else None
