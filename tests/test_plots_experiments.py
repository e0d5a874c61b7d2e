"""Pictures of a plan: traffic against it, power per arm, what an effect costs in months."""

import numpy as np
import pandas as pd
import pytest

from mlops_helpers import plots
from mlops_helpers.durations import duration_table
from tests.test_plots import DURATIONS, TRAFFIC, finding, texts


@pytest.mark.parametrize(
    ("seen", "told"),
    [(5000, "less than 0.1"), (5004, "less than 0.1"), (5006, "at most 0.1")],
)
def test_a_small_gap_to_the_plan_is_not_called_zero(seen, told):
    """0.0 points beside two counts that differ would look like a fault."""
    ax = plots.traffic(TRAFFIC.assign(n=[seen, 10_000 - seen], planned=5000))
    assert finding(ax) == f"10,000 applications; arms {told} percentage points off plan"


def test_sizes_are_told_per_arm():
    """In the mark and on the axis of the power curve."""
    power = pd.DataFrame({"n": [100, 200], "power": [0.5, 0.9]})
    ax = plots.power_curve(power, n=1805)
    assert "we have 1,805 per arm" in texts(ax)
    assert ax.get_xlabel() == "applications per arm"


def test_durations_are_drawn_by_plan():
    """A curve for each plan holds its months; line and marker differ, not the colour alone."""
    ax = plots.duration_curve(DURATIONS)
    fixed, always = (line for line in ax.lines if line.get_label() in set(DURATIONS["plan"]))
    np.testing.assert_allclose(fixed.get_xydata(), [[50, 112], [100, 37], [200, 18]])
    np.testing.assert_allclose(always.get_ydata(), [200, 60, 24])
    assert fixed.get_linestyle() != always.get_linestyle()
    assert fixed.get_marker() != always.get_marker()


def test_the_planned_effect_has_its_months_in_the_title():
    """For every plan; without one the middle effect is told."""
    ax = plots.duration_curve(DURATIONS, smallest=200.0)
    assert finding(ax) == "To see $200: 18 months (fixed size), 24 months (always valid)"
    assert "planned: $200" in texts(ax)
    assert finding(plots.duration_curve(DURATIONS)).startswith("To see $100: 37 months")


def test_wait_and_what_there_is_stay_in_sight():
    """The wait is shaded, and months that are too few lie within the picture."""
    ax = plots.duration_curve(DURATIONS, available=5)
    assert "wait for outcomes" in texts(ax)
    assert "we have 5 months" in texts(ax)
    assert ax.get_ylim()[0] < 5
    assert ax.get_ylim()[1] > 200
    assert "wait" not in texts(plots.duration_curve(DURATIONS.assign(wait=0.0)))


def test_the_table_of_durations_can_be_drawn():
    """What the planning module returns fits, for rates too."""
    table = duration_table([0.005, 0.01], rate=0.03, per_month=1000)
    ax = plots.duration_curve(table, unit="%", smallest=0.005)
    assert finding(ax) == f"To see 0.5 %: {table['total'].iloc[0]:,.0f} months (fixed size)"
