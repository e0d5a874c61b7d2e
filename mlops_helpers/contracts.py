"""What an application must look like, and every way in which a frame or file does not.

    report = validate_applications(frame)    # or ContractError, listing every broken rule

Reading (`coercion`) and rules (a pandera schema, evaluated lazily) are separate, and a cell that
could not be read is not judged again: text in a column of numbers never hides, or doubles as, a
negative income or a repeated id elsewhere.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import pandas as pd
import pandera.pandas as pa

from mlops_helpers.coercion import Coerced, to_number, to_text, to_time
from mlops_helpers.violations import (
    ContractError,
    Violation,
    missing_columns,
    short,
    violation_where,
)

NUMERIC = (
    "age",
    "annual_income",
    "employment_length",
    "debt_to_income_ratio",
    "credit_history_length",
    "num_credit_lines",
    "loan_amount",
)
CATEGORICAL = ("loan_purpose", "home_ownership")
FEATURES = NUMERIC + CATEGORICAL
TARGET = "default"
OUTCOME = (TARGET, "outcome_at")
TIMES = ("applied_at", "outcome_at")
COLUMNS = ("application_id", "applied_at", *FEATURES, *OUTCOME)
MAY_BE_MISSING = ("age", "employment_length", "credit_history_length", "num_credit_lines")
"""The pipeline imputes these; anything else missing means the file is not what it says."""

LIMITS: dict[str, tuple[float, float]] = {
    "age": (16, 110),
    "annual_income": (math.ulp(0.0), math.inf),
    "employment_length": (0, 80),
    "debt_to_income_ratio": (0, 1),
    "credit_history_length": (0, 90),
    "num_credit_lines": (0, 1000),
    "loan_amount": (math.ulp(0.0), math.inf),
}
"""The least and the greatest value of each number; `math.ulp(0.0)`, the smallest above 0."""

EARLIEST, LATEST = pd.Timestamp("1980-01-01", tz="UTC"), pd.Timestamp("2100-01-01", tz="UTC")
PRESENT = "must not be missing"
SETTLED = (
    "must not be missing: every loan needs its outcome. End the file at the last month whose "
    "loans are all settled; leaving out open loans one by one keeps only the early defaults. The "
    "command `retrain` takes open loans as they are"
)
HALF_OPEN = (
    "must not be missing where {other} is given: an open loan has neither default nor outcome_at, "
    "a settled one both"
)
UNIQUE = "must be unique"
TIME_ORDER = "must be later than applied_at"


@dataclass(frozen=True)
class ContractReport:
    """Applications that keep the contract.

    `frame` holds the course's columns in order, typed (float64, str, datetime64[us, UTC], int64
    for the target), on the index it came with; `missing` counts the gaps that are allowed.
    """

    frame: pd.DataFrame
    rows: int
    missing: dict[str, int]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Inspection:
    """Everything found in a frame, broken or not: what `validate_applications` decides on."""

    frame: pd.DataFrame
    violations: tuple[Violation, ...]
    notes: tuple[str, ...]


def validate_applications(frame: pd.DataFrame, *, labelled: bool = True) -> ContractReport:
    """Return a report with the typed applications, or raise ContractError listing every fault.

    `frame` may hold text (a CSV as read) or types. With `labelled=False` the outcome columns may
    be absent or empty: applications that are to be scored.
    """
    found = inspect_applications(frame, labelled=labelled)
    if found.violations:
        raise ContractError(found.violations)
    gaps = {name: int(found.frame[name].isna().sum()) for name in MAY_BE_MISSING}
    missing = {name: count for name, count in gaps.items() if count}
    return ContractReport(found.frame, len(found.frame), missing, found.notes)


def inspect_applications(
    frame: pd.DataFrame, *, labelled: bool = True, open_loans: bool = False
) -> Inspection:
    """Return what was read and every broken rule; never raises for what the data hold.

    A column that is there more than once, or that cannot be read at all, is a violation of its
    own and is not judged further. With `open_loans` a row may have neither `default` nor
    `outcome_at`, never one of them only; the target is float64 then, also if all is settled.
    """
    times = Counter(frame.columns)
    wanted = [name for name in COLUMNS if labelled or name not in OUTCOME or times[name]]
    violations = list(missing_columns(frame.columns, wanted))
    violations += [Violation(name, _twice(times[name])) for name in wanted if times[name] > 1]
    if frame.empty:
        violations.append(Violation("", "the file holds no rows"))
        return Inspection(frame, tuple(violations), ())
    numbered = pd.api.types.is_integer_dtype(frame.index) and frame.index.is_unique
    rows = frame if numbered else frame.reset_index(drop=True)
    rows = rows.loc[:, [times[name] == 1 for name in rows.columns]]
    read: dict[str, Coerced] = {}
    for name in (name for name in wanted if times[name] == 1):
        try:
            read[name] = _coerce(name, rows[name])
        except (ArithmeticError, TypeError, ValueError) as error:
            why = f"{type(error).__name__}: {error}"
            violations.append(Violation(name, f"cannot be read ({short(why)})"))
    typed = pd.DataFrame({name: column.values for name, column in read.items()}, index=rows.index)
    unread = {name: _any(column.faults.values(), rows.index) for name, column in read.items()}
    for name, column in read.items():
        for rule, mask in column.faults.items():
            violations += violation_where(mask, rows, name, rule)
    violations += _broken_rules(typed, rows, unread, labelled=labelled and not open_loans)
    if open_loans:
        violations += _half_open(typed, rows, unread)
    notes = [f"{name}: {note}" for name, column in read.items() for note in column.notes]
    extra = [str(name) for name in frame.columns if name not in COLUMNS]
    if extra:
        notes.append(f"columns not used: {', '.join(extra)}")
    settled = TARGET in typed and not open_loans and typed[TARGET].notna().all()
    if settled and not violations:
        typed[TARGET] = typed[TARGET].astype("int64")
    return Inspection(typed.set_axis(frame.index), tuple(violations), tuple(notes))


def _twice(times: int) -> str:
    return f"must be there once (it is there {times} times; which one is right?)"


def _coerce(name: str, column: pd.Series) -> Coerced:
    if name in NUMERIC or name == TARGET:
        return to_number(column)
    return to_time(column) if name in TIMES else to_text(column)


def _any(masks: Iterable[pd.Series], index: pd.Index) -> pd.Series:
    found = pd.Series(False, index=index)
    for mask in masks:
        found |= mask
    return found


def _broken_rules(
    typed: pd.DataFrame, rows: pd.DataFrame, unread: dict[str, pd.Series], *, labelled: bool
) -> list[Violation]:
    """Ask pandera for every broken rule at once and turn its answer into violations."""
    try:
        _schema(typed, labelled=labelled).validate(typed, lazy=True)
    except pa.errors.SchemaErrors as error:
        cases = error.failure_cases
    else:
        return []
    cases = cases.assign(column=cases["column"].where(cases["check"] != TIME_ORDER, "outcome_at"))
    found: list[Violation] = []
    for (column, check), group in cases.groupby(["column", "check"], sort=False):
        mask = rows.index.isin(group["index"].unique())
        rule = str(check)
        if rule == "not_nullable":
            rule, mask = SETTLED if column in OUTCOME else PRESENT, mask & ~unread[column]
        found += violation_where(pd.Series(mask, index=rows.index), rows, column, rule)
    order = {name: place for place, name in enumerate(COLUMNS)}
    return sorted(found, key=lambda violation: order[violation.column])


def _half_open(
    typed: pd.DataFrame, rows: pd.DataFrame, unread: dict[str, pd.Series]
) -> list[Violation]:
    """Find rows with one half of an outcome; a cell that could not be read is no missing one."""
    found: list[Violation] = []
    if set(OUTCOME) <= set(typed):
        for name, other in (OUTCOME, OUTCOME[::-1]):
            missing = typed[name].isna() & ~unread[name] & rows[other].notna()
            found += violation_where(missing, rows, name, HALF_OPEN.format(other=other))
    return found


def _schema(typed: pd.DataFrame, *, labelled: bool) -> pa.DataFrameSchema:
    """Return the rules for the columns that are there."""
    columns = {
        name: pa.Column(
            nullable=name in MAY_BE_MISSING or (not labelled and name in OUTCOME),
            checks=_rules(name, typed[name]),
        )
        for name in typed
    }
    order = _check(lambda frame: ~(frame["outcome_at"] <= frame["applied_at"]), TIME_ORDER)
    return pa.DataFrameSchema(columns, checks=[order] if set(TIMES) <= set(typed) else [])


def _rules(name: str, column: pd.Series) -> list[pa.Check]:
    if name == "application_id":
        return [_check(lambda ids: ~ids.duplicated(keep=False), UNIQUE)]
    if name in TIMES:
        return [_span(EARLIEST, LATEST, f"must lie between {EARLIEST:%Y} and {LATEST:%Y}")]
    if name == TARGET:
        return [_check(lambda values: values.isin([0, 1]), "must be 0 (repaid) or 1 (defaulted)")]
    if name not in LIMITS:
        return []
    rules = [_span(*LIMITS[name], _in_words(name, column))]
    whole = _check(lambda values: values % 1 == 0, "must be a whole number")
    return [*rules, whole] if name == "num_credit_lines" else rules


def _in_words(name: str, column: pd.Series) -> str:
    low, high = LIMITS[name]
    if name in ("annual_income", "loan_amount"):
        return "must be above 0 (US dollars)"
    if name == "debt_to_income_ratio":
        hint = " (per cent by mistake? divide by 100)" if (column > high).any() else ""
        return f"must be a share between {low:g} and {high:g}{hint}"
    if name == "num_credit_lines":
        return f"must be a count between {low:,} and {high:,}"
    return f"must be between {low:g} and {high:g} years"


def _span(low: object, high: object, rule: str) -> pa.Check:
    return _check(lambda values: values.between(low, high), rule)


def _check(holds: Callable[..., pd.Series], rule: str) -> pa.Check:
    return pa.Check(holds, name=rule, error=rule)
