"""What mlops_helpers.ab_mismatch promises."""

import numpy as np
import pytest
from scipy import stats

from mlops_helpers import ab_mismatch
from mlops_helpers.ab_mismatch import SRM_ALPHA, check_ratio, check_stages
from mlops_helpers.assignment import Experiment

ARMS = ("control", "b", "c")


def counted(*stages):
    """Counts of each stage by arm."""
    return [dict(zip(ARMS, map(int, stage), strict=False)) for stage in stages]


def failed(total, split, *, stages=1, draws=1000, lost=0.0, seed=1):
    """The share of drawn experiments that fail; the last arm loses a share of its units."""
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(total // stages, split, (draws, stages))
    drawn[..., -1] -= rng.binomial(drawn[..., -1], lost)
    shares = [split] * stages
    return np.mean([not check_stages(counted(*each), shares).passed for each in drawn])


def test_everything_exported_exists():
    """__all__ names only what is there."""
    assert all(hasattr(ab_mismatch, name) for name in ab_mismatch.__all__)


def test_ratio_check_is_scipys_chi_square():
    """The p-value is SciPy's; the planned split counts, not equality."""
    plan = Experiment("x", split=(0.9, 0.1))
    check = check_ratio({"control": 900, "treatment": 110}, plan)
    assert check.p_value == pytest.approx(stats.chisquare([900, 110], [909, 101]).pvalue)
    assert check.passed
    assert check.table["planned"].tolist() == pytest.approx([909, 101])
    assert not check_ratio({"control": 500, "treatment": 500}, plan).passed


def test_ratio_check_knows_the_ramp():
    """While a tenth of the treatment's share is let in, that is what is planned."""
    ramped = Experiment("x", split=(0.5, 0.5)).at(0.2)
    assert check_ratio({"control": 900, "treatment": 100}, ramped).passed
    assert not check_ratio({"control": 500, "treatment": 500}, ramped).passed


def test_ratio_check_of_a_small_arm_is_exact():
    """Over every possible count of a 99:1 split the chance of a false alarm is at most nominal."""
    plan = Experiment("x", split=(0.99, 0.01))
    for total in (50, 100, 500):
        alarm = sum(
            stats.binom.pmf(few, total, 0.01)
            for few in range(total + 1)
            if not check_ratio({"control": total - few, "treatment": few}, plan).passed
        )
        assert alarm <= SRM_ALPHA
    assert not check_ratio({"control": 40, "treatment": 10}, plan).passed


def test_nobody_fails():
    """Without a unit there is no p-value, and the check fails."""
    check = check_ratio({}, Experiment("x"))
    assert np.isnan(check.p_value)
    assert not check.passed


@pytest.mark.parametrize("wrong", [-1, 1.5, float("nan")])
def test_what_are_no_counts_is_refused(wrong):
    """Whole units, 0 or more."""
    with pytest.raises(ValueError, match=r"counts is .* must be a whole number of units"):
        check_stages([{"control": wrong, "b": 5}], [(0.5, 0.5)])
    with pytest.raises(ValueError, match="whole number of units"):
        check_ratio({"control": wrong, "treatment": 5}, Experiment("x"))


def test_a_small_arm_has_scipys_binomial_test():
    """Few planned in one stage: the exact p-value."""
    found = check_ratio({"control": 990, "treatment": 17}, Experiment("x", split=(0.99, 0.01)))
    assert found.p_value == pytest.approx(stats.binomtest(17, 1007, 0.01).pvalue)


def test_small_stages_add_up_exactly():
    """Over two stages a count is the sum of two binomials, whatever their shares."""
    shares = [(0.98, 0.02), (0.5, 0.5)]
    found = check_stages(counted((97, 3), (4, 6)), shares)
    of = [stats.binom(100, 0.02), stats.binom(10, 0.5)]
    chance = np.convolve(of[0].pmf(np.arange(101)), of[1].pmf(np.arange(11)))
    expected = chance[chance <= chance[9] * (1 + 1e-9)].sum()
    assert found.p_value == pytest.approx(expected)
    assert found.expected == {"control": pytest.approx(103), "b": pytest.approx(7)}


def test_stages_are_pooled():
    """Three arms, two stages: what is more than planned against its covariance, added up."""
    stages, shares = [(880, 70, 50), (690, 660, 650)], [(0.9, 0.05, 0.05), (0.4, 0.3, 0.3)]
    total, split = np.sum(stages, axis=1), np.array(shares)
    far = np.sum(stages, axis=0) - total @ split
    covariance = sum(n * (np.diag(p) - np.outer(p, p)) for n, p in zip(total, split, strict=True))
    square = far @ np.linalg.pinv(covariance) @ far
    found = check_stages(counted(*stages), shares)
    assert found.p_value == pytest.approx(stats.chi2.sf(square, 2))
    assert found.counts == {"control": 1570, "b": 730, "c": 700}


def test_a_loss_is_noticed_in_ten_stages_as_in_one():
    """A tenth of the treatment lost from 10,000 units: seen in 97 % of the draws, not in 71 %."""
    found = [failed(10_000, (0.5, 0.5), stages=k, draws=300, lost=0.1) for k in (1, 10)]
    assert min(found) > 0.92
    assert abs(found[0] - found[1]) < 0.04


@pytest.mark.parametrize(("total", "stages"), [(50, 1), (200, 1), (2000, 1), (600, 3), (9000, 3)])
def test_false_alarms_of_small_arms_are_nominal(total, stages):
    """98:1:1: of 1,000 draws hardly any is called a mismatch (chi-square alone: 0.5 %)."""
    alarms = failed(total, (0.98, 0.01, 0.01), stages=stages)
    assert alarms <= 0.005  # binomial(1000, 0.001) exceeds 5 with probability 0.06 %


def test_an_arm_that_should_be_small_and_is_not():
    """Thousands where a handful was planned have no chance."""
    assert check_stages(counted((5000, 5000)), [(0.9999, 0.0001)]).p_value < 1e-12
