"""What mlops_helpers.weighted_metrics promises."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, brier_score_loss, log_loss, roc_auc_score

from mlops_helpers.weighted_metrics import NAMES, chunks, ranked, statistics, tally


def sample(n=300, seed=0, *, ties=False):
    """Labels with ascending probabilities."""
    rng = np.random.default_rng(seed)
    p = np.sort(rng.beta(2, 8, n))
    return (rng.random(n) < p).astype(float), np.round(p, 1) if ties else p


@pytest.mark.parametrize("ties", [False, True])
def test_a_weight_is_so_many_copies_of_a_row(ties):
    """Three weightings at once equal scikit-learn's metrics of the repeated rows."""
    y, p = sample(ties=ties)
    counts = np.random.default_rng(1).poisson(1, size=(3, y.size)).astype(float)
    found = statistics(counts * y, counts * (1 - y), p)
    assert found.shape == (3, len(NAMES))
    for row, times in zip(found, counts.astype(int), strict=True):
        got = dict(zip(NAMES, row, strict=True))
        y_, p_ = np.repeat(y, times), np.repeat(p, times)
        assert got["auc"] == pytest.approx(roc_auc_score(y_, p_))
        assert got["average_precision"] == pytest.approx(average_precision_score(y_, p_))
        assert got["brier"] == pytest.approx(brier_score_loss(y_, p_))
        assert got["log_loss"] == pytest.approx(log_loss(y_, np.clip(p_, 1e-15, 1 - 1e-15)))
        assert got["default_rate"] == pytest.approx(y_.mean())


def test_gaps_are_differences_of_shares_at_each_distinct_probability():
    """Two defaults at .1 and .3, two repaid at .1 and .2: gaps 0, -1/2 and 0, by hand."""
    d, r = tally(
        np.array([[1.0, 0, 0, 1]]), np.array([[0.0, 1, 1, 0]]), np.array([0.1, 0.1, 0.2, 0.3])
    )
    assert d.tolist() == [[1, 0, 1]]
    assert r.tolist() == [[1, 1, 0]]
    gaps, precision = ranked(d, r)
    assert gaps.tolist() == [[0, -0.5, 0]]
    assert precision == pytest.approx([(1 / 1 + 2 / 4) / 2])


def test_one_class_has_no_ranking_and_no_rows_have_nothing():
    """NaN for what needs both classes; all NaN without rows."""
    alone = dict(
        zip(
            NAMES,
            statistics(np.zeros((1, 2)), np.ones((1, 2)), np.array([0.1, 0.2]))[0],
            strict=True,
        )
    )
    assert np.isnan([alone[name] for name in ("auc", "gini", "ks", "average_precision")]).all()
    assert alone["default_rate"] == 0
    assert np.isnan(statistics(np.empty((2, 0)), np.empty((2, 0)), np.empty(0))).all()


def test_chunks_add_up_and_stay_small():
    """However wide a row, the parts add up to the whole and none is empty."""
    for width in (10, 300_000, 5_000_000):
        sizes = list(chunks(500, width))
        assert sum(sizes) == 500
        assert all(size == 1 or 0 < size * width <= 2_000_000 for size in sizes)
