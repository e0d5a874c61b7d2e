"""The exercises of notebook 04, proved three ways."""

import pandas as pd

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
            "a list": lambda frame, trained_until, today: list(frame["application_id"]),
        },
    ),
)
test_solution, test_blank, test_wrong_answers = prove(*PROOFS)
