"""Drift is found where it is, not where it is not, and odd input has a decided answer."""

from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from mlops_helpers.contracts import LIMITS
from mlops_helpers.data import FEATURES, simulate_applications
from mlops_helpers.drift import COLUMNS, EFFECTS, Reference
from mlops_helpers.drift_categories import chi_square
from mlops_helpers.drift_numeric import kolmogorov_smirnov
from mlops_helpers.drift_rows import Row
from mlops_helpers.drift_statistics import psi, psi_null


def rng(seed=0):
    """Chance for one test."""
    return np.random.default_rng(seed)


def row(report, feature):
    """The report's one row for a feature."""
    found = report.table[report.table["feature"] == feature]
    assert len(found) == 1
    return found.iloc[0]


def compared(before, now, **options):
    """The row of a single column `x`."""
    reference = Reference.fit(pd.DataFrame({"x": before}))
    return row(reference.compare(pd.DataFrame({"x": now}), **options), "x")


def test_each_kind_of_column_has_its_test():
    """Numbers are compared by Kolmogorov-Smirnov, words by chi-square, values by no other."""
    a, b = rng().normal(size=300), rng(1).normal(0.2, 1, size=200)
    got = compared(a, b)
    assert got["test"] == "KS"
    assert (got["statistic"], got["p_value"]) == kolmogorov_smirnov(np.sort(a), np.sort(b))
    words = compared(["a"] * 30 + ["b"] * 20, ["a"] * 20 + ["b"] * 25)
    assert words["test"] == "chi-square"
    assert (words["statistic"], words["p_value"]) == chi_square(np.array([[30.0, 20], [20, 25]]))


def test_bins_of_the_reference_keep_to_the_null_level():
    """Over 400 quiet comparisons the mean index is the null level within Monte Carlo error."""
    chance = rng(4)
    got = []
    for _ in range(400):
        got.append(compared(chance.normal(size=2000), chance.normal(size=500))["psi"])
    null = psi_null(10, 2000, 500)
    assert np.mean(got) == pytest.approx(null, abs=4 * np.std(got) / 20)


def test_edges_come_from_the_reference_and_are_open():
    """Values beyond anything seen before are counted in the outer bins, not dropped."""
    got = compared(rng().normal(size=1000), np.r_[np.full(500, 1e9), np.full(500, -1e9)])
    assert got["psi"] == pytest.approx(psi([100] * 10, [500] + [0] * 8 + [500]), rel=0.01)


def test_quiet_samples_raise_few_alarms():
    """Any drifted feature in at most 5 % of quiet comparisons, plus Monte Carlo error."""
    start = pd.Timestamp("2024-01-01", tz="UTC")
    alarms = 0
    for seed in range(60):
        frame = simulate_applications(900, seed=seed, start=start)
        report = Reference.fit(frame[list(FEATURES)].head(600)).compare(frame.tail(300))
        alarms += bool(report.drifted)
    assert alarms <= 8  # P(more than 8 of 60 at 5 %) is below 1 in 300


def test_a_recession_is_found_and_named():
    """When applicants change, the features that changed are in the list, with a severity."""
    start = pd.Timestamp("2024-01-01", tz="UTC")
    quiet = simulate_applications(4000, seed=1, start=start)
    later = simulate_applications(2000, seed=2, start=start, scenario="recession")
    report = Reference.fit(quiet[list(FEATURES)]).compare(later)
    assert "annual_income" in report.drifted
    assert set(report.table.loc[report.table["drifted"], "severity"]) <= {"low", "medium", "high"}
    assert tuple(report.table.columns) == COLUMNS
    assert report.n_reference == 4000
    assert report.n_current == 2000


def test_a_million_rows_do_not_shout():
    """A shift of a hundredth of a standard deviation is significant and does not matter."""
    got = compared(rng().normal(size=400_000), rng(1).normal(0.015, 1, size=400_000))
    assert got["p_adjusted"] < 0.001
    assert got["severity"] == "none"
    assert not got["drifted"]


