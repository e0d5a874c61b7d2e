"""Pictures of policies answer "what should we do?", and say when the seeds do not allow it."""

import numpy as np
import pandas as pd
import pytest

from mlops_helpers import plots
from tests.test_plots import PATHS, POLICIES, finding, texts


def test_gains_are_drawn_with_their_intervals_the_best_on_top():
    """Sorted by gain; trainings and worst month stand beside; hindsight is hollow."""
    ax = plots.policy_gains(POLICIES)
    assert [bar.lines[0].get_xdata()[0] for bar in ax.containers] == [95.0, 80.0, 0.0, -12.0]
    bars = [bar.lines[2][0].get_segments()[0][:, 0].tolist() for bar in ax.containers]
    assert bars == [[70, 120], [60, 100], [0, 0], [-30, 6]]
    faces = [bar.lines[0].get_markerfacecolor() for bar in ax.containers]
    assert [face == "white" for face in faces] == [True, False, False, False]
    assert "4.2 trainings, lowest month $12" in texts(ax)
    assert "hindsight, lowest month $40" in texts(ax)
    more = plots.policy_gains(POLICIES.assign(profit=200.0, low=190.0, high=210.0))
    assert texts(more) == texts(ax), "limits of the profit are not those of the gain"


def test_the_answer_is_a_policy_that_can_be_followed():
    """The oracle is never the advice, however much it earns."""
    best = "Of those one can follow “both, with veto” gained most: $80 [$60, $100]"
    assert finding(plots.policy_gains(POLICIES)) == best


def test_hollow_is_explained_where_something_is_hollow():
    """The key to the marks stands there only if hindsight is in the frame."""
    assert "hollow" in plots.policy_gains(POLICIES).get_xlabel()
    followed = POLICIES[POLICIES["policy"] != "oracle"]
    assert "hollow" not in plots.policy_gains(followed).get_xlabel()


def test_no_advice_without_certainty():
    """If every interval holds zero the picture says that nothing is known to be better."""
    unsure = POLICIES.assign(gain_low=-200.0)
    assert finding(plots.policy_gains(unsure)) == "No policy is surely better than “never”"


def test_paths_add_up_to_the_gain_of_the_table():
    """Paired differences over all applications; the band is the interval over the seeds."""
    ax = plots.policy_paths(PATHS)
    (path,) = [line for line in ax.lines if line.get_label().startswith("monthly")]
    np.testing.assert_allclose(path.get_xydata(), [[1, 65 / 3], [2, 130 / 3], [3, 65]])
    corners = ax.collections[0].get_paths()[0].vertices
    half = 12.7062 * 10 / np.sqrt(2) / np.sqrt(2)  # t(1), the seeds end at 60 and 70
    assert corners[:, 1].max() == pytest.approx(65 + half, rel=1e-4)
    assert finding(ax) == "At the end “monthly” is ahead of “never” by $65 an application"


def test_months_count_by_their_applications():
    """A month of three times as many applications counts three times."""
    counted = PATHS.assign(applications=np.where(PATHS["month"] == 1, 300, 100))
    gained = {1: 60.0, 2: 80.0}  # seed 1, then 2: 50 more each month, and 10 and 20 of late
    by_month = counted[counted["seed"] == 1].copy()
    late = by_month["policy"].eq("monthly") & by_month["month"].gt(1)
    by_month.loc[late, "profit"] = 100.0 + gained[2]
    (path,) = [
        line
        for line in plots.policy_paths(by_month).lines
        if line.get_label().startswith("monthly")
    ]
    ends = (3 * gained[1] + 2 * gained[2]) / 5
    np.testing.assert_allclose(path.get_ydata(), [3 * gained[1] / 5, 3 * gained[1] / 5 + 16, ends])


def test_the_legend_has_the_order_in_which_the_curves_end():
    """And says which shades are intervals; bands are drawn for the first and the last only."""
    more = [
        PATHS[PATHS["policy"] == "monthly"].assign(
            policy=name, profit=lambda f, by=by: f["profit"] + by
        )
        for name, by in (("on drift", -20.0), ("oracle", 30.0), ("on performance", -10.0))
    ]
    frame = pd.concat([PATHS, *more])
    ax = plots.policy_paths(frame)
    told = [text.get_text() for text in ax.get_legend().get_texts()]
    assert told == ["oracle: $95", "monthly: $65", "on performance: $55", "on drift: $45"]
    assert "95 % interval" in ax.get_legend().get_title().get_text()
    assert len(ax.collections) == 2
    assert len(plots.policy_paths(frame, bands=["on drift"]).collections) == 1


def test_phases_are_named_above_the_paths():
    """Each stretch of time is labelled, so that shades need not be told apart."""
    named = [text.get_text().replace("\n", "") for text in plots.policy_paths(PATHS).texts]
    assert named == ["quiet", "recession"]


def test_one_history_has_no_band():
    """With a single seed the paths are drawn, and no uncertainty is invented."""
    ax = plots.policy_paths(PATHS[PATHS["seed"] == 1])
    corners = ax.collections[0].get_paths()[0].vertices
    assert sorted(set(corners[:, 1].tolist())) == pytest.approx([20.0, 40.0, 60.0])
    assert "interval" not in ax.get_legend().get_title().get_text()


def test_paths_need_their_baseline():
    """The error names the policies that there are; alone, the baseline has nothing to be beaten."""
    with pytest.raises(ValueError, match=r"baseline == 'always', must be one of \['monthly'"):
        plots.policy_paths(PATHS, baseline="always")
    alone = plots.policy_paths(PATHS[PATHS["policy"] == "never"])
    assert finding(alone) == "Only “never” was followed"


def test_paths_differ_without_colour():
    """Line and marker differ between the policies."""
    more = PATHS.replace({"policy": {"monthly": "on drift"}})
    ax = plots.policy_paths(pd.concat([PATHS, more[more["policy"] == "on drift"]]))
    looks = [
        (line.get_linestyle(), line.get_marker())
        for line in ax.lines
        if not line.get_label().startswith("_")
    ]
    assert len(set(looks)) == len(looks) == 2
