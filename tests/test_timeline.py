"""Dates follow from the label delay, and splits by time share no row."""

import pandas as pd
import pytest

from mlops_helpers.contracts import ContractError
from mlops_helpers.simulation import simulate_applications, simulate_portfolio
from mlops_helpers.timeline import (
    MINIMUM_ROWS,
    Timeline,
    between,
    known_at,
    plan_timeline,
    split_by_time,
)


def utc(day):
    """Return the midnight a day begins with."""
    return pd.Timestamp(day, tz="UTC")


@pytest.fixture(scope="module")
def frame():
    """Return the smallest portfolio that carries the story."""
    return simulate_portfolio(seed=1, per_month=110)


def monthly(months, *, delay_days, per_month=300, start="2020-01-01"):
    """Return `per_month` applications on the first of each month, every seventh a default."""
    days = [utc(start) + pd.DateOffset(months=month) for month in range(months)]
    applied_at = pd.Series([day for day in days for _ in range(per_month)]).dt.as_unit("us")
    outcome_at = applied_at + pd.Timedelta(days=delay_days)
    default = pd.Series([int(number % 7 == 0) for number in range(len(applied_at))])
    return pd.DataFrame({"applied_at": applied_at, "outcome_at": outcome_at, "default": default})


def test_the_simulated_story(frame):
    """The dates of the course's own portfolio."""
    assert plan_timeline(frame) == Timeline(
        start=utc("2022-01-01"),
        train_until=utc("2023-02-01"),
        holdout_until=utc("2023-06-01"),
        go_live=utc("2023-12-01"),
        monitor_until=utc("2024-02-01"),
        retrain_at=utc("2024-08-01"),
        experiment_until=utc("2025-01-01"),
        analyse_at=utc("2025-08-01"),
        label_delay=pd.Timedelta(days=182),
    )


@pytest.mark.parametrize(("months", "delay"), [(12, 30), (36, 182), (40, 90), (55, 365), (60, 1)])
def test_no_phase_uses_an_outcome_before_it_is_known(months, delay):
    """Whatever the span and the delay: outcomes are in when a phase needs them, all dates are
    month starts, the holdout is about a fifth, and the experiment ends with the data."""
    data = monthly(months, delay_days=delay)
    line = plan_timeline(data)
    delayed = pd.Timedelta(days=delay)
    dates = [getattr(line, name) for name in Timeline.__dataclass_fields__][:-1]
    assert dates == sorted(dates)
    assert all(date == date.normalize().replace(day=1) for date in dates)
    assert line.label_delay == delayed
    assert line.holdout_until + delayed <= line.go_live
    assert line.monitor_until + delayed <= line.retrain_at
    assert line.experiment_until + delayed <= line.analyse_at
    used = data[data["applied_at"] < line.holdout_until]
    assert len(known_at(used, line.go_live)) == len(used)
    assert between(data, line.experiment_until, utc("2100-01-01")).empty
    train, holdout = (len(between(data, *line.periods()[name])) for name in ("train", "holdout"))
    assert 0.15 < holdout / (train + holdout) < 0.35


def test_rounding_up_goes_to_the_next_month_only_if_needed():
    """A wait that ends on a month start is not rounded to the next."""
    exact = plan_timeline(monthly(36, delay_days=365, start="2009-01-01"))
    assert exact.go_live == exact.holdout_until + pd.DateOffset(years=1)


def test_too_short_a_span_says_how_much_is_needed():
    """The message names the span, the months needed and the label delay."""
    with pytest.raises(ContractError) as caught:
        plan_timeline(monthly(14, delay_days=182))
    message = str(caught.value)
    assert "spans 14 month(s) (2020-01 to 2021-02), must span at least" in message
    assert "label delay of 182 days" in message


def test_the_number_of_months_needed_is_the_least_that_works():
    """One month fewer than the message asks for fails, the number itself works."""
    with pytest.raises(ContractError) as caught:
        plan_timeline(monthly(10, delay_days=182))
    needed = int(str(caught.value).split("at least ")[1].split(":")[0])
    assert plan_timeline(monthly(needed, delay_days=182))
    with pytest.raises(ContractError, match="must span at least"):
        plan_timeline(monthly(needed - 1, delay_days=182))


