"""Named worlds: the quiet one, drifts of known size, and four causes of a bad month.

A detector can only be scored where the truth is known. Each world changes one thing by a stated
amount and says which of four causes it belongs to:

==================  ============================  =========================  ===================
cause               P(x), who applies             P(default | x)             P(x | default)
==================  ============================  =========================  ===================
applicants changed  moves                         stays                      moves
the world changed   stays                         moves                      moves
label rate changed  moves, as there are more      moves: every odds times    stays
                    of those who default          the same number
feed broke          stays, but not what is seen   stays, for what is true    stays, for the true
==================  ============================  =========================  ===================

The label rate by Bayes: with default `k` times as frequent and P(x | default) kept, the odds of
default of every application are multiplied by ``k (1 - rate) / (1 - k rate)``. Source: M. Saerens,
P. Latinne and C. Decaestecker (2002), Neural Computation 14, 21-41.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from mlops_helpers.simulation import (
    PURPOSE_SHARES,
    simulate_applications,
    true_default_probability,
)

__all__ = ["BASE_RATE", "CAUSES", "WORLDS", "Cause", "World", "draw_world", "seed_of"]

Cause = Literal[
    "nothing", "applicants changed", "the world changed", "label rate changed", "feed broke"
]
CAUSES: dict[Cause, str] = {
    "applicants changed": "recession",
    "the world changed": "policy change",
    "label rate changed": "defaults doubled",
    "feed broke": "broken feed",
}
"""The world that stands for each cause."""

BASE_RATE = 0.1235
"""P(default) in quiet times: the mean of the true probabilities of three million applications."""
DEBT_SD = 0.0842
"""Standard deviation of debt_to_income_ratio in quiet times."""

Change = Callable[[pd.DataFrame, np.random.Generator], pd.DataFrame]


@dataclass(frozen=True)
class World:
    """One way in which applications differ from quiet times.

    told: the change and its size, in words; cause: which of the four it is.
    scenario: of `simulation`. applicants: changes who applies, before loans are settled by the
    unchanged P(default | x). odds: times the odds of default of everybody, whoever applies.
    defaults: times as many defaults, with P(x | default) kept. safest: only this share of the
    quiet applicants, those of the least risk, applies. feed: changes what is seen, after loans
    were settled.
    """

    told: str
    cause: Cause
    scenario: tuple[str, ...] = ("quiet",)
    applicants: Change | None = None
    odds: float = 1.0
    defaults: float = 1.0
    safest: float = 1.0
    feed: Change | None = None


def draw_world(
    name: str, n: int, *, seed: int, start: str | pd.Timestamp = "2024-01-01", months: int = 1
) -> pd.DataFrame:
    """Draw `n` applications of the world `name` of `WORLDS`, as `simulate_applications` does.

    Its columns and `true_probability`: P(default | x) in this world for the true x, also where
    the feed shows another. Equal arguments give equal frames. Rows differ from one another by
    chance only, so that a large draw may be cut into months. Raises ValueError for a name that is
    not in `WORLDS`, and as `simulate_applications` does.
    """
    if name not in WORLDS:
        raise ValueError(f"name == {name!r}, must be a world of WORLDS: {', '.join(WORLDS)}.")
    world = WORLDS[name]
    rng = np.random.default_rng([seed, 1])  # [seed] alone is the stream of the applications
    scenario = tuple(part for part in world.scenario if part != "broken feed")
    drawing = {"seed": seed, "start": start, "months": months}
    if world.defaults != 1.0:
        frame = _more_defaults(n, world.defaults, rng, **drawing)
    elif world.safest != 1.0:
        frame = _safest(n, world.safest, **drawing)
    else:
        frame = simulate_applications(n, scenario=scenario, **drawing)
        if world.applicants is not None:
            frame = world.applicants(frame, rng)
        truth = _times_odds(true_default_probability(frame, scenario=scenario), world.odds)
        frame["true_probability"] = truth
        if world.applicants is not None or world.odds != 1.0:
            frame["default"] = (rng.random(n) < truth).astype("int64")
    if "broken feed" in world.scenario:
        # The same seed draws the same people; only what is seen of them is taken over.
        broken = simulate_applications(n, scenario=world.scenario, **drawing)
        frame["debt_to_income_ratio"] = broken["debt_to_income_ratio"]
    return frame if world.feed is None else world.feed(frame, rng)


def seed_of(*parts: int) -> int:
    """One seed from several numbers, such that no two lists of numbers share their chance."""
    return int(np.random.SeedSequence(parts).generate_state(1)[0])


def _more_defaults(
    n: int, times: float, rng: np.random.Generator, **drawing: object
) -> pd.DataFrame:
    """Quiet applications chosen by class from a larger draw; no row is taken twice."""
    rate = times * BASE_RATE
    defaults = int(rng.binomial(n, rate))
    pool = simulate_applications(int(n * times * 1.3) + 500, **drawing)
    places = np.flatnonzero(pool["default"] == 1), np.flatnonzero(pool["default"] == 0)
    for wanted, there in zip((defaults, n - defaults), places, strict=True):
        if wanted > len(there):
            raise ArithmeticError(
                f"{wanted} rows of one class were wanted of {len(there)} drawn; draw with "
                "another seed: chance made this pool too small."
            )
    # The pool is in order of time, and so would be the first rows of each class.
    chosen = [rng.choice(places[0], defaults, replace=False)]
    chosen.append(rng.choice(places[1], n - defaults, replace=False))
    frame = pool.iloc[np.sort(np.concatenate(chosen))].reset_index(drop=True)
    odds = times * (1 - BASE_RATE) / (1 - rate)
    return frame.assign(true_probability=_times_odds(true_default_probability(frame), odds))


def _safest(n: int, share: float, **drawing: object) -> pd.DataFrame:
    """The `n` quiet applications of the least risk among `n` / `share`, in order of time."""
    pool = simulate_applications(round(n / share), **drawing)
    pool["true_probability"] = true_default_probability(pool)
    chosen = pool["true_probability"].rank(method="first") <= n
    return pool[chosen].reset_index(drop=True)


def _times_odds(probability: pd.Series, times: float) -> pd.Series:
    return times * probability / (1 - probability + times * probability)


def _income(times: float) -> Change:
    """Everybody's income times a number, to the next hundred as all incomes are."""
    return lambda frame, _: frame.assign(
        annual_income=(frame["annual_income"] * times).round(-2).clip(lower=9_000)
    )


