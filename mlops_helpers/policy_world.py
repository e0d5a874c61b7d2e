"""Three simulated years in which retraining pays and in which it is waste, with their truth.

A lender begins with a year and a half of quiet files, the last half of them without outcomes yet.
Then 36 months are lived through:

============================  =======  =======================================================
phase                         months   what happens
============================  =======  =======================================================
quiet                         1-9      nothing
recession                     10-15    other people apply; who defaults among them is as before
policy change                 16-21    the recession lasts, and other people default
policy change, feed broken    22-24    debt ratios arrive in per cent, a fifth of them lost
policy change, feed mended    25-36    the feed is right again; the broken rows stay on file
============================  =======  =======================================================
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from mlops_helpers.simulation import simulate_applications, true_default_probability
from mlops_helpers.worlds import seed_of

__all__ = ["BEGIN", "MONTHS", "PHASES", "WARM_UP_MONTHS", "Phase", "draw_years"]

WARM_UP_MONTHS = 18
MONTHS = 36
BEGIN = pd.Timestamp("2022-01-01", tz="UTC")
"""The first of the 36 months; the files begin `WARM_UP_MONTHS` earlier."""


@dataclass(frozen=True)
class Phase:
    """Months `first` to `last` (both included, 1 is the first after the warm-up) of one world."""

    name: str
    first: int
    last: int
    scenario: tuple[str, ...]

    @property
    def months(self) -> int:
        """How many months the phase lasts."""
        return self.last - self.first + 1


PHASES = (
    Phase("warm-up", 1 - WARM_UP_MONTHS, 0, ("quiet",)),
    Phase("quiet", 1, 9, ("quiet",)),
    Phase("recession", 10, 15, ("recession",)),
    Phase("policy change", 16, 21, ("recession", "policy change")),
    Phase("feed broken", 22, 24, ("recession", "policy change", "broken feed")),
    Phase("feed mended", 25, MONTHS, ("recession", "policy change")),
)


def draw_years(
    *, seed: int, per_month: int = 500, label_delay: pd.Timedelta | None = None
) -> pd.DataFrame:
    """Applications of the warm-up and the 36 months, `per_month` a month on average.

    Columns as in `simulate_applications`, and `phase`, `month` (1 to 36; 0 and below in the
    warm-up) and `true_probability`: P(default | x) for the true x, also where the feed shows
    another. In order of time; equal arguments give equal frames. `label_delay`: how long an outcome
    takes to be known, by default as in the simulation. Raises ValueError for `per_month` below 1
    and a delay that is not above 0.
    """
    if per_month < 1:
        raise ValueError(f"per_month == {per_month}, must be at least 1: nobody would apply.")
    if label_delay is not None and not label_delay > pd.Timedelta(0):
        raise ValueError(f"label_delay == {label_delay}, must be above 0: outcomes come later.")
    parts = [
        _phase(phase, seed=seed_of(seed, place), rows=per_month * phase.months)
        for place, phase in enumerate(PHASES)
    ]
    frame = pd.concat(parts, ignore_index=True)
    if label_delay is not None:
        frame["outcome_at"] = frame["applied_at"] + label_delay
    applied = frame["applied_at"].dt
    months = (applied.year - BEGIN.year) * 12 + applied.month - BEGIN.month + 1
    return frame.assign(month=months.astype("int64"))


def _phase(phase: Phase, *, seed: int, rows: int) -> pd.DataFrame:
    start = BEGIN + pd.DateOffset(months=phase.first - 1)
    drawing = {"seed": seed, "start": start, "months": phase.months}
    seen = simulate_applications(rows, scenario=phase.scenario, **drawing)
    world = tuple(name for name in phase.scenario if name != "broken feed")
    # The same seed draws the same people: with the feed whole they show what is true of them.
    whole = (
        simulate_applications(rows, scenario=world, **drawing) if world != phase.scenario else seen
    )
    truth = true_default_probability(whole, scenario=world)
    return seen.assign(true_probability=truth, phase=phase.name)
