"""The public LendingClub file, mapped to the course's columns.

What the file does not say is stated here rather than guessed silently:

* it has no date of the outcome: `outcome_days` after issue is the caller's assumption;
* it has no age of the borrower: `age` is missing for all;
* loans that "do not meet the credit policy" were granted like the others and are kept;
* `emp_length` is text: "10+ years" is 10, "< 1 year" is 0.5, "n/a" is missing;
* `num_credit_lines` is `total_acc`, every line the borrower ever had, open or closed;
* `dti` is in per cent there and a share here;
* a row's only identity is its place in the file: `application_id` is made of it, so a row equal
  to another in every column is refused (the public file of 2007-2011 holds no such pair).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from mlops_helpers.coercion import TEXT, Coerced, to_number, to_text
from mlops_helpers.contracts import COLUMNS
from mlops_helpers.violations import EXAMPLES, Violation, missing_columns, violation_where

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
SOURCES = {
    "applied_at": "issue_d",
    "annual_income": "annual_inc",
    "employment_length": "emp_length",
    "debt_to_income_ratio": "dti",
    "credit_history_length": "earliest_cr_line",
    "num_credit_lines": "total_acc",
    "loan_amount": "loan_amnt",
    "loan_purpose": "purpose",
    "home_ownership": "home_ownership",
    "default": "loan_status",
    "outcome_at": "issue_d",
}
"""The column of the file that each of the course's columns stands or falls with."""
TIMES = ("issue_d", "earliest_cr_line")
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


def map_lending_club(raw: pd.DataFrame, *, outcome_days: int, open_loans: bool = False) -> Mapped:
    """Return the settled loans in a LendingClub frame, one application a row.

    Rows without amount, income, issue date or a debt ratio within 0–100 per cent are left out and
    counted, and so are open loans; with `open_loans` they stay, without `default` and `outcome_at`.
    Columns that are absent are violations, and the frame lacks what is made of them: the rest is
    judged all the same. Raises ValueError if `outcome_days` is below one.
    """
    if outcome_days < 1:
        raise ValueError(f"outcome_days == {outcome_days}, must be at least 1: labels come late.")
    absent = missing_columns(raw.columns, RAW_COLUMNS)
    if raw.empty:
        empty = Violation("", "the file holds no rows")
        return Mapped(pd.DataFrame(columns=COLUMNS), 0, {}, (*absent, empty))
    raw = raw.reset_index(drop=True)
    read = {name: reader(raw[name]) for name, reader in READERS.items() if name in raw}
    faults = [
        found
        for name, column in read.items()
        for rule, mask in column.faults.items()
        for found in violation_where(mask, raw, name, rule)
    ]
    values = {name: column.values for name, column in read.items()}
    gap = pd.Series(np.nan, index=raw.index)
    no_time = pd.Series(pd.NaT, index=raw.index, dtype="datetime64[us, UTC]")
    values |= {v.column: no_time if v.column in TIMES else gap for v in absent}
    frame = _applications(values, outcome_days)
    frame = frame.drop(columns=[c for c, source in SOURCES.items() if source not in raw])
    left_out, keep = _leave_out(frame, open_loans=open_loans)
    if not keep.any():
        reasons = "; ".join(f"{reason} – {rows:,}" for reason, rows in left_out.items())
        rule = f"keeps none of its {len(raw):,} loans, must hold settled ones ({reasons})"
        faults.append(Violation("the file", rule, len(raw)))
    faults += [*_repeated(raw), *_share(values["dti"])]
    return Mapped(frame[keep], len(raw), left_out, (*absent, *faults))


def _repeated(raw: pd.DataFrame) -> list[Violation]:
    """Return a violation if rows repeat an earlier one in every column."""
    objects = [name for name in raw if pd.api.types.is_object_dtype(raw[name])]
    again = raw.assign(**{name: raw[name].map(repr) for name in objects}).duplicated()
    if not again.any():
        return []
    rule = (
        "repeats rows in every column, must hold each loan once; remove the copies, or keep a "
        "column that tells alike loans apart (an id)"
    )
    examples = tuple(f"(row {place + 1})" for place in raw.index[again][:EXAMPLES])
    return [Violation("the file", rule, int(again.sum()), examples)]


def _share(dti: pd.Series) -> list[Violation]:
    """Return a violation if debt ratios are shares already: nearly all at most 1."""
    if not (dti.max() > 0 and dti.quantile(0.95) <= 1):
        return []
    rule = (
        f"must be in per cent (12.5 means 12.5 %), but 95 in 100 loans have at most "
        f"{dti.quantile(0.95):g}: a share already? Multiply the column by 100"
    )
    return [Violation("dti", rule, int((dti <= 1).sum()))]


def _applications(read: dict[str, pd.Series], outcome_days: int) -> pd.DataFrame:
    applied_at = read["issue_d"]
    history = (applied_at - read["earliest_cr_line"]).dt.days / DAYS_A_YEAR
    ids = [f"LC-{number:06d}" for number in range(1, len(applied_at) + 1)]
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
            "outcome_at": (applied_at + pd.Timedelta(days=outcome_days).as_unit("us")).where(
                read["loan_status"].notna()
            ),
        }
    )


def _leave_out(frame: pd.DataFrame, *, open_loans: bool) -> tuple[dict[str, int], pd.Series]:
    """Return the number of rows for each reason, and which rows remain."""
    tests: tuple[tuple[str, str, Callable[[pd.Series], pd.Series]], ...] = (
        ("issue date missing", "applied_at", pd.Series.isna),
        ("loan still open", "default", lambda known: known.isna() & (not open_loans)),
        ("loan amount missing", "loan_amount", pd.Series.isna),
        ("annual income missing", "annual_income", pd.Series.isna),
        ("annual income is zero", "annual_income", lambda income: income == 0),
        (
            "debt ratio missing or not within 0–100 %",
            "debt_to_income_ratio",
            lambda ratio: ~ratio.between(0, 1),
        ),
    )
    reasons = {reason: hit(frame[name]) for reason, name, hit in tests if name in frame}
    keep = pd.Series(True, index=frame.index)
    counts: dict[str, int] = {}
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


READERS: dict[str, Callable[[pd.Series], Coerced]] = {
    **dict.fromkeys(("loan_amnt", "annual_inc", "dti", "total_acc"), to_number),
    **dict.fromkeys(TIMES, _month),
    **dict.fromkeys(("purpose", "home_ownership"), _name),
    "emp_length": _years,
    "loan_status": _status,
}
