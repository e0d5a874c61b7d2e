"""Judging on the loans that the champion let through, and what can be done about it.

A declined applicant never shows whether they would have defaulted. So the rows on which a
challenger meets the champion were chosen by the champion's own score. Of the applicants it feared
none is left for it to be right about; the challenger may still be right about whom it fears among
the others. The champion's AUC suffers more, and the difference leans towards the challenger.

Measured by `selected_scores(repeats=400, seed=2026)`: two models whose true AUC is equal, 3,000
applicants; mean AUC difference found (± 95 % Monte Carlo), spread of one measurement, verdicts that
call one of them better, and dollars per application against the cut-off alone:

=================  ==============================  ===============  ======  =======  =====
world              judged on                       difference       spread  verdict  $
=================  ==============================  ===============  ======  =======  =====
quiet              approved only                   +0.005 ± 0.002   0.019    7.0 %     0
recession          approved only                   +0.012 ± 0.002   0.022    9.3 %     0
policy change      approved only                   +0.044 ± 0.002   0.023   42.3 %     0
policy change      approved, weighted by band      +0.044 ± 0.002   0.023   41.8 %     0
policy change      approved and 10 %, unweighted   +0.037 ± 0.002   0.023   32.0 %   -20
policy change      approved and a random 10 %      -0.001 ± 0.004   0.040    2.5 %   -20
policy change      a random 10 % alone             -0.003 ± 0.007   0.070    7.0 %   -20
policy change      approved, weighted              -0.001 ± 0.004   0.044    0.5 %   -18
policy change      all applicants                  -0.001 ± 0.002   0.020    4.8 %  -204
=================  ==============================  ===============  ======  =======  =====

The two weighted ways give no interval, and so no verdict, in 13 % and 47 % of the samples, where
hardly a heavy default was seen (`weighted_auc.MIN_HEAVY`).

After the policy change a challenger that is *worse* by 0.02 is called better in 23 % (19 to 28 %)
of the samples of approved loans. In quiet times and recessions bands make it worse than no weights
at all (+0.011 and +0.023). The random tenth costs $19 an application in quiet times and $39 in a
recession, and 1.5 to 2 times the spread: two to four times as many applicants for one certainty.

The repairs need a *known chance above 0* of approval for everybody: approve a random tenth of those
who would be declined, or let chance soften the cut-off, and count each loan as one over its chance
(T. A. Alonzo and M. S. Pepe 2005, JRSS C 54, 173-190; see `approvals`). With a sharp cut-off there
is no such weight. Reject inference fills the hole by an assumption, here augmentation by bands of
the challenger's score; whether it holds cannot be seen in the data (D. J. Hand and W. E. Henley
1993, "Can reject inference ever work?", IMA J. of Mathematics Applied in Business and Industry 5,
45-55).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, special

from mlops_helpers.approvals import (
    EXPLORE,
    approval_chance,
    approval_weights,
    approved_rows,
    band_weights,
)
from mlops_helpers.business import CostModel, Interval, profit_interval
from mlops_helpers.simulation import true_default_probability
from mlops_helpers.two_samples import wilson
from mlops_helpers.weighted_auc import weighted_auc_difference
from mlops_helpers.worlds import WORLDS, draw_world, seed_of

__all__ = [
    "JUDGED_ON",
    "approval_chance",
    "approval_weights",
    "approved_rows",
    "band_weights",
    "judged_on_selected",
    "noisy_probabilities",
    "selected_scores",
    "true_auc",
    "weighted_auc_difference",
]

FloatArray = NDArray[np.float64]

JUDGED_ON = (
    "all applicants",
    "approved only",
    "approved, weighted by band",
    "approved and 10 %, unweighted",
    "approved and a random 10 %",
    "a random 10 % alone",
    "approved, weighted",
)
"""Ways to judge: nobody has the first; the last lets chance soften the cut-off, by known odds."""

SOFTNESS, LEAST_CHANCE = 0.15, 0.05
_POOL = 20_000
_NOISE = 0.6


def judged_on_selected(
    outcome: ArrayLike,
    champion: ArrayLike,
    challenger: ArrayLike,
    *,
    cutoff: float,
    seed: int,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """What each way of `JUDGED_ON` says about loans *all* of whose outcomes are known.

    Returns judged_on, value, low, high (AUC difference) and rows, those with an outcome. The
    champion's cut-off and chance decide which outcomes are hidden; on real loans "all applicants"
    are those whom somebody had approved before, so that selection was already at work once.
    """
    label, old, new = (np.asarray(c, dtype=float) for c in (outcome, champion, challenger))
    luck = np.random.default_rng(seed).random(label.size)
    found = _each_way(label, old, new, cutoff, luck, confidence)
    return pd.DataFrame(
        [(name, said.value, said.low, said.high, said.n) for name, said in found.items()],
        columns=["judged_on", "value", "low", "high", "rows"],
    )


def selected_scores(
    *,
    repeats: int = 40,
    rows: int = 3000,
    seed: int,
    worlds: Sequence[str] = ("quiet", "recession", "policy change"),
    gains: Sequence[float] = (-0.02, 0.0),
    costs: CostModel | None = None,
) -> pd.DataFrame:
    """How far each way of judging is off, and what it costs, where the truth is known.

    For each of `worlds` (names of `worlds.WORLDS`) and `gains` (true AUC of the challenger less
    that of the champion) `repeats` samples of `rows` applicants are judged in each way. Scores are
    log-odds with noise: those of quiet times for the champion, those of the world for the
    challenger, whose noise is sized until the gain is exact on the applicants drawn from. Returns

    world, judged_on, truth (the gain); value, low, high: mean of the measured differences with its
    95 % Monte Carlo interval; bias: value - truth; spread: standard deviation of one measurement;
    wrong_verdicts, wrong_low, wrong_high: share of samples whose 95 % interval calls the better
    model worse, or of two equal ones one better (Wilson's interval); called_better: share that
    calls the challenger better; unknown: share without an interval, which counts as no verdict;
    rows: mean number with an outcome; dollars: what the way of approving earns per application
    against the cut-off alone, truly expected (below 0: a cost).
    """
    if repeats < 2:
        raise ValueError(f"repeats is {repeats}, must be 2 or more to measure a spread.")
    costs = costs or CostModel()
    found = []
    for world in worlds:
        place = _place(world)
        pool = draw_world(world, _POOL, seed=seed_of(seed, place))
        rng = np.random.default_rng([seed, place])
        truth = pool["true_probability"].to_numpy()
        old = noisy_probabilities(
            true_default_probability(pool).to_numpy(), rng.normal(size=_POOL), _NOISE
        )
        noise = rng.normal(size=_POOL)
        dollars = _dollars(pool["loan_amount"], truth, old, costs)
        for gain in gains:
            new = _better_by(gain, truth, old, noise, world)
            said: dict[str, list[Interval]] = {name: [] for name in JUDGED_ON}
            for _ in range(repeats):
                drawn = rng.integers(_POOL, size=rows)
                label = (rng.random(rows) < truth[drawn]).astype(float)
                luck = rng.random(rows)
                one = _each_way(label, old[drawn], new[drawn], costs.break_even, luck, 0.95)
                for name, interval in one.items():
                    said[name].append(interval)
            found += [
                {"world": world, "judged_on": name, "truth": gain}
                | _summary(intervals, gain)
                | {"dollars": dollars[name]}
                for name, intervals in said.items()
            ]
    return pd.DataFrame(found)


def _place(world: str) -> int:
    """The number of a world, so that its chance is its own; ValueError without a usable one."""
    usable = [w for w, t in WORLDS.items() if t.feed is None and "broken feed" not in t.scenario]
    if world not in usable:
        raise ValueError(
            f"world == {world!r}, must be a world of WORLDS whose feeds are whole: "
            f"{', '.join(usable)}."
        )
    return list(WORLDS).index(world)


def _each_way(
    label: FloatArray,
    old: FloatArray,
    new: FloatArray,
    cutoff: float,
    luck: FloatArray,
    confidence: float,
) -> dict[str, Interval]:
    """The AUC difference in each way of `JUDGED_ON`; `luck` (uniform) lets the declined in."""
    below, tenth, soft = old < cutoff, luck < EXPLORE, _soft(old, cutoff)
    seen, let_in = below | tenth, luck < soft
    one, known = np.ones(label.size), approval_chance(old, cutoff=cutoff)
    plans = (
        (below | True, one),
        (below, one[below]),
        (below, band_weights(new, below)),
        (seen, one[seen]),
        (seen, approval_weights(known, seen)),
        (tenth, one[tenth]),
        (let_in, approval_weights(soft, let_in)),
    )
    return {
        name: weighted_auc_difference(
            label[rows], old[rows], new[rows], weight, confidence=confidence
        )
        for name, (rows, weight) in zip(JUDGED_ON, plans, strict=True)
    }


def _summary(intervals: list[Interval], truth: float) -> dict[str, float]:
    """Bias, spread and verdicts of many measurements of one truth."""
    said = pd.DataFrame([(i.value, i.low, i.high, i.n) for i in intervals])
    said.columns = ["value", "low", "high", "rows"]
    mean = profit_interval(said["value"])
    better, worse = said["low"] > 0, said["high"] < 0
    wrong = wilson((better & (truth <= 0)) | (worse & (truth >= 0)), 0.05)
    return {
        "value": mean.value,
        "low": mean.low,
        "high": mean.high,
        "bias": mean.value - truth,
        "spread": float(said["value"].std(ddof=1)),
        "wrong_verdicts": wrong.value,
        "wrong_low": wrong.low,
        "wrong_high": wrong.high,
        "called_better": float(better.mean()),
        "unknown": float(said["low"].isna().mean()),
        "rows": float(said["rows"].mean()),
    }


def noisy_probabilities(truth: FloatArray, noise: FloatArray, size: float) -> FloatArray:
    """Probabilities whose log-odds are the true ones with noise, drawn in so as not to boast.

    truth: probabilities; noise: as many standard normal draws; size: their weight on log-odds.
    """
    odds = special.logit(truth)
    shrink = odds.var() / (odds.var() + size**2)
    return special.expit(odds.mean() + shrink * (odds - odds.mean() + size * noise))


def _better_by(
    gain: float, truth: FloatArray, old: FloatArray, noise: FloatArray, world: str
) -> FloatArray:
    """Scores whose true AUC is that of `old` plus `gain`, by the size of their noise."""
    wanted = true_auc(old, truth) + gain
    best = true_auc(truth, truth)
    if not 0.51 < wanted < best:
        raise ValueError(
            f"gain == {gain!r} asks for an AUC of {wanted:.3f} in the world {world!r}, must lie "
            f"between 0.51 and {best:.3f}, that of the true probabilities. Ask for less."
        )
    size = optimize.brentq(
        lambda x: true_auc(noisy_probabilities(truth, noise, x), truth) - wanted,
        0.0,
        100.0,
        xtol=1e-4,
    )
    return noisy_probabilities(truth, noise, size)


def true_auc(score: FloatArray, truth: FloatArray) -> float:
    """The AUC in a population whose probabilities of default are known."""
    defaults = truth[np.argsort(score)]
    repaid = 1 - defaults
    return float((defaults * (np.cumsum(repaid) - repaid / 2)).sum() / truth.sum() / repaid.sum())


def _dollars(
    amount: pd.Series, truth: FloatArray, old: FloatArray, costs: CostModel
) -> dict[str, float]:
    """What each way of approving is expected to earn per application, less the cut-off alone."""
    earned, cutoff = costs.expected_profit(amount, truth), costs.break_even
    sharp = approval_chance(old, cutoff=cutoff, explore=0.0)
    tenth = approval_chance(old, cutoff=cutoff)
    chances = (np.ones_like(old), sharp, sharp, tenth, tenth, tenth, _soft(old, cutoff))
    return {
        name: float(((chance - sharp) * earned).mean())
        for name, chance in zip(JUDGED_ON, chances, strict=True)
    }


def _soft(probability: FloatArray, cutoff: float) -> FloatArray:
    return approval_chance(probability, cutoff=cutoff, explore=LEAST_CHANCE, softness=SOFTNESS)
