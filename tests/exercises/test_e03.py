"""Each exercise of notebook 03: the solution passes, the stub is a stub, mistakes are refused."""

import numpy as np
import pandas as pd
import pytest

from mlops_helpers.causes import CANNOT_TELL, LIMITS, NOTHING, WHAT_TO_DO, read
from mlops_helpers.exercises.e03_monitoring import READINGS
from mlops_helpers.exercises.engine import judge
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


def smoothed(reference, current):
    """Adds half a row to every bin."""
    return one_floor(np.asarray(reference) + 0.5, np.asarray(current) + 0.5, floor=0)


def shares_smoothed(reference, current):
    """Adds a little to every share."""
    r, c = reference / reference.sum() + 1e-3, current / current.sum() + 1e-3
    return float(((c - r) * np.log(c / r)).sum())


def one_floor(reference, current, floor):
    """The index with a floor of one's own."""
    r = np.maximum(reference / np.sum(reference), floor)
    c = np.maximum(current / np.sum(current), floor)
    return float(((c - r) * np.log(c / r)).sum())


def renormalised(reference, current):
    """Raises the small shares, and divides all by their new sum."""
    r, c = (x / x.sum() for x in shares(reference, current))
    return float(((c - r) * np.log(c / r)).sum())


def only_empty_raised(reference, current):
    """Raises an empty bin to the floor, and leaves a share below it as it is."""
    r, c = (np.where(x == 0, 1e-4, x / x.sum()) for x in (reference, current))
    return float(((c - r) * np.log(c / r)).sum())


def only_reference_raised(reference, current):
    """The floor for one sample; the other's shares are raised only where they are empty."""
    r = np.maximum(reference / reference.sum(), 1e-4)
    c = np.where(current == 0, 1e-4, current / current.sum())
    return float(((c - r) * np.log(c / r)).sum())


def empty_dropped(reference, current):
    """Leaves out each bin that is empty in one of the samples."""
    r, c = reference / reference.sum(), current / current.sum()
    both = (r > 0) & (c > 0)
    return float(((c[both] - r[both]) * np.log(c[both] / r[both])).sum())


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
    "C": "feed broke",
    "D": "chance",
    "E": "label rate changed",
}
MOVED = {
    "A": ("features drifted", "scores drifted", "expected default rate", "observed default rate"),
    "B": ("AUC",),
    "C": ("missing",),
    "D": (),
    "E": ("observed default rate", "observed / expected"),
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
            "half a row added to every bin": smoothed,
            "a little added to every share": shares_smoothed,
            "empty bins dropped": empty_dropped,
            "divided by a new sum": renormalised,
            "only empty bins raised": only_empty_raised,
            "another floor": lambda reference, current: one_floor(reference, current, 1e-9),
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
            "level taken for order": RIGHT | {"B": "label rate changed"},
            "order taken for level": RIGHT | {"E": "the world changed"},
            "leaves one out": {"A": "applicants changed"},
            "the four of old": {k: v for k, v in RIGHT.items() if k != "E"},
            "no word": RIGHT | {"E": 4},
            "an article too many": RIGHT | {"D": "a chance"},
            "a word of one's own": RIGHT | {"D": "bad luck"},
        },
    ),
)
test_solution, test_blank, test_wrong_answers = prove(*PROOFS)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (smoothed, "smoothing"),
        (shares_smoothed, "smoothing"),
        (other_logarithm, "is the logarithm the natural one"),
        (no_floor, "give shares a floor"),
        (renormalised, "shares above the floor have changed"),
        (only_empty_raised, "has a share below the floor"),
        (only_reference_raised, "has a share below the floor"),
        (empty_dropped, "does not see a bin that emptied"),
        (lambda reference, current: one_floor(reference, current, 1e-9), "which floor is yours"),
    ],
)
def test_each_mistake_about_a_bin_is_named(answer, said):
    """Smoothing is not called a wrong logarithm, and a dropped bin is not accepted."""
    assert said in judge("3.1", answer).message


def test_the_old_name_of_a_broken_feed_is_understood():
    """An article does not make an answer wrong."""
    assert judge("3.3", RIGHT | {"C": "a feed broke"}).status == "right"


def test_readings_are_those_of_section_four():
    """The four causes by their exact names, and chance."""
    assert {*READINGS} == {*WHAT_TO_DO, "chance"} - {NOTHING, CANNOT_TELL}
    assert {*RIGHT.values()} == {*READINGS}


@pytest.mark.parametrize("signal", RIGHT)
def test_the_rule_of_section_four_reads_the_signals_alike(signal):
    """What moved in each of the five is read by `causes.read` as the exercise wants it."""
    found = pd.DataFrame({"signal": list(LIMITS)})
    found["moved"] = found["signal"].isin(MOVED[signal]).astype("boolean")
    found["clear"] = ~found["moved"]
    assert read(found) == (NOTHING if RIGHT[signal] == "chance" else RIGHT[signal])


def test_praise_asks_for_what_the_table_of_section_four_does():
    """Each reading's action in the reply is the one of `WHAT_TO_DO`, and none is left out."""
    said = judge("3.3", RIGHT).message
    for signal, word in {"A": "leave", "B": "retrain", "C": "repair", "E": "recalibrate"}.items():
        part = next(part for part in said.split(", ") if f"({signal})" in part)
        assert word in part
        assert word in WHAT_TO_DO[RIGHT[signal]].lower()
