"""The gate before a promotion: named checks with evidence, and anything missing refuses.

A check is a function without arguments that returns a `Finding`. `run_checks` runs each of them,
and there is one way to pass: a Finding that says so, with figures that are numbers. An exception, a
forgotten return or a NaN is a refusal under the check's own name, never a gap in the table. A gate
that lets through what it could not compare is worse than none, because people trust it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from numbers import Real

import numpy as np
import pandas as pd

__all__ = [
    "Check",
    "Finding",
    "GateVerdict",
    "RowsSeen",
    "run_checks",
    "with_extra",
]


@dataclass(frozen=True)
class Finding:
    """What one check found: passed or not, why in words, and the figures if there are any.

    `value`, with `low` and `high` where it is estimated, was compared with `limit`.
    """

    passed: bool
    evidence: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    limit: float | None = None


Check = Callable[[], Finding]
FIGURES = ("value", "low", "high", "limit")
MOST_EXTRA = 100
LONGEST_NAME = 100
_UNKEEPABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
"""Control characters and halves of characters, which not every store can keep."""


@dataclass(frozen=True)
class RowsSeen:
    """Which applications a verdict was reached on, and the how-manieth it is about its version.

    digest: SHA-256 (hex) of their content, n: how many.
    earlier: verdicts about the version before this one; earlier_refused: how many refused.
    """

    digest: str = ""
    n: int = 0
    earlier: int = 0
    earlier_refused: int = 0

    def __str__(self) -> str:
        """In a few words, for the history."""
        words = f"{self.n:,} rows {self.digest[:8]}".rstrip()
        if self.earlier:
            words += f", {self.earlier} verdicts before, {self.earlier_refused} of them refused"
        return words


@dataclass(frozen=True)
class GateVerdict:
    """What the checks found about one version, and when in the registry's life they found it.

    findings: a pair of name and finding for each check, in order.
    compared_with: the champion of that moment (None: no champion).
    registry: name and address of the registry.
    champions: how often the champion had changed there; after another change it is out of date.
    rows: on which rows, and how many verdicts came before.
    """

    version: int
    compared_with: int | None
    findings: tuple[tuple[str, Finding], ...]
    registry: tuple[str, str] = ("", "")
    champions: int = 0
    rows: RowsSeen = field(default_factory=RowsSeen)

    @property
    def passed(self) -> bool:
        """True if there are checks and every one of them passed."""
        return bool(self.findings) and not self.refused_by

    @property
    def refused_by(self) -> list[str]:
        """Names of the checks that did not pass."""
        return [name for name, finding in self.findings if finding.passed is not True]

    @property
    def checks(self) -> pd.DataFrame:
        """A copy to look at: `check, passed, value, low, high, limit, evidence`, a row a check."""
        rows = [
            (name, found.passed, *(getattr(found, key) for key in FIGURES), found.evidence)
            for name, found in self.findings
        ]
        table = pd.DataFrame(rows, columns=["check", "passed", *FIGURES, "evidence"])
        return table.astype({"passed": bool} | dict.fromkeys(FIGURES, float))

    def objection(
        self, version: int, champion: int | None, registry: tuple[str, str], champions: int
    ) -> str:
        """Why this verdict does not let a version in as things are in its registry, or nothing."""
        if self.version != version:
            return f"the verdict is about version {self.version}"
        if not self.passed:
            told = (f"{name} ({f.evidence})" for name, f in self.findings if f.passed is not True)
            return "; ".join(told) or "no checks"
        if self.registry != registry:
            return (
                f"the verdict is about a version of {self.registry[0]!r} in another registry; "
                "run the gate again here"
            )
        if self.compared_with != champion:
            then = f"champion {self.compared_with}" if self.compared_with else "no champion"
            now = f"version {champion} serves" if champion else "nobody serves"
            return f"judged against {then}, but {now} now; run the gate again"
        if self.champions != champions:
            return "the champion was changed and changed back since; run the gate again"
        return ""


def with_extra(own: Mapping[str, Check], extra: Mapping[str, Check]) -> dict[str, Check]:
    """All the checks; ValueError if an extra one has the name of one of the gate's own.

    An extra check has a name of 1 to 100 characters, and there are at most 100 of them: what they
    find must fit into a store. TypeError unless they are a mapping from names to functions.
    """
    if not isinstance(extra, Mapping):
        raise TypeError(
            f"extra is a {type(extra).__name__}, must be a mapping from a name to a function "
            'without arguments that returns a Finding: {"earns money": my_check}.'
        )
    for name, check in extra.items():
        if not isinstance(name, str) or not callable(check):
            raise TypeError(f"extra has {name!r}: {check!r:.80}, must be a name and a function.")
        if not name.strip() or len(name) > LONGEST_NAME or _UNKEEPABLE.search(name):
            raise ValueError(
                f"extra has the name {name[:LONGEST_NAME]!r}, must be 1 to {LONGEST_NAME} "
                "characters that can be printed. Rename the check."
            )
    if len(extra) > MOST_EXTRA:
        raise ValueError(f"extra has {len(extra)} checks, must be at most {MOST_EXTRA}. Join some.")
    if taken := sorted(own.keys() & extra.keys()):
        raise ValueError(
            f"extra has {taken}, which the gate checks itself. Give your check another name: "
            "a check can be added, not replaced."
        )
    return {**own, **extra}


def run_checks(checks: Mapping[str, Check]) -> tuple[tuple[str, Finding], ...]:
    """Name and finding of each check, in order; whatever is not a clear pass is a refusal."""
    return tuple((str(name), _run(check)) for name, check in checks.items())


def _run(check: Check) -> Finding:
    """The finding with plain values: a bool, words on one line, finite figures or None."""
    try:
        found = check()
        if not isinstance(found, Finding):
            return Finding(False, f"evidence missing: the check returned {type(found).__name__}")
        figures = {key: getattr(found, key) for key in FIGURES}
        unknown = [key for key, figure in figures.items() if not _known(figure)]
        if unknown:
            return Finding(False, f"evidence missing: {', '.join(unknown)} is not a finite number")
        if not isinstance(found.evidence, str) or not found.evidence.strip():
            return Finding(False, "evidence missing: the check says nothing in words")
        passed = found.passed is True or found.passed is np.True_
        plain = {key: None if figure is None else float(figure) for key, figure in figures.items()}
        return Finding(passed, _plain(found.evidence), **plain)
    except Exception as error:  # noqa: BLE001 - shown in the table, and refuses the promotion
        return Finding(False, f"could not be checked: {_told(error)}")


def _told(error: Exception) -> str:
    """Kind and words of an error, also of one that fails when it is asked for its words."""
    try:
        return _plain(f"{type(error).__name__}: {error}")
    except Exception:  # noqa: BLE001 - the check is refused all the same
        return f"{type(error).__name__}, which cannot be put into words"


def _plain(words: str) -> str:
    """On one line, and nothing in it that a store cannot keep."""
    return _UNKEEPABLE.sub("\ufffd", " ".join(words.split()))


def _known(figure: object) -> bool:
    return figure is None or (isinstance(figure, Real) and math.isfinite(figure))
