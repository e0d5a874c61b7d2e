"""Metrics agree with scikit-learn, intervals cover, and missing evidence stays missing."""

import time

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score, brier_score_loss, log_loss, roc_auc_score

from mlops_helpers.performance import METRICS, by_window, evaluate, expected_performance


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


def test_bootstrap_is_the_textbook_one():
    """The AUC interval is that of resampling rows one sample at a time."""
    y, p = sample(400, seed=3)
    y, p = y[np.argsort(p)], np.sort(p)
    table = evaluate(y, p, seed=5, n_boot=300)
    rng = np.random.default_rng(5)
    drawn = rng.integers(0, 400, size=(300, 400))
    slow = [roc_auc_score(y[rows], p[rows]) for rows in drawn]
    assert values(table, "low")["auc"] == pytest.approx(np.quantile(slow, 0.025), abs=1e-9)
    assert values(table, "high")["auc"] == pytest.approx(np.quantile(slow, 0.975), abs=1e-9)


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


def test_ks_has_no_interval():
    """The bootstrap of a maximum covers far too rarely, so none is given; the others have one."""
    table = evaluate(*sample(800), seed=1, n_boot=50).set_index("metric")
    assert np.isfinite(table.loc["ks", "value"])
    assert table["low"].isna().to_dict() == {metric: metric == "ks" for metric in table.index}
    assert table["high"].isna().equals(table["low"].isna())


def test_same_seed_same_interval_and_another_seed_another():
    """Chance is an argument: a seed decides the interval."""
    y, p = sample(300)
    first = evaluate(y, p, seed=1)
    pd.testing.assert_frame_equal(first, evaluate(y, p, seed=1))
    assert not first["low"].equals(evaluate(y, p, seed=2)["low"])


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
