"""How often the gate's statistical checks let through what they should, and what they should not.

Run it with `python -m tests.benchmarks.coverage_gate [draws]`; a few minutes for 1,000 draws. First
comes what needs more than one look (many groups, many tries), then the cases of `CASES`. The worlds
have the size and the spread of risk of the course's holdouts: simulated loans (a champion's AUC is
0.72) and LendingClub's of 2009 (0.60). Limits are those of `GatePolicy()`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd
from scipy import optimize, special, stats

from mlops_helpers.gate import Finding
from mlops_helpers.gate_figures import calibrated, earns_as_much, not_worse
from mlops_helpers.gate_policy import GatePolicy
from mlops_helpers.gate_segments import fair_to_groups

POLICY = GatePolicy()
POPULATION = 200_000
HOMES = {"rent": 0.5, "mortgage": 0.38, "own": 0.12}
PURPOSES = {"debt": 0.4, "card": 0.18, "home": 0.14, "major": 0.1, "car": 0.1, "medical": 0.08}


@dataclass(frozen=True)
class World:
    """Applications whose true log-odds of default are normal."""

    name: str
    n: int
    rate: float
    spread: float
    dollars: float

    @property
    def middle(self) -> float:
        """The mean of the log-odds that gives `rate`."""
        z = stats.norm.ppf((np.arange(2000) + 0.5) / 2000)
        return optimize.brentq(
            lambda m: special.expit(m + self.spread * z).mean() - self.rate, -8, 3
        )

    def draw(self, rng: np.random.Generator, n: int | None = None) -> pd.DataFrame:
        """`truth` (log-odds), `default`, `loan_amount`, the columns of the segments."""
        n = self.n if n is None else n
        truth = self.middle + self.spread * rng.normal(size=n)
        return pd.DataFrame(
            {
                "truth": truth,
                "default": (rng.random(n) < special.expit(truth)).astype(float),
                "loan_amount": self.dollars * rng.gamma(2.5, 1 / 2.5, n),
                "home_ownership": rng.choice(list(HOMES), n, p=list(HOMES.values())),
                "loan_purpose": rng.choice(list(PURPOSES), n, p=list(PURPOSES.values())),
                "age": rng.uniform(20, 70, n),
                "annual_income": rng.lognormal(10.8, 0.5, n),
            }
        )


SIMULATED = World("simulated", 4000, 0.126, 0.9, 13_000)
REAL = World("2009", 1587, 0.14, 0.42, 9_300)
WORLDS = (SIMULATED, REAL)
ERROR = 0.3
"""Noise in the champion's log-odds, as a share of their spread."""

Model = Callable[[World, pd.DataFrame, np.random.Generator], np.ndarray]


def noisy(share: float) -> Model:
    """The truth with noise of its own in the log-odds, as a share of their spread."""

    def model(world: World, rows: pd.DataFrame, rng: np.random.Generator) -> np.ndarray:
        return special.expit(rows["truth"] + share * world.spread * rng.normal(size=len(rows)))

    return model


def noisy_for_renters(share: Callable[[World], float]) -> Model:
    """As good as the champion, but more noise for those who rent."""

    def model(world: World, rows: pd.DataFrame, rng: np.random.Generator) -> np.ndarray:
        renting = rows["home_ownership"] == "rent"
        much, little = (noisy(s)(world, rows, rng) for s in (share(world), ERROR))
        return np.where(renting, much, little)

    return model


def stretched(factor: float) -> Model:
    """The truth with its log-odds spread out by a factor, and the right level."""

    @cache
    def middle(world: World) -> float:
        z = factor * world.spread * stats.norm.ppf((np.arange(2000) + 0.5) / 2000)
        return optimize.brentq(lambda m: special.expit(m + z).mean() - world.rate, -30, 10)

    def model(world: World, rows: pd.DataFrame, rng: np.random.Generator) -> np.ndarray:
        return special.expit(middle(world) + factor * (rows["truth"] - world.middle)).to_numpy()

    return model


def scaled(factor: float) -> Model:
    """The true probabilities times a factor."""
    return lambda world, rows, rng: np.clip(factor * special.expit(rows["truth"]), 0, 0.99)


def odds(factor: float) -> Model:
    """The true odds times a factor."""
    return lambda world, rows, rng: special.expit(rows["truth"] + np.log(factor)).to_numpy()


