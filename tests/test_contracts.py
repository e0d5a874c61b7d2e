"""Every broken rule is said, at once, with counts and examples."""

from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from mlops_helpers.contracts import (
    COLUMNS,
    MAY_BE_MISSING,
    OUTCOME,
    inspect_applications,
    validate_applications,
)
from mlops_helpers.simulation import simulate_applications
from mlops_helpers.violations import EXAMPLES, ContractError

N = 60


@pytest.fixture
def frame():
    """Valid applications as objects, so that any cell can be spoilt."""
    return simulate_applications(N, seed=1, start="2023-05").astype(object)


def broken(frame, **options):
    """Return (column, rule) -> violation for everything that is wrong with the frame."""
    with pytest.raises(ContractError) as caught:
        validate_applications(frame, **options)
    found = {(v.column, v.rule): v for v in caught.value.violations}
    assert len(found) == len(caught.value.violations), "a rule is said once"
    return found


def test_valid_applications_come_back_typed():
    """Text as a CSV holds it and typed frames give the same applications."""
    drawn = simulate_applications(N, seed=1, start="2023-05")
    text = drawn.astype("str")
    text = text.mask(drawn.isna())
    report = validate_applications(text)
    pd.testing.assert_frame_equal(report.frame, drawn)
    pd.testing.assert_frame_equal(validate_applications(drawn).frame, drawn)
    assert report.rows == N
    assert report.missing == {
        name: drawn[name].isna().sum() for name in MAY_BE_MISSING if drawn[name].isna().any()
    }


def test_the_frame_given_is_left_alone(frame):
    """Validating changes nothing in place."""
    before = frame.copy(deep=True)
    validate_applications(frame)
    pd.testing.assert_frame_equal(frame, before)


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("annual_income", "lots", "must be a number"),
        ("annual_income", -1200, "must be above 0"),
        ("annual_income", 0, "must be above 0"),
        ("annual_income", np.inf, "must be finite"),
        ("annual_income", None, "must not be missing"),
        ("loan_amount", "1,000", "must be a number"),
        ("loan_amount", -5, "must be above 0"),
        ("debt_to_income_ratio", 17.5, "per cent by mistake?"),
        ("debt_to_income_ratio", -0.1, "must be a share between 0 and 1"),
        ("debt_to_income_ratio", None, "must not be missing"),
        ("age", 7, "must be between 16 and 110"),
        ("employment_length", -1, "must be between 0 and 80"),
        ("credit_history_length", 900, "must be between 0 and 90"),
        ("num_credit_lines", -1, "must be a count"),
        ("num_credit_lines", 2.5, "must be a whole number"),
        ("loan_purpose", None, "must not be missing"),
        ("home_ownership", "  ", "must not be missing"),
        ("application_id", None, "must not be missing"),
        ("application_id", ["A", "B"], "must be plain text"),
        ("loan_purpose", {"a": 1}, "must be plain text"),
        ("annual_income", [1, 2], "must be a number"),
        ("applied_at", "2023-05-03 12:00", "must say its time zone"),
        ("applied_at", "03.05.2023", "ISO 8601"),
        ("applied_at", "1871-05-03", "must lie between 1980 and 2100"),
        ("applied_at", None, "must not be missing"),
        ("outcome_at", "2999-01-01", "must lie between 1980 and 2100"),
        ("outcome_at", "2023-04-01", "must be later than applied_at"),
        ("outcome_at", None, "every loan needs its outcome"),
        ("default", 2, "must be 0 (repaid) or 1"),
        ("default", "yes", "must be a number"),
        ("default", 0.5, "must be 0 (repaid) or 1"),
        ("default", None, "every loan needs its outcome"),
    ],
)
def test_one_wrong_cell(frame, column, value, words):
    """One cell, one violation: its column, its rule, its row and its application."""
    frame.at[17, column] = value
    (violation,) = broken(frame).values()
    assert violation.column == column
    assert words in violation.rule
    assert violation.count == 1
    (example,) = violation.examples
    assert "(row 18" in example
    assert column == "application_id" or str(frame.loc[17, "application_id"]) in example


