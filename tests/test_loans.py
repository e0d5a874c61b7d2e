"""LendingClub's columns become the course's by stated rules, and no row vanishes uncounted."""

import pandas as pd
import pytest

from mlops_helpers.contracts import COLUMNS, validate_applications
from mlops_helpers.loans import RAW_COLUMNS, looks_like_lending_club, map_lending_club

ROW = {
    "loan_amnt": "7500",
    "annual_inc": "42000",
    "emp_length": "3 years",
    "dti": "12.5",
    "purpose": "credit_card",
    "home_ownership": "RENT",
    "earliest_cr_line": "2001-12-01",
    "open_acc": "6",
    "total_acc": "14",
    "issue_d": "2011-12-01",
    "loan_status": "Fully Paid",
    "term": "36",
}


def raw(*changes):
    """Return a LendingClub frame of text with one row for each change of the usual one."""
    return pd.DataFrame([ROW | change for change in changes], dtype="str")


def mapped(*changes, outcome_days=365):
    """Map such a frame."""
    return map_lending_club(raw(*changes), outcome_days=outcome_days)


def test_one_loan():
    """Every column of the course comes from its place, in the course's units."""
    found = mapped({})
    assert list(found.frame.columns) == list(COLUMNS)
    row = found.frame.iloc[0]
    assert row["application_id"] == "LC-000001"
    assert row["applied_at"] == pd.Timestamp("2011-12-01", tz="UTC")
    assert row["outcome_at"] - row["applied_at"] == pd.Timedelta(days=365)
    assert pd.isna(row["age"])
    assert row[["annual_income", "loan_amount", "num_credit_lines"]].tolist() == [42000, 7500, 14]
    assert row["employment_length"] == 3
    assert row["debt_to_income_ratio"] == 0.125
    assert row["credit_history_length"] == pytest.approx(10, abs=0.01)
    assert (row["loan_purpose"], row["home_ownership"]) == ("credit_card", "rent")
    assert row["default"] == 0
    assert (found.rows_read, found.left_out, found.violations) == (1, {}, ())
    assert validate_applications(found.frame).rows == 1


@pytest.mark.parametrize(
    ("text", "years"),
    [("10+ years", 10), ("< 1 year", 0.5), ("1 year", 1), ("9 years", 9), (None, None)],
)
def test_employment_length(text, years):
    """Text becomes years; what is not known stays missing and the row stays."""
    value = mapped({"emp_length": text}).frame["employment_length"].iloc[0]
    assert pd.isna(value) if years is None else value == years


@pytest.mark.parametrize(
    ("status", "default"),
    [
        ("Fully Paid", 0),
        ("Charged Off", 1),
        ("Default", 1),
        ("Does not meet the credit policy. Status:Fully Paid", 0),
        ("Does not meet the credit policy. Status:Charged Off", 1),
    ],
)
def test_status(status, default):
    """Charged off is a default; loans against the credit policy were granted and count."""
    assert mapped({"loan_status": status}).frame["default"].tolist() == [default]


def test_every_row_is_kept_or_counted_once():
    """Rows left out are counted under their first reason; gaps that may be stay."""
    found = mapped(
        {},
        {"annual_inc": None},
        {"annual_inc": None, "dti": None},
        {"annual_inc": "0"},
        {"dti": "999"},
        {"dti": "-1"},
        {"issue_d": None},
        {"loan_status": "Current"},
        {"loan_status": "Late (31-120 days)"},
        {"total_acc": None, "earliest_cr_line": None},
    )
    assert found.left_out == {
        "issue date missing": 1,
        "loan still open": 2,
        "annual income missing": 2,
        "annual income is zero": 1,
        "debt ratio missing or not within 0–100 %": 2,
    }
    assert len(found.frame) + sum(found.left_out.values()) == found.rows_read == 10
    assert found.frame["application_id"].tolist() == ["LC-000001", "LC-000010"]
    assert found.violations == ()


