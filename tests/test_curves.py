"""The points behind the pictures of a model are the ones that its outcomes give."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import special, stats

from mlops_helpers.curves import (
    calibration_bins,
    confusion_at,
    gain_points,
    pr_bands,
    roc_bands,
    roc_points,
)
from mlops_helpers.performance import evaluate


@pytest.fixture
def loans():
    """Outcomes that follow their probabilities exactly, 5,000 of them."""
    rng = np.random.default_rng(0)
    p = rng.uniform(0.01, 0.5, 5000)
    return (rng.uniform(size=5000) < p).astype(int), p


def test_the_area_under_the_points_is_the_auc(loans):
    """The trapezoids below the curve add up to what `evaluate` calls the AUC."""
    points = roc_points(*loans, model="truth")
    auc = evaluate(*loans, seed=0, n_boot=0).set_index("metric").loc["auc", "value"]
    assert np.trapezoid(points["tpr"], points["fpr"]) == pytest.approx(auc)
    assert points[["fpr", "tpr"]].iloc[[0, -1]].to_numpy().tolist() == [[0, 0], [1, 1]]


def test_calibrated_probabilities_lie_in_their_intervals(loans):
    """Every row is in one bin, and the truth is inside the interval in most bins."""
    bins = calibration_bins(*loans)
    assert bins["n"].sum() == 5000
    assert len(bins) == 10
    assert ((bins["low"] <= bins["bin_mid"]) & (bins["bin_mid"] <= bins["high"])).sum() >= 8
    wrong = calibration_bins(loans[0], np.sqrt(loans[1]))
    assert (wrong["bin_mid"] > wrong["high"]).all(), "probabilities that are all too high"


def test_one_probability_for_all_is_one_bin():
    """A dummy's bins do not fall apart: one group with the default rate."""
    bins = calibration_bins([0, 0, 0, 1], [0.25] * 4)
    assert bins[["bin_mid", "observed", "n"]].to_numpy().tolist() == [[0.25, 0.25, 4]]


@pytest.mark.parametrize("points", [roc_points, gain_points, roc_bands, pr_bands])
@pytest.mark.parametrize(
    ("outcome", "probability", "said"),
    [
        ([], [], "there are no loans; .* needs both 0 and 1"),
        ([1, 1], [0.1, 0.2], "outcomes are all 1; .* needs both 0 and 1. Wait"),
        ([0, np.nan], [0.1, np.nan], "1 outcomes and 1 probabilities are missing. Leave"),
        ([0, 2], [0.1, 0.2], "an outcome is 2, must be 0"),
        ([0, 1], [0.1, 12.0], r"a probability is 12, must lie within \[0, 1\]"),
        ([0, 1], [0.1], "2 outcomes and 1 probabilities. Give one"),
    ],
)
def test_loans_without_a_curve_are_refused(points, outcome, probability, said):
    """No rows, one class, missing or impossible values: the error names value and way out."""
    options = {"seed": 0} if points in (roc_bands, pr_bands) else {}
    with pytest.raises(ValueError, match=said):
        points(outcome, probability, **options)


def test_bands_lie_on_their_curves(loans):
    """The middle of the ROC band is the ROC curve, its area the AUC, and its ends are fixed."""
    band, corners = roc_bands(*loans, seed=1, model="truth"), roc_points(*loans)
    on_curve = np.interp(band["fpr"], corners["fpr"], corners["tpr"])
    np.testing.assert_allclose(band["tpr"][1:-1], on_curve[1:-1], atol=0.002)
    assert band["auc"].unique() == pytest.approx([np.trapezoid(corners["tpr"], corners["fpr"])])
    assert ((band["low"] <= band["tpr"]) & (band["tpr"] <= band["high"])).all()
    assert band[["fpr", "tpr", "low", "high"]].iloc[[0, -1]].to_numpy().tolist() == [
        [0, 0, 0, 0],
        [1, 1, 1, 1],
    ]
    pd.testing.assert_frame_equal(band, roc_bands(*loans, seed=1, model="truth"))


def test_precision_ends_at_the_default_rate(loans):
    """Flagging everybody finds all defaults, at the precision of the default rate."""
    band = pr_bands(*loans, seed=1)
    assert band["precision"].iloc[-1] == pytest.approx(loans[0].mean())
    assert ((band["low"] < band["precision"]) & (band["precision"] < band["high"])).all()
    area = evaluate(*loans, seed=0, n_boot=0).set_index("metric").loc["average_precision", "value"]
    assert band["average_precision"].unique() == pytest.approx([area])
    assert np.trapezoid(band["precision"], band["recall"]) == pytest.approx(area, abs=0.01)


def test_precision_counts_the_fewest_flagged():
    """Defaults at ranks 1 and 3 of 4: half of them alone at the top, all of them among three."""
    band = pr_bands([1, 0, 1, 0], [0.9, 0.8, 0.7, 0.1], seed=1).set_index("recall")
    assert band.loc[0.5, "precision"] == 1
    assert band["low"].isna().all(), "two defaults are too few for limits"


