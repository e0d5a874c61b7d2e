"""What mlops_helpers.delong promises."""

import numpy as np
import pytest
from scipy.special import logit
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from mlops_helpers.delong import (
    MIN_PER_CLASS,
    auc_contrast,
    auc_difference,
    auc_drop,
    auc_interval,
    auc_moments,
    independent_difference,
    interval_of_moments,
)
from tests.two_models import scored


def test_auc_is_scikit_learns_with_ties():
    """The midrank AUC equals scikit-learn's, also with many ties."""
    label, old, *_ = scored()
    for score in (old, old.round(1)):
        assert auc_interval(label, score).value == pytest.approx(roc_auc_score(label, score))


def test_pairing_narrows_the_interval():
    """Two similar scores on the same rows are compared better paired than as two samples."""
    label, old, new, _ = scored(noise=(0.5, 0.4))
    paired, unpaired = auc_difference(label, old, new), auc_drop(label, new, label, old)
    assert paired.value == pytest.approx(unpaired.value)
    assert paired.high - paired.low < 0.8 * (unpaired.high - unpaired.low)


def test_equal_rankings_differ_by_nothing():
    """A score against itself, rescaled, has difference 0 and no width."""
    label, old, *_ = scored(500)
    found = auc_difference(label, old, old / 2)
    assert (found.value, found.low, found.high) == (0, 0, 0)


def test_a_perfect_ranking_is_not_surely_perfect():
    """Twenty of each without a mistake: the interval is that of twenty successes in twenty."""
    label, score = np.repeat([0, 1], 20), np.arange(40)
    z = 1.959964
    for found in (
        auc_interval(label, score),
        auc_interval(np.r_[label, [0] * 60], np.r_[score, -np.arange(60)]),
    ):
        assert (found.value, found.high) == (1, 1)
        assert found.low == pytest.approx(20 / (20 + z**2), rel=1e-6)
    reverse = auc_interval(1 - label, score)
    assert (reverse.value, reverse.low) == (0, pytest.approx(0, abs=1e-12))
    assert reverse.high == pytest.approx(z**2 / (20 + z**2), rel=1e-6)


def test_interval_stays_within_zero_and_one():
    """A nearly perfect score's interval ends below 1; a constant score's AUC is one half."""
    label, score = np.repeat([0, 1], 20), np.arange(40)
    score[19] = 30
    found = auc_interval(label, score)
    assert found.value < found.high < 1
    constant = auc_interval(label, np.zeros(40))
    assert (constant.value, constant.low, constant.high) == (0.5, 0.5, 0.5)


def test_few_defaults_have_an_auc_but_no_interval():
    """Nineteen of a class, in either sample, give the value without limits; twenty give both."""
    rng = np.random.default_rng(3)

    def drawn(defaults):
        label = np.repeat([1, 0], [defaults, 300])
        return label, label + rng.normal(size=label.size)

    few, enough = drawn(MIN_PER_CLASS - 1), drawn(MIN_PER_CLASS)
    for found in (auc_interval(*few), auc_drop(*enough, *few), auc_drop(*few, *enough)):
        assert np.isfinite(found.value)
        assert not found.known
    assert not auc_difference(*few, -few[1]).known
    assert not auc_interval(1 - few[0], -few[1]).known, "few repaid loans are few as well"
    assert auc_interval(*enough).known
    assert auc_drop(*enough, *enough).known


def with_fewest(auc, repeats=1200):
    """Intervals of normal scores with the least number of defaults and this true AUC."""
    rng = np.random.default_rng(0)
    label = np.repeat([1, 0], [MIN_PER_CLASS, 200])
    shift = np.sqrt(2) * norm.ppf(auc)
    return [
        auc_interval(label, rng.normal(size=label.size) + shift * label) for _ in range(repeats)
    ]


def test_the_least_number_of_defaults_keeps_chance_out():
    """With it a ranking by chance is "better" in 4 % of 1,200 samples at most."""
    assert np.mean([found.low > 0.5 for found in with_fewest(0.5)]) <= 0.04


@pytest.mark.parametrize("auc", [0.75, 0.9])
def test_the_least_number_of_defaults_keeps_the_promise_of_the_interval(auc):
    """With it the intervals of 1,200 samples cover in 90 % at least."""
    assert np.mean([found.low <= auc <= found.high for found in with_fewest(auc)]) >= 0.90


@pytest.mark.parametrize(
    ("label", "score", "said"),
    [
        ([0, 0, 1], [0.1, 0.2, 0.3], "1 defaults"),
        ([0, 1, 0, 1], [0.1, np.nan, 0.2, 0.3], "1 scores"),
        ([0, 1, 0.5, 1], [0.1, 0.2, 0.2, 0.3], "neither 0 nor 1"),
        ([0, 1, 0, 1], [0.1, 0.2], "4 outcomes and 2 scores"),
    ],
)
def test_impossible_input_is_named(label, score, said):
    """One class, missing values, probabilities as labels and lengths are refused by name."""
    with pytest.raises(ValueError, match=said):
        auc_interval(label, score)


