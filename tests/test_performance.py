"""Metrics agree with scikit-learn, intervals cover, and missing evidence stays missing."""

import time

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score, brier_score_loss, log_loss, roc_auc_score

from mlops_helpers.calibration import expected_recalibration, recalibration
from mlops_helpers.delong import MIN_PER_CLASS, auc_interval
from mlops_helpers.performance import METRICS, by_window, evaluate, expected_performance
from tests.binormal import Binormal


def sample(n, seed=0, *, ties=False):
    """Labels and the true probabilities behind them."""
    rng = np.random.default_rng(seed)
    p = rng.beta(2, 8, n)
    if ties:
        p = np.round(p, 1)
    return (rng.random(n) < p).astype(int), p


def values(frame, column="value"):
    """One column of a metric table, by metric."""
    return frame.set_index("metric")[column]


@pytest.mark.parametrize("ties", [False, True])
def test_point_estimates_are_those_of_scikit_learn(ties):
    """AUC, average precision, Brier and log loss equal scikit-learn's, ties included."""
    y, p = sample(700, ties=ties)
    got = values(evaluate(y, p, seed=1, n_boot=0))
    clipped = np.clip(p, 1e-15, 1 - 1e-15)
    assert got["auc"] == pytest.approx(roc_auc_score(y, p), abs=1e-12)
    assert got["gini"] == pytest.approx(2 * roc_auc_score(y, p) - 1, abs=1e-12)
    assert got["average_precision"] == pytest.approx(average_precision_score(y, p), abs=1e-12)
    assert got["brier"] == pytest.approx(brier_score_loss(y, p), abs=1e-12)
    assert got["log_loss"] == pytest.approx(log_loss(y, clipped), abs=1e-9)
    assert got["default_rate"] == y.mean()
    assert got["n"] == 700


def test_ks_is_the_two_sample_statistic():
    """KS equals SciPy's statistic between the scores of defaults and of repaid loans."""
    from scipy.stats import ks_2samp

    y, p = sample(500, ties=True)
    expected = ks_2samp(p[y == 1], p[y == 0]).statistic
    assert values(evaluate(y, p, seed=1, n_boot=0))["ks"] == pytest.approx(expected, abs=1e-12)


def test_auc_and_gini_have_the_interval_of_delong():
    """One way of doing a thing: the AUC's interval is `auc_interval`'s, Gini's follows from it."""
    y, p = sample(400, seed=3, ties=True)
    table, auc = (
        evaluate(y, p, seed=5, level=0.9).set_index("metric"),
        auc_interval(y, p, confidence=0.9),
    )
    assert table.loc["auc"].tolist() == pytest.approx([auc.value, auc.low, auc.high])
    assert table.loc["gini"].tolist() == pytest.approx((2 * table.loc["auc"] - 1).tolist())


def test_calibration_is_the_recalibration():
    """Slope and intercept, with their limits, are those of `recalibration`."""
    y, p = sample(600, seed=4)
    table, found = evaluate(y, p, seed=1).set_index("metric"), recalibration(y, p)
    for metric, interval in (("slope", found.slope), ("intercept", found.intercept)):
        row = table.loc[f"calibration_{metric}"]
        assert row.tolist() == pytest.approx([interval.value, interval.low, interval.high])


def test_every_metric_covers_its_truth():
    """In 200 samples of about 50 defaults each interval holds the truth 89 % of the time or more.

    The intervals aim at 95 %; tests/benchmarks/coverage_metrics.py measures it closely.
    """
    world, rng = Binormal(0.75), np.random.default_rng(2)
    truth = pd.Series(world.truth())[list(METRICS)]
    covered = pd.Series(0, index=truth.index)
    for seed in range(200):
        table = evaluate(*world.draw(400, rng), seed=seed, n_boot=100).set_index("metric")
        low, high = (table.loc[list(METRICS), end] for end in ("low", "high"))
        covered += (low <= truth) & (truth <= high)
    assert covered.min() >= 0.89 * 200, covered
    assert covered.mean() >= 0.93 * 200, covered


def test_interval_covers_the_true_default_rate():
    """Over 200 samples the 95 % interval of the default rate covers the truth about as often."""
    covered = 0
    for seed in range(200):
        y = np.random.default_rng(seed).random(300) < 0.2
        row = evaluate(y, np.full(300, 0.2), seed=seed, n_boot=1).set_index("metric")
        covered += row.loc["default_rate", "low"] <= 0.2 <= row.loc["default_rate", "high"]
    assert 178 <= covered <= 199


def test_a_rate_without_a_single_default_is_not_surely_zero():
    """No default in thirty loans: the interval reaches to 11 %, as Wilson's does by hand."""
    row = evaluate(np.zeros(30), np.full(30, 0.1), seed=1).set_index("metric").loc["default_rate"]
    z = 1.959964
    assert row["low"] == pytest.approx(0, abs=1e-12)
    assert row["high"] == pytest.approx(z**2 / (30 + z**2), rel=1e-6)


