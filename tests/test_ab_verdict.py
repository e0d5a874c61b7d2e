"""What mlops_helpers.ab_verdict promises."""

import pandas as pd
import pytest

from mlops_helpers.ab_figures import ADJUSTED, ArmFigures
from mlops_helpers.ab_progress import Progress
from mlops_helpers.ab_verdict import GUARDRAIL_COLUMNS, conclude, guardrail_states
from mlops_helpers.confidence_sequences import Moments, price
from mlops_helpers.experiment_plan import Guardrail
from mlops_helpers.sample_size import power, required_sample_size
from tests.exposed import RAILS, THREE
from tests.exposed import planned as plan_of

NAN = float("nan")
FULL = {"control": 1500, "treatment": 1500}
PART = {"control": 700, "treatment": 690}
LIMITS = {"default_rate_approved": (-0.01, 0.01), "approval_rate": (-0.01, 0.01)}


def planned(**changes):
    """The usual plan, of 1,500 applications an arm."""
    return plan_of(**({"size": 1500} | changes))


def row(metric, low, high, *, arm="treatment", interval="fixed"):
    """A row of effects."""
    effect = (low + high) / 2
    known = {"metric": metric, "arm": arm, "effect": effect, "low": low, "high": high}
    sizes = {"control": 0.2, "treatment": 0.2, "n_control": 1500, "n_treatment": 1500}
    return known | sizes | {"interval": interval}


def said(
    *limits, plan=None, complete=FULL, rails=LIMITS, arrives=None, interval="fixed", worst=None
):
    """The conclusion for one primary interval per treatment, and the same guardrails for all."""
    plan = plan or planned(guardrails=RAILS)
    primary = ADJUSTED if plan.covariate else plan.primary
    found = []
    for arm, (low, high) in zip(plan.arms[1:], limits, strict=True):
        found.append(row(primary, low, high, arm=arm, interval=interval))
        found += [row(m, *at, arm=arm, interval=interval) for m, at in rails.items()]
    figures = {
        arm: ArmFigures(
            *(1500, 1200, 150, Moments(1500, 100.0, 1e6), None, Moments(0, NAN, NAN), 1200, 1500)
        )
        for arm in plan.arms
    }
    if len(plan.arms) > 2 and complete is FULL:
        complete = dict.fromkeys(plan.arms, 10**6)
    progress = Progress(complete, plan.needed(), arrives, plan.label_delay, plan.end)
    against = [row(primary, *worst, arm=arm) for arm in plan.arms[1:]] if worst else []
    return conclude(found, guardrail_states(found, plan), figures, plan, progress, against)


# --- guardrails ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("metric", "tolerance", "low", "high", "state"),
    [
        ("default_rate_approved", 0.03, -0.05, 0.029, "holds"),
        ("default_rate_approved", 0.03, 0.01, 0.04, "open"),
        ("default_rate_approved", 0.03, 0.031, 0.04, "broken"),
        ("approval_rate", 0.03, -0.029, 0.5, "holds"),
        ("approval_rate", 0.03, -0.04, 0.0, "open"),
        ("approval_rate", 0.03, -0.05, -0.031, "broken"),
        ("auc_approved", 0.05, NAN, NAN, "open"),
        ("auc_approved", 0.05, -0.04, 0.1, "holds"),
    ],
)
def test_a_guardrail_holds_when_its_whole_interval_does(metric, tolerance, low, high, state):
    """Within the tolerance it holds, beyond it is broken, across or unknown it is open."""
    plan = planned(guardrails=(Guardrail(metric, tolerance),))
    (found,) = guardrail_states([row(metric, low, high)], plan)
    assert found["state"] == state
    assert found["tolerance"] == tolerance
    assert tuple(found) == GUARDRAIL_COLUMNS


# --- conclusions --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limits", "rails", "conclusion", "words"),
    [
        ((5, 30), {}, "deploy", "Deploy treatment"),
        ((-30, -5), {}, "keep", "surely worse"),
        ((-5, 30), {}, "keep", "no gain was shown"),
        ((5, 30), {"approval_rate": (-0.1, -0.08)}, "keep", "the approval rate is broken"),
        ((5, 30), {"approval_rate": (-0.1, 0.0)}, "keep", "the approval rate is not settled"),
        ((NAN, NAN), {}, "no conclusion", "has no interval"),
    ],
)
def test_at_the_planned_size_the_test_decides(limits, rails, conclusion, words):
    """Deploy needs a sure gain and every guardrail; otherwise control stays, with the reason."""
    for stop in ("fixed size", "always valid"):
        found = said(limits, plan=planned(stop=stop, guardrails=RAILS), rails=LIMITS | rails)
        assert found[0] == conclusion
        assert words in found[1]


