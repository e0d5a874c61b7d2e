"""Figures are checked by what their Axes hold, never by pixels."""

import io
import itertools
import re
import subprocess
import sys

import nbformat
import numpy as np
import pandas as pd
import pytest
from matplotlib.dates import num2date
from matplotlib.figure import Figure
from nbconvert import HTMLExporter
from PIL import Image

from mlops_helpers import plots
from mlops_helpers.plots import base

MONTHS = pd.date_range("2023-12-01", periods=4, freq="MS", tz="UTC")
METRICS = pd.DataFrame(
    {
        "name": ["dummy", "logistic regression", "random forest"],
        "value": [0.5, 0.71, 0.7],
        "low": [np.nan, 0.69, 0.68],
        "high": [np.nan, 0.73, 0.72],
    }
)
ROC = pd.DataFrame({"model": "a", "fpr": [0, 0.5, 1.0], "tpr": [0, 1.0, 1.0]})
CALIBRATION = pd.DataFrame(
    {
        "bin_mid": [0.1, 0.3],
        "observed": [0.1, 0.5],
        "low": [0.08, 0.4],
        "high": [0.12, 0.6],
        "n": [500, 90],
    }
)
PRECISION = pd.DataFrame({"model": "a", "recall": [0.5, 0.75, 1.0], "precision": [0.8, 0.5, 0.2]})
GAIN = pd.DataFrame(
    {
        "model": "a",
        "share": [0.0, 0.2, 0.4, 1.0],
        "found": [0.0, 0.5, 0.8, 1.0],
        "perfect": [0.0, 1.0, 1.0, 1.0],
        "random": [0.0, 0.2, 0.4, 1.0],
    }
)
CONFUSION = pd.DataFrame(
    {
        "actual": ["repaid", "repaid", "defaulted", "defaulted"],
        "decided": ["approve", "decline"] * 2,
        "n": [1600, 400, 30, 70],
        "share": [0.8, 0.2, 0.3, 0.7],
        "low": [0.78, 0.18, 0.22, 0.6],
        "high": [0.82, 0.22, 0.4, 0.78],
        "cutoff": 0.125,
    }
)
IMPORTANCE = pd.DataFrame(
    {
        "feature": ["age", "annual_income"],
        "value": [0.004, 0.05],
        "low": [-0.002, 0.03],
        "high": [0.01, 0.07],
    }
)
SEGMENTS = pd.DataFrame(
    {
        "segment": ["home_ownership", "home_ownership", "age"],
        "group": ["rent", "own", "unknown"],
        "n": [1200, 300, 40],
        "defaults": [150, 20, 3],
        "observed_to_expected": [1.5, 0.9, 1.2],
        "observed_to_expected_low": [1.2, 0.6, 0.3],
        "observed_to_expected_high": [1.9, 1.3, 9.0],
        "auc": [0.7, 0.6, np.nan],
        "auc_low": [0.65, 0.48, np.nan],
        "auc_high": [0.75, 0.72, np.nan],
    }
)
SCORES = pd.DataFrame(
    {
        "model_version": [1, 1, 2, 2],
        "bin_low": [0.0, 0.5, 0.0, 0.5],
        "bin_high": [0.5, 1.0, 0.5, 1.0],
        "n": [30, 10, 10, 10],
    }
)
RATE = pd.DataFrame(
    {"month": MONTHS, "value": [0.1, 0.2, 0.3, 0.2], "low": [0.05] * 4, "high": [0.35] * 4}
)
DRIFT = pd.DataFrame(
    {
        "feature": ["age", "annual_income"],
        "psi": [0.004, 0.31],
        "psi_null": [0.009, 0.009],
        "severity": ["none", "critical"],
        "drifted": [False, True],
    }
)
VOLUME = pd.DataFrame({"month": MONTHS, "n": [10, 20, 30, 40]})
ALERTS = pd.DataFrame(
    {
        "rule": ["drift", "drift", "scores moved"],
        "severity": ["warning", "critical", "warning"],
        "raised_at": MONTHS[:3],
    }
)
LATENCY = pd.DataFrame({"month": MONTHS, "p50": [5.0, 6, 7, 5], "p95": [9.0, 10, 40, 9]})
PROFIT = pd.DataFrame({"cutoff": [0.1, 0.2, 0.3], "profit_per_application": [100.0, 250, 50]})
POWER = pd.DataFrame({"effect": [1.0] * 3, "n": [100, 200, 300], "power": [0.4, 0.81, 0.95]})
TRAFFIC = pd.DataFrame(
    {"variant": ["control", "treatment"], "n": [480, 520], "planned": [500.0, 500]}
)
IMPACT = pd.DataFrame(
    {
        "name": ["approve all", "cut-off"],
        "value": [-20.0, 180],
        "low": [-60.0, 140],
        "high": [20.0, 220],
    }
)
VERSIONS = pd.DataFrame(
    {
        "version": [1, 2, 3],
        "alias": ["previous", "champion", "challenger"],
        "name": ["dummy", "logistic regression", "random forest"],
        "auc": [0.5, 0.71, 0.73],
    }
)
DETECTION = pd.DataFrame(
    {
        "world": ["income -5 %", "income -5 %", "recession", "recession"],
        "detector": ["any test", "severity"] * 2,
        "power": [0.9, 0.1, 1.0, 0.96],
        "months": [1.0, np.nan, 1.0, 2.0],
    }
)
SIGNALS = pd.DataFrame(
    {
        "cause": ["applicants changed"] * 2 + ["the world changed"] * 2,
        "signal": ["features drifted", "observed / expected"] * 2,
        "value": [0.5, 1.02, 0.0, 1.6],
        "moved": [True, False, False, True],
    }
)
SPANS = pd.DataFrame(
    {
        "span": ["2009", "2010", "2009", "2010"],
        "feature": ["loan_amount", "loan_amount", "age", "age"],
        "psi": [0.31, 0.05, np.nan, np.nan],
        "severity": ["high", "none", "no data", "no data"],
    }
)
VINTAGES = pd.DataFrame(
    {
        "vintage": ["2022 Q1", "2022 Q1", "2022 Q2", "2022 Q2"],
        "months_on_book": [3, 6, 3, 6],
        "share": [0.04, 0.1, 0.06, 0.02],
        "low": [0.03, 0.08, 0.04, 0.01],
        "high": [0.05, 0.12, 0.08, 0.04],
        "complete": [True, True, True, False],
    }
)
EXPECTED = pd.DataFrame(
    {
        "window_start": MONTHS,
        "expected": [0.12] * 4,
        "expected_low": [0.1] * 4,
        "expected_high": [0.14] * 4,
        "realised": [0.13, 0.2, 0.03, np.nan],
        "low": [0.11, 0.17, 0.02, np.nan],
        "high": [0.15, 0.23, 0.05, np.nan],
        "complete": [True, True, False, False],
    }
)
JUDGED = pd.DataFrame(
    [
        ("higher AUC", 500, 0.0, 0.5, 0.4, 0.6),
        ("higher AUC", 500, 0.02, 0.8, 0.7, 0.9),
        ("the judge", 2000, 0.0, 0.03, 0.01, 0.06),
        ("the judge", 500, 0.0, 0.02, 0.0, 0.05),
        ("the judge", 500, 0.02, 0.3, 0.2, 0.4),
    ],
    columns=["rule", "rows", "gain", "promoted", "low", "high"],
)
SELECTION = pd.DataFrame(
    {
        "judged_on": ["all applicants", "approved only"],
        "value": [0.021, -0.03],
        "low": [0.018, -0.04],
        "high": [0.024, -0.02],
        "truth": 0.02,
        "bias": [0.001, -0.05],
        "wrong_verdicts": [0.05, 0.7],
    }
)
WATCHED = pd.DataFrame(
    {
        "rule": ["every look at 5 %", "every look at 5 %", "watch", "watch"],
        "gain": [0.0, -0.02, 0.0, -0.02],
        "rolled_back": [0.18, 0.9, 0.04, 0.7],
        "low": [0.14, 0.85, 0.02, 0.64],
        "high": [0.23, 0.94, 0.06, 0.76],
    }
)
POLICIES = pd.DataFrame(
    {
        "policy": ["never", "monthly", "both, with veto", "oracle"],
        "gain": [0.0, -12.0, 80.0, 95.0],
        "gain_low": [0.0, -30.0, 60.0, 70.0],
        "gain_high": [0.0, 6.0, 100.0, 120.0],
        "trainings": [0.0, 36.0, 4.2, 36.0],
        "worst_month": [-120.0, -80.0, 12.0, 40.0],
    }
)
PATHS = pd.DataFrame(
    [
        (seed, policy, month, "quiet" if month < 3 else "recession", profit + 10 * seed * late)
        for seed in (1, 2)
        for policy, profit, late in (("never", 100.0, 0), ("monthly", 150.0, 1))
        for month in (1, 2, 3)
    ],
    columns=["seed", "policy", "month", "phase", "profit"],
)
DURATIONS = pd.DataFrame(
    {
        "plan": ["fixed size"] * 3 + ["always valid"] * 3,
        "effect": [50.0, 100.0, 200.0] * 2,
        "total": [112.0, 37.0, 18.0, 200.0, 60.0, 24.0],
        "wait": 12.0,
    }
)
EFFECTS = pd.DataFrame(
    {
        "metric": ["profit_per_application", "default_rate_approved", "auc_approved"],
        "arm": "treatment",
        "effect": [60.0, -0.02, -0.03],
        "low": [-90.0, -0.04, -0.05],
        "high": [210.0, -0.01, -0.01],
        "relative": [0.85, -0.15, np.nan],
        "relative_low": [np.nan, -0.29, np.nan],
        "relative_high": [np.nan, -0.05, np.nan],
    }
)
LIMITS = pd.DataFrame(
    {
        "reading": ["one budget for both arms", "a budget for each arm"],
        "unit": "$",
        "value": [80.0, -100.0],
        "low": [60.0, -120.0],
        "high": [100.0, -80.0],
        "truth": [-92.0, -92.0],
        "spread": [70.0, 60.0],
        "missed": [0.7, 0.04],
        "missed_low": [0.55, 0.01],
        "missed_high": [0.8, 0.12],
    }
)
PATH = pd.DataFrame(
    {
        "n": [100, 200, 300, 400],
        "effect": [50.0, 40.0, 45.0, 42.0],
        "low": [np.nan, -60.0, -20.0, 2.0],
        "high": [np.nan, 140.0, 110.0, 82.0],
        "fixed_low": [-80.0, 5.0, 5.0, 12.0],
        "fixed_high": [180.0, 75.0, 85.0, 72.0],
    }
)
ALARMS = pd.DataFrame(
    {
        "rule": ["fixed interval"] * 2 + ["confidence sequence"] * 2,
        "look": [1, 50] * 2,
        "alarms": [0.05, 0.32, 0.0, 0.03],
        "low": [0.03, 0.26, 0.0, 0.01],
        "high": [0.08, 0.39, 0.02, 0.06],
    }
)
RATES = pd.DataFrame(
    {
        "claim": ["false alarm", "interval holds the truth", "any companion", "daily looks"],
        "nominal": [0.05, 0.95, 0.05, 0.05],
        "rate": [0.048, 0.947, 0.01, 0.31],
        "low": [0.036, 0.931, 0.005, 0.28],
        "high": [0.064, 0.96, 0.02, 0.34],
        "promise": ["about", "about", "at most", "at most"],
    }
)
FIGURES = {
    "metric_comparison": METRICS,
    "roc": ROC,
    "calibration": CALIBRATION,
    "precision_recall": PRECISION,
    "gain": GAIN,
    "confusion": CONFUSION,
    "importance": IMPORTANCE,
    "segments": SEGMENTS,
    "score_histogram": SCORES,
    "monthly_rate": RATE,
    "drift": DRIFT,
    "volume": VOLUME,
    "alerts_by_severity": ALERTS,
    "alerts_timeline": ALERTS,
    "latency": LATENCY,
    "profit_curve": PROFIT,
    "power_curve": POWER,
    "traffic": TRAFFIC,
    "business_impact": IMPACT,
    "registry_status": VERSIONS,
    "detection": DETECTION,
    "signal_map": SIGNALS,
    "drift_map": SPANS,
    "vintages": VINTAGES,
    "expected_and_realised": EXPECTED,
    "judge_power": JUDGED,
    "selection_bias": SELECTION,
    "watch": WATCHED,
    "policy_gains": POLICIES,
    "policy_paths": PATHS,
    "duration_curve": DURATIONS,
    "ab_effects": EFFECTS,
    "ab_limits": LIMITS,
    "effect_path": PATH,
    "false_alarms": ALARMS,
    "error_rates": RATES,
}
OTHERS = {"Picture", "no_data", "picture", "show", "show_table"}


