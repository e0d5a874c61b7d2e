"""Exercise 4.5: the solution passes, the stub is a stub, unpaired and overconfident gains fail."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from mlops_helpers.business import profit_interval
from mlops_helpers.exercises.e04_policy_gains import made_profits
from mlops_helpers.exercises.engine import judge
from tests.exercises.battery import Proof, prove


def given():
    """What the cells of the exercise find in the notebook's kernel."""
    return {"np": np, "pd": pd}


def wide_of(profits):
    """Policies side by side."""
    return profits.pivot(index="seed", columns="policy", values="profit")


def differences(profits, base):
    """What each policy earned more than the base, by seed."""
    wide = wide_of(profits)
    return wide.drop(columns=base).sub(wide[base], axis=0)


def table(gain, reach):
    """The three columns."""
    return pd.DataFrame({"gain": gain, "low": gain - reach, "high": gain + reach})


def student(profits, base, level=0.95):
    """A right answer."""
    d = differences(profits, base)
    return table(d.mean(), d.sem() * stats.t.ppf((1 + level) / 2, d.count() - 1))


def with_quantile(quantile, ddof=1):
    """The mean and a fixed multiple of its standard error."""

    def answer(profits, base):
        d = differences(profits, base)
        return table(d.mean(), quantile * d.std(ddof=ddof) / np.sqrt(d.count()))

    return answer


def of_single_seeds(profits, base):
    """How far seeds lie apart."""
    d = differences(profits, base)
    return table(d.mean(), 2.365 * d.std())


def extremes(profits, base):
    """From the worst seed to the best."""
    d = differences(profits, base)
    return pd.DataFrame({"gain": d.mean(), "low": d.min(), "high": d.max()})


def quartiles(profits, base):
    """Quantiles of the differences themselves."""
    d = differences(profits, base)
    return pd.DataFrame({"gain": d.mean(), "low": d.quantile(0.25), "high": d.quantile(0.75)})


def unpaired(profits, base):
    """Means of different seeds, for all that the interval knows."""
    by = profits.groupby("policy")["profit"]
    mean, error = by.mean(), by.sem()
    gain = mean.drop(base) - mean[base]
    return table(gain, 2.145 * np.hypot(error.drop(base), error[base]))


def means_with_paired_width(profits, base):
    """The gain from all seeds of each, the width from the pairs."""
    mean = profits.groupby("policy")["profit"].mean()
    found = student(profits, base)
    return table(mean.drop(base) - mean[base], (found["high"] - found["low"]) / 2)


def by_place(profits, base):
    """Subtracts the first row from the first, whatever its seed."""
    mine = profits[profits["policy"] == base]["profit"].to_numpy()
    rows = {}
    for name, part in profits[profits["policy"] != base].groupby("policy"):
        n = min(len(part), len(mine))
        d = part["profit"].to_numpy()[:n] - np.roll(mine, 1)[:n] + np.arange(n)
        rows[name] = (d.mean(), d.mean() - 50, d.mean() + 50)
    return pd.DataFrame.from_dict(rows, orient="index", columns=["gain", "low", "high"])


def rows_as_they_come(profits, base):
    """Subtracts the first row from the first: the means agree, the pairs do not."""
    columns = {name: part["profit"].to_list() for name, part in profits.groupby("policy")}
    mine = columns.pop(base)
    d = pd.DataFrame({name: pd.Series(c) - pd.Series(mine) for name, c in columns.items()})
    return table(d.mean(), d.sem() * stats.t.ppf(0.975, d.count() - 1))


def failed_is_a_seed(profits, base):
    """Counts the rows of the table, not the differences."""
    d = differences(profits, base)
    return table(d.mean(), d.std() / np.sqrt(len(d)) * stats.t.ppf(0.975, len(d) - 1))


def failed_is_freedom(profits, base):
    """The standard error is right, only the degrees of freedom are those of all the rows."""
    d = differences(profits, base)
    return table(d.mean(), d.sem() * stats.t.ppf(0.975, len(d) - 1))


def failed_is_zero(profits, base):
    """A failed run earned nothing."""
    wide = wide_of(profits).fillna(0)
    d = wide.drop(columns=base).sub(wide[base], axis=0)
    return table(d.mean(), d.sem() * stats.t.ppf(0.975, len(d) - 1))


def whole_seeds_only(profits, base):
    """Loses a seed for all policies when one of them failed."""
    d = differences(profits, base).dropna()
    return table(d.mean(), d.sem() * stats.t.ppf(0.975, len(d) - 1))


