"""A window knows which labels are in, due or late, and what contradicts itself is refused."""

import numpy as np
import pandas as pd
import pytest

from mlops_helpers.performance_windows import COUNTS, RESERVED, windows

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
        outcome_at=["2024-06-30", "2024-02-20", None, "2024-08-11", None],
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
    log = log_frame(["2024-01-01", "2024-01-20"], [1.0, np.nan], ["2024-02-01", None])
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


def test_a_label_is_known_at_the_very_moment_it_comes():
    """outcome_at <= as_of, to the microsecond; a prediction of that moment is there, too."""
    log = log_frame(["2024-01-01", "2024-02-01"], [1.0, np.nan], ["2024-02-01", None])
    moment = at("2024-02-01")[0]
    assert counts(log, as_of=moment)["labelled"].tolist() == [1, 0]
    before = moment - pd.Timedelta(microseconds=1)
    assert counts(log, as_of=before)["labelled"].tolist() == [0]


def test_labels_without_their_date_cannot_be_seen_as_they_were():
    """As of January a log without `outcome_at` would show the labels of July: refused."""
    log = log_frame(["2024-01-01", "2024-01-02"], [0.0, np.nan])
    for more in ({}, {"label_delay": HALF_YEAR}):
        with pytest.raises(ValueError, match=r"no column 'outcome_at' and 1 labels.*2024-02-01"):
            list(windows(log, "MS", as_of=at("2024-02-01")[0], **more))
    assert counts(log)["labelled"].tolist() == [1]
    assert counts(log.assign(default=np.nan), as_of=at("2024-02-01")[0])["labelled"].tolist() == [0]


def test_a_window_of_early_labels_alone_is_not_complete():
    """Every label in and none of them due: all are defaults, and nothing is judged by them."""
    log = log_frame(["2024-01-01", "2024-01-20"], [1.0, 1.0], ["2024-01-25", "2024-01-25"])
    given = {"label_delay": HALF_YEAR, "as_of": at("2024-03-01")[0]}
    (window,) = windows(log, "MS", **given)
    assert (window.counts["labelled"], window.counts["due"]) == (2, 0)
    assert not window.complete
    assert window.known.empty
    whole = counts(log, label_delay=HALF_YEAR, as_of=at("2024-08-01")[0])
    assert whole["complete"].all()


def test_a_window_that_is_not_over_is_not_complete():
    """More predictions may come: that every one so far has its label proves nothing."""
    log = log_frame(["2024-01-01"], [0.0], ["2024-01-02"])
    assert not counts(log, as_of=at("2024-01-31")[0])["complete"].any()
    assert counts(log, as_of=at("2024-02-01")[0])["complete"].all()


def test_without_a_delay_nobody_knows_what_is_due():
    """Due and overdue are missing then, not zero."""
    table = counts(log_frame(["2024-01-01"], [np.nan]))
    assert table[["due", "overdue"]].isna().all(axis=None)


def test_the_delay_begins_when_the_prediction_was_made():
    """Applied for in January, scored in March: due half a year after March, where that is known."""
    log = log_frame(["2024-03-01"], [0.0], ["2024-03-02"]).assign(applied_at=at("2024-01-01"))
    july = {"time": "applied_at", "label_delay": HALF_YEAR, "as_of": at("2024-07-15")[0]}
    assert counts(log, **july)["due"].tolist() == [0]
    assert counts(log, **july | {"as_of": at("2024-08-30")[0]})["due"].tolist() == [1]
    assert counts(log.drop(columns="scored_at"), **july)["due"].tolist() == [1]
    february = {"time": "applied_at", "as_of": at("2024-02-15")[0]}
    assert counts(log, **february).empty
    with pytest.raises(ValueError, match="scored_at is NaT in 1 rows; must not be missing"):
        counts(log.assign(scored_at=pd.NaT), time="applied_at")


DECIDED = log_frame(
    ["2024-01-01", "2024-01-02", "2024-01-03"],
    [0.0, np.nan, 1.0],
    ["2024-07-01", None, "2024-07-03"],
    decision=["approve", "decline", "decline"],
)


