"""A worse champion goes, a good one stays, and neither is decided without evidence."""

import re

import numpy as np
import pandas as pd
import pytest

from mlops_helpers.business import CostModel
from mlops_helpers.judge_scores import TwoScores
from mlops_helpers.watch_policy import WatchPolicy
from mlops_helpers.watching import error_rates, watch

WORLD = TwoScores()
POLICY = WatchPolicy()
LAST = POLICY.looks


def loans(rows: int = 3_000, *, seed: int = 1) -> dict[str, np.ndarray]:
    """Loans with the truth about each, and two equal models of them."""
    rng = np.random.default_rng(seed)
    z, errors = rng.normal(size=rows), rng.normal(size=(2, rows))
    said = [WORLD.stated(z + WORLD.noise * error, WORLD.noise) for error in errors]
    return {
        "outcome": (rng.random(rows) < WORLD.default(z)).astype(float),
        "champion": said[0],
        "previous": said[1],
        "amount": rng.uniform(2_000, 20_000, rows),
    }


def worse(given: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The same with a champion that knows nothing of who applies."""
    return given | {"champion": given["champion"][::-1]}


def test_a_worse_champion_is_rolled_back_with_evidence():
    """The sentence has the figures that a rollback gives as its reason."""
    verdict = watch(**worse(loans()), look=4)
    assert verdict.roll_back
    assert verdict.outcome == "roll back"
    checks = verdict.checks.set_index("check")
    assert checks.index.tolist() == ["evidence", "profit", "auc", "brier"]
    assert (checks.loc[["profit", "auc", "brier"], "high"] < 0).all()
    assert not checks.loc[["profit", "auc", "brier"], "passed"].any()
    for part in ("Roll back: the champion before was better (look 4 of 6)", "3000 with an outcome"):
        assert part in verdict.sentence
    assert len(verdict.sentence) < 2_000  # what the registry takes


def test_an_equal_or_better_champion_stays():
    """At an interim look the watch goes on, at the last it is over."""
    given = loans()
    swapped = {"champion": "previous", "previous": "champion"}
    better = {swapped.get(name, name): column for name, column in worse(given).items()}
    for columns in (given, better, given | {"champion": given["previous"]}):
        assert watch(**columns, look=4).outcome == "stay"
        assert "the watch goes on" in watch(**columns, look=4).reason
        assert "the watch is over" in watch(**columns, look=LAST).reason


def test_the_figures_are_champion_minus_previous():
    """Point values by hand; positive is better; all three."""
    given = loans()
    label, costs = given["outcome"], CostModel()
    limit = costs.break_even
    earned = {
        name: np.where(
            given[name] < limit, np.where(label == 1, -0.55, 0.12) * given["amount"], 0.0
        ).mean()
        for name in ("champion", "previous")
    }
    brier = {name: ((given[name] - label) ** 2).mean() for name in earned}
    checks = watch(**given, look=LAST).checks.set_index("check")
    assert checks.loc["profit", "value"] == pytest.approx(earned["champion"] - earned["previous"])
    assert checks.loc["brier", "value"] == pytest.approx(brier["previous"] - brier["champion"])
    inside = (checks["low"] < checks["value"]) & (checks["value"] < checks["high"])
    assert inside[["profit", "auc", "brier"]].all()


def test_earlier_looks_need_more():
    """The same figures have a wider interval at an earlier look."""
    given = loans()
    widths = []
    for look in (4, 5, 6):
        row = watch(**given, look=look).checks.set_index("check").loc["brier"]
        widths.append(row["high"] - row["low"])
    assert widths[0] > widths[1] > widths[2]


def test_before_labels_are_known_it_says_so_with_figures():
    """A worse champion is not rolled back on nothing: how many there are, how many are needed."""
    given = worse(loans())
    none = watch(**given | {"outcome": np.full(3_000, np.nan)}, look=2)
    assert none.outcome == "not enough evidence"
    assert "3000 applications, 0 with an outcome (0 defaults)" in none.reason
    assert "needs 300 outcomes and 30 of each kind" in none.reason
    assert none.checks["passed"].tolist() == [False] * 4
    few = np.where(np.arange(3_000) < 200, given["outcome"], np.nan)
    some = watch(**given | {"outcome": few}, look=4)
    assert some.outcome == "not enough evidence"
    assert "200 with an outcome" in some.reason


def test_a_look_that_the_plan_gives_no_error_decides_nothing():
    """Outcomes that came before any was planned for are not judged."""
    verdict = watch(**worse(loans()), look=1)
    assert verdict.outcome == "not enough evidence"
    assert "the plan judges none at look 1" in verdict.reason


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"champion": np.full(3_000, np.nan)}, "champion has 3000 values that are missing or can"),
        ({"previous": np.full(3_000, 1.5)}, "previous has 3000 values that are missing or can"),
        ({"amount": np.full(3_000, -1.0)}, "amount has 3000 values that are missing or cannot"),
        ({"amount": np.full(3_000, np.inf)}, "amount has 3000 values that are missing or cann"),
        ({"outcome": np.full(3_000, 0.5)}, "an outcome is neither 0 nor 1"),
        ({"outcome": np.zeros(10)}, "lengths differ: outcome 10, champion 3000"),
        ({"outcome": np.zeros(3_000)}, r"\(0 defaults\).*needs 300 outcomes and 30 of each kind"),
    ],
)
def test_values_that_cannot_be_roll_nobody_back(change, said):
    """Told as not enough evidence, with what is wrong."""
    verdict = watch(**worse(loans()) | change, look=LAST)
    assert verdict.outcome == "not enough evidence"
    assert re.search(said, verdict.reason)


@pytest.mark.parametrize("look", [0, 7, True, 2.5, None])
def test_a_look_that_is_not_planned_is_refused(look):
    """Looks have numbers, from one to the last."""
    with pytest.raises(ValueError, match=r"look is .*, must be 1 to 6"):
        watch(**loans(), look=look)


def test_with_profit_alone_some_decisions_must_differ():
    """A handful of loans is too skewed to be judged by its dollars; identical models stay."""
    given, policy = loans(), WatchPolicy(primary="profit")
    alike = given["previous"].copy()
    turned = np.flatnonzero(alike < 0.17)[:10]
    alike[turned] = 0.9
    verdict = watch(**given | {"champion": alike}, look=LAST, policy=policy)
    assert verdict.outcome == "not enough evidence"
    assert "needs 30 decided differently" in verdict.reason
    same = watch(**given | {"champion": given["previous"]}, look=LAST, policy=policy)
    assert same.outcome == "stay"


def test_a_champion_whose_decisions_earned_more_stays():
    """Worse by Brier only because it is sure of what it declines: no reason to roll back."""
    given = loans()
    better = np.where(given["previous"] < 0.17, given["previous"], 0.99)
    verdict = watch(**given | {"champion": better}, look=LAST)
    assert verdict.checks.set_index("check").loc["brier", "high"] < 0
    assert verdict.outcome == "stay"
    assert "surely worse, but its decisions earned no less" in verdict.reason


def test_loans_that_the_champion_declined_may_never_have_an_outcome():
    """The reason counts them; a worse champion is found on those that it approved."""
    given = worse(loans(8_000))
    taken = given["champion"] < CostModel().break_even
    verdict = watch(**given | {"outcome": np.where(taken, given["outcome"], np.nan)}, look=LAST)
    assert verdict.roll_back
    assert f"{int((~taken).sum())} declined ones without an outcome" in verdict.reason


@pytest.fixture(scope="module")
def rates() -> pd.DataFrame:
    """Both rules over whole watches, by the true gain of the champion."""
    found = error_rates(repeats=100, seed=20, gains=(0.02, 0.0, -0.04))
    return found.set_index(["rule", "gain"])


def test_a_good_champion_is_rolled_back_in_five_per_cent_at_most(rates):
    """Over the whole watch, within the error of 100 watches; a better one hardly ever."""
    assert rates.loc[("watch", 0.0), "low"] <= 0.05
    assert rates.loc[("watch", 0.0), "rolled_back"] <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 100)
    assert rates.loc[("watch", 0.02), "rolled_back"] <= 0.02
    naive = rates.loc[("every look at 5 %", 0.0), "rolled_back"]
    assert naive > rates.loc[("watch", 0.0), "rolled_back"]


def test_looking_often_at_five_per_cent_cries_wolf():
    """Eleven looks with outcomes: the naive rule is wrong far more often, the watch is not."""
    policy = WatchPolicy(looks=12, label_days=30)
    found = error_rates(repeats=80, seed=21, gains=(0.0,), applications=3_000, policy=policy)
    found = found.set_index("rule")
    assert found.loc["every look at 5 %", "low"] > 0.05
    assert found.loc["watch", "low"] <= 0.05


def test_a_worse_champion_is_found_while_it_is_watched(rates):
    """A loss of 58 $ an application is found in most watches, before the last look by half."""
    row = rates.loc[("watch", -0.04)]
    assert row["loss"] == pytest.approx(57.6, abs=0.1)
    assert row["rolled_back"] > 0.7
    assert row["median_look"] <= 5
    assert rates.loc[("watch", 0.02), "loss"] < 0 == rates.loc[("watch", 0.0), "loss"]


def test_the_loss_is_the_truth():
    """What decisions of the two scores earn on a million loans differs by what is said."""
    rng = np.random.default_rng(3)
    n = 1_000_000
    z, worse_noise, costs = rng.normal(size=n), WORLD.noise_for(-0.06), CostModel()
    truth = costs.expected_profit(np.full(n, 11_000.0), WORLD.default(z))
    earned = []
    for noise in (WORLD.noise, worse_noise):
        said = WORLD.stated(z + noise * rng.normal(size=n), noise)
        earned.append(np.where(said < costs.break_even, truth, 0.0))
    gap = earned[0] - earned[1]
    told = error_rates(repeats=1, seed=1, gains=(-0.06,), applications=1_000)["loss"].iloc[0]
    assert abs(gap.mean() - told) < 4 * gap.std() / np.sqrt(n)


def test_equal_seeds_give_equal_rates():
    """And another seed another sample."""
    few = {"repeats": 3, "gains": (-0.04,), "applications": 2_000}
    first = error_rates(**few, seed=1)
    pd.testing.assert_frame_equal(first, error_rates(**few, seed=1))
    assert list(first.columns) == [
        *("rule", "gain", "loss", "rolled_back", "low", "high", "median_look", "n")
    ]