def test_a_big_index_on_few_rows_is_no_alarm():
    """The rule "index above 0.1" cries wolf on most quiet windows of 60 rows; the severity not."""
    chance = rng(5)
    got = [compared(chance.normal(size=2000), chance.normal(size=60)) for _ in range(40)]
    assert np.mean([one["psi"] > 0.1 for one in got]) > 0.5
    assert np.mean([one["drifted"] for one in got]) < 0.2


def test_severity_grows_with_the_effect():
    """The same evidence, larger moves: low, medium, high."""
    base = rng().normal(size=20_000)
    shifts = (0.0, 0.2, 0.45, 1.0)
    got = [compared(base, rng(1).normal(s, 1, size=20_000))["severity"] for s in shifts]
    assert got == ["none", "low", "medium", "high"]
    assert all(list(limits) == sorted(limits) for limits in EFFECTS.values())


def test_new_and_vanished_categories_are_named():
    """A category that was never seen and one that is gone stand in the note."""
    got = compared(["a"] * 300 + ["b"] * 300, ["a"] * 200 + ["c"] * 200)
    assert got["note"] == "new: c (50.0%); vanished: b (50.0%)"
    assert got["severity"] == "high"


def test_missing_shares_have_a_row_of_their_own():
    """Values that stop coming are drift though the values that come are the same."""
    x = rng().normal(size=2000)
    now = rng(1).normal(size=2000)
    now[:600] = np.nan
    report = Reference.fit(pd.DataFrame({"x": x})).compare(pd.DataFrame({"x": now}))
    assert not row(report, "x")["drifted"]
    gone = row(report, "x missing")
    assert gone["drifted"]
    assert gone["note"] == "0.0% before, 30.0% now"


def test_missing_on_both_sides_is_no_data_and_not_drift():
    """A column that never held a value says "no data", once."""
    frame = pd.DataFrame({"x": np.full(100, np.nan), "y": rng().normal(size=100)})
    report = Reference.fit(frame).compare(frame)
    assert report.table["feature"].tolist() == ["x", "y"]
    assert row(report, "x")["severity"] == "no data"
    assert row(report, "x")["note"] == "no values on both sides"
    assert report.drifted == []
    assert report.share_drifted == 0


@pytest.mark.parametrize(("before", "now"), [(1.0, np.nan), (np.nan, 1.0)])
def test_values_that_all_vanish_or_appear_are_drift(before, now):
    """All missing on one side: the values have no data, the missing share has drifted."""
    frame = pd.DataFrame({"x": np.full(200, before)})
    report = Reference.fit(frame).compare(pd.DataFrame({"x": np.full(200, now)}))
    assert row(report, "x")["severity"] == "no data"
    assert row(report, "x missing")["severity"] == "high"


def test_an_empty_window_is_no_data():
    """No rows are no evidence: every feature says so, and there is no share to report."""
    report = Reference.fit(pd.DataFrame({"x": [1.0, 2.0], "k": ["a", "b"]})).compare(
        pd.DataFrame({"x": [], "k": []})
    )
    assert report.table["severity"].tolist() == ["no data", "no data"]
    assert np.isnan(report.share_drifted)


def test_one_row_and_constants_have_an_answer():
    """A single row is no drift; a constant that stays is none; one that moves is."""
    assert not compared(rng().normal(size=500), [0.1])["drifted"]
    assert not compared([3.0] * 500, [3.0] * 400)["drifted"]
    for other in (2.0, 4.0):
        assert compared([3.0] * 500, [other] * 400)["severity"] == "high"
    assert not compared(["a"] * 500, ["a"] * 400)["drifted"]


def test_infinite_values_are_values():
    """Infinity is larger than everything, and is compared as such."""
    got = compared(rng().normal(size=500), np.r_[rng(1).normal(size=250), np.full(250, np.inf)])
    assert got["severity"] == "high"


