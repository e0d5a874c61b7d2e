"""Outcomes that a feed lost are told; who defaults may change without an alarm."""

import numpy as np
import pytest

from mlops_helpers.label_faults import label_faults
from mlops_helpers.worlds import draw_world, seed_of


def lots(world, seed, *, rows=1500, months=3):
    """A quiet holdout of 1,500 rows in three months, and later rows of a world."""
    holdout = draw_world("quiet", 1500, seed=seed_of(seed, 0), months=3)
    later = draw_world(world, rows, seed=seed_of(seed, 1), start="2024-04-01", months=months)
    return holdout, later.astype({"default": float})


def lose(rows, fault):
    """The rows after a fault of the feed of outcomes."""
    outcome = rows["default"]
    if fault == "swapped":
        return rows.assign(default=1 - outcome)
    if fault.startswith("month"):
        in_may = rows["applied_at"].dt.month == 5
        return rows.assign(default=outcome.mask(in_may, 0.0 if fault == "month 0" else np.nan))
    return rows.assign(default=outcome.mask(rows["home_ownership"] == fault, 0.0))


def share(world, fault=None, *, seeds, **size):
    """How many of the repetitions have a fault told."""
    found = 0
    for seed in seeds:
        holdout, rows = lots(world, seed, **size)
        found += bool(label_faults(holdout, rows if fault is None else lose(rows, fault), "rows"))
    return found


@pytest.mark.parametrize(
    "world", ["quiet", "recession", "policy change", "defaults doubled", "the safest apply"]
)
def test_true_outcomes_are_no_fault(world):
    """Other people, other rules, more defaults and far fewer: no alarm in a dozen draws."""
    assert share(world, seeds=range(12)) == 0


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("rent", "outcomes of home_ownership 'rent' have a default rate of 0.0% ("),
        ("mortgage", "outcomes of home_ownership 'mortgage' have a default rate of 0.0% ("),
        ("month 0", "outcomes of 2024-05 have a default rate of 0.0% ("),
        ("month missing", "outcomes of 2024-05 lack in 100.0% of "),
        ("swapped", "outcomes have a share repaid of 1"),
    ],
)
def test_a_lost_feed_is_told_by_whom_and_when(fault, told):
    """One sentence names the category or the month, the figures and the limit."""
    holdout, rows = lots("quiet", 1)
    (sentence,) = label_faults(holdout, lose(rows, fault), "labelled applications")
    assert sentence.startswith(f"labelled applications: {told}")
    assert "limit" in sentence


def test_a_category_that_lost_its_outcomes_for_some_months_is_told_by_month():
    """The last two of eight months of the tenants: the category as a whole is not a fifth yet."""
    holdout, rows = lots("quiet", 2, rows=6000, months=8)
    late = rows["applied_at"].dt.month >= 10
    rows["default"] = rows["default"].mask(late & (rows["home_ownership"] == "rent"), 0.0)
    told = label_faults(holdout, rows, "rows")
    assert [sentence.partition(" have")[0] for sentence in told] == [
        f"rows: outcomes of home_ownership 'rent' of 2024-{month}" for month in (10, 11)
    ]


def test_early_defaults_are_no_fault_and_late_ones_no_lack():
    """Waits that depend on the outcome change nothing: only what is known is looked at."""
    holdout, rows = lots("quiet", 3)
    rng = np.random.default_rng(4)
    quick = rows["applied_at"] + np.timedelta64(1, "D") * rng.integers(20, 180, len(rows))
    waits = rows["outcome_at"].mask(rows["default"] == 1, quick)
    assert label_faults(holdout, rows.assign(outcome_at=waits), "rows") == ()
    few = rows.assign(default=rows["default"].mask(rng.random(len(rows)) < 0.04))
    assert label_faults(holdout, few, "rows") == (), "a few outcomes are always late"


@pytest.mark.parametrize("n", [0, 1, 5, 25])
def test_a_handful_of_rows_tells_nothing(n):
    """Without defaults among so few, or without any outcome, nobody knows."""
    holdout, rows = lots("quiet", 5)
    for outcome in (0.0, np.nan):
        assert label_faults(holdout, rows[:n].assign(default=outcome), "rows") == ()


def test_rows_without_category_or_index_of_their_own_are_read():
    """A category that lacks is nobody's; labels of rows that repeat change nothing."""
    holdout, rows = lots("quiet", 6)
    rows = lose(rows, "rent").set_index(np.zeros(len(rows), dtype=int))
    rows["loan_purpose"] = rows["loan_purpose"].mask(np.arange(len(rows)) % 3 == 0)
    (sentence,) = label_faults(holdout, rows, "rows")
    assert "'rent'" in sentence
