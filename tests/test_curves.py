"""The points behind the pictures of a model are the ones that its outcomes give."""

from __future__ import annotations

import numpy as np
import pytest

from mlops_helpers.curves import calibration_bins, roc_points
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


def test_a_curve_needs_both_outcomes():
    """Nobody defaulted: no curve, and the error says so."""
    with pytest.raises(ValueError, match="needs both 0 and 1"):
        roc_points([0, 0], [0.1, 0.2])


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
