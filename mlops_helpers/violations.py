"""A broken rule of the applications, in words: its column, how many rows, a few of them.

Whoever finds one makes a `Violation`; a `ContractError` says all of them at once.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pandas as pd

__all__ = [
    "EXAMPLES",
    "ContractError",
    "Violation",
    "missing_columns",
    "short",
    "violation_where",
]

EXAMPLES = 3
"""So many broken cells are shown of each rule."""


@dataclass(frozen=True)
class Violation:
    """One broken rule: its column, the rule, the number of rows breaking it, a few of them."""

    column: str
    rule: str
    count: int | None = None
    examples: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return one line: column, rule, rows and examples."""
        line = f"{self.column} {self.rule}".strip()
        if self.count is None:
            return line
        rows = "1 row" if self.count == 1 else f"{self.count:,} rows"
        return f"{line} – {rows}" + (f": {', '.join(self.examples)}" if self.examples else "")


class ContractError(ValueError):
    """Applications break the contract; the message lists every broken rule at once."""

    def __init__(self, violations: Sequence[Violation], *, source: str = "applications") -> None:
        """Keep the `violations` and say them all, under the name of the `source`."""
        self.violations = tuple(violations)
        self.source = source
        rules = "1 rule is" if len(violations) == 1 else f"{len(violations)} rules are"
        shown = any("(row " in example for v in violations for example in v.examples)
        where = " (row 1 is the first below the header)" if shown else ""
        super().__init__(
            "\n".join([f"{source}: {rules} broken{where}", *(f"  - {v}" for v in violations)])
        )


def missing_columns(present: Iterable[object], wanted: Iterable[str]) -> list[Violation]:
    """Return a violation for each wanted column that is absent, with the nearest name present."""
    names = [str(name) for name in present]
    found = []
    for name in wanted:
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
            hint = f" (is it the column {near[0]!r}?)" if near else ""
            found.append(Violation(name, f"must be a column of the file{hint}"))
    return found


def violation_where(mask: pd.Series, rows: pd.DataFrame, column: str, rule: str) -> list[Violation]:
    """Return one violation with count and examples if `mask` is true anywhere, else none.

    Rows are numbered from 1, the header not counted, by the frame's own index.
    """
    hits = rows.index[mask.to_numpy(dtype=bool)]
    if hits.empty:
        return []
    has_id = "application_id" in rows and column != "application_id"
    examples = []
    for place in hits[:EXAMPLES]:
        value = rows.at[place, column]
        name = f", {short(rows.at[place, 'application_id'])}" if has_id else ""
        examples.append(f"{short(value)} (row {place + 1}{name})")
    return [Violation(column, rule, len(hits), tuple(examples))]


def short(value: object) -> str:
    """Return a cell as it is shown in a message: at most 40 characters."""
    if isinstance(value, int) and value.bit_length() > 128:  # Python refuses to spell the largest
        return f"a whole number of {value.bit_length():,} bits"
    if pd.api.types.is_scalar(value) and pd.isna(value):
        return "(missing)"
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 40 else text[:37] + "…"