def texts(ax):
    """Everything written on an Axes, in one string."""
    found = [ax.get_title(loc="left"), ax.get_xlabel(), ax.get_ylabel()]
    found += [text.get_text() for text in ax.texts]
    found += [tick.get_text() for tick in (*ax.get_xticklabels(), *ax.get_yticklabels())]
    if ax.get_legend():
        found += [text.get_text() for text in ax.get_legend().get_texts()]
    return " | ".join(found)


def test_every_figure_is_tested_here():
    """A figure that is added without an example below turns the suite red."""
    assert set(plots.__all__) == set(FIGURES) | OTHERS


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_says_its_finding_and_names_its_axes(name):
    """Frame in, Axes out: with a finding as title, named axes, and the frame left as it was."""
    frame = FIGURES[name].copy()
    ax = getattr(plots, name)(frame)
    pd.testing.assert_frame_equal(frame, FIGURES[name])
    assert ax.get_title(loc="left")
    assert ax.get_xlabel() or not ax.axison
    own = getattr(plots, name)(frame, title="Nothing happened")
    assert own.get_title(loc="left") == "Nothing happened"


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_draws_where_it_is_told(name):
    """A given Axes is used and comes back, so figures can be panels of a larger one."""
    ax = Figure(figsize=(4, 3)).add_subplot()
    assert getattr(plots, name)(FIGURES[name], ax) is ax


