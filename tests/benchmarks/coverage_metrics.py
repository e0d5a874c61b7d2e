"""How often the 95 % intervals of `evaluate` cover: python -m tests.benchmarks.coverage_metrics.

Simulates loans whose metrics are known (`tests.binormal`), evaluates each sample and prints, for
each world, the share of intervals that hold the truth, that lie wholly above it and wholly below
it, and their mean width. Takes about ten minutes with the defaults.
"""

from __future__ import annotations

import argparse

import numpy as np
import pandas as pd

from mlops_helpers.performance import METRICS, evaluate
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


if __name__ == "__main__":
    main()
