"""Checks of notebook 03: the stability index, windows of time, and what a signal means."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from mlops_helpers.drift_statistics import psi
from mlops_helpers.exercises.engine import Wrong, exercise, number

READINGS = ("applicants changed", "the world changed", "a feed broke", "chance")


@exercise(
    "3.1",
    title="The population stability index, by hand",
    hints=(
        "Counts of two samples of different size cannot be compared. What can?",
        "For each bin: the difference of the two shares times the logarithm of their ratio.",
        "An empty bin makes the ratio 0 or infinite: no share may be smaller than a floor.",
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
        empty = answer(np.array([90, 10]), np.array([100, 0]))
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
    if abs(there - psi(halves, moved)) > 1e-6:
        raise Wrong(
            f"[50, 50] and [80, 20] give {there:.3f}, which is symmetric but not the index: "
            "is the logarithm the natural one, and is each difference taken times its own ratio?"
        )
    try:
        number(empty)
    except Wrong as infinite:
        raise Wrong(
            "an empty bin makes your index infinite or undefined; give shares a floor"
        ) from infinite
    return "symmetric, blind to size, and finite when a bin is empty"


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
