"""Does the analysis of an experiment keep its promises? Its error rates, on a known truth.

Every draw of `known_arms` goes through the analysis as it is: sums of exposures, intervals,
verdict. What a claim promises stands beside what was found, with the Monte Carlo interval of that.

Shares in per cent (`python -m tests.benchmarks.scores_ab_testing`; 1,000 experiments with two even
arms of the planned size, 4,191 applications each):

======================================  ========  =====================
claim                                   promised  found
======================================  ========  =====================
false alarm: profit                     5         4.8 [3.6, 6.3]
false alarm: default rate, approved     5         4.6 [3.5, 6.1]
false alarm: approval rate              5         6.0 [4.7, 7.7]
false alarm: AUC                        5         4.8 [3.6, 6.3]
equal model deployed, one look          <= 2.5    2.3 [1.5, 3.4]
interval holds: profit                  95        94.3 [92.7, 95.6]
interval holds: profit, relative        95        94.9 [93.4, 96.1]
interval holds: profit, adjusted        95        93.7 [92.0, 95.1]
interval holds: default rate            95        94.5 [92.9, 95.8]
interval holds: approval rate           95        93.6 [91.9, 95.0]
interval holds: AUC                     95        93.9 [92.2, 95.2]
better model deployed                   80        80.2 [77.6, 82.6]
guardrail holds at its tolerance        <= 2.5    2.7 [1.9, 3.9]
strongly adjusted (correlation 0.9):
interval holds                          95        95.4 [93.9, 96.5]
relative interval holds                 95        95.1 [93.6, 96.3]
level of control, of treatment          95        94.7, 95.4 [93, 97]
a tenth of treatment lost, ten stages   97        97.2 [96.0, 98.1]
fifty looks, fixed interval             5         32.7 [31.2, 34.1]
fifty looks, sequence                   <= 5      1.4 [1.1, 1.8]
======================================  ========  =====================

All of it is of even arms. A treatment with a tenth of the applications is deployed somewhat more
often than promised (`rule_scores`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from scipy import stats

from mlops_helpers.ab_draws import COSTS
from mlops_helpers.ab_mismatch import SRM_ALPHA, check_stages
from mlops_helpers.ab_testing import ADJUSTED, Analysis, analyze_sums
from mlops_helpers.claims import Claim, judged, table
from mlops_helpers.experiment_plan import METRICS, Guardrail
from mlops_helpers.known_arms import EARLY, EXPERIMENT, START, known_arms, plan_of, sums_of
from mlops_helpers.peeking import false_alarms
from mlops_helpers.rule_scores import (
    endings,
    missing_rates,
    repeated_rates,
    several_rates,
    uneven_rates,
)

__all__ = ["adjusted_rates", "error_rates", "look_rates", "mismatch_rates", "size_rates"]

ALPHA, POWER = 0.05, 0.8
_CONTROL, _TREATMENT = EXPERIMENT.arms
_PRIMARY = "profit_per_application"


def error_rates(*, repeats: int = 50, seed: int, size: int | None = None) -> pd.DataFrame:
    """What the analysis promises and what it does: a row for each claim.

    Columns claim, promise ("about", "at most" or "at least"), nominal (the share promised), rate
    (found in `n` experiments), low, high (Wilson's 95 % interval), n, kept and note (what was
    done). kept is false where a promise is surely broken: by Wilson's interval at 5 % over all
    claims together, since of twenty honest ones one leaves its own interval by chance.

    The parts are the functions of this module and of `rule_scores`. `repeats` counts experiments
    of the first; the others have more where a draw is cheap, fewer where it is dear.
    """
    few = max(repeats // 5, 1)
    parts = [
        size_rates(repeats=repeats, seed=seed, size=size),
        adjusted_rates(repeats=repeats, seed=seed),
        look_rates(repeats=8 * repeats, seed=seed),
        endings(repeats=few, seed=seed),
        repeated_rates(repeats=few, seed=seed),
        several_rates(repeats=few, seed=seed),
        uneven_rates(repeats=repeats, seed=seed),
        missing_rates(repeats=repeats, seed=seed),
        mismatch_rates(repeats=10 * repeats, seed=seed),
        mismatch_rates(repeats=2 * repeats, seed=seed, stages=10),
    ]
    return judged(pd.concat(parts, ignore_index=True))


def size_rates(*, repeats: int, seed: int, size: int | None = None) -> pd.DataFrame:
    """Errors of the one test at the planned size: false alarms, coverage, power, guardrails.

    size: applications an arm; by default as many as the true gain needs for a power of 80 %. The
    nominal power is the planned one for the size. Coverage is of the intervals that were given: too
    few rows, or a control that may well earn nothing (relative effects), have no limits, and n is
    smaller then.
    """
    world = known_arms()
    n = world.size(POWER) if size is None else size
    arms, when = np.repeat([0, 1], n), pd.DatetimeIndex(np.full(2 * n, START))
    truth = {metric: world.truth(metric) for metric in METRICS}
    fall = float(truth["approval_rate"][0] - truth["approval_rate"][1])
    plain = plan_of(n)
    guarded = plan_of(n, covariate=EARLY, guardrails=(Guardrail("approval_rate", fall),))
    found: dict[Claim, list[bool]] = defaultdict(list)
    planned, note = world.power(n), f"{n:,} an arm"
    for repeat in range(repeats):
        equal = world.draw(arms, when, [seed, 1, repeat, 0], equal=True)
        same = analyze_sums(sums_of(equal, plain, 1), plain, costs=COSTS)
        _note_equal(found, same, note)
        better = sums_of(world.draw(arms, when, [seed, 1, repeat, 1], equal=False), guarded, 1)
        alone = analyze_sums(replace(better, covariate=None), plain, costs=COSTS)
        power: Claim = ("deploys the better model, one look", "about", round(planned, 3), note)
        found[power].append(alone.conclusion == "deploy")
        watched = analyze_sums(better, guarded, costs=COSTS)
        _note_coverage(found, watched, truth, note)
        edge: Claim = ("guardrail holds, truth at its tolerance", "at most", ALPHA / 2, note)
        found[edge].append(bool((watched.guardrails["state"] == "holds").all()))
    return table(found)


def look_rates(
    *, repeats: int, seed: int, rows: int = 4000, looks: int = 50, share: float = 0.5
) -> pd.DataFrame:
    """False alarms of the profit of equal arms over many looks, with and without the sequence."""
    when = pd.DatetimeIndex(np.full(rows, START))
    drawn = known_arms().draw(np.zeros(rows, dtype=int), when, [seed, 2], equal=True)
    profit = COSTS.profit(drawn["loan_amount"], drawn["default"], drawn["decision"] == "approve")
    seen = np.linspace(rows // looks, rows, looks).astype(int)
    alarms = false_alarms(profit, seen, seed=seed, repeats=repeats, share=share)
    last = alarms[alarms["look"] == looks].assign(
        claim=[f"false alarm in {looks} looks, {rule}" for rule in alarms["rule"].unique()],
        promise="at most",
        nominal=ALPHA,
        note=f"profit, {rows:,} rows, {share:.0%} of them to treatment",
        n=repeats,
        rate=lambda frame: frame["alarms"],
    )
    return judged(last)


def adjusted_rates(
    *, repeats: int, seed: int, size: int = 2000, correlation: float = 0.9
) -> pd.DataFrame:
    """Coverage of the adjusted profit where the covariate explains most of it.

    correlation: of profit and covariate within an arm, below 1. Control decides for both arms, and
    every loan of the treatment is twice as large: it earns exactly twice as much.
    """
    world = known_arms()
    arms, when = np.repeat([0, 1], size), pd.DatetimeIndex(np.full(2 * size, START))
    plan = plan_of(size, covariate=EARLY)
    earns, noise = world.truth(_PRIMARY)[0], world.spread[0] * np.sqrt(correlation**-2 - 1)
    found: dict[Claim, list[bool]] = defaultdict(list)
    note = f"{size:,} an arm, correlation {correlation:g}"
    for repeat in range(repeats):
        rows = world.draw(arms, when, [seed, 10, repeat], equal=True)
        profit = COSTS.profit(rows["loan_amount"], rows["default"], rows["decision"] == "approve")
        luck = np.random.default_rng([seed, 10, repeat, 1]).normal(size=2 * size)
        rows = rows.assign(loan_amount=rows["loan_amount"] * (1 + arms))
        rows[EARLY] = profit + noise * luck
        said = analyze_sums(sums_of(rows, plan, 1), plan, costs=COSTS)
        effect = said.effects.set_index("metric").loc[ADJUSTED]
        level = said.arms[said.arms["metric"] == ADJUSTED].set_index("variant")
        for name, truth, low, high in (
            ("interval", earns, effect["low"], effect["high"]),
            ("relative interval", 1.0, effect["relative_low"], effect["relative_high"]),
            ("level of control", earns, *level.loc[_CONTROL, ["low", "high"]]),
            ("level of treatment", 2 * earns, *level.loc[_TREATMENT, ["low", "high"]]),
        ):
            claim: Claim = (f"{name} holds, strongly adjusted", "about", 1 - ALPHA, note)
            if np.isfinite([low, high]).all():
                found[claim].append(bool(low <= truth <= high))
    return table(found)


def mismatch_rates(
    *,
    repeats: int,
    seed: int,
    lost: Sequence[float] = (0.0, 0.02, 0.05, 0.1),
    rows: Sequence[int] = (10_000,),
    stages: int = 1,
) -> pd.DataFrame:
    """How often it is noticed that rows of the treatment are lost.

    lost: the share of the treatment's rows that never arrive, of so many `rows` in both arms, which
    came evenly in so many `stages` of a ramp. The nominal shares are those of the noncentral
    chi-square distribution, with the rows in one stage or in many.
    """
    found: dict[Claim, list[bool]] = {}
    ramp = f" in {stages} stages" if stages > 1 else ""
    for total in rows:
        for place, share in enumerate(lost):
            rng = np.random.default_rng([seed, 4, total, place])
            control = rng.binomial(total // stages, 0.5, size=(repeats, stages))
            arrived = rng.binomial(total // stages - control, 1 - share)
            name = f"mismatch noticed, {share:.0%} of treatment lost{ramp}"
            arms = np.stack([control, arrived], axis=-1)
            found[name, "about", _noticed(total, share), f"{total:,} rows in all"] = [
                not check_stages(
                    [dict(zip(EXPERIMENT.arms, stage, strict=True)) for stage in each],
                    [EXPERIMENT.shares] * stages,
                ).passed
                for each in arms
            ]
    return table(found)


def _noticed(total: int, lost: float) -> float:
    """The chance that the chi-square test of the arms' sizes notices the loss."""
    if not lost:
        return SRM_ALPHA
    left = total * (1 - lost / 2)
    share = (1 - lost) / (2 - lost)  # treatment's, of what arrives
    distance = left * (2 * share - 1) ** 2
    return float(stats.ncx2.sf(stats.chi2.isf(SRM_ALPHA, 1), 1, distance))


