"""What mlops_helpers.ab_progress promises."""

import pandas as pd

from mlops_helpers import ab_progress
from mlops_helpers.ab_progress import Progress, each_in_words
from tests.exposed import DELAY

ARRIVES = pd.Timestamp("2024-09-01", tz="UTC")


def progress(complete, *, arrives=ARRIVES, end=None):
    """Two arms that need 1,000 and 250."""
    needed = {"control": 1000, "treatment": 250}
    return Progress(dict(zip(needed, complete, strict=True)), needed, arrives, DELAY, end)


def test_everything_exported_exists():
    """__all__ names only what is there."""
    assert all(hasattr(ab_progress, name) for name in ab_progress.__all__)


def test_every_arm_needs_its_size():
    """One below is not there yet."""
    assert progress((1000, 250)).reached
    assert not progress((5000, 249)).reached
    assert not progress((999, 5000)).reached


def test_the_last_outcome_comes_after_the_month_and_the_delay():
    """Arrived in September: the end of that month and the delay."""
    told = progress((10, 5)).in_words()
    when = pd.Timestamp("2024-10-01", tz="UTC") + DELAY
    assert f"about {when.day} {when:%B %Y} at the traffic so far" in told
    assert told.startswith("control 1,000, treatment 250 complete applications (now control 10")


def test_what_arrives_after_the_end_is_told():
    """What arrived before the end is awaited, however late its outcomes; later traffic is not."""
    end = pd.Timestamp("2024-09-15", tz="UTC")
    assert "about" in progress((10, 5), end=end).in_words()
    late = progress((10, 5), end=end, arrives=pd.Timestamp("2024-09-20", tz="UTC")).in_words()
    assert "does not bring them before the end, 15 September 2024" in late
    assert progress((10, 5), arrives=None).in_words().endswith("treatment 5)")


def test_counts_are_told_one_after_the_other():
    """Arm and number."""
    assert each_in_words({"a": 1200, "b": 3}) == "a 1,200, b 3"
