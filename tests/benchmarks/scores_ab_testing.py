"""Print the error rates of experiments: python -m tests.benchmarks.scores_ab_testing [scale].

The claims of the analysis at the planned size, of the whole rule around it (looks, later analyses,
several or uneven arms, missing outcomes), mismatches found by size and stages; then the false
alarms of the sequence by rows, default rate, split and minimum per arm, and the truth held at every
look. The small versions of these are tests; with scale 1 this takes about a quarter of an hour.
"""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd

from mlops_helpers.ab_draws import COSTS
from mlops_helpers.ab_scores import adjusted_rates, look_rates, mismatch_rates, size_rates
from mlops_helpers.confidence_sequences import (
    MIN_PER_ARM,
    Moments,
    difference,
    path,
    price,
    rate_moments,
)
from mlops_helpers.known_arms import START, known_arms
from mlops_helpers.peeking import false_alarms
from mlops_helpers.rule_scores import (
    endings,
    missing_rates,
    repeated_rates,
    several_rates,
    uneven_rates,
)
from mlops_helpers.two_samples import wilson

SEED = 2026
LOOKS = 100


def show(title: str, table: pd.DataFrame) -> None:
    """Print a table under its title, all of it."""
    print(f"\n{title}", flush=True)
    print(table.round(4).to_string(index=False), flush=True)


def profits(rows: int, rate: float, rng: np.random.Generator) -> np.ndarray:
    """Profits of a lender that declines three in ten, on loans of $2,000 to $20,000."""
    default = (rng.random(rows) < rate).astype(float)
    return COSTS.profit(rng.uniform(2e3, 2e4, rows), default, rng.random(rows) < 0.7)


