"""A broken rule in words: one line each, all of them in one message."""

import pandas as pd
import pytest

from mlops_helpers.violations import (
    EXAMPLES,
    ContractError,
    Violation,
    missing_columns,
    short,
    violation_where,
)


def test_the_message_is_a_list():
    """One line a rule under the name of the source; a ValueError for those who catch that."""
    error = ContractError(
        [Violation("age", "must be", 1200, ("7 (row 1)",)), Violation("x", "is absent")],
        source="loans.csv",
    )
    assert isinstance(error, ValueError)
    assert str(error).splitlines() == [
        "loans.csv: 2 rules are broken (row 1 is the first below the header)",
        "  - age must be – 1,200 rows: 7 (row 1)",
        "  - x is absent",
    ]
    assert "header" not in str(ContractError([Violation("x", "is absent")]))


def test_rows_are_counted_and_a_few_of_them_shown():
    """By the frame's own index from 1, with the application's id."""
    rows = pd.DataFrame({"application_id": list("abcdef"), "age": [-1.0] * 6}, index=range(7, 13))
    (found,) = violation_where(rows["age"] < 0, rows, "age", "must be")
    assert (found.count, len(found.examples)) == (6, EXAMPLES)
    assert found.examples[0] == "-1 (row 8, a)"
    assert violation_where(rows["age"] > 0, rows, "age", "must be") == []


def test_an_absent_column_is_told_with_the_nearest():
    """Only if one is near."""
    found = missing_columns(["annual_incom", 7], ["annual_income", "age"])
    assert [str(violation) for violation in found] == [
        "annual_income must be a column of the file (is it the column 'annual_incom'?)",
        "age must be a column of the file",
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "(missing)"),
        (float("nan"), "(missing)"),
        (0.5, "0.5"),
        ("x" * 50, "x" * 37 + "…"),
        pytest.param(10**9000, "a whole number of 29,898 bits", id="beyond Python's text"),
        ([1, 2], "[1, 2]"),
    ],
)
def test_a_cell_is_shown_in_at_most_40_characters(value, text):
    """Whatever it holds."""
    assert short(value) == text
