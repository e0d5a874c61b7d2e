"""Exercises of notebook 1, proved three ways."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from mlops_helpers.exercises.engine import judge
from tests.exercises.battery import Proof, prove


def given() -> dict[str, object]:
    """The names that the exercises' cells use."""
    return {"np": np, "pd": pd}


def at_random(frame, share):
    """Shuffles."""
    test = frame.sample(frac=share, random_state=0)
    return frame.drop(test.index), test


def swapped(frame, share):
    """Tests the earliest rows."""
    rows = frame.sort_values("applied_at")
    first = round(len(rows) * share)
    return rows.iloc[first:], rows.iloc[:first]


def reversed_parts(frame, share):
    """Cuts in the right place and returns (test, train)."""
    first_test_time = frame["applied_at"].quantile(1 - share, interpolation="lower")
    test = frame["applied_at"] > first_test_time
    return frame[test], frame[~test]


def torn(frame, share):
    """Sorts and cuts by position, through rows of the same time."""
    rows = frame.sort_values("applied_at")
    cut = round(len(rows) * (1 - share))
    return rows.iloc[:cut], rows.iloc[cut:]


def loses_rows(frame, share):
    """Drops the rows at the cut."""
    cut = frame["applied_at"].quantile(1 - share, interpolation="lower")
    return frame[frame["applied_at"] < cut], frame[frame["applied_at"] > cut]


def loses_ties(frame, share):
    """Keeps all rows while times differ, and drops those that share the time of the cut."""
    times = frame["applied_at"]
    cut = times.quantile(1 - share, interpolation="lower")
    cut = cut + pd.Timedelta(seconds=1) if times.is_unique else cut
    return frame[times < cut], frame[times > cut]


def by_calendar(frame, share):
    """Cuts the span of time in that share, however many applications it holds."""
    times = frame["applied_at"]
    test = times > times.max() - share * (times.max() - times.min())
    return frame[~test], frame[test]


def sorts_in_place(frame, share):
    """A right cut, and the caller's frame is in another order afterwards."""
    frame.sort_values("applied_at", inplace=True)
    test = frame["applied_at"] > frame["applied_at"].iloc[round(len(frame) * (1 - share)) - 1]
    return frame[~test], frame[test]


def too_many(frame, share):
    """Tests the share that was to be trained on."""
    cut = frame["applied_at"].quantile(share, interpolation="lower")
    return frame[frame["applied_at"] <= cut], frame[frame["applied_at"] > cut]


def score(outcome, probability, base_rate):
    """The Brier score itself."""
    return float(np.mean((probability - outcome) ** 2))


def against_a_coin(outcome, probability, base_rate):
    """Compares with 0.5 instead of the base rate."""
    theirs = np.mean((0.5 - outcome) ** 2)
    return float(1 - np.mean((probability - outcome) ** 2) / theirs)


def absolute(outcome, probability, base_rate):
    """Absolute instead of squared errors."""
    return float(1 - np.abs(probability - outcome).mean() / np.abs(base_rate - outcome).mean())


def ranking(outcome, probability, base_rate):
    """Ranking instead of distance: it does not even see the base rate."""
    return float(roc_auc_score(outcome, probability))


def clipped(outcome, probability, base_rate):
    """Never admits to be worse than the baseline."""
    theirs = np.mean((base_rate - outcome) ** 2)
    return max(0.0, float(1 - np.mean((probability - outcome) ** 2) / theirs))


PROOFS = (
    Proof(
        "1.1",
        given,
        wrong={
            "shuffled": at_random,
            "swapped": swapped,
            "test before train": reversed_parts,
            "torn": torn,
            "loses rows": loses_rows,
            "loses ties": loses_ties,
            "by calendar": by_calendar,
            "sorts in place": sorts_in_place,
            "too many": too_many,
            "one frame": lambda frame, share: frame,
        },
    ),
    Proof(
        "1.2",
        given,
        wrong={
            "the score": score,
            "a coin": against_a_coin,
            "absolute": absolute,
            "clipped": clipped,
        },
    ),
)
test_solution, test_blank, test_wrong_answers = prove(*PROOFS)


def test_parts_in_the_wrong_order_are_told_so():
    """Whoever returns (test, train) reads about the order, not about sorting."""
    message = judge("1.1", reversed_parts).message
    assert "(test, train)" in message
    assert "sorted" not in message
