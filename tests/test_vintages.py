"""Vintage curves hold against the true curve, and state no age that a loan has not reached."""

import numpy as np
import pandas as pd
import pytest

from mlops_helpers.default_times import default_dates, share_by
from mlops_helpers.simulation import simulate_applications, true_default_probability
from mlops_helpers.vintages import COLUMNS, default_timing, vintage_curves

LATE = pd.Timestamp("2030-01-01", tz="UTC")


def at(*days):
    """Times in UTC; None is missing."""
    return pd.to_datetime(pd.Series(list(days)), utc=True, format="ISO8601")


def book(applied, defaulted):
    """Loans by their two dates."""
    return pd.DataFrame({"applied_at": at(*applied), "defaulted_at": at(*defaulted)})


def simulated(seed, *, n=1500, months=6):
    """Loans of two quarters with dates of default."""
    loans = simulate_applications(n, seed=seed, start="2024-01-01", months=months)
    return loans.assign(defaulted_at=default_dates(loans, seed=seed))


def true_shares(loans, ages):
    """The share of these loans that is expected to have defaulted by each age in months."""
    p, applied = true_default_probability(loans), loans["applied_at"]
    held = [(applied + pd.DateOffset(months=m) - applied) / pd.Timedelta(days=1) for m in ages]
    return np.array([(p * share_by(days)).mean() for days in held])


def cells(table, column="share"):
    """A row for each vintage, a column for each age."""
    return table.pivot(index="vintage", columns="months_on_book", values=column)


def test_a_curve_by_hand():
    """Four loans of a quarter, lost after one and three months: 0, 1/4, 1/4, 2/4."""
    loans = book(
        ["2024-01-01", "2024-01-15", "2024-02-01", "2024-03-31"],
        [None, "2024-02-15", None, "2024-06-02"],
    )
    table = vintage_curves(loans, as_of=LATE, months=3)
    assert tuple(table.columns) == COLUMNS
    assert table["months_on_book"].tolist() == [0, 1, 2, 3]
    assert table["defaults"].tolist() == [0, 1, 1, 2]
    assert table["share"].tolist() == [0, 0.25, 0.25, 0.5]
    assert (table["n"] == 4).all()
    assert table["complete"].all()
    assert (table["vintage"] == pd.Timestamp("2024-01-01", tz="UTC")).all()
    z = 1.959964  # Wilson's limits of one in four, by hand
    middle, reach = (0.25 + z**2 / 8) / (1 + z**2 / 4), z * np.sqrt(0.1875 / 4 + z**2 / 64)
    low, high = table.loc[1, ["low", "high"]]
    assert low == pytest.approx(middle - reach / (1 + z**2 / 4), abs=1e-6)
    assert high == pytest.approx(middle + reach / (1 + z**2 / 4), abs=1e-6)


def test_months_are_calendar_months():
    """A loan of the 31st of January is a month on book on the last of February, not later."""
    for lost, by_one_month in (("2024-02-29", 1), ("2024-03-01", 0)):
        loans = book(["2024-01-31", "2024-01-31"], [lost, "2024-01-31 00:00:01"])
        table = vintage_curves(loans, as_of=LATE, months=[0, 1]).set_index("months_on_book")
        assert table.loc[1, "defaults"] == 1 + by_one_month


def test_only_ages_that_every_loan_has_reached_are_stated():
    """The youngest loan, of 31 March, is three months old on 30 June: not one second before."""
    loans = book(["2024-01-01", "2024-03-31"], ["2024-02-20", "2024-04-20"])
    moment = pd.Timestamp("2024-06-30", tz="UTC")
    second = pd.Timedelta(seconds=1)
    for as_of, oldest in ((moment - second, 2), (moment, 3)):
        table = vintage_curves(loans, as_of=as_of, months=6)
        assert table.loc[table["complete"], "months_on_book"].tolist() == list(range(oldest + 1))
        young = table[~table["complete"]]
        assert young[["defaults", "share", "low", "high"]].isna().all(axis=None)
        assert len(young) == 6 - oldest


