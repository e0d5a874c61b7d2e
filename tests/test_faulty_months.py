"""A month in which a feed was at fault is found by what it did; a month of real change passes."""

import numpy as np
import pandas as pd
import pytest

from mlops_helpers.faulty_months import faulty_months, months_of
from mlops_helpers.worlds import WORLDS, draw_world

HELD = draw_world("quiet", 1500, seed=1, months=3)
FEEDS = (
    "income by the month",
    "all in per cent",
    "broken feed",
    "purposes in capitals",
    "debt all 0",
)


@pytest.mark.parametrize("world", ["quiet", "recession", "policy change", "the safest apply"])
def test_months_of_whole_feeds_pass(world):
    """Half a year each of other people and other rules: no month is taken for a fault."""
    rows = draw_world(world, 3000, seed=2, start="2024-04-01", months=6)
    assert faulty_months(HELD, rows) == {}


@pytest.mark.parametrize("world", FEEDS)
def test_only_the_months_of_the_fault_are_told(world):
    """Two bad months among six are named, and what was wrong in each."""
    assert WORLDS[world].cause == "feed broke"
    parts = [
        draw_world(kind, 500, seed=place, start=f"2024-{place:02d}-01")
        for place, kind in enumerate(["quiet", "quiet", world, world, "quiet", "quiet"], start=4)
    ]
    found = faulty_months(HELD, pd.concat(parts, ignore_index=True))
    assert list(found) == ["2024-06", "2024-07"]
    assert all(told[0].startswith(month) for month, told in found.items())


def test_a_few_broken_rows_do_not_cost_their_month():
    """One row in thirty is left out by itself; with one in ten the others are not trusted."""
    rows = draw_world("quiet", 1500, seed=4, start="2024-04-01", months=3)
    for every, months in ((30, 0), (10, 3)):
        bad = rows["annual_income"].mask(np.arange(len(rows)) % every == 0, -1.0)
        assert len(faulty_months(HELD, rows.assign(annual_income=bad))) == months


@pytest.mark.parametrize(("column", "value"), [("age", np.nan), ("loan_purpose", "boat")])
def test_gaps_and_old_words_cost_no_month_unless_most_rows_have_them(column, value):
    """In a fifth of the rows they do no harm, in two thirds the column is not there."""
    rows = draw_world("quiet", 1500, seed=5, start="2024-04-01", months=3)
    place = np.arange(len(rows))
    for bad, months in ((place % 5 == 0, 0), (place % 3 > 0, 3)):
        changed = rows.assign(**{column: rows[column].mask(bad, value)})
        assert len(faulty_months(HELD, changed)) == months


def test_months_are_those_of_the_calendar_and_a_row_without_a_date_has_none():
    """Also over the turn of a year."""
    rows = draw_world("quiet", 300, seed=6, start="2023-12-01", months=3)
    rows.loc[0, "applied_at"] = pd.NaT
    expected = rows["applied_at"].dt.strftime("%Y-%m").fillna("")
    assert months_of(rows).tolist() == expected.tolist()
    assert faulty_months(HELD, rows[:0]) == {}
