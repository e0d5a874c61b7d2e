"""Rows of a training: known on the day, whole, counted; judged rows later than all that taught."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mlops_helpers.training_windows import LEFT_OUT, TrainingWindow, choose_rows
from mlops_helpers.worlds import draw_world

START = pd.Timestamp("2022-01-01", tz="UTC")
ALL = TrainingWindow()
WINDOWS = (ALL, TrainingWindow("sliding", months=6), TrainingWindow("weighted"))
LOANS = draw_world("quiet", 1200, seed=1, start="2022-01-01", months=24)


def day(text):
    """A day in UTC."""
    return pd.Timestamp(text, tz="UTC")


@st.composite
def histories(draw):
    """Loans of two years in any order, with all that can be wrong with them."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    rows = LOANS.sample(draw(st.integers(60, 400)), random_state=rng).reset_index(drop=True)

    def some(share):
        return pd.Series(rng.random(len(rows)) < draw(share), index=rows.index)

    share = st.sampled_from([0.0, 0.05, 0.3])
    waits = pd.to_timedelta(rng.integers(1, 182, len(rows)), unit="D")
    rows["outcome_at"] = rows["outcome_at"].mask(some(share), rows["applied_at"] + waits)
    rows["default"] = rows["default"].astype(float).mask(some(share))
    rows["debt_to_income_ratio"] = rows["debt_to_income_ratio"].mask(some(share), 12.0)
    again = rows[some(share)]
    return pd.concat([rows, again], ignore_index=True)


@settings(max_examples=80, deadline=None)
@given(
    frame=histories(),
    as_of=st.integers(200, 900),
    trained=st.one_of(st.none(), st.integers(0, 600)),
    months=st.integers(1, 4),
    window=st.sampled_from(WINDOWS),
)
def test_whatever_the_file_no_row_is_where_it_must_not_be(frame, as_of, trained, months, window):
    """Known on the day, judged after training and after `trained_until`, each row counted once."""
    as_of = START + pd.Timedelta(days=as_of)
    trained = None if trained is None else START + pd.Timedelta(days=trained)
    before = frame.copy()
    try:
        chosen = choose_rows(frame, window, as_of=as_of, trained_until=trained, judge_months=months)
    except ValueError:
        assume(False)
    train, judged = chosen.split
    both = pd.concat([train, judged])
    assert (both["applied_at"] < as_of).all()
    assert (both["outcome_at"] <= as_of).all()
    assert both["default"].isin([0, 1]).all()
    assert both["debt_to_income_ratio"].le(1).all()
    assert both["application_id"].is_unique
    assert train["applied_at"].max() < judged["applied_at"].min()
    if trained is not None:
        assert judged["applied_at"].min() > trained
    assert len(both) + sum(chosen.left_out.values()) == len(frame)
    assert tuple(chosen.left_out) == LEFT_OUT
    assert min(chosen.left_out.values()) >= 0
    assert both["applied_at"].is_monotonic_increasing
    pd.testing.assert_frame_equal(frame, before)
    if window.kind == "weighted":
        assert chosen.weights.index.equals(train.index)
        assert chosen.weights.mean() == pytest.approx(1)
    else:
        assert chosen.weights is None


@settings(max_examples=30, deadline=None)
@given(frame=histories(), seed=st.integers(0, 1000))
def test_what_comes_later_changes_nothing(frame, seed):
    """Rows applied for on the day or later, and outcomes known later, may say anything."""
    as_of = day("2023-04-01")
    try:
        chosen = choose_rows(frame, ALL, as_of=as_of, trained_until=None)
    except ValueError:
        assume(False)
    rng = np.random.default_rng(seed)
    other = frame.copy()
    unknown = (other["applied_at"] >= as_of) | ~(other["outcome_at"] <= as_of)
    other.loc[unknown, "default"] = rng.integers(0, 2, int(unknown.sum()))
    other.loc[other["applied_at"] >= as_of, "annual_income"] = -1.0
    again = choose_rows(other, ALL, as_of=as_of, trained_until=None)
    for part, same in zip(chosen.split, again.split, strict=True):
        pd.testing.assert_frame_equal(part, same)