@pytest.mark.parametrize("name", FIGURES)
def test_an_empty_frame_is_said_in_words(name):
    """Without rows no figure fails and none shows an empty frame of axes: it says so."""
    ax = getattr(plots, name)(FIGURES[name].head(0))
    assert not ax.axison
    assert any("no " in text.get_text() for text in ax.texts)


@pytest.mark.parametrize("name", FIGURES)
def test_a_missing_column_is_named(name):
    """The error names the figure, the columns it got, those it misses, and the way out."""
    with pytest.raises(ValueError, match=rf"^{name}: the frame has columns .* must .*\['"):
        getattr(plots, name)(pd.DataFrame({"wrong": [1]}))


def test_metric_comparison_draws_each_value_and_interval():
    """Points sit at the values, bars end at the limits, a row without limits has none."""
    ax = plots.metric_comparison(METRICS, reference=0.5)
    drawn = [container.lines[0].get_xdata()[0] for container in ax.containers]
    assert drawn == [0.5, 0.71, 0.7]
    bars = [container.lines[2][0].get_segments()[0][:, 0] for container in ax.containers]
    np.testing.assert_allclose(bars, [[0.5, 0.5], [0.69, 0.73], [0.68, 0.72]])
    assert ax.get_title(loc="left") == "Logistic regression has the highest AUC: 0.710"
    lowest = plots.metric_comparison(METRICS, metric="loss", best="lowest")
    assert lowest.get_title(loc="left") == "Dummy has the lowest loss: 0.500"


