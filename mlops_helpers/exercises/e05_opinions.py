"""Checks of notebook 05, continued: what the arms earned, not what their models said.

The answer gets a small log whose arms differ in size, in cut-off and in the spread of their loans,
so that each tempting reading gives a figure of its own, by which it is recognised.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from mlops_helpers.business import CostModel
from mlops_helpers.exercises.engine import Wrong, exercise, kind, number
from mlops_helpers.exercises.repeated_labels import repeated_labels
from mlops_helpers.two_samples import welch

Compare = Callable[[pd.DataFrame, CostModel], Any]
Effect = tuple[float, float, float]

_ROWS = {"control": 900, "treatment": 300}
_CUTOFFS = {"control": 0.20, "treatment": 0.14}
_SEED = 53
_NEAR = 1e-6
_WIDTH = 0.04  # by how much a width may differ: t or normal, both are welcome


@exercise(
    "5.3",
    title="Find the fault: a test of opinions",
    fault=True,
    hints=(
        "Halve every probability of the treatment in the log and run the colleague's test again. "
        "Did anybody earn a cent more?",
        "`costs.profit(amount, default, approved)` gives the dollars of each application: 0 for a "
        "declined one, missing for an approved loan without an outcome. Those leave.",
        "The rest is the comparison of two means whose spreads differ: Welch's. Both "
        "`stats.ttest_ind(a, b, equal_var=False).confidence_interval()` and two variances over two "
        "sizes will do.",
    ),
)
def opinions(answer: Compare) -> str:
    """`answer(exposures, costs)` is effect, low, high of profit per application, in dollars."""
    log, costs = _log(_SEED), CostModel()
    found = _effect(answer, log, costs)
    _known_mistake(found, log, costs)
    true = _right(log, costs)
    if not _same(found[0], true[0]):
        _unlike(answer, found, log, costs)
    _width(found, true, log, costs)
    _elsewhere(answer, found, log)
    return "nobody's opinion is in it: what was decided, what came back, and how sure that is"


def _effect(answer: Compare, log: pd.DataFrame, costs: CostModel) -> Effect:
    """What the answer says, or `Wrong` for what is no effect with its interval."""
    handed = log.copy()
    said = answer(handed, costs)
    if not handed.equals(log):
        raise Wrong("it changed the exposures that it was given; work on a copy")
    if not isinstance(said, tuple | list | np.ndarray) or len(said) != 3:
        size = f" of {len(said)}" if isinstance(said, tuple | list) else ""
        raise Wrong(f"it returned {kind(said)}{size}, must be three numbers: effect, low, high")
    names = ("effect", "low end", "high end")
    gaps = [
        name
        for name, value in zip(names, said, strict=True)
        if isinstance(value, float) and np.isnan(value)
    ]
    if gaps:
        raise Wrong(
            f"{' and '.join(gaps)} came out as nan: an approved loan without an outcome leaves a "
            "gap in the dollars, leave it out. Some functions skip gaps, others do not"
        )
    effect, low, high = (
        number(value, f"the {name} of the effect" if name != "effect" else "the effect")
        for value, name in zip(said, names, strict=True)
    )
    if not low <= effect <= high:
        raise Wrong(f"effect {effect:.3g}, low {low:.3g}, high {high:.3g} are not in order")
    return effect, low, high


def _known_mistake(found: Effect, log: pd.DataFrame, costs: CostModel) -> None:
    """`Wrong` if the effect is one that a tempting reading of the log gives."""
    right = _right(log, costs)[0]
    for effect, said in _readings(log, costs):
        if _same(found[0], effect) and not _same(effect, right):
            raise Wrong(said)


def _unlike(answer: Compare, found: Effect, log: pd.DataFrame, costs: CostModel) -> None:
    """`Wrong`: the effect is another. What it depends on says why."""
    new = log["variant"] == "treatment"
    halved = log.assign(probability=log["probability"].mask(new, log["probability"] / 2))
    if not _same(_effect(answer, halved, costs)[0], found[0]):
        raise Wrong(
            "with the treatment's probabilities halved, and no decision or outcome changed, it "
            "gives another effect: opinions are still in it"
        )
    luckier = log.assign(default=log["default"].where(log["default"].isna(), 0.0))
    if _same(_effect(answer, luckier, costs)[0], found[0]):
        raise Wrong("it says the same when every default is turned into a repaid loan")
    way = "large" if found[0] > _right(log, costs)[0] else "small"
    raise Wrong(f"an effect of {found[0]:.4g} is too {way} for dollars per application")


def _width(found: Effect, true: Effect, log: pd.DataFrame, costs: CostModel) -> None:
    """`Wrong` unless the interval is as wide as 95 % and two unlike spreads ask for."""
    half, due = (found[2] - found[1]) / 2, (true[2] - true[1]) / 2
    if half == 0:
        raise Wrong("the effect is right and has no interval: low and high are the effect itself")
    if abs((found[1] + found[2]) / 2 - found[0]) > 0.1 * half:
        raise Wrong("the effect is right, and does not lie in the middle of its interval")
    if abs(half / due - 1) <= _WIDTH:
        return
    off, said = min((abs(half / width - 1), said) for width, said in _widths(log, costs))
    if off <= _WIDTH:
        raise Wrong(f"the effect is right; {said}")
    way = "narrow" if half < due else "wide"
    raise Wrong(f"the effect is right; its interval is too {way}, by a factor of {half / due:.2f}")


def _elsewhere(answer: Compare, found: Effect, log: pd.DataFrame) -> None:
    """`Wrong` if other costs change nothing, or order, index and probabilities something."""
    costs = CostModel()
    dear = CostModel(margin=0.2, loss_given_default=0.8)
    dollars = _effect(answer, log, dear)[0]
    if _same(dollars, found[0]):
        raise Wrong("you used the default CostModel; take the one given, `costs`")
    if not _same(dollars, _right(log, dear)[0]):
        raise Wrong("with a margin of 20 % and a loss of 80 % its dollars are not those of `costs`")
    turned = log.iloc[::-1].reset_index(drop=True)
    if not _same(_effect(answer, turned, costs)[0], found[0]):
        raise Wrong(
            "with the rows in the reverse order it gives another effect: which arm is which?"
        )
    if not _same(_effect(answer, repeated_labels(log), costs)[0], found[0]):
        raise Wrong("with an index that repeats it gives another effect; rows are no labels")
    shouted = log.assign(probability=log["probability"].where(log["variant"] == "control", 0.5))
    if not np.allclose(_effect(answer, shouted, costs), found, rtol=_NEAR):
        raise Wrong("the effect is right, and its interval moves with the predicted probabilities")


def _readings(log: pd.DataFrame, costs: CostModel) -> list[tuple[float, str]]:
    """Effects that tempting readings of the log give, and what is off with each."""
    amount, default = log["loan_amount"], log["default"]
    lent = log["decision"] == "approve"
    money = pd.Series(costs.profit(amount, default, lent), index=log.index)
    promised = pd.Series(costs.expected_profit(amount, log["probability"]), index=log.index)
    known = lent & default.notna()
    again = log["probability"] < costs.break_even
    right = _right(log, costs)[0]

    def gap(values: pd.Series, of: pd.Series | None = None) -> float:
        kept = values if of is None else values[of]
        means = kept.groupby(log["variant"].loc[kept.index]).mean()
        return float(means["treatment"] - means["control"])

    def filled(value: float) -> float:
        return gap(pd.Series(costs.profit(amount, default.fillna(value), lent), index=log.index))

    sums = money.fillna(0.0).groupby(log["variant"]).sum()
    halves = money.groupby(log["variant"]).median()
    control = money[log["variant"] == "control"].mean()
    return [
        (gap(log["probability"]), "it compares what the two models *say*. Nobody has repaid yet"),
        (
            gap(promised.where(lent, 0.0)),
            "these dollars are promised by the probabilities of the model under test; the log "
            "knows what came back",
        ),
        (gap(promised), "these dollars are promised, and by loans that nobody granted as well"),
        (
            gap(pd.Series(costs.profit(amount, default, again), index=log.index)),
            "it decides anew from the probabilities; who got the money is in `decision`",
        ),
        (
            gap(default, known),
            "that is the default rate among approved loans. An arm that lends to hardly anybody "
            "has a good one",
        ),
        (
            gap(money, known),
            "the declined are missing. Each arm chose whom to lend to, so its loans are other "
            "people; all its applications are not",
        ),
        (
            filled(0.0),
            "approved loans without an outcome count as repaid, and nobody knows that yet",
        ),
        (filled(1.0), "approved loans without an outcome count as defaulted; they are just young"),
        (
            gap(money.fillna(0.0)),
            "approved loans without an outcome count as earning 0, as if they had been declined",
        ),
        (
            gap(pd.Series(costs.profit(amount, default.fillna(0.0)), index=log.index)),
            "declined applications earn as if they had been granted and repaid",
        ),
        (-right, "the sign is turned: it says what control earns more than the treatment"),
        (float(sums["treatment"] - sums["control"]), "these are sums; the arms differ in size"),
        (
            float(halves["treatment"] - halves["control"]),
            "that is the difference of medians. The losses are few and large, and a median does "
            "not see them",
        ),
        (gap(lent.astype(float)), "that is the difference of the approval rates, no dollars"),
        (
            gap(default.fillna(0.0)),
            "that is the share of all applications that defaulted; an arm lowers it by declining",
        ),
        (right / control, "that is the effect as a share of what control earns, not in dollars"),
        (right / 1000, "that is in thousands of dollars"),
    ]


def _widths(log: pd.DataFrame, costs: CostModel) -> list[tuple[float, str]]:
    """Half widths of tempting intervals around the right effect, and what is off with each."""
    control, treatment = _money(log, costs)
    n, m, a, b = len(control), len(treatment), control.var(), treatment.var()
    error, z = float(np.sqrt(a / n + b / m)), float(stats.norm.ppf(0.975))
    pooled = float(np.sqrt(((n - 1) * a + (m - 1) * b) / (n + m - 2) * (1 / n + 1 / m)))
    tail = float(stats.norm.ppf(0.95))
    return [
        (z * pooled, "its interval takes both spreads for equal, and the smaller arm's is larger"),
        (tail * error, "its interval misses the truth in one of ten experiments, must be 5 %"),
        (float(stats.norm.ppf(0.995)) * error, "its interval is one of 99 %, must be 95 %"),
        (error, "its interval is one standard error to each side; that covers 68 %"),
        (z * float(np.sqrt(a + b)), "its interval is that of single applications, not of means"),
        (
            z * float(np.sqrt(b / m)),
            "its interval takes control's mean for known; it was measured as well",
        ),
        (
            z * float(np.sqrt(a / n)),
            "its interval has the spread of control alone; the treatment's is larger",
        ),
        (
            z * float(np.sqrt(a / n) + np.sqrt(b / m)),
            "its interval adds the two standard errors; independent errors partly cancel",
        ),
    ]


def _right(log: pd.DataFrame, costs: CostModel) -> Effect:
    found = welch(*_money(log, costs), 0.05)
    return found.value, found.low, found.high


def _money(log: pd.DataFrame, costs: CostModel) -> tuple[pd.Series, pd.Series]:
    """Dollars of each application of control and treatment whose result is known."""
    earned = costs.profit(log["loan_amount"], log["default"], log["decision"] == "approve")
    settled, mine = ~np.isnan(earned), (log["variant"] == "treatment").to_numpy()
    return pd.Series(earned[settled & ~mine]), pd.Series(earned[settled & mine])


def _same(a: float, b: float) -> bool:
    return bool(np.isclose(a, b, rtol=_NEAR, atol=1e-9))


def _log(seed: int) -> pd.DataFrame:
    """Twelve hundred exposures; outcomes of the approved, a few of them not known yet."""
    rng = np.random.default_rng(seed)
    arm = np.repeat(list(_ROWS), list(_ROWS.values()))
    size, new = arm.size, arm == "treatment"
    risk = rng.beta(1.2, 6.0, size=size)
    said = np.clip(risk * np.where(new, 0.9, 1.1) + rng.normal(0, 0.04, size=size), 0.01, 0.95)
    lent = said < np.where(new, _CUTOFFS["treatment"], _CUTOFFS["control"])
    known = lent & (rng.random(size) > 0.06)
    amount = np.round(np.exp(rng.normal(np.where(new, 9.6, 9.0), 0.5)), -2)
    default = np.where(known, (rng.random(size) < risk).astype(float), np.nan)
    frame = pd.DataFrame(
        {
            "application_id": [f"A{k:04d}" for k in range(size)],
            "variant": pd.Series(arm, dtype="str"),
            "probability": said,
            "decision": pd.Series(np.where(lent, "approve", "decline"), dtype="str"),
            "loan_amount": amount,
            "default": default,
        }
    )
    return frame.sample(frac=1, random_state=seed).reset_index(drop=True)
