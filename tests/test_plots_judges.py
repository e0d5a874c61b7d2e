"""Pictures of rules that judge: the title has the errors, each curve has its interval."""

import numpy as np
import pytest

from mlops_helpers import plots
from tests.test_plots import JUDGED, SELECTION, WATCHED, finding, texts


def curves(ax):
    """Places and values by label, as drawn."""
    drawn = {bar.get_label(): bar.lines[0].get_xydata().tolist() for bar in ax.containers}
    return {label: [tuple(point) for point in points] for label, points in drawn.items()}


def test_the_judge_has_all_its_curves_and_another_rule_its_errors_only():
    """Sorted by rows; a rule beside the judge is drawn where nobody should be promoted."""
    ax = plots.judge_power(JUDGED)
    assert curves(ax) == {
        "higher AUC: equal models": [(500, 0.5)],
        "the judge: equal models": [(500, 0.02), (2000, 0.03)],
        "the judge: truly better by 0.02": [(500, 0.3)],
    }
    assert "“higher AUC” 50.0 %, “the judge” 3.0 %" in finding(ax)
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
    assert finding(ax).endswith("“every look at 5 %” 18.0 %, “watch” 4.0 %")
    assert finding(plots.watch(WATCHED[WATCHED["gain"] < 0])) == "How often it acts"