def test_every_metric_has_an_interval_around_its_value():
    """With enough of both classes nothing is without limits, and no limits leave the value out."""
    for distort in (1.0, 3.0):
        y, p = sample(800)
        table = evaluate(y, p**distort, seed=1, n_boot=50).set_index("metric")
        assert table.notna().all(axis=None)
        assert (table["low"] <= table["value"]).all()
        assert (table["value"] <= table["high"]).all()


def test_limits_need_as_many_of_each_class_as_an_auc():
    """One default fewer than the least leaves limits to the default rate only."""
    rng = np.random.default_rng(1)
    for defaults in (MIN_PER_CLASS - 1, MIN_PER_CLASS):
        y = np.repeat([1, 0], [defaults, 200])
        table = evaluate(y, 0.2 + 0.3 * rng.random(y.size) + 0.3 * y * rng.random(y.size), seed=1)
        limited = table.loc[table["low"].notna() & table["high"].notna(), "metric"].tolist()
        assert limited == ([*METRICS, "n"] if defaults == MIN_PER_CLASS else ["default_rate", "n"])


def test_without_resamples_only_what_needs_them_has_no_limits():
    """`n_boot=0` leaves out the limits of KS and average precision, and changes nothing else."""
    y, p = sample(400)
    quick, full = (evaluate(y, p, seed=1, n_boot=n).set_index("metric") for n in (0, 50))
    resampled = ["ks", "average_precision"]
    assert quick.loc[resampled, ["low", "high"]].isna().all(axis=None)
    pd.testing.assert_frame_equal(quick.drop(resampled), full.drop(resampled))
    pd.testing.assert_series_equal(quick["value"], full["value"])


def test_a_certain_probability_leaves_only_calibration_out():
    """A probability of exactly 0 or 1 has no logit: no slope, no intercept, all else as ever."""
    y, p = sample(400)
    p[np.flatnonzero(y == 0)[0]], p[np.flatnonzero(y)[0]] = 0.0, 1.0
    table = evaluate(y, p, seed=1, n_boot=50).set_index("metric")
    missing = table.index[table["value"].isna()].tolist()
    assert missing == ["calibration_slope", "calibration_intercept"]
    assert table["low"].isna().equals(table["value"].isna())


def test_one_probability_for_all_ranks_nobody():
    """A constant: AUC one half for sure, no slope, and a loss and an intercept with limits."""
    table = evaluate(np.repeat([0, 1], [300, 60]), np.full(360, 0.2), seed=1).set_index("metric")
    assert table.loc["auc"].tolist() == [0.5, 0.5, 0.5]
    assert np.isnan(table.loc["calibration_slope", "value"])
    assert table.drop("calibration_slope").notna().all(axis=None)


def test_a_loss_that_never_varies_has_no_width():
    """A probability of one half loses the same whatever happens."""
    table = evaluate(np.repeat([0, 1], 50), np.full(100, 0.5), seed=1).set_index("metric")
    assert table.loc["brier"].tolist() == [0.25, 0.25, 0.25]


def test_same_seed_same_interval_and_another_seed_another():
    """Chance is an argument: a seed decides what is resampled, and nothing else."""
    y, p = sample(300)
    first = evaluate(y, p, seed=1)
    pd.testing.assert_frame_equal(first, evaluate(y, p, seed=1))
    other = evaluate(y, p, seed=2)
    moved = first["metric"][first["low"] != other["low"]].tolist()
    assert moved == ["ks", "average_precision"]


def test_five_hundred_replicates_of_four_thousand_rows_are_quick():
    """The notebook's bootstrap does not make anybody wait."""
    y, p = sample(4000)
    best = np.inf
    for _ in range(3):
        start = time.perf_counter()
        evaluate(y, p, seed=1, n_boot=500)
        best = min(best, time.perf_counter() - start)
    assert best < 2.0


def test_no_rows_gives_missing_metrics_and_n_zero():
    """An empty window is not an error and not a zero: everything but n is missing."""
    table = evaluate([], [], seed=1)
    assert table["metric"].tolist() == [*METRICS, "n"]
    assert values(table)[list(METRICS)].isna().all()
    assert values(table)["n"] == 0


def test_one_class_has_no_ranking_metric():
    """Without a single default there is no AUC, while Brier and the default rate exist."""
    got = values(evaluate([0, 0, 0], [0.1, 0.2, 0.3], seed=1))
    assert got[["auc", "gini", "ks", "average_precision"]].isna().all()
    assert got["default_rate"] == 0
    assert got["brier"] == pytest.approx(np.mean(np.square([0.1, 0.2, 0.3])))