def test_a_column_that_is_gone_or_of_another_type_has_drifted():
    """A broken feed is reported by name, not raised and not skipped."""
    reference = Reference.fit(pd.DataFrame({"x": [1.0, 2.0] * 50, "k": ["a", "b"] * 50}))
    report = reference.compare(pd.DataFrame({"x": ["1", "2"]}))
    assert row(report, "x")["note"] == "numbers before, str now"
    assert row(report, "k")["note"] == "the column is gone"
    assert report.table["severity"].tolist() == ["high", "high"]
    window = pd.Timestamp("2024-01-01", tz="UTC")
    rows = report.metric_rows(window_start=window, window_end=window, model_version=1)
    assert rows["value"].notna().all()


def test_true_and_false_are_categories():
    """A yes/no column is compared by its shares."""
    got = compared([True] * 300 + [False] * 100, [True] * 100 + [False] * 300)
    assert got["test"] == "chi-square"
    assert got["drifted"]


def test_a_reference_can_take_columns_from_other_rows():
    """Scores come from a sample of their own; each feature keeps its own size."""
    x = pd.DataFrame({"x": rng().normal(size=1000)})
    p = pd.DataFrame({"probability": rng().beta(2, 8, size=100)})
    reference = Reference.fit(x).extended(p)
    report = reference.compare(pd.concat([x.head(100), p], axis=1))
    assert report.table["feature"].tolist() == ["x", "probability"]
    assert row(report, "x")["psi_null"] == pytest.approx(9 * (1 / 1000 + 1 / 100))
    assert row(report, "probability")["psi_null"] == pytest.approx(9 * (1 / 100 + 1 / 100))


def test_impossible_references_are_refused():
    """No rows, one bin and columns of times are named."""
    with pytest.raises(ValueError, match="no rows"):
        Reference.fit(pd.DataFrame({"x": []}))
    with pytest.raises(ValueError, match="bins == 1"):
        Reference.fit(pd.DataFrame({"x": [1.0]}), bins=1)
    with pytest.raises(ValueError, match="'when' holds times"):
        Reference.fit(pd.DataFrame({"when": [pd.Timestamp("2024-01-01", tz="UTC")]}))


def test_the_report_becomes_metric_rows():
    """Each column's index, shares missing and out of contract, and the share that drifted."""
    frame = pd.DataFrame({"x": rng().normal(size=500), "none": np.nan})
    report = Reference.fit(frame).compare(frame.assign(x=frame["x"] + 1))
    start, end = pd.Timestamp("2024-01-01", tz="UTC"), pd.Timestamp("2024-02-01", tz="UTC")
    rows = report.metric_rows(window_start=start, window_end=end, model_version=7)
    told = rows.set_index(["metric", "subject"])
    assert list(told.index) == [
        ("psi", "x"),
        ("tail_share", "x"),
        ("missing_share", "x"),
        ("out_of_contract_share", "x"),
        ("missing_share", "none"),
        ("out_of_contract_share", "none"),
        ("share_drifted", ""),
    ]
    assert told["severity"].tolist() == ["high", *["none"] * 6]
    assert told["value"].iloc[2:].tolist() == [0, 0, 1, 0, 1]
    assert told["reference"].iloc[0] == pytest.approx(psi_null(10, 500, 500))
    assert told.loc[("missing_share", "none"), "reference"].item() == 1


