"""Pictures of effects tell better from worse, whatever the unit and the direction."""

import pandas as pd
import pytest

from mlops_helpers import plots
from mlops_helpers.plots.base import BLUE, GREEN, ORANGE, VERMILION
from tests.test_plots import EFFECTS, finding, texts

GUARDRAILS = pd.DataFrame(
    {
        "metric": ["default_rate_approved", "auc_approved"],
        "arm": "treatment",
        "tolerance": [0.03, 0.02],
        "state": ["holds", "open"],
    }
)


def test_better_is_right_whatever_the_metric():
    """A default rate that falls is drawn to the right, in the colour of what is better."""
    ax = plots.ab_effects(EFFECTS)
    drawn = [bar.lines[0].get_xdata()[0] for bar in ax.containers]
    assert [value > 0 for value in drawn] == [True, True, False]
    assert drawn == pytest.approx([60 / 210, 0.5, -0.6])
    assert [bar.lines[0].get_color() for bar in ax.containers] == [BLUE, GREEN, VERMILION]
    assert "default rate approved\n(lower is better)" in texts(ax)
    ends = [bar.lines[2][0].get_segments()[0][:, 0].tolist() for bar in ax.containers]
    assert ends[1] == pytest.approx([0.25, 1.0])


def test_figures_stand_beside_in_their_own_unit():
    """Dollars, points, AUC; a relative effect without limits is not told."""
    told = texts(plots.ab_effects(EFFECTS))
    assert "$60  [−90, 210]\nrelative: no interval can be given" in told
    assert "85" not in told, "a share without limits would be quoted"
    assert "−2.0 points  [−4.0, −1.0]\nrelative −15.0 %  [−29.0 %, −5.0 %]" in told
    assert "−0.030  [−0.050, −0.010]" in told
    assert finding(plots.ab_effects(EFFECTS)) == (
        "Surely better: default rate approved; surely worse: AUC approved"
    )


def test_guardrails_are_drawn_where_they_would_break():
    """On the worse side, at the tolerance, on the row's own scale; their states in the title."""
    ax = plots.ab_effects(EFFECTS, guardrails=GUARDRAILS)
    bars = [line for line in ax.lines if line.get_color() == ORANGE and len(line.get_xdata())]
    assert [bar.get_xdata()[0] for bar in bars] == pytest.approx([-0.75, -0.4])
    assert [bar.get_ydata()[0] for bar in bars] == [1, 2]
    assert "at most 3.0 points worse: holds" in texts(ax)
    assert "guardrails: 1 holds, 1 open" in finding(ax)


def test_the_primary_metric_is_on_top_and_in_the_title():
    """With its figure; the others are read in the picture."""
    roles = EFFECTS.iloc[::-1].assign(role=["companion", "guardrail", "primary"])
    ax = plots.ab_effects(roles, guardrails=GUARDRAILS.assign(state="holds"))
    assert ax.get_yticklabels()[0].get_text() == "profit per application\n(primary)"
    assert finding(ax) == "+$60 [−90, 210], no gain shown; guardrails hold"
    better = plots.ab_effects(roles.assign(low=0.001))
    assert finding(better) == "+$60 [0.00, 210], gain shown"


VERDICTS = [
    ("keep", -90.0, "holds", "Keep control: +$60 [−90, 210], no gain shown; guardrails hold"),
    ("keep", 20.0, "holds", "Keep control: +$60 [20, 210], gain shown, but not enough to deploy"),
    ("keep", 20.0, "broken", "not enough to deploy; guardrails: 2 broken"),
    ("go on", -90.0, "open", "Go on: +$60 [−90, 210], no gain shown yet; guardrails: 2 open"),
    ("deploy", 20.0, "holds", "Deploy treatment: +$60 [20, 210], gain shown; guardrails hold"),
    ("no conclusion", float("nan"), "open", "No conclusion: +$60 [no interval], no gain shown"),
]


@pytest.mark.parametrize(("conclusion", "low", "state", "told"), VERDICTS)
def test_the_title_gives_the_verdict_of_the_analysis(conclusion, low, state, told):
    """The picture and the sentence of an analysis say the same, in the same words."""
    rows = EFFECTS.assign(role=["primary", "guardrail", "guardrail"])
    rows.loc[0, "low"] = low
    rails = GUARDRAILS.assign(state=state)
    assert told in finding(plots.ab_effects(rows, guardrails=rails, conclusion=conclusion))


