"""Exercise 5.3: outcomes are compared; opinions, and other tempting figures, are recognised."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from mlops_helpers.business import CostModel
from mlops_helpers.exercises.e05_opinions import _SEED, _log, _readings, _right
from mlops_helpers.exercises.engine import judge
from tests.exercises.battery import Names, Proof, prove

Z = stats.norm.ppf(0.975)


def given() -> Names:
    """What stub and solution find in the kernel."""
    return {"np": np, "pd": pd, "stats": stats, "CostModel": CostModel}


def dollars(log, costs, default=None, lent=None):
    """Dollars of each application."""
    default = log["default"] if default is None else default
    lent = (log["decision"] == "approve") if lent is None else lent
    return pd.Series(costs.profit(log["loan_amount"], default, lent), index=log.index)


def effect_of(values, log, *, z=Z, error=None, pooled=False):
    """Effect and interval of any values, arm against arm, missing ones left out."""
    a, b = (values[log["variant"] == arm].dropna() for arm in ("control", "treatment"))
    effect = b.mean() - a.mean()
    wide = np.sqrt(a.var() / len(a) + b.var() / len(b))
    if error is not None:
        wide = error(a, b)
    if pooled:
        both = ((len(a) - 1) * a.var() + (len(b) - 1) * b.var()) / (len(a) + len(b) - 2)
        wide = np.sqrt(both * (1 / len(a) + 1 / len(b)))
    return effect, effect - z * wide, effect + z * wide


def reading(values):
    """An answer that compares the means of these values."""
    return lambda log, costs: effect_of(values(log, costs), log)


def right(log, costs, **how):
    """Dollars of what is known, by means, spreads unequal."""
    return effect_of(dollars(log, costs), log, **how)


def filled(value):
    """An answer that fills in the outcomes that are not known."""
    return reading(lambda log, costs: dollars(log, costs, log["default"].fillna(value)))


def promised(log, costs):
    """Dollars as the probabilities promise them."""
    return pd.Series(costs.expected_profit(log["loan_amount"], log["probability"]), log.index)


def turned(log, costs):
    """Control minus treatment."""
    effect, low, high = right(log, costs)
    return -effect, -high, -low


def scaled(factor):
    """The right figures in another unit."""
    return lambda log, costs: tuple(x * factor for x in right(log, costs))


def sums(log, costs):
    """Totals, not means."""
    total = dollars(log, costs).groupby(log["variant"]).sum()
    gap = total["treatment"] - total["control"]
    return gap, gap - 1000, gap + 1000


def medians(log, costs):
    """Medians, not means."""
    half = dollars(log, costs).groupby(log["variant"]).median()
    gap = half["treatment"] - half["control"]
    return gap, gap - 100, gap + 100


def relative(log, costs):
    """As a share of what control earns."""
    base = dollars(log, costs)[log["variant"] == "control"].mean()
    return tuple(x / base for x in right(log, costs))


def hard_coded(log, costs):
    """Today's margin and loss."""
    return right(log, CostModel())


def half_coded(log, costs):
    """The given margin, and today's loss."""
    return right(log, CostModel(margin=costs.margin))


def gaps_kept(log, costs):
    """Means skip what is missing; SciPy does not."""
    money = dollars(log, costs)
    a, b = (money[log["variant"] == arm] for arm in ("control", "treatment"))
    said = stats.ttest_ind(b, a, equal_var=False).confidence_interval()
    return b.mean() - a.mean(), said.low, said.high


def by_appearance(log, costs):
    """The arm that comes first is control."""
    first = log["variant"].iloc[0]
    other = log["variant"].map(lambda arm: "control" if arm != first else "treatment")
    return right(log.assign(variant=other), costs)


def by_label(log, costs):
    """Takes rows by label."""
    money = dollars(log, costs)
    a, b = (money.loc[log.index[log["variant"] == arm]] for arm in ("control", "treatment"))
    a, b = a.dropna(), b.dropna()
    gap = b.mean() - a.mean()
    wide = Z * np.sqrt(a.var() / len(a) + b.var() / len(b))
    return gap, gap - wide, gap + wide


def in_place(log, costs):
    """Fills in the log itself."""
    log["default"] = log["default"].fillna(0.0)
    return right(log, costs)


def p_value(log, costs):
    """The colleague's answer: a p-value."""
    a, b = (log.loc[log["variant"] == arm, "probability"] for arm in ("control", "treatment"))
    return float(stats.ttest_ind(a, b).pvalue)


def control_variate(log, costs):
    """Right on average, and with an interval that the probabilities make narrower."""
    effect, low, high = right(log, costs)
    spread = log["probability"][log["variant"] == "treatment"].std() * 0.1
    return effect, low + spread, high - spread