def _debt(deviations: float) -> Change:
    """Everybody's debt ratio so many standard deviations higher."""
    return lambda frame, _: frame.assign(
        debt_to_income_ratio=(frame["debt_to_income_ratio"] + deviations * DEBT_SD)
        .clip(upper=1.0)
        .round(4)
    )


def _purposes(share: float) -> Change:
    """A share of the purposes drawn anew, all of them equally likely."""

    def change(frame: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
        anew = pd.Series(rng.choice(list(PURPOSE_SHARES), len(frame)), dtype="str")
        return frame.assign(loan_purpose=frame["loan_purpose"].mask(_some(frame, share, rng), anew))

    return change


def _per_cent(share: float) -> Change:
    """A share of the debt ratios arrives in per cent."""

    def change(frame: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
        debt = frame["debt_to_income_ratio"]
        return frame.assign(
            debt_to_income_ratio=debt.mask(_some(frame, share, rng), (debt * 100).round(2))
        )

    return change


def _missing(column: str, share: float) -> Change:
    """A share of a column is lost."""
    return lambda frame, rng: frame.assign(**{column: frame[column].mask(_some(frame, share, rng))})


def _as(column: str, seen: Callable[[pd.Series], pd.Series | float]) -> Change:
    """A column is seen as something else that keeps to the contract."""
    return lambda frame, _: frame.assign(**{column: seen(frame[column])})


def _shuffled(column: str) -> Change:
    """A column arrives with the rows of other applicants: its own distribution stays."""
    return lambda frame, rng: frame.assign(
        **{column: frame[column].to_numpy()[rng.permutation(len(frame))]}
    )


def _some(frame: pd.DataFrame, share: float, rng: np.random.Generator) -> pd.Series:
    return pd.Series(rng.random(len(frame)) < share, index=frame.index)


WORLDS: dict[str, World] = {
    "quiet": World("nothing changed", "nothing"),
    "incomes -5 %": World("incomes 5 % lower", "applicants changed", applicants=_income(0.95)),
    "incomes -10 %": World("incomes 10 % lower", "applicants changed", applicants=_income(0.9)),
    "incomes -20 %": World("incomes 20 % lower", "applicants changed", applicants=_income(0.8)),
    "debt +0.1 sd": World(
        "debt ratios 0.1 standard deviations higher", "applicants changed", applicants=_debt(0.1)
    ),
    "debt +0.3 sd": World(
        "debt ratios 0.3 standard deviations higher", "applicants changed", applicants=_debt(0.3)
    ),
    "purposes mixed": World(
        "20 % of the purposes drawn anew, all equally likely",
        "applicants changed",
        applicants=_purposes(0.2),
    ),
    "recession": World(
        "lower incomes, more debt, shorter jobs, other purposes",
        "applicants changed",
        scenario=("recession",),
    ),
    "policy change": World(
        "other people default: mortgages, big loans, small business",
        "the world changed",
        scenario=("policy change",),
    ),
    "everybody riskier": World(
        "the odds of default of everybody times 2.3, whoever applies",
        "the world changed",
        odds=2.3,
    ),
    "defaults doubled": World(
        "defaults twice as frequent, those who default and who repay as before",
        "label rate changed",
        defaults=2.0,
    ),
    "recession and policy": World(
        "a recession and a policy change at once",
        "the world changed",
        scenario=("recession", "policy change"),
    ),
    "broken feed": World(
        "debt ratios in per cent, a fifth of them lost", "feed broke", scenario=("broken feed",)
    ),
    "5 % in per cent": World(
        "5 % of the debt ratios in per cent", "feed broke", feed=_per_cent(0.05)
    ),
    "all in per cent": World("all debt ratios in per cent", "feed broke", feed=_per_cent(1.0)),
    "2 % missing": World(
        "2 % of the credit lines lost", "feed broke", feed=_missing("num_credit_lines", 0.02)
    ),
    "10 % missing": World(
        "10 % of the credit lines lost", "feed broke", feed=_missing("num_credit_lines", 0.1)
    ),
    "incomes of others": World(
        "each income is that of another applicant: only correlations change",
        "feed broke",
        feed=_shuffled("annual_income"),
    ),
    "the safest apply": World(
        "only those below the 60 % quantile of the true risk apply",
        "applicants changed",
        safest=0.6,
    ),
    "income by the month": World(
        "incomes arrive by the month", "feed broke", feed=_as("annual_income", lambda x: x / 12)
    ),
    "purposes in capitals": World(
        "purposes arrive in capitals",
        "feed broke",
        feed=_as("loan_purpose", lambda x: x.str.upper()),
    ),
    "debt all 0": World(
        "every debt ratio is 0",
        "feed broke",
        feed=_as("debt_to_income_ratio", lambda _: 0.0),
    ),
    "history all 0": World(
        "every credit history is 0",
        "feed broke",
        feed=_as("credit_history_length", lambda _: 0.0),
    ),
    "homes swapped": World(
        "rent is seen as mortgage and mortgage as rent",
        "feed broke",
        feed=_as("home_ownership", lambda x: x.replace({"rent": "mortgage", "mortgage": "rent"})),
    ),
}