def finding(ax):
    """The title in one line."""
    return ax.get_title(loc="left").replace("\n", " ")


def bands(ax):
    """Lowest and highest value of each band at each of its places."""
    found = []
    for band in ax.collections:
        corners = pd.DataFrame(band.get_paths()[0].vertices, columns=["x", "y"])
        found.append(corners.groupby("x")["y"].agg(["min", "max"]).to_numpy().tolist())
    return found


def test_roc_states_the_area():
    """The title's area is the area under the points that were given, or the frame's own."""
    assert finding(plots.roc(ROC)) == "A default ranks above a repaid loan in 75.0 % of pairs"
    assert "76.0 % of pairs" in finding(plots.roc(ROC.assign(auc=0.76)))
    two = pd.concat([ROC, ROC.assign(model="b", tpr=[0, 0.5, 1.0])])
    assert finding(plots.roc(two)) == "A ranks best (0.750)"


@pytest.mark.parametrize(
    ("draw", "frame", "y"), [("roc", ROC, "tpr"), ("precision_recall", PRECISION, "precision")]
)
def test_a_band_is_drawn_where_its_limits_are_known(draw, frame, y):
    """With low and high the curve has its band, and the axis says of how many per cent."""
    low, high = (frame[y] - 0.1).tolist(), (frame[y] + 0.1).tolist()
    ax = getattr(plots, draw)(frame.assign(low=low, high=high))
    np.testing.assert_allclose(bands(ax), [list(zip(low, high, strict=True))])
    assert "95 % band" in ax.get_ylabel()
    assert bands(getattr(plots, draw)(frame)) == []
    assert bands(getattr(plots, draw)(frame.assign(low=np.nan, high=np.nan))) == []


def test_precision_recall_compares_with_flagging_everybody():
    """The title reads the curve off at half of the defaults; models by average precision."""
    title = finding(plots.precision_recall(PRECISION))
    assert title.startswith("Where half of the defaults are found, 80.0 % of the flagged are")
    assert "20.0 % by guessing" in title
    scored = PRECISION.assign(average_precision=0.61)
    two = pd.concat([scored, scored.assign(model="b", average_precision=0.64)])
    assert finding(plots.precision_recall(two)) == "B has the highest average precision (0.640)"


