"""Checks of notebook 03: the stability index, windows of time, and what a signal means."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from mlops_helpers.drift_statistics import FLOOR, psi
from mlops_helpers.exercises.engine import Wrong, exercise, number

READINGS = ("applicants changed", "the world changed", "a feed broke", "chance")


@exercise(
    "3.1",
    title="The population stability index, by hand",
    hints=(
        "Counts of two samples of different size cannot be compared. What can?",
        "For each bin: the difference of the two shares times the logarithm of their ratio.",
        "An empty bin makes the ratio 0 or infinite: np.maximum raises shares below the floor, and "
        "leaves all others as they are.",
    ),
)
def stability_index(answer: Callable[..., Any]) -> str:
    """`answer(reference, current)` takes counts of the same bins and returns the PSI."""
    halves, moved = np.array([50, 50]), np.array([80, 20])
    with np.errstate(all="ignore"):  # a division by zero is answered below, in words
        same = number(answer(halves, halves), "the index of a sample with itself")
        larger = number(answer(halves, halves * 10), "the index of a ten times larger sample")
        there = number(answer(halves, moved), "the index of [50, 50] and [80, 20]")
        back = number(answer(moved, halves), "the index of [80, 20] and [50, 50]")
        many = number(answer(halves * 10_000, moved * 10_000), "the index of large samples")
        empty = answer(np.array([50, 50, 0]), np.array([0, 50, 50]))
    if abs(same) > 1e-9:
        raise Wrong(f"a sample compared with itself has not moved, and you find {same:.3f}")
    if abs(larger) > 1e-9:
        raise Wrong(
            f"ten times the rows in the same proportions is no drift, and you find {larger:.3f}"
        )
    if there <= 0:
        raise Wrong(f"a sample that moved has a positive index, and you find {there:.3f}")
    if abs(there - back) > 1e-9:
        raise Wrong(
            f"the index is the same in both directions; yours is {there:.3f} and {back:.3f}: "
            "one of the two directions is missing from your sum"
        )
    true = psi(halves, moved)
    if abs(there - true) > 1e-6:
        if abs(there - true) < 0.05 * true or abs(many - true) < 1e-3 * true:
            raise Wrong(
                f"[50, 50] and [80, 20] have no empty bin, and yet you find {there:.5f} instead "
                f"of {true:.5f}: a constant added to each bin (smoothing) also changes the bins "
                "that are not empty; raise only the shares below the floor"
            )
        raise Wrong(
            f"[50, 50] and [80, 20] give {there:.3f}, which is symmetric but not the index: "
            "is the logarithm the natural one, and is each difference taken times its own ratio?"
        )
    try:
        found = number(empty)
    except Wrong as infinite:
        raise Wrong(
            "an empty bin makes your index infinite or undefined; give shares a floor"
        ) from infinite
    _refuse_blind_to_empty(found)
    return "symmetric, blind to size, finite when a bin is empty, and never blind to that bin"


def _refuse_blind_to_empty(found: float) -> None:
    """`found` is the index of [50, 50, 0] and [0, 50, 50], whose outer bins are each empty once."""
    expected = psi([50, 50, 0], [0, 50, 50])
    if found < 1:
        raise Wrong(
            f"from [50, 50, 0] to [0, 50, 50] half of the sample moved, and you find {found:.3f}: "
            "your index does not see a bin that emptied"
        )
    if abs(found - expected) > 0.01 * expected:
        raise Wrong(
            f"[50, 50, 0] and [0, 50, 50] give {expected:.3f} with the floor of the task "
            f"({FLOOR:g} of the sample), and you find {found:.3f}: which floor is yours?"
        )


@exercise(
    "3.2",
    title="Find the fault: rows of a window of time",
    fault=True,
    hints=(
        "In which time zone does the log keep its times, and in which does this function compare?",
        "Two aware times can be compared as they are; nothing has to be converted.",
        "A row at exactly midnight: in how many of two adjoining windows does it fall?",
    ),
)
def window_of_time(answer: Callable[..., Any]) -> str:
    """`answer(frame, start, end)` returns the rows with `scored_at` in [start, end)."""
    start, end = pd.Timestamp("2024-01-01", tz="UTC"), pd.Timestamp("2024-01-02", tz="UTC")
    tick = pd.Timedelta(microseconds=1)
    times = [start - tick, start, start + pd.Timedelta(hours=2), end - tick, end]
    frame = pd.DataFrame({"scored_at": times, "row": ["before", "first", "night", "last", "end"]})
    wanted = ["first", "night", "last"]
    found = _rows(answer(frame.copy(), start, end))
    if "night" not in found or "before" in found:
        raise Wrong(
            "a prediction of 02:00 UTC on 1 January and one from the last instant of December "
            f"change places: your window holds {found}; whose wall clock does it follow?"
        )
    if "end" in found:
        raise Wrong("a row at exactly `end` is in this window and in the next: it counts twice")
    if found != wanted:
        raise Wrong(f"of the rows at both edges and between them you return {found}")
    zone = "America/New_York"
    elsewhere = _rows(answer(frame.copy(), start.tz_convert(zone), end.tz_convert(zone)))
    if elsewhere != wanted:
        raise Wrong(
            "the same two instants, written in New York's time, give other rows: "
            f"{elsewhere}; a time without its zone has lost its meaning"
        )
    return "aware times, half-open windows: each prediction is counted once, wherever you sit"


@exercise(
    "3.3",
    title="What does the signal mean?",
    hints=(
        "Expected defaults follow the applicants. Real ones follow the world as well.",
        "A change in everything at a month's turn and one in a single column at 03:00 differ.",
        "How many features were looked at before one of them was found suspicious?",
    ),
)
def meaning(answer: object) -> str:
    """`answer` maps each of the signals A to D to one of `READINGS`."""
    if not isinstance(answer, Mapping):
        raise Wrong(f"your answer is a {type(answer).__name__}, must be a dict of A, B, C and D")
    lessons = {
        "A": (
            "applicants changed",
            "features and scores moved together and the defaults came as expected: the model's "
            "rule still holds for the people it sees",
        ),
        "B": (
            "the world changed",
            "the same people with the same scores default twice as often: no input can show it",
        ),
        "C": (
            "a feed broke",
            "people do not change overnight in one column and nowhere else",
        ),
        "D": (
            "chance",
            "one of thirteen, on sixty rows, and another one next week: what does no drift give?",
        ),
    }
    missing = sorted(set(lessons) - set(answer))
    if missing:
        raise Wrong(f"no reading for {', '.join(missing)}")
    for signal, (right, lesson) in lessons.items():
        if answer[signal] not in READINGS:
            raise Wrong(f"{signal}: {answer[signal]!r} is none of {READINGS}")
        if answer[signal] != right:
            raise Wrong(f"{signal} is not {answer[signal]!r}: {lesson}")
    return "four signals, four causes, and only one of them calls for a new model at once"


def _rows(frame: object) -> list[str]:
    if not isinstance(frame, pd.DataFrame) or "row" not in frame.columns:
        raise Wrong(
            f"it returned a {type(frame).__name__}, must be the frame's rows with all its columns"
        )
    return frame["row"].tolist()
