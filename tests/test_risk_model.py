"""The documented terms are the whole truth, and the interactions are interactions."""

import numpy as np

from mlops_helpers.risk_model import POLICY_CHANGE, QUIET, risk_effects
from mlops_helpers.simulation import (
    PURPOSE_SHARES,
    simulate_applications,
    true_default_probability,
)


def draw(n):
    """Draw a quiet month."""
    return simulate_applications(n, seed=7, start="2024-03")


def test_every_purpose_and_home_has_a_weight():
    """No category of the simulated world is silently neutral."""
    homes = set(draw(2000)["home_ownership"])
    for model in (QUIET, POLICY_CHANGE):
        assert set(model.purpose) == set(PURPOSE_SHARES)
        assert set(model.home) == homes


def test_a_missing_age_or_job_adds_nothing():
    """The truth uses what the file says; a gap is neither young nor short."""
    frame = draw(5).assign(age=np.nan, employment_length=np.nan)
    assert (risk_effects(frame)[["young", "short_job", "venture"]] == 0).all(axis=None)


def test_the_truth_is_the_logistic_of_its_effects():
    """The documented terms add up to the logit, with no term left over."""
    frame = draw(200)
    logit = risk_effects(frame).sum(axis=1)
    np.testing.assert_allclose(true_default_probability(frame), 1 / (1 + np.exp(-logit)))


def test_interactions_need_both_sides():
    """A heavy debt alone or a big loan alone adds nothing to the term of both."""
    frame = draw(1).loc[[0, 0, 0]].reset_index(drop=True)
    frame["annual_income"] = 50_000.0
    frame["debt_to_income_ratio"] = [0.4, 0.1, 0.4]
    frame["loan_amount"] = [5_000.0, 30_000.0, 30_000.0]
    effect = risk_effects(frame)["debt_and_loan"]
    assert effect[0] == effect[1] == 0 < effect[2]
