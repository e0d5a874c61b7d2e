"""The sums of an experiment's exposures, computed by the database where the rows lie.

The same figures as `exposure_sums.from_rows` makes of rows in memory: cells of counts and sums,
and what DeLong's variance of each arm's AUC needs. Some dozen rows a month leave the database,
however many exposures there are; it sorts them on disk. Reached through
`predictions.PredictionLog.exposure_sums`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd
import sqlalchemy as sa

from mlops_helpers import log_months, log_ranks, tables
from mlops_helpers.contracts import NUMERIC
from mlops_helpers.exposure_sums import (
    AUC_COLUMNS,
    CROSSED,
    REPEATED,
    STRANGE,
    ExposureSums,
    checked_instant,
    complete_until,
    from_codes,
    full_stages,
    refuse_unusable,
)
from mlops_helpers.log_ranks import SUMS, sums
from mlops_helpers.log_rows import searched
from mlops_helpers.sql_frames import epoch, utc_series
from mlops_helpers.tables import experiments, outcomes, predictions

if TYPE_CHECKING:
    from mlops_helpers.experiment_plan import ExperimentPlan
    from mlops_helpers.lifecycle import Stage

__all__ = ["read"]

_UNKNOWN = 2  # in the code of a cell: an outcome that is not known
_CROSSED = -1  # in its place: a unit that met several arms
_CELL, _AUC = 0, 1  # what a row of the answer is about
_CELLS_OF_A_MONTH = 2 * 3 * 2  # decision, default, fallback: the last keys of a cell


def read(
    connection: sa.Connection,
    plan: ExperimentPlan,
    *,
    as_of: pd.Timestamp,
    stages: Sequence[Stage] | None = None,
) -> ExposureSums:
    """The sums of all exposures of the plan's experiment that were scored until `as_of`.

    Raises `ValueError` for an experiment of which the log has neither a record nor a prediction,
    for a covariate that is no numeric column of predictions, and for exposures that lack their
    loan amount or covariate.
    """
    checked_instant(as_of)
    if plan.covariate is not None and plan.covariate not in NUMERIC:
        raise ValueError(
            f"covariate is {plan.covariate!r}, no numeric column of the log's predictions; use one "
            f"of {', '.join(NUMERIC)}."
        )
    _known(connection, plan)
    kept = tuple(stages) if stages is not None else ()
    in_arms, strange, months = _count(connection, plan, as_of)
    asked = _question(connection, plan, as_of, kept, months)
    answer = connection.execute(asked).mappings().all()
    found = pd.DataFrame([row for row in answer if row["part"] == _CELL], columns=_COLUMNS)
    ranked = {row["code"]: row for row in answer if row["part"] == _AUC}
    cells, crossed = found[found["code"] >= 0], int(found.loc[found["code"] < 0, "n"].sum())
    seen = None
    if len(cells):
        first, last = utc_series(pd.Series([cells["first"].min(), cells["last"].max()]))
        seen = first, last
    return ExposureSums(
        cells=from_codes(
            cells["code"],
            [cells[name] for name in SUMS],
            plan.arms,
            stages=len(full_stages(kept)),
            months=months,
        ),
        aucs=pd.DataFrame(
            [(arm, *log_ranks.auc(ranked.get(k))) for k, arm in enumerate(plan.arms)],
            columns=list(AUC_COLUMNS),
        ),
        left_out={
            STRANGE: strange,
            CROSSED: crossed,
            REPEATED: in_arms - crossed - int(cells["n"].sum()),
        },
        as_of=as_of,
        covariate=plan.covariate,
        stages=kept,
        seen=seen,
        experiment=plan.name,
    )


def _known(connection: sa.Connection, plan: ExperimentPlan) -> None:
    """`ValueError` for an experiment that the log has never heard of."""
    name = searched("name", plan.name)
    asked = (
        sa.select(experiments.c.name).where(experiments.c.name == name),
        sa.select(predictions.c.experiment).where(predictions.c.experiment == name),
    )
    if any(connection.execute(query.limit(1)).first() for query in asked):
        return
    names = connection.scalars(sa.select(experiments.c.name).order_by(experiments.c.name)).all()
    raise ValueError(
        f"the log has no experiment {name!r}, neither a record nor a prediction; it has "
        f"{', '.join(map(repr, names)) or 'none'}. Draft it, or correct the name."
    )


def _exposed(plan: ExperimentPlan, as_of: pd.Timestamp) -> list[sa.ColumnElement[bool]]:
    return [predictions.c.experiment == plan.name, predictions.c.scored_at <= epoch(as_of)]


def _count(
    connection: sa.Connection, plan: ExperimentPlan, as_of: pd.Timestamp
) -> tuple[int, int, pd.DatetimeIndex]:
    """Rows in an arm, rows in none, all their months; `ValueError` if an arm's lack a number."""
    in_arm, scored_at = predictions.c.variant.in_(plan.arms), predictions.c.scored_at
    names = ["loan_amount", *([plan.covariate] if plan.covariate is not None else [])]
    lacks = [tables.number(sa.and_(in_arm, predictions.c[name].is_(None))) for name in names]
    times = sa.func.min(scored_at), sa.func.max(scored_at)
    query = sa.select(*times, sa.func.count(), tables.number(in_arm), *lacks)
    first, last, *counts = connection.execute(query.where(*_exposed(plan, as_of))).one()
    total, known, *lacking = map(int, counts)
    refuse_unusable({f"have no finite {n}": k for n, k in zip(names, lacking, strict=True)})
    ends = utc_series(pd.Series([first, last])) if total else [as_of, as_of]
    return known, total - known, log_months.months_between(*ends)


