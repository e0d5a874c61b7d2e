"""The AUC that probabilities promise is the one that follows when they are right."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_helpers.expected_ranking import MIN_ROWS, expected_auc, expected_auc_drop
from mlops_helpers.performance import expected_performance


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(1, 19), min_size=MIN_ROWS, max_size=MIN_ROWS + 20))
def test_it_is_the_ratio_of_all_pairs(twentieths):
    """Equal to the sums over all pairs, ties counting half."""
    p = np.array(twentieths) / 20
    above = (p[:, None] > p) + 0.5 * (p[:, None] == p)
    pairs = p[:, None] * (1 - p)
    np.fill_diagonal(pairs, 0.0)
    assert expected_auc(p).value == pytest.approx((pairs * above).sum() / pairs.sum())


def test_it_is_what_drawn_labels_show():
    """The mean over labels drawn from the probabilities, which `expected_performance` draws."""
    p = np.random.default_rng(1).beta(1.2, 8, 1500)
    drawn = expected_performance(p, seed=1, n_sim=2000).set_index("metric").loc["auc", "value"]
    assert expected_auc(p).value == pytest.approx(drawn, abs=0.0015)


def test_the_interval_covers_the_truth():
    """95 % of the samples of 800 applicants hold the figure of three million of them."""
    rng = np.random.default_rng(2)
    truth = expected_auc(rng.beta(1.2, 8, 3_000_000)).value
    found = [expected_auc(rng.beta(1.2, 8, 800)) for _ in range(1000)]
    covered = np.mean([x.low <= truth <= x.high for x in found])
    assert covered == pytest.approx(0.95, abs=3.5 * (0.95 * 0.05 / 1000) ** 0.5)


def test_applicants_who_are_alike_are_harder_to_rank():
    """Probabilities drawn together lower the expected AUC surely; the reverse is a gain."""
    rng = np.random.default_rng(3)
    wide = rng.beta(1.2, 8, 2000)
    narrow = (wide + 3 * wide.mean()) / 4
    fell, rose = expected_auc_drop(wide, narrow), expected_auc_drop(narrow, wide)
    assert fell.low > 0.02
    assert rose.value == pytest.approx(-fell.value)
    assert rose.high < 0


def test_too_few_rows_are_unknown_and_no_probabilities_refused():
    """Nothing is said of a handful, of probabilities that are all 0, or of missing ones."""
    many, few = np.full(MIN_ROWS, 0.2), np.full(MIN_ROWS - 1, 0.2)
    assert expected_auc(many).value == pytest.approx(0.5)
    for before, now in ((many, few), (few, many), ([], many)):
        assert not expected_auc_drop(before, now).known
    assert not expected_auc(np.zeros(MIN_ROWS)).known
    with pytest.raises(ValueError, match="outside"):
        expected_auc([0.2, np.nan])