def test_a_vintage_still_growing_states_nothing():
    """Until the quarter is over more loans may join, whatever the age of those in it."""
    loans = book(["2024-01-01", "2024-01-02"], ["2024-01-20", "2024-02-27"])
    assert not vintage_curves(loans, as_of="2024-03-15T00Z", months=1)["complete"].any()
    assert vintage_curves(loans, as_of="2024-04-01T00Z", months=1)["complete"].all()


def test_a_complete_cell_never_changes_later():
    """What is stated in October is what is stated for ever: nothing seen later enters."""
    loans = simulated(1)
    early = vintage_curves(loans, as_of="2024-09-10T00Z", months=6)
    done = early["complete"]
    assert 0 < done.sum() < len(done)
    pd.testing.assert_frame_equal(early[done], vintage_curves(loans, as_of=LATE, months=6)[done])


def test_curves_never_fall():
    """Share and limits grow with age in every vintage, where they are stated."""
    for seed in range(5):
        table = vintage_curves(simulated(seed), as_of="2024-10-05T00Z", freq="MS", months=8)
        for column in ("share", "low", "high"):
            steps = np.diff(cells(table, column), axis=1)
            assert (steps[~np.isnan(steps)] >= -1e-12).all()


def test_the_curve_is_the_true_one():
    """With 20,000 loans every point is within 0.8 percentage points of P(default) * F."""
    loans = simulated(7, n=20_000)
    found = cells(vintage_curves(loans, as_of=LATE, months=7))
    quarters = loans.groupby(loans["applied_at"].dt.quarter)
    for share, (_, part) in zip(found.to_numpy(), quarters, strict=True):
        np.testing.assert_allclose(share, true_shares(part, range(8)), atol=0.008)


def test_the_limits_cover_the_true_curve():
    """Over 200 books the 95 % limits hold the truth in 93 % or more at every age that has one."""
    loans, ages, held = simulated(11, n=500, months=3), [2, 3, 4, 5, 6], []
    p, truth = true_default_probability(loans).to_numpy(), true_shares(loans, ages)
    for seed in range(200):
        again = loans.assign(default=(np.random.default_rng(seed).random(500) < p).astype(int))
        again["defaulted_at"] = default_dates(again, seed=seed)
        table = vintage_curves(again, as_of=LATE, months=ages)
        held.append((table["low"].to_numpy() <= truth) & (truth <= table["high"].to_numpy()))
    covered = np.mean(held, axis=0)
    assert (covered >= 0.91).all(), covered
    assert 0.93 <= covered.mean() <= 0.985, covered


def test_defaults_so_far_over_all_loans_would_bend_the_young_end_down():
    """The tempting division tells a quarter less than the truth where this one is silent."""
    loans, as_of = simulated(3, n=6000, months=3), pd.Timestamp("2024-06-01", tz="UTC")
    applied, defaulted = loans["applied_at"], loans["defaulted_at"]
    by_four = defaulted <= applied + pd.DateOffset(months=4)
    naive = (by_four & (defaulted <= as_of)).mean()
    assert naive < 0.75 * true_shares(loans, [4])[0]
    assert np.isnan(vintage_curves(loans, as_of=as_of, months=[4])["share"][0])


def test_a_fixed_delay_is_no_timing():
    """With outcome dates a fixed half year after applying, one point is stated, at that age.

    Its share is that of all defaults, and the table says that its age is an assumption.
    """
    loans = simulated(5)
    loans["defaulted_at"] = loans["outcome_at"].where(loans["default"] == 1)
    assert default_timing(loans) == "assumed"
    table = vintage_curves(loans, as_of=LATE, months=8)
    assert (table["timing"] == "assumed").all()
    stated = table[table["complete"]]
    assert stated["months_on_book"].tolist() == [6, 6]
    final = loans.groupby(loans["applied_at"].dt.quarter)["default"].mean()
    assert stated["share"].tolist() == pytest.approx(final.tolist())
    assert table.loc[~table["complete"], ["share", "defaults", "low"]].isna().all(axis=None)
    assert len(table) == 18
    asked = vintage_curves(loans, as_of=LATE, months=[3, 12])
    assert asked["months_on_book"].tolist() == [3, 6, 12] * 2  # the one point there is, added
    assert asked["complete"].tolist() == [False, True, False] * 2
    told = vintage_curves(loans, as_of=LATE, months=8, timing="recorded")
    assert told["complete"].all()


