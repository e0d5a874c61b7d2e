"""The exercises of notebook 04, proved three ways."""

import pandas as pd
import pytest

from mlops_helpers.exercises.engine import judge
from tests.exercises.battery import Names, Proof, prove


def given() -> Names:
    """What both exercises find in the kernel."""
    return {"pd": pd}


def oldest(frame, trained_until, today):
    """Takes the earlier end of the two trainings."""
    return frame[(frame["applied_at"] >= min(trained_until)) & (frame["outcome_at"] <= today)]


def everything(frame, trained_until, today):
    """Takes all rows."""
    return frame


def from_the_future(frame, trained_until, today):
    """Forgets the label delay."""
    return frame[frame["applied_at"] >= max(trained_until)]


def too_strict(frame, trained_until, today):
    """Loses the rows on both edges."""
    return frame[(frame["applied_at"] > max(trained_until)) & (frame["outcome_at"] < today)]


def start_lost(frame, trained_until, today):
    """Loses the row at the end of the later training."""
    return frame[(frame["applied_at"] > max(trained_until)) & (frame["outcome_at"] <= today)]


def today_lost(frame, trained_until, today):
    """Loses the outcome that is seen today."""
    return frame[(frame["applied_at"] >= max(trained_until)) & (frame["outcome_at"] < today)]


def nothing(frame, trained_until, today):
    """Asks for outcomes of loans that are not yet applied for."""
    return frame[
        (frame["applied_at"] >= max(trained_until)) & (frame["outcome_at"] < frame["applied_at"])
    ]


def later_only(frame, trained_until, today):
    """Keeps a month's distance from the training that nobody asked for."""
    unseen = frame["applied_at"] > max(trained_until) + pd.DateOffset(months=1)
    return frame[unseen & (frame["outcome_at"] <= today)]


def doubled(frame, trained_until, today):
    """The rows after each training, one set below the other."""
    known = frame[frame["outcome_at"] <= today]
    return pd.concat([known[known["applied_at"] >= max(trained_until)] for end in trained_until])


def sampled(frame, trained_until, today):
    """Only part of the fair rows, both edges among them."""
    unseen = frame["applied_at"] >= max(trained_until)
    return frame[unseen & (frame["outcome_at"] <= today)].iloc[[0, -1]]


PROOFS = (
    Proof(
        "4.1",
        given,
        wrong={
            "size only": lambda value, low, high, limit: value > limit,
            "certainty only": lambda value, low, high, limit: low > 0,
            "any change": lambda value, low, high, limit: abs(value) > limit and low * high > 0,
            "the interval beyond the limit, with >=": lambda v, low, high, limit: (
                low > limit + 0.005
            ),
            "never": lambda value, low, high, limit: False,
            "the drop itself": lambda value, low, high, limit: value,
            "an int": lambda value, low, high, limit: int(value > limit and low > 0),
            "prints": lambda value, low, high, limit: print(value > limit and low > 0),
        },
    ),
    Proof(
        "4.2",
        given,
        wrong={
            "everything": everything,
            "the earlier training": oldest,
            "from the future": from_the_future,
            "edges lost": too_strict,
            "the first edge lost": start_lost,
            "the last edge lost": today_lost,
            "only a sample": sampled,
            "no rows": nothing,
            "a month's distance": later_only,
            "twice": doubled,
            "prints": lambda frame, trained_until, today: print(len(frame)),
            "a list": lambda frame, trained_until, today: list(frame["application_id"]),
        },
    ),
)
test_solution, test_blank, test_wrong_answers = prove(*PROOFS)

START, TODAY = "does not contain that moment", "an outcome seen today is known today"


def test_an_answer_without_a_return_is_told_so():
    """Printing the right value is told, with the way out; a number is named as one would say it."""
    answers = PROOFS[0].wrong
    assert judge("4.1", answers["prints"]).message == "it returned nothing: is a `return` missing?"
    assert judge("4.1", answers["an int"]).message == "it returned an int, must be True or False"


@pytest.mark.parametrize(
    ("answer", "count", "causes"),
    [
        (start_lost, "1 fair row is missing", {START}),
        (today_lost, "1 fair row is missing", {TODAY}),
        (too_strict, "2 fair rows are missing", {START, TODAY}),
        (sampled, "1 fair row is missing", set()),
        (later_only, "2 fair rows are missing", set()),
        (nothing, "it returns no rows, and 3 are unseen", set()),
    ],
)
def test_only_the_cause_that_applies_is_named(answer, count, causes):
    """A row lost at one edge is explained by that edge alone."""
    text = judge("4.2", answer).message
    assert count in text
    assert {cause for cause in (START, TODAY) if cause in text} == causes
