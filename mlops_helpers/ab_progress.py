"""How far an experiment has come, and until when it goes on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

__all__ = ["Progress", "each_in_words"]


@dataclass(frozen=True)
class Progress:
    """How far an experiment has come.

    complete, needed: complete applications of the full split, by arm. arrives: in which month, at
    the traffic so far, every arm will have been given the applications it needs; None where no
    traffic tells.
    label_delay, end: the plan's.
    """

    complete: Mapping[str, int]
    needed: Mapping[str, int]
    arrives: pd.Timestamp | None
    label_delay: pd.Timedelta
    end: pd.Timestamp | None = None

    @property
    def reached(self) -> bool:
        """Whether every arm has its planned size."""
        return all(self.complete[arm] >= n for arm, n in self.needed.items())

    def in_words(self) -> str:
        """Until when to go on: the size, what is there, and when the last outcome can be known."""
        sizes = set(self.needed.values())
        if len(sizes) == 1:
            goal = f"{sizes.pop():,} complete applications an arm"
        else:
            goal = f"{each_in_words(self.needed)} complete applications"
        return f"{goal} (now {each_in_words(self.complete)}{self._when()})"

    def _when(self) -> str:
        if self.arrives is None:
            return ""
        if self.end is not None and self.arrives > self.end:
            return f"; the traffic so far does not bring them before the end, {_day(self.end)}"
        month_end = self.arrives.normalize() + pd.offsets.MonthBegin(1)
        return f"; about {_day(month_end + self.label_delay)} at the traffic so far"


def each_in_words(counts: Mapping[str, int]) -> str:
    """Counts of arms, one after the other."""
    return ", ".join(f"{arm} {n:,}" for arm, n in counts.items())


def _day(when: pd.Timestamp) -> str:
    return f"{when.day} {when:%B %Y}"
