"""What mlops_helpers.rule_scores promises."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from types import SimpleNamespace

import pandas as pd
import pytest
from scipy import stats

from mlops_helpers import rule_scores as under_test
from mlops_helpers.ab_testing import Analysis
from mlops_helpers.confidence_sequences import price
from mlops_helpers.rule_scores import (
    endings,
    missing_rates,
    repeated_rates,
    several_rates,
    uneven_rates,
)

SMALL = {
    endings: {"repeats": 2, "looks": 2, "size": 300},
    repeated_rates: {"repeats": 1, "months": 3, "size": 300},
    several_rates: {"repeats": 2, "size": 300},
    uneven_rates: {"repeats": 2, "size": 900},
    missing_rates: {"repeats": 2, "size": 300},
}


def tampered(change: Callable[[Analysis], Analysis]) -> Callable[..., Analysis]:
    """The analysis with its result changed."""
    honest = under_test.analyze_sums
    return lambda *args, **more: change(honest(*args, **more))


@pytest.mark.parametrize("scores", SMALL, ids=lambda scores: scores.__name__)
def test_the_same_seed_gives_the_same_table(scores):
    """Chance is an argument, and every claim has its line."""
    first, again = (scores(seed=3, **SMALL[scores]) for _ in range(2))
    pd.testing.assert_frame_equal(first, again)
    assert first["claim"].is_unique
    assert (first["n"] == SMALL[scores]["repeats"]).all()


def test_a_rule_that_always_deploys_is_found_out(monkeypatch):
    """Models that may not be deployed are a broken promise, whatever surrounds the test."""
    eager = tampered(lambda said: replace(said, conclusion="deploy"))
    monkeypatch.setattr(under_test, "analyze_sums", eager)
    for scores, small in SMALL.items():
        found = scores(seed=4, **(small | {"repeats": 6}))
        deployed = found[found["claim"].str.startswith("deploys")]
        assert len(deployed) > 0
        assert not deployed["kept"].any(), scores.__name__


def test_several_treatments_keep_the_level_together():
    """Three treatments pass no more often than one may, equal ones or those at the tolerance."""
    found = several_rates(repeats=25, seed=2, size=400)
    assert found["claim"].tolist() == [
        "deploys one of 3 equal models",
        "guardrail of one of 3 holds, truth at its tolerance",
    ]
    assert found["nominal"].tolist() == [0.025, 0.025]
    assert found["kept"].all()


def test_a_guardrail_that_always_holds_is_found_out(monkeypatch):
    """One arm whose guardrail holds is enough for a deployment."""

    def lenient(said: Analysis) -> Analysis:
        state = ["open"] * (len(said.guardrails) - 1) + ["holds"] * (len(said.guardrails) > 0)
        return replace(said, guardrails=said.guardrails.assign(state=state))

    monkeypatch.setattr(under_test, "analyze_sums", tampered(lenient))
    found = several_rates(repeats=6, seed=2, size=300).set_index("claim")
    assert found.loc["guardrail of one of 3 holds, truth at its tolerance", "rate"] == 1.0
    assert not found["kept"].iloc[1]


def test_later_analyses_repeat_the_verdict():
    """Data that come after the planned size change neither the conclusion nor the limits."""
    found = repeated_rates(repeats=4, seed=5, size=300, months=5)
    verdicts = found[found["claim"].str.startswith("one verdict")]
    assert verdicts["rate"].tolist() == [1.0, 1.0]
    assert verdicts["kept"].all()


def test_a_second_verdict_is_found_out(monkeypatch):
    """Who says something else at a later analysis breaks the promise of one verdict."""
    turn = iter(["keep", "deploy"] * 100)
    fickle = tampered(lambda said: replace(said, conclusion=next(turn)))
    monkeypatch.setattr(under_test, "analyze_sums", fickle)
    found = repeated_rates(repeats=4, seed=5, size=300, months=5, stops=["fixed size"])
    assert found["rate"].tolist() == [0.0, 1.0]
    assert not found["kept"].any()


def test_outcomes_that_are_missing_deploy_nothing():
    """Neither a delay that is too short nor a few lost loans make a winner of what is none."""
    found = missing_rates(repeats=30, seed=6)
    assert found["nominal"].tolist() == [0.0, 0.025]
    assert found["rate"][0] == 0.0
    assert found["kept"].all()


def test_uneven_arms_are_of_the_sizes_asked_for():
    """The claim and its note tell the shares; the two sides of the error are told apart."""
    found = uneven_rates(repeats=4, seed=7, size=1900, share=0.05)
    assert found["claim"].str.endswith("5% to treatment").all()
    assert set(found["note"]) == {"1,900 and 100"}
    assert found["promise"].eq("at most").all()


def answers(said: Iterator[str]) -> Callable[..., SimpleNamespace]:
    """An analysis that gives these conclusions, one after the other."""
    return lambda *_, **__: SimpleNamespace(conclusion=next(said))


@pytest.mark.parametrize(
    ("said", "deployed"),
    [
        (["go on", "deploy", "keep"], 1.0),
        (["go on", "keep", "deploy"], 0.0),
        (["go on", "no conclusion", "deploy"], 1.0),
        (["go on", "go on", "go on"], 0.0),
    ],
)
def test_the_first_decision_counts(monkeypatch, said, deployed):
    """Who looks every month stops at the first decision: what comes later is not seen."""
    monkeypatch.setattr(under_test, "analyze_sums", answers(iter(said)))
    found = endings(repeats=1, seed=0, looks=3, stops=["always valid"])
    assert found["rate"].tolist() == [deployed]


def test_the_whole_rule_is_held_to_the_power_that_was_planned(monkeypatch):
    """A truly better model: less is promised of the sequence, whose interval is wider."""
    monkeypatch.setattr(under_test, "analyze_sums", answers(iter(["keep"] * 40)))
    found = endings(repeats=20, seed=0, size=4191, looks=1, equal=False)
    z = stats.norm.isf([0.025, 0.2])
    sequence = stats.norm.sf(z[0] * price(0.05) - z.sum())
    assert found["nominal"].tolist() == pytest.approx([0.8, sequence], abs=0.003)
    assert not found["kept"].any()
