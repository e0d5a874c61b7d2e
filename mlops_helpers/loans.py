"""The public LendingClub file, mapped to the course's columns.

What the file does not say is stated here rather than guessed silently:

* it has no date of the outcome: `outcome_days` after issue is an assumption of the caller's;
* it has no age of the borrower: `age` is missing for all;
* loans that "do not meet the credit policy" were granted like the others and are kept;
* `emp_length` is text: "10+ years" is 10, "< 1 year" is 0.5, "n/a" is missing;
* `num_credit_lines` is `total_acc`, every line the borrower ever had (open or closed);
* the file's order is the only identity a row has: `application_id` is made of its number.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from mlops_helpers.contracts import COLUMNS

RAW_COLUMNS = (
    "loan_amnt",
    "annual_inc",
    "emp_length",
    "dti",
    "purpose",
    "home_ownership",
    "earliest_cr_line",
    "total_acc",
    "issue_d",
    "loan_status",
)
DEFAULTED = r"Charged Off|Default"
REPAID = r"Fully Paid"
DAYS_A_YEAR = 365.25


@dataclass(frozen=True)
class Mapped:
    """Applications in the course's columns, and the rows that could not become one."""

    frame: pd.DataFrame
    rows_read: int
    left_out: dict[str, int]


def looks_like_lending_club(columns: pd.Index) -> bool:
    """Return whether these column names are a LendingClub file's."""
    return {"loan_status", "issue_d"} <= set(columns)


def map_lending_club(raw: pd.DataFrame, *, outcome_days: int) -> Mapped:
    """Return the applications in a raw LendingClub frame, one row a settled loan.

    Rows without an income, an issue date or a debt ratio within 0–100 per cent, and loans that
    are still open, are left out and counted, each under the first reason that applies.
    """
    income = _number(raw["annual_inc"])
    debt = _number(raw["dti"]) / 100
    applied_at = _date(raw["issue_d"])
    status = raw["loan_status"].astype("str").fillna("")
    defaulted = status.str.contains(DEFAULTED, regex=True)
    settled = defaulted | status.str.contains(REPAID, regex=True)
    history = (applied_at - _date(raw["earliest_cr_line"])).dt.days / DAYS_A_YEAR
    frame = pd.DataFrame(
        {
            "application_id": [f"LC-{number:06d}" for number in range(1, len(raw) + 1)],
            "applied_at": applied_at,
            "age": np.nan,
            "annual_income": income,
            "employment_length": _employment(raw["emp_length"]),
            "debt_to_income_ratio": debt,
            "credit_history_length": history.where(history >= 0).round(2),
            "num_credit_lines": _number(raw["total_acc"]),
            "loan_amount": _number(raw["loan_amnt"]),
            "loan_purpose": raw["purpose"].astype("str").str.lower(),
            "home_ownership": raw["home_ownership"].astype("str").str.lower(),
            "default": defaulted.astype("int64"),
            "outcome_at": applied_at + pd.Timedelta(days=outcome_days).as_unit("us"),
        }
    )
    reasons = {
        "no issue date": applied_at.isna(),
        "loan still open": ~settled,
        "annual income missing": income.isna(),
        "annual income is zero": income <= 0,
        "debt-to-income ratio missing or outside 0–100 %": ~debt.between(0, 1),
    }
    keep = pd.Series(True, index=raw.index)
    left_out = {}
    for reason, hit in reasons.items():
        rows = int((keep & hit).sum())
        if rows:
            left_out[reason] = rows
        keep &= ~hit
    return Mapped(frame.loc[keep, list(COLUMNS)], len(raw), left_out)


def _number(column: pd.Series) -> pd.Series:
    return pd.to_numeric(column).astype("float64")


def _date(column: pd.Series) -> pd.Series:
    """Read ISO days, or the months of LendingClub's later files ("Dec-2011")."""
    iso = pd.to_datetime(column, format="ISO8601", utc=True, errors="coerce")
    month = pd.to_datetime(column, format="%b-%Y", utc=True, errors="coerce")
    return iso.fillna(month).dt.as_unit("us")


def _employment(column: pd.Series) -> pd.Series:
    years = pd.to_numeric(column.astype("str").str.extract(r"(\d+)")[0])
    return years.mask(column.astype("str").str.startswith("<"), 0.5).astype("float64")
