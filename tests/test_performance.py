"""Metrics agree with scikit-learn, intervals cover, and missing evidence stays missing."""

import time

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score, brier_score_loss, log_loss, roc_auc_score
from statsmodels.stats.proportion import proportion_confint

from mlops_helpers.calibration import expected_recalibration, recalibration
from mlops_helpers.default_times import default_dates
from mlops_helpers.delong import MIN_PER_CLASS, auc_interval
from mlops_helpers.performance import METRICS, by_window, evaluate, expected_performance
from mlops_helpers.performance_windows import RESERVED, windows
from mlops_helpers.simulation import (
    LABEL_DELAY,
    simulate_applications,
    true_default_probability,
)
from mlops_helpers.threads import one_thread
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


WINDOW_METRICS = [*METRICS, "observed_to_expected"]


def portfolio(seed, months=8, a_month=1500):
    """A log with the true probabilities; defaults are reported early, repayments after the term."""
    loans = simulate_applications(
        a_month * months, seed=seed, start="2024-01-01", months=months, scenario="quiet"
    )
    p = true_default_probability(loans)
    return pd.DataFrame(
        {
            "scored_at": loans["applied_at"],
            "probability": p,
            "decision": np.where(p < 0.18, "approve", "decline"),
            "default": loans["default"].astype(float),
            "outcome_at": default_dates(loans, seed=seed).fillna(loans["outcome_at"]),
            "model_version": 1,
        }
    )


def metric(table, name):
    """The rows of one metric by the month of their window."""
    rows = table[table["metric"] == name]
    return rows.set_index(rows["window_start"].dt.strftime("%Y-%m"))


def test_a_window_has_the_metrics_of_evaluate_and_two_rates_more():
    """Values and limits of a whole window are `evaluate`'s; both further rates are by hand."""
    log = portfolio(1, months=1)
    table = by_window(log, seed=3, n_boot=40).set_index("metric")
    assert table.index.tolist() == [*WINDOW_METRICS, "default_rate_approved", "n"]
    alone = evaluate(log["default"], log["probability"], seed=3, n_boot=40).set_index("metric")
    pd.testing.assert_frame_equal(table.loc[alone.index, alone.columns], alone)
    expected = log["probability"].mean()
    ratio = table.loc["observed_to_expected", ["value", "low", "high"]].astype(float)
    rate = alone.loc["default_rate", ["value", "low", "high"]]
    assert ratio.tolist() == pytest.approx((rate / expected).tolist())
    approved = log.loc[log["decision"] == "approve", "default"]
    assert table.loc["default_rate_approved", "value"] == pytest.approx(approved.mean())
    low, high = proportion_confint(approved.sum(), len(approved), method="wilson")
    limits = table.loc["default_rate_approved", ["low", "high"]].astype(float).tolist()
    assert limits == pytest.approx([low, high])


def test_nobody_approved_has_no_default_rate_among_approved():
    """Missing, not zero; and without a column of decisions there is no row."""
    log = portfolio(1, months=1).assign(decision="decline")
    row = metric(by_window(log, seed=1, n_boot=0), "default_rate_approved")
    assert row[["value", "low", "high"]].isna().all(axis=None)
    table = by_window(log.drop(columns="decision"), seed=1, n_boot=0)
    assert table["metric"].tolist() == [*WINDOW_METRICS, "n"]


def test_the_default_rate_of_a_young_window_is_not_that_of_its_early_labels():
    """Early defaults before any repayment: all labels so far say 100 %, this says nothing.

    All labels of the whole log so far are far too high as well; only what is due is right.
    """
    log, as_of = portfolio(2), pd.Timestamp("2024-09-16", tz="UTC")
    truth = log["probability"].mean()
    seen = log[log["outcome_at"] <= as_of]
    young = seen[seen["scored_at"] >= "2024-05-01"]
    assert young["default"].mean() == 1.0
    assert len(young) > 100
    assert seen["default"].mean() > 1.5 * truth
    naive = metric(by_window(log, seed=1, n_boot=0, as_of=as_of), "default_rate")
    assert naive.loc["2024-03", "value"] > 1.2 * truth
    assert (naive.loc["2024-05":"2024-08", "value"] == 1.0).all()
    assert not naive.loc["2024-03":, "complete"].any()
    honest = by_window(log, seed=1, n_boot=0, label_delay=LABEL_DELAY, as_of=as_of)
    rate = metric(honest, "default_rate")
    assert rate["complete"].tolist() == [True, True, *[False] * 6]
    assert (rate["overdue"] == 0).all()
    assert (rate["labelled"] > rate["due"]).tolist() == [False, False, *[True] * 6]
    stated = rate.loc[:"2024-03"]
    assert ((stated["low"] <= truth) & (truth <= stated["high"])).all()
    nothing = honest[honest["window_start"] >= "2024-04-01"]
    figures = nothing[nothing["metric"] != "n"]
    assert figures[["value", "low", "high"]].isna().all(axis=None)
    assert (nothing.loc[nothing["metric"] == "n", "value"] == 0).all()