def test_what_is_out_of_contract_has_a_row_of_its_own():
    """Numbers beyond the limits, infinite ones, and names that are not allowed are counted."""
    before = pd.DataFrame({"x": rng().uniform(0, 1, 1000), "k": ["a", "b"] * 500})
    reference = Reference.fit(before, limits={"x": (0, 1), "k": ("a", "b")})
    now = before.assign(x=before["x"].where(np.arange(1000) % 10 > 0, 50.0))
    now["k"] = ["c", *now["k"].iloc[1:]]
    report = reference.compare(now)
    assert row(report, "x out of contract")["note"] == "0.0% before, 10.0% now"
    assert row(report, "x out of contract")["severity"] == "high"
    assert row(report, "k out of contract")["note"] == "0.0% before, 0.1% now"
    assert report.drifted_columns == ["x"]
    assert report.share_drifted == 0.5
    assert report.planned == 7
    assert reference.compare(before).table["feature"].tolist() == ["x", "k"]


def test_the_limits_of_the_contract_fit_its_applications():
    """Simulated applications keep `contracts.LIMITS`; a ratio in per cent does not."""
    frame = simulate_applications(500, seed=1, start=pd.Timestamp("2024-01-01", tz="UTC"))
    reference = Reference.fit(frame[list(FEATURES)], limits=LIMITS)
    cents = frame.assign(debt_to_income_ratio=frame["debt_to_income_ratio"] * 100)
    told = row(reference.compare(cents), "debt_to_income_ratio out of contract")
    assert told["severity"] == "high"
    assert "annual_income out of contract" not in set(reference.compare(frame).table["feature"])


def test_the_correction_counts_tests_that_had_nothing_to_show():
    """One column of numbers is four planned tests, whether anything is missing or not."""
    got = compared(rng().normal(size=300), rng(1).normal(0.2, 1, size=300))
    assert got["p_adjusted"] == pytest.approx(4 * got["p_value"])


def test_the_distance_is_in_deviations_and_counts_as_an_effect():
    """A shift of 0.6 deviations is a distance of about 0.6; the severity knows it."""
    got = compared(100 * rng().normal(size=5000), 100 * rng(1).normal(0.6, 1, size=5000))
    assert got["wasserstein"] == pytest.approx(0.6, abs=0.06)
    assert got["wasserstein_null"] == pytest.approx(0.0255, abs=0.002)
    assert got["severity"] == "high"


def test_refusals_name_the_column():
    """Columns that are there twice, spans of time, complex numbers, limits of no column."""
    frame = pd.DataFrame({"x": [1.0, 2.0], "y": [1.0, 2.0]})
    twice = frame.set_axis(["x", "x"], axis=1)
    for ask in (Reference.fit, Reference.fit(frame).compare):
        with pytest.raises(ValueError, match=r"\['x'\] are there more than once"):
            ask(twice)
    with pytest.raises(ValueError, match="'x' holds spans of time"):
        Reference.fit(pd.DataFrame({"x": [pd.Timedelta("1D")]}))
    with pytest.raises(ValueError, match="'x' holds complex numbers"):
        Reference.fit(pd.DataFrame({"x": [1j]}))
    with pytest.raises(ValueError, match=r"limits name \['z'\]"):
        Reference.fit(frame, limits={"z": (0, 1)})
    with pytest.raises(ValueError, match=r"limits\['x'\] == \(1, 0\)"):
        Reference.fit(frame, limits={"x": (1, 0)})


def test_new_columns_are_named():
    """A column that the reference does not know is told, and not compared."""
    report = Reference.fit(pd.DataFrame({"x": [1.0, 2.0]})).compare(
        pd.DataFrame({"x": [1.0, 2.0], "y": 1, 3: 4})
    )
    assert report.new_columns == ("y", "3")
    assert report.table["feature"].tolist() == ["x"]


@pytest.mark.parametrize("dtype", ["Int64", "Float64", "int8", "float32", "object"])
def test_numbers_are_numbers_of_any_type(dtype):
    """Whatever holds them, whole or not, with or without gaps."""
    values = pd.Series([1, 2, 3, None] * 50, dtype="Float64")
    now = values.fillna(2).astype(dtype) if dtype in ("int8", "float32") else values.astype(dtype)
    assert compared(values, now)["test"] == "KS"