def test_everything_wrong_at_once(frame):
    """No fault hides another, whether of reading, of range or between columns."""
    frame.loc[0:4, "annual_income"] = "n.a."
    frame.loc[5, "annual_income"] = -1
    frame.loc[6:8, "debt_to_income_ratio"] = 35
    frame.loc[10, "application_id"] = frame.loc[9, "application_id"]
    frame.loc[11, "applied_at"] = "yesterday"
    frame.loc[12, "outcome_at"] = "2020-01-01"
    frame.loc[13, "default"] = 7
    frame.loc[14, "loan_purpose"] = None
    frame = frame.drop(columns="home_ownership")
    counts = {column: 0 for column in COLUMNS}
    for (column, _), violation in broken(frame).items():
        counts[column] += violation.count or 0
    assert {column: count for column, count in counts.items() if count} == {
        "annual_income": 6,
        "debt_to_income_ratio": 3,
        "application_id": 2,
        "applied_at": 1,
        "outcome_at": 1,
        "default": 1,
        "loan_purpose": 1,
    }
    assert ("home_ownership", "must be a column of the file") in broken(frame)


def test_at_most_three_examples(frame):
    """A column that is wrong throughout is counted, not printed."""
    frame["annual_income"] = -1
    (violation,) = broken(frame).values()
    assert violation.count == N
    assert len(violation.examples) == EXAMPLES


def test_missing_columns_name_the_nearest(frame):
    """A misspelt column is recognised."""
    renamed = frame.rename(columns={"annual_income": "anual_income", "age": "zzz"})
    rules = {column: rule for column, rule in broken(renamed)}
    assert "is it the column 'anual_income'?" in rules["annual_income"]
    assert rules["age"] == "must be a column of the file"


def test_allowed_gaps_are_counted(frame):
    """These four columns may have gaps, even throughout."""
    for name in MAY_BE_MISSING:
        frame[name] = None
    assert validate_applications(frame).missing == dict.fromkeys(MAY_BE_MISSING, N)


def test_extra_columns_and_dates_are_noted(frame):
    """What is ignored or decided is said."""
    frame["applied_at"] = "2023-05-01"
    report = validate_applications(frame.assign(colour="green"))
    assert list(report.frame.columns) == list(COLUMNS)
    assert report.notes == (
        f"applied_at: {N} read as dates, midnight UTC",
        "columns not used: colour",
    )


def test_no_rows(frame):
    """An empty table is refused, with its missing columns."""
    found = broken(frame.head(0).drop(columns="age"))
    assert ("", "the file holds no rows") in found
    assert ("age", "must be a column of the file") in found


def test_unlabelled_applications(frame):
    """Applications without outcomes are valid where none is needed yet, and only there."""
    new = frame.drop(columns=["default", "outcome_at"])
    assert "default" not in validate_applications(new, labelled=False).frame
    assert validate_applications(frame.assign(default=None, outcome_at=None), labelled=False)
    assert {column for column, _ in broken(new)} == {"default", "outcome_at"}
    new.loc[3, "loan_amount"] = -1
    assert {column for column, _ in broken(new, labelled=False)} == {"loan_amount"}


def test_open_loans_lack_the_whole_outcome(frame):
    """Neither half is fine where open loans are taken and named where they are not; one half
    alone never is, and a cell that cannot be read is told as that."""
    late = frame.index >= N - 20
    opened = frame.assign(**{name: frame[name].mask(late, None) for name in OUTCOME})
    found = inspect_applications(opened, open_loans=True)
    assert found.violations == ()
    assert found.frame["default"].isna().sum() == found.frame["outcome_at"].isna().sum() == 20
    refused = broken(opened)
    assert {(v.column, v.count) for v in refused.values()} == {(name, 20) for name in OUTCOME}
    assert all("The command `retrain` takes open loans" in rule for _, rule in refused)
    opened.loc[N - 1, "default"] = 1
    opened.loc[2, "default"] = None
    opened.loc[3, "outcome_at"] = "soon"
    opened.loc[N - 3, "loan_amount"] = -1
    found = inspect_applications(opened, open_loans=True)
    told = {(v.column, v.rule.partition(":")[0]): v.examples for v in found.violations}
    assert set(told) == {
        ("default", "must not be missing where outcome_at is given"),
        ("outcome_at", "must not be missing where default is given"),
        ("outcome_at", "must be a date or time in ISO 8601 (2023-05-01 or 2023-05-01T09"),
        ("loan_amount", "must be above 0 (US dollars)"),
    }
    assert "(row 3," in told["default", "must not be missing where outcome_at is given"][0]
    assert f"(row {N}," in told["outcome_at", "must not be missing where default is given"][0]


