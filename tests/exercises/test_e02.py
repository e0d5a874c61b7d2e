"""Exercises of notebook 2, proved three ways."""

from __future__ import annotations

import numpy as np
import pandas as pd

from mlops_helpers.exercises.engine import judge
from tests.exercises.battery import Proof, prove

CHANGES = ["promoted", "rolled back"]


def given() -> dict[str, object]:
    """The names that the exercises' cells use."""
    return {"np": np, "pd": pd}


def newest(history, when):
    """The last version that was registered by then."""
    return int(history[history["when"] <= when]["version"].iloc[-1])


def forgets_rollbacks(history, when):
    """Looks at promotions only."""
    past = history[(history["event"] == "promoted") & (history["when"] <= when)]
    return int(past["version"].iloc[-1]) if len(past) else 0


def first_promoted(history, when):
    """Takes the first promotion for ever."""
    past = history[(history["event"] == "promoted") & (history["when"] <= when)]
    return int(past["version"].iloc[0]) if len(past) else 0


def late(history, when):
    """Leaves out the very moment."""
    past = history[history["event"].isin(CHANGES) & (history["when"] < when)]
    return int(past["version"].iloc[-1]) if len(past) else 0


def counts_refusals(history, when):
    """Takes every event that begins with a promotion."""
    past = history[history["event"].str.contains("promot|rolled") & (history["when"] <= when)]
    return int(past["version"].iloc[-1]) if len(past) else 0


def missing_before(history, when):
    """Makes an integer of a missing version."""
    past = history[history["event"].isin(CHANGES) & (history["when"] <= when)]
    return int(past["version"].max() if past.empty else past["version"].iloc[-1])


def silent_before(history, when):
    """Says nothing when nobody served."""
    past = history[history["event"].isin(CHANGES) & (history["when"] <= when)]
    return int(past["version"].iloc[-1]) if len(past) else None


def highest(history, when):
    """Takes the highest number among the champions so far."""
    past = history[history["event"].isin(CHANGES) & (history["when"] <= when)]
    return int(past["version"].max()) if len(past) else 0


def silent_after_rollback(history, when):
    """Answers for promotions only."""
    past = history[history["event"].isin(CHANGES) & (history["when"] <= when)]
    if past.empty:
        return 0
    return int(past["version"].iloc[-1]) if past["event"].iloc[-1] == "promoted" else None


def as_it_was(compare):
    """The fault itself."""
    approved = True
    try:
        if compare() < -0.02:
            approved = False
    except ArithmeticError:
        pass
    except Exception as error:  # noqa: BLE001 - the fault that is to be found
        print(error)
    return approved


def forgets_nan(compare):
    """Refuses after a crash, approves NaN."""
    try:
        return not compare() < -0.02
    except Exception:  # noqa: BLE001 - like the solution
        return False


def refuses_all(compare):
    """Safe and useless."""
    return False


def wants_better(compare):
    """Forgets the margin."""
    try:
        return bool(compare() > 0)
    except Exception:  # noqa: BLE001 - like the solution
        return False


def beyond_the_margin(compare):
    """Refuses a loss that is exactly the margin."""
    try:
        return bool(compare() > -0.02)
    except Exception:  # noqa: BLE001 - like the solution
        return False


def near_enough(compare):
    """Takes a gain for a loss."""
    try:
        return bool(abs(compare()) <= 0.02)
    except Exception:  # noqa: BLE001 - like the solution
        return False


def forgets_false(compare):
    """Says True for good, and nothing otherwise."""
    try:
        if compare() >= -0.02:
            return True
    except Exception:  # noqa: BLE001 - like the solution
        return False


def raises(compare):
    """Lets the exception out."""
    return bool(compare() >= -0.02)


def says_nothing(compare):
    """Swallows the exception and answers nothing."""
    try:
        return bool(compare() >= -0.02)
    except Exception as error:  # noqa: BLE001 - like the solution
        print(error)


def chokes_on_none(compare):
    """Refuses after a crash of compare, and compares its answer unguarded."""
    try:
        gap = compare()
    except Exception:  # noqa: BLE001 - like the solution
        return False
    return bool(gap >= -0.02)


PROOFS = (
    Proof(
        "2.1",
        given,
        wrong={
            "the newest": newest,
            "forgets rollbacks": forgets_rollbacks,
            "the first": first_promoted,
            "misses the moment": late,
            "counts refusals": counts_refusals,
            "NA before": missing_before,
            "silent before": silent_before,
            "the highest": highest,
            "silent after a rollback": silent_after_rollback,
        },
    ),
    Proof(
        "2.2",
        given,
        wrong={
            "as it was": as_it_was,
            "NaN": forgets_nan,
            "refuses all": refuses_all,
            "wants better": wants_better,
            "beyond the margin": beyond_the_margin,
            "near enough": near_enough,
            "forgets False": forgets_false,
            "raises": raises,
            "says nothing": says_nothing,
            "chokes on None": chokes_on_none,
        },
    ),
)
test_solution, test_blank, test_wrong_answers = prove(*PROOFS)


def test_a_crash_let_through_is_told_as_the_gates():
    """It is compare() that failed, and the gate is to answer False."""
    message = judge("2.2", raises).message
    assert message.startswith("compare() failed and the gate failed with it")
    assert "must answer False" in message


def test_a_failure_before_the_first_promotion_names_the_moment():
    """The learner reads which question was asked, and a failure on every day is told plainly."""
    early = judge("2.1", missing_before).message
    assert "before the first promotion, it raised TypeError" in early
    always = judge("2.1", lambda history, when: history["no such column"]).message
    assert always.startswith("it raised KeyError")


def test_a_numpy_bool_is_an_answer():
    """Comparing with NumPy gives its own kind of True, which is right as well."""

    def answer(compare):
        try:
            return np.float64(compare()) >= -0.02
        except Exception:  # noqa: BLE001 - like the solution
            return np.False_

    assert judge("2.2", answer).status == "right"
