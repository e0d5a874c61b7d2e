"""Each world changes what it says, by the size it says, and nothing else."""

import numpy as np
import pandas as pd
import pytest

from mlops_helpers import worlds
from mlops_helpers.contracts import CATEGORICAL, COLUMNS, FEATURES, NUMERIC
from mlops_helpers.simulation import simulate_applications, true_default_probability
from mlops_helpers.worlds import BASE_RATE, CAUSES, WORLDS, draw_world, seed_of

N = 40_000


@pytest.fixture(scope="module")
def quiet():
    """Many quiet applications."""
    return draw_world("quiet", N, seed=1)


def of_rate(values):
    """Standard error of a mean of 0 and 1."""
    return float(np.std(values) / len(values) ** 0.5)


def test_the_quiet_world_is_that_of_the_simulation(quiet):
    """Quiet applications are those of the simulation, with their true probability beside them."""
    plain = simulate_applications(N, seed=1, start="2024-01-01")
    pd.testing.assert_frame_equal(quiet[list(COLUMNS)], plain[list(COLUMNS)])
    np.testing.assert_array_equal(quiet["true_probability"], true_default_probability(plain))


def test_the_base_rate_is_the_mean_of_the_truth():
    """The stated rates of quiet times are those of the simulation within Monte Carlo error."""
    drawn = simulate_applications(300_000, seed=2, start="2024-01-01")
    truth = true_default_probability(drawn)
    assert truth.mean() == pytest.approx(BASE_RATE, abs=4 * of_rate(truth))
    assert drawn["debt_to_income_ratio"].std() == pytest.approx(worlds.DEBT_SD, rel=0.01)


@pytest.mark.parametrize("name", WORLDS)
def test_loans_default_as_often_as_the_truth_says(name):
    """In every world the outcomes follow the true probabilities, in each third of the latter."""
    frame = draw_world(name, N, seed=3)
    assert len(frame) == N
    plain = simulate_applications(1, seed=1, start="2024-01-01")
    assert list(frame.columns) == [*plain.columns, "true_probability"]
    assert frame["application_id"].is_unique
    assert frame["applied_at"].is_monotonic_increasing
    thirds = pd.qcut(frame["true_probability"], 3, labels=False)
    for _, part in frame.groupby(thirds):
        far = part["default"].mean() - part["true_probability"].mean()
        assert abs(far) < 4 * of_rate(part["default"])


@pytest.mark.parametrize("name", WORLDS)
def test_a_world_is_drawn_again_by_its_seed(name):
    """Equal arguments give equal frames, another seed gives others."""
    first, again = draw_world(name, 300, seed=7), draw_world(name, 300, seed=7)
    pd.testing.assert_frame_equal(first, again)
    assert not first["annual_income"].equals(draw_world(name, 300, seed=8)["annual_income"])


@pytest.mark.parametrize("cause", CAUSES)
def test_a_cause_has_its_world(cause):
    """The world that stands for a cause belongs to it, and each cause has several worlds."""
    assert WORLDS[CAUSES[cause]].cause == cause
    assert [world.cause for world in WORLDS.values()].count(cause) >= 1


def test_incomes_fall_by_what_is_said(quiet):
    """The median income is 5, 10 and 20 per cent lower, and nobody else's column moves."""
    for name, times in (("incomes -5 %", 0.95), ("incomes -10 %", 0.9), ("incomes -20 %", 0.8)):
        frame = draw_world(name, N, seed=1)
        ratio = frame["annual_income"].median() / quiet["annual_income"].median()
        assert ratio == pytest.approx(times, abs=0.003)
        rest = [column for column in FEATURES if column != "annual_income"]
        pd.testing.assert_frame_equal(frame[rest], quiet[rest])
        assert frame["true_probability"].mean() > quiet["true_probability"].mean()


def test_debts_rise_by_what_is_said(quiet):
    """The mean debt ratio rises by 0.1 and 0.3 standard deviations."""
    for name, deviations in (("debt +0.1 sd", 0.1), ("debt +0.3 sd", 0.3)):
        frame = draw_world(name, N, seed=1)
        rise = frame["debt_to_income_ratio"].mean() - quiet["debt_to_income_ratio"].mean()
        assert rise / quiet["debt_to_income_ratio"].std() == pytest.approx(deviations, abs=0.003)
        assert frame["debt_to_income_ratio"].max() <= 1


def test_purposes_are_mixed_by_what_is_said(quiet):
    """A fifth of the purposes is drawn anew, so that an eighth to a ninth of all is another."""
    frame = draw_world("purposes mixed", N, seed=1)
    other = (frame["loan_purpose"] != quiet["loan_purpose"]).mean()
    same_by_chance = 1 / 9
    assert other == pytest.approx(0.2 * (1 - same_by_chance), abs=0.006)


def test_a_feed_breaks_after_the_loans_were_settled(quiet):
    """A broken feed changes one column that is seen, and neither loans nor their truth."""
    for name, world in WORLDS.items():
        if world.cause == "feed broke":
            frame = draw_world(name, N, seed=1)
            same = [c for c in frame.columns if frame[c].equals(quiet[c])]
            assert len(same) == len(frame.columns) - 1, name
            assert {"default", "true_probability"} <= set(same)


