"""The picture of durations says what an effect costs in months."""

import numpy as np

from mlops_helpers import plots
from mlops_helpers.durations import duration_table
from tests.test_plots import DURATIONS, finding, texts


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
