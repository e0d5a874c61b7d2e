"""A/B tests of two or more models on live decisions: the analysis of what they earned.

An experiment assigns each application to an arm by a hash (`assignment`), decides with that arm's
model (`routing`), waits for the outcomes of what was approved, and compares the arms by the rules
of a plan that was fixed before (`experiment_plan`). The analysis needs sums only
(`exposure_sums`); effects are in `ab_effects`, the words in `ab_verdict`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from mlops_helpers.ab_effects import EFFECT_COLUMNS, Kind, effects
from mlops_helpers.ab_figures import ADJUSTED, LEVEL_COLUMNS, arm_figures, levels
from mlops_helpers.ab_mismatch import SRM_ALPHA, SrmCheck, check_ratio
from mlops_helpers.ab_progress import Progress
from mlops_helpers.ab_sample import Sample, sample_of
from mlops_helpers.ab_verdict import (
    GUARDRAIL_COLUMNS,
    Conclusion,
    conclude,
    guardrail_states,
)
from mlops_helpers.assignment import Experiment
from mlops_helpers.business import CostModel
from mlops_helpers.experiment_plan import METRICS, ExperimentPlan, Guardrail
from mlops_helpers.exposure_sums import ExposureSums, from_rows
from mlops_helpers.lifecycle import Stage

__all__ = [
    "ADJUSTED",
    "EFFECT_COLUMNS",
    "METRICS",
    "SRM_ALPHA",
    "Analysis",
    "Experiment",
    "ExperimentPlan",
    "ExposureSums",
    "Guardrail",
    "SrmCheck",
    "analyze",
    "analyze_sums",
    "check_ratio",
    "contenders",
    "from_rows",
]


@dataclass(frozen=True)
class Analysis:
    """What an experiment showed, and the rows it rests on.

    left_out: rows that were not compared, by reason; each row has one.
    fallbacks: compared rows of each arm that another version than the arm's answered; they stay in
    their arm (intention to treat). missing: approved loans of each arm whose outcome is due but
    not known, of the complete months.
    effects: `EFFECT_COLUMNS` for each metric and treatment. arms: variant, metric, value, low,
    high, n for each arm and metric, by itself. guardrails: metric, arm, tolerance, effect, low,
    high, state. The three are empty when nothing was compared.
    experiment: the name of the plan's.
    """

    conclusion: Conclusion
    sentence: str
    srm: SrmCheck
    left_out: dict[str, int]
    fallbacks: dict[str, int]
    missing: dict[str, int]
    effects: pd.DataFrame = field(compare=False)
    arms: pd.DataFrame = field(compare=False)
    guardrails: pd.DataFrame = field(compare=False)
    experiment: str


def contenders(
    *, champion: int | None, challenger: int | None, previous: int | None
) -> tuple[int, int]:
    """Versions of control and treatment: what served before, and the newer one.

    A challenger that was not promoted is tested against the champion; without one, the champion is
    tested against the version that served before it. Raises ValueError when there is no pair.
    """
    pair = (champion, challenger) if challenger is not None else (previous, champion)
    if None in pair or pair[0] == pair[1]:
        raise ValueError(
            f"champion is {champion}, challenger {challenger}, previous {previous}: an experiment "
            "needs two versions. Train a challenger first (notebook 04)."
        )
    return pair


def analyze(
    exposures: pd.DataFrame,
    plan: ExperimentPlan,
    *,
    as_of: pd.Timestamp,
    stages: Sequence[Stage] | None = None,
    costs: CostModel | None = None,
) -> Analysis:
    """:func:`analyze_sums` of exposures in memory, see `exposure_sums.from_rows`."""
    sums = from_rows(exposures, plan, as_of=as_of, stages=stages)
    return analyze_sums(sums, plan, costs=costs)


def analyze_sums(
    sums: ExposureSums, plan: ExperimentPlan, *, costs: CostModel | None = None
) -> Analysis:
    """Compare the arms of an experiment by what happened, by the rules of its plan.

    First the data. No conclusion is allowed by arms of another size than planned (over all
    stages), by approved loans that miss their outcomes more often in one arm than in another, both
    at `SRM_ALPHA`, or by more than `MOST_MISSING` of an arm's due outcomes missing. Then the
    applications of complete months and of the full split are compared, each in the arm it was
    assigned to, whoever answered.

    *fixed size*: before every arm has its planned size all intervals are always-valid ones and the
    conclusion is *go on*, or *keep* if every treatment is surely worse or beyond a guardrail. At
    the size the intervals are those of one test: *deploy* if the primary effect is surely better,
    even if all missing outcomes spoke for control, and every guardrail holds, else *keep*.
    *always valid*: the sequence decides so at every look, and at the size it ends with *keep*.
    At the size only the months until then are compared (`exposure_sums.last_month`), so a later
    analysis is the same test, unless outcomes or units changed that should not have.
    *go on* also before any outcome. *no conclusion* also for an empty arm, nobody approved, or a
    primary effect without an interval (`MIN_DEFAULTS`, or no spread).
    """
    if sums.experiment not in (None, plan.name):
        raise ValueError(
            f"the sums are of experiment {sums.experiment!r}, the plan is {plan.name!r}'s. Make "
            "the sums with this plan."
        )
    if sums.covariate != plan.covariate:
        raise ValueError(
            f"the sums are of the covariate {sums.covariate!r}, the plan's is {plan.covariate!r}. "
            "Make the sums with this plan."
        )
    sample = sample_of(sums, plan)
    if problem := sample.mismatch() or sample.uneven_outcomes() or sample.lost_outcomes():
        return _nothing(plan, "no conclusion", f"No conclusion: {problem}", sample)
    progress = Progress(sample.complete, plan.needed(), sample.arrives, plan.label_delay, plan.end)
    if problem := sample.too_little():
        if sample.waiting and not progress.reached:
            return _nothing(plan, "go on", f"Go on until {progress.in_words()}: {problem}", sample)
        return _nothing(plan, "no conclusion", f"No conclusion: {problem}", sample)
    costs = costs or CostModel()
    figures = arm_figures(sums, plan, costs)
    fixed = plan.stop == "fixed size" and progress.reached
    kind: Kind = "fixed" if fixed else "always valid"
    found = effects(figures, plan, kind)
    rails = guardrail_states(found, plan)
    worst: list[dict[str, Any]] = []
    if any(sample.missing.values()):
        worst = effects(arm_figures(sums, plan, costs, worst=True), plan, kind)
    conclusion, sentence = conclude(found, rails, figures, plan, progress, worst)
    if any(sample.missing.values()):
        sentence += f" Left out, because their outcome is missing: {sample.missing_told()}."
    frames = (found, levels(figures, plan.alpha), rails)
    return _analysis(plan, conclusion, sentence, sample, *frames)


def _nothing(
    plan: ExperimentPlan, conclusion: Conclusion, sentence: str, sample: Sample
) -> Analysis:
    return _analysis(plan, conclusion, sentence, sample, [], [], [])


def _analysis(
    plan: ExperimentPlan,
    conclusion: Conclusion,
    sentence: str,
    sample: Sample,
    *rows: Sequence[Mapping[str, Any]],
) -> Analysis:
    who = (sample.srm, sample.left_out, sample.fallbacks, sample.missing)
    columns = (EFFECT_COLUMNS, LEVEL_COLUMNS, GUARDRAIL_COLUMNS)
    frames = (
        pd.DataFrame({name: [row[name] for row in part] for name in names})
        for part, names in zip(rows, columns, strict=True)
    )
    return Analysis(conclusion, sentence, *who, *frames, experiment=plan.name)
