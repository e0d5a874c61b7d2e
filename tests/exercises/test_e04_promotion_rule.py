"""Exercise 4.4: the solution passes, the stub is a stub, rules that toss coins are told apart."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from mlops_helpers.delong import auc_difference, auc_interval
from mlops_helpers.exercises.e04_promotion_rule import GAIN, two_models
from mlops_helpers.exercises.engine import judge
from tests.exercises.battery import Proof, prove


def given():
    """What the cells of the exercise find in the notebook's kernel."""
    return {"np": np, "pd": pd}


def fit(y, a, b):
    """Whether the loans can be judged at all."""
    if not all(np.isfinite(column).all() for column in (y, a, b)):
        return False
    return min((y == 1).sum(), (y == 0).sum()) >= 20


def guarded(rule):
    """The rule, behind the question whether the loans can be judged."""
    return lambda y, a, b: bool(fit(y, a, b) and rule(y, a, b))


def gain(y, a, b):
    """The difference of the areas, by itself."""
    return roc_auc_score(y, b) - roc_auc_score(y, a)


def paired(confidence=0.95, above=0.0):
    """An interval of the difference must lie above something."""
    return guarded(lambda y, a, b: auc_difference(y, a, b, confidence=confidence).low > above)


def apart(y, a, b):
    """Two intervals that do not overlap."""
    return auc_interval(y, b).low > auc_interval(y, a).high


def unpaired(y, a, b):
    """Adds the variances of the two areas as if they came from different loans."""
    error = np.hypot(
        *(np.ptp([i.low, i.high]) / 3.92 for i in map(lambda s: auc_interval(y, s), (a, b)))
    )
    return gain(y, a, b) > 1.645 * error


def half_each(y, a, b):
    """Judges each model on its own half of the loans."""
    n = len(y) // 2
    first, second = auc_interval(y[:n], a[:n]), auc_interval(y[n:], b[n:])
    return second.value - first.value > 1.645 * (second.high - second.low) / 3.92


def different(y, a, b):
    """Significant, whatever the direction."""
    found = auc_difference(y, a, b)
    return found.low > 0 or found.high < 0


def by_brier(y, a, b):
    """Another question: whose probabilities are nearer."""
    return stats.ttest_1samp((a - y) ** 2 - (b - y) ** 2, 0, alternative="greater").pvalue < 0.05


def by_signs(y, a, b):
    """Counts on how many loans the challenger is nearer to the outcome."""
    wins = int((np.abs(b - y) < np.abs(a - y)).sum())
    return stats.binomtest(wins, len(y), 0.5, alternative="greater").pvalue < 0.05


def five_in_a_hundred(y, a, b):
    """Lets chance decide, at the right level."""
    return int(a.sum() * 1e6) % 20 == 0


def zero_is_enough(y, a, b):
    """Includes the edge."""
    return auc_difference(y, a, b).low >= 0


def by_correlation(y, a, b):
    """Paired by another measure of the same order; a right answer by simulation."""
    return auc_difference(y, stats.rankdata(a), stats.rankdata(b), confidence=0.92).low > 0


def without_guard(y, a, b):
    """Right on good loans, stops on others."""
    return auc_difference(y, a, b).low > 0


def missing_filled(y, a, b):
    """Makes up what is missing."""
    return paired()(np.nan_to_num(y), np.nan_to_num(a, nan=0.1), np.nan_to_num(b, nan=0.1))


def only_finite(y, a, b):
    """Judges on what happens to be there."""
    kept = np.isfinite(y + a + b)
    return paired()(y[kept], a[kept], b[kept])


def twelve_are_enough(y, a, b):
    """Guards against missing values, not against too few defaults."""
    if not np.isfinite(np.r_[y, a, b]).all() or len(set(y)) < 2:
        return False
    if (y == 1).sum() < 20:
        return bool(gain(y, a, b) > 0.2)
    return bool(auc_difference(y, a, b).low > 0)


def resampled(y, a, b):
    """Two hundred times the areas of drawn loans: right, and slow."""
    rng = np.random.default_rng(0)
    drawn = (rng.integers(len(y), size=len(y)) for _ in range(200))
    return np.quantile([gain(y[rows], a[rows], b[rows]) for rows in drawn], 0.05) > 0


def swapped(y, a, b):
    """Champion minus challenger."""
    return auc_difference(y, b, a).low > 0


PROOFS = (
    Proof(
        "4.4",
        given,
        wrong={
            "the higher one": guarded(lambda y, a, b: gain(y, a, b) > 0),
            "never": lambda y, a, b: False,
            "always": lambda y, a, b: True,
            "a hundredth higher": guarded(lambda y, a, b: gain(y, a, b) > 0.01),
            "two hundredths higher": guarded(lambda y, a, b: gain(y, a, b) > 0.02),
            "three hundredths higher": guarded(lambda y, a, b: gain(y, a, b) > 0.03),
            "intervals apart": guarded(apart),
            "variances added": guarded(unpaired),
            "half each": guarded(half_each),
            "80 %": paired(0.8),
            "50 %": paired(0.5),
            "beyond a margin": paired(above=0.02),
            "not worse": paired(above=-0.05),
            "different": guarded(different),
            "chance": guarded(five_in_a_hundred),
            "signs": guarded(by_signs),
            "Brier": guarded(by_brier),
            "zero is enough": guarded(zero_is_enough),
            "no guard": without_guard,
            "missing ones filled": missing_filled,
            "missing ones left out": only_finite,
            "twelve are enough": twelve_are_enough,
            "swapped": guarded(swapped),
            "too slow": guarded(resampled),
            "nothing": lambda y, a, b: print(gain(y, a, b)) if fit(y, a, b) else False,
            "a number": lambda y, a, b: float(gain(y, a, b)),
            "an interval": lambda y, a, b: auc_difference(y, a, b),
        },
        # coins, margins, unpaired intervals and open doors are different words
        said={
            "the higher one": "toss of a coin",
            "never": "never to promote is never wrong",
            "always": "not to be surely worse",
            "two hundredths higher": "How large may a difference by chance be",
            "intervals apart": "judged on the same loans",
            "different": "surely different is not surely better",
            "swapped": "which is subtracted from which",
            "zero is enough": "exactly 0",
            "too slow": "milliseconds for each are enough",
            "nothing": "is a `return` missing?",
            "80 %": "is not chance",
            "no guard": "stops with an exception",
            "twelve are enough": "twelve loans have defaulted",
        },
    ),
)
test_solution, test_blank, test_wrong_answers = prove(*PROOFS)


@pytest.mark.parametrize("answer", [paired(), paired(0.9), paired(0.98), guarded(by_correlation)])
def test_more_than_one_level_is_right(answer):
    """One-sided five per cent, and stricter ones that still find the better model."""
    assert judge("4.4", answer).status == "right"


def test_equals_are_equal_and_the_better_one_is_better_by_the_gain():
    """The truth behind the check: measured on 400,000 loans."""
    for own in (0.3, 1.0):
        assert abs(gain(*two_models(seed=1, rows=400_000, own=own))) < 0.003
    better = gain(*two_models(seed=2, rows=400_000, own=0.3, less=0.28))
    assert better == pytest.approx(GAIN, abs=0.002)