def test_the_newest_labelled_months_judge():
    """On 1 July 2023, with half a year's delay, November and December 2022 judge."""
    chosen = choose_rows(LOANS, ALL, as_of=day("2023-07-02"), trained_until=day("2022-06-01"))
    assert (chosen.split.holdout["applied_at"] >= day("2022-11-01")).all()
    months = chosen.split.holdout["applied_at"].dt.month.unique().tolist()
    assert months == [11, 12]
    assert chosen.split.train["applied_at"].min() < day("2022-01-03")
    assert chosen.split.train["applied_at"].max() > day("2022-10-28")


def test_rows_the_champion_may_have_seen_teach_and_never_judge():
    """Trained until a fortnight before the newest label, only what is later judges."""
    until = LOANS.loc[LOANS["applied_at"] < day("2022-12-15"), "applied_at"].max()
    chosen = choose_rows(LOANS, ALL, as_of=day("2023-07-02"), trained_until=until)
    assert chosen.split.train["applied_at"].max() == until
    assert chosen.split.holdout["applied_at"].min() > until


def test_a_sliding_window_forgets_and_counts_what_it_forgets():
    """Six months before the judged ones; what is older is counted."""
    window = TrainingWindow("sliding", months=6)
    given_ = {"as_of": day("2023-07-02"), "trained_until": None}
    chosen, everything = (choose_rows(LOANS, w, **given_) for w in (window, ALL))
    assert chosen.split.train["applied_at"].min() >= day("2022-05-01")
    pd.testing.assert_frame_equal(chosen.split.holdout, everything.split.holdout)
    older = len(everything.split.train) - len(chosen.split.train)
    assert chosen.left_out["older than the window"] == older > 0


def test_weights_halve_with_each_half_life():
    """A row six months older than another weighs half as much."""
    window = TrainingWindow("weighted", half_life_months=6.0)
    chosen = choose_rows(LOANS, window, as_of=day("2023-07-02"), trained_until=None)
    age = chosen.split.train["applied_at"].max() - chosen.split.train["applied_at"]
    halvings = age / pd.Timedelta(days=365.25 / 2)
    newest = chosen.weights.iloc[-1]
    assert np.allclose(chosen.weights / newest, 0.5**halvings)
    assert newest == chosen.weights.max()


def test_each_fault_is_counted_under_its_name():
    """One row of each kind is left out for the reason that it has."""
    frame = LOANS[LOANS["applied_at"] < day("2023-06-01")].astype({"default": float})
    as_of = day("2023-07-02")
    plain = choose_rows(frame, ALL, as_of=as_of, trained_until=None).left_out
    young = frame["applied_at"] > day("2023-05-01")
    early = frame.index[young][0]
    changed = frame.copy()
    changed.loc[early, "outcome_at"] = changed.loc[early, "applied_at"] + pd.Timedelta(days=9)
    changed.loc[changed.index[3], "default"] = np.nan
    changed.loc[changed.index[4], "annual_income"] = -5.0
    changed = pd.concat([changed, changed.iloc[[7, 7]]], ignore_index=True)
    future = changed.iloc[[8]].assign(applied_at=day("2023-07-02"), application_id="later")
    changed = pd.concat([changed, future], ignore_index=True)
    found = choose_rows(changed, ALL, as_of=as_of, trained_until=None).left_out
    more = {why: found[why] - plain[why] for why in LEFT_OUT}
    assert more == {
        "applied later": 1,
        "outcome not known yet": 0,  # the one without a label more, the early one less
        "outcome known early": 1,
        "repeated id": 2,
        "breaks the contract": 1,
        "month of a faulty feed": 0,
        "older than the window": 0,
    }


def test_defaults_known_early_are_no_fair_sample():
    """Where defaults are told within a month, and repaid loans in six, the young are left out."""
    quick = LOANS["outcome_at"].where(
        LOANS["default"] == 0, LOANS["applied_at"] + pd.Timedelta(days=30)
    )
    frame, as_of = LOANS.assign(outcome_at=quick), day("2023-07-02")
    chosen = choose_rows(frame, ALL, as_of=as_of, trained_until=None)
    same = choose_rows(LOANS, ALL, as_of=as_of, trained_until=None)
    assert chosen.left_out["outcome known early"] > 0
    for part, other in zip(chosen.split, same.split, strict=True):
        assert part["application_id"].tolist() == other["application_id"].tolist()
    month = pd.Timedelta(days=30)  # the tempting mistake: all that is known counts
    with pytest.raises(ValueError, match="all have default = 1"):
        choose_rows(frame, ALL, as_of=as_of, trained_until=None, label_delay=month)


