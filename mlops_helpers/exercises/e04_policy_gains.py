"""Checks of notebook 4, continued: which policy earns more, and how sure that is.

Every seed is a world of its own, three years long: what it earns under any policy depends far more
on the seed than on the policy. The seeds' differences are what can be compared. Their intervals are
asked for on hundreds of made policies whose true gains are known.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from mlops_helpers.business import in_dollars
from mlops_helpers.exercises.engine import Wrong, exercise, kind

Gains = Callable[[pd.DataFrame, str], pd.DataFrame]

BASE = "never"
SEEDS = 8
_POLICIES = 300
_BETWEEN_SEEDS, _BETWEEN_POLICIES = 120.0, 15.0  # dollars per application
_SAME_WIDTH = 0.02  # eight seeds counted for seven make an interval 3 % to 10 % too narrow
LEAST_INSIDE, MOST_INSIDE = 0.925, 0.985
"""What counts as 95 % when it is counted on 300 made policies: two standard errors (of 1.3 points)
below it and nearly three above."""


def made_profits(
    *, seed: int, gains: dict[str, float], seeds: int = SEEDS, base: str = BASE
) -> pd.DataFrame:
    """Profits per application of `base` and of policies that truly earn so much more than it.

    Columns seed, policy, profit, in no order. What a seed earns under `base` varies by $120, what a
    policy adds to it by $15, both as standard deviations over the seeds.
    """
    rng = np.random.default_rng(seed)
    world = 400 + _BETWEEN_SEEDS * rng.normal(size=seeds)
    parts = {base: world} | {
        policy: world + gain + _BETWEEN_POLICIES * rng.normal(size=seeds)
        for policy, gain in gains.items()
    }
    frame = pd.DataFrame(parts, index=pd.Index(range(100, 100 + seeds), name="seed"))
    rows = frame.melt(var_name="policy", value_name="profit", ignore_index=False).reset_index()
    return rows.iloc[rng.permutation(len(rows))].reset_index(drop=True)


@exercise(
    "4.5",
    title="Which policy, and how sure?",
    hints=(
        "A seed in which nobody defaults is kind to every policy. What must be compared, so that "
        "the seed's kindness cancels out?",
        "`profits.pivot(index='seed', columns='policy', values='profit')` puts the policies of a "
        "seed side by side; subtract the base's column from each.",
        "From here on a policy is a sample of differences, one per seed: their mean, and their "
        "standard error times a quantile. Eight values are few: whose quantile is it, the normal "
        "distribution's or Student's?",
    ),
)
def policy_gains(answer: Gains) -> str:
    """`answer(profits, base)` returns gain, low and high by policy, at 95 %."""
    profits = made_profits(seed=1, gains={"monthly": -20.0, "on drift": 10.0, "both": 40.0})
    wide = profits.pivot(index="seed", columns="policy", values="profit")
    truth = wide.drop(columns=BASE).sub(wide[BASE], axis=0).mean()
    found = _gains(answer, profits)
    _same_gains(found["gain"], truth, wide)
    inside = _coverage(answer)
    _unfinished(answer, profits, wide)
    other = profits.replace({"policy": {BASE: "both", "both": BASE}})
    swapped = _gains(answer, other, base="both")
    if set(swapped.index) != {"monthly", "on drift", BASE}:
        raise Wrong("asked to compare with 'both', it compares with another policy")
    _same_gains(swapped["gain"].rename({BASE: "both"}), truth, wide)
    _few_seeds(answer)
    return (
        f"seed by seed, as wide as eight seeds deserve: of {_POLICIES} made policies {inside:.1%} "
        "have their true gain inside"
    )


def _same_gains(found: pd.Series, truth: pd.Series, wide: pd.DataFrame) -> None:
    if np.allclose(found[truth.index], truth, atol=1e-6):
        return
    if np.allclose(found[truth.index], -truth, atol=1e-6):
        raise Wrong("the signs are turned: positive is to mean more than the base")
    medians = wide.drop(columns=BASE).sub(wide[BASE], axis=0).median()
    if np.allclose(found[truth.index], medians, atol=1e-6):
        raise Wrong(
            "the gain is the median over the seeds; a lender is paid the mean, bad years included"
        )
    if np.allclose(found[truth.index], wide.mean()[truth.index], atol=1e-6):
        raise Wrong("the gain is what a policy earns, not how much more than the base")
    raise Wrong(
        "the gains are not the mean of what each policy earned more than the base. Are the rows "
        "compared those of the same seed? They come in no order"
    )


def _unfinished(answer: Gains, profits: pd.DataFrame, wide: pd.DataFrame) -> None:
    """A run that failed has no profit, or no row at all: its seed is lost for this policy only."""
    kindest = wide[BASE].idxmax()
    failed = (profits["policy"] == "both") & (profits["seed"] == kindest)
    difference = wide["both"] - wide[BASE]
    expected = difference.drop(kindest).mean()
    cases = {
        "has no profit (NaN)": profits.assign(profit=profits["profit"].mask(failed)),
        "is not in the table": profits[~failed],
    }
    for told, case in cases.items():
        found = _gains(answer, case)
        value = found.loc["both", "gain"]
        intervals = found.loc[["monthly", "on drift"], ["low", "high"]]
        whole = _gains(answer, profits).loc[["monthly", "on drift"], ["low", "high"]]
        if np.isnan(value):
            raise Wrong(f"one run of 'both' {told}, and nothing is said of its seven other seeds")
        if abs(value - expected) > 1e-6:
            zero = difference.where(difference.index != kindest, -wide[BASE]).mean()
            error = (
                "the missing one counts as if it had earned 0"
                if abs(value - zero) < 1e-6
                else "the two are not means of the same seeds"
            )
            raise Wrong(
                f"one run of 'both' {told}. Its gain is {in_dollars(value)}; on the seeds that "
                f"have both runs it is {in_dollars(expected)}: {error}"
            )
        if not np.allclose(intervals, whole):
            raise Wrong(
                f"one run of 'both' {told}, and the intervals of the *other* policies change: "
                "whose seed is lost?"
            )
        seven = _gains(answer, profits[profits["seed"] != kindest])
        width, enough = (t.loc["both", "high"] - t.loc["both", "low"] for t in (found, seven))
        if not abs(width - enough) <= _SAME_WIDTH * enough:
            raise Wrong(
                f"one run of 'both' {told}. Its interval is {in_dollars(width)} wide; in a table "
                f"of the seven other seeds alone it is {in_dollars(enough)}: how many differences "
                "does it rest on?"
            )


def _coverage(answer: Gains) -> float:
    """The share of made policies whose true gain lies inside; `Wrong` for too few or too wide."""
    truth = {f"policy {i:03d}": float(i % 30 - 15) for i in range(_POLICIES)}
    found = _gains(answer, made_profits(seed=5, gains=truth))
    expected = pd.Series(truth)
    if found[["low", "high"]].isna().any(axis=None):
        raise Wrong("eight whole seeds, and some policies have no interval")
    inside = ((found["low"] <= expected) & (expected <= found["high"])).mean()
    half = float((found["high"] - found["low"]).mean() / 2)
    error = _BETWEEN_POLICIES / SEEDS**0.5
    if half > 10 * error:
        _side_by_side(answer, half, truth)
        raise Wrong(
            f"the intervals reach ${half:,.0f} to either side, as far as seeds differ from each "
            "other. That part both policies of a seed have in common"
        )
    if half > 1.5 * 2.365 * error:
        raise Wrong(
            f"of {_POLICIES} made policies {inside:.1%} have their true gain inside, wider than "
            f"95 % need: ${half:,.0f} to either side is how far single seeds lie apart, not how "
            "uncertain their mean is"
        )
    if inside < 0.75:
        raise Wrong(
            f"of {_POLICIES} made policies only {inside:.0%} have their true gain inside an "
            f"interval that promises 95 % (${half:,.1f} to either side)"
        )
    if inside < LEAST_INSIDE:
        raise Wrong(
            f"of {_POLICIES} made policies {inside:.1%} have their true gain inside, 95 % are "
            "promised: nearly. How well is a standard deviation known from eight values?"
        )
    if inside > MOST_INSIDE:
        raise Wrong(f"{inside:.1%} of the true gains lie inside: wider than 95 % need")
    middle = (found["low"] + found["high"]) / 2
    if (middle - found["gain"]).abs().max() > 0.5 * error:
        raise Wrong("the intervals do not lie around the gains")
    return float(inside)


def _side_by_side(answer: Gains, half: float, truth: dict[str, float]) -> None:
    """`Wrong` if the widths shrink as soon as the rows come in order: pairs were made by place."""
    ordered = made_profits(seed=5, gains=truth).sort_values(["policy", "seed"], ignore_index=True)
    found = _gains(answer, ordered)
    if float((found["high"] - found["low"]).mean() / 2) < half / 2:
        raise Wrong(
            f"the intervals reach ${half:,.0f} to either side, and hardly a part of that as soon "
            "as the same table is sorted. Are the two rows that you subtract rows of one seed?"
        )


def _few_seeds(answer: Gains) -> None:
    """One seed has a gain and no interval."""
    one = made_profits(seed=9, gains={"both": 40.0}, seeds=1)
    found = _gains(answer, one)
    if not np.isfinite(found.loc["both", "gain"]):
        raise Wrong("with a single seed there is a gain, uncertain as it is; yours is missing")
    if found.loc["both", ["low", "high"]].notna().any():
        raise Wrong(
            f"with a single seed the interval is [{found.loc['both', 'low']:,.2f}, "
            f"{found.loc['both', 'high']:,.2f}]: nobody knows how seeds differ from one of them"
        )


def _gains(answer: Gains, profits: pd.DataFrame, base: str = BASE) -> pd.DataFrame:
    """The answer's table, one row for each policy but the base, or `Wrong`."""
    handed = profits.copy()
    found = answer(handed, base)
    if not handed.equals(profits):
        raise Wrong("it changed the table of profits; work on a copy")
    if not isinstance(found, pd.DataFrame):
        raise Wrong(f"it returned {kind(found)}, must be a DataFrame by policy")
    lacking = [name for name in ("gain", "low", "high") if name not in found.columns]
    if lacking:
        raise Wrong(f"the columns {', '.join(lacking)} are missing; there are {list(found)}")
    if found.index.has_duplicates:
        raise Wrong(
            f"{len(found)} rows for {found.index.nunique()} policies: one each is asked for"
        )
    expected = set(profits["policy"]) - {base}
    if base in found.index:
        raise Wrong(f"the base {base!r} is compared with itself; leave it out")
    if set(found.index) != expected:
        odd = sorted(map(str, set(found.index) ^ expected))
        raise Wrong(f"the index must be the names of the policies; check {', '.join(odd[:3])}")
    wanted = found[["gain", "low", "high"]]
    if not all(pd.api.types.is_numeric_dtype(kind) for kind in wanted.dtypes):
        raise Wrong("gain, low and high must be columns of numbers, one of each")
    numbers = wanted.astype(float)
    if (numbers["low"] > numbers["high"]).any():
        raise Wrong("some intervals begin above their end")
    return numbers.sort_index()
