"""The health report says ok, attention, or that it cannot tell, and why, from the store alone."""

import numpy as np
import pandas as pd
import pytest

from mlops_helpers.channels import ChannelError, PartlySentError
from mlops_helpers.health import HEALTH_COLUMNS, HealthLimits, health_report
from mlops_helpers.outbox import deliver
from mlops_helpers.predictions import PredictionLog
from tests.alerted import alert
from tests.logged import FEBRUARY, JANUARY, outcomes_of, two_months
from tests.test_outbox import Kept

MARCH = pd.Timestamp("2024-03-01", tz="UTC")
LATER = pd.Timestamp("2025-01-01", tz="UTC")


@pytest.fixture
def log(tmp_path):
    """An open, empty log."""
    with PredictionLog(f"sqlite:///{tmp_path / 'log.db'}") as log:
        yield log


@pytest.fixture(scope="module")
def rows():
    """Two hundred predictions of January and February, a hundred each."""
    return two_months()


def report(log, *, start=FEBRUARY, end=MARCH, as_of=MARCH, **limits):
    """The report on February by section and figure."""
    frame = health_report(log, start, end, as_of=as_of, limits=HealthLimits(**limits))
    assert tuple(frame.columns) == HEALTH_COLUMNS
    assert frame["told"].str.len().gt(0).all()
    within = frame.dropna(subset=["value", "low", "high"])
    assert within["value"].between(within["low"], within["high"]).all()
    return frame.set_index(["section", "figure"])


def metric(name, value, *, subject="", low=np.nan, high=np.nan, severity="none"):
    """One metric row of February."""
    return pd.DataFrame(
        [{"metric": name, "subject": subject, "value": value, "low": low, "high": high}]
    ).assign(severity=severity, window_start=FEBRUARY, window_end=MARCH, model_version=1)


def changed(rows, **columns):
    """The rows, those of February with other values."""
    new = rows.copy()
    late = new["scored_at"] >= FEBRUARY
    for name, value in columns.items():
        new.loc[late, name] = value
    return new


def test_an_empty_store_has_no_health(log):
    """Every figure says that there is not enough data; none says ok."""
    found = report(log)
    assert set(found["status"]) == {"not enough data"}
    assert set(found.index.get_level_values("section")) == {
        "volume", "latency", "quality", "drift", "performance", "alerts", "deliveries",
    }  # fmt: skip


def test_quiet_months_are_quiet(log, rows):
    """Nothing calls for attention when February is like January."""
    log.append(rows)
    found = report(log)
    assert "attention" not in set(found["status"])
    told = ("volume", "quality")
    assert found.loc[list(told)]["status"].eq("ok").all()
    daily = found.loc[("volume", "predictions a day"), "value"]
    assert daily == pytest.approx((rows["scored_at"] >= FEBRUARY).sum() / 29)
    share = (rows.loc[rows["scored_at"] >= FEBRUARY, "decision"] == "approve").mean()
    assert found.loc[("volume", "approval share"), "value"] == pytest.approx(share)


def test_volume_that_stops_or_floods(log, rows):
    """Half of the usual, none at all, twice the usual: attention; a first month: cannot tell."""
    log.append(rows)
    figure = ("volume", "predictions a day")
    assert report(log, volume_ratio=1.01).loc[figure, "status"] == "attention"
    stopped = report(log, start=MARCH, end=MARCH + pd.Timedelta(days=7), as_of=LATER)
    assert stopped.loc[figure, "status"] == "attention"
    assert stopped.loc[figure, "value"] == 0
    first = report(log, start=JANUARY, end=FEBRUARY)
    assert first.loc[figure, "status"] == "not enough data"


def test_a_month_that_is_not_over_counts_by_its_days(log, rows):
    """On the tenth of the month, ten days of predictions are not a third of the usual."""
    log.append(rows)
    part = report(log, as_of=FEBRUARY + pd.Timedelta(days=10))
    n = rows["scored_at"].between(FEBRUARY, FEBRUARY + pd.Timedelta(days=10)).sum()
    assert part.loc[("volume", "predictions a day"), "value"] == pytest.approx(n / 10)


