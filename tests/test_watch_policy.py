"""A plan of looks that can be kept, or a sentence that says why not."""

import numpy as np
import pytest
from scipy import stats

from mlops_helpers.watch_policy import WatchPolicy


def test_a_look_is_due_at_its_day():
    """Six looks in 360 days: one every sixty, none before the first, none after the last."""
    policy = WatchPolicy(days=360, looks=6)
    days = [0, 59.99, 60, 119, 120, 359.9, 360, 1000, -5]
    assert [policy.look_at(day) for day in days] == [0, 0, 1, 1, 2, 5, 6, 6, 0]


def test_looks_before_the_first_outcome_decide_nothing():
    """Half a year until an outcome is known: the first looks have an infinite limit."""
    z = np.array(WatchPolicy(days=360, looks=6, label_days=180).z)
    assert np.isinf(z).tolist() == [True, True, True, False, False, False]
    assert (np.diff(z[3:]) < 0).all()
    assert z[-1] > 1.6449  # the last look alone would have the whole 5 %
    assert np.isfinite(WatchPolicy(label_days=0).z).all()


@pytest.mark.parametrize(
    ("bent", "most"), [(1.0, 0.0501), (0.5, 0.05), (2.0, 0.0556), (3.0, 0.0587)]
)
def test_applications_that_come_unevenly_change_the_error_little(bent, most):
    """Early or late: computed from the looks' true correlations, not drawn."""
    z = np.array(WatchPolicy().z)
    days = np.arange(1, 7) * 365 / 6
    known = np.clip((days - 182) / (365 - 182), 0, None)[2:] ** bent
    together = np.sqrt(np.minimum.outer(known, known) / np.maximum.outer(known, known))
    error = 1 - stats.multivariate_normal(cov=together, allow_singular=True).cdf(z[2:])
    assert 0.04 < error < most
    assert stats.norm.sf(z).sum() < 0.066  # whatever the correlations are


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"days": 0}, "days is 0, must be a whole number from 1 up"),
        ({"looks": 2.5}, "looks is 2.5, must be a whole number"),
        ({"looks": True}, "looks is True, must be a whole number"),
        ({"label_days": -1}, "label_days is -1, must be a whole number from 0 up"),
        ({"error": float("nan")}, "error is nan, must lie between 0 and 0.5"),
        ({"error": 0.0}, "error is 0.0, must lie between"),
        ({"days": 100}, "label_days is 182 and the watch has 100 days: it would end before"),
        ({"primary": "recall"}, "primary is 'recall', must be one of profit, auc, brier"),
        ({"min_rows": 0}, "min_rows is 0, must be"),
    ],
)
def test_a_watch_that_cannot_be_is_refused(options, said):
    """Name, value, rule."""
    with pytest.raises(ValueError, match=said):
        WatchPolicy(**options)
