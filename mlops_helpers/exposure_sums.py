"""What an analysis of an experiment needs of its exposures: counts and sums, no rows.

All figures of `ab_effects` follow from these sums, so a database can compute them where the rows
lie, and ten million exposures weigh as much as ten thousand. :func:`from_rows` makes them from
rows in memory; the log computes the same ones in SQL.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlops_helpers.delong import auc_moments
from mlops_helpers.exposure_cells import (
    CELL_KEYS,
    CELL_SUMS,
    before,
    compared_until,
    complete_until,
    from_codes,
    full_stages,
    last_month,
    month_of_size,
)
from mlops_helpers.exposure_checks import (
    CROSSED,
    REPEATED,
    STRANGE,
    checked_instant,
    checked_rows,
    one_arm_each,
    refuse_unusable,
)

if TYPE_CHECKING:
    from mlops_helpers.experiment_plan import ExperimentPlan
    from mlops_helpers.lifecycle import Stage

__all__ = [
    "AUC_COLUMNS",
    "CELL_KEYS",
    "CELL_SUMS",
    "CROSSED",
    "REPEATED",
    "STRANGE",
    "ExposureSums",
    "analysed",
    "before",
    "checked_instant",
    "compared",
    "compared_until",
    "complete_until",
    "from_codes",
    "from_rows",
    "full_stages",
    "in_full_split",
    "last_month",
    "month_of_size",
    "refuse_unusable",
    "without_outcome",
]

AUC_COLUMNS = ("variant", "positives", "negatives", "auc", "variance")


@dataclass(frozen=True, eq=False)
class ExposureSums:
    """The sums of an experiment's exposures as known at `as_of`.

    cells: a row for each combination of `CELL_KEYS` that occurs, with `CELL_SUMS`. stage is the
    index of the stage in which the unit was scored, month the first instant of the month (UTC) in
    which it was; default is 0.0 or 1.0, NaN where declined or not known at `as_of`; fallback marks
    rows that another version than the arm's answered. Sums are of loan_amount ($), of its square,
    and of the covariate x, x^2 and x * loan_amount (0.0 without a covariate).
    aucs: `AUC_COLUMNS` for each arm, over rows of a full stage before `compared_until`, approved
    and with an outcome; NaN where an arm lacks a class, the variance also below
    `delong.MIN_PER_CLASS` of a class. Without rows when no probability is known.
    left_out: rows that belong to no unit or to no arm, by reason.
    stages: as they were given; empty means one full stage.
    seen: scored_at of the first and the last unit in `cells`; None without any.
    experiment: whose they are; None if that was not said.
    Units scored after `as_of` are not there yet: they are in no cell and no reason.
    """

    cells: pd.DataFrame
    aucs: pd.DataFrame
    left_out: dict[str, int]
    as_of: pd.Timestamp
    covariate: str | None = None
    stages: tuple[Stage, ...] = ()
    seen: tuple[pd.Timestamp, pd.Timestamp] | None = field(default=None)
    experiment: str | None = None

    def __post_init__(self) -> None:
        """Refuse frames of another shape."""
        for name, frame, columns in (
            ("cells", self.cells, (*CELL_KEYS, *CELL_SUMS)),
            ("aucs", self.aucs, AUC_COLUMNS),
        ):
            if tuple(frame.columns) != columns:
                raise ValueError(
                    f"{name} has the columns {', '.join(map(str, frame.columns))}; must be "
                    f"{', '.join(columns)}. Make them with from_rows or the log."
                )


def from_rows(
    exposures: pd.DataFrame,
    plan: ExperimentPlan,
    *,
    as_of: pd.Timestamp,
    stages: Sequence[Stage] | None = None,
) -> ExposureSums:
    """The sums of exposures in memory: one row for each scored application, with its outcome.

    Columns: application_id, variant, scored_at (aware), decision ("approve" / "decline"),
    loan_amount and default (0, 1 or missing); used if they are there: prediction_id (the order of
    one instant's rows), outcome_at (an outcome counts from then on), model_version (marks
    fallbacks), probability (AUC) and the plan's covariate.
    A unit that met several arms is left out whole; of repeated exposures the first stays. A unit
    scored before the first stage counts to it. Raises ValueError for columns that are missing and
    for values that cannot be: what is wrong is named, all at once.
    """
    rows = checked_rows(exposures, plan, as_of)
    units, left_out = one_arm_each(rows, plan.experiment.arms)
    kept = tuple(stages) if stages is not None else ()
    keys, months = _keys(units, plan, as_of, kept)
    amount = units["loan_amount"].to_numpy(dtype=float)
    x = np.zeros(len(units))
    if plan.covariate is not None:
        x = units[plan.covariate].to_numpy(dtype=float)
    sums = (np.ones(len(units)), amount, amount**2, x, x**2, x * amount)
    cells = _cells(keys, sums, plan.experiment.arms, months)
    until = compared_until(cells, plan, as_of, kept)
    early = full_stages(kept)[keys["stage"]] & np.asarray(months < until)[keys["month"]]
    seen = None
    if len(units):
        when = units["scored_at"]
        seen = (when.min(), when.max())
    return ExposureSums(
        cells=cells,
        aucs=_aucs(units, keys, early, plan.experiment.arms),
        left_out=left_out,
        as_of=as_of,
        covariate=plan.covariate,
        stages=kept,
        seen=seen,
        experiment=plan.name,
    )


def in_full_split(sums: ExposureSums) -> NDArray[np.bool_]:
    """Which cells hold units of a stage at the planned split."""
    return full_stages(sums.stages)[sums.cells["stage"].to_numpy(dtype=int)]


def without_outcome(sums: ExposureSums) -> NDArray[np.bool_]:
    """Which cells hold approved loans whose outcome is not known."""
    taken = (sums.cells["decision"] == "approve").to_numpy(dtype=bool)
    return taken & np.isnan(sums.cells["default"].to_numpy(dtype=float))


def compared(sums: ExposureSums, plan: ExperimentPlan) -> NDArray[np.bool_]:
    """Which cells the arms' comparison is about: of the full split, before `compared_until`."""
    until = compared_until(sums.cells, plan, sums.as_of, sums.stages)
    return in_full_split(sums) & before(sums.cells, until)


