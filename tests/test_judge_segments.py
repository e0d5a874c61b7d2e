"""What mlops_helpers.judge_segments promises."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

from mlops_helpers.delong import auc_difference
from mlops_helpers.judge_scores import TwoScores
from mlops_helpers.judge_segments import worst_group

WORLD = TwoScores()
REPEATS = 200


def divided(n, groups, rng, *, harmed=0.0):
    """Outcomes, champion, challenger of equal AUC, and groups; the first may be ranked by chance.

    `harmed`: by how much the noise of the challenger is larger in the first group, which holds a
    third of the rows.
    """
    outcome, old, new, _ = next(WORLD.draw(n, [WORLD.noise], rng))
    names = np.where(rng.random(n) < 1 / 3, 0, rng.integers(1, groups, n))
    spoilt = np.where(names == 0, new + harmed * rng.normal(size=n), new)
    frame = pd.DataFrame({"region": [f"r{name}" for name in names]})
    return frame, outcome, old, np.clip(spoilt, 0, 1)


@pytest.mark.parametrize("groups", [4, 30])
def test_equal_models_harm_nobody(groups):
    """However many groups: in 2.5 % of samples one is "surely ranked worse" (by any amount)."""
    rng = np.random.default_rng(groups)
    false = sum(worst_group(*divided(3000, groups, rng))[0].high < 0 for _ in range(REPEATS))
    assert false <= binom.isf(0.001, REPEATS, 0.025)


def test_a_group_ranked_nearly_by_chance_is_found_and_named():
    """A third of 4,000 loans whose probabilities are noise: found by more than the margin."""
    rng = np.random.default_rng(5)
    found = [worst_group(*divided(4000, 6, rng, harmed=0.5)) for _ in range(40)]
    assert sum(gap.high < -0.05 for gap, _ in found) >= 36
    assert all("region r0" in told for _, told in found)


def test_the_interval_is_delongs_at_the_confidence_of_many():
    """Two groups at 95 % together are 97.5 % each."""
    frame, outcome, old, new = divided(2000, 2, np.random.default_rng(1))
    found, told = worst_group(frame, outcome, old, new)
    each = []
    for name in ("r0", "r1"):
        inside = (frame["region"] == name).to_numpy()
        given = (outcome[inside], old[inside], new[inside])
        each.append(auc_difference(*given, confidence=0.975))
    assert found == min(each, key=lambda gap: gap.high)
    assert told.startswith("worst of 2 groups, region r")


def test_small_groups_are_named_and_not_judged():
    """Groups with few defaults are told; of very many only some; with none left it is refused."""
    frame, outcome, old, new = divided(2000, 2, np.random.default_rng(1))
    frame["region"] = frame["region"].where(frame.index >= 30, "coast")
    frame["id"] = [f"loan {number}" for number in range(2000)]
    _, told = worst_group(frame, outcome, old, new)
    assert "worst of 2 groups" in told
    assert "Too small for a ranking, 2001 of 2003: region coast; id loan 0" in told
    assert "and 1992 more" in told
    with pytest.raises(ValueError, match="none of 2000 groups has 20 loans of each class"):
        worst_group(frame[["id"]], outcome, old, new)


def test_rows_are_taken_in_their_order():
    """An index of another order or numbers as columns' names change nothing."""
    frame, outcome, old, new = divided(2000, 3, np.random.default_rng(1))
    shuffled = frame.set_axis(frame.index[::-1]).set_axis([7], axis=1)
    first, told = worst_group(shuffled, outcome, old, new)
    assert first == worst_group(frame, outcome, old, new)[0]
    assert "7 r" in told