def minimum(scale: float) -> pd.DataFrame:
    """False alarms in a hundred looks, by the minimum that each arm must have."""
    found = []
    for rows, repeats in ((1000, 2000), (4000, 2000), (20_000, 500)):
        looks = np.linspace(rows // LOOKS, rows, LOOKS).astype(int)
        looks = np.unique(np.maximum(looks, 20))
        for rate in (0.15, 0.03):
            for share in (0.5, 0.1):
                values = profits(rows, rate, np.random.default_rng(SEED))
                for least in (2, 50, 100, MIN_PER_ARM):
                    alarms = false_alarms(
                        values,
                        looks,
                        seed=SEED,
                        repeats=max(20, round(repeats * scale)),
                        share=share,
                        min_per_arm=least,
                    )
                    last = alarms[alarms["n"] == rows].assign(
                        planned=rows, default=rate, share=share, least=least
                    )
                    found.append(last if least == 2 else last[last["rule"] != "fixed interval"])
    columns = ["rule", "planned", "default", "share", "least", "alarms", "low", "high", "repeats"]
    return pd.concat(found)[columns]


def by_looks(scale: float) -> pd.DataFrame:
    """False alarms of profit by how often one looks: once, by month, by day, after each second row.

    A year with 6,000 applications, half of them in each arm.
    """
    rows, repeats, found = 6000, max(20, round(1500 * scale)), []
    values = profits(rows, 0.15, np.random.default_rng(SEED))
    for count in (1, 4, 12, 52, 365, 3000):
        looks = np.unique(np.maximum(rows * np.arange(1, count + 1) // count, 20))
        alarms = false_alarms(values, looks, seed=SEED, repeats=repeats)
        found.append(alarms[alarms["n"] == rows].assign(looks=count))
    return pd.concat(found)[["looks", "rule", "alarms", "low", "high", "repeats"]]


def held(scale: float) -> pd.DataFrame:
    """Paths on which an interval left a true gain out, at any of a hundred looks."""
    rows, gain = 4000, 100.0
    looks, repeats = np.linspace(40, rows, LOOKS).astype(int), max(20, round(1000 * scale))
    found = []
    for rate in (0.15, 0.03):
        for share in (0.5, 0.1):
            out = np.zeros((repeats, 2), dtype=bool)
            for repeat in range(repeats):
                rng = np.random.default_rng([SEED, repeat])
                treated = rng.random(rows) < share
                seen = path(profits(rows, rate, rng) + gain * treated, treated, looks)
                for place, name in enumerate(("", "fixed_")):
                    low, high = seen[f"{name}low"], seen[f"{name}high"]
                    out[repeat, place] = ((low > gain) | (high < gain)).any()
            for place, rule in enumerate(("confidence sequence", "fixed interval")):
                missed = wilson(pd.Series(out[:, place]), 0.05)
                found.append((rule, rate, share, missed.value, missed.low, missed.high, repeats))
    names = ["rule", "default", "share", "ever missed", "low", "high", "repeats"]
    return pd.DataFrame(found, columns=names)


def stopped(scale: float) -> pd.DataFrame:
    """When the sequence sees a true gain in 50 looks, and how large the gain looks at that moment.

    The last look is at the size of a fixed test with a power of 80 %, or at price**2 times as many.
    """
    world, repeats, found = known_arms(), max(20, round(400 * scale)), []
    fixed = 2 * world.size(0.8)
    for times in (1.0, price() ** 2):
        rows = int(fixed * times)
        looks, when = (
            np.linspace(rows // 50, rows, 50).astype(int),
            pd.DatetimeIndex([START] * rows),
        )
        ends = []
        for repeat in range(repeats):
            arms = (np.random.default_rng([SEED, repeat]).random(rows) < 0.5).astype(int)
            drawn = world.draw(arms, when, [SEED, repeat, 1], equal=False)
            taken = drawn["decision"] == "approve"
            profit = COSTS.profit(drawn["loan_amount"], drawn["default"], taken)
            seen = path(profit, arms == 1, looks)
            crossed = seen[seen["low"] > 0]
            if len(crossed):
                ends.append((crossed["n"].iloc[0] / fixed, crossed["effect"].iloc[0]))
        n, effect = np.array(ends).T
        seen_in = wilson(pd.Series(np.arange(repeats) < len(ends)), 0.05)
        used = (n.sum() + (repeats - len(ends)) * times) / repeats
        error = effect.std(ddof=1) / np.sqrt(len(ends)) / world.gain
        power = seen_in.value, seen_in.low, seen_in.high
        found.append((times, *power, used, effect.mean() / world.gain, error, repeats))
    names = ["end, x fixed size", "power", "low", "high", "used, x fixed size"]
    return pd.DataFrame(found, columns=[*names, "effect at stop / truth", "its error", "repeats"])


def rates(scale: float) -> pd.DataFrame:
    """False alarms of a default rate over looks: the variance as it is, and of `rate_moments`."""
    repeats, found = max(20, round(1000 * scale)), []
    for rows in (2000, 20_000):
        looks = np.linspace(rows // 50, rows, 50).astype(int)
        for rate in (0.15, 0.03):
            for share in (0.5, 0.1):
                alarms = np.zeros((repeats, 2), dtype=bool)
                for repeat in range(repeats):
                    rng = np.random.default_rng([SEED, repeat])
                    defaulted, treated = rng.random(rows) < rate, rng.random(rows) < share
                    counts = [
                        (arm.cumsum()[looks - 1], (defaulted & arm).cumsum()[looks - 1])
                        for arm in (~treated, treated)
                    ]
                    for look in range(looks.size):
                        for place, moments in enumerate((rate_moments, _as_it_is)):
                            arms = [moments(int(yes[look]), int(n[look])) for n, yes in counts]
                            seen = difference(*arms, tuned_for=rows)
                            alarms[repeat, place] |= seen.low > 0 or seen.high < 0
                for place, name in enumerate(("one more yes and no", "as it is")):
                    share_of = wilson(pd.Series(alarms[:, place]), 0.05)
                    line = (name, rows, rate, share, share_of.value, share_of.low, share_of.high)
                    found.append((*line, repeats))
    names = ["variance", "planned", "default", "share", "alarms", "low", "high", "repeats"]
    return pd.DataFrame(found, columns=names)


def _as_it_is(events: int, n: int) -> Moments:
    share = events / n if n else float("nan")
    return Moments(n, share, share * (1 - share))


def main(scale: float) -> None:
    """All tables."""
    show("at the planned size", size_rates(repeats=round(1000 * scale), seed=SEED))
    for correlation in (0.9, 0.5):
        found = adjusted_rates(repeats=round(1000 * scale), seed=SEED, correlation=correlation)
        show(f"adjusted for a covariate with correlation {correlation:g}", found)
    show("the whole rule, equal arms", endings(repeats=round(400 * scale), seed=SEED))
    show("analyses after the size", repeated_rates(repeats=round(250 * scale), seed=SEED))
    show("several treatments", several_rates(repeats=round(1000 * scale), seed=SEED))
    for size, share in ((4500, 0.1), (9000, 0.1), (4000, 0.2)):
        found = uneven_rates(repeats=round(2000 * scale), seed=SEED, size=size, share=share)
        show(f"uneven arms, {share:.0%} to treatment", found)
    show("outcomes that are missing", missing_rates(repeats=round(500 * scale), seed=SEED))
    lost, rows = (0.0, 0.01, 0.02, 0.05, 0.1), (2000, 10_000, 50_000)
    found = mismatch_rates(repeats=round(5000 * scale), seed=SEED, lost=lost, rows=rows)
    show("mismatches", found)
    found = mismatch_rates(repeats=round(1000 * scale), seed=SEED, lost=lost, stages=10)
    show("mismatches over ten stages", found)
    for share in (0.5, 0.1):
        looks = look_rates(repeats=round(4000 * scale), seed=SEED, share=share)
        show(f"looks, {share:.0%} to treatment", looks)
    for size in (300, 1000):
        found = size_rates(repeats=round(500 * scale), seed=SEED, size=size)
        show(f"at {size:,} an arm", found)
    better = endings(repeats=round(60 * scale), seed=SEED, size=4000, equal=False)
    show("the whole rule, a better treatment", better)
    widths = pd.DataFrame({"alpha": [0.1, 0.05, 0.025, 0.01]})
    widths["price"] = widths["alpha"].map(price)
    show("price of the sequence: times the fixed width", widths)
    show("false alarms of the sequence, by the minimum per arm", minimum(scale))
    show("false alarms by the number of looks", by_looks(scale))
    show("a true gain of $100, left out at any look", held(scale))
    show("a true gain, first seen by the sequence", stopped(scale))
    show("false alarms of a default rate over 50 looks", rates(scale))


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 1.0)
