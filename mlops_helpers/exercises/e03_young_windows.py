"""Checks of notebook 3, continued: which months' default rates may be reported, and which not yet.

The log of `_log` has a month for each way of being wrong. It is asked about as it is, in another
time zone, at the instant at which a month becomes old enough, and while a month still runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np
import pandas as pd

from mlops_helpers.exercises.engine import NotAttempted, Wrong, exercise
from mlops_helpers.exercises.repeated_labels import repeated_labels

Months = Callable[[pd.DataFrame, pd.Timedelta, pd.Timestamp], list[str]]

DELAY = pd.Timedelta(days=182)
TICK = pd.Timedelta(microseconds=1)
AS_OF = pd.Timestamp("2024-06-01", tz="UTC") + DELAY  # when May becomes old enough
RIGHT = ["2024-01", "2024-04", "2024-05"]


@exercise(
    "3.5",
    title="Which months may be judged?",
    hints=(
        "Two things can be wrong with a month: it is too young, or labels of it are not in. "
        "Ask each of them for itself.",
        "What was known at `as_of`? A label with a later `outcome_at` was not; such a row is one "
        "without a label.",
        "Give each row its month in UTC and its two answers (old enough, label known), then ask "
        "with groupby(...).all() which months have no exception.",
    ),
)
def months_to_judge(answer: Months) -> str:
    """`answer(log, label_delay, as_of)` returns months as "2024-01", in UTC."""
    _months(answer, _log())
    answer = _once_more(answer)
    _judge_log(answer)
    _judge_edges(answer)
    _judge_elsewhere(answer)
    _judge_running(answer)
    for log in (
        _log()[:0],
        _log().assign(default=np.nan, outcome_at=_log()["outcome_at"].shift(99)),
    ):
        found = _months(answer, log)
        if found:
            raise Wrong(f"a log of {len(log)} rows without a single label, and you report {found}")
    return "no young months, no unpaid promises of labels, no looking ahead, one calendar for all"


def _log() -> pd.DataFrame:
    """Eight months of 2024, eight loans each, with a trap in most of them."""
    parts = []
    for month in (1, 2, 3, 4, 5, 6, 7, 9):  # nobody applied in August
        start = pd.Timestamp(2024, month, 1, tz="UTC")
        end = start + pd.DateOffset(months=1)
        inside = pd.date_range(start, end, periods=9, inclusive="left")
        times = [*inside[:-1], end - TICK]  # the first instant of the month and the last
        rows = pd.DataFrame({"scored_at": pd.DatetimeIndex(times), "default": 0.0})
        rows.loc[[0, 2, 5], "default"] = 1.0
        rows["outcome_at"] = rows["scored_at"] + pd.Timedelta(days=170)
        parts.append(rows)
    for rows, unknown in ((parts[1], [3]), (parts[6], list(range(8))), (parts[7], [0, 1, 3, 7])):
        rows.loc[unknown, ["default", "outcome_at"]] = [np.nan, pd.NaT]
    parts[2].loc[6, "outcome_at"] = AS_OF + pd.Timedelta(days=9)  # March: told later than as_of
    quick = parts[5]["default"] == 1  # June: so far, only those who defaulted at once
    parts[5]["default"] = parts[5]["default"].where(quick)
    parts[5]["outcome_at"] = (parts[5]["scored_at"] + pd.Timedelta(days=40)).where(quick)
    log = pd.concat(parts, ignore_index=True)
    log["prediction_id"] = [f"p{number:02d}" for number in range(len(log))]
    return log.astype({key: "datetime64[us, UTC]" for key in ("scored_at", "outcome_at")})


def _provisional() -> pd.DataFrame:
    """The same log after a feed has sent its provisional zeros for June: nobody is left open."""
    log = _log()
    june = (log["scored_at"].dt.month == 6) & log["default"].isna()
    log.loc[june, "default"] = 0.0
    log.loc[june, "outcome_at"] = AS_OF - pd.Timedelta(days=30)
    return log


def _judge_log(answer: Months) -> None:
    found = _months(answer, _log())
    if "2024-06" in found:
        raise Wrong(
            "June is in your list, and all its labels so far are defaults: who pays back has no "
            "label before the delay is over; the first labels are not a fair sample"
        )
    if "2024-07" in found or "2024-09" in found:
        raise Wrong("a month is in your list whose delay is not over, and half its labels missing")
    if "2024-08" in found:
        raise Wrong("nobody applied in August; of nobody there is no default rate to report")
    if "2024-02" in found:
        raise Wrong(
            "February is old enough, one of its labels is overdue, and you report it: old enough "
            "to have its labels is not the same as having them"
        )
    if "2024-03" in found:
        raise Wrong(
            "one of March's labels arrived nine days after `as_of`: whoever had to report on that "
            "day did not know it"
        )
    lost = [month for month in RIGHT if month not in found]
    if "2024-01" in lost:
        raise Wrong("January is old enough, each of its labels was known, and it is not reported")
    if "2024-04" in lost:
        raise Wrong("April is old enough and has its labels, and it is not reported")
    if "2024-05" in lost:
        raise Wrong(
            "the delay of May's very last loan is just over at `as_of`, and May is not reported: "
            "the end of a month is the first instant that does not belong to it"
        )
    if "2024-06" in _months(answer, _provisional(), as_of=AS_OF - pd.Timedelta(days=1)):
        raise Wrong(
            "for June a zero was sent for each loan that has not defaulted *so far*, so none is "
            "missing; but its delay is not over, and a zero before that is not a label yet"
        )
    if "2024-06" in _months(answer, _provisional()):
        raise Wrong(
            "June is reported as soon as its first loan is old enough; what of its last one?"
        )


def _judge_edges(answer: Months) -> None:
    """An hour earlier May is too young; a loan of the first of June is none of May's."""
    early = _months(answer, _log(), as_of=AS_OF - pd.Timedelta(hours=1))
    if "2024-05" in early:
        raise Wrong(
            "an hour before the delay of May's last loan is over, May is reported; is its age "
            "counted from its end, to the hour?"
        )
    short = _months(answer, _log(), delay=pd.Timedelta(days=400))
    if short:
        raise Wrong(f"with a label delay of 400 days {short} are too young, and you report them")
    only = _log()
    only = only[(only["scored_at"] < "2024-06-01") | (only["scored_at"] == "2024-06-01")]
    only.loc[only["scored_at"] == "2024-06-01", ["default", "outcome_at"]] = [np.nan, pd.NaT]
    if "2024-05" not in _months(answer, only):
        raise Wrong(
            "a loan of 1 June, 00:00, without a label keeps May from being reported: to which of "
            "the two months does it belong?"
        )


