"""What mlops_helpers.log_months promises, on both databases."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa

from mlops_helpers.log_months import compared, months_between, place

TICK = pd.Timedelta(microseconds=1)
JANUARY = pd.Timestamp("2024-01-01", tz="UTC")


@pytest.fixture
def answer(store_url):
    """What the database answers to one question."""
    engine = sa.create_engine(store_url)
    with engine.connect() as connection:
        yield lambda query: connection.execute(query).all()
    engine.dispose()


def column(numbers: list[int]) -> sa.Column[int]:
    """The numbers as a column of a table of their own."""
    rows = [sa.select(sa.cast(sa.literal(n), sa.BigInteger).label("n")) for n in numbers]
    return sa.union_all(*rows).subquery().c.n


def test_months_are_those_of_utc_with_both_ends():
    """From the month of the first instant to that of the last, whatever their time zones."""
    assert months_between(JANUARY, JANUARY).tolist() == [JANUARY]
    found = months_between(
        (JANUARY - TICK).tz_convert("Pacific/Auckland"), JANUARY.tz_convert("America/Los_Angeles")
    )
    assert found.tolist() == [pd.Timestamp("2023-12-01", tz="UTC"), JANUARY]
    assert found.unit == "us"
    far = months_between(pd.Timestamp("1969-12-31T23:00Z"), pd.Timestamp("1970-02-01", tz="UTC"))
    assert [str(when.date()) for when in far] == ["1969-12-01", "1970-01-01", "1970-02-01"]


@pytest.mark.parametrize("edges", [[], [5], [-3, 0, 5, 5, 9], list(range(0, 2_400, 2))])
def test_a_place_is_the_number_of_edges_reached(answer, edges):
    """Below, at and between edges, of two equal ones both; also for the months of a century."""
    values = [-4, -3, 0, 4, 5, 6, 9, 10, 2_397, 30_000]
    value = column(values)
    found = dict(answer(sa.select(value, place(value, edges))))
    assert [found[v] for v in values] == np.searchsorted(edges, values, side="right").tolist()


def counted(*cells: tuple[int, int, int]) -> sa.SelectBase:
    """Cells that count: arm, month and n of each."""
    rows = [
        sa.select(*(sa.literal(v).label(k) for k, v in zip(("arm", "month", "n"), c, strict=True)))
        for c in cells
    ]
    return sa.union_all(*rows)


@pytest.mark.parametrize(
    ("needed", "months"),
    [
        ({0: 3, 1: 1}, 1),  # at once
        ({0: 4, 1: 1}, 4),  # control's fourth comes in its next month
        ({0: 3, 1: 2}, 6),  # the other arm is the later one
        ({0: 8, 1: 2}, 6),  # exactly
        ({0: 9, 1: 2}, 7),  # not yet: all that are complete
        ({0: 1, 1: 1, 2: 1}, 7),  # an arm without any
    ],
)
def test_months_are_compared_until_every_arm_has_its_size(answer, needed, months):
    """Cells of a month add up, a month without any is skipped."""
    cells = counted((0, 0, 2), (0, 0, 1), (1, 0, 1), (0, 3, 5), (1, 5, 4))
    assert answer(sa.select(compared(cells, needed, 7))) == [(months,)]