def test_labels_of_due_rows_cover_the_truth_in_windows_half_due():
    """In 200 half-due windows the 95 % limits of the default rate hold the truth as stated."""
    held = []
    for seed in range(10):
        log = portfolio(100 + seed, months=20, a_month=300)
        for month in range(20):
            start = pd.Timestamp("2024-01-01", tz="UTC") + pd.DateOffset(months=month)
            part = log[(log["scored_at"] >= start)].head(300)
            as_of = part["scored_at"].iloc[150] + LABEL_DELAY
            window = next(windows(part, "MS", label_delay=LABEL_DELAY, as_of=as_of))
            assert not window.complete
            low, high = proportion_confint(
                window.known["default"].sum(), len(window.known), method="wilson"
            )
            held.append(low <= window.known["probability"].mean() <= high)
    assert 0.9 <= np.mean(held) <= 0.99


def test_a_window_whose_labels_are_late_is_told_from_a_young_one():
    """Labels that should be in and are not are counted; those of a young window are not."""
    log = portfolio(3, months=2)
    log.loc[log.index[:100], ["default", "outcome_at"]] = [np.nan, pd.NaT]
    as_of = pd.Timestamp("2024-08-01", tz="UTC")
    table = metric(
        by_window(log, seed=1, n_boot=0, label_delay=LABEL_DELAY, as_of=as_of), "default_rate"
    )
    assert table["overdue"].tolist() == [100, 0]
    assert not table["complete"].any()


def test_a_million_rows_of_two_years_take_seconds():
    """24 months of a million predictions, with every limit but those that are resampled."""
    rng, n = np.random.default_rng(5), 1_000_000
    seconds = np.sort(rng.integers(0, 730 * 86_400, n))
    p = rng.beta(2, 12, n)
    log = pd.DataFrame(
        {
            "scored_at": pd.Timestamp("2022-01-01", tz="UTC") + pd.to_timedelta(seconds, unit="s"),
            "probability": p,
            "decision": np.where(p < 0.18, "approve", "decline"),
            "default": (rng.random(n) < p).astype(float),
            "model_version": 1,
        }
    )
    log["outcome_at"] = log["scored_at"] + LABEL_DELAY
    as_of = pd.Timestamp("2025-01-01", tz="UTC")
    with one_thread():  # idle threads of the algebra would be counted as well
        start = time.process_time()
        table = by_window(log, seed=1, n_boot=0, label_delay=LABEL_DELAY, as_of=as_of)
        spent = time.process_time() - start
    assert spent < 10.0
    assert metric(table, "n")["value"].sum() == n
    limited = table[~table["metric"].isin(["ks", "average_precision"])]
    assert limited.notna().all(axis=None)


def test_approved_loans_alone_can_be_awaited():
    """Figures are those of the approved, whose AUC is lower; the declined make nothing late."""
    log, as_of = portfolio(4, months=2), pd.Timestamp("2025-01-01", tz="UTC")
    declined = log["decision"] == "decline"
    no_loan = log.assign(
        default=log["default"].mask(declined), outcome_at=log["outcome_at"].mask(declined)
    )
    given = {"seed": 1, "n_boot": 0, "label_delay": LABEL_DELAY, "as_of": as_of}
    waiting = by_window(no_loan, **given)
    assert not waiting["complete"].any()
    assert (waiting["overdue"] > 0).all()
    table = by_window(no_loan, awaits="approved", **given)
    assert table["complete"].all()
    assert (table["overdue"] == 0).all()
    rows = metric(table, "n")
    months = log["scored_at"].dt.strftime("%Y-%m")
    assert rows["predictions"].tolist() == months.value_counts(sort=False).tolist()
    approved = (~declined).groupby(months).sum().tolist()
    assert rows["awaited"].tolist() == rows["labelled"].tolist() == approved
    alone = by_window(log[~declined], **given)
    pd.testing.assert_frame_equal(
        table.drop(columns="predictions"), alone.drop(columns="predictions")
    )
    every = metric(by_window(log, **given), "auc")["value"]
    assert (metric(table, "auc")["value"] < every - 0.02).all()


def test_by_window_names_a_group_or_column_that_collides():
    """`by` with a name of the table, and `default` twice, are told in one sentence."""
    log = portfolio(1, months=1)
    for name in ("metric", "window_start", "predictions", "default"):
        with pytest.raises(ValueError, match=f"by holds '{name}'"):
            by_window(log.assign(**{name: log["default"]}), seed=1, by=(name,))
    with pytest.raises(ValueError, match="log has 2 columns 'default'"):
        by_window(pd.concat([log, log[["default"]]], axis="columns"), seed=1)


def test_an_empty_log_and_one_class_have_their_columns():
    """No rows: the same columns. No default: rates with limits, no ranking."""
    log = portfolio(1, months=1)
    assert set(by_window(log, seed=1, n_boot=0, by=()).columns) <= RESERVED
    empty = by_window(log.head(0), seed=1)
    assert empty.columns.tolist() == by_window(log, seed=1, n_boot=0).columns.tolist()
    paid = by_window(log.assign(default=0.0), seed=1).set_index("metric")
    assert paid.loc[["auc", "ks", "calibration_slope"], "value"].isna().all()
    assert paid.loc[["default_rate", "observed_to_expected"], "value"].tolist() == [0.0, 0.0]
    assert paid.loc["default_rate", "high"] > 0


def test_by_window_refuses_a_naive_moment_and_a_delay_without_one():
    """What `windows` refuses, by_window refuses."""
    log = portfolio(1, months=1)
    with pytest.raises(ValueError, match="as_of is 2024-09-01"):
        by_window(log, seed=1, as_of=pd.Timestamp("2024-09-01"))
    with pytest.raises(ValueError, match="label_delay is 182 days"):
        by_window(log, seed=1, label_delay=LABEL_DELAY)
