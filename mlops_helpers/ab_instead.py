"""When a shadow, a holdout or nothing at all is the better tool than an A/B test, with the truth.

Frames as in `ab_limits`: one row a reading, measured on many experiments whose truth is known. With
`repeats=1000, seed=2026`, 4,000 applications each:

* A treatment that only declines more: the shadow says -$40, the test -$43 (truth -$41), and one
  test is spread 4.1 times as widely as one shadow (standard deviations). Another model: the shadow
  says $13 of $51.
* The treatment that knows age and job length earns $36 more and approves 35 points fewer of those
  under 26, 0.6 points fewer of all others.
* Two models of one quality: for 12.9 % of the applicants the coin decides, for 6.5 % it declines a
  loan that is truly worth having.
* Of twelve tests the winners promise $91 together and are worth $27, which the interval of the
  promise misses in 23 %; a holdout says $28 and misses in 5 to 6 %.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import special, stats

from mlops_helpers.ab_draws import COSTS, experiments, frame_of, gain, population
from mlops_helpers.business import Interval, profit_interval
from mlops_helpers.risk_model import risk_effects
from mlops_helpers.two_samples import newcombe
from mlops_helpers.worlds import seed_of

__all__ = ["coin_decides", "fairness_limit", "shadow_or_test", "winners_limit"]

_CAREFUL, _STRICT = 0.3, 0.2  # added to the log-odds: more are declined
_NOISE = 0.6
YOUNG = 26
"""Applicants below this age are the group of `fairness_limit`."""


def shadow_or_test(*, repeats: int = 200, rows: int = 4000, seed: int) -> pd.DataFrame:
    """A shadow on the same applications against an A/B test of half of them each.

    A treatment that only declines more lends to nobody whom control does not lend to, so every
    outcome is known: the paired difference on all applications is right, and narrower than a test.
    Another model also lends where control does not and no outcome exists; the shadow sees only what
    it declines. Truth: the expected effect of each treatment.
    """
    pool = population("quiet", seed=seed)
    old = pool.score(seed=seed_of(seed, 1), noise=0.9, shift=_CAREFUL)
    now = old < COSTS.break_even
    strict = special.expit(special.logit(old) + _STRICT) < COSTS.break_even
    other = pool.score(seed=seed_of(seed, 2), noise=_NOISE) < COSTS.break_even
    found: dict[str, list[Interval]] = {}
    truth: dict[str, float] = {}
    for told, new in (("only declines more", strict), ("another model", other)):
        test, shadow = f"{told}: A/B test", f"{told}: shadow"
        found |= {test: [], shadow: []}
        truth |= dict.fromkeys((test, shadow), pool.effect(now, new))
        for one in experiments(pool, repeats, rows, seed=seed):
            lent = np.where(one.arm, new[one.who], now[one.who])
            found[test].append(gain(one.money(lent), one.arm))
            seen = now[one.who]  # control decides everybody: only its loans have outcomes
            both = one.money(seen & new[one.who]) - one.money(seen)
            found[shadow].append(profit_interval(both))
    return frame_of(found, truth)


def fairness_limit(*, repeats: int = 200, rows: int = 4000, seed: int) -> pd.DataFrame:
    """A treatment that earns more by what it knows of a group that the law may protect.

    Control's probabilities leave out what age under `YOUNG` and a short job add to the risk; the
    treatment's have it. No reading is off; but a test that looks at profit alone says deploy, and
    who is approved less is told only by the rows of the groups. Truth: the expected effects.
    """
    pool = population("quiet", seed=seed)
    known = risk_effects(pool.traits)[["young", "short_job"]].sum(axis=1).to_numpy()
    full = pool.score(seed=seed_of(seed, 1), noise=_NOISE)
    blind = special.expit(special.logit(full) - known + known.mean())
    took = np.stack([blind, full]) < COSTS.break_even
    young = (pool.traits["age"] < YOUNG).to_numpy()
    groups = {f"approved, under {YOUNG}": young, f"approved, {YOUNG} and older": ~young}
    dollars = "profit per applicant"
    found: dict[str, list[Interval]] = {dollars: []} | {name: [] for name in groups}
    for one in experiments(pool, repeats, rows, seed=seed):
        lent = took[one.arm.astype(int), one.who]
        found[dollars].append(gain(one.money(lent), one.arm))
        for name, group in groups.items():
            mine, yes = group[one.who], pd.Series(lent)
            found[name].append(newcombe(yes[mine & ~one.arm], yes[mine & one.arm], 0.05))
    truth = {dollars: pool.effect(*took)}
    for name, group in groups.items():
        truth[name] = float(took[1, group].mean() - took[0, group].mean())
    return frame_of(found, truth, dict.fromkeys(groups, "%"))


def coin_decides(*, seed: int) -> pd.DataFrame:
    """For whom the coin, not the application, decides, when two models of one quality are tested.

    Of 20,000 applicants: reading, share and n. "answer depends on the arm": the models disagree;
    "worth a loan, declined in one arm": so, though the loan is truly expected to earn; "not worth
    one, approved in one arm": so, though it is truly expected to lose.
    """
    pool = population("quiet", seed=seed)
    a, b = (pool.score(seed=seed_of(seed, k), noise=_NOISE) < COSTS.break_even for k in (1, 2))
    differ, worth = a != b, pool.worth > 0
    counts = {
        "answer depends on the arm": differ,
        "worth a loan, declined in one arm": differ & worth,
        "not worth one, approved in one arm": differ & ~worth,
    }
    rows = [(name, float(who.mean()), int(who.sum())) for name, who in counts.items()]
    return pd.DataFrame(rows, columns=["reading", "share", "n"])


def winners_limit(
    *, repeats: int = 200, tests: int = 12, error: float = 60.0, effects: float = 40.0, seed: int
) -> pd.DataFrame:
    """A year of tests: the sum of the winners' effects against what a holdout says of them all.

    Each of `tests` treatments has a true effect of normal size (mean 0, standard deviation
    `effects` dollars per application) and is measured with the standard error `error`; one whose
    95 % interval lies above 0 is deployed. The winners are chosen among luck as well, so the sum of
    what was measured promises too much. A holdout that never got any of them is compared once, with
    the standard error `error`. Truth: the sum of the true effects of the deployed, by experiment.
    """
    rng = np.random.default_rng([seed, 6])
    reach = float(stats.norm.ppf(0.975)) * error
    summed, against = "sum of the winners' effects", "against a holdout"
    found: dict[str, list[Interval]] = {summed: [], against: []}
    worth = np.empty(repeats)
    for repeat in range(repeats):
        true = rng.normal(0.0, effects, size=tests)
        seen = true + rng.normal(0.0, error, size=tests)
        won = seen > reach
        worth[repeat] = true[won].sum()
        told, wide = float(seen[won].sum()), reach * float(np.sqrt(won.sum()))
        found[summed].append(Interval(told, told - wide, told + wide, tests))
        held = float(worth[repeat] + rng.normal(0.0, error))
        found[against].append(Interval(held, held - reach, held + reach, tests))
    return frame_of(found, dict.fromkeys(found, worth))
