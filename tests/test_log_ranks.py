"""Areas from ranks that a database has summed are DeLong's, on both databases."""

from __future__ import annotations

import numpy as np
import pytest
import sqlalchemy as sa

from mlops_helpers.delong import auc_moments
from mlops_helpers.log_ranks import SUMS, auc, rank_sums


def asked(url: str, arm: list[int], outcome: np.ndarray, score: np.ndarray) -> dict[int, object]:
    """What the database answers for these rows, by arm."""
    rows = [
        sa.select(
            sa.literal(int(a)).label("arm"),
            sa.literal(int(y)).label("outcome"),
            sa.cast(sa.literal(float(p)), sa.Double).label("probability"),
        )
        for a, y, p in zip(arm, outcome, score, strict=True)
    ]
    query = rank_sums(sa.union_all(*rows), part=1)
    names = ["part", "arm", *SUMS, "first", "last"]
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        found = [dict(zip(names, row, strict=True)) for row in connection.execute(query)]
    engine.dispose()
    assert {row["part"] for row in found} == {1}
    return {row["arm"]: row for row in found}


@pytest.mark.parametrize("scores", [2, 5, 1_000_000])
def test_ties_and_arms_are_delongs(store_url, scores):
    """With many ties and with none, each arm by itself."""
    rng = np.random.default_rng(scores)
    arm, outcome = rng.integers(2, size=200), rng.integers(2, size=200)
    score = rng.integers(scores, size=200) / scores + 0.3 * outcome * (scores > 2)
    found = asked(store_url, arm, outcome, score)
    for k in (0, 1):
        mine = arm == k
        positives, negatives, *moments = auc(found[k])
        assert (positives, negatives) == tuple((outcome[mine] == y).sum() for y in (1, 0))
        assert moments == pytest.approx(auc_moments(outcome[mine], score[mine]), rel=1e-9)


@pytest.mark.parametrize("better", [0.0, 0.5, 1.0])
def test_the_best_the_worst_and_no_ranking_at_all(store_url, better):
    """Areas of exactly 1, 0 and 1/2 have a variance of exactly 0, never below."""
    outcome = np.arange(90) % 3 == 0
    score = np.full(90, 0.25) if better == 0.5 else np.where(outcome, better, 0.5)
    found = asked(store_url, [0] * 90, outcome, score)
    assert auc(found[0]) == (30, 60, better, 0.0)


@pytest.mark.parametrize(("positives", "known"), [(19, False), (20, True)])
def test_a_variance_needs_as_many_of_a_class_as_delongs(store_url, positives, known):
    """Below that there is an area and no variance."""
    outcome = np.arange(60) < positives
    score = np.random.default_rng(1).uniform(size=60)
    *_, area, variance = auc(asked(store_url, [0] * 60, outcome, score)[0])
    wanted = auc_moments(outcome, score)
    assert (area, np.isfinite(variance)) == (pytest.approx(wanted[0]), known)


def test_without_a_class_or_without_rows_nothing_is_known(store_url):
    """Counts, and NaN: no arm and a lone class are no error."""
    nothing = auc(None)
    assert nothing[:2] == (0, 0)
    alone = auc(asked(store_url, [0, 0], np.array([1, 1]), np.array([0.1, 0.2]))[0])
    assert alone[:2] == (2, 0)
    assert np.isnan([*nothing[2:], *alone[2:]]).all()