def test_gain_reads_off_the_riskiest():
    """Found by the riskiest fifth, or the share that was asked for; the better of two models."""
    assert finding(plots.gain(GAIN)) == "The riskiest 20 % hold 50.0 % of the defaults"
    assert finding(plots.gain(GAIN, at=0.1)) == "The riskiest 10 % hold 25.0 % of the defaults"
    ax = plots.gain(pd.concat([GAIN, GAIN.assign(model="b", found=[0.0, 0.6, 0.7, 1.0])]))
    assert finding(ax) == "The riskiest 20 % by b hold 60.0 % of the defaults"
    names = [text.get_text() for text in ax.get_legend().get_texts()]
    assert names == ["a", "b", "perfect", "random order"]


def test_confusion_says_which_decisions_were_wrong():
    """Count, share and interval in each cell, in words whether it was right, and hatched if not."""
    ax = plots.confusion(CONFUSION.sample(frac=1, random_state=1))
    written = texts(ax).replace("\n", " ")
    assert "20.0 % of the row (wrong) 95 %: 18.0 % to 22.0 %" in written
    assert "1,600" in written
    assert sum(patch.get_hatch() == "//" for patch in ax.patches) == 2
    title = "A cut-off of 12.5 % declines 70.0 % of the defaults and 20.0 % of the good loans"
    assert finding(ax) == title
    nobody = CONFUSION.assign(n=[5, 5, 0, 0], share=[0.5, 0.5, np.nan, np.nan])
    assert "no such loans" in texts(plots.confusion(nobody))
    with pytest.raises(ValueError, match=r"must have one row for each .* curves.confusion_at"):
        plots.confusion(CONFUSION.head(3))


def test_importance_marks_what_cannot_be_told_from_nothing():
    """Largest on top, hollow and hatched where the interval contains 0, and said in the title."""
    ax = plots.importance(IMPORTANCE)
    assert [bar.get_width() for bar in ax.patches] == [0.05, 0.004]
    assert [bar.get_hatch() for bar in ax.patches] == [None, "//"]
    title = "Annual income counts most: 0.050 of AUC; 1 of 2 not told from 0 (hatched)"
    assert finding(ax) == title
    few = plots.importance(IMPORTANCE.assign(low=np.nan, high=np.nan))
    assert finding(few).startswith("No column can be told")


def test_segments_draws_every_group_with_its_counts():
    """A row each below its segment's name, filled where the interval misses 1, cut by an arrow."""
    ax = plots.segments(SEGMENTS)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["rent", "own", "unknown"]
    written = texts(ax)
    assert all(words in written for words in ("home ownership", "150 of 1,200", "3 of 40"))
    points = [line for line in ax.lines if line.get_marker() in base.MARKERS]
    assert [line.get_xdata()[0] for line in points] == [1.5, 0.9, 1.2]
    assert [line.get_markerfacecolor() == "white" for line in points] == [False, True, True]
    arrows = [line.get_xdata()[0] for line in ax.lines if line.get_marker() == ">"]
    assert arrows == [ax.get_xlim()[1]]
    assert finding(ax).startswith("Of 3 groups 1 defaults more often than predicted, 0 less")
    assert finding(ax).endswith("furthest: home ownership rent, 1.50 times")
    calm = plots.segments(SEGMENTS.assign(observed_to_expected_low=0.5))
    assert finding(calm).startswith("None of 3 groups can be told")


def test_segments_of_the_auc_keep_a_row_for_groups_with_too_few():
    """A group without an AUC is said to have too few loans, not left out or drawn at zero."""
    ax = plots.segments(SEGMENTS, metric="auc")
    assert texts(ax).count("too few") == 1
    points = [line.get_xdata()[0] for line in ax.lines if line.get_marker() in base.MARKERS]
    assert points == [0.7, 0.6]
    assert finding(ax) == "AUC from 0.600 (home ownership own) to 0.700 (home ownership rent)"
    none = plots.segments(SEGMENTS.assign(auc=np.nan), metric="auc")
    assert "no group has enough" in texts(none).replace("\n", " ")


def test_calibration_counts_intervals_that_miss_the_line():
    """A group whose interval misses its prediction is counted in the title."""
    title = plots.calibration(CALIBRATION).get_title(loc="left").replace("\n", " ")
    assert title == "1 of 2 intervals misses the line of perfect calibration"