def test_half_a_year_by_the_calendar_is_a_fixed_delay_too():
    """181 to 184 days, always six months: assumed."""
    applied = at(*(f"2024-{month:02d}-01" for month in range(1, 13)))
    loans = pd.DataFrame({"applied_at": applied})
    loans["defaulted_at"] = applied + pd.DateOffset(months=6)
    assert default_timing(loans) == "assumed"
    table = vintage_curves(loans, as_of=LATE, months=7)
    assert (table.loc[table["months_on_book"] == 6, "share"] == 1).all()
    assert table.loc[table["months_on_book"] != 6, "share"].isna().all()


def test_a_year_that_stands_for_every_date_is_one_point_not_a_curve():
    """LendingClub's loans: the final share at twelve months once, and never again at 24 and 36."""
    applied = at(*(f"{year}-{month:02d}-01" for year in (2007, 2008) for month in range(1, 13)))
    loans = pd.DataFrame({"applied_at": applied})
    loans["defaulted_at"] = (applied + pd.Timedelta(days=365)).where(np.arange(24) % 4 == 0)
    given = {"freq": "YS", "months": [6, 12, 24, 36, 48]}
    table = vintage_curves(loans, as_of=pd.Timestamp("2012-01-01", tz="UTC"), **given)
    assert (table["timing"] == "assumed").all()
    stated = table[table["complete"]]
    assert stated["months_on_book"].tolist() == [12, 12]
    assert stated["share"].tolist() == [0.25, 0.25]
    youngest = pd.Timestamp("2008-12-01", tz="UTC") + pd.Timedelta(days=365)
    for as_of, points in ((youngest, 2), (youngest - pd.Timedelta(seconds=1), 1)):
        table = vintage_curves(loans, as_of=as_of, **given)
        assert table["complete"].sum() == points


def test_the_assumed_end_is_there_at_the_very_moment_and_not_before():
    """September and half a year are 181 days, the assumed delay 182: stated on the 182nd."""
    applied = at("2022-07-01", "2022-09-01", "2022-09-01")
    delay = pd.Timedelta(days=182)
    loans = pd.DataFrame({"applied_at": applied, "defaulted_at": applied + delay})
    loans.loc[2, "defaulted_at"] = pd.NaT
    end = pd.Timestamp("2023-03-02", tz="UTC")
    for as_of, share in ((end - pd.Timedelta(seconds=1), [1.0]), (end, [1.0, 0.5])):
        table = vintage_curves(loans, as_of=as_of, freq="MS", months=[6])
        assert table.loc[table["complete"], "share"].tolist() == share


@pytest.mark.parametrize("later", ["2024-09-30", "2026-01-01"])
def test_what_comes_after_the_moment_decides_nothing(later):
    """A default dated later turns no assumed delay into a record, and no record into nothing."""
    applied = ["2024-01-01", "2024-01-02", "2024-01-03"]
    moment = pd.Timestamp("2024-08-01", tz="UTC")
    for known in (["2024-03-01", "2024-03-02"], ["2024-03-01", "2024-06-02"], [None, None]):
        seen = vintage_curves(book(applied, [*known, None]), as_of=moment)
        pd.testing.assert_frame_equal(
            vintage_curves(book(applied, [*known, later]), as_of=moment), seen
        )


