"""When each phase of the story happens, read from the applications and their label delay.

A label is known only months after the application, so the phases cannot follow each other
directly: a model trained on known outcomes goes live when the last outcome of its holdout is in.

    start ── train ── train_until ── holdout ── holdout_until ~~delay~~ go_live ── monitor ──
    monitor_until ~~delay~~ retrain_at ── experiment ── experiment_until ~~delay~~ analyse_at
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import pandas as pd

from mlops_helpers.contracts import TARGET, ContractError, Violation

MONITOR_MONTHS = 2
HOLDOUT_SHARE = 0.2
LEAST_LEARNING_MONTHS = 5
"""Train and holdout together: four months to train on and one to hold out."""
LEAST_EXPERIMENT_MONTHS, MOST_EXPERIMENT_MONTHS = 2, 5
MINIMUM_ROWS = {"train": 500, "holdout": 200, "monitor": 200, "experiment": 400}
"""Fewer applications than this in a period, and its phase would measure noise.

The monitored ones are enough to be watched. To replace a model on them `judging.judge` asks for
more (300 rows, 30 of each class) and says "not enough evidence" below that: a verdict, no error.
"""
BOTH_CLASSES = ("train", "holdout", "monitor")
"""Periods on which a model is fitted or ranked: no AUC exists with one class only, and no interval
around it with a single row of one class."""


@dataclass(frozen=True)
class Timeline:
    """The story's dates: all but the delay are month starts in UTC."""

    start: pd.Timestamp
    train_until: pd.Timestamp
    holdout_until: pd.Timestamp
    go_live: pd.Timestamp
    monitor_until: pd.Timestamp
    retrain_at: pd.Timestamp
    experiment_until: pd.Timestamp
    analyse_at: pd.Timestamp
    label_delay: pd.Timedelta

    def periods(self) -> dict[str, tuple[pd.Timestamp, pd.Timestamp]]:
        """Return the half-open span [from, to) of each period that applications are used in."""
        return {
            "train": (self.start, self.train_until),
            "holdout": (self.train_until, self.holdout_until),
            "monitor": (self.go_live, self.monitor_until),
            "experiment": (self.retrain_at, self.experiment_until),
        }


class Split(NamedTuple):
    """Rows to learn from and later rows to be judged on; they share no row."""

    train: pd.DataFrame
    holdout: pd.DataFrame


def between(frame: pd.DataFrame, start: pd.Timestamp, end: pd.Timestamp) -> pd.DataFrame:
    """Return the rows applied in [start, end); an application at `end` is not among them."""
    return frame[(frame["applied_at"] >= _utc(start)) & (frame["applied_at"] < _utc(end))]


def known_at(frame: pd.DataFrame, when: pd.Timestamp) -> pd.DataFrame:
    """Return the rows whose outcome had been seen by `when` (outcome_at <= when)."""
    return frame[frame["outcome_at"] <= _utc(when)]


def split_by_time(
    frame: pd.DataFrame,
    *,
    train_until: pd.Timestamp,
    holdout_until: pd.Timestamp,
    start: pd.Timestamp | None = None,
) -> Split:
    """Return the rows applied in [start, train_until) and in [train_until, holdout_until).

    Without `start` the training rows reach back to the first. Raises ValueError if the dates are
    not in order or a part is empty: a split by time never shuffles to fill a gap.
    """
    first = frame["applied_at"].min() if start is None else _utc(start)
    if not _utc(train_until) < _utc(holdout_until):
        raise ValueError(
            f"train_until == {train_until}, must be before holdout_until == {holdout_until}."
        )
    split = Split(between(frame, first, train_until), between(frame, train_until, holdout_until))
    for name, part in split._asdict().items():
        if part.empty:
            span = f"{frame['applied_at'].min()} to {frame['applied_at'].max()}"
            raise ValueError(
                f"{name} has no rows with train_until == {train_until}, holdout_until == "
                f"{holdout_until}; the applications span {span}: choose dates inside it."
            )
    return split


def plan_timeline(frame: pd.DataFrame) -> Timeline:
    """Return the story's dates for valid applications with known outcomes.

    The label delay is the longest wait for an outcome. The experiment takes about a quarter of
    the months that the two waits and the monitoring leave (two to five of them); the rest is
    shared 80/20 between training and holdout. Raises ContractError naming every period that is
    too short or lacks a class.
    """
    planned = timeline_faults(frame)
    if isinstance(planned, Timeline):
        return planned
    raise ContractError(planned)


def timeline_faults(frame: pd.DataFrame) -> Timeline | list[Violation]:
    """Return the timeline, or the reasons why these applications cannot carry one."""
    delay = (frame["outcome_at"] - frame["applied_at"]).max()
    start = _floor(frame["applied_at"].min())
    end = _shift(_floor(frame["applied_at"].max()), 1)
    timeline = _plan(start, end, delay)
    if timeline is None:
        return [_too_short(start, end, delay)]
    return list(_thin_periods(frame, timeline)) or timeline