def test_every_thin_period_is_named():
    """Too few rows anywhere is said for each period, with its dates and its least number."""
    with pytest.raises(ContractError) as caught:
        plan_timeline(monthly(36, delay_days=182, per_month=20))
    assert len(caught.value.violations) == len(MINIMUM_ROWS)
    for name, least in MINIMUM_ROWS.items():
        assert f"the {name} period" in str(caught.value)
        assert f"must hold at least {least}" in str(caught.value)


@pytest.mark.parametrize("name", ["train", "holdout", "monitor"])
def test_one_class_in_a_period_is_refused(frame, name):
    """A model cannot be fitted or ranked where nobody defaults."""
    begin, end = plan_timeline(frame).periods()[name]
    tame = frame.copy()
    inside = tame["applied_at"].between(begin, end, inclusive="left")
    tame.loc[inside, "default"] = 0
    with pytest.raises(ContractError, match=rf"the {name} period .* only default = 0"):
        plan_timeline(tame)


@pytest.mark.parametrize("name", ["train", "holdout", "monitor"])
def test_a_single_default_in_a_period_is_refused(frame, name):
    """Two of each class are the least from which an interval around an AUC can be computed."""
    begin, end = plan_timeline(frame).periods()[name]
    tame = frame.copy()
    inside = tame["applied_at"].between(begin, end, inclusive="left")
    tame.loc[inside, "default"] = 0
    tame.loc[tame.index[inside][:1], "default"] = 1
    with pytest.raises(ContractError, match=rf"the {name} period .* a single row with default = 1"):
        plan_timeline(tame)
    tame.loc[tame.index[inside][:2], "default"] = 1
    assert plan_timeline(tame)


def test_between_is_half_open(frame):
    """The start belongs to the span, the end to the next; nothing is lost or counted twice."""
    cut = frame["applied_at"].iloc[1000]
    first, second = between(frame, utc("2022-01-01"), cut), between(frame, cut, utc("2025-01-01"))
    assert len(first) + len(second) == len(frame)
    assert cut not in set(first["applied_at"])
    assert cut in set(second["applied_at"])


def test_known_at_sees_no_future(frame):
    """An outcome is known from its own moment on."""
    when = frame["outcome_at"].iloc[500]
    known = known_at(frame, when)
    assert known["outcome_at"].max() == when
    assert frame.drop(known.index)["outcome_at"].min() > when


def test_split_by_time_never_mixes_past_and_future(frame):
    """Every training row is older than every holdout row."""
    line = plan_timeline(frame)
    split = split_by_time(frame, train_until=line.train_until, holdout_until=line.holdout_until)
    assert split.train["applied_at"].max() < line.train_until <= split.holdout["applied_at"].min()
    assert not set(split.train["application_id"]) & set(split.holdout["application_id"])
    later = split_by_time(
        frame,
        start=utc("2022-07-01"),
        train_until=line.train_until,
        holdout_until=line.holdout_until,
    )
    assert later.train["applied_at"].min() >= utc("2022-07-01")
    assert later.holdout.equals(split.holdout)


def test_split_refuses_disorder_emptiness_and_naive_times(frame):
    """Name, value, rule, way out."""
    with pytest.raises(ValueError, match=r"train_until == 2023-06-01.* must be before"):
        split_by_time(frame, train_until=utc("2023-06-01"), holdout_until=utc("2023-02-01"))
    with pytest.raises(ValueError, match="holdout has no rows"):
        split_by_time(frame, train_until=utc("2026-01-01"), holdout_until=utc("2026-02-01"))
    with pytest.raises(ValueError, match="has no time zone"):
        between(frame, pd.Timestamp("2023-01-01"), utc("2024-01-01"))


def test_a_month_is_enough_rows_for_known_at_only():
    """One month of applications cannot carry the story and says so."""
    month = simulate_applications(1000, seed=1, start="2024-01")
    with pytest.raises(ContractError, match=r"spans 1 month\(s\)"):
        plan_timeline(month)
