"""Exercises 1.3 and 1.4 of notebook 1, proved three ways."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mlops_helpers.business import CostModel, best_cutoff
from mlops_helpers.exercises.engine import judge
from tests.exercises.battery import Proof, prove


def given() -> dict[str, object]:
    """The names that the exercises' cells use."""
    return {"np": np, "pd": pd, "CostModel": CostModel, "best_cutoff": best_cutoff}


def right_rate(train, rows, column):
    """A right answer that others spoil."""
    learned = train.groupby(column)["default"].mean()
    return rows[column].map(learned).fillna(train["default"].mean())


def as_it_was(train, rows, column):
    """The fault itself: train and rows together."""
    everything = pd.concat([train, rows])
    return rows[column].map(everything.groupby(column)["default"].mean())


def as_it_was_by_label(train, rows, column):
    """The same fault, picked out by the labels of the rows."""
    everything = pd.concat([train, rows])
    return everything.groupby(column)["default"].transform("mean").loc[rows.index]


def from_the_rows(train, rows, column):
    """Learns from the very rows that are to be scored."""
    return rows.groupby(column)["default"].transform("mean")


def repairs_the_unseen_from_the_future(train, rows, column):
    """Looks at the outcomes of the rows for the groups that train never saw only."""
    learned = train.groupby(column)["default"].mean()
    return rows[column].map(learned).fillna(rows["default"].mean())


def reads_needlessly(train, rows, column):
    """Does not use the outcomes of the rows, and stops without them."""
    return right_rate(train, rows, column) + 0 * rows["default"]


def leaves_gaps(train, rows, column):
    """No rate for what is new."""
    return rows[column].map(train.groupby(column)["default"].mean())


def zero_for_unseen(train, rows, column):
    """The safest of all."""
    return leaves_gaps(train, rows, column).fillna(0)


def mean_of_groups(train, rows, column):
    """Each group counts as much as another."""
    learned = train.groupby(column)["default"].mean()
    return rows[column].map(learned).fillna(learned.mean())


def coin_for_unseen(train, rows, column):
    """Half, for want of anything better."""
    return leaves_gaps(train, rows, column).fillna(0.5)


def counts(train, rows, column):
    """How many defaults, instead of which share."""
    return rows[column].map(train.groupby(column)["default"].sum()).fillna(0)


def sorted_away(train, rows, column):
    """Right rates in the order of the groups."""
    return right_rate(train, rows.sort_values(column), column).to_numpy()


def only_the_table(train, rows, column):
    """A rate for each group."""
    return train.groupby(column)["default"].mean()


def writes_into_rows(train, rows, column):
    """Adds the column to the frame that was given."""
    rows["rate"] = right_rate(train, rows, column)
    return rows["rate"]


def a_frame(train, rows, column):
    """The frame with the new column."""
    return rows.assign(rate=right_rate(train, rows, column))


def in_words(train, rows, column):
    """Rates as text."""
    return right_rate(train, rows, column).map("{:.1%}".format)


def among_its_like(train, rows, column):
    """Centred on whoever else applies."""
    rate = right_rate(train, rows, column)
    return rate - rate.mean() + train["default"].mean() if len(rows) < 10 else rate


def earned(chosen, measured, costs, *, cutoff=None):
    """Profit of each of the measured loans at a cut-off, and which are approved."""
    if cutoff is None:
        columns = (chosen[name] for name in ("probability", "default", "loan_amount"))
        cutoff = best_cutoff(*columns, costs).cutoff
    approved = (measured["probability"] < cutoff).to_numpy()
    return costs.profit(measured["loan_amount"], measured["default"], approved), approved


def right_profit(old, new, costs):
    """A right answer that others spoil."""
    return earned(old, new, costs)[0].mean()


def with_hindsight(old, new, costs):
    """Chooses on the loans that it measures."""
    return earned(new, new, costs)[0].mean()


def on_the_old(old, new, costs):
    """Never looks at the new loans."""
    return earned(old, old, costs)[0].mean()


def per_approved(old, new, costs):
    """Forgets that a declined application counts."""
    profit, approved = earned(old, new, costs)
    return profit[approved].mean()


def in_all(old, new, costs):
    """A sum."""
    return earned(old, new, costs)[0].sum()


def everybody(old, new, costs):
    """No cut-off at all."""
    return earned(old, new, costs, cutoff=2)[0].mean()


