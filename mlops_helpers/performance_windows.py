"""Which predictions belong to a window, and which of their labels are in, due or late.

A prediction is *due* once its label should be known: `label_delay` after it was scored. Before that
its label says nothing, even if it came: in lending a default is reported when it happens, while a
repayment is certain only when the time is over, so the labels of a young window are nearly all
defaults. With a `label_delay`, therefore, only the labels of due predictions are `known`, whatever
else has arrived. Pure: the moment of looking is an argument, `as_of`.

Where a declined application gets no loan, nobody ever learns whether it would have been repaid: its
label never comes. With `awaits="approved"` only approved predictions owe a label, and only theirs
are used. That is a selection: figures are then about the loans that a model let through, whose AUC
is lower than among all applicants and cannot be compared with it. The default, "all", is right
where the model only advises, as in this course: what is declined there may still become a loan.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import pandas as pd

__all__ = [
    "COUNTS",
    "RESERVED",
    "Awaits",
    "Window",
    "moment_of",
    "refuse",
    "refuse_twice",
    "spans",
    "utc",
    "windows",
]

COUNTS = ("predictions", "awaited", "labelled", "due", "overdue", "complete")
"""The columns that tell how far a window's labels are, in their order."""
_FIGURES = ("metric", "value", "expected", "expected_low", "expected_high", "realised", "agrees")
_LABELS = ("probability", "default", "outcome_at")
RESERVED = frozenset(("window_start", "window_end", "low", "high", *_FIGURES, *_LABELS, *COUNTS))
"""Names that the tables of windows give themselves, and labels: no groups can be made by them."""
Awaits = Literal["all", "approved"]
"""Which predictions owe a label: every one, or those whose `decision` is "approve"."""
EPOCH = pd.Timestamp("1900-01-01", tz="UTC")
"""Windows of several units are counted from here, a Monday, whatever a log begins with."""


@dataclass(frozen=True)
class Window:
    """The predictions of one window and group.

    head: `window_start`, `window_end` and the values of the columns asked for.
    counts: `COUNTS`; all but `predictions` count only what owes a label (`awaited`); `due` and
        `overdue` (due without a label) are missing without a `label_delay`.
    rows: all predictions of the window, `awaited` those that owe a label, `known` those of them
        whose label may be used.
    """

    head: dict[str, object]
    counts: dict[str, object]
    rows: pd.DataFrame
    awaited: pd.DataFrame
    known: pd.DataFrame

    @property
    def complete(self) -> bool:
        """Whether the window is over and every label that is owed is in (and due).

        A window that owes none is complete once it is over, and has nothing to measure.
        """
        return bool(self.counts["complete"])


def windows(
    log: pd.DataFrame,
    freq: str,
    *,
    by: Sequence[str] = (),
    time: str = "scored_at",
    label_delay: pd.Timedelta | None = None,
    as_of: pd.Timestamp | None = None,
    awaits: Awaits = "all",
) -> Iterator[Window]:
    """Yield the windows [start, end) of `time` and the groups of `by` that hold predictions.

    `log` is a prediction log joined with outcomes (`PredictionLog.window`): `time`, `probability`,
    `default` (missing while unknown), the columns of `by`, and `outcome_at` and `scored_at` if they
    are there. With `as_of` the log is seen as it was then: predictions made later are left out, and
    labels whose `outcome_at` is later are unknown. A prediction is made, and its delay begins, at
    its `scored_at`, also where windows are cut by another `time`; `time` itself counts only where
    the log has no `scored_at`. `awaits` says which predictions owe a label. Multiples ("7D", "2MS")
    are counted from `EPOCH`, so where windows begin does not depend on the log.

    Raises `ValueError` naming the column or the value for columns that are missing or there twice,
    times that are missing or without a zone, labels and probabilities that are none, labels before
    their prediction or without their date, labels seen `as_of` a moment in a log without
    `outcome_at`, a delay without `as_of`, groups by a `RESERVED` name, and a `freq` that is none.
    """
    by = _groups(by)
    moment, delay = None if as_of is None else moment_of(as_of), _delay(label_delay, as_of)
    frame = _checked(log, by, time, moment)
    made = frame[_made(frame, time)]
    due = None if delay is None else (made + delay <= moment).to_numpy()
    owed = _owed(frame, awaits)
    labelled = frame["default"].notna().to_numpy() & owed
    for start, end, first, last in spans(frame[time], freq):
        part = frame.iloc[first:last]
        groups = part.groupby(list(by), dropna=False, observed=True) if by else [((), part)]
        for keys, rows in groups:
            at = rows.index.to_numpy()  # the places in `frame`, which is numbered from 0
            mine, has, over = owed[at], labelled[at], moment is None or end <= moment
            ready, late = has, (pd.NA, pd.NA)
            if due is not None:
                ready = has & due[at]
                late = int((due[at] & mine).sum()), int((due[at] & mine & ~has).sum())
            complete = bool(over and ready.sum() == mine.sum())
            told = len(at), int(mine.sum()), int(has.sum()), *late, complete
            counts: dict[str, object] = dict(zip(COUNTS, told, strict=True))
            head = {"window_start": start, "window_end": end} | dict(zip(by, keys, strict=True))
            yield Window(head, counts, rows, rows[mine], rows[ready])