def test_score_histogram_draws_shares_of_each_version():
    """Versions with different numbers of predictions are comparable: shares, not counts."""
    ax = plots.score_histogram(SCORES, cutoff=0.2)
    steps = [patch.get_data().values for patch in ax.patches if not patch.get_fill()]
    np.testing.assert_allclose(steps, [[0.75, 0.25], [0.5, 0.5]])
    assert "version 1 (40)" in texts(ax)
    assert "cut-off 20" in texts(ax)


def test_drift_marks_the_null_level_of_each_feature():
    """Largest first, each bar with the PSI that no drift would give beside it."""
    ax = plots.drift(DRIFT)
    assert [bar.get_width() for bar in ax.patches] == [0.31, 0.004]
    np.testing.assert_allclose(ax.lines[0].get_xdata(), [0.009, 0.009])
    assert ax.get_title(loc="left").startswith("1 of 2 drifted, the largest: annual income")
    calm = plots.drift(DRIFT.assign(drifted=False))
    assert calm.get_title(loc="left") == "None of 2 drifted beyond chance"


def test_a_feature_without_data_is_not_drawn_as_calm():
    """No PSI is no bar, and no feature of the count."""
    ax = plots.drift(DRIFT.assign(psi=[np.nan, 0.31]))
    assert [bar.get_width() for bar in ax.patches] == [0.31]
    assert ax.get_title(loc="left").startswith("1 of 1 drifted")


def test_drift_can_show_the_largest_only_and_still_counts_all():
    """`top` leaves bars out of the picture, not out of the sentence."""
    ax = plots.drift(DRIFT, top=1)
    assert len(ax.patches) == 1
    assert "1 of 2 drifted" in ax.get_title(loc="left")


def test_volume_adds_up_rows_of_the_same_moment():
    """Two rows of one month (two versions) are one bar with both counts."""
    ax = plots.volume(pd.concat([VOLUME, VOLUME.head(1)]))
    assert [bar.get_height() for bar in ax.patches] == [20, 20, 30, 40]
    assert "110 predictions" in ax.get_title(loc="left")


def test_alerts_are_counted_whether_listed_or_counted():
    """One row an alert, or rows with counts: the same picture, gravest first."""
    listed = plots.alerts_by_severity(ALERTS)
    counted = plots.alerts_by_severity(
        pd.DataFrame({"severity": ["warning", "critical"], "n": [2, 1]})
    )
    for ax in (listed, counted):
        assert [bar.get_width() for bar in ax.patches] == [1, 2]
        assert ax.get_title(loc="left") == "3 alerts, 1 critical"


def test_alerts_timeline_has_a_row_for_each_rule():
    """Alerts of one rule share a row; the earliest is named."""
    ax = plots.alerts_timeline(ALERTS)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["drift", "scores moved"]
    assert "first drift on 01 Dec 2023" in ax.get_title(loc="left")


def test_alerts_timeline_shows_how_long_an_alert_lasted():
    """A bar from opened to resolved or last seen, an end mark when resolved, days with a month."""
    days = pd.to_datetime(["2023-12-15", "2024-01-05", "2024-01-19", "2024-02-01"], utc=True)
    lasting = pd.DataFrame(
        {
            "rule": ["scores moved", "slow answers"],
            "severity": ["medium", "low"],
            "opened_at": days[:2],
            "last_seen_at": [days[3], days[2]],
            "resolved_at": [pd.NaT, days[2]],
        }
    )
    ax = plots.alerts_timeline(lasting)
    spans = [num2date(line.get_xdata(orig=False)) for line in ax.lines]
    assert [(span[0].date(), span[1].date()) for span in spans] == [
        (days[0].date(), days[3].date()),
        (days[1].date(), days[2].date()),
        (days[2].date(), days[2].date()),  # only the resolved one has an end
    ]
    ax.figure.canvas.draw()
    labels = [label.get_text() for label in ax.get_xticklabels()]
    assert all(re.fullmatch(r"\d\d [A-Z][a-z]{2}\n\d{4}", label) for label in labels)
    assert ax.get_xlabel() == "from opened to resolved, or last seen"


def test_latency_is_lines_over_time_and_bars_for_one_row():
    """A store with one window shows bars; nothing measured is said in words."""
    assert len(plots.latency(LATENCY).lines) == 2
    bars = plots.latency(LATENCY.head(1)).patches
    assert [bar.get_height() for bar in bars] == [5.0, 9.0]
    unknown = plots.latency(LATENCY.assign(p50=np.nan, p95=np.nan))
    assert "no latency was measured" in texts(unknown).replace("\n", " ")


