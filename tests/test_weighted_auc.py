"""AUC differences of weighted rows: DeLong's where weights are equal, honest where they are not."""

import numpy as np
import pytest
from scipy.stats import binom
from sklearn.metrics import roc_auc_score

from mlops_helpers.delong import auc_difference
from mlops_helpers.weighted_auc import weighted_auc_difference
from tests.two_models import scored


@pytest.mark.parametrize("digits", [None, 2])
def test_equal_weights_are_delongs(digits):
    """Also with ties; the variance differs by n / (n - 1) alone, whatever the common weight."""
    label, old, new, _ = scored(2000, seed=3)
    if digits:
        old, new = old.round(digits), new.round(digits)
    known = auc_difference(label, old, new)
    for weight in (1.0, 7.5):
        found = weighted_auc_difference(label, old, new, np.full(label.size, weight))
        assert found.value == pytest.approx(known.value, abs=1e-12)
        assert (found.low, found.high) == pytest.approx((known.low, known.high), abs=3e-4)


def test_weighted_areas_are_sklearns():
    """The value is the difference of scikit-learn's areas with sample weights, ties included."""
    label, old, new, weight = scored(1500, seed=4)
    old = old.round(2)
    expected = roc_auc_score(label, new, sample_weight=weight) - roc_auc_score(
        label, old, sample_weight=weight
    )
    found = weighted_auc_difference(label, old, new, weight)
    assert found.value == pytest.approx(expected, abs=1e-12)


def test_intervals_cover_when_rows_are_seen_by_chance():
    """Rows seen with known chances: the 95 % interval covers the truth of the whole population."""
    n, repeats, covered = 4000, 300, 0
    rng = np.random.default_rng(8)
    for seed in range(repeats):
        label, old, new, _ = scored(n, seed=seed, noise=(1.0, 1.0))  # two equals: truth 0
        chance = np.where(old < 0.2, 1.0, 0.15)
        seen = rng.random(n) < chance
        found = weighted_auc_difference(label[seen], old[seen], new[seen], 1 / chance[seen])
        covered += found.low <= 0 <= found.high
    error = (0.95 * 0.05 / repeats) ** 0.5
    assert covered / repeats == pytest.approx(0.95, abs=3.5 * error)


def test_a_weight_of_zero_is_no_row():
    """A row that counts for nothing changes nothing but n."""
    label, old, new, _ = scored(600, seed=1)
    weight = np.r_[np.ones(500), np.zeros(100)]
    all_rows = weighted_auc_difference(label, old, new, weight)
    fewer = weighted_auc_difference(label[:500], old[:500], new[:500], weight[:500])
    assert all_rows.low == pytest.approx(fewer.low)
    assert all_rows.value == pytest.approx(fewer.value)


def test_few_of_a_class_have_no_limits():
    """As in delong: with fewer than MIN_PER_CLASS of a class that count there is no interval."""
    label = np.r_[np.ones(25), np.zeros(100)]
    score, other = np.random.default_rng(0).random((2, 125))
    assert weighted_auc_difference(label, score, other, np.ones(125)).known
    weight = np.r_[np.ones(10), np.zeros(15), np.ones(100)]
    assert not weighted_auc_difference(label, score, other, weight).known


@pytest.mark.parametrize(("heavy", "known"), [(4, False), (7, False), (8, True)])
def test_few_heavy_defaults_have_no_limits(heavy, known):
    """Rows that stand for ten need eight of each class; the value is told all the same."""
    label, old, new, _ = scored(2000, seed=5)
    weight = np.ones(2000)
    weight[np.flatnonzero(label == 1)[:heavy]] = 10.0
    weight[np.flatnonzero(label == 0)[:40]] = 10.0
    found = weighted_auc_difference(label, old, new, weight)
    assert np.isfinite(found.value)
    assert found.known is known


def test_a_few_rows_of_little_weight_do_not_matter():
    """Three rows of weight 3 among 2,000 are no reason to say nothing."""
    label, old, new, _ = scored(2000, seed=5)
    weight = np.r_[np.full(3, 3.0), np.ones(1997)]
    assert weighted_auc_difference(label, old, new, weight).known


def test_equal_models_are_called_better_in_one_tail_of_chance():
    """Known chances of 5 %: hardly a heavy default is seen, and no verdict comes of that."""
    better, rng = 0, np.random.default_rng(12)
    for seed in range(200):
        label, old, new, _ = scored(3000, seed=seed, noise=(1.0, 1.0))
        chance = np.where(old < 0.3, 1.0, 0.05)
        seen = rng.random(3000) < chance
        found = weighted_auc_difference(label[seen], old[seen], new[seen], 1 / chance[seen])
        better += found.low > 0
    assert better <= binom.isf(0.001, 200, 0.025)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d.update(weights=d["weights"][:5]), "5 weights"),
        (lambda d: d.update(outcome=np.full(50, 0.5)), "must be 0 or 1"),
        (lambda d: d.update(weights=-d["weights"]), "below 0"),
        (lambda d: d.update(champion=np.full(50, np.nan)), "missing"),
        (lambda d: d.update(weights=np.zeros(50)), "weight above 0"),
        (lambda d: d.update(outcome=np.zeros(50)), "weight above 0"),
    ],
)
def test_unfit_rows_are_named(change, said):
    """What cannot be compared raises, and says why."""
    rng = np.random.default_rng(2)
    given = {
        "outcome": (rng.random(50) < 0.4).astype(float),
        "champion": rng.random(50),
        "challenger": rng.random(50),
        "weights": np.ones(50),
    }
    change(given)
    with pytest.raises(ValueError, match=said):
        weighted_auc_difference(**given)
