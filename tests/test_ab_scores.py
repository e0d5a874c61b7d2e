"""What mlops_helpers.ab_scores promises."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from mlops_helpers import ab_scores as under_test
from mlops_helpers.ab_scores import (
    adjusted_rates,
    error_rates,
    look_rates,
    mismatch_rates,
    size_rates,
)
from mlops_helpers.ab_testing import Analysis
from mlops_helpers.confidence_sequences import MIN_PER_ARM
from mlops_helpers.experiment_plan import METRICS

COLUMNS = ["claim", "promise", "nominal", "rate", "low", "high", "n", "kept", "note"]


@pytest.fixture(scope="module")
def scored() -> pd.DataFrame:
    """A small table of everything."""
    return error_rates(repeats=10, seed=3)


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
    """Where few rows allow no interval of profit or AUC, fewer intervals are scored."""
    found = size_rates(repeats=12, seed=3, size=420).set_index("claim")["n"]
    assert found["interval holds the truth, default_rate_approved"] == 12
    assert 0 < found["interval holds the truth, profit_per_application"] < 12
    assert found["relative interval holds, profit_per_application"] < 12


def test_the_same_seed_gives_the_same_table():
    """Chance is an argument."""
    for scores in (size_rates, adjusted_rates):
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
    """Equal models that are deployed are a broken promise."""
    eager = tampered(lambda said: replace(said, conclusion="deploy"))
    monkeypatch.setattr(under_test, "analyze_sums", eager)
    once = size_rates(repeats=6, seed=4, size=500).set_index("claim")
    assert once.loc["deploys an equal model, one look", "rate"] == 1.0
    assert not once.loc["deploys an equal model, one look", "kept"]


def test_a_strong_covariate_leaves_every_interval_honest():
    """Difference, ratio and both levels hold their truth at a correlation of 0.9."""
    found = adjusted_rates(repeats=40, seed=1)
    assert found["n"].tolist() == [40] * 4
    assert found["kept"].all()


def test_a_level_that_forgets_the_covariates_mean_is_found_out(monkeypatch):
    """Limits of what the covariate leaves alone hold the adjusted level too seldom."""

    def forget(said: Analysis) -> Analysis:
        middle = (said.arms["low"] + said.arms["high"]) / 2
        return replace(
            said, arms=said.arms.assign(low=0.6 * said.arms["low"] + 0.4 * middle, high=middle)
        )

    monkeypatch.setattr(under_test, "analyze_sums", tampered(forget))
    found = adjusted_rates(repeats=30, seed=1, size=500).set_index("claim")["kept"]
    assert not found["level of control holds, strongly adjusted"]
    assert not found["level of treatment holds, strongly adjusted"]
    assert found["interval holds, strongly adjusted"]


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


def test_a_loss_is_noticed_whatever_the_number_of_stages():
    """Ten stages of a ramp that each lose a tenth of the treatment are as good as one."""
    found = mismatch_rates(repeats=400, seed=1, lost=(0.1,), stages=10)
    one = mismatch_rates(repeats=400, seed=1, lost=(0.1,))
    assert found["nominal"].tolist() == one["nominal"].tolist()
    assert found["claim"].tolist() == ["mismatch noticed, 10% of treatment lost in 10 stages"]
    assert found["kept"].all()
    assert found["rate"][0] > 0.85


def test_looks_are_of_the_rows_and_split_asked_for():
    """An uneven split is measured as well, and the note tells rows and share."""
    found = look_rates(repeats=100, seed=1, rows=20 * MIN_PER_ARM, looks=40, share=0.1)
    assert found["claim"].str.contains("40 looks").all()
    assert found["note"].str.contains("4,000 rows, 10% of them").all()
    assert found["kept"].tolist() == [False, True]