def test_bands_cover_a_known_truth():
    """Of 200 samples with normal scores, about 95 % of the intervals hold the true curve.

    Pointwise: averaged over the curve, and at single points, within what chance allows.
    """
    rng, hits = np.random.default_rng(3), {"roc": [], "pr": []}
    rate, grid = 0.15, np.linspace(0, 1, 101)
    true_tpr = stats.norm.cdf(1 + stats.norm.ppf(grid))
    recall = grid[1:]
    true_fpr = stats.norm.cdf(stats.norm.ppf(recall) - 1)
    true_precision = rate * recall / (rate * recall + (1 - rate) * true_fpr)
    for seed in range(200):
        y = (rng.random(600) < rate).astype(int)
        p = special.expit(rng.normal(size=600) + y)
        roc = roc_bands(y, p, seed=seed, n_boot=100)
        hits["roc"].append(roc["low"].le(true_tpr) & roc["high"].ge(true_tpr))
        pr = pr_bands(y, p, seed=seed, n_boot=100)
        hits["pr"].append(pr["low"].le(true_precision) & pr["high"].ge(true_precision))
    inner = slice(1, -1)  # the ends of a ROC curve are known
    for coverage in (np.mean(hits["roc"], axis=0)[inner], np.mean(hits["pr"], axis=0)):
        assert 0.93 <= coverage.mean() <= 0.97
        assert coverage.min() >= 0.87


def test_equal_probabilities_are_a_diagonal():
    """A dummy's ROC band and gain hold the diagonal, its precision is the default rate."""
    y, p = [1] * 40 + [0] * 60, [0.4] * 100
    band = roc_bands(y, p, seed=1)
    np.testing.assert_allclose(band["tpr"], band["fpr"])
    np.testing.assert_allclose(pr_bands(y, p, seed=1)["precision"], 0.4)
    gain = gain_points(y, p)
    np.testing.assert_allclose(gain["found"], gain["random"])


def test_gain_counts_the_riskiest():
    """The riskiest half of the applications holds what the ranking puts there."""
    gain = gain_points([0, 1, 0, 1], [0.1, 0.9, 0.8, 0.2], model="four").set_index("share")
    assert gain.loc[[0.0, 0.25, 0.5, 0.75, 1.0], "found"].tolist() == [0, 0.5, 0.5, 1, 1]
    assert gain.loc[[0.0, 0.25, 0.5, 1.0], "perfect"].tolist() == [0, 0.5, 1, 1]
    assert (gain["found"] <= gain["perfect"] + 1e-12).all()
    assert gain["model"].unique() == ["four"]


def test_the_corner_of_the_perfect_line_is_a_point(loans):
    """The perfect line bends at the default rate, which is one of the shares."""
    gain = gain_points(*loans)
    assert gain.loc[gain["share"] == loans[0].mean(), "perfect"].tolist() == [1.0]


def test_confusion_counts_every_loan_once():
    """At the cut-off itself a loan is declined; shares are of those with the same outcome."""
    table = confusion_at([0, 0, 0, 1], [0.1, 0.2, 0.3, 0.2], 0.2)
    assert table[["actual", "decided", "n"]].to_numpy().tolist() == [
        ["repaid", "approve", 1],
        ["repaid", "decline", 2],
        ["defaulted", "approve", 0],
        ["defaulted", "decline", 1],
    ]
    np.testing.assert_allclose(table["share"], [1 / 3, 2 / 3, 0, 1])
    assert ((table["low"] <= table["share"]) & (table["share"] <= table["high"])).all()
    assert table["low"][3] < 0.3, "one loan says little"


def test_confusion_without_defaults_has_no_shares_of_them():
    """Nobody defaulted: counts of 0 and no share; no loans at all: the same for both."""
    table = confusion_at([0, 0], [0.1, 0.4], 0.2)
    assert table["n"].tolist() == [1, 1, 0, 0]
    assert table.loc[2:, ["share", "low", "high"]].isna().all(axis=None)
    assert confusion_at([], [], 0.2)["n"].tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("cutoff", [-0.1, 18, float("nan")])
def test_a_cutoff_is_a_probability(cutoff):
    """18 instead of 18 % would approve everybody in silence."""
    with pytest.raises(ValueError, match=r"cutoff is .*, must lie within \[0, 1\]"):
        confusion_at([0, 1], [0.1, 0.2], cutoff)


def test_a_confidence_is_a_share(loans):
    """95 instead of 0.95 is refused."""
    with pytest.raises(ValueError, match="confidence is 95, must lie between 0 and 1"):
        roc_bands(*loans, seed=0, confidence=95)


def test_no_loans_have_no_calibration():
    """An empty sample gives an empty table, which the figure says in words."""
    assert calibration_bins([], []).empty