def analysed(sums: ExposureSums, plan: ExperimentPlan) -> NDArray[np.bool_]:
    """Which cells are analysed: `compared`, outcome known."""
    return compared(sums, plan) & ~without_outcome(sums)


def _keys(
    units: pd.DataFrame, plan: ExperimentPlan, as_of: pd.Timestamp, stages: tuple[Stage, ...]
) -> tuple[dict[str, NDArray[np.int64]], pd.DatetimeIndex]:
    """The keys of each unit's cell as small integers, and the months; no outcome is 2."""
    arms = plan.experiment.arms
    when = units["scored_at"].dt.tz_convert("UTC")
    since = pd.DatetimeIndex([stage.since for stage in stages], tz="UTC") if stages else None
    stage = np.zeros(len(units), dtype=int)
    if since is not None:
        stage = np.maximum(since.searchsorted(pd.DatetimeIndex(when), side="right") - 1, 0)
    first = when.dt.normalize() - pd.to_timedelta(when.dt.day - 1, unit="D")
    month, months = pd.factorize(first, sort=True)
    approved = (units["decision"] == "approve").to_numpy(dtype=bool)
    default = units["default"].to_numpy(dtype=float, na_value=np.nan)
    known = approved & ~np.isnan(default)
    if "outcome_at" in units.columns:
        known &= (units["outcome_at"] <= as_of).to_numpy(dtype=bool)
    variant = pd.Index(arms).get_indexer(units["variant"])
    fallback = np.zeros(len(units), dtype=int)
    if "model_version" in units.columns:
        planned = np.array([plan.versions[arm] for arm in arms])[variant]
        version = units["model_version"].to_numpy(dtype=float, na_value=np.nan)
        fallback = (version != planned).astype(int)
    keys = {
        "variant": variant,
        "stage": stage,
        "month": month,
        "decision": (~approved).astype(int),
        "default": np.where(known, default, 2).astype(int),
        "fallback": fallback,
    }
    return keys, pd.DatetimeIndex(months)


def _cells(
    keys: dict[str, NDArray[np.int64]],
    sums: Sequence[NDArray[np.float64]],
    arms: tuple[str, ...],
    months: pd.DatetimeIndex,
) -> pd.DataFrame:
    stages = int(keys["stage"].max(initial=0)) + 1
    shape = (len(arms), stages, max(len(months), 1), 2, 3, 2)
    code = np.ravel_multi_index(tuple(keys[name] for name in CELL_KEYS), shape)
    totals = [np.bincount(code, weights=values, minlength=int(np.prod(shape))) for values in sums]
    there = np.flatnonzero(totals[0])
    return from_codes(there, [total[there] for total in totals], arms, stages=stages, months=months)


def _aucs(
    units: pd.DataFrame,
    keys: dict[str, NDArray[np.int64]],
    early: NDArray[np.bool_],
    arms: tuple[str, ...],
) -> pd.DataFrame:
    if "probability" not in units.columns:
        return pd.DataFrame(columns=list(AUC_COLUMNS))
    judged = early & (keys["decision"] == 0) & (keys["default"] < 2)
    score = units["probability"].to_numpy(dtype=float)
    found = []
    for k, arm in enumerate(arms):
        mine = judged & (keys["variant"] == k)
        outcome = keys["default"][mine]
        positives = int(outcome.sum())
        auc, variance = auc_moments(outcome, score[mine])
        found.append((arm, positives, len(outcome) - positives, auc, variance))
    return pd.DataFrame(found, columns=list(AUC_COLUMNS))
