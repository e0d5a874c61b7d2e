"""Pictures of labels that come late show what is complete, and say what is not."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from mlops_helpers import plots
from tests.test_plots import EXPECTED, VINTAGES, finding, texts


def test_a_young_vintage_has_a_short_curve():
    """Cells that are not complete are not drawn: the curve of the young vintage ends earlier."""
    ax = plots.vintages(VINTAGES)
    drawn = {line.get_label(): line.get_xdata().tolist() for line in ax.lines}
    assert drawn == {"2022 Q1": [3, 6], "2022 Q2": [3]}
    title = "After 3 months 6.0 % of 2022 Q2 have defaulted, 4.0 % of earlier ones"
    assert finding(ax) == title
    assert len({line.get_linestyle() for line in ax.lines}) == 2


def test_vintages_that_are_not_drawn_are_counted():
    """The newest are kept, and the title says how many older ones are missing."""
    ax = plots.vintages(VINTAGES, most=1)
    assert [line.get_label() for line in ax.lines] == ["2022 Q2"]
    assert finding(ax).endswith("(1 older vintage not drawn)")
    young = plots.vintages(VINTAGES.assign(complete=False))
    assert "no vintage is old enough" in texts(young)


def test_two_vintages_have_their_band():
    """The oldest drawn and the newest with a default; a frame without limits says none."""
    four = pd.DataFrame(
        [(f"2022 Q{q}", month, 0.01 * month) for q in (1, 2, 3) for month in (0, 1, 2)]
        + [("2022 Q4", 0, 0.0)],
        columns=["vintage", "months_on_book", "share"],
    )
    ax = plots.vintages(four.assign(low=0.0, high=0.1))
    colours = {line.get_label(): line.get_color() for line in ax.lines}
    drawn = [to_hex(band.get_facecolor()[0]).upper() for band in ax.collections]
    assert drawn == [colours["2022 Q1"], colours["2022 Q3"]]
    bare = plots.vintages(four)
    assert (len(bare.collections), bare.get_ylabel()) == (0, "share defaulted")


def test_the_title_compares_vintages_at_the_same_age():
    """The newest with a default, at its last age; a vintage alone; no default at all."""
    third = pd.DataFrame({"vintage": "2022 Q3", "months_on_book": [0, 1], "share": 0.0})
    ages = pd.concat([VINTAGES, third.assign(low=0.0, high=0.01, complete=True)])
    assert finding(plots.vintages(ages)).startswith("After 3 months 6.0 % of 2022 Q2")
    alone = plots.vintages(VINTAGES.head(2))
    assert finding(alone) == "After 6 months 10.0 % of 2022 Q1 have defaulted"
    assert finding(plots.vintages(VINTAGES.assign(share=0.0))) == "Nobody has defaulted yet"


def test_a_vintage_may_be_a_date():
    """The start of a quarter is named by its month."""
    dated = VINTAGES.assign(vintage=pd.to_datetime(["2022-01-01"] * 2 + ["2022-04-01"] * 2))
    assert [line.get_label() for line in plots.vintages(dated).lines] == ["Jan 2022", "Apr 2022"]


def test_expectation_and_outcome_are_compared_in_complete_windows_only():
    """The title counts windows whose labels are all in; the others are drawn hollow."""
    ax = plots.expected_and_realised(EXPECTED)
    assert finding(ax) == "1 of 2 complete windows differ from what was expected"
    inside = {bar.get_label(): bar.lines[0].get_markerfacecolor() for bar in ax.containers}
    assert inside == {"realised, all labels in": "#E69F00", "labels missing": "white"}
    assert [bar.lines[0].get_ydata().tolist() for bar in ax.containers] == [[0.13, 0.2], [0.03]]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"complete": False}, "No window is complete yet: no default rate can be judged"),
        ({"agrees": [False, False, True, True]}, "2 of 2 complete windows differ"),
        ({"agrees": [True, None, None, None]}, "0 of 1 complete windows differ"),
        ({"realised": np.nan}, "No window is complete yet"),
    ],
)
def test_expected_and_realised_says_what_can_be_judged(change, words):
    """Nothing complete is said, and the frame's own judgement is taken where it has one."""
    assert finding(plots.expected_and_realised(EXPECTED.assign(**change))).startswith(words)
