"""Pictures of a scored method never call a broken promise kept, nor a missed truth found."""

from itertools import pairwise

import pandas as pd
import pytest
from matplotlib.container import ErrorbarContainer

from mlops_helpers import plots
from mlops_helpers.plots.base import BLACK
from tests.test_plots import LIMITS, RATES, finding, texts


def points(ax):
    """Where the measured shares or readings are, by row."""
    return [bar.lines[0].get_xdata()[0] for bar in bars(ax)]


def hollow(ax):
    """Which rows are drawn hollow."""
    return [bar.lines[0].get_markerfacecolor() == "white" for bar in bars(ax)]


def bars(ax):
    """What was drawn with an interval, by row."""
    return [drawn for drawn in ax.containers if isinstance(drawn, ErrorbarContainer)]


def marks(ax):
    """Where the black bars of promise or truth are, by row."""
    black = [line for line in ax.lines if line.get_marker() == "|" and line.get_color() == BLACK]
    return [line.get_xdata()[0] for line in black if len(line.get_xdata())]


def test_rates_stand_beside_their_promise():
    """Each row has its own promise; intervals end at their limits."""
    ax = plots.error_rates(RATES)
    assert points(ax) == RATES["rate"].tolist()
    assert marks(ax) == RATES["nominal"].tolist()
    ends = ax.containers[0].lines[2][0].get_segments()[0][:, 0]
    assert ends.tolist() == pytest.approx([0.036, 0.064])


def test_a_broken_promise_is_hollow():
    """An interval that leaves the promise out breaks it, unless it promised only a bound.

    What the frame itself says of `kept` goes first.
    """
    assert hollow(plots.error_rates(RATES)) == [False, False, False, True]
    judged = RATES.assign(kept=[True, False, True, True])
    assert hollow(plots.error_rates(judged)) == [False, True, False, False]
    exact = RATES.drop(columns="promise")
    assert hollow(plots.error_rates(exact)) == [False, False, True, True]
    least = RATES.assign(promise="at least")
    assert hollow(plots.error_rates(least)) == [False, False, True, False]
    assert finding(plots.error_rates(RATES)) == (
        "3 of 4 promises are kept; furthest off: daily looks, 31.0 %"
    )
    assert finding(plots.error_rates(RATES.head(3))) == "3 of 3 promises are kept"


def test_shares_of_zero_and_one_can_be_drawn():
    """Log-odds know neither; such points sit at the edge, and their figures say what they are."""
    edge = RATES.head(2).assign(rate=[0.0, 1.0], low=[0.0, 0.99], high=[0.01, 1.0])
    ax = plots.error_rates(edge)
    assert points(ax) == [0.001, 0.999]
    assert "0.0 %  [0.0, 1.0]  ≈ 5 %" in texts(ax)
    assert "100.0 %  [99.0, 100.0]  ≈ 95 %" in texts(ax)
    never = edge.assign(nominal=[0.0, 1.0], promise=["at most", "at least"])
    ax = plots.error_rates(never)
    assert marks(ax) == [0.001, 0.999]
    assert "0.0 %  [0.0, 1.0]  ≤ 0 %" in texts(ax)
    assert hollow(ax) == [False, False]


@pytest.mark.parametrize("repeats", [1, 6])
def test_many_claims_fit_one_screen(repeats):
    """24 rows are at most 9 inches high, and no name or legend covers another."""
    rows = pd.concat([RATES.assign(claim="interval holds the truth, profit_per_application")])
    ax = plots.error_rates(pd.concat([rows] * repeats))
    figure = ax.figure
    assert figure.get_size_inches()[1] <= 9
    figure.draw_without_rendering()
    names = [name.get_window_extent() for name in ax.get_yticklabels()]
    assert all(above.y0 >= below.y1 for above, below in pairwise(names))
    first = next(iter(bars(ax))).lines[0].get_window_extent()
    assert ax.get_legend().get_window_extent().y0 > first.y1


def test_a_row_without_a_promise_keeps_it():
    """Where nothing is promised no bar is drawn and nothing is broken."""
    ax = plots.error_rates(RATES.tail(1).assign(nominal=float("nan"), promise="about"))
    assert marks(ax) == []
    assert finding(ax) == "1 of 1 promises are kept"


def test_a_reading_stands_beside_the_truth():
    """In dollars on one scale; the reading that misses too often is hollow and in the title."""
    ax = plots.ab_limits(LIMITS)
    assert points(ax) == [80.0, -100.0]
    assert marks(ax) == [-92.0, -92.0]
    assert finding(ax) == (
        "1 of 2 readings misses the truth too often: "
        "“one budget for both arms” reads $80, the truth is −$92"
    )
    several = pd.concat([LIMITS, LIMITS.head(1)])
    assert finding(plots.ab_limits(several)) == "2 of 3 readings miss the truth too often"
    assert "missed by 70.0 % of the intervals" in texts(ax)
    pale = [(bar.get_x(), bar.get_width()) for bar in ax.patches]
    assert pale[0] == pytest.approx((80 - 1.96 * 70, 2 * 1.96 * 70))
    assert hollow(ax) == [True, False]


def test_without_shares_the_mean_decides():
    """A reading whose mean interval leaves the truth out is astray, and all right if none does."""
    bare = LIMITS[["reading", "value", "low", "high", "truth"]]
    assert "both arms” reads $80" in finding(plots.ab_limits(bare))
    assert finding(plots.ab_limits(bare.tail(1))) == "No reading surely misses the truth"


def test_units_have_scales_of_their_own():
    """Points of a rate and dollars share the zero, not the scale; figures stand beside."""
    rate = {"reading": "default rate", "unit": "%", "value": -0.03, "truth": 0.0, "spread": 0.01}
    rows = pd.concat(
        [LIMITS, pd.DataFrame([LIMITS.iloc[0].to_dict() | rate | {"low": -0.04, "high": -0.02}])]
    )
    ax = plots.ab_limits(rows)
    longest = 0.03 + 1.96 * 0.01
    assert points(ax)[2] == pytest.approx(-0.03 / longest)
    assert "reads −3.0 points, truth 0.0 points" in texts(ax)
    assert len(ax.get_xticks()) == 0


def test_several_limits_are_named_and_parted():
    """Rows under one another say which limit they belong to; each limit has its own scale."""
    rows = pd.concat([LIMITS.assign(limit="interference"), LIMITS.head(1).assign(limit="delay")])
    ax = plots.ab_limits(rows)
    assert "delay: one budget for both" in texts(ax)
    first, _, last = points(ax)
    assert first == pytest.approx(80 / (100 + 1.96 * 60))
    assert last == pytest.approx(80 / (80 + 1.96 * 70))
