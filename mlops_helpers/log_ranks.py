"""The AUC of each arm of an experiment, from ranks that the database has summed (SQL)."""

from __future__ import annotations

from typing import Any

import numpy as np
import sqlalchemy as sa

from mlops_helpers import tables
from mlops_helpers.delong import MIN_PER_CLASS

__all__ = ["SUMS", "auc", "rank_sums", "sums"]

_DOUBLE = sa.Double()
SUMS = ("n", "s0", "s1", "s2", "s3", "s4")
"""Columns of an answer: a count and five sums."""


def rank_sums(judged: sa.SelectBase, *, part: int) -> sa.Select[Any]:
    """Of each arm: its positives, and the ranks of both classes that `auc` is made of.

    `judged` selects arm, outcome (0 or 1) and probability. A rank is twice the number of the other
    class with a lower probability, plus once that with the same.
    """
    rows = judged.subquery("judged")
    tied = (
        sa.select(
            rows.c.arm,
            rows.c.probability,
            tables.number(rows.c.outcome == 1).label("positives"),
            tables.number(rows.c.outcome == 0).label("negatives"),
        )
        .group_by(rows.c.arm, rows.c.probability)
        .subquery("tied")
    )
    doubles = {name: sa.cast(tied.c[name], _DOUBLE) for name in ("positives", "negatives")}
    window: dict[str, Any] = {
        "partition_by": tied.c.arm,
        "order_by": tied.c.probability,
        "rows": (None, 0),
    }
    lower = {
        name: 2 * sa.func.sum(each, type_=_DOUBLE).over(**window) - each
        for name, each in doubles.items()
    }
    ranked = sa.select(
        tied.c.arm,
        *(each.label(name) for name, each in doubles.items()),
        *(each.label(f"lower_{name}") for name, each in lower.items()),
    ).subquery("ranked")
    m, n = ranked.c.positives, ranked.c.negatives
    of_m, of_n = ranked.c.lower_negatives, ranked.c.lower_positives
    no_time = sa.cast(sa.null(), sa.BigInteger)
    return sa.select(
        sa.literal_column(str(part)),
        ranked.c.arm,
        sa.cast(sa.func.sum(m + n), sa.BigInteger),
        *sums(m, m * of_m, m * of_m * of_m, n * of_n, n * of_n * of_n),
        no_time,
        no_time,
    ).group_by(ranked.c.arm)


def auc(ranks: Any) -> tuple[int, int, float, float]:  # noqa: ANN401 - a row of the answer
    """Positives, negatives, AUC and DeLong's variance of an arm (source: `delong`).

    The placement of a positive is its rank / 2n, that of a negative 1 - its rank / 2m; the
    variance is the sum of both classes' variances of placements, each by its size.
    """
    if ranks is None:
        return 0, 0, np.nan, np.nan
    m = int(ranks["s0"])
    n = int(ranks["n"]) - m
    if min(m, n) == 0:
        return m, n, np.nan, np.nan
    area = ranks["s1"] / (2 * n) / m
    if min(m, n) < MIN_PER_CLASS:
        return m, n, area, np.nan
    of_m = _variance(m, ranks["s1"] / (2 * n), ranks["s2"] / (2 * n) ** 2)
    of_n = _variance(n, ranks["s3"] / (2 * m), ranks["s4"] / (2 * m) ** 2)
    return m, n, area, of_m / m + of_n / n


def _variance(n: int, total: float, squares: float) -> float:
    return max(squares - total**2 / n, 0.0) / (n - 1)


def sums(*values: sa.ColumnElement[float]) -> list[sa.ColumnElement[float]]:
    """Sums of five values, named as `SUMS` has them."""
    named = zip(SUMS[1:], values, strict=True)
    return [sa.func.sum(value, type_=_DOUBLE).label(name) for name, value in named]