def test_declined_applications_owe_no_label_where_nobody_waits_for_them():
    """Awaited are the approved alone: complete, not overdue for ever; the rest is counted."""
    given = {"label_delay": HALF_YEAR, "as_of": at("2025-01-01")[0]}
    every = counts(DECIDED, **given).iloc[0]
    assert (every["awaited"], every["overdue"], every["complete"]) == (3, 1, False)
    (window,) = windows(DECIDED, "MS", awaits="approved", **given)
    told = pd.Series(window.counts)[list(COUNTS)]
    assert told.tolist() == [3, 1, 1, 1, 0, True]
    assert (len(window.rows), len(window.awaited)) == (3, 1)
    assert window.known["decision"].tolist() == ["approve"]
    nobody = counts(DECIDED.assign(decision="decline"), awaits="approved", **given).iloc[0]
    assert (nobody["awaited"], nobody["due"], nobody["complete"]) == (0, 0, True)


def test_who_owes_a_label_must_be_known():
    """No decision, a decision that is none, an option that is none: one sentence each."""
    with pytest.raises(ValueError, match="no column 'decision'; awaits='approved'"):
        counts(DECIDED.drop(columns="decision"), awaits="approved")
    for wrong, shown in ((None, "nan|None"), ("approved", "approved")):
        odd = DECIDED.assign(decision=["approve", wrong, "decline"])
        with pytest.raises(ValueError, match=f"decision is ({shown}) in 1 rows; must be 'approve'"):
            counts(odd, awaits="approved")
    with pytest.raises(ValueError, match="awaits is 'decline', must be one of"):
        counts(DECIDED, awaits="decline")


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_groups_by_a_name_of_the_table_are_refused(name):
    """Two columns of one name would come back, or groups made by the label itself."""
    log = DECIDED.assign(**{name: DECIDED.get(name, 1)})
    with pytest.raises(ValueError, match=f"by holds '{name}', must be columns of the log"):
        list(windows(log, "MS", by=(name,)))


def test_groups_named_twice_are_refused():
    """The same column twice is no second group."""
    with pytest.raises(ValueError, match="by holds 'decision', must be"):
        list(windows(DECIDED, "MS", by=("decision", "decision")))


@pytest.mark.parametrize("name", ["default", "scored_at", "probability", "outcome_at"])
def test_a_column_that_is_there_twice_is_named(name):
    """One sentence, not pandas' about the truth of a series."""
    twice = pd.concat([DECIDED, DECIDED[[name]]], axis="columns")
    with pytest.raises(ValueError, match=f"^log has 2 columns '{name}'; keep the one"):
        list(windows(twice, "MS"))


@pytest.mark.parametrize("freq", ["7D", "2MS", "2W", "3QS", "5h", "90min", "2B", "2YS", "2SMS"])
def test_windows_of_several_units_do_not_depend_on_the_first_rows(freq):
    """Whatever the log begins with, a later prediction is in the same window."""
    times = at("2023-11-05 07:20")[0] + pd.to_timedelta(np.arange(300) * 97, unit="h")
    log = pd.DataFrame({"scored_at": times, "probability": 0.5, "default": 0.0})
    whole = {w.head["window_start"]: w for w in windows(log, freq)}
    assert sum(len(w.rows) for w in whole.values()) == len(log)
    for dropped in (1, 3, 50, 133):
        later = list(windows(log.iloc[dropped:], freq))
        assert later[-1].head == list(whole.values())[-1].head
        for window in later:
            same = whole[window.head["window_start"]]
            assert window.head == same.head
            assert window.rows["scored_at"].between(*window.head.values(), inclusive="left").all()
        assert len(later[1].rows) == len(whole[later[1].head["window_start"]].rows)


def test_weeks_of_seven_days_begin_on_mondays():
    """The epoch is a Monday; two months begin in odd ones, as the epoch is a January."""
    log = log_frame(["2024-02-29 12:00"], [0.0])
    assert counts(log, "7D").index.tolist() == ["2024-02-26"]
    assert counts(log, "2MS").index.tolist() == ["2024-01-01"]
    assert counts(log_frame(["1850-06-01"], [0.0]), "7D").index.tolist() == ["1850-05-27"]


@pytest.mark.parametrize(
    ("freq", "day", "said"),
    [("-1MS", "2024-01-01", "freq is '-1MS', must be a step"), ("2MS", "1850-06-01", "1850-06-01")],
)
def test_windows_that_cannot_be_counted_are_refused(freq, day, said):
    """A step backwards; calendar windows of several units before the epoch."""
    with pytest.raises(ValueError, match=said):
        counts(log_frame([day], [0.0]), freq)


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
