"""Two ways of doing one thing, timed in turn on this machine; a ratio and the bar it must meet.

    ratio = paired(slow, fast, times=7)
    figures.bar("loading again", ratio, at_least=100)

A second alone says something about a machine; the ratio of two times taken one after the other,
again and again, says something about the code.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field

__all__ = ["Figures", "Ratio", "paired", "seconds"]


@dataclass(frozen=True)
class Ratio:
    """The median of the pairs' ratios `first / second`, and the median seconds of each side."""

    value: float
    first: float
    second: float
    pairs: int


def seconds(work: Callable[[], object]) -> float:
    """How long `work` takes, once."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def paired(
    first: Callable[[], object],
    second: Callable[[], object],
    *,
    times: int = 5,
    warm: bool = True,
) -> Ratio:
    """Time both in turn, `times` pairs, the order swapped from pair to pair.

    `warm` runs each once before the clock starts: imports and caches are nobody's merit. Leave it
    out where the first call is what is measured.
    """
    if warm:
        first()
        second()
    pairs = []
    for number in range(times):
        if number % 2:
            later = seconds(second)
            pairs.append((seconds(first), later))
        else:
            pairs.append((seconds(first), seconds(second)))
    return Ratio(
        statistics.median(a / b for a, b in pairs),
        statistics.median(a for a, _ in pairs),
        statistics.median(b for _, b in pairs),
        times,
    )


@dataclass
class Figures:
    """The table that `make bench` prints; `bar` fails the test whose figure misses its bar."""

    rows: list[tuple[str, str, str, str]] = field(default_factory=list)

    def bar(
        self,
        name: str,
        ratio: Ratio,
        *,
        at_least: float | None = None,
        at_most: float | None = None,
    ) -> None:
        """Put a ratio into the table; AssertionError if it is beyond its bar."""
        low = float("-inf") if at_least is None else at_least
        high = float("inf") if at_most is None else at_most
        bars = [f"at least {at_least:g}"] if at_least is not None else []
        bars += [f"at most {at_most:g}"] if at_most is not None else []
        if not bars:
            raise ValueError(f"{name}: give at_least or at_most; a figure without a bar is a note.")
        met = low <= ratio.value <= high
        told = f"{ratio.first * 1000:,.1f} ms : {ratio.second * 1000:,.1f} ms"
        verdict = " and ".join(bars) + (": met" if met else ": MISSED")
        self.rows.append((name, f"{ratio.value:,.2f}", verdict, f"{told}, {ratio.pairs} pairs"))
        assert met, f"{name}: {ratio.value:.2f}, must be {' and '.join(bars)} ({told})"

    def note(self, name: str, value: float, unit: str, told: str = "") -> None:
        """Put a figure into the table that has no bar to meet, such as seconds for 10,000 rows."""
        self.rows.append((name, f"{value:,.3g} {unit}", "", told))

    def __str__(self) -> str:
        """The table, a line a figure, columns aligned."""
        head = ("figure", "value", "bar", "measured")
        table = [head, *self.rows]
        widths = [max(len(row[column]) for row in table) for column in range(len(head))]
        lines = ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) for row in table]
        lines.insert(1, "  ".join("-" * width for width in widths))
        return "\n".join(line.rstrip() for line in lines)
