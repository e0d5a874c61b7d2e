"""A window knows which labels are in, due or late, and what contradicts itself is refused."""

import numpy as np
import pandas as pd
import pytest

from mlops_helpers.performance_windows import COUNTS, windows

HALF_YEAR = pd.Timedelta(days=182)


def at(*days):
    """Times in UTC."""
    return pd.to_datetime(list(days), utc=True, format="ISO8601")


def log_frame(times, default, outcome_at=None, **more):
    """A joined prediction log; without `outcome_at` nothing says when labels came."""
    frame = pd.DataFrame({"scored_at": at(*times), "probability": 0.2, "default": default} | more)
    return frame if outcome_at is None else frame.assign(outcome_at=at(*outcome_at))


def counts(log, freq="MS", **kwargs):
    """`COUNTS` of each window by its start."""
    found = list(windows(log, freq, **kwargs))
    starts = [f"{w.head['window_start']:%Y-%m-%d}" for w in found]
    return pd.DataFrame([w.counts for w in found], index=starts, columns=list(COUNTS))


@pytest.mark.parametrize("freq", ["h", "6h", "D", "W", "MS", "QS", "YS"])
def test_every_prediction_is_in_exactly_one_window(freq):
    """Whatever the frequency, the windows share no row and lose none, and hold what they say."""
    rng = np.random.default_rng(1)
    times = at("2023-12-31 23:59:59")[0] + pd.to_timedelta(rng.integers(0, 10**7, 300), unit="s")
    times = times.append(at("2024-01-01", "2024-02-01", "2024-04-01"))
    log = pd.DataFrame({"scored_at": times, "probability": 0.5, "default": 0.0})
    found = list(windows(log, freq))
    assert sum(len(w.rows) for w in found) == len(log)
    for w in found:
        start, end = w.head["window_start"], w.head["window_end"]
        assert len(w.rows)
        assert (w.rows["scored_at"] >= start).all()
        assert (w.rows["scored_at"] < end).all()


def test_the_order_of_the_log_does_not_matter():
    """A shuffled log has the same windows with the same rows."""
    rng = np.random.default_rng(2)
    times = at("2024-01-01")[0] + pd.to_timedelta(np.arange(200) * 13, unit="h")
    log = pd.DataFrame({"scored_at": times, "probability": rng.random(200), "default": 1.0})
    shuffled = log.sample(frac=1.0, random_state=3)
    for one, other in zip(windows(log, "W"), windows(shuffled, "W"), strict=True):
        assert one.head == other.head
        pd.testing.assert_frame_equal(one.rows.reset_index(), other.rows.reset_index())


def test_local_times_count_in_utc():
    """Half past midnight in Berlin on the first of July belongs to June in UTC."""
    local = pd.to_datetime(["2024-07-01 00:30"]).tz_localize("Europe/Berlin")
    log = pd.DataFrame({"scored_at": local, "probability": [0.1], "default": [0]})
    assert [w.head["window_start"] for w in windows(log, "MS")] == list(at("2024-06-01"))


@pytest.mark.parametrize("categories", [False, True])
@pytest.mark.parametrize("kind", [["a", "b", "a", None], ["b", None, "a", "a"]])
def test_groups_are_kept_apart_and_a_missing_one_is_a_group(kind, categories):
    """Each value of `by` has its own rows, a missing one too; empty categories have none."""
    if categories:
        kind = pd.Categorical(kind, categories=["a", "b", "never"])
    log = log_frame(["2024-01-01", "2024-01-02", "2024-01-03", "2024-01-04"], 0.0, kind=kind)
    found = {str(w.head["kind"]): len(w.rows) for w in windows(log, "MS", by="kind")}
    assert found == {"a": 2, "b": 1, "nan": 1}


def test_young_late_and_complete_are_told_apart():
    """Nothing due: young. Due and missing: overdue. Every label in: complete."""
    log = log_frame(
        ["2024-01-01", "2024-01-20", "2024-02-10", "2024-02-11", "2024-07-01"],
        [0.0, 1.0, np.nan, 0.0, np.nan],
    )
    table = counts(log, label_delay=HALF_YEAR, as_of=at("2024-08-31")[0])
    assert table["predictions"].tolist() == [2, 2, 1]
    assert table["labelled"].tolist() == [2, 1, 0]
    assert table["due"].tolist() == [2, 2, 0]
    assert table["overdue"].tolist() == [0, 1, 0]
    assert table["complete"].tolist() == [True, False, False]


def test_a_label_is_due_at_the_very_moment_not_before():
    """scored_at + delay <= as_of, to the microsecond."""
    log = log_frame(["2024-01-01"], [np.nan])
    moment = at("2024-01-01")[0] + HALF_YEAR
    assert counts(log, label_delay=HALF_YEAR, as_of=moment)["overdue"].tolist() == [1]
    before = moment - pd.Timedelta(microseconds=1)
    assert counts(log, label_delay=HALF_YEAR, as_of=before)["due"].tolist() == [0]


