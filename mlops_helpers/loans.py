"""The public LendingClub file, mapped to the course's columns.

What the file does not say is stated here rather than guessed silently:

* it has no date of the outcome: `outcome_days` after issue is the caller's assumption;
* it has no age of the borrower: `age` is missing for all;
* loans that "do not meet the credit policy" were granted like the others and are kept;
* `emp_length` is text: "10+ years" is 10, "< 1 year" is 0.5, "n/a" is missing;
* `num_credit_lines` is `total_acc`, every line the borrower ever had, open or closed;
* `dti` is in per cent there and a share here;
* a row's only identity is its place in the file: `application_id` is made of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from mlops_helpers.coercion import TEXT, Coerced, to_number, to_text
from mlops_helpers.contracts import COLUMNS, Violation, missing_columns, violation_where

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
DEFAULTED = r"Charged Off$|Default$"
REPAID = r"Fully Paid$"
OPEN = r"^(?:Current|Issued|In Grace Period|Late)"
DAYS_A_YEAR = 365.25
MONTH = "must be a date (2011-12-01) or a month (Dec-2011)"
YEARS = "must be like '3 years', '10+ years', '< 1 year' or 'n/a'"
STATUS = "must end in 'Fully Paid', 'Charged Off' or 'Default', or be an open loan's"


@dataclass(frozen=True)
class Mapped:
    """Applications in the course's columns, the rows left out, and what could not be read.

    `left_out` counts rows by the first reason that applies; `frame` keeps the file's order.
    """

    frame: pd.DataFrame
    rows_read: int
    left_out: dict[str, int]
    violations: tuple[Violation, ...]


def looks_like_lending_club(columns: Iterable[str]) -> bool:
    """Return whether these column names are a LendingClub file's rather than the course's."""
    names = set(columns)
    return "applied_at" not in names and len(names.intersection(RAW_COLUMNS)) >= 4


def map_lending_club(raw: pd.DataFrame, *, outcome_days: int) -> Mapped:
    """Return the settled loans in a LendingClub frame, one application a row.

    Rows without amount, income, issue date or a debt ratio within 0–100 per cent, and open loans,
    are left out and counted. Raises ValueError if `outcome_days` is below one.
    """
    if outcome_days < 1:
        raise ValueError(f"outcome_days == {outcome_days}, must be at least 1: labels come late.")
    absent = missing_columns(raw.columns, RAW_COLUMNS)
    if absent or raw.empty:
        empty = [] if absent else [Violation("", "the file holds no rows")]
        return Mapped(pd.DataFrame(columns=COLUMNS), len(raw), {}, (*absent, *empty))
    raw = raw.reset_index(drop=True)
    read = {name: to_number(raw[name]) for name in ("loan_amnt", "annual_inc", "dti", "total_acc")}
    read |= {name: _month(raw[name]) for name in ("issue_d", "earliest_cr_line")}
    read |= {"emp_length": _years(raw["emp_length"]), "loan_status": _status(raw["loan_status"])}
    read |= {name: _name(raw[name]) for name in ("purpose", "home_ownership")}
    faults = [
        found
        for name, column in read.items()
        for rule, mask in column.faults.items()
        for found in violation_where(mask, raw, name, rule)
    ]
    frame = _applications(raw, {name: column.values for name, column in read.items()}, outcome_days)
    left_out, keep = _leave_out(frame)
    return Mapped(frame.loc[keep, list(COLUMNS)], len(raw), left_out, tuple(faults))


def _applications(raw: pd.DataFrame, read: dict[str, pd.Series], outcome_days: int) -> pd.DataFrame:
    applied_at = read["issue_d"]
    history = (applied_at - read["earliest_cr_line"]).dt.days / DAYS_A_YEAR
    ids = [f"LC-{number:06d}" for number in range(1, len(raw) + 1)]
    return pd.DataFrame(
        {
            "application_id": pd.Series(ids, dtype="str"),
            "applied_at": applied_at,
            "age": np.nan,
            "annual_income": read["annual_inc"],
            "employment_length": read["emp_length"],
            "debt_to_income_ratio": (read["dti"] / 100).round(6),
            "credit_history_length": history.round(2),
            "num_credit_lines": read["total_acc"],
            "loan_amount": read["loan_amnt"],
            "loan_purpose": read["purpose"],
            "home_ownership": read["home_ownership"],
            "default": read["loan_status"],
            "outcome_at": applied_at + pd.Timedelta(days=outcome_days).as_unit("us"),
        }
    )


def _leave_out(frame: pd.DataFrame) -> tuple[dict[str, int], pd.Series]:
    """Return the number of rows for each reason, and which rows remain."""
    reasons = {
        "issue date missing": frame["applied_at"].isna(),
        "loan still open": frame["default"].isna(),
        "loan amount missing": frame["loan_amount"].isna(),
        "annual income missing": frame["annual_income"].isna(),
        "annual income is zero": frame["annual_income"] == 0,
        "debt ratio missing or not within 0–100 %": ~frame["debt_to_income_ratio"].between(0, 1),
    }
    keep = pd.Series(True, index=frame.index)
    counts = {}
    for reason, hit in reasons.items():
        counts[reason] = int((keep & hit).sum())
        keep &= ~hit
    return {reason: rows for reason, rows in counts.items() if rows}, keep


def _name(column: pd.Series) -> Coerced:
    """Read names in small letters; what cannot be read is named so, and not missing as well."""
    read = to_text(column)
    return Coerced(read.values.str.lower().mask(read.faults[TEXT], "(unreadable)"), read.faults)


def _month(column: pd.Series) -> Coerced:
    """Read ISO days, or the months of LendingClub's later files, as midnight UTC."""
    text = to_text(column).values
    iso = pd.to_datetime(text, format="ISO8601", utc=True, errors="coerce").dt.as_unit("us")
    named = pd.to_datetime(text, format="%b-%Y", utc=True, errors="coerce").dt.as_unit("us")
    values = iso.fillna(named)
    return Coerced(values, {MONTH: column.notna() & values.isna()})


def _years(column: pd.Series) -> Coerced:
    text = to_text(column).values
    readable = text.str.fullmatch(r"(?:\d+\+?|< ?1) years?", na=False)
    years = pd.to_numeric(text.where(readable).str.extract(r"(\d+)")[0]).astype("float64")
    values = years.mask(text.str.startswith("<", na=False) & readable, 0.5)
    return Coerced(values, {YEARS: column.notna() & ~readable})


def _status(column: pd.Series) -> Coerced:
    """Return 1 for a default, 0 for repaid, missing for an open loan."""
    text = to_text(column).values
    defaulted = text.str.contains(DEFAULTED, regex=True, na=False)
    repaid = text.str.contains(REPAID, regex=True, na=False)
    still_open = text.str.contains(OPEN, regex=True, na=False)
    values = defaulted.astype("float64").where(defaulted | repaid)
    return Coerced(values, {STATUS: ~(defaulted | repaid | still_open)})