def missing_spoils(profits, base):
    """A mean that is missing if anything is."""
    d = differences(profits, base)
    found = student(profits, base)
    return found.where(d.notna().all(), np.nan)


def no_width(profits, base):
    """One seed is taken for certain."""
    return student(profits, base).apply(lambda row: row.fillna(row["gain"]), axis=1)


def nothing_of_one(profits, base):
    """One seed is no seed."""
    found = student(profits, base)
    return found.where(found["low"].notna(), np.nan)


def turned(profits, base):
    """Base minus policy."""
    found = student(profits, base)
    return pd.DataFrame({"gain": -found["gain"], "low": -found["high"], "high": -found["low"]})


def medians(profits, base):
    """The median seed."""
    d = differences(profits, base)
    return student(profits, base).assign(gain=d.median())


def levels(profits, base):
    """What each policy earns."""
    mean = wide_of(profits).mean().drop(base)
    return table(mean, 50.0)


def in_place(profits, base):
    """Adds a column to the caller's table."""
    profits["base"] = base
    return student(profits, base)


PROOFS = (
    Proof(
        "4.5",
        given,
        wrong={
            "unpaired": unpaired,
            "gain of all seeds": means_with_paired_width,
            "by place": by_place,
            "rows as they come": rows_as_they_come,
            "failed is a seed": failed_is_a_seed,
            "failed is freedom": failed_is_freedom,
            "normal quantile": with_quantile(1.96),
            "standard error": with_quantile(1.0),
            "standard deviation": of_single_seeds,
            "population's deviation": with_quantile(1.96, ddof=0),
            "99.9 %": lambda p, b: student(p, b, 0.995),
            "80 %": lambda p, b: student(p, b, 0.8),
            "extremes": extremes,
            "quartiles": quartiles,
            "failed is zero": failed_is_zero,
            "whole seeds only": whole_seeds_only,
            "missing spoils": missing_spoils,
            "no width": no_width,
            "nothing of one": nothing_of_one,
            "turned": turned,
            "medians": medians,
            "levels": levels,
            "always never": lambda p, b: student(p, "never"),
            "with the base": lambda p, b: pd.concat([student(p, b), table(pd.Series({b: 0.0}), 0)]),
            "rows of seeds": lambda p, b: differences(p, b),
            "a Series": lambda p, b: student(p, b)["gain"],
            "no policies": lambda p, b: student(p, b).reset_index(drop=True),
            "texts": lambda p, b: student(p, b).map("{:.1f}".format),
            "changes its input": in_place,
        },
    ),
)
test_solution, test_blank, test_wrong_answers = prove(*PROOFS)


def test_other_right_answers_are_right():
    """Another way to the same interval: each pair of runs merged, each interval by SciPy."""

    def merged(profits, base):
        both = profits.merge(profits[profits["policy"] == base], on="seed", suffixes=("", "_base"))
        both = both[both["policy"] != base].dropna()
        rows = {}
        for name, part in both.groupby("policy"):
            d = part["profit"] - part["profit_base"]
            limits = stats.t.interval(0.95, len(d) - 1, d.mean(), d.sem())
            rows[name] = (d.mean(), *limits)
        return pd.DataFrame.from_dict(rows, orient="index", columns=["gain", "low", "high"])

    for answer in (student, merged):
        assert judge("4.5", answer).status == "right"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (unpaired, "have in common"),
        (with_quantile(1.96), "known from eight values"),
        (with_quantile(1.0), "promises 95 %"),
        (of_single_seeds, "single seeds lie apart"),
        (rows_as_they_come, "rows of one seed?"),
        (failed_is_a_seed, "how many differences does it rest on"),
        (failed_is_freedom, "how many differences does it rest on"),
        (extremes, "single seeds lie apart"),
        (means_with_paired_width, "not means of the same seeds"),
        (by_place, "those of the same seed"),
        (failed_is_zero, "as if it had earned 0"),
        (whole_seeds_only, "whose seed is lost"),
        (no_width, "nobody knows how seeds differ"),
        (turned, "the signs are turned"),
        (medians, "a lender is paid the mean"),
    ],
)
def test_each_mistake_is_named(answer, said):
    """Unpaired, too narrow, too wide, of other seeds: different words."""
    assert said in judge("4.5", answer).message


def test_made_profits_are_what_they_say():
    """The true gains, and a spread over seeds that dwarfs that of the differences."""
    profits = made_profits(seed=3, gains={"both": 40.0}, seeds=4_000)
    d = differences(profits, "never")["both"]
    found = profit_interval(d)
    assert found.low <= 40.0 <= found.high
    assert wide_of(profits)["never"].std() > 5 * d.std()