@pytest.mark.parametrize(
    ("change", "given_", "message"),
    [
        (lambda f: f[:0], {}, "no applications"),
        (lambda f: f.drop(columns="application_id"), {}, "no column 'application_id'"),
        (lambda f: f.drop(columns="age"), {}, r"lack the columns \['age'\]"),
        (lambda f: f.assign(default=np.nan), {}, "has its outcome"),
        (lambda f: f.assign(default=0), {}, "all have default = 0"),
        (lambda f: f.assign(annual_income=-1.0), {}, "no application is left.*breaks the contract"),
        (
            lambda f: f,
            {"as_of": day("2021-12-01"), "trained_until": None},
            "has its outcome on 2021-12-01",
        ),
        (
            lambda f: f,
            {"as_of": day("2022-08-01"), "trained_until": None},
            "all 48 labelled.*none is left to learn",
        ),
        (lambda f: f, {"trained_until": day("2023-07-02")}, "must be after trained_until"),
        (lambda f: f, {"trained_until": day("2023-05-02")}, "no row could judge"),
        (lambda f: f, {"judge_months": 0}, "judge_months == 0"),
        (lambda f: f, {"as_of": pd.Timestamp("2023-07-02")}, "as_of == .* has no time zone"),
        (lambda f: f, {"trained_until": pd.Timestamp("2022-07-02")}, "trained_until == .* no time"),
        (lambda f: f, {"label_delay": pd.Timedelta(days=-1)}, "label_delay == -1 days"),
    ],
)
def test_what_cannot_be_chosen_from_is_a_clear_error(change, given_, message):
    """The message names what is missing and the way out."""
    arguments = {"as_of": day("2023-07-02"), "trained_until": day("2022-06-01")} | given_
    with pytest.raises(ValueError, match=message):
        choose_rows(change(LOANS), ALL, **arguments)


@pytest.mark.parametrize(
    "given_",
    [
        {"kind": "rolling"},
        {"months": 0},
        {"months": 1.5},
        {"half_life_months": 0.0},
        {"half_life_months": float("nan")},
        {"half_life_months": float("inf")},
    ],
)
def test_impossible_windows_are_refused(given_):
    """The setting and its value are named."""
    with pytest.raises(ValueError, match=f"{next(iter(given_))} =="):
        TrainingWindow(**given_)


def test_one_wrong_date_moves_nothing_into_the_past():
    """A loan that waited 900 days, or is dated 1901 or 1985, and the newest months judge still."""
    as_of = day("2023-07-02")
    plain = choose_rows(LOANS, ALL, as_of=as_of, trained_until=None)
    told = LOANS.loc[LOANS.index[9], "outcome_at"]
    for applied in (told - pd.Timedelta(days=900), day("1901-01-01"), day("1985-01-01")):
        frame = LOANS.copy()
        frame.loc[frame.index[9], "applied_at"] = applied
        chosen = choose_rows(frame, ALL, as_of=as_of, trained_until=day("2022-06-01"))
        pd.testing.assert_frame_equal(chosen.split.holdout, plain.split.holdout)
        assert abs(len(chosen.split.train) - len(plain.split.train)) <= 1


def test_many_wrong_dates_are_refused_unless_the_delay_is_stated():
    """Where one loan in twenty waited a decade, somebody must say how long labels take."""
    frame = LOANS.copy()
    frame.loc[frame.index[::20], "applied_at"] -= pd.Timedelta(days=3650)
    given_ = {"as_of": day("2023-07-02"), "trained_until": None}
    with pytest.raises(ValueError, match="state label_delay"):
        choose_rows(frame, ALL, **given_)
    delay = pd.Timedelta(days=182)
    assert choose_rows(frame, ALL, label_delay=delay, **given_).left_out["outcome known early"] == 0


def test_months_of_loans_dated_the_first_judge_as_many_as_asked():
    """LendingClub tells the month alone, as its first day: two months judge, not three."""
    firsts = LOANS["applied_at"].dt.floor("D")
    firsts -= pd.to_timedelta(firsts.dt.day - 1, unit="D")
    frame = LOANS.assign(applied_at=firsts, outcome_at=firsts + pd.Timedelta(days=182))
    chosen = choose_rows(frame, ALL, as_of=day("2023-07-02"), trained_until=None)
    judged, taught = (part["applied_at"].unique() for part in chosen.split[::-1])
    assert judged.tolist() == [day("2022-12-01"), day("2023-01-01")]
    assert len(taught) == 11


