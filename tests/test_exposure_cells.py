"""What mlops_helpers.exposure_cells promises."""

import numpy as np
import pandas as pd
import pytest

from mlops_helpers import exposure_cells
from mlops_helpers.exposure_cells import CELL_KEYS, compared_until, complete_until, last_month
from mlops_helpers.exposure_sums import analysed, from_rows
from tests.exposed import DELAY, LATE, RAMP, exposed, planned

OCTOBER = pd.Timestamp("2024-10-01", tz="UTC")
NOVEMBER = pd.Timestamp("2024-11-01", tz="UTC")
TICK = pd.Timedelta(microseconds=1)


def test_everything_exported_exists():
    """__all__ names only what is there."""
    assert all(hasattr(exposure_cells, name) for name in exposure_cells.__all__)


def test_codes_are_those_of_numpy():
    """Each code comes back as the keys that it was made of, in order, months with their instant."""
    shape = (2, 2, 3, 2, 3, 2)
    keys = np.array([[1, 1, 2, 0, 1, 1], [0, 1, 0, 1, 2, 0]])
    codes = np.ravel_multi_index(tuple(keys.T), shape)
    months = pd.date_range("2024-08-01", periods=3, freq="MS", tz="UTC")
    sums = [np.array([2.0, 3.0])] * 6
    found = exposure_cells.from_codes(codes, sums, ("a", "b"), stages=2, months=months)
    told = [tuple(row) for row in found[list(CELL_KEYS)].itertuples(index=False)]
    assert told[1] == ("b", 1, months[2], "approve", 1.0, True)
    assert told[0][:4] == ("a", 1, months[0], "decline")
    assert np.isnan(told[0][4])
    assert found["n"].tolist() == [3, 2]


def test_a_month_is_complete_when_all_its_outcomes_can_be_known():
    """From month end plus the label delay on, not a microsecond earlier, wherever the clock is."""
    plan = planned()
    assert complete_until(plan, OCTOBER + DELAY) == OCTOBER
    assert complete_until(plan, (OCTOBER + DELAY).tz_convert("Asia/Tokyo")) == OCTOBER
    assert complete_until(plan, OCTOBER + DELAY - TICK) == pd.Timestamp("2024-09-01", tz="UTC")


def test_the_test_is_made_on_the_months_until_the_size():
    """The last month is the first with the size in every arm, whatever came or was known later."""
    frame, plan = exposed(), planned(size=1100)
    early = from_rows(frame, plan, as_of=NOVEMBER + DELAY)
    by_month = frame.assign(month=frame["scored_at"].dt.month).groupby(["month", "variant"]).size()
    reached = by_month.unstack().cumsum().min(axis=1) >= 1100
    assert reached.idxmax() == 10
    assert last_month(early.cells, plan, early.as_of) == OCTOBER
    late = from_rows(frame, plan, as_of=LATE)
    assert last_month(late.cells, plan, LATE) == OCTOBER
    pd.testing.assert_frame_equal(early.aucs, late.aucs)
    kept = [s.cells[analysed(s, plan)].reset_index(drop=True) for s in (early, late)]
    pd.testing.assert_frame_equal(*kept)


def test_before_the_size_all_complete_months_are_compared():
    """Until a month of every arm's size is complete there is no last one."""
    frame, plan = exposed(), planned(size=1100)
    early = from_rows(frame, plan, as_of=NOVEMBER + DELAY - TICK)
    assert last_month(early.cells, plan, early.as_of) is None
    assert compared_until(early.cells, plan, early.as_of) == OCTOBER


@pytest.mark.parametrize(
    ("size", "last"), [(400, "2024-10-01"), (500, "2024-11-01"), (1000, "2024-12-01")]
)
def test_only_the_full_split_counts(size, last):
    """What came before the full split fills no arm."""
    plan = planned(size=size)
    sums = from_rows(exposed(), plan, as_of=LATE, stages=RAMP)
    found = last_month(sums.cells, plan, LATE, RAMP)
    assert found == pd.Timestamp(last, tz="UTC")


def test_nothing_reaches_no_size():
    """Without a cell there is no month."""
    sums = from_rows(exposed(5).iloc[:0], planned(), as_of=LATE)
    assert last_month(sums.cells, planned(), LATE) is None
