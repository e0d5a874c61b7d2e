"""How a new champion is watched: for how long, how often, and what may go wrong."""

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

        Planned for applications that come evenly; infinite where no outcome can be known.
        """
        days = np.arange(1, self.looks + 1) * self.days / self.looks
        shares = np.clip(days - self.label_days, 0, None) / (self.days - self.label_days)
        return boundaries(tuple(shares.tolist()), error=self.error)
