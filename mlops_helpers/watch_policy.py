"""How a new champion is watched: for how long, how often, and what may go wrong.

What to expect of the watch below, measured with `watching.error_rates` on 6,000 applications a year
of which one in seven defaults, 300 watches a line (seed=1, gains in the order of the table; 1,500
with seed=2 of the equal champion); the other rule takes the same looks and believes each at 5 %:

=================  ===================  =================  =================  ===========
champion is        loses $/application  rolled back        every look at 5 %  median look
=================  ===================  =================  =================  ===========
better, AUC +0.02                  -30  0.3 % [0.1, 1.9]   0.7 % [0.2, 2.4]             6
equal                                0  4.2 % [3.3, 5.3]   10.3 % [8.9, 12]             6
worse, AUC -0.01                    15  17 % [13, 22]      26 % [21, 31]                6
worse, AUC -0.02                    29  43 % [38, 49]      53 % [48, 59]                6
worse, AUC -0.03                    44  69 % [63, 74]      76 % [71, 80]                5
worse, AUC -0.04                    58  85 % [81, 89]      88 % [84, 91]                5
worse, AUC -0.06                    85  99 % [97, 99]      99 % [97, 100]               5
=================  ===================  =================  =================  ===========

With outcomes after 30 days and twelve looks (400 watches) the equal champion goes in 5.3 % [3.5,
7.9], and in 18 % [15, 22] where every look is believed. Profit alone (primary="profit") finds 60 %
[47, 71] of the champions that lose $58 (60 watches; the seeds of these two were not kept).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from mlops_helpers.spending import boundaries

__all__ = ["Metric", "WatchPolicy"]

Metric = Literal["profit", "auc", "brier"]


@dataclass(frozen=True)
class WatchPolicy:
    """How long a new champion is watched, how often it is looked at, and what may go wrong.

    days: length of the watch; the looks are spread evenly over it.
    label_days: how long an outcome takes; at a look, applications older than that are judged.
    error: chance that a champion no worse than the one before is rolled back, over all looks.
    primary: what decides. With auc or brier, which need fewer loans than profit does, a champion
        whose decisions earned no less than those of the one before is not rolled back either.
    """

    days: int = 365
    looks: int = 6
    label_days: int = 182
    error: float = 0.05
    primary: Metric = "brier"
    min_rows: int = 300
    min_defaults: int = 30

    def __post_init__(self) -> None:
        """Refuse watches that cannot be."""
        whole = ("days", "looks", "label_days", "min_rows", "min_defaults")
        for name in whole:
            value, least = getattr(self, name), 0 if name == "label_days" else 1
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise ValueError(f"{name} is {value!r}, must be a whole number from {least} up.")
        if not 0 < self.error < 0.5:
            raise ValueError(f"error is {self.error!r}, must lie between 0 and 0.5, e.g. 0.05.")
        if self.label_days >= self.days:
            raise ValueError(
                f"label_days is {self.label_days} and the watch has {self.days} days: it would end "
                "before the first outcome. Watch for longer."
            )
        if self.primary not in get_args(Metric):
            allowed = ", ".join(get_args(Metric))
            raise ValueError(f"primary is {self.primary!r}, must be one of {allowed}.")

    def look_at(self, days: float) -> int:
        """The look that is due so many days after the promotion: 0 before the first.

        Take each look once: to repeat one with more outcomes is a look that nobody planned.
        """
        return int(np.clip(np.floor(days * self.looks / self.days + 1e-9), 0, self.looks))

    @property
    def z(self) -> tuple[float, ...]:
        """How many standard errors worse the champion must be at each look to be rolled back.

        Planned for applications that come evenly; infinite where no outcome can be known. If most
        come late (outcomes as the square of the planned share) the error is 5.5 % in place of 5 %;
        however they come, it is at most the sum over the looks, 6.6 %.
        """
        days = np.arange(1, self.looks + 1) * self.days / self.looks
        shares = np.clip(days - self.label_days, 0, None) / (self.days - self.label_days)
        return boundaries(tuple(shares.tolist()), error=self.error)