def test_a_few_values_in_other_units_are_seen():
    """One of a hundred incomes in cents: the test of all values is silent, that of tails is not."""
    before = pd.DataFrame({"income": np.exp(10.8 + 0.5 * rng(1).normal(size=13_000))})
    now = np.exp(10.8 + 0.5 * rng(2).normal(size=10_000))
    reference = Reference.fit(before)
    quiet = reference.compare(pd.DataFrame({"income": now}))
    assert quiet.table["feature"].tolist() == ["income"]
    cents = np.where(np.arange(10_000) % 100 == 0, 100 * now, now)
    report = reference.compare(pd.DataFrame({"income": cents}))
    assert row(report, "income")["severity"] == "none"
    told = row(report, "income tails")
    assert (told["severity"], told["test"]) == ("high", "tails")
    assert told["wasserstein"] - told["wasserstein_null"] > 1.5
    assert report.drifted_columns == ["income"]
    assert report.share_drifted == 1
    assert report.planned == quiet.planned == 4


def test_other_values_than_the_one_there_was_are_infinitely_far():
    """A hundredth of a constant moves: no deviation to measure it in, and no silence."""
    before = pd.DataFrame({"x": np.full(500, 3.0)})
    now = pd.DataFrame({"x": np.where(np.arange(20_000) % 50 == 0, 1000.0, 3.0)})
    assert "x tails" in Reference.fit(before).compare(now).drifted


def test_a_rare_breach_in_many_rows_is_told():
    """Half of a hundredth out of contract in 200,000 rows is medium, however small its index."""
    before = pd.DataFrame({"x": rng(1).uniform(0, 1, 13_000)})
    now = pd.DataFrame({"x": np.where(np.arange(200_000) % 200 == 0, 50.0, 0.5)})
    reference = Reference.fit(before, limits={"x": (0, 1)})
    assert row(reference.compare(now), "x out of contract")["severity"] == "medium"


def test_a_repair_is_low_and_says_so():
    """Missing values that no longer come: low, with the note that they are fewer."""
    holes = pd.DataFrame({"x": np.where(np.arange(10_000) % 10 == 0, np.nan, rng().normal())})
    told = row(Reference.fit(holes).compare(holes.fillna(0)), "x missing")
    assert told["severity"] == "low"
    assert told["note"] == "10.0% before, 0.0% now; fewer than before"


@pytest.mark.parametrize(
    ("before", "limits", "now"),
    [
        (["a", "b"] * 100, ("a", "b"), [np.nan] * 100),
        ([None] * 200, ("a", "b"), [1.0, 2.0] * 50),
        ([None] * 200, (0, 1), ["a", "b"] * 50),
    ],
)
def test_limits_of_another_kind_than_what_comes(before, limits, now):
    """Nothing, numbers or words where the contract knows the others: counted, not a crash."""
    frame, later = pd.DataFrame({"col": before}), pd.DataFrame({"col": now})
    report = Reference.fit(frame, limits={"col": limits}).compare(later)
    assert row(report, "col missing")["severity"] == "high"
    outside = [r.shares[1] for r in report.rows if r.about == "out of contract"]
    assert outside == [float(later["col"].notna().any())]


class Unspeakable:
    """A cell that has no text."""

    def __str__(self):
        """Refuse."""
        raise RuntimeError("no text")


@pytest.mark.parametrize("cell", [Decimal("sNaN"), Unspeakable()])
def test_cells_that_cannot_be_read_are_refused_by_column(cell):
    """Whatever goes wrong in a column, the error names it."""
    odd = pd.DataFrame({"col": pd.Series([cell, 1] * 20, dtype=object)})
    with pytest.raises(ValueError, match="'col' cannot be read"):
        Reference.fit(odd)
    with pytest.raises(ValueError, match="'col' cannot be read"):
        Reference.fit(pd.DataFrame({"col": ["a", "b"]})).compare(odd)