def auc(rows: pd.DataFrame, score: np.ndarray) -> float:
    """The AUC expected of a score: each row counts as a default with its true probability."""
    order = np.argsort(score)
    p = special.expit(rows["truth"].to_numpy())[order]
    good = np.cumsum(1 - p) - 0.5 * (1 - p)
    return float((p * good).sum() / (p.sum() * (1 - p).sum()))


def profit(rows: pd.DataFrame, score: np.ndarray) -> float:
    """The profit per application expected of a model's decisions."""
    costs, p = POLICY.costs, special.expit(rows["truth"])
    earned = costs.expected_profit(rows["loan_amount"], p)
    return float(np.where(score < POLICY.approve_below, earned, 0).mean())


@cache
def share_losing(world: World, figure: Callable[..., float], loss: float) -> float:
    """The noise at which a model loses exactly `loss` of a figure against the champion."""
    rows = world.draw(np.random.default_rng(1), POPULATION)
    least = figure(rows, noisy(ERROR)(world, rows, np.random.default_rng(2))) - loss

    def above(share: float) -> float:
        return figure(rows, noisy(share)(world, rows, np.random.default_rng(3))) - least

    return optimize.brentq(above, 0, 30, xtol=1e-3)


def worse(figure: Callable[..., float], loss: float) -> Model:
    """A model that loses exactly `loss` of a figure against the champion."""
    return lambda world, rows, rng: noisy(share_losing(world, figure, loss))(world, rows, rng)


def worse_for_renters(loss: float) -> Model:
    """A model that loses exactly `loss` of the AUC among those who rent."""
    return noisy_for_renters(lambda world: share_losing(world, auc, loss))


CHAMPION = noisy(ERROR)
CHECKS: dict[str, Callable[[pd.DataFrame, np.ndarray, np.ndarray], Finding]] = {
    "calibration": lambda rows, old, new: calibrated(rows["default"], new, POLICY),
    "not worse than the champion": lambda rows, old, new: not_worse(
        rows["default"], old, new, margin=POLICY.margin
    ),
    "segments": lambda rows, old, new: fair_to_groups(rows, new, old, POLICY),
    "segments, no champion": lambda rows, old, new: fair_to_groups(rows, new, None, POLICY),
    "profit": lambda rows, old, new: earns_as_much(rows, new, old, POLICY),
    "profit, no champion": lambda rows, old, new: earns_as_much(rows, new, None, POLICY),
}
AS_GOOD = "as good, errors of its own"
CASES: list[tuple[str, str, Model]] = [
    ("calibration", "perfectly calibrated", scaled(1.0)),
    ("calibration", "promises 1.5 times the defaults", scaled(1.5)),
    ("calibration", "promises twice the defaults", scaled(2.0)),
    ("calibration", "promises half the defaults", scaled(0.5)),
    ("calibration", "odds doubled", odds(2.0)),
    ("calibration", "odds times 3", odds(3.0)),
    ("calibration", "over-confident: log-odds x 2", stretched(2.0)),
    ("calibration", "over-confident: log-odds x 1.33", stretched(1.33)),
    ("calibration", "timid: log-odds / 2", stretched(0.5)),
    ("not worse than the champion", AS_GOOD, CHAMPION),
    ("not worse than the champion", "0.02 worse", worse(auc, POLICY.margin)),
    ("not worse than the champion", "0.04 worse", worse(auc, 2 * POLICY.margin)),
    ("segments", AS_GOOD, CHAMPION),
    ("segments", "0.05 worse for renters", worse_for_renters(POLICY.segment_margin)),
    ("segments", "knows nothing about renters", noisy_for_renters(lambda world: 1000.0)),
    ("segments, no champion", AS_GOOD, CHAMPION),
    ("segments, no champion", "promises twice the defaults", scaled(2.0)),
    ("profit", AS_GOOD, CHAMPION),
    ("profit", "$75 worse", worse(profit, POLICY.profit_margin)),
    ("profit, no champion", AS_GOOD, CHAMPION),
]


def approved(check: str, model: Model, world: World, draws: int, seed: int = 0) -> float:
    """The share of drawn holdouts on which a check passes a model."""
    passed = 0
    for number in range(draws):
        rng = np.random.default_rng([seed, number])
        rows = world.draw(rng)
        old, new = CHAMPION(world, rows, rng), model(world, rows, rng)
        passed += CHECKS[check](rows, old, new).passed
    return passed / draws


