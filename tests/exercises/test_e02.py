"""Exercises of notebook 2, proved three ways."""

from __future__ import annotations

import numpy as np
import pandas as pd

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


def raises(compare):
    """Lets the exception out."""
    return bool(compare() >= -0.02)


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
            "raises": raises,
        },
    ),
)
test_solution, test_blank, test_wrong_answers = prove(*PROOFS)