@pytest.mark.parametrize(
    ("limits", "rails", "fixed", "always"),
    [
        ((5, 30), {}, "go on", "deploy"),
        ((-30, -5), {}, "keep", "keep"),
        ((-5, 30), {}, "go on", "go on"),
        ((5, 30), {"approval_rate": (-0.1, -0.08)}, "keep", "keep"),
        ((5, 30), {"approval_rate": (-0.1, 0.0)}, "go on", "go on"),
        ((NAN, NAN), {}, "go on", "go on"),
    ],
)
def test_before_the_size_only_the_sequence_may_deploy(limits, rails, fixed, always):
    """A fixed test goes on whatever its gain; harm and a broken guardrail end both."""
    for stop, conclusion in (("fixed size", fixed), ("always valid", always)):
        plan = planned(stop=stop, guardrails=RAILS)
        found = said(limits, plan=plan, complete=PART, rails=LIMITS | rails)
        assert found[0] == conclusion


def test_the_best_of_several_treatments_is_deployed():
    """The highest lower limit wins; a better one with a broken guardrail does not count."""
    plan = planned(experiment=THREE)
    conclusion, sentence = said((5, 90), (10, 40), plan=plan)
    assert conclusion == "deploy"
    assert sentence.startswith("Deploy c: ")
    assert "97.5 % interval" in sentence
    assert "And b's profit per application is $47.50 higher than control's" in sentence
    assert said((-5, 90), (10, 40), plan=plan)[1].startswith("Deploy c: ")


def test_all_treatments_must_be_lost_to_stop_early():
    """One that is surely worse leaves the other running; both end it."""
    plan = planned(experiment=THREE)
    part = dict.fromkeys(THREE.arms, 10)
    assert said((-9, -5), (-5, 40), plan=plan, complete=part)[0] == "go on"
    assert said((-9, -5), (-8, -1), plan=plan, complete=part)[0] == "keep"


def test_a_rate_that_falls_is_a_gain():
    """With the default rate as primary, lower is better, and it is said as lower."""
    plan = planned(primary="default_rate_approved", smallest_effect=0.02)
    conclusion, sentence = said((-0.05, -0.01), plan=plan, rails={})
    assert conclusion == "deploy"
    assert "default rate among approved is 3.00 points lower than control's" in sentence
    assert "(95 % interval -5.00 to -1.00 points; 1,500 and 1,500 approved loans)" in sentence
    assert said((0.01, 0.05), plan=plan, rails={})[0] == "keep"


# --- words --------------------------------------------------------------------------------------


def test_the_sentence_tells_figures():
    """Effect, level, limits, sizes and each guardrail with its tolerance."""
    sentence = said((5, 30))[1]
    assert "treatment's profit per application is $17.50 higher than control's" in sentence
    assert "(95 % interval $5.00 to $30.00; 1,500 and 1,500 applications)" in sentence
    assert "the approval rate holds, 0.00 points higher" in sentence
    assert "6.00 points worse is allowed" in sentence


def test_the_adjustment_is_named():
    """An adjusted effect says what it is adjusted for, one valid at every look says so."""
    plan = planned(covariate="score", stop="always valid")
    sentence = said((-30, -5), plan=plan, interval="always valid", rails={})[1]
    assert "profit per application, adjusted for score, is $17.50 lower" in sentence
    assert "valid at every look" in sentence


def test_without_a_gain_the_power_is_told():
    """The chance of the smallest effect and the size for 80 % are those of `sample_size`."""
    sentence = said((-5, 30))[1]
    chance, size = power(1500, 50, sd=1000), required_sample_size(50, sd=1000)
    assert f"A true effect of $50.00 had a chance of {100 * chance:.0f} % to be seen" in sentence
    assert f"for 80 % control needs {size:,} applications" in sentence
    rate = planned(primary="default_rate_approved", smallest_effect=0.02)
    size = required_sample_size(-0.02, rate=150 / 1200)
    assert f"needs {size:,} approved loans" in said((-0.03, 0.02), plan=rate, rails={})[1]