def test_later_files_name_months():
    """`Dec-2011` is the first of December."""
    frame = mapped({"issue_d": "Dec-2011", "earliest_cr_line": "Dec-1991"}).frame
    assert frame["applied_at"].iloc[0] == pd.Timestamp("2011-12-01", tz="UTC")
    assert frame["credit_history_length"].iloc[0] == pytest.approx(20, abs=0.01)


def test_unreadable_cells_are_faults_not_gaps():
    """A cell that should be read and cannot is reported in the file's own column names."""
    found = mapped(
        {},
        {"loan_amnt": "much"},
        {"annual_inc": "inf"},
        {"dti": "12 %"},
        {"issue_d": "last week"},
        {"earliest_cr_line": "?"},
        {"emp_length": "long"},
        {"loan_status": "Stolen"},
        {"loan_status": None},
    )
    counts = {violation.column: violation.count for violation in found.violations}
    assert counts == {
        "loan_amnt": 1,
        "annual_inc": 1,
        "dti": 1,
        "issue_d": 1,
        "earliest_cr_line": 1,
        "emp_length": 1,
        "loan_status": 2,
    }


def test_missing_columns_and_no_rows_are_faults():
    """Absent columns are named; the frame lacks what is made of them and keeps the rest."""
    half = map_lending_club(raw({}).drop(columns=["dti", "issue_d"]), outcome_days=365)
    assert [violation.column for violation in half.violations] == ["dti", "issue_d"]
    missing = {"debt_to_income_ratio", "applied_at", "outcome_at", "credit_history_length"}
    assert missing - {"credit_history_length"} == set(COLUMNS) - set(half.frame.columns)
    assert half.frame["annual_income"].tolist() == [42_000]
    empty = raw({}).head(0).drop(columns="dti")
    found = map_lending_club(empty, outcome_days=365).violations
    assert [str(fault) for fault in found] == [
        "dti must be a column of the file",
        "the file holds no rows",
    ]


def test_when_all_are_left_out_the_reasons_are_said():
    """The file holds rows, none of use: why, and how many each."""
    found = mapped({"loan_status": "Current"}, {"loan_status": "Late"}, {"annual_inc": None})
    (fault,) = found.violations
    assert "keeps none of its 3 loans" in str(fault)
    assert "loan still open – 2; annual income missing – 1" in str(fault)


def test_debt_ratios_that_are_shares_already_are_refused():
    """Dividing them by 100 again would hide all debts; a few odd ones do not save the file."""
    shares = [{"dti": f"{0.001 * n:.3f}", "loan_amnt": str(n)} for n in range(1, 100)]
    for changes in (shares, [*shares, {"dti": "999"}]):
        (fault,) = mapped(*changes).violations
        assert fault.column == "dti"
        assert "Multiply the column by 100" in fault.rule
    low = [{"dti": "0.9"}, *({"dti": str(n)} for n in range(1, 30))]
    assert mapped(*low).violations == ()


def test_rows_that_repeat_others_are_refused():
    """The file twice, or a part of it: identity is the place in the file and sees nothing."""
    two = raw({}, {"loan_amnt": "9000"})
    two["tags"] = [["a"], ["b"]]
    twice = map_lending_club(pd.concat([two, two]), outcome_days=365)
    (fault,) = twice.violations
    assert (fault.count, fault.examples) == (2, ("(row 3)", "(row 4)"))
    assert "remove the copies" in fault.rule
    assert map_lending_club(two, outcome_days=365).violations == ()


def test_outcome_days_is_the_callers_assumption():
    """Longer windows move the outcome, none is refused."""
    frame = mapped({}, outcome_days=730).frame
    assert (frame["outcome_at"] - frame["applied_at"]).tolist() == [pd.Timedelta(days=730)]
    with pytest.raises(ValueError, match="outcome_days == 0, must be at least 1"):
        mapped({}, outcome_days=0)


def test_formats_are_told_apart_by_columns():
    """The course's columns win; a few of LendingClub's are enough to be taken for its file."""
    assert looks_like_lending_club(RAW_COLUMNS)
    assert looks_like_lending_club(RAW_COLUMNS[:5])
    assert not looks_like_lending_club(COLUMNS)
    assert not looks_like_lending_club([*COLUMNS, *RAW_COLUMNS])
