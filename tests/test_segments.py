"""Parts of a portfolio are counted completely and judged only where there is enough to judge by."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mlops_helpers.performance import evaluate
from mlops_helpers.segments import COLUMNS, SEGMENTS, segment_groups, segment_table
from mlops_helpers.simulation import simulate_applications, true_default_probability


@pytest.fixture(scope="module")
def scored() -> pd.DataFrame:
    """Applications with the probability that their world really gives them."""
    rows = simulate_applications(4000, seed=7, start="2022-01-01")
    return rows.assign(probability=true_default_probability(rows))


def test_every_row_is_in_one_group_of_each_segment(scored):
    """Counts and defaults of the groups add up to the portfolio's, whatever is missing."""
    table = segment_table(scored)
    assert list(table.columns) == list(COLUMNS)
    sums = table.groupby("segment", sort=False)[["n", "defaults"]].sum()
    assert list(sums.index) == list(SEGMENTS)
    assert (sums["n"] == len(scored)).all()
    assert (sums["defaults"] == scored["default"].sum()).all()


def test_a_groups_figures_are_those_of_its_rows(scored):
    """Rate, mean, AUC and ratio agree with what is computed from the group alone."""
    row = segment_table(scored, by=["home_ownership"]).set_index("group").loc["rent"]
    part = scored[scored["home_ownership"] == "rent"]
    assert row["n"] == len(part)
    assert row["default_rate"] == pytest.approx(part["default"].mean())
    assert row["mean_probability"] == pytest.approx(part["probability"].mean())
    assert row["observed_to_expected"] == pytest.approx(
        part["default"].sum() / part["probability"].sum()
    )
    auc = evaluate(part["default"], part["probability"], seed=0, n_boot=0).value[0]
    assert row["auc"] == pytest.approx(auc)
    assert row["auc_low"] < auc < row["auc_high"]
    assert row["default_rate_low"] < row["default_rate"] < row["default_rate_high"]


def test_the_ratio_of_a_true_model_covers_one():
    """Where the probabilities are true, 95 % of the intervals of a small group contain 1."""
    rng = np.random.default_rng(5)
    covered = []
    for _ in range(400):
        p = rng.beta(2, 12, 80)
        rows = pd.DataFrame({"default": rng.random(80) < p, "probability": p, "part": "all"})
        row = segment_table(rows, by="part").iloc[0]
        covered.append(row["observed_to_expected_low"] <= 1 <= row["observed_to_expected_high"])
    assert 0.925 <= np.mean(covered) <= 0.99


def test_a_handful_of_defaults_gives_no_auc():
    """Two defaults that happen to rank first are counted, and not called a perfect model."""
    rows = pd.DataFrame({"default": [1, 1] + [0] * 98, "probability": np.linspace(0.9, 0.1, 100)})
    row = segment_table(rows.assign(part="few"), by=["part"]).iloc[0]
    assert (row["n"], row["defaults"]) == (100, 2)
    assert row[["auc", "auc_low", "auc_high"]].isna().all()
    assert row["default_rate_low"] < 0.02 < row["default_rate_high"]


def test_nobody_defaulted_is_a_ratio_of_zero_with_a_wide_interval():
    """One class only: counts and rates stay, the ratio's upper limit says how little is known."""
    rows = pd.DataFrame({"default": [0] * 10, "probability": [0.1] * 10, "part": "small"})
    row = segment_table(rows, by=["part"]).iloc[0]
    assert row["observed_to_expected"] == row["observed_to_expected_low"] == 0
    assert row["observed_to_expected_high"] > 2
    nothing_expected = segment_table(rows.assign(probability=0.0), by=["part"]).iloc[0]
    assert np.isnan(nothing_expected["observed_to_expected"])


def test_without_rows_the_table_is_empty(scored):
    """No loans: no groups, the columns all the same."""
    table = segment_table(scored.head(0))
    assert table.empty
    assert list(table.columns) == list(COLUMNS)


def test_ages_are_bands_and_a_missing_age_is_a_group():
    """A birthday moves nobody by two bands; empty bands are absent; unknown comes last."""
    ages = pd.Series([51.0, 25, 26, np.nan, 25.5, np.inf], name="age")
    groups = segment_groups(ages)
    wanted = ["over 50", "under 26", "26 to 35", "unknown", "under 26", "unknown"]
    assert groups.tolist() == wanted
    assert list(groups.cat.categories) == ["under 26", "26 to 35", "over 50", "unknown"]
    empty = segment_groups(pd.Series([np.nan, np.nan], name="age"))
    assert empty.tolist() == ["unknown", "unknown"]


def test_incomes_are_thirds_with_their_limits_in_the_name():
    """About a third of the rows each, in order; a constant is one group."""
    incomes = pd.Series(np.arange(1000.0, 100_000, 1000), name="annual_income")
    groups = segment_groups(incomes)
    assert groups.value_counts().tolist() == [33, 33, 33]
    assert groups.cat.categories[0] == "under 33,667"
    assert groups.is_monotonic_increasing
    constant = segment_groups(pd.Series([5.0] * 4, name="annual_income"))
    assert constant.tolist() == ["all"] * 4


def test_words_are_groups_the_most_frequent_first():
    """Missing words are a group of their own, and last however many they are."""
    groups = segment_groups(pd.Series(["rent", None, "own", None, "rent", None]))
    assert list(groups.cat.categories) == ["rent", "own", "unknown"]
    flags = segment_groups(pd.Series([True, False, True]))
    assert list(flags.cat.categories) == ["True", "False"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"default": np.nan}, "default is missing in 4000 rows and probability in 0. Leave"),
        ({"probability": np.nan}, "probability in 4000. Leave those rows out"),
        ({"default": 0.3}, "default is 0.3 in a row, must be 0"),
        ({"probability": 12.0}, r"probability is 12 in a row, must lie within \[0, 1\]"),
    ],
)
def test_values_that_cannot_be_counted_are_refused(scored, change, said):
    """A missing outcome is not a repaid loan: the error names column, value and way out."""
    with pytest.raises(ValueError, match=said):
        segment_table(scored.assign(**change))


def test_a_missing_column_is_named(scored):
    """The column that is not there is named, and where to choose others."""
    with pytest.raises(ValueError, match=r"no column \['postcode'\].* in `by`"):
        segment_table(scored, by=["postcode"])
    with pytest.raises(ValueError, match="confidence is 95, must lie between 0 and 1"):
        segment_table(scored, confidence=95)
