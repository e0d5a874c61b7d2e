"""Permutation importance finds what the outcome depends on, and nothing where there is nothing."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mlops_helpers.data import FEATURES
from mlops_helpers.importance import permutation_table
from mlops_helpers.performance import evaluate
from mlops_helpers.simulation import simulate_applications


class Rule:
    """A fitted model whose probabilities are known: a weight for each column it looks at."""

    def __init__(self, **weights: float) -> None:
        """Keep the weights, on the logit scale."""
        self.weights = weights
        self.rows_seen: list[int] = []

    def predict_proba(self, rows: pd.DataFrame) -> np.ndarray:
        """Both columns of probabilities, as scikit-learn gives them."""
        self.rows_seen.append(len(rows))
        score = sum(weight * rows[name].to_numpy() for name, weight in self.weights.items())
        p = 1 / (1 + np.exp(-(score - 1.5)))
        return np.column_stack([1 - p, p])


def world(n: int, seed: int) -> pd.DataFrame:
    """Loans whose default depends on their debt alone; the age is drawn beside it."""
    rng = np.random.default_rng(seed)
    rows = pd.DataFrame(rng.normal(size=(n, len(FEATURES))), columns=list(FEATURES))
    rows["loan_purpose"], rows["home_ownership"] = "car", rng.choice(["own", "rent"], n)
    chance = Rule(debt_to_income_ratio=1.0).predict_proba(rows)[:, 1]
    return rows.assign(default=(rng.random(n) < chance).astype(int))


def test_what_matters_comes_first_and_nothing_is_zero():
    """The one column that counts loses all of the AUC above chance; unused ones exactly 0."""
    rows = world(3000, seed=1)
    model = Rule(debt_to_income_ratio=1.0)
    table = permutation_table(model, rows, seed=2)
    assert list(table.columns) == ["feature", "value", "low", "high"]
    assert sorted(table["feature"]) == sorted(FEATURES)
    first, others = table.iloc[0], table.iloc[1:]
    auc = evaluate(rows["default"], model.predict_proba(rows)[:, 1], seed=0, n_boot=0).value[0]
    assert first["feature"] == "debt_to_income_ratio"
    assert first["low"] < auc - 0.5 < first["high"]
    assert (others[["value", "low", "high"]] == 0).all(axis=None)


def test_the_interval_of_an_irrelevant_column_contains_zero():
    """A column the model uses and the outcome does not: about 95 % of 150 worlds cover 0."""
    model = Rule(debt_to_income_ratio=1.0, age=0.7)
    covered = []
    for seed in range(150):
        table = permutation_table(model, world(400, seed), seed=seed, repeats=2)
        age = table.set_index("feature").loc["age"]
        covered.append(age["low"] <= 0 <= age["high"])
    assert 0.90 <= np.mean(covered) <= 0.99


def test_one_seed_is_one_table():
    """Equal arguments give equal tables, another seed other shuffles."""
    rows = world(300, seed=4)
    model = Rule(debt_to_income_ratio=1.0, age=0.3)
    once, again = (permutation_table(model, rows, seed=5) for _ in range(2))
    pd.testing.assert_frame_equal(once, again)
    assert not once.equals(permutation_table(model, rows, seed=6))
    pd.testing.assert_frame_equal(rows, world(300, seed=4))


def test_a_constant_column_is_not_asked_about():
    """Shuffling a constant changes nothing, so no prediction is spent on it."""
    rows = world(200, seed=7).assign(age=np.nan)
    model = Rule(debt_to_income_ratio=1.0)
    table = permutation_table(model, rows, seed=8, repeats=3).set_index("feature")
    assert table.loc["age", "value"] == 0
    constant = 2  # age, and the loan's purpose
    assert model.rows_seen == [200, 600 * (len(FEATURES) - constant)]


def test_few_defaults_give_no_limits():
    """Three defaults: a value, and no interval that would pretend to know more."""
    rows = world(60, seed=9).assign(default=[1] * 3 + [0] * 57)
    table = permutation_table(Rule(debt_to_income_ratio=1.0), rows, seed=10)
    assert table[["low", "high"]].isna().all(axis=None)
    assert table["value"].notna().all()


def test_rows_that_cannot_be_measured_are_refused():
    """No outcomes, unknown ones, one class, no rows, no shuffles: each error says what to do."""
    model, rows = Rule(debt_to_income_ratio=1.0), world(100, seed=11)
    with pytest.raises(ValueError, match=r"no column 'default'.* add it"):
        permutation_table(model, rows.drop(columns="default"), seed=0)
    with pytest.raises(ValueError, match=r"features missing: \['age'\]"):
        permutation_table(model, rows.drop(columns="age"), seed=0)
    with pytest.raises(ValueError, match=r"100 outcomes and 0 scores are missing.* Leave"):
        permutation_table(model, rows.assign(default=np.nan), seed=0)
    with pytest.raises(ValueError, match="0 defaults and 100 repaid loans"):
        permutation_table(model, rows.assign(default=0), seed=0)
    with pytest.raises(ValueError, match="0 defaults and 0 repaid loans"):
        permutation_table(model, rows.head(0), seed=0)
    with pytest.raises(ValueError, match="repeats is 0, must be at least 1"):
        permutation_table(model, rows, seed=0, repeats=0)


def test_missing_values_travel_with_the_shuffle():
    """A column of numbers with gaps, and one of words, are shuffled as they are."""
    rows = simulate_applications(500, seed=12, start="2022-01-01")

    class Gaps(Rule):
        """Ranks those higher whose age is unknown or who rent."""

        def predict_proba(self, frame: pd.DataFrame) -> np.ndarray:
            p = 0.2 + 0.3 * frame["age"].isna() + 0.2 * (frame["home_ownership"] == "rent")
            return np.column_stack([1 - p, p])

    table = permutation_table(Gaps(), rows, seed=13).set_index("feature")
    assert table.loc["home_ownership", "value"] != 0
    assert table.loc["age", "value"] != 0
    assert table.loc["annual_income", "value"] == 0