def test_another_share_is_approved(log, rows):
    """Everybody approved where it was two thirds: attention, with both shares told."""
    log.append(changed(rows, decision="approve"))
    found = report(log).loc[("volume", "approval share")]
    assert found["status"] == "attention"
    assert found["value"] == found["high"] == 1.0
    assert "before" in found["told"]


def test_slow_answers(log, rows):
    """The 95th percentile above the limit with its whole interval; few answers cannot tell."""
    log.append(changed(rows, latency_ms=900.0))
    found = report(log)
    assert found.loc[("latency", "p95"), "status"] == "attention"
    assert found.loc[("latency", "p50"), "status"] == "ok"
    assert found.loc[("latency", "p99"), "status"] == "not enough data"


def test_missing_more_than_usual(log, rows):
    """What was always missing is usual; what has begun to be missing is not."""
    figure = ("quality", "missing values")
    log.append(rows.assign(age=np.nan))
    assert report(log).loc[figure, "status"] == "ok"
    assert "age: 100.0%" in report(log).loc[figure, "told"]


def test_gaps_of_a_first_month_cannot_be_judged(log, rows):
    """A lender who never asks for an age has no fault: without days before nobody can tell."""
    log.append(rows.assign(age=np.nan))
    first = report(log, start=JANUARY, end=FEBRUARY).loc[("quality", "missing values")]
    assert first["status"] == "not enough data"
    assert first["told"].startswith("most in age: 100.0%")


def test_a_column_that_begins_to_be_missing(log, rows):
    """Named, with its share now and before."""
    log.append(changed(rows, loan_purpose=None))
    found = report(log).loc[("quality", "missing values")]
    assert found["status"] == "attention"
    assert found["told"].startswith("most in loan_purpose: 100.0%")
    assert found["told"].endswith("before 0.0%")


def test_values_out_of_contract(log, rows):
    """A ratio in per cent is found by the database, against the contract's own limits."""
    log.append(changed(rows, debt_to_income_ratio=35.0))
    found = report(log).loc[("quality", "out of contract")]
    assert found["status"] == "attention"
    assert found["told"].startswith("most in debt_to_income_ratio: 100.0%")


def test_drift_is_read_from_the_stored_report(log):
    """Moderate and worse call for attention by name; a little does not."""
    figure = ("drift", "features drifted")
    log.append_metrics(metric("psi", 0.01, subject="age", severity="low"))
    assert report(log).loc[figure, ["value", "status"]].tolist() == [0, "ok"]
    log.append_metrics(metric("psi", 0.4, subject="annual_income", severity="high"))
    found = report(log).loc[figure]
    assert [found["value"], found["status"]] == [1, "attention"]
    assert found["told"] == "1 of 2 moved by more than a little: annual_income"


def test_performance_waits_for_its_labels(log, rows):
    """Outcomes that came after `as_of`, or for a part only, judge nothing."""
    log.append(rows)
    figure = ("performance", "default rate")
    log.record_outcomes(outcomes_of(rows.iloc[::2], default=1))
    assert report(log).loc[figure, "told"].startswith("0 outcomes")
    part = report(log, as_of=LATER).loc[figure]
    assert part["status"] == "not enough data"
    assert "the rest is open" in part["told"]


def test_performance_against_what_was_expected(log, rows):
    """All outcomes known and all defaulted: far from what the model expected."""
    log.append(rows)
    log.record_outcomes(outcomes_of(rows, default=1))
    found = report(log, as_of=LATER)
    assert found.loc[("performance", "outcomes known"), "status"] == "ok"
    judged = found.loc[("performance", "default rate")]
    assert [judged["value"], judged["status"]] == [1.0, "attention"]
    mean = rows.loc[rows["scored_at"] >= FEBRUARY, "probability"].mean()
    assert judged["told"].endswith(f"the model expected {mean:.1%}")


