"""Where a sound A/B test of lending decisions still answers another question than was asked.

Each function repeats an experiment whose truth is known and reads it in several ways. A row of its
frame is one reading: reading, unit ("$" per application, "%" as a share, "" for AUC), value, low
and high (mean of the effects that were read, with its 95 % Monte Carlo interval), truth (what one
wanted to know), spread (standard deviation of one experiment), missed, missed_low and missed_high
(share of experiments whose own 95 % interval leaves the truth out, should be 0.05; Wilson). An
effect is treatment minus control. Applicants come from `worlds`, decisions from scores of known
quality, dollars from the default `CostModel`.

Measured by `measured_limits(repeats=1000, seed=2026)`, 4,000 applications a test (± 95 % Monte
Carlo; share of tests whose interval misses the truth):

============  ===============================  ================  ======  ======
limit         reading                          value             truth   misses
============  ===============================  ================  ======  ======
selection     default rate among approved      -0.035 ± 0.001     0.000    87 %
selection     AUC among approved               -0.037 ± 0.003    +0.027    32 %
selection     profit per applicant              -$131 ± 5         -$128     5 %
interference  one budget for both arms            $99 ± 4          -$91    87 %
interference  a budget for each arm              -$87 ± 3          -$91     3 %
interference  whole months take turns            -$90 ± 4          -$91     5 %
delay         outcomes known so far             -$121 ± 8          $171    66 %
delay         no default yet counts as repaid    $332 ± 4          $171    71 %
delay         complete applications only         $174 ± 10         $171     5 %
ramp          both stages pooled                 -$42 ± 6           $50    15 %
ramp          stage by stage                      $54 ± 8           $50     6 %
ramp          full stage only                     $60 ± 8           $61     6 %
failure       as treated                         $130 ± 6           $27    20 %
failure       failures left out                   $85 ± 6           $27    10 %
failure       by intention to treat               $30 ± 6           $27     6 %
============  ===============================  ================  ======  ======

Half a budget leaves a little more unspent than a whole one: hence the -$87.
"Both stages pooled" is $92 off and misses in 15 % only, as one test is spread by $97: a wide
interval reaches the truth from a biased value too, so look at the means before the misses.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from mlops_helpers.ab_draws import COSTS, experiments, frame_of, gain, population
from mlops_helpers.business import Interval
from mlops_helpers.default_times import share_by
from mlops_helpers.delong import auc_drop
from mlops_helpers.selection import true_auc
from mlops_helpers.simulation import LABEL_DELAY
from mlops_helpers.two_samples import newcombe
from mlops_helpers.worlds import seed_of

__all__ = [
    "LIMITS",
    "delay_limit",
    "failure_limit",
    "interference_limit",
    "measured_limits",
    "ramp_limit",
    "selection_limit",
]

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

_SETTLED = LABEL_DELAY / pd.Timedelta(days=1)
_FEARFUL = 0.8  # added to the log-odds: more are declined
_READ_AT = 243.0  # days after the start
_MONTHS, _BUDGET = 24, 0.4  # months of a test; share of what is asked for that can be lent
_RAMP = (0.1, 0.5)  # share of the treatment in the two stages
_MODELS = ((1, 0.9), (2, 0.6))  # chance and noise of control's score, and of the treatment's
_HEAVY, _FAILS = 0.28, 0.6  # above this debt to income the treatment fails, with this chance


def selection_limit(*, repeats: int = 200, rows: int = 4000, seed: int) -> pd.DataFrame:
    """The treatment decides whose outcome is seen: its approved are other people than control's.

    The treatment ranks better and is too fearful: it lends to fewer and earns less. Truth of the
    default rate: the effect on one and the same people, 0, as no model changes who defaults; of
    AUC: the difference over all applicants; of profit: the expected one. `rows`: of both arms.
    """
    pool = population("quiet", seed=seed)
    old = pool.score(seed=seed_of(seed, 1), noise=0.9)
    new = pool.score(seed=seed_of(seed, 2), noise=0.6, shift=_FEARFUL)
    rate, auc, dollars = "default rate among approved", "AUC among approved", "profit per applicant"
    found: dict[str, list[Interval]] = {rate: [], auc: [], dollars: []}
    for one in experiments(pool, repeats, rows, seed=seed):
        score = np.where(one.arm, new[one.who], old[one.who])
        lent = score < COSTS.break_even
        a, b = lent & ~one.arm, lent & one.arm
        ends = pd.Series(one.default)
        found[rate].append(newcombe(ends[a], ends[b], 0.05))
        found[auc].append(auc_drop(one.default[b], score[b], one.default[a], score[a]))
        found[dollars].append(gain(one.money(lent), one.arm))
    took = np.stack([old, new]) < COSTS.break_even
    truth = {
        rate: 0.0,
        auc: true_auc(new, pool.truth) - true_auc(old, pool.truth),
        dollars: pool.effect(*took),
    }
    return frame_of(found, truth, {rate: "%", auc: ""})


def interference_limit(*, repeats: int = 200, rows: int = 4000, seed: int) -> pd.DataFrame:
    """Both arms lend from one monthly budget: what the treatment takes, control cannot lend.

    The treatment approves more than the strict control, and the money is gone earlier. Loans are
    granted in the order of application until the month's budget (40 % of what is asked for) is
    spent. Truth: everybody by the treatment less everybody by control, under the same budget,
    measured on 3,000 months. Repairs: a budget for each arm, or arms that take turns by whole
    months, where the month is the unit. Months differ by chance alone here; where seasons and the
    economy make them differ, taking turns is spread more widely.
    """
    pool = population("quiet", seed=seed)
    took = np.stack(
        [
            pool.score(seed=seed_of(seed, 1), noise=0.6, shift=shift) < COSTS.break_even
            for shift in (_FEARFUL, 0.0)
        ]
    )
    each = rows // _MONTHS
    budget = _BUDGET * each * pool.amount.mean()
    months = np.random.default_rng([seed, 4]).integers(pool.truth.size, size=(3000, each))
    worth, amount = pool.worth[months], pool.amount[months]
    full = [np.mean(_funded(plan[months], amount, budget) * worth) for plan in took]
    names = ("one budget for both arms", "a budget for each arm", "whole months take turns")
    found: dict[str, list[Interval]] = {name: [] for name in names}
    for one in experiments(pool, repeats, each * _MONTHS, seed=seed):
        arm, amount = (a.reshape(_MONTHS, each) for a in (one.arm, pool.amount[one.who]))
        wants = np.where(one.arm, took[1][one.who], took[0][one.who]).reshape(arm.shape)
        own = [_funded(wants & mine, amount, budget / 2) for mine in (arm, ~arm)]
        found[names[0]].append(gain(one.money(_funded(wants, amount, budget).ravel()), one.arm))
        found[names[1]].append(gain(one.money((own[0] | own[1]).ravel()), one.arm))
        turn = one.rng.permutation(np.arange(_MONTHS) % 2 == 0)
        by_month = np.where(turn[:, None], *(took[k][one.who].reshape(arm.shape) for k in (1, 0)))
        earned = np.where(_funded(by_month, amount, budget), one.profit.reshape(arm.shape), 0.0)
        found[names[2]].append(gain(earned.mean(axis=1), turn))
    return frame_of(found, dict.fromkeys(names, float(full[1] - full[0])))


def delay_limit(*, repeats: int = 200, rows: int = 4000, seed: int) -> pd.DataFrame:
    """Defaults come before repayments: eight months of applications are read on the last day.

    A default is known when it happens (`default_times`), a repayment `LABEL_DELAY` after the
    application. Control is too fearful, the treatment lends to more and earns more. Truth: the
    expected effect.
    """
    pool = population("quiet", seed=seed)
    score = pool.score(seed=seed_of(seed, 1), noise=0.6)
    new = score < COSTS.break_even
    old = special.expit(special.logit(score) + _FEARFUL) < COSTS.break_even
    known, hopeful, complete = (
        "outcomes known so far",
        "no default yet counts as repaid",
        "complete applications only",
    )
    found: dict[str, list[Interval]] = {known: [], hopeful: [], complete: []}
    for one in experiments(pool, repeats, rows, seed=seed):
        age = one.rng.uniform(0.0, _READ_AT, size=one.who.size)
        lent = np.where(one.arm, new[one.who], old[one.who])
        gone = (one.default == 1) & (one.rng.random(age.size) < share_by(age))
        settled = gone | (age >= _SETTLED)
        money = one.money(lent)
        seen = settled | ~lent
        found[known].append(gain(money[seen], one.arm[seen]))
        so_far = COSTS.profit(pool.amount[one.who], gone, lent)
        found[hopeful].append(gain(so_far, one.arm))
        old_enough = age >= _SETTLED
        found[complete].append(gain(money[old_enough], one.arm[old_enough]))
    return frame_of(found, dict.fromkeys(found, pool.effect(old, new)))


def ramp_limit(*, repeats: int = 200, rows: int = 4000, seed: int) -> pd.DataFrame:
    """A ramp from 10 to 50 % while the world changes: the arms lived at different times.

    Half the applications come in quiet times, half after `worlds`' change of policy. Truth: the
    expected effect on the applications that the reading speaks of: all, or those of the full stage.
    """
    pools = [population(world, seed=seed) for world in ("quiet", "policy change")]
    took = [
        [pool.score(seed=seed_of(seed, k), noise=noise) < COSTS.break_even for k, noise in _MODELS]
        for pool in pools
    ]
    effects = [pool.effect(*plans) for pool, plans in zip(pools, took, strict=True)]
    pooled, stages, full = "both stages pooled", "stage by stage", "full stage only"
    found: dict[str, list[Interval]] = {pooled: [], stages: [], full: []}
    drawn = [
        experiments(pool, repeats, rows // 2, seed=seed_of(seed, k), share=_RAMP[k])
        for k, pool in enumerate(pools)
    ]
    for both in zip(*drawn, strict=True):
        lent = [
            np.where(one.arm, plans[1][one.who], plans[0][one.who])
            for one, plans in zip(both, took, strict=True)
        ]
        money = [one.money(yes) for one, yes in zip(both, lent, strict=True)]
        arms = [one.arm for one in both]
        each = [gain(values, arm) for values, arm in zip(money, arms, strict=True)]
        found[pooled].append(gain(np.concatenate(money), np.concatenate(arms)))
        found[stages].append(_mean(each))
        found[full].append(each[1])
    truth = {pooled: float(np.mean(effects)), stages: float(np.mean(effects)), full: effects[1]}
    return frame_of(found, truth)


def failure_limit(*, repeats: int = 200, rows: int = 4000, seed: int) -> pd.DataFrame:
    """The treatment fails on some and control answers: who answered is no arm.

    It fails for six in ten applicants with a heavy debt (above 0.28 of income), who are a greater
    risk. Truth: the expected effect of bringing in the treatment with control behind it.
    """
    pool = population("quiet", seed=seed)
    old, new = (pool.score(seed=seed_of(seed, k), noise=n) < COSTS.break_even for k, n in _MODELS)
    heavy = (pool.traits["debt_to_income_ratio"] > _HEAVY).to_numpy()
    arm_of, dropped, treated = "by intention to treat", "failures left out", "as treated"
    found: dict[str, list[Interval]] = {treated: [], dropped: [], arm_of: []}
    for one in experiments(pool, repeats, rows, seed=seed):
        failed = one.arm & heavy[one.who] & (one.rng.random(one.who.size) < _FAILS)
        by_new = one.arm & ~failed
        lent = np.where(by_new, new[one.who], old[one.who])
        money = one.money(lent)
        found[treated].append(gain(money, by_new))
        found[dropped].append(gain(money[~failed], one.arm[~failed]))
        found[arm_of].append(gain(money, one.arm))
    reached = (new.astype(float) - old) * (1 - _FAILS * heavy)
    return frame_of(found, dict.fromkeys(found, float((pool.worth * reached).mean())))


LIMITS: Mapping[str, Callable[..., pd.DataFrame]] = MappingProxyType(
    {
        "selection": selection_limit,
        "interference": interference_limit,
        "delay": delay_limit,
        "ramp": ramp_limit,
        "failure": failure_limit,
    }
)


def measured_limits(*, repeats: int = 200, rows: int = 4000, seed: int) -> pd.DataFrame:
    """All of `LIMITS` under one another, with their name in the first column, `limit`."""
    parts = {name: one(repeats=repeats, rows=rows, seed=seed) for name, one in LIMITS.items()}
    return pd.concat(parts, names=["limit"]).reset_index(level=0).reset_index(drop=True)


def _funded(wanted: BoolArray, amount: FloatArray, budget: float) -> BoolArray:
    """Which of the wanted loans a month (row) can pay, in the order of application."""
    return wanted & (np.cumsum(amount * wanted, axis=1) <= budget)


def _mean(parts: list[Interval]) -> Interval:
    """The mean of independent effects, each with a symmetric interval."""
    value = float(np.mean([part.value for part in parts]))
    reach = float(np.sqrt(sum((part.high - part.value) ** 2 for part in parts))) / len(parts)
    return Interval(value, value - reach, value + reach, sum(part.n for part in parts))
