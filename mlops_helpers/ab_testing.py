"""A/B tests of two models on live decisions: assignment, and an analysis of outcomes.

An experiment assigns each application to an arm by a hash, decides with that arm's model, waits
for the outcomes of what was approved, and compares what the arms earned. The plan is in
`assignment`, its size in `sample_size`; both are offered from here as well.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import pandas as pd

from mlops_helpers.assignment import Experiment, ratio_p_value
from mlops_helpers.business import CostModel, in_dollars, p_in_words, profit_interval
from mlops_helpers.durations import duration, duration_table, plan_sentence, planned_size
from mlops_helpers.sample_size import (
    power,
    power_table,
    required_sample_size,
    smallest_detectable_effect,
    typical_spread,
)
from mlops_helpers.two_samples import newcombe, welch, wilson

__all__ = [
    "Analysis",
    "Experiment",
    "SrmCheck",
    "analyze",
    "check_ratio",
    "contenders",
    "duration",
    "duration_table",
    "plan_sentence",
    "planned_size",
    "power",
    "power_table",
    "required_sample_size",
    "smallest_detectable_effect",
    "typical_spread",
]

SRM_ALPHA = 0.001
Conclusion = Literal["deploy", "keep", "undecided", "no conclusion"]


@dataclass(frozen=True)
class SrmCheck:
    """Whether the arms got the shares that were planned (sample-ratio mismatch)."""

    counts: dict[str, int]
    expected: dict[str, float]
    p_value: float
    passed: bool

    @property
    def table(self) -> pd.DataFrame:
        """Columns variant, n, planned: one row for each arm."""
        return pd.DataFrame(
            {
                "variant": list(self.counts),
                "n": list(self.counts.values()),
                "planned": list(self.expected.values()),
            }
        )


@dataclass(frozen=True)
class Analysis:
    """What an experiment showed, and the rows it rests on.

    effects: one row for each metric and treatment arm: metric, arm, control, treatment, effect
    (treatment minus control), low, high, n_control, n_treatment.
    arms: one row for each arm and metric: variant, metric, value, low, high, n.
    left_out: rows that were not analysed, by reason.
    Both frames are empty when the conclusion is *no conclusion*.
    """

    conclusion: Conclusion
    sentence: str
    srm: SrmCheck
    left_out: dict[str, int]
    effects: pd.DataFrame = field(compare=False)
    arms: pd.DataFrame = field(compare=False)


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


def check_ratio(
    counts: dict[str, int], experiment: Experiment, *, alpha: float = SRM_ALPHA
) -> SrmCheck:
    """Test of the arms' counts against the planned split (`ratio_p_value`); fails below `alpha`.

    A mismatch means that something besides chance decided who is in the data. No analysis can
    mend that. Without any unit the check fails with p-value NaN.
    """
    seen = {arm: int(counts.get(arm, 0)) for arm in experiment.arms}
    total = sum(seen.values())
    planned = {a: share * total for a, share in zip(experiment.arms, experiment.split, strict=True)}
    if total == 0:
        return SrmCheck(seen, planned, float("nan"), False)
    p_value = ratio_p_value(list(seen.values()), experiment.split)
    return SrmCheck(seen, planned, p_value, p_value >= alpha)


def analyze(
    exposures: pd.DataFrame,
    experiment: Experiment,
    *,
    as_of: pd.Timestamp,
    label_delay: pd.Timedelta,
    costs: CostModel | None = None,
    alpha: float = 0.05,
    smallest_effect: float = 25.0,
) -> Analysis:
    """Compare the arms of an experiment by what happened, as known at `as_of`.

    `exposures` has a row for each scored application: application_id, variant, scored_at, decision
    ("approve" / "decline"), loan_amount, default (missing where not known). Mismatch is checked
    first, on all of them; if it fails there are no effects. Then months of applications whose
    outcomes cannot all be known at `as_of` (month end + `label_delay`) are left out whole, in both
    arms; so are approved loans that still lack their outcome. The primary metric is profit per
    application (Welch); default rate among approved and approval rate (Newcombe) stand beside it.
    With k treatment arms each interval has level ``1 - alpha / k``.

    *deploy*: the best treatment's profit interval lies above 0. *keep*: every one lies below 0.
    *undecided*: otherwise, with the size needed to see `smallest_effect` dollars per application,
    planned anew with the spread of these rows.
    *no conclusion*: mismatch, an empty arm, or no outcome.
    """
    costs = costs or CostModel()
    units, left_out = _one_arm_each(exposures, experiment)
    srm = check_ratio(units["variant"].value_counts().to_dict(), experiment)
    if problem := _mismatch(srm):
        return _none(problem, srm, left_out)
    rows = _complete(units, as_of, label_delay, left_out)
    if problem := _too_little(rows, experiment):
        return _none(problem, srm, left_out)
    rows = rows.assign(
        taken=(rows["decision"] == "approve").to_numpy(dtype=bool),
        profit=costs.profit(rows["loan_amount"], rows["default"], rows["decision"] == "approve"),
    )
    parts = {arm: rows[rows["variant"] == arm] for arm in experiment.arms}
    level = alpha / (len(parts) - 1)
    effects = pd.DataFrame(
        [
            effect
            for arm in experiment.arms[1:]
            for effect in _effects(parts[experiment.control], parts[arm], arm, level)
        ]
    )
    arms = pd.DataFrame([row for arm, part in parts.items() for row in _levels(arm, part, alpha)])
    conclusion, sentence = _conclude(effects, parts, level, smallest_effect)
    return Analysis(conclusion, sentence, srm, left_out, effects, arms)


def _one_arm_each(
    exposures: pd.DataFrame, experiment: Experiment
) -> tuple[pd.DataFrame, dict[str, int]]:
    """One row for each unit of a known arm; units that met two arms are left out."""
    needed = ["application_id", "variant", "scored_at", "decision", "loan_amount", "default"]
    if missing := [name for name in needed if name not in exposures.columns]:
        raise ValueError(
            f"exposures lack the columns {', '.join(missing)}. Pass the log's rows of the "
            "experiment, joined with their outcomes."
        )
    strange = ~exposures["variant"].isin(experiment.arms)
    known = exposures[~strange]
    crossed = known.groupby("application_id")["variant"].transform("nunique") > 1
    repeated = known["application_id"].duplicated() & ~crossed
    left_out = {
        "not in an arm of the experiment": int(strange.sum()),
        "exposed to more than one arm": int(crossed.sum()),
        "repeated exposures": int(repeated.sum()),
    }
    return known[~crossed & ~repeated], left_out


def _complete(
    rows: pd.DataFrame, as_of: pd.Timestamp, delay: pd.Timedelta, left_out: dict[str, int]
) -> pd.DataFrame:
    """The rows whose outcomes can all be known; fills in `left_out`."""
    month_end = rows["scored_at"].dt.normalize() + pd.offsets.MonthBegin(1)
    mature = month_end + delay <= as_of
    silent = mature & (rows["decision"] == "approve") & rows["default"].isna()
    left_out["month not complete yet"] = int((~mature).sum())
    left_out["approved, outcome missing"] = int(silent.sum())
    return rows[mature & ~silent]


def _mismatch(srm: SrmCheck) -> str:
    told = ", ".join(
        f"{arm} {n:,} (planned {srm.expected[arm]:,.0f})" for arm, n in srm.counts.items()
    )
    if not srm.passed:
        return (
            f"sample-ratio mismatch: {told}, {p_in_words(srm.p_value)}; the "
            f"limit is {SRM_ALPHA:g}. Find out "
            "who is missing before reading any effect."
        )
    return ""


def _too_little(rows: pd.DataFrame, experiment: Experiment) -> str:
    for arm in experiment.arms:
        part = rows[rows["variant"] == arm]
        if len(part) < 2:
            return f"arm {arm} has {len(part)} applications that can be analysed, needs 2 or more."
    if not (rows["decision"] == "approve").any():
        return "no application was approved, so there is no outcome to compare."
    return ""


def _none(problem: str, srm: SrmCheck, left_out: dict[str, int]) -> Analysis:
    sentence = f"No conclusion: {problem}"
    return Analysis("no conclusion", sentence, srm, left_out, pd.DataFrame(), pd.DataFrame())


def _effects(
    control: pd.DataFrame, treatment: pd.DataFrame, arm: str, alpha: float
) -> list[dict[str, Any]]:
    paid, lent = control[control["taken"]], treatment[treatment["taken"]]
    found = {
        "profit_per_application": (
            welch(control["profit"], treatment["profit"], alpha),
            control["profit"],
            treatment["profit"],
        ),
        "default_rate_approved": (
            newcombe(paid["default"], lent["default"], alpha),
            paid["default"],
            lent["default"],
        ),
        "approval_rate": (
            newcombe(control["taken"], treatment["taken"], alpha),
            control["taken"],
            treatment["taken"],
        ),
    }
    return [
        {
            "metric": metric,
            "arm": arm,
            "control": float(before.astype(float).mean()),
            "treatment": float(after.astype(float).mean()),
            "effect": effect.value,
            "low": effect.low,
            "high": effect.high,
            "n_control": len(before),
            "n_treatment": len(after),
        }
        for metric, (effect, before, after) in found.items()
    ]


def _levels(arm: str, part: pd.DataFrame, alpha: float) -> list[dict[str, Any]]:
    taken = part[part["taken"]]
    measured = {
        "profit_per_application": profit_interval(part["profit"], confidence=1 - alpha),
        "default_rate_approved": wilson(taken["default"], alpha),
        "approval_rate": wilson(part["taken"], alpha),
    }
    return [{"variant": arm, "metric": metric, **asdict(i)} for metric, i in measured.items()]


def _conclude(
    effects: pd.DataFrame, parts: dict[str, pd.DataFrame], alpha: float, smallest: float
) -> tuple[Conclusion, str]:
    profit = effects[effects["metric"] == "profit_per_application"]
    best = profit.loc[profit["low"].idxmax()] if profit["low"].notna().any() else profit.iloc[0]
    told = (
        f"{best['arm']} minus control is {in_dollars(best['effect'])} per application "
        f"(interval {in_dollars(best['low'])} to {in_dollars(best['high'])}, "
        f"{best['n_control']:,} and {best['n_treatment']:,} applications)"
    )
    if best["low"] > 0:
        return "deploy", f"Deploy {best['arm']}: {told}."
    if (profit["high"] < 0).all():
        return "keep", f"Keep control: {told}."
    control = next(iter(parts))
    sd = typical_spread(parts[arm]["profit"] for arm in (control, best["arm"]))
    more = "profit does not vary yet, so no size can be planned."
    if sd > 0:
        needed = required_sample_size(smallest, sd=sd, alpha=alpha)
        more = f"to see ${smallest:,.0f} it needs {needed:,} applications an arm "
        more += f"at the standard deviation found here, ${sd:,.0f}."
    return "undecided", f"Undecided: {told}; {more}"
