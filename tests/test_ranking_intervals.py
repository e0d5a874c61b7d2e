"""What mlops_helpers.ranking_intervals promises."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from mlops_helpers.ranking_intervals import ranking_limits
from mlops_helpers.weighted_metrics import NAMES, statistics
from tests.benchmarks.coverage_metrics import ks_with_ties
from tests.binormal import Binormal


def ascending(y, p):
    """Labels and probabilities in the order that the module asks for."""
    order = np.argsort(p, kind="stable")
    return np.asarray(y, dtype=float)[order], p[order]


def value(y, p, name):
    """A metric's point estimate."""
    return statistics(y[None, :], 1 - y[None, :], p)[0, NAMES.index(name)]


@pytest.mark.parametrize("auc", [0.6, 0.75, 0.9])
def test_intervals_cover(auc):
    """In 300 samples of about 50 defaults each 95 % interval covers 91 to 99 times in a hundred."""
    world, rng = Binormal(auc), np.random.default_rng(round(100 * auc))
    truth, covered = world.truth(), np.zeros(2)
    for seed in range(300):
        found = ranking_limits(*ascending(*world.draw(400, rng)), seed=seed, n_boot=150, level=0.95)
        covered += [
            found.ks[0] <= truth["ks"] <= found.ks[1],
            found.average_precision[0] <= truth["average_precision"] <= found.average_precision[1],
        ]
    assert (covered >= 0.91 * 300).all()
    assert (covered <= 0.99 * 300).all()


def test_ks_covers_with_six_distinct_probabilities():
    """Of 400 upper limits at most 5 % lie below the truth (9 % did), and 93 % of all cover."""
    found = ks_with_ties(400, seed=1)
    assert found["too_low"] <= 0.05
    assert found["covered"] >= 0.93


def test_a_chance_ranking_may_have_a_ks_of_nothing():
    """Where scores know nothing, the interval of KS reaches down to 0 nine times in ten or more."""
    world, rng = Binormal(0.5), np.random.default_rng(3)
    lowest = [
        ranking_limits(*ascending(*world.draw(400, rng)), seed=seed, n_boot=150, level=0.95).ks[0]
        for seed in range(200)
    ]
    assert min(lowest) == 0
    assert np.mean(np.array(lowest) == 0) >= 0.9


def test_precision_is_bootstrapped_as_in_the_textbook():
    """The interval is that of resampling one sample at a time, on the logit scale, by hand."""
    from scipy.special import expit, logit
    from scipy.stats import t

    y, p = ascending(*Binormal(0.75).draw(400, np.random.default_rng(5)))
    rows = np.random.default_rng(9).integers(0, 400, size=(200, 400))
    drawn = logit([average_precision_score(y[i], p[i]) for i in rows])
    defaults = y.sum()
    centre = 2 * logit(average_precision_score(y, p)) - drawn.mean()
    error = drawn.std(ddof=1) * np.sqrt(defaults / (defaults - 1))
    reach = t.ppf(0.975, defaults - 1) * error
    found = ranking_limits(y, p, seed=9, n_boot=200, level=0.95).average_precision
    assert found == pytest.approx(expit([centre - reach, centre + reach]))


def test_ks_does_not_depend_on_the_sign_of_the_score():
    """A score turned round has the same KS, with nearly the same interval."""
    y, p = ascending(*Binormal(0.75).draw(1000, np.random.default_rng(6)))
    there = ranking_limits(y, p, seed=1, n_boot=400, level=0.95).ks
    back = ranking_limits(*ascending(y, 1 - p), seed=1, n_boot=400, level=0.95).ks
    assert back == pytest.approx(there, abs=0.01)


def test_limits_enclose_the_value_on_the_scale_and_narrow_with_the_level():
    """Ties or none: 0 <= low <= value <= high <= 1, and 80 % lies within 99 %."""
    for seed in range(10):
        y, p = Binormal(0.8).draw(200, np.random.default_rng(seed))
        y, p = ascending(y, np.round(p, 1 if seed % 2 else 3))
        wide, narrow = (
            ranking_limits(y, p, seed=1, n_boot=100, level=level) for level in (0.99, 0.8)
        )
        for name in ("ks", "average_precision"):
            (low, high), (inner_low, inner_high) = getattr(wide, name), getattr(narrow, name)
            assert 0 <= low <= inner_low <= value(y, p, name) <= inner_high <= high <= 1


def test_a_perfect_ranking_has_a_ks_interval_and_no_other():
    """No mistake among thirty of each: KS is not surely 1; of precision resampling says nothing."""
    y, p = np.repeat([0.0, 1.0], 30), np.linspace(0.1, 0.9, 60)
    found = ranking_limits(y, p, seed=1, n_boot=50, level=0.95)
    assert 0.75 < found.ks[0] < 0.9
    assert found.ks[1] == 1
    assert np.isnan(found.average_precision).all()


def test_a_score_of_one_value_has_a_ks_of_nearly_nothing():
    """No cut separates anything: KS starts at 0 and ends soon; precision is the default rate's."""
    y = np.repeat([0.0, 1.0], [90, 30])
    found = ranking_limits(y, np.full(120, 0.3), seed=1, n_boot=100, level=0.95)
    assert found.ks[0] == 0
    assert found.ks[1] < 0.1
    assert found.average_precision[0] < 0.25 < found.average_precision[1]


def test_a_nearly_perfect_ranking_has_finite_limits():
    """One mistake among the last two: some resamples are perfect, the limits are finite."""
    y, p = np.repeat([0.0, 1.0], 30), np.linspace(0.1, 0.9, 60)
    y[[29, 30]] = y[[30, 29]]
    low, high = ranking_limits(y, p, seed=1, n_boot=200, level=0.95).average_precision
    assert 0.9 < low < high <= 1