def test_feeds_lose_and_spoil_what_is_said():
    """Shares of cells in per cent and shares of cells lost are those of the name."""
    share = {"5 % in per cent": 0.05, "all in per cent": 1.0}
    for name, wanted in share.items():
        debt = draw_world(name, N, seed=4)["debt_to_income_ratio"]
        assert (debt > 1).mean() == pytest.approx(wanted, abs=0.005)
    for name, wanted in {"2 % missing": 0.02, "10 % missing": 0.1}.items():
        lines = draw_world(name, N, seed=4)["num_credit_lines"]
        assert lines.isna().mean() == pytest.approx(wanted, abs=0.005)


def test_incomes_of_others_have_the_same_distribution(quiet):
    """Every column keeps its values; the income no longer goes with the loan."""
    frame = draw_world("incomes of others", N, seed=1)
    np.testing.assert_array_equal(np.sort(frame["annual_income"]), np.sort(quiet["annual_income"]))
    pair = ["annual_income", "loan_amount"]
    assert quiet[pair].corr("spearman").iloc[0, 1] > 0.45
    assert abs(frame[pair].corr("spearman").iloc[0, 1]) < 0.02


def test_label_shift_keeps_those_who_default_and_those_who_repay(quiet):
    """Default is twice as frequent; within each class every column is as in quiet times.

    The gap of two samples of one distribution exceeds ``1.95 sqrt(1/a + 1/b)`` once in a thousand.
    """
    frame = draw_world("defaults doubled", N, seed=5)
    assert frame["default"].mean() == pytest.approx(
        2 * BASE_RATE, abs=4 * of_rate(frame["default"])
    )
    for outcome in (0, 1):
        before, now = (f[f["default"] == outcome] for f in (quiet, frame))
        limit = 1.95 * (1 / len(before) + 1 / len(now)) ** 0.5
        for column in NUMERIC:
            assert gap(before[column], now[column]) < limit, column
        for column in CATEGORICAL:
            shares = [f[column].value_counts(normalize=True) for f in (before, now)]
            assert (shares[0] - shares[1]).abs().max() < limit, column


def test_label_shift_moves_the_applicants(quiet):
    """As more of those who default apply, the applications are not those of quiet times."""
    frame = draw_world("defaults doubled", N, seed=5)
    limit = 1.95 * (2 / N) ** 0.5
    assert gap(quiet["debt_to_income_ratio"], frame["debt_to_income_ratio"]) > 1.5 * limit


def test_the_world_changes_without_its_applicants(quiet):
    """A policy change and higher odds for everybody leave who applies untouched, row by row."""
    for name in ("policy change", "everybody riskier"):
        frame = draw_world(name, N, seed=1)
        pd.testing.assert_frame_equal(frame[list(FEATURES)], quiet[list(FEATURES)])
        assert (frame["default"] != quiet["default"]).any()
    riskier = draw_world("everybody riskier", N, seed=1)["true_probability"]
    odds = (riskier / (1 - riskier)) / (quiet["true_probability"] / (1 - quiet["true_probability"]))
    np.testing.assert_allclose(odds, 2.3)


def test_seeds_of_lists_differ():
    """No two short lists of small numbers give one seed, whatever their order."""
    seeds = {seed_of(a, b) for a in range(40) for b in range(40)}
    assert len(seeds) == 1600


def test_an_unknown_world_is_named():
    """A wrong name is answered with the right ones."""
    with pytest.raises(ValueError, match=r"name == 'boom', must be a world of WORLDS: quiet"):
        draw_world("boom", 10, seed=1)
    with pytest.raises(ValueError, match="n == -1, must be 0 or more"):
        draw_world("quiet", -1, seed=1)


def test_no_applications_are_an_empty_frame():
    """Nobody applied in any world: no rows, all columns."""
    for name in WORLDS:
        frame = draw_world(name, 0, seed=1)
        assert len(frame) == 0
        assert "true_probability" in frame.columns


def gap(a, b):
    """The largest distance of two empirical distributions, missing values left out."""
    a, b = np.sort(a.dropna()), np.sort(b.dropna())
    at = np.concatenate([a, b])
    return np.abs(
        np.searchsorted(a, at, "right") / len(a) - np.searchsorted(b, at, "right") / len(b)
    ).max()


def test_the_safest_apply_and_default_as_they_did(quiet):
    """Only the lower three fifths of the true risk are there; given x nobody's risk changed."""
    frame = draw_world("the safest apply", N, seed=1)
    assert frame["true_probability"].max() == pytest.approx(
        quiet["true_probability"].quantile(0.6), rel=0.02
    )
    pd.testing.assert_series_equal(frame["true_probability"], true_default_probability(frame))


def test_feeds_within_the_contract_change_one_column(quiet):
    """Another unit, capitals, zeros, swapped names: one column each, all of it in the contract."""
    seen = {
        "income by the month": ("annual_income", quiet["annual_income"] / 12),
        "purposes in capitals": ("loan_purpose", quiet["loan_purpose"].str.upper()),
        "debt all 0": ("debt_to_income_ratio", quiet["debt_to_income_ratio"] * 0),
        "history all 0": ("credit_history_length", quiet["credit_history_length"] * 0),
    }
    for name, (column, values) in seen.items():
        frame = draw_world(name, N, seed=1)
        pd.testing.assert_frame_equal(frame, quiet.assign(**{column: values}))
    homes = draw_world("homes swapped", N, seed=1)["home_ownership"]
    assert (homes == "rent").equals(quiet["home_ownership"] == "mortgage")
    assert (homes == "own").equals(quiet["home_ownership"] == "own")
