"""Months in the cells that a database sums, and where the planned test ends among them (SQL).

The SQL twin of `exposure_cells.last_month`: one statement that sums the cells also finds the last
month that is compared, so the rows are sorted once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import sqlalchemy as sa

__all__ = ["compared", "months_between", "place"]


def months_between(first: pd.Timestamp, last: pd.Timestamp) -> pd.DatetimeIndex:
    """The first instants (UTC) of all months from that of `first` to that of `last`."""
    ends = [when.tz_convert("UTC").tz_localize(None).to_numpy() for when in (first, last)]
    begin, end = (when.astype("datetime64[M]") for when in ends)
    return pd.DatetimeIndex(np.arange(begin, end + 1).astype("datetime64[us]"), tz="UTC")


def place(
    value: sa.ColumnElement[int], edges: Sequence[int], below: int = 0
) -> sa.ColumnElement[int]:
    """How many of the edges, which are in order, lie at or below a value; `below` is added.

    Found by halves: seven comparisons a row for a hundred edges.
    """
    if not edges:
        return sa.literal_column(str(below))
    half = len(edges) // 2
    edge = sa.literal_column(str(edges[half]))  # thousands of months would be too many parameters
    return sa.case(
        (value < edge, place(value, edges[:half], below)),
        else_=place(value, edges[half + 1 :], below + half + 1),
    )


def compared(
    counted: sa.SelectBase, needed: Mapping[int, int], complete: int
) -> sa.ColumnElement[int]:
    """How many months are compared: until every arm has its size, else all that are complete.

    `counted` selects arm, month and n of the cells that count, arms and months by their place;
    `needed` is the size of each arm, `complete` the number of complete months.
    """
    cells = counted.subquery("counted")
    by_month = (
        sa.select(cells.c.arm, cells.c.month, sa.func.sum(cells.c.n).label("n"))
        .group_by(cells.c.arm, cells.c.month)
        .subquery("by_month")
    )
    until = {"partition_by": by_month.c.arm, "order_by": by_month.c.month, "rows": (None, 0)}
    total = sa.func.sum(by_month.c.n).over(**until).label("total")
    grown = sa.select(by_month.c.arm, by_month.c.month, total).subquery("grown")
    reached = (
        sa.select(sa.func.min(grown.c.month).label("month"))
        .where(grown.c.total >= sa.case(dict(needed), value=grown.c.arm))
        .group_by(grown.c.arm)
        .subquery("reached")
    )
    all_have = sa.func.count() == len(needed)
    return (
        sa.select(sa.case((all_have, sa.func.max(reached.c.month) + 1), else_=complete))
        .select_from(reached)
        .scalar_subquery()
    )
