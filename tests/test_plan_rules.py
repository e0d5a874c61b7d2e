"""What mlops_helpers.plan_rules promises: everything that is wrong with a plan, at once."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from mlops_helpers.assignment import Experiment, Holdout
from mlops_helpers.experiment_plan import ExperimentPlan, Guardrail
from mlops_helpers.plan_rules import METRICS, faults

JANUARY, JUNE = (pd.Timestamp(day, tz="UTC") for day in ("2024-01-01", "2024-06-01"))
PLAN = ExperimentPlan(
    Experiment("v4-against-v3"), {"control": 3, "treatment": 4}, "v4 earns more", 5000, 25.0
)
WRONG = [
    ({"experiment": "v4-against-v3"}, "experiment is 'v4-against-v3', must be an assignment.Exp"),
    ({"versions": [3, 4]}, "versions is [3, 4], must be a model version for each arm"),
    ({"versions": {"control": 3}}, "no model for 'treatment': versions needs a version of each"),
    (
        {"versions": {"control": 3, "treatment": 4, "odd": 5}},
        "versions names 'odd', the arms are 'control', 'treatment'",
    ),
    ({"versions": {"control": 3, "treatment": "4"}}, "versions['treatment'] is '4', must be a"),
    ({"versions": {"control": 0, "treatment": 4}}, "versions['control'] is 0, must be a whole"),
    ({"versions": {"control": True, "treatment": 4}}, "versions['control'] is True"),
    ({"hypothesis": "  "}, "hypothesis is '  ', must say what"),
    ({"hypothesis": None}, "hypothesis is None"),
    ({"size": 1}, "size is 1, must be a whole number of 2 or more"),
    ({"size": 100.0}, "size is 100.0"),
    ({"size": True}, "size is True"),
    ({"size": 10**400}, "size is 1000"),
    (
        {"versions": {"control": 3, "treatment": 2**31}},
        "is 2147483648, must be a whole number from",
    ),
    ({"guardrails": (Guardrail(["x"], 0.1),)}, "guardrail ['x'] must be one of 'profit"),
    ({"smallest_effect": 0}, "smallest_effect is 0, must be a number above 0"),
    ({"smallest_effect": math.nan}, "smallest_effect is nan"),
    ({"smallest_effect": "25"}, "smallest_effect is '25'"),
    ({"primary": "auc_approved"}, "primary is 'auc_approved', must be one of 'profit_per_appl"),
    ({"primary": "profit"}, "primary is 'profit'"),
    ({"guardrails": None}, "guardrails is None, must be a tuple of Guardrail"),
    ({"guardrails": Guardrail("approval_rate", 0.1)}, "must be a tuple of Guardrail"),
    ({"guardrails": ("approval_rate",)}, "guardrail 'approval_rate' must be a Guardrail(metric"),
    ({"guardrails": (Guardrail("speed", 0.1),)}, "guardrail 'speed' must be one of 'profit"),
    ({"guardrails": (Guardrail("profit_per_application", 1),)}, "has a role already"),
    ({"guardrails": (Guardrail("approval_rate", 0.1),) * 2}, "has a role already"),
    ({"guardrails": (Guardrail("approval_rate", 3),)}, "is 3, must be above 0 and below 1: 0.03"),
    ({"guardrails": (Guardrail("approval_rate", 0),)}, "'approval_rate' is 0, must be above 0"),
    ({"guardrails": (Guardrail("auc_approved", math.nan),)}, "'auc_approved' is nan"),
    ({"stop": "when significant"}, "stop is 'when significant', must be one of 'fixed size'"),
    ({"alpha": 0.5}, "alpha is 0.5, must lie between 0 and 0.5"),
    ({"alpha": 5}, "alpha is 5"),
    ({"unit": "customer_id"}, "unit is 'customer_id', must be 'application_id'"),
    ({"covariate": ""}, "covariate is '', must be the name of a column"),
    ({"covariate": "probability"}, "covariate is 'probability', which the arm itself decides"),
    ({"label_delay": 180}, "label_delay is 180, must be a pd.Timedelta"),
    ({"label_delay": pd.Timedelta(days=-1)}, "must be a pd.Timedelta of 0 days or more"),
    ({"label_delay": pd.NaT}, "label_delay is NaT"),
    ({"start": pd.Timestamp("2024-01-01")}, "start is Timestamp('2024-01-01 00:00:00'), must be"),
    ({"end": "2024-06-01"}, "end is '2024-06-01', must be a pd.Timestamp with a time zone"),
    ({"start": JUNE, "end": JANUARY}, "is not after start 2024-06-01 00:00:00+00:00"),
    ({"start": JUNE, "end": JUNE}, "is not after start"),
    ({"holdout": 0.05}, "holdout is 0.05, must be an assignment.Holdout"),
    ({"holdout": Holdout("v4-against-v3", 0.05)}, "give it another name"),
]


def test_a_whole_plan_has_no_fault():
    """With every field used, and with NumPy's numbers."""
    whole = replace(
        PLAN,
        size=np.int64(100),
        smallest_effect=np.float64(2),
        versions={"control": np.int64(1), "treatment": 1},
        guardrails=(Guardrail("default_rate_approved", 0.03), Guardrail("auc_approved", 0.02)),
        stop="always valid",
        covariate="credit_score",
        label_delay=pd.Timedelta(days=182),
        start=JANUARY,
        end=JUNE,
        holdout=Holdout("nobody", 0.05),
    )
    assert faults(whole) == []
    dollars = Guardrail("profit_per_application", 12.0)
    assert faults(replace(PLAN, primary="approval_rate", guardrails=(dollars,))) == []


@pytest.mark.parametrize(("change", "said"), WRONG)
def test_what_is_wrong_is_named(change, said):
    """The field, its value, the rule; nothing else is found wrong with it."""
    with pytest.raises(ValueError, match="cannot be kept") as caught:
        replace(PLAN, **change)
    assert said in str(caught.value)
    assert "; " not in str(caught.value)


def test_everything_that_is_wrong_is_told_at_once():
    """One sentence with all faults: nobody mends a plan one message at a time."""
    changes = {}
    for change, _ in WRONG[2:]:
        changes = change | changes
    with pytest.raises(ValueError, match="cannot be kept") as caught:
        replace(PLAN, **changes)
    for name in changes:
        assert name.rstrip("s") in str(caught.value)


def test_metrics_say_which_way_is_better():
    """More profit, fewer defaults, more approvals, better ranking."""
    assert {name: metric.better for name, metric in METRICS.items()} == {
        "profit_per_application": 1,
        "default_rate_approved": -1,
        "approval_rate": 1,
        "auc_approved": 1,
    }
