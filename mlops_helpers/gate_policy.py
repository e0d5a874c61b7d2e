"""The limits of the gate, agreed before anybody looks at a candidate."""

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
        _within("level", self.level, 1, math.inf, "a factor above 1", open_low=True)
        _within("slope_low", self.slope_low, 0, 1, "a slope below 1", open_low=True)
        _within("slope_high", self.slope_high, 1, math.inf, "a slope above 1", open_low=True)
        _within("slope_reach", self.slope_reach, 0, 1, "half a width", open_low=True)
        _within("profit_margin", self.profit_margin, 0, math.inf, "dollars per application")
        if self.cutoff is not None:
            _within("cutoff", self.cutoff, 0, 1, "a probability", open_low=True)
        _within("max_megabytes", self.max_megabytes, 0, math.inf, "megabytes", open_low=True)
        _within("max_milliseconds", self.max_milliseconds, 0, math.inf, "a time", open_low=True)
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
    upper = "" if math.isinf(high) else f" to below {high:g}"
    raise ValueError(f"{name} is {value!r}, must be {what}: {lower}{upper}.")
