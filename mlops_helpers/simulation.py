"""A simulated portfolio whose truth is known.

The world is a small, documented risk model. Applicants are drawn from correlated distributions
(age drives employment, income, credit history and home ownership; income drives debt and the loan
asked for); default is a Bernoulli draw from a logistic model with thresholds and interactions
(`risk_model`). Scenarios change the world in named ways, and combine:

================  ==================================================================
quiet             the base
recession         *who applies* changes: lower incomes, more debt, shorter jobs, more
                  consolidation and small business. P(default | application) stays.
policy change     *what makes people default* changes: mortgages, big loans and small
                  business turn risky, job and history protect less. Who applies stays.
broken feed       debt_to_income_ratio arrives in per cent, and a fifth of it not at
                  all. Applicants and their defaults stay.
================  ==================================================================

With one seed the scenarios share their random numbers, so two worlds can be compared row by row.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

import numpy as np
import pandas as pd

from mlops_helpers.risk_model import POLICY_CHANGE, QUIET, risk_effects

Scenario = Literal["quiet", "recession", "policy change", "broken feed"]
SCENARIOS: tuple[Scenario, ...] = get_args(Scenario)

LABEL_DELAY = pd.Timedelta(days=182)
"""The performance window: an application counts as a default if it defaults within it."""

PORTFOLIO_START = pd.Timestamp("2022-01-01", tz="UTC")
PORTFOLIO_MONTHS = 36
CHANGE_AT = pd.Timestamp("2023-09-01", tz="UTC")
"""From here on the portfolio lives in AFTER_CHANGE instead of quiet times."""
AFTER_CHANGE: tuple[Scenario, ...] = ("recession", "policy change")

MISSING_AGE = 0.06
MISSING_EMPLOYMENT = 0.03
LOST_BY_BROKEN_FEED = 0.20


PURPOSE_SHARES: Mapping[str, tuple[float, float]] = {  # in quiet times, in a recession
    "debt_consolidation": (0.40, 0.46),
    "credit_card": (0.18, 0.15),
    "home_improvement": (0.11, 0.06),
    "major_purchase": (0.08, 0.05),
    "car": (0.07, 0.04),
    "small_business": (0.05, 0.12),
    "medical": (0.04, 0.05),
    "educational": (0.03, 0.03),
    "other": (0.04, 0.04),
}


def simulate_applications(
    n: int,
    *,
    seed: int,
    start: str | pd.Timestamp,
    scenario: str | tuple[str, ...] = "quiet",
    months: int = 1,
) -> pd.DataFrame:
    """Draw `n` applications spread over `months` months from the month of `start` on.

    Returns a frame in the course's columns, sorted by `applied_at` (aware UTC), with `default`
    (0/1) and `outcome_at` = `applied_at` + `LABEL_DELAY`. Equal arguments give equal frames; ids
    carry seed and month (`S42-202312-00017`).

    Raises ValueError for an unknown scenario, a negative `n` or `months` below one.
    """
    names = _scenarios(scenario)
    if n < 0:
        raise ValueError(f"n == {n}, must be 0 or more: the number of applications to draw.")
    if months < 1:
        raise ValueError(f"months == {months}, must be at least 1.")
    begin = _month_start(start)
    drawn = _draw(
        n,
        rng=np.random.default_rng(seed),
        begin=begin,
        end=begin + pd.DateOffset(months=months),
        names=names,
        prefix=f"S{seed}",
    )
    return _settle(drawn, names=names)


def simulate_portfolio(*, seed: int = 42, per_month: int = 1000) -> pd.DataFrame:
    """Draw the course's portfolio: 36 months from 2022-01, `per_month` applications each.

    Quiet until `CHANGE_AT`, then `AFTER_CHANGE`. Each month is drawn from a child of `seed`'s
    own, so no two months are the same draw. Columns as in `simulate_applications`.
    """
    children = np.random.SeedSequence(seed).spawn(PORTFOLIO_MONTHS)
    worlds: dict[tuple[str, ...], list[pd.DataFrame]] = {("quiet",): [], AFTER_CHANGE: []}
    for month, child in enumerate(children):
        begin = PORTFOLIO_START + pd.DateOffset(months=month)
        names = AFTER_CHANGE if begin >= CHANGE_AT else ("quiet",)
        worlds[names].append(
            _draw(
                per_month,
                rng=np.random.default_rng(child),
                begin=begin,
                end=begin + pd.DateOffset(months=1),
                names=names,
                prefix=f"P{seed}",
            )
        )
    settled = [_settle(pd.concat(parts), names=names) for names, parts in worlds.items()]
    return pd.concat(settled, ignore_index=True)


def portfolio_truth(frame: pd.DataFrame) -> pd.Series:
    """Return the true default probability of rows of `simulate_portfolio`, on their index.

    Raises ValueError for rows from elsewhere: nobody knows the truth about real loans.
    """
    foreign = ~frame["application_id"].astype(str).str.match(r"P\d+-\d{6}-\d+$")
    if foreign.any():
        example = frame.loc[foreign, "application_id"].iloc[0]
        raise ValueError(
            f"application_id == {example!r} is not from simulate_portfolio: the true probability "
            "is known for simulated portfolios only. Ask `stream.simulated` before calling this."
        )
    before = true_default_probability(frame, scenario="quiet")
    after = true_default_probability(frame, scenario=AFTER_CHANGE)
    return before.where(frame["applied_at"] < CHANGE_AT, after)


def true_default_probability(
    frame: pd.DataFrame, *, scenario: str | tuple[str, ...] = "quiet"
) -> pd.Series:
    """Return P(default | application) in `scenario`'s world, on the index of `frame`.

    For "broken feed" the ratio is read as per cent, and is nan where the feed lost it.
    """
    names = _scenarios(scenario)
    if "broken feed" in names:
        frame = frame.assign(debt_to_income_ratio=frame["debt_to_income_ratio"] / 100)
    effects = risk_effects(frame, model=POLICY_CHANGE if "policy change" in names else QUIET)
    probability = 1 / (1 + np.exp(-effects.sum(axis=1, skipna=False)))
    return probability.rename("true_probability")


def _draw(
    n: int,
    *,
    rng: np.random.Generator,
    begin: pd.Timestamp,
    end: pd.Timestamp,
    names: tuple[str, ...],
    prefix: str,
) -> pd.DataFrame:
    """Draw applicants and times, and the luck that will settle their loans."""
    frame = _applicants(n, rng=rng, recession="recession" in names)
    seconds = np.sort(rng.integers(0, int((end - begin).total_seconds()), size=n))
    applied_at = pd.Series(begin.as_unit("us") + pd.to_timedelta(seconds, unit="s").as_unit("us"))
    ids = [f"{prefix}-{begin:%Y%m}-{number:05d}" for number in range(1, n + 1)]
    frame.insert(0, "application_id", pd.Series(ids, dtype="str"))
    frame.insert(1, "applied_at", applied_at)
    return frame.assign(luck=rng.random(n), lost=rng.random(n) < LOST_BY_BROKEN_FEED)


def _settle(drawn: pd.DataFrame, *, names: tuple[str, ...]) -> pd.DataFrame:
    """Let default who is to default in the world of `names`; then break the feed."""
    frame = drawn.drop(columns=["luck", "lost"])
    world = tuple(name for name in names if name != "broken feed")
    probability = true_default_probability(frame, scenario=world)
    if "broken feed" in names:
        in_per_cent = (frame["debt_to_income_ratio"] * 100).round(2)
        frame["debt_to_income_ratio"] = in_per_cent.mask(drawn["lost"])
    frame["default"] = (drawn["luck"] < probability).astype("int64")
    frame["outcome_at"] = frame["applied_at"] + LABEL_DELAY.as_unit("us")
    return frame


def _applicants(n: int, *, rng: np.random.Generator, recession: bool) -> pd.DataFrame:
    """Draw the people and what they ask for; only this function knows about recessions."""
    age = np.clip(np.round(21 + rng.gamma(2.4, 7.5, size=n)), 21, 75)
    working_years = age - 20
    tenure = rng.beta(1.0, 2.4, size=n) * working_years * (0.75 if recession else 1.0)
    employment = np.round(np.clip(tenure, 0, 40) * 2) / 2
    log_income = (
        np.log(40_000)
        + 0.010 * (np.minimum(age, 55) - 21)
        + 0.020 * np.minimum(employment, 15)
        + 0.42 * rng.standard_normal(n)
        - (0.15 if recession else 0.0)
    )
    income = np.round(np.clip(np.exp(log_income), 9_000, 400_000), -2)
    debt_score = -1.55 - 0.30 * (log_income - np.log(50_000)) + 0.55 * rng.standard_normal(n)
    debt = np.round(1 / (1 + np.exp(-(debt_score + (0.20 if recession else 0.0)))), 4)
    history = np.round(np.clip((age - 19) * rng.beta(3.0, 1.8, size=n), 0.5, 50), 1)
    lines = 1 + rng.poisson(3 + 0.35 * np.minimum(history, 25) + 12 * debt)
    burden = np.exp(np.log(0.20) + 0.62 * rng.standard_normal(n))
    amount = np.clip(np.round(income**0.85 * 50_000**0.15 * burden / 100) * 100, 1_000, 40_000)
    shares = np.array([pair[recession] for pair in PURPOSE_SHARES.values()])
    purpose = _choose(rng.random(n), np.cumsum(shares), list(PURPOSE_SHARES))
    owner = 1 / (1 + np.exp(-(-2.4 + 0.075 * (age - 21) + 0.9 * (log_income - np.log(50_000)))))
    settled, deed = rng.random(n) < np.clip(0.25 + owner, 0, 0.95), rng.random(n)
    home = np.where(settled, np.where(deed < 0.12 + 0.006 * (age - 21), "own", "mortgage"), "rent")
    return pd.DataFrame(
        {
            "age": np.where(rng.random(n) < MISSING_AGE, np.nan, age),
            "annual_income": income,
            "employment_length": np.where(rng.random(n) < MISSING_EMPLOYMENT, np.nan, employment),
            "debt_to_income_ratio": debt,
            "credit_history_length": history,
            "num_credit_lines": lines.astype(float),
            "loan_amount": amount,
            "loan_purpose": pd.Series(purpose, dtype="str"),
            "home_ownership": pd.Series(home, dtype="str"),
        }
    )


def _choose(uniform: np.ndarray, cumulative: np.ndarray, names: list[str]) -> np.ndarray:
    """Turn uniform draws into names by the inverse of their cumulative shares."""
    place = np.searchsorted(cumulative, uniform, side="right")
    return np.array(names)[np.minimum(place, len(names) - 1)]


def _scenarios(scenario: str | tuple[str, ...]) -> tuple[str, ...]:
    names = (scenario,) if isinstance(scenario, str) else tuple(scenario)
    for name in names:
        if name not in SCENARIOS:
            raise ValueError(f"scenario == {name!r}, must be one of {', '.join(SCENARIOS)}.")
    return names or ("quiet",)


def _month_start(when: str | pd.Timestamp) -> pd.Timestamp:
    stamp = pd.Timestamp(when)
    stamp = stamp.tz_localize("UTC") if stamp.tz is None else stamp.tz_convert("UTC")
    return stamp.normalize().replace(day=1)
