"""The cells that an experiment's exposures are summed in, and which months of them are compared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from mlops_helpers.experiment_plan import ExperimentPlan
    from mlops_helpers.lifecycle import Stage

__all__ = [
    "CELL_KEYS",
    "CELL_SUMS",
    "before",
    "compared_until",
    "complete_until",
    "from_codes",
    "full_stages",
    "last_month",
    "month_of_size",
]

CELL_KEYS = ("variant", "stage", "month", "decision", "default", "fallback")
CELL_SUMS = ("n", "amount", "amount2", "covariate", "covariate2", "covariate_amount")


def from_codes(
    codes: ArrayLike,
    sums: Sequence[ArrayLike],
    arms: tuple[str, ...],
    *,
    stages: int,
    months: pd.DatetimeIndex,
) -> pd.DataFrame:
    """Cells in the order of their codes, from codes and `CELL_SUMS`, a value for every code.

    A code is that of `numpy.ravel_multi_index`: the keys in the order of `CELL_KEYS`, counted from
    0 (arms, stages and months by their place; approve, decline; 0, 1, not known; False, True).
    months: first instants of months in UTC, in order; those without a unit do no harm.
    """
    place = np.asarray(codes, dtype=np.int64)
    order = np.argsort(place)
    shape = (len(arms), stages, max(len(months), 1), 2, 3, 2)
    variant, stage, month, decision, default, fallback = np.unravel_index(place[order], shape)
    # pandas would take objects for texts, unless none is there
    columns: dict[str, object] = {
        "variant": pd.Series(np.array(arms, dtype=object)[variant], dtype=object),
        "stage": stage,
        "month": months.as_unit("us").tz_convert("UTC")[month],
        "decision": pd.Series(
            np.array(["approve", "decline"], dtype=object)[decision], dtype=object
        ),
        "default": np.array([0.0, 1.0, np.nan])[default],
        "fallback": fallback == 1,
    }
    columns |= {
        name: np.asarray(each, dtype=np.int64 if name == "n" else float)[order]
        for name, each in zip(CELL_SUMS, sums, strict=True)
    }
    return pd.DataFrame(columns)


def full_stages(stages: Sequence[Stage]) -> NDArray[np.bool_]:
    """Which stages have the planned split, by their place; without stages there is one that has."""
    return np.array([stage.full for stage in stages] or [True], dtype=bool)


def complete_until(plan: ExperimentPlan, as_of: pd.Timestamp) -> pd.Timestamp:
    """The first instant of the first month that is not complete yet, in UTC.

    A month is complete when all its outcomes can be known: its end + the plan's label delay lies
    not after `as_of`.
    """
    return (as_of - plan.label_delay).tz_convert("UTC").normalize().replace(day=1)


def last_month(
    cells: pd.DataFrame, plan: ExperimentPlan, as_of: pd.Timestamp, stages: Sequence[Stage] = ()
) -> pd.Timestamp | None:
    """The first month at whose end every arm has its planned size; None while it is not complete.

    The test of the plan is made on the applications of the full split until then, so an analysis
    made later rests on the same ones. They are counted whether approved or not, outcome known or
    not: what happened to them does not decide which are compared.
    """
    used = full_stages(stages)[cells["stage"].to_numpy(dtype=int)]
    return month_of_size(cells, plan, used & before(cells, complete_until(plan, as_of)))


def month_of_size(
    cells: pd.DataFrame, plan: ExperimentPlan, used: NDArray[np.bool_]
) -> pd.Timestamp | None:
    """The first month until whose end the cells in use give every arm its planned size."""
    months, place = np.unique(_months(cells), return_inverse=True)
    reached = np.ones(len(months), dtype=bool)
    n = cells["n"].to_numpy(dtype=float)
    variant = cells["variant"].to_numpy()
    for arm, needed in plan.needed().items():
        mine = used & (variant == arm)
        so_far = np.bincount(place[mine], weights=n[mine], minlength=len(months)).cumsum()
        reached &= so_far >= needed
    return pd.Timestamp(months[reached.argmax()], tz="UTC") if reached.any() else None


def before(cells: pd.DataFrame, instant: pd.Timestamp) -> NDArray[np.bool_]:
    """Which cells are of a month that began before an instant."""
    return _months(cells) < instant.tz_convert(None).to_datetime64()


def _months(cells: pd.DataFrame) -> NDArray[np.datetime64]:
    return pd.DatetimeIndex(cells["month"]).tz_convert(None).to_numpy()


def compared_until(
    cells: pd.DataFrame, plan: ExperimentPlan, as_of: pd.Timestamp, stages: Sequence[Stage] = ()
) -> pd.Timestamp:
    """The instant before which units of the full split are compared, the first of a month in UTC.

    The end of `last_month`, before that `complete_until`.
    """
    last = last_month(cells, plan, as_of, stages)
    if last is None:
        return complete_until(plan, as_of)
    return last + pd.offsets.MonthBegin(1)