def _plan(start: pd.Timestamp, end: pd.Timestamp, delay: pd.Timedelta) -> Timeline | None:
    """Find the latest end of the holdout that leaves the experiment its months."""
    for learning in range(_months(start, end), LEAST_LEARNING_MONTHS - 1, -1):
        holdout_until = _shift(start, learning)
        go_live = _ceil(holdout_until + delay)
        monitor_until = _shift(go_live, MONITOR_MONTHS)
        retrain_at = _ceil(monitor_until + delay)
        experiment = _months(retrain_at, end)
        wanted = min(MOST_EXPERIMENT_MONTHS, (learning + experiment) // 4)
        if experiment >= max(LEAST_EXPERIMENT_MONTHS, wanted):
            return Timeline(
                start=start,
                train_until=_shift(holdout_until, -math.ceil(HOLDOUT_SHARE * learning)),
                holdout_until=holdout_until,
                go_live=go_live,
                monitor_until=monitor_until,
                retrain_at=retrain_at,
                experiment_until=end,
                analyse_at=_ceil(end + delay),
                label_delay=delay,
            )
    return None


def _too_short(start: pd.Timestamp, end: pd.Timestamp, delay: pd.Timedelta) -> Violation:
    go_live = _ceil(_shift(start, LEAST_LEARNING_MONTHS) + delay)
    retrain_at = _ceil(_shift(go_live, MONITOR_MONTHS) + delay)
    needed = _months(start, retrain_at) + LEAST_EXPERIMENT_MONTHS
    return Violation(
        column="applied_at",
        rule=(
            f"spans {_months(start, end)} month(s) ({start:%Y-%m} to {_shift(end, -1):%Y-%m}), "
            f"must span at least {needed}: {LEAST_LEARNING_MONTHS} to learn and hold out, "
            f"{MONITOR_MONTHS} to monitor, {LEAST_EXPERIMENT_MONTHS} for an experiment, and twice "
            f"the label delay of {delay.days} days (the longest outcome_at - applied_at); "
            "bring older applications, or outcomes that are known sooner (with roughly "
            f"{_loans_a_month()} settled loans a month)"
        ),
    )


def _loans_a_month() -> int:
    """Return how many loans a month the shortest story needs to fill each of its periods."""
    months = {
        "train": LEAST_LEARNING_MONTHS - 1,
        "holdout": 1,
        "monitor": MONITOR_MONTHS,
        "experiment": LEAST_EXPERIMENT_MONTHS,
    }
    return max(-(-rows // months[name]) for name, rows in MINIMUM_ROWS.items())


def _thin_periods(frame: pd.DataFrame, timeline: Timeline) -> Iterator[Violation]:
    for name, (begin, end) in timeline.periods().items():
        rows = between(frame, begin, end)
        span = f"the {name} period ({begin:%Y-%m-%d} to {end:%Y-%m-%d}, end not included)"
        if len(rows) < MINIMUM_ROWS[name]:
            yield Violation(
                column="applied_at",
                rule=f"{span} holds {len(rows)} applications, must hold at least "
                f"{MINIMUM_ROWS[name]}; bring more applications of these months",
            )
        count = rows[TARGET].value_counts()
        if name in BOTH_CLASSES and len(count) == 1:
            yield Violation(
                column=TARGET,
                rule=f"{span} holds only {TARGET} = {rows[TARGET].iloc[0]}, must hold both 0 and 1",
            )
        elif name in BOTH_CLASSES and len(count) and count.min() < 2:
            yield Violation(
                column=TARGET,
                rule=f"{span} holds a single row with {TARGET} = {count.idxmin()}, must hold at "
                "least two of both 0 and 1: an AUC with an interval needs them",
            )


def _utc(when: pd.Timestamp | str) -> pd.Timestamp:
    stamp = pd.Timestamp(when)
    if stamp.tz is None:
        raise ValueError(f"{when} has no time zone; pass pd.Timestamp({str(when)!r}, tz='UTC').")
    return stamp.tz_convert("UTC")


def _floor(when: pd.Timestamp) -> pd.Timestamp:
    return when.normalize().replace(day=1)


def _ceil(when: pd.Timestamp) -> pd.Timestamp:
    floor = _floor(when)
    return floor if floor == when else _shift(floor, 1)


def _shift(month: pd.Timestamp, months: int) -> pd.Timestamp:
    return month + pd.DateOffset(months=months)


def _months(begin: pd.Timestamp, end: pd.Timestamp) -> int:
    return (end.year - begin.year) * 12 + end.month - begin.month
