"""After a promotion: was the champion before better? Looked at several times, wrong in 5 % at most.

Both versions score the applications since the promotion, the new one live and the old one in its
shadow (`shadowing`). They are compared loan by loan, as outcomes arrive: how far what they said is
from what happened (Brier), how they rank, what their decisions earn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

from mlops_helpers.business import UNKNOWN, CostModel, Interval, in_words, profit_interval
from mlops_helpers.delong import auc_difference
from mlops_helpers.judge_scores import TwoScores, Z
from mlops_helpers.two_samples import wilson
from mlops_helpers.watch_policy import Metric, WatchPolicy

__all__ = ["RULES", "WatchPolicy", "WatchVerdict", "error_rates", "watch"]

RULES = ("every look at 5 %", "watch")
Outcome = Literal["stay", "roll back", "not enough evidence"]
MIN_DIFFERENT = 30
"""Loans on which the decisions differ: the profits of fewer are too skewed for an interval."""
_ROWS = ("evidence", *get_args(Metric))
_PROFIT = _ROWS.index("profit")
_AMOUNTS = 2_000.0, 20_000.0  # of the loans that are drawn, evenly spread


@dataclass(frozen=True)
class WatchVerdict:
    """What a look at the new champion found.

    outcome: *roll back* if the champion before was better; *not enough evidence* if there is too
    little to look at; *stay* otherwise, and until the last look the watch goes on.
    checks: four rows, evidence, profit, auc and brier: check, value, low, high, limit, passed,
    reason. `value` is champion minus the one before, positive is better; the intervals hold
    together over all looks of the watch. The primary metric decides; see `WatchPolicy`.
    """

    outcome: Outcome
    reason: str
    look: int
    checks: pd.DataFrame = field(compare=False)

    @property
    def roll_back(self) -> bool:
        """True only for the outcome *roll back*."""
        return self.outcome == "roll back"

    @property
    def sentence(self) -> str:
        """The verdict in words: what a rollback gives as its reason."""
        return f"{self.outcome[0].upper()}{self.outcome[1:]}: {self.reason}"


def watch(
    outcome: ArrayLike,
    champion: ArrayLike,
    previous: ArrayLike,
    amount: ArrayLike,
    *,
    look: int,
    policy: WatchPolicy | None = None,
    costs: CostModel | None = None,
    cutoff: float | None = None,
) -> WatchVerdict:
    """Take the look number `look` (from 1) at a champion and the one before it.

    One value for each application since the promotion: the outcome (0, 1, NaN while it is not
    known), the probabilities of both versions, the amount. An application whose outcome will come
    must be NaN until it is due, whichever way it ends: defaults that are known early would count
    alone. Where declined applications never have an outcome (the reason counts them), the loans
    that are left were chosen by the champion, which makes the one before look worse than it is:
    rollbacks are rarer then, right ones as well (of 200 last looks at 3,000 loans, draw i of
    `TwoScores` seeded [5, i]: 48 % instead of 83 % at a loss of $58 an application, and 0.5 %
    instead of 3.5 % at none).

    Declined applications earn nothing; the cut-off defaults to break-even. Values that cannot be
    are never a reason to roll back: they are told as *not enough evidence*. Raises ValueError for a
    look that the policy does not have.
    """
    policy, costs = policy or WatchPolicy(), costs or CostModel()
    if isinstance(look, bool) or look not in range(1, policy.looks + 1):
        raise ValueError(f"look is {look!r}, must be 1 to {policy.looks}: one of the policy's.")
    limit = costs.break_even if cutoff is None else cutoff
    columns = {"outcome": outcome, "champion": champion, "previous": previous, "amount": amount}
    given = {
        name: pd.Series(np.ravel(values)).to_numpy(dtype=float, na_value=np.nan)
        for name, values in columns.items()
    }
    z = policy.z[look - 1]
    evidence, fit = _evidence(given, limit, policy)
    if fit and np.isinf(z):
        evidence, fit = f"{evidence}; the plan judges none at look {look}", False
    known = ~np.isnan(given["outcome"])
    rows = [_row("evidence", Interval(float(known.sum()), np.nan, np.nan, 0), evidence)]
    rows[0]["passed"] = fit
    if fit:
        measures = _measures(given, known, limit, costs, 1 - 2 * float(stats.norm.sf(z)))
        found = {name: measure() for name, measure in measures.items()}
        rows += [
            _row(name, interval, _in_words(name, interval)) for name, interval in found.items()
        ]
    else:
        rows += [_row(name, UNKNOWN, "not compared") for name in get_args(Metric)]
    checks = pd.DataFrame(rows)
    checks["limit"] = [float(policy.min_rows), 0.0, 0.0, 0.0]
    if not fit:
        return WatchVerdict("not enough evidence", f"{evidence}.", look, checks)
    concluded, reason = _conclude(checks, look, policy)
    return WatchVerdict(concluded, f"{reason}; {evidence}.", look, checks)


def _conclude(checks: pd.DataFrame, look: int, policy: WatchPolicy) -> tuple[Outcome, str]:
    by_name = {str(row["check"]): row for row in checks.to_dict("records")}
    deciding, profit = by_name[policy.primary], by_name["profit"]
    told = ", ".join(
        str(by_name[name]["reason"]) for name in dict.fromkeys((policy.primary, "profit"))
    )
    when = f"look {look} of {policy.looks}"
    if deciding["high"] < 0 and profit["value"] < 0:
        return "roll back", f"the champion before was better ({when}): {told}"
    over = "the watch is over" if look == policy.looks else "the watch goes on"
    why = (
        "surely worse, but its decisions earned no less"
        if deciding["high"] < 0
        else "not surely worse"
    )
    return "stay", f"the champion is {why} ({when}, {over}): {told}"


def error_rates(
    *,
    repeats: int = 80,
    seed: int,
    gains: Sequence[float] = (0.02, 0.0, -0.02, -0.04, -0.06),
    applications: int = 6_000,
    policy: WatchPolicy | None = None,
    world: TwoScores | None = None,
) -> pd.DataFrame:
    """How often each rule rolls a champion back whose true AUC is higher by `gain` (or lower).

    Returns a frame `rule, gain, loss, rolled_back, low, high, median_look, n`: `loss` is what the
    champion truly earns less than the one before, $ an application; the share of `repeats` watches
    in which it was rolled back has Wilson's 95 % interval; `median_look` is that of the rollbacks
    (NaN without any). "watch" is `watch` as it is; "every look at 5 %" takes the same looks, each
    as if it were the only one. Applications come evenly over the watch, their outcomes after
    `label_days`; all gains see the same ones.
    """
    policy, drawn, costs = policy or WatchPolicy(), world or TwoScores(), CostModel()
    noises = {gain: drawn.noise_for(gain) for gain in gains}
    once = float(stats.norm.isf(policy.error))
    ends: dict[tuple[str, float], list[float]] = {(r, g): [] for r in RULES for g in gains}
    ages = np.arange(applications) / applications * policy.days
    for repeat in range(repeats):
        rng = np.random.default_rng([seed, repeat])
        z, errors = rng.normal(size=applications), rng.normal(size=(2, applications))
        label = (rng.random(applications) < drawn.default(z)).astype(float)
        amount = rng.uniform(*_AMOUNTS, applications)
        old = drawn.stated(z + drawn.noise * errors[0], drawn.noise)
        for gain, noise in noises.items():
            new = drawn.stated(z + noise * errors[1], noise)
            first = dict.fromkeys(RULES, np.nan)
            for look in range(policy.looks, 0, -1):
                day = look * policy.days / policy.looks
                if day < policy.label_days:
                    break  # no outcome is known: neither rule can say anything
                seen = ages < day
                outcome = np.where(ages <= day - policy.label_days, label, np.nan)[seen]
                columns = outcome, new[seen], old[seen], amount[seen]
                verdict = watch(*columns, look=look, policy=policy, costs=costs)
                first["watch"] = look if verdict.roll_back else first["watch"]
                checks = verdict.checks
                deciding = checks.iloc[_ROWS.index(policy.primary)]
                reach = (deciding["high"] - deciding["value"]) * once / policy.z[look - 1]
                # as wide as if this were the only look
                alone = deciding["value"] + reach < 0 and checks["value"].iloc[_PROFIT] < 0
                first[RULES[0]] = look if alone else first[RULES[0]]
            for rule, look in first.items():
                ends[rule, gain].append(look)
    mean = sum(_AMOUNTS) / 2
    best = _earned(drawn, drawn.noise, costs) * mean
    rows = []
    for (rule, gain), looks in ends.items():
        found = pd.Series(looks)
        rate = wilson(found.notna(), 0.05)
        loss = best - _earned(drawn, noises[gain], costs) * mean
        row = rule, gain, loss, rate.value, rate.low, rate.high, found.median(), repeats
        rows.append(row)
    names = ["rule", "gain", "loss", "rolled_back", "low", "high", "median_look", "n"]
    return pd.DataFrame(rows, columns=names)


def _earned(world: TwoScores, noise: float, costs: CostModel) -> float:
    """True expected profit an application and dollar, by integration over the score."""
    said = world.stated(Z * np.sqrt(1 + noise**2), noise)
    taken = np.where(said < costs.break_even, costs.expected_profit(np.ones(Z.size), said), 0.0)
    density = stats.norm.pdf(Z)
    return float(density @ taken / density.sum())


def _measures(
    given: dict[str, np.ndarray],
    known: np.ndarray,
    limit: float,
    costs: CostModel,
    confidence: float,
) -> dict[Metric, Callable[[], Interval]]:
    """The champion minus the one before on the loans with an outcome, each metric when asked."""
    label, new, old, dollars = (column[known] for column in given.values())

    def profit() -> Interval:
        gained = costs.profit(dollars, label, new < limit)
        return profit_interval(
            gained - costs.profit(dollars, label, old < limit), confidence=confidence
        )

    return {
        "profit": profit,
        "auc": lambda: auc_difference(label, old, new, confidence=confidence),
        "brier": lambda: profit_interval(
            (old - label) ** 2 - (new - label) ** 2, confidence=confidence
        ),
    }


def _evidence(given: dict[str, np.ndarray], limit: float, policy: WatchPolicy) -> tuple[str, bool]:
    """What there is to look at, in words, and whether it is fit to be judged."""
    sizes = {name: column.size for name, column in given.items()}
    if len(set(sizes.values())) > 1:
        return "lengths differ: " + ", ".join(f"{k} {n}" for k, n in sizes.items()), False
    for name in ("champion", "previous", "amount"):
        column, high = given[name], np.inf if name == "amount" else 1.0
        wrong = int((~(np.isfinite(column) & (column >= 0) & (column <= high))).sum())
        if wrong:
            return f"{name} has {wrong} values that are missing or cannot be", False
    label = given["outcome"]
    known = ~np.isnan(label)
    if not np.isin(label[known], (0, 1)).all():
        return "an outcome is neither 0 nor 1", False
    approved, before = given["champion"] < limit, given["previous"] < limit
    defaults, repaid = int((label == 1).sum()), int((label == 0).sum())
    different = int((approved != before)[known].sum())
    said = (
        f"{label.size} applications, {int(known.sum())} with an outcome ({defaults} defaults), "
        f"decided differently {different} of these; "
        f"{int((~known & ~approved).sum())} declined ones without an outcome"
    )
    if known.sum() < policy.min_rows or min(defaults, repaid) < policy.min_defaults:
        needs = f"{policy.min_rows} outcomes and {policy.min_defaults} of each kind"
        return f"{said} (needs {needs})", False
    if policy.primary == "profit" and 0 < different < MIN_DIFFERENT:
        return f"{said} (needs {MIN_DIFFERENT} decided differently)", False
    return said, True


def _row(name: str, found: Interval, reason: str) -> dict[str, object]:
    return {
        "check": name,
        "value": found.value,
        "low": found.low,
        "high": found.high,
        "limit": 0.0,
        "passed": not found.high < 0 and found.known,
        "reason": reason,
    }


def _in_words(name: str, found: Interval) -> str:
    unit = " $ an application" if name == "profit" else ""
    return (
        f"{name} difference {in_words(found.value)} [{in_words(found.low)}, "
        f"{in_words(found.high)}]{unit}"
    )
