"""Checks of notebook 1: a split in time, and skill over a baseline."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from mlops_helpers.exercises.engine import Wrong, exercise, number

SplitLater = Callable[[pd.DataFrame, float], tuple[pd.DataFrame, pd.DataFrame]]
BrierSkill = Callable[[np.ndarray, np.ndarray, float], float]


@exercise(
    "1.1",
    title="A split of your own",
    hints=(
        "Which time separates the last fifth of the applications from the rest?",
        "frame['applied_at'].quantile(...) finds a time; compare every row's time with it.",
        "Rows are on one side or the other by their time alone, so equal times stay together.",
    ),
)
def split_later(answer: SplitLater) -> str:
    """Later rows are tested, nothing is lost, and equal times are not torn apart."""
    frame = _applications(minutes=np.random.default_rng(0).permutation(200) ** 2)
    train, test = _parts(answer, frame, 0.25)
    if len(train) + len(test) != len(frame) or set(train.index) & set(test.index):
        raise Wrong(
            f"{len(train)} + {len(test)} rows came back from {len(frame)}; every row must be in "
            "exactly one part"
        )
    if not len(train) or not len(test):
        raise Wrong("one of the parts is empty")
    if train["applied_at"].min() > test["applied_at"].max():
        if len(train) < len(test):
            raise Wrong("the parts came back as (test, train); return the earlier rows first")
        raise Wrong("the first rows are tested and the later ones are trained on")
    if train["applied_at"].max() > test["applied_at"].min():
        raise Wrong(
            "some training rows are later than some test rows; cut by applied_at, not by position: "
            "the frame need not be sorted"
        )
    if not 0.2 <= len(test) / len(frame) <= 0.3:
        raise Wrong(
            f"asked for the last 25 % of the applications, {len(test) / len(frame):.0%} are tested"
        )
    tied = _applications(minutes=np.random.default_rng(0).permutation(np.repeat([0, 1, 2, 3], 50)))
    train, test = _parts(answer, tied, 0.4)
    if len(train) + len(test) != len(tied):
        raise Wrong(
            f"when many applications have the same time, {len(train)} + {len(test)} rows come back "
            f"from {len(tied)}; those at the time of the cut belong to one part as well"
        )
    if set(train["applied_at"]) & set(test["applied_at"]):
        raise Wrong("applications with the same time are on both sides")
    return "later rows only, nothing lost, equal times together"


@exercise(
    "1.2",
    title="Better than knowing nothing?",
    hints=(
        "Compute two Brier scores: the model's, and that of base_rate for everybody.",
        "Skill is 1 minus the ratio of the two. Which of them is below the line?",
    ),
)
def brier_skill(answer: BrierSkill) -> str:
    """1 for perfect, 0 for the baseline, negative for worse, and the right baseline."""
    y = np.array([0.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0, 0.0])
    told = np.full(8, 0.2)
    perfect = number(answer(y, y, 0.2), "the skill of a perfect model")
    if abs(perfect) < 1e-9:
        raise Wrong("a perfect model gets 0; that is its Brier score, not yet its skill")
    if abs(perfect - 1) > 1e-9:
        raise Wrong(f"a perfect model must have skill 1, not {perfect:.3f}")
    if abs(number(answer(y, told, 0.2), "the skill of the baseline")) > 1e-9:
        raise Wrong(
            "giving everybody base_rate must have skill 0; which baseline did you compare with?"
        )
    if number(answer(y, 1 - y, 0.2), "the skill of a model that is always wrong") >= 0:
        raise Wrong("a model that is always wrong must have a negative skill")
    half = number(answer(y, (y + told) / 2, 0.2), "the skill half-way to perfect")
    if abs(half - 0.75) > 1e-6:
        raise Wrong(
            "half-way between baseline and truth the squared errors are a quarter; the skill must "
            "show the share that is gone"
        )
    return "and a skill can be negative, which an AUC would not show"


def _applications(*, minutes: np.ndarray) -> pd.DataFrame:
    start = pd.Timestamp("2022-01-01", tz="UTC")
    return pd.DataFrame({"applied_at": start + pd.to_timedelta(minutes, unit="min")})


def _parts(
    answer: SplitLater, frame: pd.DataFrame, share: float
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return (train, test) as answered, or raise `Wrong`; the frame must come through as it was."""
    kept = frame.copy()
    parts = _both(answer(frame, share))
    if not frame.equals(kept):
        raise Wrong("it changed the frame that it was given, or sorted it in place; work on a copy")
    return parts


def _both(parts: object) -> tuple[pd.DataFrame, pd.DataFrame]:
    if not isinstance(parts, tuple | list) or len(parts) != 2:
        raise Wrong("it must return two frames: (train, test)")
    if not all(isinstance(part, pd.DataFrame) for part in parts):
        raise Wrong("both parts must be frames, rows of the frame that was given")
    return parts[0], parts[1]
