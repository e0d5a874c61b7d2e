"""What the effects of an experiment mean: guardrails, a conclusion, and one or two sentences."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from mlops_helpers.ab_effects import primary_of
from mlops_helpers.ab_figures import ArmFigures
from mlops_helpers.business import in_dollars
from mlops_helpers.confidence_sequences import price
from mlops_helpers.experiment_plan import METRICS, ExperimentPlan
from mlops_helpers.sample_size import power, required_sample_size

__all__ = ["GUARDRAIL_COLUMNS", "Conclusion", "Progress", "conclude", "guardrail_states"]

Row = Mapping[str, Any]
Conclusion = Literal["deploy", "keep", "go on", "no conclusion"]
GUARDRAIL_COLUMNS = ("metric", "arm", "tolerance", "effect", "low", "high", "state")
_TITLES = {
    "profit_per_application": "profit per application",
    "default_rate_approved": "default rate among approved",
    "approval_rate": "approval rate",
    "auc_approved": "AUC among approved",
}
_COUNTED = {
    "profit_per_application": "applications",
    "default_rate_approved": "approved loans",
    "approval_rate": "applications",
}
_STATES = {"holds": "holds", "broken": "is broken", "open": "is not settled"}
_POINTS = " points"
_TARGET = 0.8  # the power that a longer test is told for


@dataclass(frozen=True)
class Progress:
    """How far an experiment has come.

    complete, needed: complete applications of the full split, by arm. arrives: when, at the traffic
    so far, every arm will have been given the applications it needs; None where no traffic tells.
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
            goal = f"{_each(self.needed)} complete applications"
        return f"{goal} (now {_each(self.complete)}{self._when()})"

    def _when(self) -> str:
        if self.arrives is None:
            return ""
        if self.end is not None and self.arrives > self.end:
            return f"; the traffic so far does not bring them before the end, {_day(self.end)}"
        month_end = self.arrives.normalize() + pd.offsets.MonthBegin(1)
        return f"; about {_day(month_end + self.label_delay)} at the traffic so far"


def guardrail_states(effects: Sequence[Row], plan: ExperimentPlan) -> list[Row]:
    """A row of `GUARDRAIL_COLUMNS` for each guardrail and treatment.

    state: *holds* when the whole interval of the effect is within the tolerance, *broken* when all
    of it is beyond, else *open*; without limits it is open.
    """
    rows = []
    for rail in plan.guardrails:
        better = METRICS[rail.metric].better
        for row in (row for row in effects if row["metric"] == rail.metric):
            low, high = sorted((better * row["low"], better * row["high"]))
            state = "open"
            if low > -rail.tolerance:
                state = "holds"
            elif high < -rail.tolerance:
                state = "broken"
            known = {**row, "tolerance": rail.tolerance, "state": state}
            rows.append({name: known[name] for name in GUARDRAIL_COLUMNS})
    return rows


def conclude(
    effects: Sequence[Row],
    guardrails: Sequence[Row],
    figures: Mapping[str, ArmFigures],
    plan: ExperimentPlan,
    progress: Progress,
) -> tuple[Conclusion, str]:
    """The conclusion and its sentences, by the rules of `ab_testing.analyze_sums`."""
    treatments = _treatments(effects, guardrails, plan)
    winners = [found for found in treatments if found.gains and not found.unsettled]
    decisive = progress.reached or plan.stop == "always valid"
    best = max((decisive and winners) or treatments, key=lambda found: (found.low, found.high))
    rest = "".join(f" And {_told(found, plan)}." for found in treatments if found is not best)
    if decisive and winners:
        told = f"Deploy {best.arm}: {_told(best, plan)}."
        return "deploy", told + _rails_told(best.rails, plan) + rest
    if all(found.out for found in treatments):
        return "keep", _kept(best, plan) + rest
    if not progress.reached:
        more = _rails_told(best.unsettled, plan) if best.gains or best.out else ""
        return "go on", f"Go on until {progress.in_words()}: {_told(best, plan)}.{more}{rest}"
    if not math.isfinite(best.row["low"]):
        return "no conclusion", (
            f"No conclusion: the {_TITLES[plan.primary]} has no interval, because its values are "
            "all the same or an arm has too few of them. Look at the outcomes themselves."
        )
    if best.gains or best.out:
        return "keep", _kept(best, plan) + rest
    told = f"Keep control: no gain was shown at the planned size; {_told(best, plan)}."
    return "keep", told + _power_told(best, figures, plan) + rest


@dataclass(frozen=True)
class _Treatment:
    """A treatment's primary effect, its interval turned so that above 0 is better, its guardrails.

    low is minus infinity, high infinity without limits.
    """

    arm: str
    row: Row
    low: float
    high: float
    rails: list[Row]

    @property
    def gains(self) -> bool:
        return self.low > 0

    @property
    def out(self) -> bool:
        """Surely worse, or surely beyond a guardrail."""
        return self.high < 0 or any(rail["state"] == "broken" for rail in self.rails)

    @property
    def unsettled(self) -> list[Row]:
        return [rail for rail in self.rails if rail["state"] != "holds"]


