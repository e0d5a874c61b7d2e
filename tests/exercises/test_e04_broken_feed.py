"""Exercise 4.3: the solution passes, the stub is a stub, each way of learning a fault is named."""

import numpy as np
import pandas as pd
import pytest

from mlops_helpers.exercises.engine import judge
from mlops_helpers.quarantine import broken_rows
from tests.exercises.battery import Proof, prove

MONTH = pd.Timedelta(days=30)


def given():
    """What the cells of the exercise find in the notebook's kernel."""
    return {"np": np, "pd": pd}


def recent(files, as_of, days=30):
    """The applications of the last days before the day."""
    since = as_of - pd.Timedelta(days=days)
    return files[(files["applied_at"] >= since) & (files["applied_at"] < as_of)]


def sick(files, as_of, limit=0.01):
    """Whether the feed is broken now, or silent."""
    rows = recent(files, as_of)
    return rows.empty or broken_rows(rows, labelled=False).mean() > limit


def known(files, as_of):
    """Rows whose outcome is known."""
    return files[files["outcome_at"] <= as_of]


def whole(rows):
    """Rows that keep the contract."""
    return rows[~broken_rows(rows).to_numpy()]


def right(champion, files, fit, as_of):
    """Veto, then quarantine."""
    return champion if sick(files, as_of) else fit(whole(known(files, as_of)))


def colleagues(champion, files, fit, as_of):
    """The pipeline as it was found: every value is made to look whole."""
    rows = known(files, as_of).copy()
    debt = rows["debt_to_income_ratio"]
    rows["debt_to_income_ratio"] = debt.fillna(debt.median()).clip(0, 1)
    return fit(rows)


def vetoed_and_repaired(champion, files, fit, as_of):
    """The veto is there, and the past is clipped."""
    return champion if sick(files, as_of) else colleagues(champion, files, fit, as_of)


def no_veto(champion, files, fit, as_of):
    """The quarantine alone: it does not wait until somebody has mended the feed."""
    return fit(whole(known(files, as_of)))


def no_quarantine(champion, files, fit, as_of):
    """The veto alone."""
    return champion if sick(files, as_of) else fit(known(files, as_of))


def veto_of_labelled(champion, files, fit, as_of):
    """Looks at the newest *labelled* rows, which are half a year old."""
    rows = known(files, as_of)
    newest = rows[rows["applied_at"] >= rows["applied_at"].max() - MONTH]
    return champion if broken_rows(newest).mean() > 0.01 else fit(whole(rows))


def veto_for_ever(champion, files, fit, as_of):
    """Any broken row in the files forbids."""
    seen = files[files["applied_at"] < as_of]
    if broken_rows(seen, labelled=False).any():
        return champion
    return right(champion, files, fit, as_of)


def young_is_broken(champion, files, fit, as_of):
    """Takes a missing outcome for a fault of the feed."""
    return (
        champion
        if broken_rows(recent(files, as_of)).mean() > 0.01
        else no_veto(champion, files, fit, as_of)
    )


def one_is_enough(champion, files, fit, as_of):
    """One typing error stops everything."""
    return champion if sick(files, as_of, limit=0) else right(champion, files, fit, as_of)


def half_is_needed(champion, files, fit, as_of):
    """Waits until most rows are broken."""
    if recent(files, as_of).empty or sick(files, as_of, limit=0.5):
        return champion
    return fit(whole(known(files, as_of)))


def debt_only(champion, files, fit, as_of):
    """Knows the fault of last time and no other."""
    rows = recent(files, as_of)
    if rows.empty or (~rows["debt_to_income_ratio"].between(0, 1)).mean() > 0.01:
        return champion
    return fit(whole(known(files, as_of)))


def from_the_future(champion, files, fit, as_of):
    """Asks rows that nobody had on the day."""
    rows = files[files["applied_at"] >= as_of - MONTH]
    if broken_rows(rows, labelled=False).mean() > 0.01:
        return champion
    return right(champion, files, fit, as_of)


def silence_is_good(champion, files, fit, as_of):
    """A mean of nothing is not above a limit."""
    if broken_rows(recent(files, as_of), labelled=False).mean() > 0.01:
        return champion
    return fit(whole(known(files, as_of)))