def spans(times: pd.Series, freq: str) -> Iterator[tuple[pd.Timestamp, pd.Timestamp, int, int]]:
    """The windows of `freq` over ascending `times` that hold rows: [start, end), [first, last)."""
    if times.empty:
        return
    edges = _edges(times.iloc[0], times.iloc[-1], freq)
    places = times.searchsorted(edges)
    for (start, end), (first, last) in zip(
        itertools.pairwise(edges), itertools.pairwise(places), strict=True
    ):
        if first < last:
            yield start, end, int(first), int(last)


def _edges(first: pd.Timestamp, last: pd.Timestamp, freq: str) -> pd.DatetimeIndex:
    """The ends of windows of `freq`, from the one at or before `first` to one after `last`."""
    step = pd.tseries.frequencies.to_offset(freq)
    if step.n < 1:
        raise ValueError(f"freq is {freq!r}, must be a step forward in time, e.g. 'MS' or '7D'.")
    if step.n == 1:
        return pd.date_range(step.rollback(first.normalize()), last + step, freq=step)
    if isinstance(step, pd.offsets.Tick | pd.offsets.Day):
        days = isinstance(step, pd.offsets.Day)
        length = pd.Timedelta(days=step.n) if days else pd.Timedelta(step)
        begin = EPOCH + (first - EPOCH) // length * length
        return pd.date_range(begin, last + length, freq=length)
    origin = step.base.rollback(EPOCH)
    if first < origin:
        raise ValueError(f"{first} is before {origin}, from where windows of {freq!r} are counted.")
    edges = pd.date_range(origin, last + step, freq=step.base)[:: step.n]
    return edges[edges.searchsorted(first, side="right") - 1 :]


def _groups(by: Sequence[str]) -> tuple[str, ...]:
    by = (by,) if isinstance(by, str) else tuple(by)
    taken = [name for name in by if name in RESERVED] or [b for b in by if by.count(b) > 1]
    if taken:
        raise ValueError(
            f"by holds {taken[0]!r}, must be columns of the log that are each named once and are "
            "no label and no name of the table that comes back; rename the column."
        )
    return by


def _made(frame: pd.DataFrame, time: str) -> str:
    """The column that says when a prediction was made."""
    return "scored_at" if "scored_at" in frame else time


def _owed(frame: pd.DataFrame, awaits: Awaits) -> np.ndarray:
    """Which predictions owe a label."""
    if awaits not in get_args(Awaits):
        raise ValueError(f"awaits is {awaits!r}, must be one of {get_args(Awaits)}.")
    if awaits == "all":
        return np.ones(len(frame), dtype=bool)
    if "decision" not in frame:
        raise ValueError(
            "log has no column 'decision'; awaits='approved' needs it: pass the frame that "
            "PredictionLog.window returns, or awaits='all'."
        )
    decision = frame["decision"]
    refuse(decision, ~decision.isin(["approve", "decline"]), "must be 'approve' or 'decline'")
    return (decision == "approve").to_numpy(dtype=bool)