def _note_equal(found: dict[Claim, list[bool]], said: Analysis, note: str) -> None:
    by_metric = said.effects.set_index("metric")
    for metric in METRICS:
        alarm = bool(by_metric.loc[metric, "p_value"] < ALPHA)
        found[f"false alarm, {metric}", "about", ALPHA, note].append(alarm)
    companions = said.effects[said.effects["role"] == "companion"]
    any_of = bool((companions["p_adjusted"] < ALPHA).any())
    found["false alarm, any companion after Holm", "at most", ALPHA, note].append(any_of)
    deployed = said.conclusion == "deploy"
    found["deploys an equal model, one look", "at most", ALPHA / 2, note].append(deployed)


def _note_coverage(
    found: dict[Claim, list[bool]], said: Analysis, truth: Mapping[str, np.ndarray], note: str
) -> None:
    for row in said.effects.to_dict("records"):
        metric = str(row["metric"])
        control, treatment = truth[_PRIMARY if metric == ADJUSTED else metric]
        gain = treatment - control
        for name, value, part in (
            ("interval holds the truth", gain, ""),
            ("relative interval holds", gain / control, "relative_"),
        ):
            low, high = row[f"{part}low"], row[f"{part}high"]
            if np.isfinite([low, high]).all():
                claim: Claim = (f"{name}, {metric}", "about", 1 - ALPHA, note)
                found[claim].append(bool(low <= value <= high))