def test_real_dates_are_recorded_and_none_tell_nothing():
    """Dates that differ: recorded. One default: nobody can tell, assumed. None: unknown.

    Then nothing is stated unless the caller knows, since the file might have no dates at all.
    """
    loans = simulated(2)
    assert default_timing(loans) == "recorded"
    one = book(["2024-01-01", "2024-01-02"], ["2024-03-01", None])
    assert default_timing(one) == "assumed"
    none = book(["2024-01-01", "2024-01-02"], [None, None])
    assert default_timing(none) == "unknown"
    for told in (None, "assumed"):
        silent = vintage_curves(none, as_of=LATE, months=2, timing=told)
        assert silent["timing"].unique().tolist() == [told or "unknown"]
        assert not silent["complete"].any()
        assert silent["share"].isna().all()
    quiet = vintage_curves(none, as_of=LATE, months=2, timing="recorded")
    assert quiet["share"].tolist() == [0.0] * 3
    assert quiet["low"].tolist() == [0.0] * 3
    assert (quiet["high"] > 0).all()


def test_a_column_that_is_there_twice_is_named():
    """One sentence with its name."""
    twice = pd.concat([GOOD, GOOD[["applied_at"]]], axis="columns")
    with pytest.raises(ValueError, match="the frame of loans has 2 columns 'applied_at'"):
        vintage_curves(twice, as_of=LATE)


def test_loans_after_the_moment_are_not_there_and_no_loans_give_no_rows():
    """A vintage begins with its first loan; an empty table has its columns."""
    loans = simulated(4)
    first = vintage_curves(loans, as_of="2024-03-31T00Z", months=1)
    assert first["vintage"].dt.month.unique().tolist() == [1]
    assert first["n"].iloc[0] == (loans["applied_at"] <= "2024-03-31").sum()
    for nothing in (
        vintage_curves(loans.iloc[:0], as_of=LATE),
        vintage_curves(loans, as_of=pd.Timestamp("2020-01-01", tz="UTC")),
    ):
        assert nothing.empty
        assert tuple(nothing.columns) == COLUMNS


GOOD = book(["2024-01-01", "2024-01-02", "2024-01-03"], ["2024-03-01", None, "2024-05-01"])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"applied_at": at("2024-01-01", None, "2024-01-03")}, "applied_at is NaT in 1 rows"),
        ({"applied_at": pd.Timestamp("2024-01-01")}, "applied_at is of type datetime64"),
        ({"defaulted_at": pd.Timestamp("2024-01-05")}, "defaulted_at is of type datetime64"),
        (
            {"defaulted_at": at("2023-12-01", None, None)},
            "defaulted_at is 2023.* before applied_at",
        ),
        ({"default": [1, 1, 1]}, "default is 1 in 1 rows; and defaulted_at is missing there"),
        ({"default": [1, 0, 0]}, "default is 0 in 1 rows; and defaulted_at is given there"),
    ],
)
def test_loans_that_contradict_themselves_are_refused(change, said):
    """The message names the column and the value."""
    with pytest.raises(ValueError, match=said):
        vintage_curves(GOOD.assign(**change), as_of=LATE)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"as_of": pd.Timestamp("2024-09-01")}, "as_of is 2024-09-01.*must be a time with a zone"),
        ({"as_of": LATE, "months": -1}, "months is -1, must be whole ages"),
        ({"as_of": LATE, "months": [1.5]}, r"months is \[1\.5\], must be whole ages"),
        ({"as_of": LATE, "timing": "guessed"}, "timing is 'guessed', must be"),
    ],
)
def test_arguments_that_cannot_be_meant_are_refused(arguments, said):
    """A naive moment, ages that are none, a timing that is neither."""
    with pytest.raises(ValueError, match=said):
        vintage_curves(GOOD, **arguments)


@pytest.mark.parametrize("column", ["applied_at", "defaulted_at"])
def test_a_missing_column_is_named(column):
    """And where the dates of simulated loans come from is said."""
    with pytest.raises(ValueError, match=f"no column '{column}'.*default_times"):
        vintage_curves(GOOD.drop(columns=column), as_of=LATE)
