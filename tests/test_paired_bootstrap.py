"""What mlops_helpers.paired_bootstrap promises."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from mlops_helpers.delong import MIN_PER_CLASS, auc_difference
from mlops_helpers.paired_bootstrap import _Area, auc_difference_bootstrap
from tests.two_models import scored


def test_a_replicate_is_scikit_learns_auc_of_the_drawn_loans():
    """Counting how often each loan is drawn gives the AUC of the drawn loans, ties included."""
    label, old, *_ = scored(400, seed=5)
    score = old.round(2)
    rng = np.random.default_rng(2)
    for _ in range(5):
        drawn = rng.integers(0, label.size, label.size)
        found = _Area(label, score).drawn(np.bincount(drawn, minlength=label.size))
        assert found == pytest.approx(roc_auc_score(label[drawn], score[drawn]), abs=1e-12)


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
@pytest.mark.parametrize("digits", [17, 1])
def test_delong_agrees_with_the_bootstrap(seed, digits):
    """Both limits of DeLong lie within 7 % of the bootstrap interval's width, also with ties."""
    label, *scores, _ = scored(1500, seed=seed, noise=(1.0, 0.7))
    old, new = (score.round(digits) for score in scores)
    slow, fast = (
        auc_difference_bootstrap(label, old, new, seed=seed),
        auc_difference(label, old, new),
    )
    width = slow.high - slow.low
    assert slow.value == fast.value
    assert fast.low == pytest.approx(slow.low, abs=0.07 * width)
    assert fast.high == pytest.approx(slow.high, abs=0.07 * width)


def test_chance_is_an_argument():
    """The same seed gives the same limits, another seed others, a model against itself none."""
    label, old, new, _ = scored(600)
    first = auc_difference_bootstrap(label, old, new, replicates=200, seed=1)
    assert first == auc_difference_bootstrap(label, old, new, replicates=200, seed=1)
    assert first != auc_difference_bootstrap(label, old, new, replicates=200, seed=2)
    itself = auc_difference_bootstrap(label, old, old / 2, replicates=200, seed=1)
    assert (itself.value, itself.low, itself.high) == (0, 0, 0)


def test_a_higher_confidence_is_wider():
    """99 % limits enclose those of 90 % from the same draws."""
    label, old, new, _ = scored(600)
    narrow, wide = (
        auc_difference_bootstrap(label, old, new, replicates=300, seed=1, confidence=c)
        for c in (0.9, 0.99)
    )
    assert wide.low < narrow.low < narrow.high < wide.high


def test_what_delong_refuses_is_refused():
    """Few of a class: no limits; missing scores and too few replicates: by name."""
    label = np.repeat([1, 0], [MIN_PER_CLASS - 1, 200])
    score = np.arange(label.size, dtype=float)
    assert not auc_difference_bootstrap(label, score, -score, seed=1).known
    with pytest.raises(ValueError, match="1 scores are missing"):
        auc_difference_bootstrap(label, np.r_[np.nan, score[1:]], score, seed=1)
    with pytest.raises(ValueError, match="replicates is 99"):
        auc_difference_bootstrap(label, score, score, replicates=99, seed=1)