def _checked(
    log: pd.DataFrame, by: tuple[str, ...], time: str, as_of: pd.Timestamp | None
) -> pd.DataFrame:
    """The columns needed, in order of time and as known at `as_of`."""
    missing = [c for c in (time, "probability", "default", *by) if c not in log.columns]
    if missing:
        raise ValueError(
            f"log has no column {missing[0]!r}; windows need {time!r}, 'probability', "
            f"'default' and {list(by)}: pass the frame that PredictionLog.window returns"
        )
    told = [c for c in ("decision", "outcome_at", "scored_at") if c in log.columns]
    names = list(dict.fromkeys([time, "probability", "default", *by, *told]))
    refuse_twice(log, names, "log")
    frame = log[names]
    frame = frame.assign(
        **{
            **{name: utc(frame[name], name) for name in {time, _made(frame, time)}},
            "probability": _numbers(frame["probability"], "probability"),
            "default": _numbers(frame["default"], "default"),
        }
    )
    for name in dict.fromkeys((time, _made(frame, time))):
        refuse(frame[name], frame[name].isna(), "must not be missing; a prediction has its time")
    probability, default = frame["probability"], frame["default"]
    refuse(probability, ~probability.between(0, 1), "must be within [0, 1]")
    refuse(default, default.notna() & ~default.isin([0, 1]), "must be 0, 1 or missing")
    if "outcome_at" in frame:
        frame = _as_known(frame.assign(outcome_at=utc(frame["outcome_at"], "outcome_at")), as_of)
    elif as_of is not None and default.notna().any():
        raise ValueError(
            f"log has no column 'outcome_at' and {default.notna().sum()} labels; without their "
            f"dates nobody knows which were in at {as_of}: join the outcomes with their dates."
        )
    if as_of is not None:
        frame = frame[frame[_made(frame, time)] <= as_of]
    return frame.sort_values(time, kind="stable", ignore_index=True)


def _as_known(frame: pd.DataFrame, as_of: pd.Timestamp | None) -> pd.DataFrame:
    at, labelled = frame["outcome_at"], frame["default"].notna()
    refuse(at, labelled & at.isna(), "must not be missing where default is known")
    if "scored_at" in frame:
        early = labelled & (at < frame["scored_at"])
        refuse(at, early, "must not be before scored_at, its prediction")
    if as_of is None:
        return frame
    return frame.assign(default=frame["default"].where(~(at > as_of)))


def refuse_twice(frame: pd.DataFrame, names: Sequence[str], what: str) -> None:
    """Raise `ValueError` naming the first of `names` that several columns of `frame` have."""
    for name in names:
        found = int((frame.columns == name).sum())
        if found > 1:
            raise ValueError(f"{what} has {found} columns {name!r}; keep the one that is meant.")


def refuse(values: pd.Series, wrong: pd.Series, rule: str) -> None:
    """Raise `ValueError` with the first of the wrong values, how many there are, and the rule."""
    if wrong.any():
        example = values[wrong].iloc[0]
        raise ValueError(f"{values.name} is {example} in {int(wrong.sum())} rows; {rule}.")


def _numbers(values: pd.Series, name: str) -> pd.Series:
    try:
        return values.astype("float64")
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} holds no numbers ({error}); pass 0 and 1, or shares.") from error


def utc(times: pd.Series, name: str) -> pd.Series:
    """`times` in UTC; refuses what has no zone, unless nothing is there at all."""
    if times.isna().all() and not isinstance(times.dtype, pd.DatetimeTZDtype):
        return pd.to_datetime(times, utc=True).astype("datetime64[us, UTC]")
    if not isinstance(times.dtype, pd.DatetimeTZDtype):
        raise ValueError(
            f"{name} is of type {times.dtype}, must hold times with a zone; "
            f"use pd.to_datetime(log[{name!r}], utc=True) if they are in UTC."
        )
    return times.dt.tz_convert("UTC")


def moment_of(as_of: pd.Timestamp | str) -> pd.Timestamp:
    """`as_of` in UTC; refuses one without a zone."""
    moment = pd.Timestamp(as_of)
    if pd.isna(moment) or moment.tz is None:
        raise ValueError(f"as_of is {as_of}, must be a time with a zone, e.g. '2024-01-01T00:00Z'.")
    return moment.tz_convert("UTC")


def _delay(label_delay: pd.Timedelta | None, as_of: object) -> pd.Timedelta | None:
    if label_delay is None:
        return None
    delay = pd.Timedelta(label_delay)
    if pd.isna(delay) or delay < pd.Timedelta(0):
        raise ValueError(f"label_delay is {label_delay}, must be 0 or longer.")
    if as_of is None:
        raise ValueError(
            f"label_delay is {delay} and as_of is missing; which labels are due depends on when "
            "you look: pass as_of, a time with a zone."
        )
    return delay
