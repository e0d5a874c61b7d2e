"""Each exercise of notebook 03: the solution passes, the stub is a stub, mistakes are refused."""

import numpy as np
import pandas as pd

from tests.exercises.battery import Proof, prove


def given():
    """What the cells of the exercises find in the notebook's kernel."""
    return {"np": np, "pd": pd}


def shares(reference, current):
    """Both counts as shares, with a floor."""
    r, c = np.asarray(reference) / np.sum(reference), np.asarray(current) / np.sum(current)
    return np.maximum(r, 1e-4), np.maximum(c, 1e-4)


def counts_not_shares(reference, current):
    """Forgets that samples differ in size."""
    r, c = np.maximum(reference, 0.5), np.maximum(current, 0.5)
    return float(((c - r) * np.log(c / r)).sum())


def one_direction(reference, current):
    """The Kullback-Leibler divergence, half of the index."""
    r, c = shares(reference, current)
    return float((c * np.log(c / r)).sum())


def no_floor(reference, current):
    """Divides by an empty bin."""
    r, c = reference / reference.sum(), current / current.sum()
    return float(((c - r) * np.log(c / r)).sum())


def other_logarithm(reference, current):
    """Logarithm to base 10."""
    r, c = shares(reference, current)
    return float(((c - r) * np.log10(c / r)).sum())


def wall_clock(frame, start, end):
    """The function with both faults."""
    local = frame["scored_at"].dt.tz_convert("America/New_York").dt.tz_localize(None)
    return frame[local.between(start.tz_localize(None), end.tz_localize(None))]


def closed(frame, start, end):
    """Half mended: the end still counts."""
    return frame[frame["scored_at"].between(start, end)]


def open_start(frame, start, end):
    """Half-open on the wrong side."""
    return frame[(frame["scored_at"] > start) & (frame["scored_at"] < end)]


def zones_dropped(frame, start, end):
    """Right as long as everybody writes UTC."""
    times = frame["scored_at"].dt.tz_localize(None)
    return frame[(times >= start.tz_localize(None)) & (times < end.tz_localize(None))]


RIGHT = {
    "A": "applicants changed",
    "B": "the world changed",
    "C": "a feed broke",
    "D": "chance",
}

PROOFS = (
    Proof(
        "3.1",
        given,
        wrong={
            "counts, not shares": counts_not_shares,
            "one direction only": one_direction,
            "no floor": no_floor,
            "another logarithm": other_logarithm,
        },
    ),
    Proof(
        "3.2",
        given,
        wrong={
            "local wall clock": wall_clock,
            "closed at the end": closed,
            "open at the start": open_start,
            "zones dropped": zones_dropped,
            "a mask, not rows": lambda frame, start, end: frame["scored_at"] >= start,
        },
    ),
    Proof(
        "3.3",
        wrong={
            "retrains on every move": RIGHT | {"A": "the world changed"},
            "trusts the inputs": RIGHT | {"B": "chance"},
            "blames people for a feed": RIGHT | {"C": "applicants changed"},
            "believes every alarm": RIGHT | {"D": "applicants changed"},
            "leaves one out": {"A": "applicants changed"},
            "a word of one's own": RIGHT | {"D": "bad luck"},
        },
    ),
)
test_solution, test_blank, test_wrong_answers = prove(*PROOFS)
