"""Tables as pictures hold their words: what a cell says can be read without any colour."""

import numpy as np
import pandas as pd
from matplotlib.colors import to_rgb

from mlops_helpers import plots
from tests.test_plots import DETECTION, SIGNALS, SPANS, finding


def cells(ax):
    """Text by (column, row) as it stands on the figure."""
    return {tuple(text.get_position()): text.get_text() for text in ax.texts}


def luminance(colour):
    """Relative luminance (WCAG 2.2) of a colour."""
    parts = np.array(to_rgb(colour))
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def test_detection_writes_power_and_wait_in_each_cell():
    """A cell has its share and the median wait; hatched where fewer than half are noticed."""
    ax = plots.detection(DETECTION)
    assert cells(ax) == {
        (0, 0): "90.0 %\n1 month",
        (1, 0): "10.0 %\nnot in time",
        (0, 1): "100 %\n1 month",
        (1, 1): "96.0 %\n2 months",
    }
    assert [patch.get_hatch() for patch in ax.patches] == ["", "//", "", ""]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["income -5 %", "recession"]
    assert finding(ax) == "Hardest to notice: income -5 %, in 90.0 % of months at best"


def test_detection_without_months_shows_shares_only():
    """The wait is optional, and a detector that was not scored in a world is said to be unknown."""
    frame = DETECTION.drop(columns="months")
    assert cells(plots.detection(frame))[(0, 0)] == "90.0 %"
    gap = frame.assign(power=[np.nan, 0.1, 1.0, 0.96])
    assert cells(plots.detection(gap))[(0, 0)] == "not known"


def test_signal_map_says_moved_still_or_not_known():
    """The word, the hatch and the value say what moved; what is not known is not called still."""
    ax = plots.signal_map(SIGNALS)
    assert cells(ax)[(0, 0)] == "MOVED\n0.500"
    assert cells(ax)[(0, 1)] == "still\n1.020"
    assert [label.get_text() for label in ax.get_xticklabels()] == [
        "applicants\nchanged",
        "the world\nchanged",
    ]
    assert [patch.get_hatch() for patch in ax.patches] == ["//", "", "", "//"]
    assert finding(ax) == "Each cause moves another set of signals"
    early = SIGNALS.assign(moved=pd.array([True, None, False, None], dtype="boolean"))
    assert cells(plots.signal_map(early))[(0, 1)] == "not known"
    told = SIGNALS.assign(shown=["5 of 10", "1.02", "0 of 10", "1.60"])
    assert cells(plots.signal_map(told))[(0, 0)] == "MOVED\n5 of 10"


def test_signals_that_wait_for_labels_stand_below_a_line():
    """Their names say that they need labels, and a line divides them from what is known today."""
    ax = plots.signal_map(SIGNALS.assign(needs_labels=[False, True] * 2))
    names = [label.get_text().replace("\n", " ") for label in ax.get_yticklabels()]
    assert names == ["features drifted", "observed / expected (needs labels)"]
    assert [line.get_ydata()[0] for line in ax.lines] == [0.5]


def test_causes_that_move_the_same_signals_are_named():
    """The title admits which causes the picture cannot tell apart."""
    ax = plots.signal_map(SIGNALS.assign(moved=[True, False, True, False]))
    assert finding(ax) == "Not told apart by what moves: applicants changed and the world changed"
    early = SIGNALS.assign(moved=pd.array([False, None, False, None], dtype="boolean"))
    assert finding(plots.signal_map(early)).startswith("Not told apart by what moves")


def test_drift_map_has_the_severity_as_a_word():
    """Severity and index in each cell, those that moved most on top; no data is no calm."""
    ax = plots.drift_map(SPANS)
    assert cells(ax)[(0, 0)] == "high\n0.310"
    assert cells(ax)[(0, 1)] == "no data"
    assert [label.get_text() for label in ax.get_xticklabels()] == ["2009", "2010"]
    assert finding(ax) == "1 of 2 comparisons moved, the largest: loan amount in 2009 (high)"
    calm = plots.drift_map(SPANS.assign(severity="none"))
    assert finding(calm) == "None of 4 comparisons moved beyond chance"


def test_black_letters_are_readable_on_every_cell():
    """Contrast of the text with its cell is at least 4.5 to 1 (WCAG 2.2, level AA)."""
    severities = ["none", "low", "medium", "high", "critical", "no data"]
    graded = SPANS.iloc[[0] * len(severities)].assign(severity=severities, span=severities)
    drawn = [plots.detection(DETECTION), plots.signal_map(SIGNALS), plots.drift_map(graded)]
    for patch in (patch for ax in drawn for patch in ax.patches):
        assert (luminance(patch.get_facecolor()[:3]) + 0.05) / 0.05 >= 4.5
