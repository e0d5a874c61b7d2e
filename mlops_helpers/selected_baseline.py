"""The rows that promoted a champion flatter it: by how much, and what a trigger makes of that.

A challenger is promoted where it looked good, partly by luck, and the luck stays behind on those
rows. Their AUC is the baseline of the trigger "AUC drop since the holdout", so that a champion
that is as good as ever seems to have become worse. Where the truth is known, on 1,000 rows each
(`after_promotion(seed=1, promotions=100, gains=(0.02, 0.01))`):

=========  =========================  =======================  ===============
true gain  baseline                   AUC there less the true  false alarm
=========  =========================  =======================  ===============
0.02       the rows that promoted it  +0.018 [0.014, 0.022]    7 % [3, 14]
0.02       rows since then            -0.001 [-0.006, 0.003]   1 % [0, 5]
0.01       the rows that promoted it  +0.020 [0.016, 0.024]    9 % [5, 16]
0.01       rows since then            +0.001 [-0.004, 0.006]   2 % [1, 7]
=========  =========================  =======================  ===============

The trigger's limit is 0.02, so chance has used it up before anything changed. The way out: give
`gathering.gather` as `holdout` the first labelled rows *after* the promotion, once there are as
many, and until then read an AUC drop with that excess in mind.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlops_helpers.business import profit_interval
from mlops_helpers.delong import auc_difference, auc_drop, auc_interval
from mlops_helpers.judge_scores import TwoScores
from mlops_helpers.judging import judge
from mlops_helpers.retraining import RetrainingPolicy
from mlops_helpers.two_samples import wilson

__all__ = ["BASELINES", "after_promotion"]

BASELINES = ("the rows that promoted it", "rows since then")
FloatArray = NDArray[np.float64]
MOST_DRAWS = 1000
"""Challengers tried for one that is promoted, on average, before the search is given up."""


def after_promotion(
    *,
    seed: int,
    promotions: int = 20,
    gains: Sequence[float] = (0.0, 0.01, 0.02),
    rows: int = 1000,
    policy: RetrainingPolicy | None = None,
    world: TwoScores | None = None,
) -> pd.DataFrame:
    """How often the trigger fires for a promoted champion that did not change, by its baseline.

    For each of `gains` (true AUC of the challenger less that of the champion) challengers are drawn
    and judged by `judging.judge` on `rows` loans until so many are `promotions`. Each then meets
    two more lots of `rows` loans of the same world: one as the other baseline, one as now. Returns
    `gain, baseline, excess, low, high, alarm, alarm_low, alarm_high, n`: the mean AUC on the
    baseline less the true one, with its 95 % interval, and the share in which the AUC drop is
    beyond the policy's limit with an interval above 0, with Wilson's. Raises ArithmeticError where
    hardly any challenger is promoted.
    """
    if promotions < 2:
        raise ValueError(f"promotions is {promotions}, must be 2 or more; 400 tell 5 % within 2.")
    limit = (policy or RetrainingPolicy()).max_auc_drop
    drawn = world or TwoScores()
    found = []
    for place, gain in enumerate(gains):
        noise, lots = drawn.noise_for(gain), []
        rng = np.random.default_rng([seed, place])
        for _ in range(promotions * MOST_DRAWS):
            outcome, old, new, amount = next(drawn.draw(rows, [noise], rng))
            # The judge asks for this as well; asked first it spares the other checks.
            if auc_difference(outcome, old, new).low <= 0:
                continue
            if judge(outcome, old, new, amount).promote:
                later = [_seen(drawn, rows, noise, rng) for _ in range(2)]
                lots.append(((outcome, new), *later))
            if len(lots) == promotions:
                break
        else:
            raise ArithmeticError(
                f"of {promotions * MOST_DRAWS} challengers with a gain of {gain:g} only "
                f"{len(lots)} were promoted on {rows} loans. Ask for more rows or a higher gain."
            )
        for number, name in enumerate(BASELINES):
            excess = [auc_interval(*lot[number]).value - drawn.auc(noise) for lot in lots]
            drops = [auc_drop(*lot[number], *lot[2]) for lot in lots]
            mean = profit_interval(np.array(excess))
            rate = wilson(pd.Series([d.value > limit and d.low > 0 for d in drops]), 0.05)
            limits = (mean.value, mean.low, mean.high, rate.value, rate.low, rate.high)
            found.append((gain, name, *limits, promotions))
    figures = ["excess", "low", "high", "alarm", "alarm_low", "alarm_high", "n"]
    return pd.DataFrame(found, columns=["gain", "baseline", *figures])


def _seen(
    world: TwoScores, rows: int, noise: float, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """Outcomes of other loans and what the challenger says of them."""
    outcome, _, new, _ = next(world.draw(rows, [noise], rng))
    return outcome, new
