"""What the applications of one arm are told: by its version, or by control where that fails.

A row that a version cannot take must not take its whole lot with it: else the size of a lot would
decide how much of the treatment is in the treatment. So a version that raises is asked again by
halves, and control answers for the rows that are left. They stay in their arm (intention to treat).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlops_helpers.enrolment import Enrolment
from mlops_helpers.scoring import Classifier, prediction_id, score

__all__ = ["MOST_FAILURES", "PROBES", "Serving", "answers_of", "in_one_line", "joined"]

MOST_FAILURES, PROBES = 64, 5
"""Failing passes of a version in one call: what it was not asked by then, control answers. Five
rows that it cannot take are found among a thousand. A version that can answer none of so many
single rows, taken from the whole lot, is broken altogether and is asked no more. (A lot of 1,000
takes 3.2 times as long with one row that cannot be taken, and no longer with a broken version.)"""
Part = tuple[NDArray[np.int64], pd.DataFrame]  # places, and the rows that belong there
_LONGEST_TOLD = 200  # characters of an error's text


class Serving(Protocol):
    """A version that can answer, such as a `registry.LoadedModel`."""

    @property
    def version(self) -> int:
        """Its number in the registry."""

    @property
    def pipeline(self) -> Classifier:
        """What is asked."""


def answers_of(
    models: Mapping[str, Serving],
    enrolment: Enrolment,
    number: int,
    applications: pd.DataFrame,
    times: pd.Series,
    latency: NDArray[np.float64],
) -> tuple[pd.DataFrame, str]:
    """The rows of one number of `Enrolment.numbers`, and why control gave some of them, or "".

    Columns of `scoring.PREDICTION_COLUMNS` and `fallback`. The id is that of the arm's own version,
    whoever answers: an application has one row in its arm, and the log keeps what it was told
    first, also if it is sent again when the version is mended. Raises what control raises.
    """
    experiment, variant = enrolment.names(number)
    arms = enrolment.plan.arms

    def asked(arm: str, mine: NDArray[np.int64]) -> pd.DataFrame:
        return score(
            models[arm].pipeline,
            applications.iloc[mine],
            model_version=models[arm].version,
            cutoff=enrolment.plan.experiment.cutoff,
            scored_at=times.iloc[mine],
            experiment=experiment,
            variant=variant,
            latency_ms=latency[mine],
        )

    everybody = np.arange(len(applications))
    if number <= 0:
        return asked(arms[0], everybody).assign(fallback=False), ""
    own = models[arms[number]].version
    given, left, error = _by_halves(lambda mine: asked(arms[number], mine), everybody)
    parts = [(mine, rows.assign(fallback=False)) for mine, rows in given]
    if not len(left):
        return joined(parts), ""
    instead = asked(arms[0], left).assign(fallback=True)
    units = instead["application_id"]
    instead["prediction_id"] = [prediction_id(unit, own, experiment) for unit in units]
    fault = (
        f"arm {variant!r} (version {own}) failed for {len(left)} applications, control answered: "
        f"{in_one_line(error)}"
    )
    return joined([*parts, (left, instead)]), fault


def joined(parts: Sequence[Part]) -> pd.DataFrame:
    """Rows in the order of the places that they are the answers for."""
    if len(parts) == 1:
        return parts[0][1]
    back = np.argsort(np.concatenate([places for places, _ in parts]))
    rows = pd.concat([rows for _, rows in parts], ignore_index=True)
    return rows.iloc[back].reset_index(drop=True)


def in_one_line(error: Exception | None) -> str:
    """An error as a short line: its kind and the beginning of what it says."""
    try:
        text = str(error)
    except Exception as other:  # noqa: BLE001 - an error without words must not stop an answer
        text = f"its text cannot be had ({type(other).__name__})"
    told = " ".join(text.split())
    short = told if len(told) <= _LONGEST_TOLD else f"{told[:_LONGEST_TOLD]}…"
    return f"{type(error).__name__}: {short}"


def _by_halves(
    ask: Callable[[NDArray[np.int64]], pd.DataFrame], everybody: NDArray[np.int64]
) -> tuple[list[Part], NDArray[np.int64], Exception | None]:
    """Parts that were answered, who was not (in order), and the first error.

    The largest part that is left is asked first, so what is given up at last is small.
    """
    parts: list[Part] = []
    errors: list[Exception] = []

    def taken(mine: NDArray[np.int64]) -> bool:
        try:
            parts.append((mine, ask(mine)))
        except Exception as error:  # noqa: BLE001 - told as a fault: control can answer
            errors.append(error)
            return False
        return True

    if taken(everybody):
        return parts, everybody[:0], None
    probes = everybody[:: -(-len(everybody) // PROBES)]
    left = [one for one in np.split(probes, len(probes)) if not taken(one)]
    if not parts:
        return parts, everybody, errors[0]
    todo = deque([np.setdiff1d(everybody, probes)])
    while todo and len(errors) < MOST_FAILURES:
        whole = todo.popleft()
        for mine in np.array_split(whole, 2):
            if len(mine) and not taken(mine):
                (todo if len(mine) > 1 else left).append(mine)
    return parts, np.sort(np.concatenate([everybody[:0], *left, *todo])), errors[0]
