"""DeLong's paired interval against the paired bootstrap it replaces, and how it grows with rows.

The peer is the loop that one writes: draw rows, `sklearn.metrics.roc_auc_score` twice, percentiles.
Its replicates all cost the same, so a few are timed and the time of 2,000 is their multiple.
"""

from __future__ import annotations

import time
from dataclasses import replace
from math import log10

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from mlops_helpers.delong import auc_difference
from mlops_helpers.judge_scores import TwoScores
from mlops_helpers.judging import judge
from mlops_helpers.paired_bootstrap import auc_difference_bootstrap
from tests.benchmarks.measuring import paired, seconds

ROWS = 100_000
REPLICATES = 2000
TIMED = 10
"""Replicates that are timed; the ratio is multiplied by REPLICATES / TIMED."""
SIZES = (1_000, 10_000, 100_000, 1_000_000)


def drawn(rows: int):
    """Outcomes, champion, challenger and amounts of so many loans; the truth is known."""
    world = TwoScores()
    return next(world.draw(rows, [world.noise_for(0.01)], np.random.default_rng(1)))


def replicates(times: int, outcome, champion, challenger) -> list[float]:
    """AUC differences of rows drawn in pairs, with scikit-learn."""
    rng = np.random.default_rng(2)
    found = []
    for _ in range(times):
        i = rng.integers(0, outcome.size, outcome.size)
        new, old = (roc_auc_score(outcome[i], score[i]) for score in (challenger, champion))
        found.append(new - old)
    return found


def processor_seconds(work, times: int) -> list[float]:
    """Processor time of each of several calls, after one that warms up."""
    work()
    found = []
    for _ in range(times):
        begun = time.process_time()
        work()
        found.append(time.process_time() - begun)
    return found


def test_delong_against_two_thousand_replicates(figures):
    """A hundred times faster, on 100,000 rows."""
    given = drawn(ROWS)[:3]
    few = paired(lambda: replicates(TIMED, *given), lambda: auc_difference(*given), times=5)
    more = REPLICATES / TIMED
    figures.note("judge: DeLong", few.second, "s", f"{ROWS:,} rows")
    figures.bar(
        f"judge: {REPLICATES:,} replicates (scikit-learn, {TIMED} timed) : DeLong",
        replace(few, value=few.value * more, first=few.first * more),
        at_least=100,
    )


def test_the_intervals_agree(figures):
    """Each limit within 5 % of the width of 2,000 replicates' interval, on 100,000 rows."""
    given = drawn(ROWS)[:3]
    found = auc_difference(*given)
    peer = auc_difference_bootstrap(*given, replicates=REPLICATES, seed=3)
    width = peer.high - peer.low
    apart = max(abs(found.low - peer.low), abs(found.high - peer.high)) / width
    told = (
        f"DeLong {found.low:.5f} to {found.high:.5f}, bootstrap {peer.low:.5f} to {peer.high:.5f}"
    )
    figures.note("judge: limits of the two intervals apart", apart, "of the width", told)
    assert apart < 0.05
    assert found.value == pytest.approx(peer.value)


def test_growth(figures):
    """From 1,000 to 1,000,000 rows the time grows no faster than rows to the power of 1.1.

    Processor time: DeLong runs in one thread, and a neighbour's work is not its own.
    """
    spent = {}
    for rows in SIZES:
        given = drawn(rows)[:3]
        spent[rows] = min(processor_seconds(lambda given=given: auc_difference(*given), 5))
        figures.note(f"judge: DeLong, {rows:,} rows", spent[rows] * 1000, "ms of processor")
    exponent = log10(spent[SIZES[-1]] / spent[SIZES[0]]) / log10(SIZES[-1] / SIZES[0])
    figures.note("judge: DeLong grows as rows to the power of", exponent, "", "at most 1.1")
    assert exponent <= 1.1


def test_the_whole_judge(figures):
    """All checks of the judge on 100,000 rows, without groups."""
    given = drawn(ROWS)
    assert judge(*given).promote
    figures.note("judge: all checks", seconds(lambda: judge(*given)), "s", f"{ROWS:,} rows")
