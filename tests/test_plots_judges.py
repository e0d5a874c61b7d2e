"""Pictures of rules that judge: the title has the errors, each curve has its interval."""

import numpy as np
import pytest

from mlops_helpers import plots
from tests.test_plots import JUDGED, SELECTION, WATCHED, finding, texts


def curves(ax):
    """Places and values by label, as drawn."""
    drawn = {bar.get_label(): bar.lines[0].get_xydata().tolist() for bar in ax.containers}
    return {label: [tuple(point) for point in points] for label, points in drawn.items()}


def test_rules_differ_by_line_and_gains_by_marker():
    """Sorted by rows; the judge solid, another rule broken and hollow; sizes stand side by side."""
    ax = plots.judge_power(JUDGED)
    found = {label: [share for _, share in points] for label, points in curves(ax).items()}
    assert found == {
        "higher AUC: equal models": [0.5],
        "higher AUC: truly better by 0.02": [0.8],
        "the judge: equal models": [0.02, 0.03],
        "the judge: truly better by 0.02": [0.3],
    }
    places = [points[0][0] for points in curves(ax).values()]
    assert places == sorted(set(places)), "no bar hides another"
    assert all(abs(np.log(place / 500)) < 0.1 for place in places)
    lines = {bar.get_label(): bar.lines[0] for bar in ax.containers}
    solid = [label for label, line in lines.items() if line.get_linestyle() == "-"]
    filled = [label for label, line in lines.items() if line.get_markerfacecolor() != "white"]
    assert solid == filled == ["the judge: equal models", "the judge: truly better by 0.02"]
    assert len({line.get_marker() for line in lines.values()}) == 2
    assert finding(ax) == "Equal challengers promoted: “higher AUC” 50.0 %, “the judge” 2.5 %"
    assert "agreed: 5 %" in texts(ax)
    assert [label.get_text() for label in ax.get_xticklabels()] == ["500", "2,000"]


def test_power_alone_has_a_title_too():
    """Without equal challengers there is no error to report."""
    assert finding(plots.judge_power(JUDGED[JUDGED["gain"] > 0])) == "Power of the judge"


@pytest.mark.parametrize(("draw", "frame"), [("judge_power", JUDGED), ("watch", WATCHED)])
def test_curves_differ_without_colour(draw, frame):
    """Each curve has a line and a marker of its own, and its interval."""
    ax = getattr(plots, draw)(frame)
    looks = {(bar.lines[0].get_linestyle(), bar.lines[0].get_marker()) for bar in ax.containers}
    assert len(looks) == len(ax.containers) > 1
    for bar in ax.containers:
        segments = np.array(bar.lines[2][0].get_segments())
        assert (segments[:, 0, 1] < segments[:, 1, 1]).all()


def test_selection_bias_names_the_way_that_is_furthest_off():
    """Points at the means, the truth as a line, hollow where the interval misses it."""
    ax = plots.selection_bias(SELECTION)
    assert finding(ax) == "Furthest from the truth (+0.020): judged on approved only, −0.030"
    assert [bar.lines[0].get_xdata()[0] for bar in ax.containers] == [0.021, -0.03]
    assert [bar.lines[0].get_markerfacecolor() == "white" for bar in ax.containers] == [False, True]
    assert "wrong verdicts: 70.0 %" in texts(ax)
    assert "wrong" not in texts(plots.selection_bias(SELECTION.drop(columns="wrong_verdicts")))


def test_a_watch_is_told_by_its_mistakes():
    """The title has the rollbacks of good promotions; the curves run over the true gain."""
    ax = plots.watch(WATCHED)
    assert curves(ax)["watch"] == [(-0.02, 0.7), (0.0, 0.04)]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["−0.02", "0"]
    assert (
        finding(ax) == "An equal model is taken back in: “every look at 5 %” 18.0 %, “watch” 4.0 %"
    )
    assert finding(plots.watch(WATCHED[WATCHED["gain"] < 0])) == "How often it acts"