def test_intervals_follow_the_definition():
    """Both intervals are those of DeLong's sums over all pairs of loans, ties counted as half.

    One AUC has its half-width on the logit scale, a difference on its own.
    """
    label, *scores, _ = scored(300, seed=2)
    placed = []
    for score in (score.round(1) for score in scores):
        bad, good = score[label == 1][:, None], score[label == 0][None, :]
        wins = (bad > good) + 0.5 * (bad == good)
        placed.append((wins.mean(axis=1), wins.mean(axis=0)))

    def half_width(of_bad, of_good):
        error = of_bad.var(ddof=1) / of_bad.size + of_good.var(ddof=1) / of_good.size
        return 1.959964 * np.sqrt(error)

    (old_bad, old_good), (new_bad, new_good) = placed
    alone = auc_interval(label, scores[0].round(1))
    paired = auc_difference(label, scores[0].round(1), scores[1].round(1))
    reach = half_width(old_bad, old_good) / (alone.value * (1 - alone.value))
    assert logit(alone.high) - logit(alone.value) == pytest.approx(reach, rel=1e-6)
    assert logit(alone.value) - logit(alone.low) == pytest.approx(reach, rel=1e-6)
    expected = half_width(new_bad - old_bad, new_good - old_good)
    assert paired.high - paired.value == pytest.approx(expected, rel=1e-6)


def test_confidence_is_a_share():
    """Percent is refused."""
    with pytest.raises(ValueError, match="confidence is 95"):
        auc_interval([0, 1, 0, 1], [0.1, 0.2, 0.3, 0.4], confidence=95)


def test_a_contrast_is_a_weighted_sum_of_areas():
    """The first area above the mean of two others; a wrong number of weights is an error."""
    rng = np.random.default_rng(11)
    outcome = (rng.random(400) < 0.3).astype(int)
    scores = [rng.normal(size=400) + shift * outcome for shift in (1.5, 0.5, 0.2)]
    areas = [auc_interval(outcome, score).value for score in scores]
    found = auc_contrast(outcome, scores, [1, -0.5, -0.5])
    assert found.value == pytest.approx(areas[0] - (areas[1] + areas[2]) / 2)
    assert found.low < found.value < found.high
    alone = auc_contrast(outcome, scores[:1], [1])
    interval = auc_interval(outcome, scores[0])  # the same variance, on the logit scale
    reach = (logit(interval.high) - logit(interval.low)) / 2 * areas[0] * (1 - areas[0])
    assert alone.high - alone.value == pytest.approx(reach)
    with pytest.raises(ValueError, match=r"3 scores and 2 weights\. Give one weight a score"):
        auc_contrast(outcome, scores, [1, -1])


@pytest.mark.parametrize("digits", [0, 1, 6])
def test_moments_are_all_that_an_interval_needs(digits):
    """From AUC, variance and class sizes comes the interval of the rows, ties or not."""
    label, old, *_ = scored()
    score = old.round(digits)
    positives = int(label.sum())
    sizes = {"positives": positives, "negatives": len(label) - positives}
    found = interval_of_moments(*auc_moments(label, score), **sizes, confidence=0.9)
    assert found == auc_interval(label, score, confidence=0.9)


def test_variances_of_two_samples_add_up():
    """The difference of two independent AUCs has the sum of their variances."""
    label, old, new, _ = scored()
    drop = auc_drop(label, old, label, new)
    variances = [auc_moments(label, score)[1] for score in (old, new)]
    assert (drop.high - drop.low) / 2 == pytest.approx(norm.ppf(0.975) * sum(variances) ** 0.5)


def test_moments_of_few_are_partly_known():
    """No AUC without a class, no variance with few of one; one default is enough for an AUC."""
    score = np.arange(50.0)
    assert np.isnan(auc_moments(np.zeros(50), score)).all()
    for positives in (1, 2, MIN_PER_CLASS - 1):
        label = (score < positives).astype(float)
        auc, variance = auc_moments(label[::-1], score)
        assert auc == 1
        assert np.isnan(variance)


def test_a_difference_of_independent_samples_combines_their_own_intervals():
    """Each side is the root of the squares of the errors that point there (MOVER)."""
    one, other = (0.90, 0.0004), (0.80, 0.0025)
    low, high, _ = independent_difference(one, other)
    of = [interval_of_moments(*each, positives=50, negatives=500) for each in (one, other)]
    assert low == pytest.approx(-0.1 - np.hypot(0.80 - of[1].low, of[0].high - 0.90))
    assert high == pytest.approx(-0.1 + np.hypot(of[1].high - 0.80, 0.90 - of[0].low))
    turned = independent_difference(other, one)
    assert turned[:2] == pytest.approx((-high, -low))


@pytest.mark.parametrize("other", [0.7, 0.79, 0.8, 0.81, 0.95])
def test_the_p_value_of_a_difference_is_the_level_that_reaches_zero(other):
    """At the confidence 1 - p a limit is 0; equal AUCs have p 1."""
    low, high, p = independent_difference((0.8, 0.001), (other, 0.0008))
    if other == 0.8:
        assert p == 1.0
        return
    assert (low > 0 or high < 0) == (p < 0.05)
    limits = independent_difference((0.8, 0.001), (other, 0.0008), confidence=1 - p)[:2]
    assert min(abs(limit) for limit in limits) < 1e-6
    assert independent_difference((0.6, 1e-9), (0.9, 1e-9))[2] < 1e-100


def test_a_difference_with_a_small_sample_misses_no_oftener_on_one_side():
    """AUC 0.9, 216 defaults against 24: too high in about 2.5 % of samples (plain: in 7 %)."""
    rng = np.random.default_rng(12)
    above = 0
    for _ in range(400):
        found = []
        for bad, good in ((216, 1584), (24, 176)):
            outcome = np.repeat([1, 0], [bad, good])
            found.append(auc_moments(outcome, rng.normal(size=bad + good) + 1.8 * outcome))
        above += independent_difference(*found)[0] > 0
    # binomial(400, 0.03) exceeds 21 with probability 0.5 %, binomial(400, 0.074) with 95 %
    assert above <= 21
