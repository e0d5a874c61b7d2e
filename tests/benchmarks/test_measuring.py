"""The benchmarks' own ruler: pairs in turn, a median, and a bar that fails."""

from __future__ import annotations

import pytest

from tests.benchmarks.measuring import Figures, Ratio, paired


def test_both_sides_run_in_turn_and_in_both_orders():
    """Warm-up first; then each side leads every second pair."""
    ran = []
    ratio = paired(lambda: ran.append("a"), lambda: ran.append("b"), times=3)
    assert "".join(ran) == "ab" + "ab" + "ba" + "ab"
    assert ratio.pairs == 3
    ran.clear()
    paired(lambda: ran.append("a"), lambda: ran.append("b"), times=1, warm=False)
    assert "".join(ran) == "ab"


def test_the_ratio_is_that_of_each_pair(monkeypatch):
    """The median of the pairs' ratios: one pair that was disturbed changes nothing."""
    times = iter([4.0, 2.0, 900.0, 1.0, 2.0, 1.0])
    monkeypatch.setattr("tests.benchmarks.measuring.seconds", lambda work: next(times))
    ratio = paired(lambda: None, lambda: None, times=3, warm=False)
    # The second pair is timed second side first: 1 after 900.
    assert (ratio.value, ratio.first, ratio.second) == (2.0, 2.0, 2.0)


def test_a_missed_bar_fails_and_stands_in_the_table():
    """What missed is told with its figure, and the table says so too."""
    table = Figures()
    table.bar("fast", Ratio(30.0, 3.0, 0.1, 5), at_least=20)
    with pytest.raises(AssertionError, match=r"slow: 30\.00, must be at most 1\.5"):
        table.bar("slow", Ratio(30.0, 3.0, 0.1, 5), at_most=1.5)
    table.note("cost", 0.123, "s", "per 10,000 rows")
    lines = str(table).splitlines()
    assert lines[2].split("  ")[0] == "fast"
    assert "at least 20: met" in lines[2]
    assert "MISSED" in lines[3]
    assert "0.123 s" in lines[4]


def test_a_figure_without_a_bar_is_refused():
    """`bar` without a limit could not fail."""
    with pytest.raises(ValueError, match="at_least or at_most"):
        Figures().bar("x", Ratio(1.0, 1.0, 1.0, 1))