def test_only_an_arm_that_may_be_deployed_is_named():
    """One whose guardrail is open is not, though its gain is shown as well."""
    rows = EFFECTS.head(1).assign(role="primary", low=20.0)
    both = pd.concat([rows, rows.assign(arm="bold")])
    rails = GUARDRAILS.assign(arm=["treatment", "bold"])
    told = finding(plots.ab_effects(both, guardrails=rails, conclusion="deploy"))
    assert told.startswith("Deploy treatment: profit per application of treatment +$60 [20, 210]")
    assert "profit per application of bold +$60 [20, 210], gain shown" in told


def test_other_metrics_than_profit_are_named_in_the_title():
    """A fall of the default rate is a gain, in points; a figure alone would be read as dollars."""
    rows = EFFECTS.iloc[[1]].assign(role="primary")
    assert finding(plots.ab_effects(rows, conclusion="deploy")) == (
        "Deploy treatment: default rate approved −2.0 points [−4.0, −1.0], gain shown"
    )


def test_a_verdict_that_no_analysis_gives_is_refused():
    """A misspelt one would stand in the title as a decision."""
    with pytest.raises(ValueError, match="'ship', must be one of"):
        plots.ab_effects(EFFECTS, conclusion="ship")


def test_a_companion_needs_its_adjusted_p_value():
    """An interval that leaves 0 out is not enough for one of many metrics."""
    rows = EFFECTS.assign(role="companion", p_adjusted=[0.9, 0.06, 0.01])
    ax = plots.ab_effects(rows)
    assert [bar.lines[0].get_color() for bar in ax.containers] == [BLUE, BLUE, VERMILION]
    assert finding(ax) == "Surely worse: AUC approved"
    assert finding(plots.ab_effects(rows, alpha=0.1)).startswith("Surely better: default rate")


def test_arms_are_named_where_there_are_several():
    """Two treatments' rows can be told apart; one alone needs no name."""
    both = pd.concat([EFFECTS, EFFECTS.assign(arm="bold")])
    assert "bold: profit per application" in texts(plots.ab_effects(both))
    assert "treatment:" not in texts(plots.ab_effects(EFFECTS))


def test_nothing_sure_is_said():
    """If all intervals hold zero, no metric is called better or worse."""
    unsure = EFFECTS.assign(low=-1.0, high=1.0)
    assert finding(plots.ab_effects(unsure)) == "No metric is surely better or worse"


def test_unknown_limits_are_no_claim():
    """A row without limits is drawn as a point, and nothing is said of it."""
    unknown = EFFECTS.head(1).assign(low=float("nan"), high=float("nan"))
    ax = plots.ab_effects(unknown)
    assert ax.containers[0].lines[0].get_xdata()[0] == 1.0
    assert "$60  [no interval]" in texts(ax)
    assert finding(ax) == "No metric is surely better or worse"


@pytest.mark.parametrize(
    ("kind", "said"),
    [("fixed", "95 % interval"), ("always valid", "limits that hold at every look")],
)
def test_the_axis_says_which_interval_it_is(kind, said):
    """An always-valid interval is not announced as one for a single look."""
    assert said in plots.ab_effects(EFFECTS.assign(interval=kind)).get_xlabel()


def test_several_arms_share_the_error():
    """Each interval has a higher level then, so the axis does not say 95 %."""
    both = pd.concat([EFFECTS, EFFECTS.assign(arm="bold")])
    assert "95 %" in plots.ab_effects(EFFECTS).get_xlabel()
    assert "95 %" not in plots.ab_effects(both).get_xlabel()


def test_an_analysis_without_a_conclusion_can_be_drawn():
    """Empty effects and guardrails say that nothing was compared."""
    ax = plots.ab_effects(EFFECTS.head(0), guardrails=pd.DataFrame())
    assert "no experiment analysed" in texts(ax)
    empty = plots.ab_effects(EFFECTS.head(0), conclusion="no conclusion")
    assert finding(empty) == "No conclusion"
    assert "guardrail" not in texts(plots.ab_effects(EFFECTS, guardrails=pd.DataFrame()))
