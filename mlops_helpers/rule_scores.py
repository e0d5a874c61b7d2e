"""Does the whole rule of an experiment, from the first look to the last word, keep its promises?

`ab_scores` measures the one test of two even arms. Here is what surrounds it: many looks, analyses
after the size, several treatments, a small treatment, outcomes that are missing.

Found, in per cent (`python -m tests.benchmarks.scores_ab_testing`): an equal treatment is deployed,
where 2.5 are promised, in 3.1 [2.4, 4.0] of 2,000 with 500 applications beside 4,500 of control, in
3.4 [2.7, 4.3] with 1,000 beside 9,000, in 2.6 [2.0, 3.4] with 1,000 beside 4,000: the promise is of
even arms. One of three equal treatments is in 1.9 [1.2, 3.0] of 1,000; a guardrail of one of three
that are at its tolerance holds in 2.4 [1.6, 3.6]. A worse treatment whose repayments are not known
yet is deployed in none of 500 [0, 0.8], an equal one that lost 1.5 per cent of the loans in the way
that favours it most in 3.2 [2.0, 5.1]. All of 250 experiments of each stop rule kept their verdict,
with its limits, at every later analysis.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from mlops_helpers.ab_draws import COSTS
from mlops_helpers.ab_testing import analyze_sums
from mlops_helpers.claims import Claim, table
from mlops_helpers.confidence_sequences import price
from mlops_helpers.experiment_plan import ExperimentPlan, Guardrail, Stop
from mlops_helpers.exposure_sums import ExposureSums
from mlops_helpers.known_arms import (
    EXPERIMENT,
    START,
    cautious_arms,
    known_arms,
    plan_of,
    sums_of,
)

__all__ = ["endings", "missing_rates", "repeated_rates", "several_rates", "uneven_rates"]

ALPHA = 0.05
_CONTROL, _TREATMENT = EXPERIMENT.arms
_DELAY = pd.Timedelta(days=180)  # far too short for loans of one to three years
_YEAR = 365.0
_LOST = 0.015  # of the approved loans, below what refuses any conclusion


def endings(
    *,
    repeats: int,
    seed: int,
    size: int = 800,
    looks: int = 6,
    stops: Sequence[Stop] = ("fixed size", "always valid"),
    equal: bool = True,
) -> pd.DataFrame:
    """How the whole rule ends, guardrail and all, that is asked every month until it decides.

    The arms are equal; with `equal=False` the treatment is truly better, and nominal is the power
    planned at `size` with the interval that decides there. The split is a coin, and every arm has
    its size at the last look at the latest.
    """
    found: dict[Claim, list[bool]] = {}
    for stop in stops:
        plan = plan_of(size, stop=stop, guardrails=(Guardrail("default_rate_approved", 0.05),))
        what = ("deploys an equal model", "at most", ALPHA / 2)
        if not equal:
            width = 1.0 if stop == "fixed size" else price(ALPHA)
            planned = known_arms().power(size, width=width)
            what = ("deploys the better model", "at least", round(planned, 3))
        claim: Claim = (f"{what[0]}, {stop}, {looks} looks", *what[1:], f"about {size:,} an arm")
        found[claim] = [
            _live(plan, [seed, 3, repeat], looks, equal=equal) == "deploy"
            for repeat in range(repeats)
        ]
    return table(found)


def repeated_rates(
    *,
    repeats: int,
    seed: int,
    size: int = 400,
    months: int = 9,
    stops: Sequence[Stop] = ("fixed size", "always valid"),
) -> pd.DataFrame:
    """What later analyses say of equal arms that had their size after a third of the `months`.

    One verdict: the same conclusion with the same limits at every analysis that has the size.
    """
    found: dict[Claim, list[bool]] = {}
    for stop in stops:
        plan, after = plan_of(size, stop=stop), f"analysed monthly after the size, {stop}"
        deployed, same = [], []
        for repeat in range(repeats):
            rows = _monthly([seed, 6, repeat], int(2.2 * size) * 3, months, equal=True)
            later = [analyze_sums(sums, plan, costs=COSTS) for sums in _reached(rows, plan, months)]
            ends = {
                (said.conclusion, *said.effects[["low", "high"]].iloc[0].round(9)) for said in later
            }
            same.append(len(ends) == 1)
            deployed.append(any(said.conclusion == "deploy" for said in later))
        note = f"{size:,} an arm, {months} months"
        found[f"one verdict, {after}", "at least", 1.0, note] = same
        found[f"deploys an equal model, {after}", "at most", ALPHA / 2, note] = deployed
    return table(found)


def several_rates(
    *, repeats: int, seed: int, treatments: int = 3, size: int = 1000
) -> pd.DataFrame:
    """How often one of several treatments passes, although none of them may.

    All are equal to control; or all are better, but the approval rate of each falls by exactly the
    guardrail's tolerance.
    """
    world = known_arms()
    names = (_CONTROL, *(f"treatment {k}" for k in range(1, treatments + 1)))
    arms = np.repeat(np.arange(len(names)), size)
    when = pd.DatetimeIndex(np.full(arms.size, START))
    fall = float(-np.diff(world.truth("approval_rate"))[0])
    plan = plan_of(size, arms=names)
    guarded = plan_of(size, arms=names, guardrails=(Guardrail("approval_rate", fall),))
    hits, held = [], []
    for repeat in range(repeats):
        rows = world.draw(arms, when, [seed, 5, repeat], equal=True, names=names)
        said = analyze_sums(sums_of(rows, plan, 1), plan, costs=COSTS)
        hits.append(said.conclusion == "deploy")
        rows = world.draw(arms, when, [seed, 7, repeat], equal=False, names=names)
        said = analyze_sums(sums_of(rows, guarded, 1), guarded, costs=COSTS)
        held.append(bool((said.guardrails["state"] == "holds").any()))
    note = f"{size:,} an arm"
    edge = f"guardrail of one of {treatments} holds, truth at its tolerance"
    return table(
        {
            (f"deploys one of {treatments} equal models", "at most", ALPHA / 2, note): hits,
            (edge, "at most", ALPHA / 2, note): held,
        }
    )


def uneven_rates(*, repeats: int, seed: int, size: int = 4500, share: float = 0.1) -> pd.DataFrame:
    """How often an equal model is deployed whose arm is small: `share` of all applications.

    size: applications of control. Profit is skewed, many small gains and few large losses. A small
    arm that met few defaults by luck has a high mean and a small spread at once, so most of
    the error is on the side of a deployment.
    """
    small = round(size * share / (1 - share))
    arms = np.repeat([0, 1], [size, small])
    when = pd.DatetimeIndex(np.full(arms.size, START))
    plan = plan_of(size, split=(1 - share, share))
    said = []
    for repeat in range(repeats):
        rows = known_arms().draw(arms, when, [seed, 8, repeat], equal=True)
        said.append(analyze_sums(sums_of(rows, plan, 1), plan, costs=COSTS))
    low, high = (np.array([s.effects[end].iloc[0] for s in said]) for end in ("low", "high"))
    note = f"{size:,} and {small:,}"
    what = f"{share:.0%} to treatment"
    return table(
        {
            (f"deploys an equal model, {what}", "at most", ALPHA / 2, note): [
                s.conclusion == "deploy" for s in said
            ],
            (f"equal model surely better, {what}", "at most", ALPHA / 2, note): list(low > 0),
            (f"equal model surely worse, {what}", "at most", ALPHA / 2, note): list(high < 0),
        }
    )


def missing_rates(*, repeats: int, seed: int, size: int = 1500) -> pd.DataFrame:
    """How often the treatment is deployed because of outcomes that are missing.

    It approves fewer and earns less, but when the label delay of the plan is over only defaults are
    known: the truth is against it, and no such analysis may deploy. Or the arms are equal, and as
    many loans are lost as may be, defaults of the treatment and repaid ones of control.
    """
    arms, when = np.repeat([0, 1], size), pd.DatetimeIndex(np.full(2 * size, START))
    early, plan = plan_of(size, label_delay=_DELAY), plan_of(size)
    defaults = float(known_arms().truth("default_rate_approved")[0])
    found: dict[Claim, list[bool]] = defaultdict(list)
    note = f"{size:,} an arm"
    for repeat in range(repeats):
        rng = np.random.default_rng([seed, 9, repeat])
        rows = cautious_arms().draw(arms, when, [seed, 9, repeat, 0], equal=False)
        days = np.where(rows["default"] == 1, _YEAR * rng.random(2 * size), 3 * _YEAR)
        rows["outcome_at"] = START + pd.to_timedelta(days, unit="D")
        said = analyze_sums(sums_of(rows, early, 1), early, costs=COSTS)
        worse: Claim = ("deploys a worse model, label delay too short", "at most", 0.0, note)
        found[worse].append(said.conclusion == "deploy")
        rows = known_arms().draw(arms, when, [seed, 9, repeat, 1], equal=True)
        harmful = rows["default"] == np.where(arms == 1, 1.0, 0.0)
        share = np.where(arms == 1, _LOST / defaults, _LOST / (1 - defaults))
        rows.loc[harmful & (rng.random(2 * size) < share), "default"] = np.nan
        said = analyze_sums(sums_of(rows, plan, 1), plan, costs=COSTS)
        equal: Claim = (
            f"deploys an equal model, {_LOST:.1%} of loans lost, those that harm it",
            "at most",
            ALPHA / 2,
            note,
        )
        found[equal].append(said.conclusion == "deploy")
    return table(found)


def _monthly(seed: list[int], total: int, months: int, *, equal: bool) -> pd.DataFrame:
    """So many exposures, evenly over the months, each in an arm by a coin."""
    arms = (np.random.default_rng([*seed, 1]).random(total) < 0.5).astype(int)
    begins = pd.DatetimeIndex([START + pd.DateOffset(months=m) for m in range(months)])
    when = begins[np.arange(total) * months // total]
    return known_arms().draw(arms, when, [*seed, 2], equal=equal)


def _live(plan: ExperimentPlan, seed: list[int], looks: int, *, equal: bool) -> str:
    """The first conclusion of an experiment that is looked at each month, or the last one."""
    rows = _monthly(seed, int(2.2 * plan.size), looks, equal=equal)
    said = "go on"
    for look in range(1, looks + 1):
        said = analyze_sums(sums_of(rows, plan, look), plan, costs=COSTS).conclusion
        if said in ("deploy", "keep"):
            break
    return said


def _reached(rows: pd.DataFrame, plan: ExperimentPlan, months: int) -> Iterator[ExposureSums]:
    """The sums at the end of each month in which every arm has its size."""
    for month in range(1, months + 1):
        sums = sums_of(rows, plan, month)
        before = sums.cells["month"] < START + pd.DateOffset(months=month)
        arrived = sums.cells[before].groupby("variant")["n"].sum()
        if all(arrived.get(arm, 0) >= n for arm, n in plan.needed().items()):
            yield sums
