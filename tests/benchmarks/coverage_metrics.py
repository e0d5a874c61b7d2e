"""How often the 95 % intervals of `evaluate` cover: python -m tests.benchmarks.coverage_metrics.

Simulates loans whose metrics are known (`tests.binormal`), evaluates each sample and prints, for
each world, the share of intervals that hold the truth, that lie wholly above it and wholly below
it, and their mean width. Takes about ten minutes with the defaults.
"""

from __future__ import annotations

import argparse

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from mlops_helpers.performance import METRICS, evaluate
from mlops_helpers.ranking_intervals import ranking_limits
from tests.binormal import Binormal


def coverage(world: Binormal, n: int, repetitions: int, seed: int) -> pd.DataFrame:
    """A row a metric: covered, too high, too low, width, and samples with an interval."""
    truth = pd.Series(world.truth())[list(METRICS)]
    rng = np.random.default_rng([seed, n, round(100 * world.auc)])
    found = []
    for i in range(repetitions):
        table = evaluate(*world.draw(n, rng), seed=i).set_index("metric").loc[list(METRICS)]
        table = table.assign(
            covered=(table["low"] <= truth) & (truth <= table["high"]),
            too_high=table["low"] > truth,
            too_low=table["high"] < truth,
            width=table["high"] - table["low"],
            intervals=1,
        )
        found.append(table[table["low"].notna()].drop(columns=["value", "low", "high"]))
    of_metric = pd.concat(found).astype(float).groupby(level=0, sort=False)
    return of_metric.mean().assign(truth=truth, intervals=of_metric["intervals"].sum())


class FewValues:
    """Loans whose stated probability has few values, each with its share of the repaid and bad."""

    def __init__(self, repaid: ArrayLike, defaults: ArrayLike, rate: float = 0.1) -> None:
        """Shares of the ascending values among those who repay and among those who default."""
        self.repaid, self.defaults = (np.asarray(s) / np.sum(s) for s in (repaid, defaults))
        self.rate = rate
        self.stated = rate * self.defaults / (rate * self.defaults + (1 - rate) * self.repaid)

    @property
    def ks(self) -> float:
        """The largest gap between the two distributions."""
        return float(np.abs(np.cumsum(self.repaid) - np.cumsum(self.defaults)).max())

    def draw(self, n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Outcomes and stated probabilities of n loans."""
        y = rng.random(n) < self.rate
        bad, good = (rng.choice(self.stated, n, p=s) for s in (self.defaults, self.repaid))
        return y.astype(int), np.where(y, bad, good)


SIX_VALUES = FewValues((7, 6, 5, 13, 53, 16), (2, 3, 3, 10, 58, 23))
"""Two cuts of nearly the same gap that lie far apart: the hardest of 150 worlds drawn."""


def ks_with_ties(repetitions: int, seed: int, *, n: int = 1000, n_boot: int = 150) -> pd.Series:
    """Shares of the intervals of KS that hold the truth, lie above it and below it."""
    rng, found = np.random.default_rng(seed), []
    for number in range(repetitions):
        y, p = SIX_VALUES.draw(n, rng)
        order = np.argsort(p, kind="stable")
        limits = ranking_limits(
            y[order].astype(float), p[order], seed=number, n_boot=n_boot, level=0.95
        )
        found.append(limits.ks)
    low, high = np.transpose(found)
    too_high, too_low = (low > SIX_VALUES.ks).mean(), (high < SIX_VALUES.ks).mean()
    return pd.Series({"covered": 1 - too_high - too_low, "too_high": too_high, "too_low": too_low})


def main() -> None:
    """Print the tables of all worlds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--auc", type=float, nargs="+", default=[0.6, 0.7, 0.8, 0.9])
    parser.add_argument("--defaults", type=int, nargs="+", default=[20, 50, 150, 500])
    parser.add_argument("--repetitions", type=int, default=400)
    parser.add_argument("--extreme", type=float, default=1.0, help="slope of the stated logits")
    parser.add_argument("--too-low", type=float, default=0.0, help="shift of the stated logits")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    for defaults in given.defaults:
        for auc in given.auc:
            world = Binormal(auc, too_low=given.too_low, extreme=given.extreme)
            n = round(defaults / world.rate)
            table = coverage(world, n, given.repetitions, given.seed)
            print(f"\nAUC {auc}, {n} loans, about {defaults} defaults")
            print(table.round(3).to_string(), flush=True)
    print("\nKS of six probabilities, 1,000 loans, 100 defaults")
    print(ks_with_ties(given.repetitions, given.seed).round(3).to_string())


if __name__ == "__main__":
    main()