def table(draws: int) -> pd.DataFrame:
    """A row for each case: the share approved in each world (missing where no model loses that)."""
    found = []
    for check, name, model in CASES:
        row = {"check": check, "model": name}
        for world in WORLDS:
            try:
                row[world.name] = approved(check, model, world, draws)
            except ValueError as impossible:  # brentq: even pure noise does not lose that much
                if "different signs" not in str(impossible):
                    raise
                row[world.name] = np.nan
        found.append(row)
        print(check, name, *(f"{row[w.name]:.3f}" for w in WORLDS), sep=" | ", flush=True)
    return pd.DataFrame(found)


def with_a_group(rows: pd.DataFrame, word: str, size: int) -> pd.DataFrame:
    """These rows, the first `size` of them with a purpose of their own."""
    return rows.assign(loan_purpose=np.where(np.arange(len(rows)) < size, word, "debt"))


def with_rare_words(rows: pd.DataFrame, words: int) -> pd.DataFrame:
    """These rows; each of the first `words` applicants has a purpose that nobody else has."""
    purpose = rows["loan_purpose"].to_numpy(dtype=object, copy=True)
    purpose[:words] = [f"word {number}" for number in range(words)]
    return rows.assign(loan_purpose=purpose)


def refused_for_rare_words(rate: float, words: int, draws: int) -> tuple[float, float]:
    """How often the right probabilities are refused, alone and against a champion, 3,000 rows."""
    world, refused = World("rare words", 3000, rate, 0.9, 13_000), np.zeros(2)
    for number in range(draws):
        rng = np.random.default_rng([words, number])
        rows = with_rare_words(world.draw(rng), words)
        right, old = scaled(1.0)(world, rows, rng), CHAMPION(world, rows, rng)
        refused += [not fair_to_groups(rows, right, other, POLICY).passed for other in (None, old)]
    return tuple(refused / draws)


def refused_for_a_group(factor: float, size: int, draws: int, world: World = SIMULATED) -> float:
    """How often a model is refused that promises `factor` times the defaults of one group."""
    refused = 0
    for number in range(draws):
        rng = np.random.default_rng([size, number])
        rows = with_a_group(world.draw(rng), "moving", size)
        right, wrong = (scaled(f)(world, rows, rng) for f in (1.0, factor))
        said = np.where(rows["loan_purpose"] == "moving", wrong, right)
        refused += not fair_to_groups(rows, said, None, POLICY).passed
    return refused / draws


def approved_in_the_end(tries: int, draws: int, share: float = 0.7) -> float:
    """How often a model worse by the margin passes one of so many random parts of a holdout."""
    model, passed = worse(auc, POLICY.margin), 0
    for number in range(draws):
        rng = np.random.default_rng([tries, number])
        rows = SIMULATED.draw(rng)
        y, old = rows["default"].to_numpy(), CHAMPION(SIMULATED, rows, rng)
        new = model(SIMULATED, rows, rng)
        parts = (rng.permutation(len(rows))[: round(share * len(rows))] for _ in range(tries))
        passed += any(not_worse(y[i], old[i], new[i], margin=POLICY.margin).passed for i in parts)
    return passed / draws


def best_of_approved(candidates: int, draws: int) -> float:
    """How often one of so many candidates, each worse by the margin, passes one holdout."""
    model, passed = worse(auc, POLICY.margin), 0
    for number in range(draws):
        rng = np.random.default_rng([candidates, number])
        rows = SIMULATED.draw(rng)
        old = CHAMPION(SIMULATED, rows, rng)
        new = (model(SIMULATED, rows, rng) for _ in range(candidates))
        passed += any(
            not_worse(rows["default"], old, one, margin=POLICY.margin).passed for one in new
        )
    return passed / draws


def more_than_one_look(draws: int) -> None:
    """Print what happens with many small groups, with one that is off, and with many tries."""
    for rate in (0.05, 0.12):
        for words in (0, 5, 20, 50):
            alone, against = refused_for_rare_words(rate, words, draws)
            print(f"right, refused, rate {rate} | {words} words | {alone:.3f} | {against:.3f}")
    for factor in (1 / 3, 1 / 4, 3.0, 4.0):
        found = refused_for_a_group(factor, 300, draws)
        print(f"300 rows promised times {factor:.2f}, refused | {found:.3f}", flush=True)
    for tries in (1, 5, 20):
        parts, models = approved_in_the_end(tries, draws), best_of_approved(tries, draws)
        print(f"worse by the margin, one of {tries} parts passes | {parts:.3f}")
        print(f"one of {tries} such models passes | {models:.3f}", flush=True)


if __name__ == "__main__":
    number_of_draws = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    more_than_one_look(number_of_draws)
    table(number_of_draws)