def _judge_elsewhere(answer: Months) -> None:
    """The same instants, written in New York's time, are in the same months of UTC."""
    zone, log = "America/New_York", _log()
    moved = log.assign(**{key: log[key].dt.tz_convert(zone) for key in ("scored_at", "outcome_at")})
    if _months(answer, moved, as_of=AS_OF.tz_convert(zone)) != RIGHT:
        raise Wrong(
            "the same instants, written in New York's time, give other months: the log's months "
            "are those of UTC"
        )
    if _months(answer, repeated_labels(log.iloc[::-1])) != RIGHT:
        raise Wrong(
            "with its rows in another order and labels that repeat the log gives other months, "
            "or another order of them"
        )


def _judge_running(answer: Months) -> None:
    """With a delay of a day, all rows of a month can be labelled before the month is over."""
    log = _log()
    log["outcome_at"] = log["scored_at"] + pd.Timedelta(days=1)
    log["default"] = 0.0
    as_of = pd.Timestamp("2024-09-20", tz="UTC")
    log = log[log["scored_at"] < as_of - pd.Timedelta(days=2)]
    found = _months(answer, log, delay=pd.Timedelta(days=1), as_of=as_of)
    if "2024-09" in found:
        raise Wrong(
            "it is 20 September, labels take a day, and September is reported: ten days of it are "
            "still to come"
        )
    if "2024-07" not in found:
        raise Wrong(
            "with a label delay of one day July is long complete on 20 September, and it is not "
            "reported: is the delay that was passed in the one that is used?"
        )


def _once_more(answer: Months) -> Months:
    """The same answer, for which nothing is no longer an untouched stub."""

    def asked(log: pd.DataFrame, label_delay: pd.Timedelta, as_of: pd.Timestamp) -> list[str]:
        try:
            return answer(log, label_delay, as_of)
        except NotAttempted as nothing:
            raise Wrong("for another log it returned nothing; it must return a list") from nothing

    return asked


def _months(
    answer: Months,
    log: pd.DataFrame,
    *,
    delay: pd.Timedelta = DELAY,
    as_of: pd.Timestamp = AS_OF,
) -> list[str]:
    """What was returned as a list of months, or `Wrong`."""
    kept = log.copy()
    found = answer(log, delay, as_of)
    if not log.equals(kept):
        raise Wrong("it changed the log that it was given; work on a copy")
    if isinstance(found, str | Mapping | pd.DataFrame) or not isinstance(found, Iterable):
        raise Wrong(f"it returned a {type(found).__name__}, must be a list of months")
    listed = list(found)
    for month in listed:
        if not isinstance(month, str) or pd.isna(pd.to_datetime(month, "coerce", format="%Y-%m")):
            raise Wrong(f"your list holds {month!r}; a month must be a text like '2024-01'")
    if len(set(listed)) < len(listed):
        raise Wrong(f"it names {max(listed, key=listed.count)} twice")
    return listed