def _question(
    connection: sa.Connection,
    plan: ExperimentPlan,
    as_of: pd.Timestamp,
    stages: tuple[Stage, ...],
    months: pd.DatetimeIndex,
) -> sa.CompoundSelect[Any]:
    """The sums of each cell and the ranks of each arm, over one table of the units."""
    rows = _exposures(plan, as_of, stages, months).subquery("rows_of_arms")
    window: dict[str, Any] = {
        "partition_by": tables.by_code_point(connection, rows.c.application_id),
        "order_by": [rows.c.scored_at, tables.by_code_point(connection, rows.c.prediction_id)],
        "rows": (None, None),  # one frame for all three: one pass
    }
    over = {
        "first_id": sa.func.first_value(rows.c.prediction_id),
        "lowest": sa.func.min(rows.c.cell),
        "highest": sa.func.max(rows.c.cell),
    }
    named = [value.over(**window).label(name) for name, value in over.items()]
    exposed = sa.select(rows, *named).subquery("exposed")
    full = full_stages(stages)
    a_stages = len(months) * _CELLS_OF_A_MONTH
    an_arms = len(full) * a_stages
    crossed = exposed.c.lowest // an_arms != exposed.c.highest // an_arms
    units = (
        sa.select(
            sa.case((crossed, _CROSSED), else_=exposed.c.cell).label("cell"),
            *(exposed.c[name] for name in ("scored_at", "amount", "x", "probability")),
        )
        .where(sa.or_(crossed, exposed.c.prediction_id == exposed.c.first_id))
        .cte("units")
    )
    cells = _cell_sums(units).cte("cells")

    def in_full_split(code: sa.ColumnElement[int]) -> sa.ColumnElement[bool]:
        stage = code // a_stages % len(full)
        return sa.and_(code >= 0, stage.in_(full.nonzero()[0].tolist()))

    def month(code: sa.ColumnElement[int]) -> sa.ColumnElement[int]:
        return code // _CELLS_OF_A_MONTH % len(months)

    complete = int(months.searchsorted(complete_until(plan, as_of)))
    counted = sa.select(
        (cells.c.code // an_arms).label("arm"), month(cells.c.code).label("month"), cells.c.n
    ).where(in_full_split(cells.c.code), month(cells.c.code) < complete)
    needed = {k: plan.needed()[arm] for k, arm in enumerate(plan.arms)}
    compared = log_months.compared(counted, needed, complete)
    outcome = units.c.cell // 2 % 3
    ranks = log_ranks.rank_sums(
        sa.select(
            (units.c.cell // an_arms).label("arm"), outcome.label("outcome"), units.c.probability
        ).where(in_full_split(units.c.cell), month(units.c.cell) < compared, outcome < _UNKNOWN),
        part=_AUC,
    )
    return sa.union_all(sa.select(cells), ranks)


def _exposures(
    plan: ExperimentPlan, as_of: pd.Timestamp, stages: tuple[Stage, ...], months: pd.DatetimeIndex
) -> sa.Select[Any]:
    """Each exposure in an arm with the code of its cell (`exposure_sums.from_codes`).

    The database sorts these rows, so they hold nothing that follows from the code.
    """
    rows = predictions.c
    arm = sa.case({name: k for k, name in enumerate(plan.arms)}, value=rows.variant)
    stage = log_months.place(rows.scored_at, [tables.microsecond(s.since) for s in stages[1:]])
    month = log_months.place(rows.scored_at, [epoch(each) for each in months[1:]])
    approved = rows.decision == "approve"
    planned = sa.case({name: plan.versions[name] for name in plan.arms}, value=rows.variant)
    # looked up for approved loans only: SQLite would look for each row of a join
    known = (
        sa.select(outcomes.c["default"])
        .where(outcomes.c.prediction_id == rows.prediction_id)
        .where(outcomes.c.outcome_at <= epoch(as_of))
        .scalar_subquery()
    )
    code: sa.ColumnElement[int] = arm
    for size, key in (
        (len(full_stages(stages)), stage),
        (len(months), month),
        (2, tables.bit(~approved)),
        (3, sa.case((approved, sa.func.coalesce(known, _UNKNOWN)), else_=_UNKNOWN)),
        (2, tables.bit(rows.model_version != planned)),
    ):
        code = code * size + key
    x = rows[plan.covariate] if plan.covariate is not None else sa.cast(0.0, sa.Double)
    return sa.select(
        rows.application_id,
        rows.prediction_id,
        rows.scored_at,
        rows.probability,
        code.label("cell"),
        rows.loan_amount.label("amount"),
        x.label("x"),
    ).where(*_exposed(plan, as_of), rows.variant.in_(plan.arms))


def _cell_sums(units: sa.CTE) -> sa.Select[Any]:
    amount, x, scored_at = units.c.amount, units.c.x, units.c.scored_at
    return sa.select(
        sa.literal_column(str(_CELL)).label("part"),
        units.c.cell.label("code"),
        sa.func.count().label("n"),
        *sums(amount, amount * amount, x, x * x, x * amount),
        sa.func.min(scored_at).label("first"),
        sa.func.max(scored_at).label("last"),
    ).group_by(units.c.cell)


_COLUMNS = ["part", "code", *SUMS, "first", "last"]