def test_of_two_copies_the_whole_one_counts():
    """A broken copy before a whole one costs its row only; of two whole ones the first counts."""
    first = LOANS.iloc[[5]]
    as_of = day("2023-07-02")
    broken = pd.concat([first.assign(annual_income=-1.0), LOANS], ignore_index=True)
    later = pd.concat([LOANS, first.assign(annual_income=12_345.0)], ignore_index=True)
    name = first["application_id"].item()
    for frame, left in ((broken, "breaks the contract"), (later, "repeated id")):
        chosen = choose_rows(frame, ALL, as_of=as_of, trained_until=None)
        kept = pd.concat(chosen.split)
        kept = kept[kept["application_id"] == name]
        assert kept["annual_income"].tolist() == first["annual_income"].tolist()
        assert chosen.left_out[left] == 1


def test_an_index_that_repeats_labels_is_numbered():
    """Two files put together, each counted from 0: the same rows as with an index of their own."""
    halves = [LOANS[LOANS.index % 2 == part].reset_index(drop=True) for part in (0, 1)]
    both = pd.concat(halves)
    for window in WINDOWS:
        chosen = choose_rows(both, window, as_of=day("2023-07-02"), trained_until=None)
        same = choose_rows(
            both.reset_index(drop=True), window, as_of=day("2023-07-02"), trained_until=None
        )
        for part, other in zip(chosen.split, same.split, strict=True):
            pd.testing.assert_frame_equal(part, other)
        if chosen.weights is not None:
            pd.testing.assert_series_equal(chosen.weights, same.weights)


YEARS = draw_world("quiet", 7200, seed=3, start="2022-01-01", months=24)
HELD = {"as_of": day("2023-12-02"), "trained_until": None}


def test_months_of_a_fault_that_was_mended_teach_nobody():
    """Incomes by the month for four months, a year ago: left out, counted and told by month."""
    then = YEARS["applied_at"].between(day("2022-07-01"), day("2022-11-01"))
    monthly = YEARS["annual_income"].mask(then, YEARS["annual_income"] / 12)
    holdout = YEARS[YEARS["applied_at"] < day("2022-06-01")]
    frame = YEARS.assign(annual_income=monthly)
    chosen = choose_rows(frame, ALL, holdout=holdout, **HELD)
    assert list(chosen.faulty_months) == ["2022-07", "2022-08", "2022-09", "2022-10"]
    assert all("annual_income has another scale" in t[0] for t in chosen.faulty_months.values())
    assert chosen.left_out["month of a faulty feed"] == then.sum()
    assert not set(chosen.split.train.index) & set(YEARS.index[then])
    plain = choose_rows(frame, ALL, **HELD)
    assert plain.faulty_months == {}
    assert plain.left_out["month of a faulty feed"] == 0
    assert len(plain.split.train) - len(chosen.split.train) == then.sum()


def test_months_of_lost_outcomes_teach_nobody_whenever_outcomes_are_known():
    """Outcomes that lack, or all say repaid; defaults are told early, the others after 182 days."""
    rng = np.random.default_rng(5)
    early = YEARS["applied_at"] + pd.to_timedelta(rng.integers(20, 182, len(YEARS)), unit="D")
    frame = YEARS.assign(outcome_at=YEARS["outcome_at"].where(YEARS["default"] == 0, early))
    frame = frame.astype({"default": float})
    month = frame["applied_at"].dt.strftime("%Y-%m")
    holdout = frame[frame["applied_at"] < day("2022-06-01")]
    assert choose_rows(frame, ALL, holdout=holdout, **HELD).faulty_months == {}
    lost = frame["default"].mask(month == "2022-08").mask(month == "2022-10", 0.0)
    chosen = choose_rows(frame.assign(default=lost), ALL, holdout=holdout, **HELD)
    assert list(chosen.faulty_months) == ["2022-08", "2022-10"]
    assert "lack in 100.0%" in chosen.faulty_months["2022-08"][0]
    assert chosen.left_out["month of a faulty feed"] == (month == "2022-10").sum()


def test_where_all_months_are_faulty_the_error_says_why():
    """Nothing is learnt from; the fault of each month is told."""
    frame = YEARS.assign(annual_income=YEARS["annual_income"] / 12)
    with pytest.raises(ValueError, match=r"left out for a faulty feed: 2022-01: annual_income has"):
        choose_rows(frame, ALL, holdout=YEARS[:1500], **HELD)