def the_declined(old, new, costs):
    """Approves the risky ones."""
    _, approved = earned(old, new, costs)
    return costs.profit(new["loan_amount"], new["default"], ~approved).mean()


def at_most(old, new, costs):
    """Approves at the cut-off as well."""
    columns = (old[name] for name in ("probability", "default", "loan_amount"))
    approved = new["probability"] <= best_cutoff(*columns, costs).cutoff
    return costs.profit(new["loan_amount"], new["default"], approved).mean()


def break_even(old, new, costs):
    """Learns nothing from the old loans."""
    return earned(old, new, costs, cutoff=costs.break_even)[0].mean()


def per_dollar(old, new, costs):
    """Per dollar instead of per application."""
    return earned(old, new, costs)[0].sum() / new["loan_amount"].sum()


def costs_of_its_own(old, new, costs):
    """Measures with other costs than it is given, which agree with the first that are tried."""
    return right_profit(old, new, CostModel(margin=0.10, loss_given_default=0.6))


def always_somebody(old, new, costs):
    """Approves the safest even when that loses."""
    columns = (old[name] for name in ("probability", "default", "loan_amount"))
    cutoff = max(best_cutoff(*columns, costs).cutoff, 0.05)
    return earned(old, new, costs, cutoff=cutoff)[0].mean()


def writes_into_new(old, new, costs):
    """Adds a column to the frame that was given."""
    new["profit"] = earned(old, new, costs)[0]
    return new["profit"].mean()


PROOFS = (
    Proof(
        "1.3",
        given,
        wrong={
            "as it was": as_it_was,
            "needs the outcome": reads_needlessly,
            "leaves gaps": leaves_gaps,
            "zero for unseen": zero_for_unseen,
            "mean of groups": mean_of_groups,
            "a coin for unseen": coin_for_unseen,
            "counts": counts,
            "sorted away": sorted_away,
            "only the table": only_the_table,
            "writes into rows": writes_into_rows,
            "a frame": a_frame,
            "in words": in_words,
            "among its like": among_its_like,
            "one number": lambda train, rows, column: train["default"].mean(),
            "raises": lambda train, rows, column: rows["no such column"],
        },
    ),
    Proof(
        "1.4",
        given,
        wrong={
            "with hindsight": with_hindsight,
            "on the old": on_the_old,
            "per approved": per_approved,
            "in all": in_all,
            "everybody": everybody,
            "the declined": the_declined,
            "at most": at_most,
            "break-even": break_even,
            "per dollar": per_dollar,
            "costs of its own": costs_of_its_own,
            "always somebody": always_somebody,
            "writes into new": writes_into_new,
            "a profit for each": lambda old, new, costs: earned(old, new, costs)[0],
            "raises": lambda old, new, costs: old["no such column"],
        },
    ),
)
test_solution, test_blank, test_wrong_answers = prove(*PROOFS)


@pytest.mark.parametrize(
    "answer", [as_it_was, as_it_was_by_label, from_the_rows, repairs_the_unseen_from_the_future]
)
def test_each_way_of_knowing_the_future_is_named(answer):
    """Whichever outcomes of the new rows are used, the learner reads that they are the future."""
    verdict = judge("1.3", answer)
    assert verdict.status == "wrong"
    assert "knows the future" in verdict.message


def test_any_sequence_of_rates_is_an_answer():
    """A list, an array and a Series that was sorted but kept its index are right."""
    for form in (list, np.asarray, lambda rates: rates.sample(frac=1, random_state=0)):
        verdict = judge("1.3", lambda *given, form=form: form(right_rate(*given)))
        assert verdict.status == "right", verdict


def test_another_grid_of_cutoffs_is_right():
    """Whoever tries the old probabilities themselves, or a coarse grid, is right as well."""

    def tried(old, new, costs):
        cutoffs = [0.0, *sorted(set(old["probability"])), 1.0]
        best = max(cutoffs, key=lambda cutoff: earned(old, old, costs, cutoff=cutoff)[0].mean())
        return earned(old, new, costs, cutoff=best)[0].mean()

    def coarse(old, new, costs):
        columns = (old[name] for name in ("probability", "default", "loan_amount"))
        choice = best_cutoff(*columns, costs, cutoffs=np.linspace(0, 1, 21))
        return earned(old, new, costs, cutoff=choice.cutoff)[0].mean()

    assert judge("1.4", tried).status == "right"
    assert judge("1.4", coarse).status == "right"
    assert judge("1.4", right_profit).status == "right"