@pytest.mark.parametrize(
    ("value", "low", "high", "status"),
    [
        (0.55, 0.52, 0.58, "attention"),
        (0.59, 0.5, 0.68, "ok"),
        (0.55, np.nan, np.nan, "not enough data"),
        (np.nan, np.nan, np.nan, "not enough data"),
    ],
)
def test_the_stored_auc_is_judged_by_its_interval(log, value, low, high, status):
    """Below the floor with all of its interval; without one there is no verdict."""
    log.append_metrics(metric("auc", value, low=low, high=high))
    assert report(log).loc[("performance", "auc"), "status"] == status


def test_alerts_that_are_open(log):
    """Counted as they were at `as_of`, with owners; grave ones call for attention."""
    figure = ("alerts", "open")
    log.append_metrics(metric("psi", 0.01, subject="age"))
    assert report(log).loc[figure, ["value", "status"]].tolist() == [0, "ok"]
    log.append_alerts(alert(1).assign(severity="low"))
    assert report(log).loc[figure, ["value", "status"]].tolist() == [1, "ok"]
    log.append_alerts(alert(2, day=10, opened=5, status="resolved"))
    assert report(log).loc[figure, "value"] == 1
    log.append_alerts(alert(3, day=40, opened=40))
    found = report(log).loc[figure]
    assert [found["value"], found["status"]] == [2, "attention"]
    assert found["told"] == (
        "2 open, 1 of them high or critical; the oldest for 60 days; owned by credit risk"
    )
    early = report(log, start=JANUARY, end=FEBRUARY, as_of=FEBRUARY).loc[figure]
    assert [early["value"], early["status"]] == [1, "ok"]


def test_messages_that_do_not_arrive(log):
    """Late, given up and refused by some: attention, with the channels' names; sent: ok."""
    figure = ("deliveries", "not delivered")
    log.append_alerts(alert(1, day=40, opened=40), channels=["mail", "hook"])
    when = JANUARY + pd.Timedelta(days=40)
    soon = when + pd.Timedelta(minutes=30)
    assert report(log, as_of=soon).loc[figure, ["value", "status"]].tolist() == [2, "ok"]
    assert (
        report(log).loc[figure, "told"] == "of 2 messages 0 given up, 2 late; channels: hook, mail"
    )
    channels = {"mail": Kept(ChannelError("no")), "hook": Kept(PartlySentError("half"))}
    deliver(log, channels, when=when, attempts=1)
    found = report(log).loc[figure]
    assert [found["value"], found["status"]] == [1, "attention"]
    assert found["told"] == (
        "of 2 messages 1 given up, 0 late, 1 not to everybody; channels: hook, mail"
    )
    assert log.outbox.requeue(when=when) == 1
    deliver(log, {"mail": Kept()}, when=when)
    assert report(log, start=when + pd.Timedelta(days=1)).loc[figure, "status"] == "ok"


def test_windows_that_cannot_be_are_refused(log):
    """Naive times, and windows that are empty or lie in the future."""
    naive = pd.Timestamp("2024-01-01")
    for times, told in (
        ({"start": naive}, "start == .* has no time zone"),
        ({"as_of": naive}, "as_of == .* has no time zone"),
        ({"start": MARCH}, "must be before"),
        ({"as_of": JANUARY}, "must be before"),
    ):
        with pytest.raises(ValueError, match=told):
            report(log, **times)


def test_the_worst_model_is_judged(log):
    """A version that fails is not hidden by one that is well, whatever their order."""
    figure = ("performance", "auc")
    fine = metric("auc", 0.8, low=0.78, high=0.82)
    poor = metric("auc", 0.45, low=0.43, high=0.47)
    group = metric("auc", 0.9, subject="home=RENT", low=0.88, high=0.92)
    for bad, good in ((1, 2), (5, 4)):
        for one, version in ((poor, bad), (fine, good), (group, good)):
            log.append_metrics(one.assign(model_version=version))
        found = report(log).loc[figure]
        assert [found["value"], found["status"]] == [0.45, "attention"]
    assert found["told"].endswith("the worst of 4: model version 1")
    log.append_metrics(
        pd.concat([poor.assign(model_version=v) for v in (1, 5)]).assign(
            value=0.8, low=np.nan, high=np.nan
        )
    )
    assert report(log).loc[figure, "status"] == "not enough data"