def test_latency_by_version_is_a_group_of_bars_for_each():
    """The log's own summary, one row a version, is drawn without a time column."""
    frame = pd.DataFrame({"model_version": [1, 2], "p50": [5.0, 4.0], "p95": [9.0, 12.0]})
    ax = plots.latency(frame)
    assert [bar.get_height() for bar in ax.patches] == [5.0, 4.0, 9.0, 12.0]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["v1", "v2"]
    assert ax.get_title(loc="left") == "95 % of answers came within 12 ms"


def test_profit_curve_marks_best_and_chosen_cutoff():
    """Best by the frame's own numbers, and the cut-off in force where it is."""
    ax = plots.profit_curve(PROFIT, chosen=0.15)
    assert "best: 20.0 %" in texts(ax)
    assert "in force: 15.0 %" in texts(ax)
    assert "$250" in ax.get_title(loc="left")


def test_power_curve_names_the_first_sample_that_reaches_the_target():
    """The sample in the title is read from the frame; none reached is said."""
    assert "80 % power needs at least 200 per arm" in plots.power_curve(POWER).get_title(loc="left")
    assert "No sample" in plots.power_curve(POWER, target=0.99).get_title(loc="left")


def test_traffic_compares_counts_with_the_plan():
    """Seen and planned stand side by side; the title holds the largest gap in percentage points."""
    ax = plots.traffic(TRAFFIC)
    assert [bar.get_height() for bar in ax.patches] == [480, 520, 500, 500]
    assert "at most 2.0 percentage points off" in ax.get_title(loc="left")


def test_business_impact_draws_losses_left_of_zero():
    """A loss is drawn as a loss, and the best policy is named."""
    ax = plots.business_impact(IMPACT)
    assert [bar.get_width() for bar in ax.patches] == [-20.0, 180.0]
    assert ax.get_title(loc="left") == "Most profit per application: cut-off, $180"


@pytest.mark.parametrize(
    ("kept", "finding"),
    [
        ([1, 2, 3], "Version 2 serves (3 registered); version 3 challenges it"),
        ([1, 2], "Version 2 serves (2 registered); version 1 is one rollback away"),
        ([2], "Version 2 serves (1 registered); there is nothing to roll back to"),
        ([1], "No version serves; 1 registered"),
    ],
)
def test_registry_status_says_who_serves_and_what_stands_by(kept, finding):
    """The sentence follows the aliases, not the numbers of the versions."""
    ax = plots.registry_status(VERSIONS[VERSIONS["version"].isin(kept)])
    assert ax.get_title(loc="left").replace("\n", " ") == finding
    assert sum(text.get_text() in ("v1", "v2", "v3") for text in ax.texts) == len(kept)


def test_two_amounts_of_money_are_no_formula():
    """matplotlib would set what stands between two dollar signs as mathematics."""
    ax = plots.ab_effects(EFFECTS)
    written = [ax.title, ax._left_title, *ax.texts]
    assert not any(text.get_parse_math() for text in written)


def test_a_window_is_written_beneath_its_name():
    """Rows of one name from two windows can be told apart."""
    frame = IMPACT.assign(window=["Dec 2023", None])
    labels = [label.get_text() for label in plots.business_impact(frame).get_yticklabels()]
    assert labels == ["approve all\nDec 2023", "cut-off"]


def test_neighbouring_groups_differ_by_more_than_colour():
    """Every colour comes with a marker, a hatch and a line of its own."""
    looks = list(zip(base.COLOURS, base.MARKERS, base.HATCHES, map(str, base.LINES), strict=True))
    for one, other in itertools.combinations(looks, 2):
        assert all(a != b for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.7123, "", "0.712"),
        (0.7123, "%", "71.2 %"),
        (-1234.5, "$", "−$1,234"),
        (2.5, "$", "$2.50"),
        (12.5, "$", "$12"),
        (2_500_000, "$", "$2.50 M"),
        (1234, "n", "1,234"),
        (float("nan"), "$", "not known"),
    ],
)
def test_numbers_are_said_with_their_unit(value, unit, text):
    """Money, shares and counts read as people write them; a missing number is words."""
    assert base.said(value, unit) == text


def test_a_title_never_parts_a_number_from_its_sign():
    """Lines break at spaces, but not before a per cent sign."""
    assert base.wrap("at most 0.7 % off", 11) == "at most\n0.7 % off"
    assert base.wrap("it reads 3.5 points", 10) == "it reads\n3.5 points"