def months_thrown_away(champion, files, fit, as_of):
    """Drops every month that has a broken row."""
    if sick(files, as_of):
        return champion
    rows = known(files, as_of)
    month = rows["applied_at"].dt.strftime("%Y-%m")
    return fit(rows[~broken_rows(rows).groupby(month).transform("any")])


def gaps_dropped(champion, files, fit, as_of):
    """Drops rows with gaps that the contract allows."""
    return champion if sick(files, as_of) else fit(whole(known(files, as_of)).dropna())


def gaps_filled(champion, files, fit, as_of):
    """Fills the gaps before the pipeline can."""
    rows = whole(known(files, as_of))
    return champion if sick(files, as_of) else fit(rows.fillna({"age": 40.0}))


def all_rows(champion, files, fit, as_of):
    """Forgets which outcomes are known."""
    return champion if sick(files, as_of) else fit(files[~broken_rows(files, labelled=False)])


def trained_for_nothing(champion, files, fit, as_of):
    """Trains first and asks afterwards."""
    model = fit(whole(known(files, as_of)))
    return champion if sick(files, as_of) else model


def trains_only(champion, files, fit, as_of):
    """Forgets to hand the model on."""
    if not sick(files, as_of):
        fit(whole(known(files, as_of)))


def in_place(champion, files, fit, as_of):
    """Empties the lender's broken cells."""
    files.loc[broken_rows(files, labelled=False), "debt_to_income_ratio"] = np.nan
    return right(champion, files, fit, as_of)


PROOFS = (
    Proof(
        "4.3",
        given,
        wrong={
            "the colleague's own": colleagues,
            "always the champion": lambda champion, files, fit, as_of: champion,
            "always everything": lambda champion, files, fit, as_of: fit(files),
            "vetoed, then repaired": vetoed_and_repaired,
            "no quarantine": no_quarantine,
            "veto for ever": veto_for_ever,
            "one is enough": one_is_enough,
            "half is needed": half_is_needed,
            "the debt ratio only": debt_only,
            "rows of the future": from_the_future,
            "silence is good": silence_is_good,
            "months thrown away": months_thrown_away,
            "gaps dropped": gaps_dropped,
            "gaps filled": gaps_filled,
            "trains only": trains_only,
            "trained for nothing": trained_for_nothing,
            "changes the files": in_place,
            "a decision, not a model": lambda champion, files, fit, as_of: not sick(files, as_of),
            "the rows, not a model": lambda c, files, fit, as_of: whole(known(files, as_of)),
            "twice": lambda c, files, fit, as_of: (no_veto(c, files, fit, as_of), fit(files))[0],
            "fit of ids": lambda c, files, fit, as_of: fit(files["application_id"]),
        },
    ),
)
test_solution, test_blank, test_wrong_answers = prove(*PROOFS)


def test_other_right_answers_are_right():
    """Broken rows may be left out before or after the outcomes are asked for, on any index."""

    def the_other_way_round(champion, files, fit, as_of):
        rows = files.reset_index(drop=True)
        if sick(rows, as_of):
            return champion
        good = rows[~broken_rows(rows, labelled=False)]
        return fit(good[good["outcome_at"].le(as_of)].sample(frac=1, random_state=0))

    for answer in (right, the_other_way_round):
        assert judge("4.3", answer).status == "right"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (trains_only, "which model serves from now on"),
        (no_veto, "nobody is told today"),
        (veto_of_labelled, "nobody is told today"),
        (young_is_broken, "Young loans have no outcome"),
        (vetoed_and_repaired, "only looks whole"),
        (no_quarantine, "as they are"),
        (veto_for_ever, "stay in the files for ever"),
        (one_is_enough, "one typing error"),
        (debt_only, "incomes of the last 30 days"),
        (silence_is_good, "who says that the feed works"),
        (months_thrown_away, "are not learnt from"),
        (all_rows, "nobody knew on the day"),
        (trained_for_nothing, "throws the model away"),
    ],
)
def test_each_mistake_is_named(answer, said):
    """No veto, no quarantine, a veto of the wrong rows: each is told apart."""
    assert said in judge("4.3", answer).message


def test_no_message_gives_the_answer():
    """No message names the function or the condition to write."""
    for answer in PROOFS[0].wrong.values():
        message = judge("4.3", answer).message
        assert not any(word in message for word in ("broken_rows", "labelled=False", "mean()"))
