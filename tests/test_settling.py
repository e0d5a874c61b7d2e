"""What the course works on of a lender's file: itself, or a copy of the months that are settled."""

from __future__ import annotations

import pandas as pd
import pytest

from mlops_helpers.contracts import TARGET
from mlops_helpers.data import load_arriving, load_stream, simulate_portfolio
from mlops_helpers.settling import settled_file
from mlops_helpers.violations import ContractError

TODAY = pd.Timestamp("2024-12-31", tz="UTC")


def opened(frame: pd.DataFrame, today: pd.Timestamp = TODAY) -> pd.DataFrame:
    """The same loans as they were on a day: what became known later is not in the file."""
    known = frame["outcome_at"] <= today
    return frame.assign(
        default=frame[TARGET].astype(float).where(known),
        outcome_at=frame["outcome_at"].where(known),
    )


@pytest.fixture(scope="module")
def loans() -> pd.DataFrame:
    """Two years of a lender; the last half year is open, but for early defaults."""
    return simulate_portfolio(seed=1, per_month=160)


def test_the_copy_holds_the_months_before_the_first_open_loan(tmp_path, loans):
    """Whole months: the early defaults of the open ones would be a lender's worst loans."""
    path = tmp_path / "loans.csv"
    arrived = opened(loans)
    arrived.to_csv(path, index=False)
    copy = settled_file(str(path), seed=1, folder=tmp_path / "copies")
    assert copy == str(tmp_path / "copies" / "loans.parquet")
    first = arrived.loc[arrived[TARGET].isna(), "applied_at"].min()
    month = first.normalize().replace(day=1)
    wanted = loans[loans["applied_at"] < month]
    pd.testing.assert_frame_equal(load_stream(copy).frame, wanted)
    assert settled_file(str(path), seed=1, folder=tmp_path / "copies") == copy
    assert arrived.loc[arrived["applied_at"] >= month, TARGET].mean() > 2 * wanted[TARGET].mean()


@pytest.mark.parametrize("what", ["simulated", "settled"])
def test_what_the_course_takes_is_not_copied(tmp_path, loans, what):
    """Then its state is the one of `make run` on the same file."""
    path = tmp_path / "loans.parquet"
    loans.to_parquet(path)
    given = "simulated" if what == "simulated" else str(path)
    assert settled_file(given, seed=1, folder=tmp_path / "copies") == given
    assert not (tmp_path / "copies").exists()


def test_an_old_open_loan_is_named(tmp_path, loans):
    """Before it there is too little for a course; no copy, and one knows where to look."""
    path = tmp_path / "loans.parquet"
    arrived = opened(loans)
    arrived.loc[700, ["default", "outcome_at"]] = [float("nan"), pd.NaT]
    arrived.to_parquet(path)
    loan = arrived.at[700, "application_id"]
    month = f"{arrived.at[700, 'applied_at']:%Y-%m}"
    with pytest.raises(ContractError, match=f"before {month}, in which loan {loan} is still open"):
        settled_file(str(path), seed=1, folder=tmp_path / "copies")
    assert not (tmp_path / "copies").exists()


def test_other_faults_are_said_as_ever(tmp_path, loans):
    """Every one of them, under the name of the file."""
    path = tmp_path / "loans.parquet"
    arrived = opened(loans)
    arrived.loc[5, "loan_amount"] = -1.0
    arrived.loc[6, "outcome_at"] = pd.NaT
    arrived.to_parquet(path)
    with pytest.raises(ContractError) as caught:
        settled_file(str(path), seed=1, folder=tmp_path / "copies")
    with pytest.raises(ContractError) as directly:
        load_arriving(path)
    assert str(caught.value) == str(directly.value)
    assert {v.column for v in caught.value.violations} == {"loan_amount", "outcome_at"}


def test_settled_months_that_break_the_contract_are_refused(tmp_path, loans):
    """The course cannot begin on them; a broken feed of the open months does not matter yet."""
    path = tmp_path / "loans.parquet"
    arrived = opened(loans)
    still_open = arrived["default"].isna()
    late = arrived.index[still_open][-1]
    arrived.loc[late, "debt_to_income_ratio"] = 28.0
    arrived.to_parquet(path)
    assert settled_file(str(path), seed=1, folder=tmp_path / "copies") != str(path)
    arrived.loc[5, "loan_amount"] = -1.0
    arrived.to_parquet(path)
    with pytest.raises(ContractError, match="loan_amount"):
        settled_file(str(path), seed=1, folder=tmp_path / "copies")