def test_a_handful_of_defaults_gets_no_interval():
    """Four defaults carry an interval for the default rate, and for nothing else."""
    y = np.r_[np.ones(4), np.zeros(200)]
    table = evaluate(y, np.linspace(0.9, 0.1, 204), seed=1).set_index("metric")
    assert table.drop(index=["default_rate", "n"])[["low", "high"]].isna().all(axis=None)
    assert np.isfinite(table.loc["default_rate", "low"])


@pytest.mark.parametrize(
    ("y", "p", "said"),
    [
        ([0, 2], [0.1, 0.2], "labels must be 0 or 1"),
        ([0, 1], [0.1, 1.2], "1.2"),
        ([0, 1], [0.1, np.nan], "within"),
        ([0, np.nan], [0.1, 0.2], "missing labels"),
        ([0, 1, 1], [0.1, 0.2], "3 rows"),
    ],
)
def test_impossible_input_is_refused_with_its_value(y, p, said):
    """Labels that are not labels and probabilities that are not probabilities are named."""
    with pytest.raises(ValueError, match=said):
        evaluate(y, p, seed=1)


def test_expectation_matches_a_calibrated_world():
    """When the probabilities are true, what comes lies inside what was expected."""
    rng = np.random.default_rng(8)
    p = rng.beta(2, 8, 5000)
    y = rng.random(5000) < p
    expected = expected_performance(p, seed=1).set_index("metric")
    came = values(evaluate(y, p, seed=1, n_boot=0))
    for metric in METRICS:
        assert expected.loc[metric, "low"] <= came[metric] <= expected.loc[metric, "high"], metric
    assert expected.loc["default_rate", "value"] == pytest.approx(p.mean())
    assert expected.loc["brier", "value"] == pytest.approx((p * (1 - p)).mean())


def test_expectation_is_blind_to_a_changed_world():
    """When people default twice as often as the model thinks, the expectation does not know."""
    rng = np.random.default_rng(8)
    p = rng.beta(2, 8, 5000)
    y = rng.random(5000) < np.minimum(1, 2 * p)
    expected = expected_performance(p, seed=1).set_index("metric")
    assert y.mean() > expected.loc["default_rate", "high"]


def test_expectation_of_the_calibration_is_its_assumption():
    """Slope 1 and intercept 0, within the bounds that the probabilities alone decide."""
    p = np.random.default_rng(9).beta(2, 8, 2000)
    table, expected = (
        expected_performance(p, n_sim=20).set_index("metric"),
        expected_recalibration(p),
    )
    assert table.loc["calibration_slope"].tolist() == pytest.approx(
        [1, expected.slope.low, expected.slope.high]
    )
    assert table.loc["calibration_intercept"].tolist() == pytest.approx(
        [0, expected.intercept.low, expected.intercept.high]
    )


def test_expectation_of_nothing_and_of_certainty():
    """No probabilities: missing. Certain probabilities: no ranking to expect, no crash."""
    assert values(expected_performance([]))["n"] == 0
    certain = values(expected_performance([0.0, 0.0]))
    assert np.isnan(certain["auc"])
    assert certain["default_rate"] == 0


def log_frame(times, default):
    """A joined prediction log, as PredictionLog.window returns it."""
    n = len(times)
    return pd.DataFrame(
        {
            "scored_at": pd.to_datetime(times, utc=True, format="ISO8601"),
            "probability": np.linspace(0.1, 0.9, n),
            "default": default,
            "model_version": 1,
        }
    )


def test_windows_are_half_open_and_the_last_one_is_not_lost():
    """Midnight on the first belongs to the new month; the month still running is reported."""
    log = log_frame(["2024-01-01", "2024-01-31 23:59", "2024-02-01", "2024-02-15"], [0, 1, 0, 1])
    table = by_window(log, "MS", seed=1, n_boot=0)
    n = table[table["metric"] == "n"]
    assert n["window_start"].dt.strftime("%Y-%m-%d").tolist() == ["2024-01-01", "2024-02-01"]
    assert n["window_end"].iloc[-1] == pd.Timestamp("2024-03-01", tz="UTC")
    assert n["predictions"].tolist() == [2, 2]
    assert n["complete"].all()


def test_a_window_with_open_labels_says_so():
    """Labels still to come make a window incomplete, and only known rows are measured."""
    log = log_frame(["2024-01-01", "2024-01-02", "2024-01-03"], [0.0, 1.0, np.nan])
    table = by_window(log, "MS", seed=1, n_boot=0)
    assert not table["complete"].any()
    assert table["labelled"].unique().tolist() == [2]
    assert values(table)["auc"] == 1.0


def test_by_window_names_the_missing_column_and_takes_an_empty_log():
    """A frame without outcomes is refused by name; an empty log gives an empty table."""
    with pytest.raises(ValueError, match="'default'"):
        by_window(log_frame(["2024-01-01"], [0]).drop(columns="default"), seed=1)
    assert by_window(log_frame([], []), seed=1).empty