def test_a_sequence_needs_more_for_the_same_power():
    """Where the always-valid interval decides, the power is told for its width."""
    plan = planned(stop="always valid")
    size = required_sample_size(50, sd=1000, width=price(0.05))
    sentence = said((-5, 30), plan=plan, interval="always valid", rails={})[1]
    assert f"for 80 % control needs at most {size:,} applications" in sentence
    assert "had a chance of at least" in sentence  # it looks more than once


def test_an_open_guardrail_is_not_called_broken():
    """A gain whose guardrail is open: the words say so, with the size that would settle it."""
    rails = {"approval_rate": (-0.08, 0.01), "default_rate_approved": (-0.01, 0.01)}
    sentence = said((5, 30), rails=rails)[1]
    assert "; but a guardrail is not settled. Guardrails: the approval rate is not" in sentence
    chance, size = power(1500, -0.06, rate=0.8), required_sample_size(-0.06, rate=0.8)
    assert (
        f"Unchanged, the approval rate had a chance of {100 * chance:.0f} % to hold; for 80 % "
        f"control needs {size:,} applications."
    ) in sentence
    broken = said((5, 30), rails={"approval_rate": (-0.1, -0.08)})[1]
    assert "; but a guardrail is broken. " in broken
    assert "Unchanged" not in broken


def test_a_treatment_that_should_stop_is_named_beside_one_that_goes_on():
    """One of two is surely worse: the experiment goes on, and says how to stop that one."""
    plan = planned(experiment=THREE)
    part = dict.fromkeys(THREE.arms, 10)
    conclusion, sentence = said((-9, -5), (-5, 40), plan=plan, complete=part)
    assert conclusion == "go on"
    assert "surely worse: to stop it, complete this experiment and draft one without it." in (
        sentence
    )
    calm = said((-9, 5), (-5, 40), plan=plan, complete=part)[1]
    assert "to stop it" not in calm


def test_guardrails_of_several_treatments_share_the_level():
    """Their interval is told at the level that it was made with."""
    plan = planned(experiment=THREE, guardrails=RAILS)
    told = said((5, 30), (-5, 10), plan=plan)[1]
    assert "the approval rate holds, 0.00 points higher than control's (97.5 % interval" in (
        told.replace("higher (", "higher than control's (")
    )


def test_a_gain_that_hangs_on_missing_outcomes_is_kept():
    """If all of them spoke for control and no gain were left, the treatment is not deployed."""
    for complete, conclusion in ((FULL, "keep"), (PART, "go on")):
        plan = planned(stop="always valid")
        found, sentence = said((5, 30), plan=plan, complete=complete, rails={}, worst=(-1, 20))
        assert found == conclusion
        assert "But it is not sure" in sentence
        assert said((5, 30), plan=plan, complete=complete, rails={}, worst=(1, 20))[0] == "deploy"


def test_go_on_says_until_when():
    """The size, what is there, and the day on which the last outcome can be known."""
    arrives = pd.Timestamp("2025-03-20", tz="UTC")
    sentence = said((-5, 30), complete=PART, arrives=arrives)[1]
    assert sentence.startswith(
        "Go on until 1,500 complete applications an arm (now control 700, treatment 690; about "
        "30 September 2025 at the traffic so far)"
    )
    assert "about" not in said((-5, 30), complete=PART)[1]


def test_arms_of_different_size_are_told_one_by_one():
    """An unequal split names the size of each arm."""
    part = dict.fromkeys(THREE.arms, 10)
    sentence = said((-5, 4), (-5, 40), plan=planned(experiment=THREE), complete=part)[1]
    assert "control 1,500, b 1,125, c 1,125 complete applications" in sentence


def test_traffic_that_does_not_suffice_is_said():
    """If the planned end comes first, no day is promised."""
    start = pd.Timestamp("2024-08-01", tz="UTC")
    plan = planned(start=start, end=start + pd.Timedelta(days=90))
    sentence = said(
        (-5, 30), plan=plan, complete=PART, arrives=plan.end + pd.Timedelta(days=1), rails={}
    )[1]
    assert "does not bring them before the end, 30 October 2024" in sentence
