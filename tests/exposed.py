"""An experiment's plan and its exposures with known outcomes, for the tests of its analysis."""

import numpy as np
import pandas as pd

from mlops_helpers.assignment import Experiment
from mlops_helpers.experiment_plan import ExperimentPlan, Guardrail
from mlops_helpers.lifecycle import Stage

DELAY = pd.Timedelta(days=182)
START = pd.Timestamp("2024-08-01", tz="UTC")
LATE = START + pd.Timedelta(days=900)
THREE = Experiment("three", arms=("control", "b", "c"), split=(0.4, 0.3, 0.3))
RAMP = (
    Stage(START, (0.9, 0.1), full=False),
    Stage(pd.Timestamp("2024-10-01", tz="UTC"), (0.5, 0.5), full=True),
)
RAILS = (Guardrail("default_rate_approved", 0.03), Guardrail("approval_rate", 0.06))


def planned(**changes):
    """A plan of 1,700 applications an arm, the last month's too; two arms unless told otherwise."""
    experiment = changes.pop("experiment", Experiment("champion-2-against-1"))
    given = {
        "versions": {arm: k for k, arm in enumerate(experiment.arms, start=1)},
        "hypothesis": "the newer model earns more",
        "size": 1700,
        "smallest_effect": 50.0,
        "label_delay": DELAY,
    }
    return ExperimentPlan(experiment, **(given | changes))


def exposed(n=4000, *, seed=0, better=0.0, experiment=None, shares=None):
    """The log of five months; treatments avoid a share of the losses, `score` foretells them.

    The arms are drawn by `shares`, so that a test knows them without the hash.
    """
    arms = (experiment or planned().experiment).arms
    rng = np.random.default_rng(seed)
    arm = rng.choice(len(arms), n, p=shares or np.full(len(arms), 1 / len(arms)))
    approved = rng.random(n) < 0.8
    risk = rng.beta(2, 16, n)
    default = (rng.random(n) < np.where(arm == 0, risk, risk * (1 - better))).astype(float)
    scored = START + pd.to_timedelta(rng.integers(0, 150 * 24, n), unit="h")
    return pd.DataFrame(
        {
            "prediction_id": [f"p{seed}-{i}" for i in range(n)],
            "application_id": [f"a{seed}-{i}" for i in range(n)],
            "variant": np.array(arms, dtype=object)[arm],
            "scored_at": scored,
            "decision": np.where(approved, "approve", "decline"),
            "loan_amount": rng.uniform(2000, 20000, n),
            "default": np.where(approved, default, np.nan),
            "outcome_at": scored + pd.Timedelta(days=150),
            "model_version": arm + 1,
            "probability": np.clip(risk + rng.normal(0, 0.05, n), 0.001, 0.999),
            "score": 700 - 300 * risk + rng.normal(0, 20, n),
        }
    )


def earned(frame, costs):
    """Profit of each application, from the rows."""
    taken = frame["decision"] == "approve"
    return pd.Series(costs.profit(frame["loan_amount"], frame["default"], taken), frame.index)
