"""Which predictions belong to a window, and which of their labels are in, due or late.

A prediction is *due* once its label should be known: `label_delay` after it was scored. Before that
its label says nothing, even if it came: in lending a default is reported when it happens, while a
repayment is certain only when the time is over, so the labels of a young window are nearly all
defaults. With a `label_delay`, therefore, only the labels of due predictions are `known`, whatever
else has arrived. Pure: the moment of looking is an argument, `as_of`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pandas as pd

__all__ = ["COUNTS", "Window", "moment_of", "refuse", "spans", "utc", "windows"]

COUNTS = ("predictions", "labelled", "due", "overdue", "complete")
"""The columns that tell how far a window's labels are, in their order."""


@dataclass(frozen=True)
class Window:
    """The predictions of one window and group.

    head: `window_start`, `window_end` and the values of the columns asked for.
    counts: `COUNTS`; `due` and `overdue` (due without a label) are missing without a `label_delay`.
    rows: all predictions of the window, `known` those of them whose label may be used.
    """

    head: dict[str, object]
    counts: dict[str, object]
    rows: pd.DataFrame
    known: pd.DataFrame

    @property
    def complete(self) -> bool:
        """Whether the window is over and every prediction in it has its label."""
        return bool(self.counts["complete"])


def windows(
    log: pd.DataFrame,
    freq: str,
    *,
    by: Sequence[str] = (),
    time: str = "scored_at",
    label_delay: pd.Timedelta | None = None,
    as_of: pd.Timestamp | None = None,
) -> Iterator[Window]:
    """Yield the windows [start, end) of `time` and the groups of `by` that hold predictions.

    `log` is a prediction log joined with outcomes (`PredictionLog.window`): `time`, `probability`,
    `default` (missing while unknown), the columns of `by`, and `outcome_at` if there is one. With
    `as_of` the log is seen as it was then: predictions made later are left out, and labels whose
    `outcome_at` is later are unknown. Raises `ValueError` naming the column or the value for
    missing columns, times that are missing or without a zone, labels and probabilities that are
    none, labels before their prediction or without their date, and a delay without `as_of`.
    """
    by = (by,) if isinstance(by, str) else tuple(by)
    moment, delay = None if as_of is None else moment_of(as_of), _delay(label_delay, as_of)
    frame = _checked(log, by, time, moment)
    due = None if delay is None else (frame[time] + delay <= moment).to_numpy()
    labelled = frame["default"].notna().to_numpy()
    for start, end, first, last in spans(frame[time], freq):
        part = frame.iloc[first:last]
        groups = part.groupby(list(by), dropna=False, observed=True) if by else [((), part)]
        for keys, rows in groups:
            at = rows.index.to_numpy()  # the places in `frame`, which is numbered from 0
            has, over = labelled[at], moment is None or end <= moment
            counts: dict[str, object] = {"predictions": len(at), "labelled": int(has.sum())}
            counts |= {"due": pd.NA, "overdue": pd.NA, "complete": bool(has.all() and over)}
            usable = has
            if due is not None:
                counts["due"] = int(due[at].sum())
                counts["overdue"] = int((due[at] & ~has).sum())
                usable = has if counts["complete"] else has & due[at]
            head = {"window_start": start, "window_end": end} | dict(zip(by, keys, strict=True))
            yield Window(head, counts, rows, rows[usable])


def spans(times: pd.Series, freq: str) -> Iterator[tuple[pd.Timestamp, pd.Timestamp, int, int]]:
    """The windows of `freq` over ascending `times` that hold rows: [start, end), [first, last)."""
    if times.empty:
        return
    step = pd.tseries.frequencies.to_offset(freq)
    begin = step.rollback(times.iloc[0].normalize())
    edges = pd.date_range(begin, times.iloc[-1] + step, freq=step)
    places = times.searchsorted(edges)
    for (start, end), (first, last) in zip(
        itertools.pairwise(edges), itertools.pairwise(places), strict=True
    ):
        if first < last:
            yield start, end, int(first), int(last)


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
    frame = log[list(dict.fromkeys([time, "probability", "default", *by, *told]))]
    frame = frame.assign(
        **{
            time: utc(frame[time], time),
            "probability": _numbers(frame["probability"], "probability"),
            "default": _numbers(frame["default"], "default"),
        }
    )
    refuse(frame[time], frame[time].isna(), "must not be missing; a prediction has its time")
    probability, default = frame["probability"], frame["default"]
    refuse(probability, ~probability.between(0, 1), "must be within [0, 1]")
    refuse(default, default.notna() & ~default.isin([0, 1]), "must be 0, 1 or missing")
    if "outcome_at" in frame:
        frame = _as_known(frame.assign(outcome_at=utc(frame["outcome_at"], "outcome_at")), as_of)
    if as_of is not None:
        frame = frame[frame[time] <= as_of]
    return frame.sort_values(time, kind="stable", ignore_index=True)


def _as_known(frame: pd.DataFrame, as_of: pd.Timestamp | None) -> pd.DataFrame:
    at, labelled = frame["outcome_at"], frame["default"].notna()
    refuse(at, labelled & at.isna(), "must not be missing where default is known")
    if "scored_at" in frame:
        scored = utc(frame["scored_at"], "scored_at")
        refuse(at, labelled & (at < scored), "must not be before scored_at, its prediction")
    if as_of is None:
        return frame
    return frame.assign(default=frame["default"].where(~(at > as_of)))


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