def test_the_target_of_open_loans_has_one_type(frame):
    """float64 whether some are open, none or all: equal rows have one digest in each month."""
    for cells in (frame["default"], None):
        given = frame.assign(default=cells)
        given["outcome_at"] = None if cells is None else given["outcome_at"]
        found = inspect_applications(given, open_loans=True)
        assert found.violations == ()
        assert found.frame["default"].dtype == "float64"


def test_open_loans_need_the_columns_of_the_outcome(frame):
    """Empty, not absent: a file without them is another one than was meant."""
    found = inspect_applications(frame.drop(columns=list(OUTCOME)), open_loans=True)
    assert {v.column for v in found.violations} == set(OUTCOME)


def test_a_broken_feed_breaks_the_contract():
    """The scenario is caught before any model sees it."""
    feed = simulate_applications(200, seed=3, start="2024-01", scenario="broken feed")
    assert {column for column, _ in broken(feed)} == {"debt_to_income_ratio"}
    assert len(broken(feed)) == 2


def test_row_numbers_follow_the_frame_and_the_index_is_kept(frame):
    """A part of a frame reports the rows of the whole, and comes back on its own index."""
    part = frame.iloc[30:].copy()
    assert validate_applications(part).frame.index.equals(part.index)
    part.loc[40, "loan_amount"] = -1
    (violation,) = broken(part).values()
    assert "(row 41," in violation.examples[0]
    doubled = pd.concat([frame, frame])
    assert [v.count for v in broken(doubled).values()] == [2 * N]


def test_a_column_that_is_there_twice_is_named(frame):
    """Which of the two is right nobody knows, so neither is read; columns not used may repeat."""
    for name in ("age", "application_id", "default", "applied_at"):
        found = broken(pd.concat([frame, frame[[name]]], axis=1))
        assert set(found) == {
            (name, "must be there once (it is there 2 times; which one is right?)")
        }
    extra = pd.DataFrame(1, index=frame.index, columns=["colour", "colour"])
    assert inspect_applications(pd.concat([frame, extra], axis=1)).violations == ()


@pytest.mark.parametrize("power", [400, 9000])
def test_whole_numbers_beyond_any_float_are_a_fault_of_their_row(frame, power):
    """10^400 fits no float and 10^9000 not even Python's text; both are told by their row."""
    ages = frame["age"].astype(object)
    ages.iloc[2], ages.iloc[5] = 10**power, -1
    found = broken(frame.assign(age=ages))
    assert found["age", "must be finite"].examples[0].startswith("a whole number of ")
    assert found["age", "must be between 16 and 110 years"].count == 1


def test_complex_numbers_are_no_numbers(frame):
    """An imaginary part is not dropped: the column, or the one cell, is refused."""
    cells = frame["age"].astype(object)
    cells.iloc[2] = 41 + 1j
    for ages, count in ((frame["age"].astype(complex), frame["age"].notna().sum()), (cells, 1)):
        ((column, rule), violation), *others = broken(frame.assign(age=ages)).items()
        assert (column, violation.count, others) == ("age", count, [])
        assert rule.startswith("must be a number")


@pytest.mark.parametrize("column", ["age", "applied_at", "application_id", "default"])
def test_a_column_that_cannot_be_read_is_named(frame, column):
    """What pandas itself cannot convert is a violation of that column; the others are read."""
    cells = frame[column].astype(object)
    cells.iloc[2] = Decimal("sNaN")
    frame[column] = cells
    frame.loc[3, "loan_amount"] = -1
    found = broken(frame)
    assert {name for name, _ in found} == {column, "loan_amount"}
    assert any(rule.startswith("cannot be read (InvalidOperation") for _, rule in found)
