"""What mlops_helpers.assignment promises."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from mlops_helpers.assignment import Experiment

PLAN = Experiment("champion-2-against-1")
UNITS = [f"loan-{i}" for i in range(20_000)]


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        ({"name": " "}, "name is ' '"),
        ({"arms": ("control",), "split": (1.0,)}, "arms is"),
        ({"arms": ("a", "a")}, "different names"),
        ({"split": (0.5, 0.4)}, "sums to 0.9"),
        ({"split": (1.5, -0.5)}, "above 0"),
        ({"split": (0.2, 0.3, 0.5)}, "3 shares for 2 arms"),
        ({"cutoff": 18}, "cutoff is 18"),
    ],
)
def test_impossible_plans_are_refused(plan, said):
    """A plan names the value that it refuses."""
    with pytest.raises(ValueError, match=said):
        Experiment(**{"name": "x", **plan})


def test_assignment_is_sticky():
    """The same unit meets the same arm: in another order, alone, as a number or as its text."""
    there = dict(zip(UNITS[:500], PLAN.assign(UNITS[:500]), strict=True))
    back = dict(zip(UNITS[499::-1], PLAN.assign(UNITS[499::-1]), strict=True))
    assert there == back
    assert PLAN.assign([UNITS[7]])[0] == there[UNITS[7]]
    assert PLAN.assign([12])[0] == PLAN.assign(["12"])[0]


def test_assignment_survives_releases():
    """The arms of these units are written down: a new release must not move anybody."""
    assert "".join(arm[0] for arm in PLAN.assign(UNITS[:12])) == "ctttttcttttt"


@pytest.mark.parametrize("split", [(0.5, 0.5), (0.9, 0.1), (0.2, 0.3, 0.5)])
def test_assignment_follows_the_split(split):
    """Counts agree with the planned shares (chi-square over 20 000 units)."""
    arms = tuple("abc"[: len(split)])
    plan = Experiment("uniform", arms=arms, split=split)
    counts = pd.Series(plan.assign(UNITS)).value_counts()[list(arms)]
    assert stats.chisquare(counts, np.array(split) * len(UNITS)).pvalue > 1e-3


def test_experiments_are_independent():
    """Another name, or another salt, splits the same units independently."""
    first = PLAN.assign(UNITS)
    for other in (Experiment("another"), Experiment(PLAN.name, salt="again")):
        table = pd.crosstab(first, other.assign(UNITS))
        assert stats.chi2_contingency(table).pvalue > 1e-3


def test_more_treatment_never_sends_anybody_back():
    """Raising the treatment's share moves units from control to treatment only."""
    before = Experiment("ramp", split=(0.9, 0.1)).assign(UNITS)
    after = Experiment("ramp", split=(0.5, 0.5)).assign(UNITS)
    assert (after[before == "treatment"] == "treatment").all()


def test_units_need_an_id():
    """A missing id is refused; no units are no arms."""
    with pytest.raises(ValueError, match="no id"):
        PLAN.assign(["a", None])
    assert PLAN.assign([]).size == 0


def test_a_plan_becomes_plain_values():
    """to_dict holds what Experiment takes."""
    values = PLAN.to_dict()
    again = {**values, "arms": tuple(values["arms"]), "split": tuple(values["split"])}
    assert Experiment(**again) == PLAN
