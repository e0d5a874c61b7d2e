"""Checks of notebook 05: how long a test takes, and an assignment that forgets its experiment."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import numpy as np

from mlops_helpers.exercises.engine import Wrong, exercise, number
from mlops_helpers.sample_size import required_sample_size


@exercise(
    "5.1",
    title="How many months must we wait?",
    hints=(
        "required_sample_size gives the applications of one arm; how many arms are filled?",
        "Applications arrive at per_month for both arms together.",
        "After the last application its outcome is still delay_months away.",
    ),
)
def months_to_wait(answer: Callable[..., Any]) -> str:
    """`answer(effect, sd, per_month, delay_months)` is the time from start to analysis."""
    for effect, sd, per_month, delay in ((50.0, 2000.0, 1000.0, 6.0), (50.0, 1500.0, 400.0, 12.0)):
        found = number(answer(effect, sd, per_month, delay), "the number of months")
        arm = required_sample_size(effect, sd=sd)
        expected = 2 * arm / per_month + delay
        told = f"effect {effect:g}, sd {sd:g}, {per_month:g} a month, delay {delay:g}"
        if abs(found - expected) <= 1.0:
            continue
        if abs(found - 2 * arm / per_month) <= 1.0:
            raise Wrong(f"{told}: the last application has no outcome yet when you analyse")
        if abs(found - arm / per_month - delay) <= 1.0:
            raise Wrong(f"{told}: that fills one arm only")
        if abs(found - arm / per_month) <= 1.0:
            raise Wrong(f"{told}: that fills one arm only, and forgets the wait for outcomes")
        way = "short" if found < expected else "long"
        raise Wrong(f"{told}: {found:.1f} months are too {way}")
    return "and most of it is the sample, not the label delay, when the effect is small"


@contextmanager
def _another_start() -> Iterator[None]:
    """As if Python had been started again: its own `hash` of texts has another salt."""
    known = builtins.hash

    def salted(value: object) -> int:
        if isinstance(value, str | bytes):
            return known(("another start", value))
        if isinstance(value, tuple):
            return known(tuple(salted(item) for item in value))
        return known(value)

    with patch.object(builtins, "hash", salted):
        yield


@exercise(
    "5.2",
    title="Find the fault: an assignment that forgets its experiment",
    fault=True,
    hints=(
        "Run it for two experiments and count who is in the treatment of both.",
        "What would have to be part of the hashed text for the two to differ?",
    ),
)
def assignment(answer: Callable[..., Any]) -> str:
    """`answer(unit, experiment)` is "control" or "treatment"."""
    units = [f"loan-{number}" for number in range(4000)]
    first = [answer(unit, "first") for unit in units]
    for arm in first:
        if not (isinstance(arm, str) and arm in ("control", "treatment")):
            raise Wrong(f"it returned {arm!r}, must be 'control' or 'treatment'")
    if [answer(unit, "first") for unit in units] != first:
        raise Wrong("the same unit met two arms of one experiment: assignment must be sticky")
    if first != [answer(unit, "first") for unit in units[::-1]][::-1]:
        raise Wrong("the arm depends on who was asked before")
    with _another_start():
        if [answer(unit, "first") for unit in units] != first:
            raise Wrong(
                "after the next start of Python the same units meet other arms: its own hash of a "
                "text is salted anew each time"
            )
    share = np.mean([arm == "treatment" for arm in first])
    if abs(share - 0.5) > 0.04:
        raise Wrong(f"{share:.0%} of the units meet the treatment, must be about half")
    second = [answer(unit, "second") for unit in units]
    together = np.mean([a == b for a, b in zip(first, second, strict=True)])
    if together > 0.96:
        raise Wrong("two experiments split the units in the same way: their effects add up unseen")
    if together < 0.04:
        raise Wrong("the second experiment is the first one mirrored: still not independent")
    if abs(together - 0.5) > 0.05:
        raise Wrong(f"{together:.0%} of the units meet the same arm in both, must be about half")
    return "sticky, even, and independent of every other experiment"
