"""Pictures of early looks show who would have stopped, and what it costs not to be fooled."""

import numpy as np
import pytest

from mlops_helpers import plots
from mlops_helpers.confidence_sequences import path
from mlops_helpers.peeking import false_alarms
from tests.test_plots import ALARMS, PATH, finding, texts


def crosses(ax):
    """Where the marks are at which a level or 0 is crossed, in the order of drawing."""
    marked = [line for line in ax.lines if line.get_marker() in ("X", "D")]
    return [tuple(point) for line in marked for point in line.get_xydata()]


def test_the_two_bands_are_those_of_the_frame():
    """Each limit is drawn at its values; the two kinds differ by their lines too."""
    ax = plots.effect_path(PATH, truth=30.0, planned=400)
    drawn = {tuple(np.round(line.get_ydata()[1:], 1)) for line in ax.lines[:4]}
    assert drawn == {tuple(PATH[c][1:]) for c in ("low", "high", "fixed_low", "fixed_high")}
    assert ax.lines[0].get_linestyle() != ax.lines[2].get_linestyle()
    assert "truth $30" in texts(ax)
    assert "planned size" in texts(ax)


@pytest.mark.parametrize(
    ("change", "marks", "told"),
    [
        ({}, 4, "3 of 4 looks, first after 200 applications; the one for every look at 1 of 4, "),
        ({"low": -9.0}, 3, "after 200 applications; the one for every look at none"),
        ({"low": -9.0, "fixed_low": -5.0}, 0, "Neither interval leaves 0 out at any of 4 looks"),
    ],
)
def test_every_look_without_zero_is_marked(change, marks, told):
    """Both kinds of limits: at each such look somebody could have called the arms different."""
    ax = plots.effect_path(PATH.assign(**change))
    assert crosses(ax) == [(400, 2.0), (200, 5.0), (300, 5.0), (400, 12.0)][4 - marks :]
    assert told in finding(ax)
    assert ax.get_xlabel() == "applications seen"
    assert texts(ax).count("band leaves 0 out") == {4: 2, 3: 1, 0: 0}[marks]


def test_what_the_core_returns_can_be_drawn():
    """A path of a real sequence, and the false alarms of looks at it."""
    rng = np.random.default_rng(0)
    values, looks = rng.normal(size=1000), [100, 500, 1000]
    ax = plots.effect_path(path(values, rng.random(1000) < 0.5, looks), unit="")
    assert ax.lines[4].get_xdata().tolist() == looks
    measured = false_alarms(values, looks, seed=1, repeats=20)
    assert "after 3 looks" in finding(plots.false_alarms(measured))


def test_false_alarms_are_drawn_with_their_promise():
    """A curve and a band for each rule, the agreed level, and the last look's shares as title."""
    ax = plots.false_alarms(ALARMS)
    fixed, always, promise = ax.lines
    assert "95 % interval" in [text.get_text() for text in ax.get_legend().get_texts()]
    assert fixed.get_ydata().tolist() == [0.05, 0.32]
    assert always.get_ydata().tolist() == [0.0, 0.03]
    assert set(promise.get_ydata()) == {0.05}
    assert ax.get_ylim()[0] < 0, "a marker at 0 is seen whole"
    twenty = plots.false_alarms(ALARMS.assign(look=[1, 20, 1, 20]))
    assert all(tick == int(tick) for tick in twenty.get_xticks()), "no half looks"
    assert finding(ax) == (
        "False alarms after 50 looks: fixed interval 32.0 %, confidence sequence 3.0 %"
    )
    assert fixed.get_linestyle() != always.get_linestyle()
    corners = ax.collections[0].get_paths()[0].vertices[:, 1]
    assert (corners.min(), corners.max()) == pytest.approx((0.03, 0.39))


def test_a_treatment_that_is_worse_is_marked_as_well():
    """Limits that lie below 0 leave it out just as those above it do."""
    signs = {"effect": "effect", "low": "high", "high": "low"}
    signs |= {"fixed_low": "fixed_high", "fixed_high": "fixed_low"}
    ax = plots.effect_path(PATH.assign(**{one: -PATH[other] for one, other in signs.items()}))
    assert crosses(ax) == [(400, -2.0), (200, -5.0), (300, -5.0), (400, -12.0)]
