"""Experiments on applicants whose truth is known, drawn again and again, and what readings found.

What `ab_limits` and `ab_instead` share: a `population`, `experiments` on it, and the frame of what
many readings of them said (`frame_of`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from mlops_helpers.business import CostModel, Interval, profit_interval
from mlops_helpers.selection import noisy_probabilities
from mlops_helpers.two_samples import welch, wilson
from mlops_helpers.worlds import draw_world, seed_of

__all__ = ["COSTS", "Drawn", "Population", "experiments", "frame_of", "gain", "population"]

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

COSTS = CostModel()
_POOL = 20_000


@dataclass(frozen=True)
class Population:
    """Applicants to draw from, with their true probabilities of default."""

    amount: FloatArray
    truth: FloatArray
    traits: pd.DataFrame

    @property
    def worth(self) -> FloatArray:
        """What a loan to each is expected to earn, in dollars."""
        return COSTS.expected_profit(self.amount, self.truth)

    def score(self, *, seed: int, noise: float, shift: float = 0.0) -> FloatArray:
        """A model's probabilities: the true log-odds with noise, then moved by `shift`."""
        luck = np.random.default_rng([seed, 2]).normal(size=self.truth.size)
        return special.expit(special.logit(noisy_probabilities(self.truth, luck, noise)) + shift)

    def effect(self, control: BoolArray, treatment: BoolArray) -> float:
        """Expected profit per application of approving `treatment` instead of `control`."""
        return float((self.worth * (treatment.astype(float) - control)).mean())


@dataclass(frozen=True)
class Drawn:
    """One experiment: who applied, in which arm, and how each loan would end."""

    who: NDArray[np.int64]
    arm: BoolArray  # in the treatment
    default: FloatArray
    profit: FloatArray  # of a loan to each, were it granted
    rng: np.random.Generator

    def money(self, lent: BoolArray) -> FloatArray:
        """What each application earned when `lent` were granted."""
        return np.where(lent, self.profit, 0.0)


@lru_cache(maxsize=8)
def population(world: str, *, seed: int) -> Population:
    """Twenty thousand applicants of a world of `worlds.WORLDS`; drawn once for a seed."""
    frame = draw_world(world, _POOL, seed=seed_of(seed, 5))
    amount, truth = (frame[c].to_numpy(dtype=float) for c in ("loan_amount", "true_probability"))
    return Population(amount, truth, frame)


def experiments(
    pool: Population, repeats: int, rows: int, *, seed: int, share: float = 0.5
) -> Iterator[Drawn]:
    """So many experiments on `rows` applicants each, `share` of them in the treatment.

    Raises ValueError below 2 repeats or 400 rows.
    """
    if repeats < 2 or rows < 400:
        raise ValueError(
            f"repeats is {repeats}, rows {rows}; must be 2 or more to have a spread, and 400 or "
            "more to fill the arms."
        )
    rng = np.random.default_rng([seed, 3])
    for _ in range(repeats):
        who = rng.integers(_POOL, size=rows)
        default = (rng.random(rows) < pool.truth[who]).astype(float)
        arm = rng.random(rows) < share
        yield Drawn(who, arm, default, COSTS.profit(pool.amount[who], default), rng)


def gain(values: FloatArray, arm: BoolArray) -> Interval:
    """Mean of the values in the treatment less that in control, with Welch's 95 % interval."""
    return welch(pd.Series(values[~arm]), pd.Series(values[arm]), 0.05)


def frame_of(
    found: Mapping[str, list[Interval]],
    truth: Mapping[str, float | FloatArray],
    units: Mapping[str, str] = MappingProxyType({}),
) -> pd.DataFrame:
    """One row a reading, as `ab_limits` describes it, from what each experiment said.

    found: the intervals by reading; truth: what one wanted to know, by reading, a number or one for
    each experiment; units: those that are not dollars. `low` and `high` are NaN below
    `business.MIN_ROWS` experiments; an experiment without limits of its own counts as missed.
    """
    rows = []
    for reading, intervals in found.items():
        said = np.array([(i.value, i.low, i.high) for i in intervals])
        mean = profit_interval(said[:, 0])
        known = np.asarray(truth[reading], dtype=float)
        out = ~((said[:, 1] <= known) & (known <= said[:, 2]))
        missed = wilson(pd.Series(out), 0.05)
        rows.append(
            {
                "reading": reading,
                "unit": units.get(reading, "$"),
                "value": mean.value,
                "low": mean.low,
                "high": mean.high,
                "truth": float(known.mean()),
                "spread": float(said[:, 0].std(ddof=1)),
                "missed": missed.value,
                "missed_low": missed.low,
                "missed_high": missed.high,
            }
        )
    return pd.DataFrame(rows)