def test_the_bundle_carries_the_alternative_text_three_times():
    """Text twin, HTML `alt` (escaped) and PNG metadata say the same; the PNG is a picture."""
    shown = plots.picture(plots.volume(VOLUME), alt='100 "predictions",\n  most in March')
    bundle, metadata = shown._repr_mimebundle_()
    assert bundle["text/plain"] == '100 "predictions", most in March' == repr(shown)
    assert metadata["image/png"]["alt"] == bundle["text/plain"]
    assert 'alt="100 &quot;predictions&quot;, most in March"' in bundle["text/html"]
    with Image.open(io.BytesIO(shown.png)) as image:
        assert image.size[0] > shown.width


def test_lab_html_shows_the_alternative_text():
    """nbconvert's lab template, which ignores PNG metadata, shows our `alt` all the same."""
    bundle, metadata = plots.picture(plots.volume(VOLUME), alt="a hundred")._repr_mimebundle_()
    output = nbformat.v4.new_output("display_data", data=bundle, metadata=metadata)
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("", outputs=[output])])
    body, _ = HTMLExporter(template_name="lab").from_notebook_node(notebook)
    assert re.findall(r'<img alt="([^"]*)"', body) == ["a hundred"]
    assert "No description has been provided" not in body


def test_a_figure_without_words_is_refused():
    """An empty alternative text is an error that says what to write."""
    with pytest.raises(ValueError, match="must say in words what the figure shows"):
        plots.picture(plots.volume(VOLUME), alt="  ")
    with pytest.raises(TypeError, match="must be a matplotlib Axes or Figure"):
        plots.picture("volume.png", alt="bars")


def test_show_prints_the_words_without_a_notebook(capsys):
    """Outside a notebook the alternative text is printed, and nothing twice."""
    plots.show(plots.volume(VOLUME), alt="a hundred predictions")
    assert capsys.readouterr().out == "a hundred predictions\n"


def test_show_closes_a_pyplot_figure(monkeypatch):
    """A figure that pyplot holds is closed, so a notebook does not display it again."""
    monkeypatch.setenv("MPLBACKEND", "agg")
    import matplotlib.pyplot as plt

    figure, ax = plt.subplots()
    plots.show(plots.volume(VOLUME, ax), alt="a hundred predictions")
    assert figure.number not in plt.get_fignums()


def test_a_table_of_sentences_is_aligned_to_the_left(monkeypatch):
    """Texts to the left, numbers to the right, heads like their column; no text becomes markup."""
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda bundle, raw: shown.append(bundle))
    frame = pd.DataFrame({"why": ["<td>because", "so"], "n": [1, 2]}, index=[7, 9])
    plots.show_table(frame)
    plots.show_table(frame)
    assert shown[0] == shown[1]
    page = shown[0]["text/html"]
    cells = re.findall(r'<t[hd] style="text-align: (\w+);">([^<]*)</t[hd]>', page)
    assert cells == [
        ("left", "why"), ("right", "n"), ("left", "&lt;td&gt;because"), ("right", "1"),
        ("left", "so"), ("right", "2"),
    ]  # fmt: skip
    lines = shown[0]["text/plain"].splitlines()
    assert [line.split()[0] for line in lines] == ["why", "<td>because", "so"]
    assert len({len(line) for line in lines}) == 1, "the sentences are padded, not pushed"


def test_drawing_needs_no_pyplot_and_switches_no_backend():
    """Importing and drawing leave the choice of a backend to the reader's session."""
    code = (
        "import sys, pandas as pd\n"
        "from mlops_helpers import plots\n"
        "frame = pd.DataFrame({'variant': ['a'], 'n': [1], 'planned': [1]})\n"
        "plots.picture(plots.traffic(frame), alt='one')\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True)
    assert done.returncode == 0, done.stderr.decode()


def test_a_png_is_drawn_once_and_looks_as_savefig_would_draw_it(monkeypatch):
    """The same pixels for half the work: the layout is found out in the same drawing."""
    rows = pd.DataFrame({"feature": ["a", "b"], "value": [0.2, 0.1], "low": 0.0, "high": 0.3})
    expected = io.BytesIO()
    plots.importance(rows).figure.savefig(expected, format="png")
    drawn, draw = [], Figure.draw
    monkeypatch.setattr(Figure, "draw", lambda self, r: drawn.append(self) or draw(self, r))
    found = base.png(plots.importance(rows))
    assert len(drawn) == 1
    pixels = (np.asarray(Image.open(picture)) for picture in (io.BytesIO(found), expected))
    np.testing.assert_array_equal(*pixels)