def test_early_labels_of_a_young_window_are_not_used():
    """A default that came early counts as labelled, but is not known: no repayment could be."""
    log = log_frame(["2024-01-01", "2024-01-20"], [1.0, np.nan])
    (window,) = windows(log, "MS", label_delay=HALF_YEAR, as_of=at("2024-03-01")[0])
    assert window.counts["labelled"] == 1
    assert window.known.empty


def test_a_log_is_seen_as_it_was():
    """Labels that came later are unknown, predictions made later are not there."""
    log = log_frame(
        ["2024-01-01", "2024-01-02", "2024-05-01"],
        [1.0, 0.0, 0.0],
        outcome_at=["2024-02-01", "2024-07-02", "2024-10-30"],
    )
    table = counts(log, as_of=at("2024-03-01")[0])
    assert table.index.tolist() == ["2024-01-01"]
    assert table["labelled"].tolist() == [1]
    assert not table["complete"].any()
    assert counts(log)["labelled"].tolist() == [2, 1]


def test_a_window_that_is_not_over_is_not_complete():
    """More predictions may come: that every one so far has its label proves nothing."""
    log = log_frame(["2024-01-01"], [0.0])
    assert not counts(log, as_of=at("2024-01-31")[0])["complete"].any()
    assert counts(log, as_of=at("2024-02-01")[0])["complete"].all()


def test_without_a_delay_nobody_knows_what_is_due():
    """Due and overdue are missing then, not zero."""
    table = counts(log_frame(["2024-01-01"], [np.nan]))
    assert table[["due", "overdue"]].isna().all(axis=None)


def test_an_empty_log_has_no_windows():
    """Nothing in, nothing out, whether or not the empty columns have a type."""
    assert list(windows(log_frame([], []), "MS")) == []
    untyped = pd.DataFrame({"scored_at": [], "probability": [], "default": []})
    assert list(windows(untyped, "MS", label_delay=HALF_YEAR, as_of=at("2024-01-01")[0])) == []


GOOD = log_frame(["2024-01-01", "2024-01-02"], [0.0, 1.0], ["2024-07-01", "2024-07-02"])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"scored_at": pd.to_datetime(["2024-01-01"] * 2)}, "scored_at is of type datetime64"),
        ({"scored_at": [pd.NaT, GOOD["scored_at"][0]]}, "scored_at is NaT in 1 rows"),
        ({"scored_at": ["yesterday", "today"]}, "scored_at is of type str"),
        ({"probability": [0.1, 1.2]}, r"probability is 1\.2 in 1 rows; must be within"),
        ({"probability": [0.1, np.nan]}, "probability is nan"),
        ({"probability": ["low", "high"]}, "probability holds no numbers"),
        ({"default": [0.0, 2.0]}, r"default is 2\.0 in 1 rows; must be 0, 1 or missing"),
        ({"default": ["paid", "lost"]}, "default holds no numbers"),
        ({"outcome_at": at("2023-12-31", "2024-07-02")}, "outcome_at is 2023-12-31.*before scored"),
        ({"outcome_at": [pd.NaT, pd.NaT]}, "outcome_at is NaT in 2 rows.*where default is known"),
        ({"outcome_at": pd.to_datetime(["2024-07-01"] * 2)}, "outcome_at is of type datetime64"),
    ],
)
def test_a_log_that_contradicts_itself_is_refused(change, said):
    """The message names the column and the first wrong value."""
    with pytest.raises(ValueError, match=said):
        list(windows(GOOD.assign(**change), "MS"))


def test_a_label_before_its_prediction_is_refused_by_whatever_time_windows_are_cut():
    """Windows by the date of application look at `scored_at` as well."""
    log = GOOD.assign(applied_at=at("2023-12-01", "2023-12-02"), outcome_at=at("2023-12-31")[0])
    with pytest.raises(ValueError, match=r"outcome_at is 2023-12-31.*in 2 rows"):
        list(windows(log, "MS", time="applied_at"))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"as_of": "2024-09-01"}, "as_of is 2024-09-01, must be a time with a zone"),
        ({"as_of": pd.NaT}, "as_of is NaT"),
        ({"label_delay": HALF_YEAR}, "label_delay is 182 days.*pass as_of"),
        ({"label_delay": -HALF_YEAR, "as_of": "2024-09-01T00Z"}, "label_delay is -182 days"),
        ({"by": ["region"]}, "log has no column 'region'"),
        ({"time": "applied_at"}, "log has no column 'applied_at'"),
    ],
)
def test_arguments_that_cannot_be_meant_are_refused(arguments, said):
    """A naive moment, a delay of less than nothing or without a moment, a column not there."""
    with pytest.raises(ValueError, match=said):
        list(windows(GOOD, "MS", **arguments))
