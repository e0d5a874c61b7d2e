"""What the effects of an experiment mean: guardrails, a conclusion, and one or two sentences."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from mlops_helpers.ab_effects import MIN_DEFAULTS, primary_of
from mlops_helpers.ab_figures import ArmFigures
from mlops_helpers.ab_progress import Progress, each_in_words
from mlops_helpers.business import in_dollars
from mlops_helpers.confidence_sequences import price
from mlops_helpers.experiment_plan import METRICS, ExperimentPlan
from mlops_helpers.sample_size import power, required_sample_size

__all__ = ["GUARDRAIL_COLUMNS", "Conclusion", "conclude", "guardrail_states"]

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
_UNSURE = (
    "But it is not sure: if the loans whose outcome is missing had defaulted in the treatment and "
    "been repaid in control, the gain would not be shown."
)
_TARGET = 0.8  # the power that a longer test is told for


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
    worst: Sequence[Row] = (),
) -> tuple[Conclusion, str]:
    """The conclusion and its sentences, by the rules of `ab_testing.analyze_sums`.

    worst: effects as they were if all missing outcomes spoke for control; empty if none is missing.
    """
    treatments = _treatments(effects, guardrails, plan)
    sure = {found.arm for found in _treatments(worst or effects, (), plan) if found.gains}
    winners = [f for f in treatments if f.gains and not f.unsettled and f.arm in sure]
    decisive = progress.reached or plan.stop == "always valid"
    best = max((decisive and winners) or treatments, key=lambda found: (found.low, found.high))
    rest = "".join(_also(found, plan) for found in treatments if found is not best)
    if decisive and winners:
        told = f"Deploy {best.arm}: {_told(best, plan)}."
        return "deploy", told + _rails_told(best.rails, plan) + rest
    if all(found.out for found in treatments):
        return "keep", _kept(best, plan) + rest
    if not progress.reached:
        more = _rails_told(best.unsettled, plan) if best.gains or best.out else ""
        if decisive and best.gains and not best.unsettled:
            more = f" {_UNSURE}"
        return "go on", f"Go on until {progress.in_words()}: {_told(best, plan)}.{more}{rest}"
    if not math.isfinite(best.row["low"]):
        return "no conclusion", _without_limits(best, figures, plan)
    if best.gains and not best.unsettled:
        return "keep", f"Keep control: {_told(best, plan)}. {_UNSURE}{rest}"
    if best.gains or best.out:
        power_told = [
            _power_of_rail(rail, best, figures, plan)
            for rail in best.rails
            if best.gains and rail["state"] == "open"
        ]
        return "keep", _kept(best, plan) + "".join(power_told) + rest
    told = f"Keep control: no gain was shown at the planned size; {_told(best, plan)}."
    return "keep", told + _power_of_gain(best, figures, plan) + rest


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
    level = plan.alpha / (len(plan.arms) - 1)
    told = [
        f"the {_TITLES[rail['metric']]} {_STATES[rail['state']]}, "
        f"{_change(rail['metric'], rail['effect'])} ({_limits(rail['metric'], rail, level)}, "
        f"{_amount(rail['metric'], rail['tolerance'])} worse is allowed)"
        for rail in rails
    ]
    return f" Guardrails: {'; '.join(told)}." if told else ""


def _also(found: _Treatment, plan: ExperimentPlan) -> str:
    """A sentence of a treatment that does not decide; one of its own if it should be stopped."""
    told = f" And {_told(found, plan)}"
    if not found.out:
        return told + "."
    why = "surely worse" if found.high < 0 else "beyond a guardrail"
    return f"{told}; that is {why}: to stop it, complete this experiment and draft one without it."


def _without_limits(
    found: _Treatment, figures: Mapping[str, ArmFigures], plan: ExperimentPlan
) -> str:
    """Why there is no interval at the planned size."""
    of_loans = plan.primary == "profit_per_application" and found.row["interval"] == "fixed"
    defaults = {arm: figures[arm].defaults for arm in (plan.arms[0], found.arm)}
    reason = "its values are all the same or an arm has too few of them. Look at the outcomes"
    if of_loans and min(defaults.values()) < MIN_DEFAULTS:
        reason = (
            f"there are too few defaults: {each_in_words(defaults)}, and {MIN_DEFAULTS} are "
            "needed in each arm. Look at the outcomes"
        )
    title = _TITLES[plan.primary]
    return f"No conclusion: the {title} has no interval, because {reason} themselves."


def _kept(found: _Treatment, plan: ExperimentPlan) -> str:
    """Why control stays although the treatment surely gains, or because it is surely out."""
    worse, broken = found.high < 0, [r for r in found.rails if r["state"] == "broken"]
    reason = "but a guardrail is broken" if broken else "but a guardrail is not settled"
    if worse:
        reason = "that is surely worse"
    rails = _rails_told(broken if worse or broken else found.unsettled, plan)
    return f"Keep control: {_told(found, plan)}; {reason}.{rails}"


def _power_of_gain(
    found: _Treatment, figures: Mapping[str, ArmFigures], plan: ExperimentPlan
) -> str:
    """What chance the smallest effect had, and the size at which it would have had 80 %."""
    effect = METRICS[plan.primary].better * plan.smallest_effect
    chance = _chance(plan.primary, effect, found, figures, plan)
    size = _amount(plan.primary, plan.smallest_effect)
    told = f" A true effect of {size} had a chance of {chance[0]} to be seen; {chance[1]}."
    return told if chance[0] else ""


def _power_of_rail(
    rail: Row, found: _Treatment, figures: Mapping[str, ArmFigures], plan: ExperimentPlan
) -> str:
    """What chance an open guardrail had to hold if nothing had changed, and the size for 80 %."""
    metric = rail["metric"]
    worse = -METRICS[metric].better * rail["tolerance"]
    chance = _chance(metric, worse, found, figures, plan)
    title = _TITLES[metric]
    told = f" Unchanged, the {title} had a chance of {chance[0]} to hold; {chance[1]}."
    return told if chance[0] else ""


def _chance(
    metric: str,
    effect: float,
    found: _Treatment,
    figures: Mapping[str, ArmFigures],
    plan: ExperimentPlan,
) -> tuple[str, str]:
    """The power to tell an effect from none, and the size for 80 %; empty if there is none."""
    control, treatment = figures[plan.arms[0]], figures[found.arm]
    split = dict(zip(plan.arms, plan.experiment.split, strict=True))
    ratio = split[found.arm] / split[plan.arms[0]]
    if metric == "auc_approved":
        return "", ""
    if metric == "profit_per_application":
        n = control.n
        a, b = ((arm.adjusted or arm.profit).variance for arm in (control, treatment))
        outcome = {"sd": math.sqrt((a + b / ratio) / (1 + 1 / ratio))}  # as wide as Welch's
        possible = outcome["sd"] > 0
    else:
        yes, n = control.granted, control.complete
        if metric == "default_rate_approved":
            yes, n = control.defaults, control.approved
        outcome = {"rate": yes / max(n, 1)}
        possible = 0 < outcome["rate"] < 1 and 0 < outcome["rate"] + effect < 1
    if not possible or n < 2:
        return "", ""
    alpha = plan.alpha / (len(plan.arms) - 1)
    always = found.row["interval"] == "always valid"
    options = {**outcome, "alpha": alpha, "ratio": ratio}
    options["width"] = price(alpha) if always else 1.0
    chance = power(n, effect, **options)
    needed = required_sample_size(effect, target=_TARGET, **options)
    least, most = ("at least ", "at most ") if always else ("", "")  # it looks more than once
    goal = f"for {100 * _TARGET:.0f} % control needs {most}{needed:,} {_COUNTED[metric]}"
    return f"{least}{100 * chance:.0f} %", goal


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
