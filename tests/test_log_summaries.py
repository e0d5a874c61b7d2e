"""What the database counts is what the rows say."""

import numpy as np
import pandas as pd
import pytest

from mlops_helpers.predictions import PredictionLog
from tests.logged import FEBRUARY, two_months


@pytest.fixture
def log(store_url):
    """An open, empty log."""
    with PredictionLog(store_url) as log:
        yield log


@pytest.fixture(scope="module")
def rows():
    """Two hundred predictions of January and February 2024, some features missing."""
    return two_months()


def test_volume_a_day(log, rows):
    """Volume, approvals and mean score of each UTC day equal those of the rows."""
    log.append(rows)
    table = log.daily_volume()
    day = rows["scored_at"].dt.floor("D")
    assert table["n"].tolist() == rows.groupby(day).size().tolist()
    approved = (rows["decision"] == "approve").groupby(day).mean()
    assert table["approval_rate"].tolist() == pytest.approx(approved.tolist())
    assert table["mean_probability"].tolist() == pytest.approx(
        rows.groupby(day)["probability"].mean().tolist()
    )
    assert table["day"].dtype == "datetime64[us, UTC]"
    assert log.daily_volume(FEBRUARY)["day"].min() >= FEBRUARY


@pytest.mark.parametrize(
    "time",
    ["1969-12-31T12:00Z", "1969-12-31T00:00Z", "1969-12-30T23:59:59.999999Z", "1970-01-01T00:00Z"],
)
def test_a_day_before_1970_is_its_own(log, rows, time):
    """Noon of the last day of 1969 is of that day, and midnight begins one."""
    when = pd.Timestamp(time)
    log.append(rows.head(1).assign(scored_at=when))
    assert log.daily_volume()["day"].tolist() == [when.floor("D")]


@pytest.mark.parametrize(
    "bins", [-5, 1_001, 2.5, np.float64(0.5), "abc", None, [0, np.nan, 1], [[0, 1], [1]]]
)
def test_bins_that_are_none_are_refused(log, bins):
    """In words of our own, whatever they are."""
    with pytest.raises(ValueError, match=r"bins == .*; must be 1 to 1,000, or rising edges from"):
        log.score_histogram(bins)


def test_a_number_of_bins_is_of_any_integer_type(log, rows):
    """NumPy's five bins are five; the most that are allowed can be counted."""
    log.append(rows)
    for number in (np.int64(5), np.uint8(5), 1_000):
        table = log.score_histogram(number)
        assert (len(table), table["n"].sum()) == (int(number), len(rows))


def test_volume_keeps_versions_apart(log, rows):
    """Two models on one day are two rows, each with its own counts."""
    later = rows["scored_at"].dt.floor("D").max()
    for version, n in ((1, 3), (2, 5)):
        ids = [f"{version}-{i}" for i in range(n)]
        decision = ["approve"] * version + ["decline"] * (n - version)
        frame = rows.head(n).assign(prediction_id=ids, decision=decision, scored_at=later)
        log.append(frame.assign(model_version=version))
    table = log.daily_volume()
    assert table["day"].tolist() == [later, later]
    assert table["model_version"].tolist() == [1, 2]
    assert table["n"].tolist() == [3, 5]
    assert table["approved"].tolist() == [1, 2]


def test_histogram_counts_every_score_once(log, rows):
    """Bins are [low, high), the last includes 1, empty bins are there, and all rows counted."""
    edge = rows.copy()
    edge["probability"] = [0.0, 0.25, 0.5, 1.0] * 50
    log.append(edge)
    table = log.score_histogram(4)
    assert table["n"].tolist() == [50, 50, 50, 50]
    assert table["bin_low"].tolist() == [0, 0.25, 0.5, 0.75]
    assert log.score_histogram([0, 0.1, 0.2, 1])["n"].tolist() == [50, 0, 150]
    assert log.score_histogram(1)["n"].tolist() == [200]
    with pytest.raises(ValueError, match="bins == 0"):
        log.score_histogram(0)


def test_histogram_has_every_bin_of_every_version(log, rows):
    """A version without scores in a bin has a 0 there, so that versions can be compared."""
    log.append(rows.head(4).assign(probability=0.1))
    other = rows.iloc[4:6].assign(probability=0.9, model_version=2)
    log.append(other)
    table = log.score_histogram(2)
    assert table["model_version"].tolist() == [1, 1, 2, 2]
    assert table["n"].tolist() == [4, 0, 0, 2]


@pytest.mark.parametrize("bins", [[0, 0.5, 0.5, 1], [0.1, 1], [0, 0.9], [0]])
def test_edges_that_lose_scores_are_refused(log, bins):
    """Edges rise from 0 to 1; others would leave scores out in silence."""
    with pytest.raises(ValueError, match="rising edges from 0 to 1"):
        log.score_histogram(bins)


def test_latency_quantiles_are_exact(log, rows):
    """p50, p95 and p99 are order statistics of what was measured."""
    log.append(rows)
    table = log.latency()
    assert table[["n", "p50", "p95", "p99"]].iloc[0].tolist() == [200, 100, 190, 198]


def test_latency_leaves_out_what_was_not_measured(log, rows):
    """Missing latencies are not zeros, and a version that never measured has no row."""
    missing = rows["latency_ms"].where(rows["latency_ms"] <= 10)
    log.append(rows.assign(latency_ms=missing))
    log.append(rows.assign(prediction_id="2-" + rows["prediction_id"], latency_ms=np.nan))
    unmeasured = rows.assign(prediction_id="3-" + rows["prediction_id"], latency_ms=np.nan)
    log.append(unmeasured.assign(model_version=3))
    table = log.latency()
    assert table["model_version"].tolist() == [1]
    assert table[["n", "p50", "p95", "p99"]].iloc[0].tolist() == [10, 5, 10, 10]


def test_summaries_of_adjoining_windows_add_up(log, rows):
    """Windows are half-open: midnight is counted once, in the window that it begins."""
    edge = rows.copy()
    edge.loc[edge.index[0], "scored_at"] = FEBRUARY
    log.append(edge)
    january = int((edge["scored_at"] < FEBRUARY).sum())
    for summary in (log.daily_volume, log.score_histogram, log.latency):
        assert summary(end=FEBRUARY)["n"].sum() == january
        assert summary(start=FEBRUARY)["n"].sum() == len(rows) - january


def test_an_empty_log_has_empty_summaries(log):
    """Before the first prediction there are no rows, but the columns, and days are days."""
    volume, histogram, latency = log.daily_volume(), log.score_histogram(), log.latency()
    assert volume["day"].dtype == "datetime64[us, UTC]"
    assert volume["model_version"].dtype == volume["n"].dtype == "int64"
    assert list(histogram.columns) == ["model_version", "bin_low", "bin_high", "n"]
    assert list(latency.columns) == ["model_version", "n", "p50", "p95", "p99"]
    assert volume.empty
    assert histogram.empty
    assert latency.empty