@pytest.mark.parametrize(
    ("name", "subject"),
    [
        ("classifier_auc", ""),
        ("missing_share", "age"),
        ("tail_share", "age"),
        ("out_of_contract_share", "age"),
    ],
)
def test_every_drift_metric_counts(log, name, subject):
    """The margins stand still, and something else has moved: attention, by name."""
    figure = ("drift", "features drifted")
    log.append_metrics(metric("psi", 0.01, subject="age"))
    log.append_metrics(metric(name, 0.9, subject=subject, severity="high"))
    found = report(log).loc[figure]
    assert found["status"] == "attention"
    assert found["told"].endswith(subject or "all columns together")


def test_a_share_of_drifted_features_calls_where_no_row_says_which(log):
    """100 % drifted beside "none" is not ok; beside small drifts it is those."""
    figure = ("drift", "features drifted")
    log.append_metrics(metric("psi", 0.01, subject="age"))
    log.append_metrics(metric("share_drifted", 1.0))
    found = report(log).loc[figure]
    assert found["status"] == "attention"
    assert "stored as 100.0%" in found["told"]
    log.append_metrics(metric("psi", 0.05, subject="age", severity="low"))
    assert report(log).loc[figure, "status"] == "ok"


@pytest.mark.parametrize("severity", ["", "no data"])
def test_drift_without_a_verdict_is_not_ok(log, severity):
    """Nobody judged it, or nobody could: the report says so, with the feature's name."""
    log.append_metrics(metric("psi", 0.4, subject="age", severity=severity))
    found = report(log).loc[("drift", "features drifted")]
    assert found["status"] == "not enough data"
    assert found["told"].endswith("no verdict is stored for age")


def test_metrics_belong_to_the_report_by_their_windows(log):
    """A month's drift counts in the week within it, once the month is over, and not before."""
    week = {"start": FEBRUARY + pd.Timedelta(days=7), "end": FEBRUARY + pd.Timedelta(days=14)}
    figure = ("drift", "features drifted")
    log.append_metrics(metric("psi", 0.4, subject="age", severity="high"))
    assert report(log, **week).loc[figure, "status"] == "attention"
    soon = report(log, as_of=FEBRUARY + pd.Timedelta(days=20))
    assert soon.loc[figure, "status"] == "not enough data"
    after = report(log, start=MARCH, end=MARCH + pd.Timedelta(days=7), as_of=LATER)
    assert after.loc[figure, "status"] == "not enough data"


def test_what_came_later_is_not_known_yet(log):
    """An alert that was over at `as_of` and opened again; a message that was sent afterwards."""
    for change in (
        alert(1, day=31, opened=31),
        alert(1, day=35, opened=31, status="resolved"),
        alert(1, day=50, opened=31, seen=2),
    ):
        log.append_alerts(change, channels=["kept"])
    deliver(log, {"kept": Kept()}, when=JANUARY + pd.Timedelta(days=50))
    then = report(log, as_of=JANUARY + pd.Timedelta(days=40))
    assert then.loc[("alerts", "open"), ["value", "status"]].tolist() == [0, "ok"]
    assert then.loc[("deliveries", "not delivered"), "told"] == (
        "of 2 messages 0 given up, 2 late; channels: kept"
    )
    now = report(log)
    assert now.loc[("alerts", "open"), "value"] == 1
    assert now.loc[("deliveries", "not delivered"), "status"] == "ok"


def test_times_may_be_texts(log):
    """ISO texts with their zone are times; a missing one is refused."""
    texts = {"start": FEBRUARY.isoformat(), "end": MARCH.isoformat(), "as_of": MARCH.isoformat()}
    pd.testing.assert_frame_equal(report(log, **texts), report(log))
    with pytest.raises(ValueError, match="as_of == NaT has no time zone"):
        report(log, as_of=pd.NaT)