def _treatments(
    effects: Sequence[Row], guardrails: Sequence[Row], plan: ExperimentPlan
) -> list[_Treatment]:
    primary, better = primary_of(plan), METRICS[plan.primary].better
    found = []
    for row in (row for row in effects if row["metric"] == primary):
        limits = (-math.inf, math.inf)
        if math.isfinite(row["low"]):
            limits = tuple(sorted((better * row["low"], better * row["high"])))
        mine = [rail for rail in guardrails if rail["arm"] == row["arm"]]
        found.append(_Treatment(row["arm"], row, *limits, mine))
    return found


def _told(found: _Treatment, plan: ExperimentPlan) -> str:
    """The primary effect with its interval and sizes."""
    row, level = found.row, plan.alpha / (len(plan.arms) - 1)
    adjusted = row["metric"] != plan.primary
    title = _TITLES[plan.primary] + (f", adjusted for {plan.covariate}," if adjusted else "")
    always = ", valid at every look" if row["interval"] == "always valid" else ""
    return (
        f"{found.arm}'s {title} is {_change(plan.primary, row['effect'])} than control's "
        f"({_limits(plan.primary, row, level)}{always}; {row['n_control']:,} and "
        f"{row['n_treatment']:,} {_COUNTED[plan.primary]})"
    )


def _rails_told(rails: list[Row], plan: ExperimentPlan) -> str:
    """One sentence of the guardrails given; nothing without any."""
    told = [
        f"the {_TITLES[rail['metric']]} {_STATES[rail['state']]}, "
        f"{_change(rail['metric'], rail['effect'])} ({_limits(rail['metric'], rail, plan.alpha)}, "
        f"{_amount(rail['metric'], rail['tolerance'])} worse is allowed)"
        for rail in rails
    ]
    return f" Guardrails: {'; '.join(told)}." if told else ""


def _kept(found: _Treatment, plan: ExperimentPlan) -> str:
    """Why control stays although nothing is left to find out about this treatment."""
    worse, broken = found.high < 0, [r for r in found.rails if r["state"] == "broken"]
    reason = "that is surely worse" if worse else "but a guardrail does not hold"
    rails = _rails_told(broken if worse or broken else found.unsettled, plan)
    return f"Keep control: {_told(found, plan)}; {reason}.{rails}"


def _power_told(found: _Treatment, figures: Mapping[str, ArmFigures], plan: ExperimentPlan) -> str:
    """What chance the smallest effect had, and the size at which it would have had 80 %."""
    control, treatment = figures[plan.arms[0]], figures[found.arm]
    split = dict(zip(plan.arms, plan.experiment.split, strict=True))
    ratio = split[found.arm] / split[plan.arms[0]]
    better = METRICS[plan.primary].better
    effect = better * plan.smallest_effect
    n, outcome = control.n, {}
    if plan.primary == "profit_per_application":
        a, b = ((arm.adjusted or arm.profit).variance for arm in (control, treatment))
        outcome = {"sd": math.sqrt((a + b / ratio) / (1 + 1 / ratio))}  # as wide as Welch's
        possible = outcome["sd"] > 0
    else:
        if plan.primary == "default_rate_approved":
            n = control.approved
        outcome = {"rate": float(found.row["control"])}
        possible = 0 < outcome["rate"] < 1 and 0 < outcome["rate"] + effect < 1
    if not possible or n < 2:
        return ""
    alpha = plan.alpha / (len(plan.arms) - 1)
    always = found.row["interval"] == "always valid"
    options = {**outcome, "alpha": alpha, "ratio": ratio}
    options["width"] = price(alpha) if always else 1.0
    chance = power(n, effect, **options)
    needed = required_sample_size(effect, target=_TARGET, **options)
    return (
        f" A true effect of {_amount(plan.primary, plan.smallest_effect)} had a chance of "
        f"{100 * chance:.0f} % to be seen; for {100 * _TARGET:.0f} % control needs {needed:,} "
        f"{_COUNTED[plan.primary]}."
    )


def _change(metric: str, effect: float) -> str:
    if not math.isfinite(effect):
        return "not known against"
    return f"{_amount(metric, abs(effect))} {'lower' if effect < 0 else 'higher'}"


def _limits(metric: str, row: Row, alpha: float) -> str:
    low, high = row["low"], row["high"]
    if not math.isfinite(low):
        return "no interval yet"
    told = [f"{'-' if at < 0 else ''}{_amount(metric, abs(at))}" for at in (low, high)]
    told[0] = told[0].removesuffix(_POINTS)
    return f"{100 * (1 - alpha):g} % interval {told[0]} to {told[1]}"


def _amount(metric: str, size: float) -> str:
    unit = METRICS[metric].unit
    if unit == "$":
        return in_dollars(size)
    return f"{100 * size:.2f}{_POINTS}" if unit == "%" else f"{size:.3f}"


def _day(when: pd.Timestamp) -> str:
    return f"{when.day} {when:%B %Y}"


def _each(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{arm} {n:,}" for arm, n in counts.items())
