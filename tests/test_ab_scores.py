"""What mlops_helpers.ab_scores promises."""

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from mlops_helpers import ab_scores as under_test
from mlops_helpers.ab_scores import (
    endings,
    error_rates,
    look_rates,
    mismatch_rates,
    several_rates,
    size_rates,
)
from mlops_helpers.ab_testing import Analysis
from mlops_helpers.confidence_sequences import MIN_PER_ARM, price
from mlops_helpers.experiment_plan import METRICS

COLUMNS = ["claim", "promise", "nominal", "rate", "low", "high", "n", "kept", "note"]


@pytest.fixture(scope="module")
def scored() -> pd.DataFrame:
    """A small table of everything."""
    return error_rates(repeats=15, seed=3)


def test_every_claim_has_its_rate_and_interval(scored):
    """One row a claim; the rate lies in its interval and is a whole number of experiments."""
    assert list(scored) == COLUMNS
    assert scored["claim"].is_unique
    assert scored["promise"].isin(["about", "at most", "at least"]).all()
    assert ((scored["low"] <= scored["rate"]) & (scored["rate"] <= scored["high"])).all()
    counts = scored["rate"] * scored["n"]
    assert np.allclose(counts, counts.round())
    metrics = {m for m in METRICS for claim in scored["claim"] if m in claim}
    assert metrics == set(METRICS)
    assert scored["claim"].str.contains("adjusted").any()


def test_all_promises_are_kept_but_that_of_looking_often(scored):
    """The analysis keeps what it promises; intervals for one look, looked at fifty times, do not.

    Few experiments can refute only what is far off: `kept` is about what is surely broken.
    """
    broken = scored.loc[~scored["kept"], "claim"].tolist()
    assert broken == ["false alarm in 50 looks, fixed interval"]


def test_intervals_without_limits_are_not_counted():
    """Where few rows allow no relative effect or AUC, fewer intervals are scored."""
    found = size_rates(repeats=12, seed=3, size=250).set_index("claim")["n"]
    assert found["interval holds the truth, profit_per_application"] == 12
    assert found["relative interval holds, profit_per_application"] < 12
    assert found.get("interval holds the truth, auc_approved", 0) < 12


def test_the_same_seed_gives_the_same_table():
    """Chance is an argument."""
    for scores in (size_rates, several_rates):
        first, again = (scores(repeats=2, seed=3, size=300) for _ in range(2))
        pd.testing.assert_frame_equal(first, again)
    assert not look_rates(repeats=50, seed=1).equals(look_rates(repeats=50, seed=2))


def tampered(change: Callable[[Analysis], Analysis]) -> Callable[..., Analysis]:
    """The analysis with its result changed."""
    honest = under_test.analyze_sums
    return lambda *args, **more: change(honest(*args, **more))


def test_intervals_that_are_too_narrow_are_found_out(monkeypatch):
    """Halved intervals hold the truth in about two thirds of the cases, and every row says so."""

    def halve(said: Analysis) -> Analysis:
        near = said.effects.assign(
            low=(said.effects["effect"] + said.effects["low"]) / 2,
            high=(said.effects["effect"] + said.effects["high"]) / 2,
        )
        return replace(said, effects=near)

    monkeypatch.setattr(under_test, "analyze_sums", tampered(halve))
    found = size_rates(repeats=20, seed=4, size=1000).set_index("claim")
    assert found.loc["deploys the better model, one look", "nominal"] < 0.5  # of a small test
    held = found[found.index.str.startswith("interval holds")]
    assert not held["kept"].all()
    expected = 1 - 2 * stats.norm.sf(0.98)
    assert held["rate"].mean() == pytest.approx(expected, abs=0.12)


def test_a_rule_that_always_deploys_is_found_out(monkeypatch):
    """Equal models that are deployed are a broken promise, at one look and at every look."""
    eager = tampered(lambda said: replace(said, conclusion="deploy"))
    monkeypatch.setattr(under_test, "analyze_sums", eager)
    once = size_rates(repeats=6, seed=4, size=500).set_index("claim")
    assert once.loc["deploys an equal model, one look", "rate"] == 1.0
    assert not once.loc["deploys an equal model, one look", "kept"]
    assert not endings(repeats=6, seed=4, looks=2)["kept"].any()
    assert not several_rates(repeats=6, seed=4, size=300)["kept"].any()


def test_several_equal_treatments_keep_the_level_together():
    """Three treatments that are no better are deployed no more often than one may be."""
    found = several_rates(repeats=15, seed=2, size=400)
    assert found["claim"].tolist() == ["deploys one of 3 equal models"]
    assert found["nominal"].tolist() == [0.025]
    assert found["kept"].all()


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
    answers = iter(said)
    monkeypatch.setattr(
        under_test, "analyze_sums", lambda *_, **__: SimpleNamespace(conclusion=next(answers))
    )
    found = endings(repeats=1, seed=0, looks=3, stops=["always valid"])
    assert found["rate"].tolist() == [deployed]


def test_the_whole_rule_is_held_to_the_power_that_was_planned(monkeypatch):
    """A truly better model: less is promised of the sequence, whose interval is wider."""
    answer = SimpleNamespace(conclusion="keep")
    monkeypatch.setattr(under_test, "analyze_sums", lambda *_, **__: answer)
    found = endings(repeats=20, seed=0, size=4191, looks=1, equal=False)
    z = stats.norm.isf([0.025, 0.2])
    sequence = stats.norm.sf(z[0] * price(0.05) - z.sum())
    assert found["nominal"].tolist() == pytest.approx([0.8, sequence], abs=0.003)
    assert not found["kept"].any()


def test_lost_rows_are_noticed_as_the_theory_says():
    """The nominal share is the power of the test; without a loss it is the test's level."""
    found = mismatch_rates(repeats=600, seed=1, lost=(0.0, 0.05), rows=(10_000,))
    assert found["nominal"][0] == 0.001
    counts = (found["rate"] * found["n"]).round().astype(int)
    for count, nominal in zip(counts, found["nominal"], strict=True):
        assert stats.binomtest(count, 600, nominal).pvalue > 0.001
    # the same power from the normal distribution of the difference of two counts
    left, gone = 10_000 * 0.975, 10_000 * 0.025
    z = stats.norm.isf(0.0005)
    assert found["nominal"][1] == pytest.approx(stats.norm.sf(z - gone / np.sqrt(left)), abs=0.005)


def test_looks_are_of_the_rows_and_split_asked_for():
    """An uneven split is measured as well, and the note tells rows and share."""
    found = look_rates(repeats=100, seed=1, rows=20 * MIN_PER_ARM, looks=40, share=0.1)
    assert found["claim"].str.contains("40 looks").all()
    assert found["note"].str.contains("4,000 rows, 10% of them").all()
    assert found["kept"].tolist() == [False, True]
