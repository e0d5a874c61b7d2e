"""Exercise 3.5: the solution passes, the stub is a stub, each way of judging too early is named."""

import numpy as np
import pandas as pd
import pytest

from mlops_helpers.exercises.engine import judge
from tests.exercises.battery import Proof, prove

NEW_YORK = "America/New_York"


def given():
    """What the cells of the exercise find in the notebook's kernel."""
    return {"np": np, "pd": pd}


def month_of(times, zone="UTC"):
    """The month of each time as a text."""
    return times.dt.tz_convert(zone).dt.strftime("%Y-%m")


def end_of(times):
    """The first instant after each time's month, in UTC."""
    naive = times.dt.tz_convert("UTC").dt.tz_localize(None)
    return (naive.dt.to_period("M") + 1).dt.start_time.dt.tz_localize("UTC")


def known(log, as_of):
    """Which labels were in."""
    return log["default"].notna() & (log["outcome_at"] <= as_of)


def where_all(good, months):
    """Months without an exception."""
    return sorted(good.groupby(months.to_numpy()).all().loc[lambda all_: all_].index)


def by_months_end(log, delay, as_of):
    """A right answer: the whole month is old enough."""
    old = end_of(log["scored_at"]) + delay <= as_of
    return where_all(
        (old & known(log, as_of)).set_axis(range(len(log))), month_of(log["scored_at"])
    )


def by_each_loan(log, delay, as_of):
    """Another right answer: the month is over, and each loan is old enough."""
    old = (log["scored_at"] + delay <= as_of) & (end_of(log["scored_at"]) <= as_of)
    return where_all(
        (old & known(log, as_of)).set_axis(range(len(log))), month_of(log["scored_at"])
    )


def any_labels(log, delay, as_of):
    """A month with a label is reported."""
    return sorted(month_of(log.loc[known(log, as_of), "scored_at"]).unique())


def age_alone(log, delay, as_of):
    """The calendar decides."""
    return where_all(end_of(log["scored_at"]) + delay <= as_of, month_of(log["scored_at"]))


def labels_alone(log, delay, as_of):
    """All labels are in, however young the month."""
    return where_all(known(log, as_of), month_of(log["scored_at"]))


def looking_ahead(log, delay, as_of):
    """Uses the labels of the table, not those of the day."""
    old = end_of(log["scored_at"]) + delay <= as_of
    return where_all(old & log["default"].notna(), month_of(log["scored_at"]))


def strictly_older(log, delay, as_of):
    """The end of a month is taken for its last instant."""
    old = end_of(log["scored_at"]) + delay < as_of
    return where_all(old & known(log, as_of), month_of(log["scored_at"]))


def from_the_start(log, delay, as_of):
    """Ages a month by its first loan."""
    months = month_of(log["scored_at"])
    first = log["scored_at"].groupby(months).transform("min")
    return where_all((first + delay <= as_of) & known(log, as_of), months)


def by_the_day(log, delay, as_of):
    """Rounds the age to days."""
    old = (end_of(log["scored_at"]) + delay).dt.normalize() <= as_of.normalize() + pd.Timedelta(1)
    old |= (end_of(log["scored_at"]) + delay - as_of) < pd.Timedelta(days=1)
    return where_all(old & known(log, as_of), month_of(log["scored_at"]))


def local_months(log, delay, as_of):
    """The months of whoever wrote the log."""
    zone = log["scored_at"].dt.tz
    local = log["scored_at"].dt.tz_localize(None).dt.tz_localize("UTC")
    old = end_of(local) + delay <= as_of
    return where_all(old & known(log, as_of), month_of(log["scored_at"], zone))


def fixed_delay(log, delay, as_of):
    """The delay of the text, whatever is passed in."""
    return by_months_end(log, pd.Timedelta(days=182), as_of)


def longer_delay(log, delay, as_of):
    """Never less than half a year."""
    return by_months_end(log, max(delay, pd.Timedelta(days=182)), as_of)


def nine_of_ten(log, delay, as_of):
    """A few missing labels are forgiven."""
    old = end_of(log["scored_at"]) + delay <= as_of
    share = (old & known(log, as_of)).groupby(month_of(log["scored_at"])).mean()
    return sorted(share.index[share > 0.85])


def every_month(log, delay, as_of):
    """Walks through the calendar; a month without loans has no missing label."""
    right = by_months_end(log, delay, as_of + pd.Timedelta(days=120))
    return sorted({*right, "2024-08"} - {"2024-06"}) if len(log) else []


def unfinished(log, delay, as_of):
    """Each loan is old enough; the month itself may still run."""
    old = log["scored_at"] + delay <= as_of
    return where_all(
        (old & known(log, as_of)).set_axis(range(len(log))), month_of(log["scored_at"])
    )


def closed_at_the_end(log, delay, as_of):
    """A loan at the first instant of a month counts for the month before."""
    return by_months_end(
        log.assign(scored_at=log["scored_at"] - pd.Timedelta(1, "us")), delay, as_of
    )


def closed_on_both_sides(log, delay, as_of):
    """It counts for both months."""
    right, other = by_months_end(log, delay, as_of), closed_at_the_end(log, delay, as_of)
    return [month for month in right if month in other]


def writes_into_the_log(log, delay, as_of):
    """Adds a column to the caller's frame."""
    log["month"] = month_of(log["scored_at"])
    return by_months_end(log, delay, as_of)


PROOFS = (
    Proof(
        "3.5",
        given,
        wrong={
            "any labels": any_labels,
            "age alone": age_alone,
            "labels alone": labels_alone,
            "looking ahead": looking_ahead,
            "strictly older": strictly_older,
            "aged from the start": from_the_start,
            "aged by the day": by_the_day,
            "local months": local_months,
            "a fixed delay": fixed_delay,
            "half a year at least": longer_delay,
            "an empty month": every_month,
            "a running month": unfinished,
            "closed on both sides": closed_on_both_sides,
            "nothing ever": lambda log, delay, as_of: [],
            "index trusted": lambda log, delay, as_of: by_months_end(
                log[~log.index.duplicated()], delay, as_of
            ),
            "timestamps": lambda log, delay, as_of: list(end_of(log["scored_at"]).unique()),
            "one text": lambda log, delay, as_of: ", ".join(by_months_end(log, delay, as_of)),
            "changes the log": writes_into_the_log,
            "named twice": lambda log, delay, as_of: by_months_end(log, delay, as_of) * 2,
            "always one of them": lambda log, delay, as_of: (
                by_months_end(log, delay, as_of) or ["2024-01"]
            ),
        },
    ),
)
test_solution, test_blank, test_wrong_answers = prove(*PROOFS)


@pytest.mark.parametrize("answer", [by_months_end, by_each_loan])
def test_both_ways_of_ageing_a_month_are_right(answer):
    """Whether its end or each of its loans is a delay old: both are honest."""
    assert judge("3.5", answer).status == "right"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (any_labels, "not a fair sample"),
        (age_alone, "overdue"),
        (nine_of_ten, "overdue"),
        (labels_alone, "so far"),
        (from_the_start, "what of its last one"),
        (looking_ahead, "did not know it"),
        (strictly_older, "first instant that does not belong"),
        (by_the_day, "to the hour"),
        (local_months, "those of UTC"),
        (fixed_delay, "400 days"),
        (longer_delay, "the one that is used"),
        (unfinished, "still to come"),
        (closed_on_both_sides, "to which of the two months"),
    ],
)
def test_each_mistake_is_named(answer, said):
    """Too young, overdue, looked ahead and another calendar are four different words."""
    assert said in judge("3.5", answer).message