def test_most_moved_comes_first():
    """By severity and effect over its limit, not by an index that half of the rows do not have."""
    far = Row("far", "far", "values", "KS", 1, 1e-9, wasserstein=3.0, wasserstein_null=0.0)
    high = Row("high", "high", "values", "KS", 1, 1e-9, psi=0.3, psi_null=0.0)
    low = Row("low", "low", "values", "KS", 1, 1e-9, psi=0.05, psi_null=0.0)
    told = Row("told", "told", "all columns", "classifier", 0.9, 1e-9, effect=0.2)
    report = Reference.fit(pd.DataFrame({"x": [1.0, 2.0]})).compare(pd.DataFrame({"x": [1.0, 2.0]}))
    for one in (low, high, told, far):
        report = report.with_row(one)
    assert report.drifted == ["far", "high", "told", "low"]


def test_severities_and_added_rows_count_what_was_planned():
    """p = 0.0012 times 40 planned tests is none of chance, times 44 it may be, one more counts."""
    frame = pd.DataFrame(np.full((50, 10), np.nan)).add_prefix("c")
    quiet = Reference.fit(frame).compare(frame)
    assert quiet.planned == 40
    for p, level in ((0.0012, "high"), (0.00123, "none")):
        report = quiet.with_row(Row("r", "r", "all columns", "t", 1, p, effect=1.0))
        assert row(report, "r")["p_adjusted"] == pytest.approx(41 * p)
        assert row(report, "r")["severity"] == level
        start = pd.Timestamp("2024-01-01", tz="UTC")
        rows = report.metric_rows(window_start=start, window_end=start, model_version=1)
        assert rows.loc[rows["subject"] == "r", "severity"].tolist() == [level]


def test_the_null_level_counts_the_bins_that_have_rows():
    """Two distinct values fill two of ten bins: the level is that of two."""
    got = compared([0.0, 1.0] * 100, [0.0, 1.0] * 50)
    assert got["psi_null"] == pytest.approx(1 / 200 + 1 / 100)


def test_the_limits_themselves_are_in_the_contract():
    """The least and the greatest number allowed are allowed."""
    frame = pd.DataFrame({"x": [0.0, 1.0] * 50})
    report = Reference.fit(frame, limits={"x": (0, 1)}).compare(frame)
    assert [r.shares for r in report.rows if r.about == "out of contract"] == [(0.0, 0.0)]


OTHER = "other type, same kind of values"


@pytest.mark.parametrize(
    ("before", "now"),
    [
        (pd.Series([True, False] * 50), pd.Series([1, 0] * 50)),
        (pd.Series([1.0, 0.0] * 50), pd.Series([True, False] * 50)),
        (pd.Series([1, 0, 1] * 50), pd.Series([True, False, True] * 50, dtype="boolean")),
        (pd.Series([1, 2] * 50, dtype="category"), pd.Series([1.0, 2.0] * 50)),
        (pd.Series([1, 2] * 50), pd.Series([1, 2] * 50, dtype="category")),
    ],
)
def test_another_type_with_the_same_values_is_no_drift(before, now):
    """Yes/no and 0/1, numbers and numbers as categories; the note says that the type is another."""
    got = compared(before, now)
    assert (got["severity"], got["note"]) == ("none", OTHER)
    moved = compared(before, now.iloc[[0] * len(now)].reset_index(drop=True))
    assert moved["severity"] == "high"
    assert moved["note"].startswith(OTHER)


def test_another_kind_of_values_is_high():
    """Yes/no for incomes, 2 for yes/no, text for numbers: broken feeds, whatever their type."""
    for before, now in (([5.0, 7.0], [True, False]), ([True, False], [2, 0]), (["1"], [1])):
        assert compared(before * 50, now * 50)["test"] == "type"


def test_a_reference_of_nothing_is_refused():
    """Without a column there is nothing to compare."""
    with pytest.raises(ValueError, match="a reference needs a column"):
        Reference(())
