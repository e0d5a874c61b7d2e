"""The delay of labels is what nearly every loan needs; a few wrong dates do not stretch it."""

import numpy as np
import pandas as pd
import pytest

from mlops_helpers.label_waits import label_delay
from mlops_helpers.worlds import draw_world

LOANS = draw_world("quiet", 4000, seed=1, start="2022-01-01", months=24)
TODAY = pd.Timestamp("2024-07-02", tz="UTC")
WRONG = (pd.Timestamp("1985-03-01", tz="UTC"), pd.Timestamp("1901-01-01", tz="UTC"))
HALF_A_YEAR = pd.Timedelta(days=182)


def days(n):
    """So many days."""
    return pd.Timedelta(days=n)


def test_the_outcome_that_takes_longer_counts():
    """Defaults told within 20 to 100 days, repaid loans after 182; or the other way round."""
    rng = np.random.default_rng(2)
    early = LOANS["applied_at"] + pd.to_timedelta(rng.integers(20, 101, len(LOANS)), unit="D")
    for outcome in (0, 1):
        quick = LOANS["outcome_at"].where(LOANS["default"] == outcome, early)
        assert label_delay(LOANS.assign(outcome_at=quick), TODAY) == HALF_A_YEAR


@pytest.mark.parametrize("n", [30, 150, 4000])
def test_one_wrong_date_stretches_nothing(n):
    """A loan that waited 900 days, or applied in 1985 or 1901, leaves the delay as it is."""
    for applied in (LOANS["outcome_at"].iloc[0] - days(900), *WRONG):
        rows = LOANS[:n].copy()
        rows.loc[rows.index[0], "applied_at"] = applied
        assert label_delay(rows, TODAY) == HALF_A_YEAR


def test_many_wrong_dates_are_refused():
    """Where one loan in fifty waited a decade nobody can say what the delay is."""
    rows = LOANS.copy()
    rows.loc[rows.index[::50], "applied_at"] -= days(3650)
    with pytest.raises(ValueError, match=r"waited 3,832 days or longer, .* state label_delay"):
        label_delay(rows, TODAY)


def test_only_what_is_known_on_the_day_counts():
    """Outcomes of later days, missing ones and broken ones say nothing; none known is NaT."""
    slow = LOANS.copy()
    last = slow["applied_at"] > pd.Timestamp("2023-10-01", tz="UTC")
    slow.loc[last, "outcome_at"] += days(400)
    assert label_delay(slow, pd.Timestamp("2024-04-01", tz="UTC")) == HALF_A_YEAR
    assert label_delay(slow, TODAY + days(400)) == days(582)
    broken = slow.astype({"default": float})
    broken.loc[last, "default"] = np.nan
    assert label_delay(broken, TODAY + days(400)) == HALF_A_YEAR
    for rows, day in ((LOANS, pd.Timestamp("2022-01-02", tz="UTC")), (LOANS[:0], TODAY)):
        delay = label_delay(rows, day)
        assert pd.isna(delay)
        assert not (LOANS["applied_at"] <= TODAY - delay).any()


def test_the_rows_order_and_index_do_not_matter():
    """The same rows twice, under the same labels, wait as long."""
    twice = pd.concat([LOANS, LOANS[::-1]])
    assert label_delay(twice, TODAY) == HALF_A_YEAR
