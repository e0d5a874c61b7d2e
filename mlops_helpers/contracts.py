"""What an application must look like, and every way in which a file does not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

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
TIMES = ("applied_at", "outcome_at")
COLUMNS = ("application_id", "applied_at", *FEATURES, TARGET, "outcome_at")
MAY_BE_MISSING = ("age", "employment_length", "credit_history_length", "num_credit_lines")


@dataclass(frozen=True)
class Violation:
    """One broken rule: the column, what it says and must say, how many rows, and a few."""

    column: str
    rule: str
    count: int | None = None
    examples: tuple[str, ...] = ()


class ContractError(ValueError):
    """Applications break the contract; the message lists every broken rule at once."""

    def __init__(self, violations: Sequence[Violation], *, source: str = "applications") -> None:
        self.violations = tuple(violations)
        super().__init__("; ".join(f"{v.column} {v.rule}" for v in violations))


def validate_applications(frame: pd.DataFrame) -> object:
    """Placeholder."""
    return frame
