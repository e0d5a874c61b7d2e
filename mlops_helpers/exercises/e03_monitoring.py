"""Checks of notebook 03: the stability index, windows of time, and what a signal means."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from mlops_helpers.causes import CANNOT_TELL, NOTHING, WHAT_TO_DO
from mlops_helpers.drift_statistics import FLOOR, psi
from mlops_helpers.exercises.engine import Wrong, exercise, number

READINGS = (*(cause for cause in WHAT_TO_DO if cause not in (NOTHING, CANNOT_TELL)), "chance")
"""The four causes by the names of `causes.WHAT_TO_DO`, and what is none."""

_RARE = (np.array([500_000, 499_999, 1]), np.array([400_000, 400_000, 200_000]))
"""Counts whose last bin is below the floor in the first sample, without being empty."""


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
        rare = [answer(*pair) for pair in (_RARE, _RARE[::-1])]
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
    _refuse_other_floors([found, *(number(index, "the index with a rare bin") for index in rare)])
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


def _refuse_other_floors(found: list[float]) -> None:
    """`found` are the indices of two bins that are empty, and of a rare bin in both directions."""
    asked = [psi([50, 50, 0], [0, 50, 50]), psi(*_RARE), psi(*_RARE[::-1])]
    if np.allclose(found, asked, rtol=0, atol=1e-6):
        return
    if max(abs(a - b) for a, b in zip(found[1:], asked[1:], strict=True)) > 0.01:
        raise Wrong(
            f"a bin with 1 row of 1,000,000 has a share below the floor of {FLOOR:g}, as an empty "
            f"one has; from a share of 0.2 there you find {found[2]:.3f} instead of {asked[2]:.3f}"
        )
    raise Wrong(
        f"[50, 50, 0] and [0, 50, 50] give {asked[0]:.5f} and you find {found[0]:.5f}: the shares "
        "above the floor have changed as well (divided by a new sum?), and they were to stay "
        "exactly as they are"
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
        "A model gives an order of people and a level of risk. AUC sees the order alone; observed "
        "against expected sees the level. Which of the two is wrong in B, and which in E?",
    ),
)
def meaning(answer: object) -> str:
    """`answer` maps each of the signals A to E to one of `READINGS`."""
    if not isinstance(answer, Mapping):
        raise Wrong(f"your answer is a {type(answer).__name__}, must be a dict of A, B, C, D and E")
    lessons = {
        "A": (
            "applicants changed",
            "features and scores moved together and the defaults came as expected: the model's "
            "rule still holds for the people it sees",
        ),
        "B": (
            "the world changed",
            "as many default as expected, but no longer those who were expected to: the order is "
            "wrong, and neither the inputs nor the level show it",
        ),
        "C": (
            "feed broke",
            "people do not change overnight in one column and nowhere else",
        ),
        "D": (
            "chance",
            "one of thirteen, on sixty rows, and another one next week: what does no drift give?",
        ),
        "E": (
            "label rate changed",
            "the order is as good as it was, and the level is wrong by the same factor for "
            "everybody",
        ),
    }
    missing = sorted(set(lessons) - set(answer))
    if missing:
        raise Wrong(f"no reading for {', '.join(missing)}")
    for signal, (right, lesson) in lessons.items():
        given = answer[signal]
        reading = "feed broke" if given == "a feed broke" else given
        if not isinstance(reading, str) or reading not in READINGS:
            raise Wrong(f"{signal}: {given!r} is none of {READINGS}")
        if reading != right:
            raise Wrong(f"{signal} is not {given!r}: {lesson}")
    return (
        "each asks for something else: leave the model and look at who applies (A), retrain "
        "as soon as enough new outcomes are in (B), repair the feed and score again (C), do "
        "nothing (D), recalibrate the level (E)"
    )


def _rows(frame: object) -> list[str]:
    if not isinstance(frame, pd.DataFrame) or "row" not in frame.columns:
        raise Wrong(
            f"it returned a {type(frame).__name__}, must be the frame's rows with all its columns"
        )
    return frame["row"].tolist()
