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
    assert "4.2 trainings, worst month $12" in texts(ax)
    assert "hindsight, worst month $40" in texts(ax)
    more = plots.policy_gains(POLICIES.assign(profit=200.0, low=190.0, high=210.0))
    assert texts(more) == texts(ax), "limits of the profit are not those of the gain"


def test_the_answer_is_a_policy_that_can_be_followed():
    """The oracle is never the advice, however much it earns."""
    best = "Most gained: “both, with veto”, $80 an application [$60, $100]"
    assert finding(plots.policy_gains(POLICIES)) == best


def test_no_advice_without_certainty():
    """If every interval holds zero the picture says that nothing is known to be better."""
    unsure = POLICIES.assign(gain_low=-200.0)
    assert finding(plots.policy_gains(unsure)) == "No policy is surely better than “never”"


def test_paths_are_sums_of_paired_differences():
    """Months add up, the baseline is the zero line, the band is the interval over the seeds."""
    ax = plots.policy_paths(PATHS)
    (path,) = [line for line in ax.lines if line.get_label() == "monthly"]
    np.testing.assert_allclose(path.get_xydata(), [[1, 65], [2, 130], [3, 195]])
    corners = ax.collections[0].get_paths()[0].vertices
    half = 12.7062 * 30 / np.sqrt(2) / np.sqrt(2)  # t(1), the seeds end at 180 and 210
    assert corners[:, 1].max() == pytest.approx(195 + half, rel=1e-4)
    assert "ahead of “never” by $195 for each monthly application" in finding(ax)


def test_phases_are_named_above_the_paths():
    """Each stretch of time is labelled, so that shades need not be told apart."""
    named = [text.get_text().replace("\n", "") for text in plots.policy_paths(PATHS).texts]
    assert named == ["quiet", "recession"]


def test_one_history_has_no_band():
    """With a single seed the paths are drawn, and no uncertainty is invented."""
    ax = plots.policy_paths(PATHS[PATHS["seed"] == 1])
    corners = ax.collections[0].get_paths()[0].vertices
    assert sorted(set(corners[:, 1].tolist())) == [60.0, 120.0, 180.0]


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