def adjusted(log, costs):
    """Regresses on the probability of the model under test."""
    money = dollars(log, costs)
    known = money.notna()
    slope = np.polyfit(log["probability"][known], money[known], 1)[0]
    return effect_of(money - slope * log["probability"], log)


PROOFS = (
    Proof(
        "5.3",
        given,
        wrong={
            "opinions": reading(lambda log, costs: log["probability"]),
            "promised": reading(
                lambda log, costs: promised(log, costs).where(log["decision"] == "approve", 0.0)
            ),
            "promised for all": reading(promised),
            "decides anew": reading(
                lambda log, costs: dollars(log, costs, lent=log["probability"] < costs.break_even)
            ),
            "default rate": reading(lambda log, costs: log["default"]),
            "approved only": reading(
                lambda log, costs: dollars(log, costs).where(log["decision"] == "approve")
            ),
            "unknown repaid": filled(0.0),
            "unknown defaulted": filled(1.0),
            "unknown earn nothing": reading(lambda log, costs: dollars(log, costs).fillna(0.0)),
            "everybody granted": reading(
                lambda log, costs: dollars(log, costs, log["default"].fillna(0.0), [True] * 1200)
            ),
            "turned": turned,
            "sums": sums,
            "medians": medians,
            "approval rate": reading(lambda log, costs: (log["decision"] == "approve") * 1.0),
            "defaults of all": reading(lambda log, costs: log["default"].fillna(0.0)),
            "relative": relative,
            "thousands": scaled(1 / 1000),
            "cents": scaled(100),
            "pooled": lambda log, costs: right(log, costs, pooled=True),
            "90 %": lambda log, costs: right(log, costs, z=stats.norm.ppf(0.95)),
            "99 %": lambda log, costs: right(log, costs, z=stats.norm.ppf(0.995)),
            "one standard error": lambda log, costs: right(log, costs, z=1),
            "single applications": lambda log, costs: right(
                log, costs, error=lambda a, b: np.sqrt(a.var() + b.var())
            ),
            "control is known": lambda log, costs: right(
                log, costs, error=lambda a, b: np.sqrt(b.var() / len(b))
            ),
            "spread of control": lambda log, costs: right(
                log, costs, error=lambda a, b: np.sqrt(a.var() / len(a))
            ),
            "errors added": lambda log, costs: right(
                log, costs, error=lambda a, b: a.sem() + b.sem()
            ),
            "no interval": lambda log, costs: (right(log, costs)[0],) * 3,
            "one side": lambda log, costs: (*right(log, costs)[:2], 1e6),
            "upside down": lambda log, costs: right(log, costs)[::2] + right(log, costs)[1:2],
            "hard-coded costs": hard_coded,
            "half of the costs": half_coded,
            "by label": by_label,
            "gaps kept": gaps_kept,
            "by appearance": by_appearance,
            "adjusted": adjusted,
            "narrowed by opinions": control_variate,
            "changes the log": in_place,
            "a p-value": p_value,
            "words": lambda log, costs: ("better", 0.0, 1.0),
            "two numbers": lambda log, costs: right(log, costs)[1:],
            "not a number": lambda log, costs: (float("nan"), 0.0, 1.0),
        },
    ),
)
test_solution, test_blank, test_wrong_answers = prove(*PROOFS)


def test_other_right_answers_are_right():
    """By hand, by SciPy, as an array, rows of any label."""

    def scipys(log, costs):
        money = dollars(log, costs)
        a, b = (money[log["variant"] == arm].dropna() for arm in ("control", "treatment"))
        said = stats.ttest_ind(b, a, equal_var=False).confidence_interval()
        return np.array([b.mean() - a.mean(), said.low, said.high])

    def by_place(log, costs):
        return right(log.reset_index(drop=True), costs)

    for answer in (right, scipys, by_place):
        verdict = judge("5.3", answer)
        assert verdict.status == "right", verdict


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (reading(lambda log, costs: log["probability"]), "what the two models *say*"),
        (adjusted, "opinions are still in it"),
        (control_variate, "moves with the predicted probabilities"),
        (hard_coded, "you used the default CostModel"),
        (gaps_kept, "an approved loan without an outcome leaves a gap"),
        (by_label, "with an index that repeats"),
        (half_coded, "not those of `costs`"),
        (by_appearance, "which arm is which"),
        (filled(1.0), "they are just young"),
    ],
)
def test_each_mistake_is_named(answer, said):
    """Opinions, costs, order and young loans are told apart."""
    assert said in judge("5.3", answer).message


def test_the_readings_differ_on_the_log():
    """No two tempting readings give one figure, and none the right one."""
    log, costs = _log(_SEED), CostModel()
    found = sorted([value for value, _ in _readings(log, costs)] + [_right(log, costs)[0]])
    gaps = np.diff(found)
    assert (gaps > 1e-3).all(), found
