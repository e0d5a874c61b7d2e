"""The limits of the gate, agreed before anybody looks at a candidate, and what they let through.

Two kinds of rule. Where rows enough can be had, the candidate must prove that it is within the
limit with its whole 95 % interval: AUC against baseline and champion, level, profit. A model
exactly at the limit is then approved in 2.5 % of samples. Where they cannot be had (the slope, a
group of applicants) the check refuses what is surely beyond the limit, and what too few rows can
say nothing about; the slope must be known to `slope_reach`, and a group of fewer than 20 of each
class is named, not judged.

The limits are wide, because default rates move: on LendingClub's loans of 2009 every model promised
21.5 % and 14.1 % defaulted. They are to stop a broken model, not to find the best one. Approved in
800 drawn holdouts by each check alone, at the limits below (`tests/benchmarks/coverage_gate.py`):
A with 4,000 rows and an AUC of 0.72, B with 1,587 rows and an AUC of 0.60.

===========  =======================================  =====  =====
check        model                                      A      B
===========  =======================================  =====  =====
calibration  right                                    1.000  1.000
calibration  promises 1.5 times the defaults          1.000  0.990
calibration  promises twice the defaults              0.005  0.022
calibration  promises half the defaults               0.013  0.022
calibration  odds doubled                             0.988  0.631
calibration  odds tripled                             0.000  0.000
calibration  over-confident, log-odds times 2         0.000  0.212
calibration  timid, log-odds halved                   0.000  0.000
champion     as good, with errors of its own          0.958  0.634
champion     AUC worse by the margin, 0.02            0.029  0.015
champion     AUC worse by twice the margin            0.000  0.003
segments     as good, with errors of its own          1.000  1.000
segments     AUC worse by 0.05 for half the people    0.999  0.998
segments     knows nothing about half the people      0.000  0.000
profit       as good, with errors of its own          0.960  0.943
profit       $75 an application worse                 0.034  0.011
===========  =======================================  =====  =====

The rows of the segments are from before small groups got an exact interval; 150 draws since gave
1.000 in all four cells of the first two, and the third was not drawn again.

What it cannot do: on few loans of little spread (B) one over-confident model in five passes, a
third of the equally good ones is sent back for more loans, and a group has to fare much worse than
0.05 before that is sure.

Groups may be single people: with 20 or 50 words that one applicant each wrote (3,000 rows, default
rates of 0.05 and 0.12) the right probabilities were refused in none of 80 holdouts each. The price:
300 people promised a third of their defaults are found in 21 of 100 holdouts (200 drawn), a quarter
of them in 79, three times too many in 32.

One verdict is one look. A model worse by the margin passes the champion's check in about 2 % of
holdouts (A, 400 drawn). Tried on random 70 % parts of the same holdout it passes at least one of 5
in 8 %, one of 20 in 14 %; and of 20 such models, judged on one holdout, at least one passes in 29 %
(250 drawn). No limit here mends that: agree on the rows before, judge once, and after a refusal
judge on new loans.

The limits of slope and profit were set with both data sets in view (profit from $25 to $75, because
the intervals reach about $40; the slope from 0.5-2 inwards, because too many over-confident models
passed), so that a sensible model passes on these two says nothing new; the table above does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from numbers import Real

from mlops_helpers.business import CostModel

__all__ = ["GatePolicy"]


@dataclass(frozen=True)
class GatePolicy:
    """What a version must surely keep before it may serve.

    margin: AUC that a new champion may lose on the same rows, from 0 to below 0.5.
    level: factor, above 1, by which defaults may differ from the sum of the probabilities.
    slope_low, slope_high: limits of the calibration slope (1: right, below 1: too extreme).
    slope_reach: how well the slope must be known, half the width of its interval at most.
    segment_margin: AUC that a new champion may lose in any one group of applicants.
    profit_margin: dollars per application that a new champion may earn less.
    cutoff: applications are approved below it; None: the break-even point of `costs`.
    max_megabytes, max_milliseconds: size of the model file, time to score one application.
    costs: what a repaid dollar earns and a defaulted one loses.

    Each limit has a widest value beyond which its check would let nearly everything through (a
    factor of 10, $1,000 an application, a minute); ValueError names it.
    """

    margin: float = 0.02
    level: float = 2.0
    slope_low: float = 0.75
    slope_high: float = 1.33
    slope_reach: float = 0.5
    segment_margin: float = 0.05
    profit_margin: float = 75.0
    cutoff: float | None = None
    max_megabytes: float = 100.0
    max_milliseconds: float = 250.0
    costs: CostModel = field(default_factory=CostModel)

    def __post_init__(self) -> None:
        """Refuse limits that let everything or nothing through."""
        _within("margin", self.margin, 0, 0.5, "the AUC that may be lost")
        _within("segment_margin", self.segment_margin, 0, 0.5, "the AUC a group may lose")
        _within("level", self.level, 1, 10, "a factor", open_low=True)
        _within("slope_low", self.slope_low, 0.1, 1, "a slope")
        _within("slope_high", self.slope_high, 1, 10, "a slope", open_low=True)
        _within("slope_reach", self.slope_reach, 0, 1, "half a width", open_low=True)
        _within("profit_margin", self.profit_margin, 0, 1000, "dollars per application")
        if self.cutoff is not None:
            _within("cutoff", self.cutoff, 0, 1, "a probability", open_low=True)
        _within("max_megabytes", self.max_megabytes, 0, 10_000, "a size", open_low=True)
        _within("max_milliseconds", self.max_milliseconds, 0, 60_000, "a time", open_low=True)
        if not isinstance(self.costs, CostModel):
            raise TypeError(
                f"costs is a {type(self.costs).__name__}, must be a business.CostModel. "
                "Give CostModel(margin=…, loss_given_default=…)."
            )

    @property
    def approve_below(self) -> float:
        """The cut-off that decisions are judged at."""
        return self.costs.break_even if self.cutoff is None else self.cutoff


def _within(
    name: str, value: object, low: float, high: float, what: str, *, open_low: bool = False
) -> None:
    """ValueError unless `value` is a number from `low` (or above it) to below `high`."""
    number = isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)
    if number and low <= value < high and not (open_low and value == low):
        return
    lower = f"above {low:g}" if open_low else f"from {low:g}"
    raise ValueError(
        f"{name} is {value!r}, must be {what} {lower} to below {high:,g}. "
        f"Leave it out for {GatePolicy.__dataclass_fields__[name].default!r}."
    )
