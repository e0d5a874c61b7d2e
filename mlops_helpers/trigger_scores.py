"""How often `retraining.decide` asks for, forbids and leaves a training, where the truth is known.

Each repetition is a life of its own: training rows, a model and a holdout of quiet times, and for
each world of `worlds` recent applications and labelled ones. In quiet times any trigger is a false
alarm and a veto locks out a lender whose feed is whole.

Measured with the default policy and sizes of `decisions`, 40 repetitions (quiet: 200; the seeds
were not kept, the test repeats a few with its own), in per cent:

====================  =======  ======  =========  ======================================
world                 retrain  vetoed  no reason  what fired
====================  =======  ======  =========  ======================================
quiet                       5       0         94  AUC drop 3, calibration gap 2
recession                 100       0          0  drift 100, though P(default | x) stays
policy change              98       0          2  AUC drop 92, calibration gap 28
defaults doubled          100       0          0  calibration gap 100
everybody riskier         100       0          0  calibration gap 100
recession and policy       98       2          0  drift 100, AUC drop 65
the safest apply          100       0          0  expected drop 100, drift 95, AUC drop 92
broken feed                 0     100          0  veto (drift 15)
5 % in per cent             0     100          0  veto (drift 15)
income by the month         0     100          0  veto (calibration gap 100)
2 % missing                 0      98          2  veto
homes swapped              48       0         52  no veto: another code passes for other people
====================  =======  ======  =========  ======================================

The interval of the 5 % of quiet times is 3 % to 9 %, that of vetoes in them 0.1 % to 3 %; of 0 or
100 % of 40 it reaches 9 % further in. A trigger that fires is not a training that pays: in the
recession and where the safest apply the model is as right as it was.

The 5 % is that of one decision. A job that asks every month of a year in which nothing changes
(`false_alarms(quiet_months(seed=7, repeats=…))`, defaults but for the sizes) raises at least one
false alarm in

===========  ========  ======  ===============  ================  ================
a month      holdout   lives   within a year    two in a row      both limits 0.04
===========  ========  ======  ===============  ================  ================
500          1,000     80      22 % [15, 33]    11 % [6, 20]      11 % [6, 20]
1,000        2,000     60      8 % [4, 18]      5 % [2, 14]       8 % [4, 18]
===========  ========  ======  ===============  ================  ================

of the lives: first by the calibration gap, while few outcomes are known (15 % of the first looks
of the smaller lender fire), later by the AUC drop. All looks share one holdout: where it flatters
by chance, the alarm comes back, and two months in a row do not help much. Fewer are to be had by
limits (last column: max_auc_drop and max_calibration_gap) or by a larger holdout; what an alarm
costs is a training that the judge then refuses. After a promotion the holdout flatters not only by
chance, see `selected_baseline`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas as pd
from sklearn.base import ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

from mlops_helpers.candidates import seeded
from mlops_helpers.contracts import FEATURES, LIMITS, TARGET
from mlops_helpers.drift import Reference
from mlops_helpers.features import build_pipeline
from mlops_helpers.gathering import gather
from mlops_helpers.importance import permutation_table
from mlops_helpers.retraining import Evidence, RetrainingPolicy, decide
from mlops_helpers.threads import one_thread
from mlops_helpers.training import probabilities
from mlops_helpers.two_samples import wilson
from mlops_helpers.worlds import CAUSES, WORLDS, draw_world, seed_of

__all__ = ["OUTCOMES", "SCORED", "decisions", "false_alarms", "quiet_months", "rates"]

SCORED = ("quiet", *CAUSES.values())
"""Quiet times and the world that stands for each cause."""
OUTCOMES = ("retrain", "vetoed", "wait", "no reason")
VETO = "broken inputs"
DELAY = 6
"""Months until an outcome is known."""
AS_OF = pd.Timestamp("2024-01-01", tz="UTC")


def decisions(
    worlds: Iterable[str] = SCORED,
    *,
    seed: int,
    repeats: int,
    rows: int = 1500,
    training_rows: int = 6000,
    holdout_rows: int = 1500,
    policy: RetrainingPolicy | None = None,
    estimator: ClassifierMixin | None = None,
) -> pd.DataFrame:
    """One decision for each world and repetition, on `rows` recent and `rows` labelled loans.

    The policy's conditions are met; `estimator` (default: logistic regression) is trained anew in
    each repetition. Returns the columns `world, cause, repeat, outcome`, and for each veto and
    trigger, by name, whether it held. Equal arguments give equal frames.
    """
    policy = RetrainingPolicy() if policy is None else policy
    model = LogisticRegression(max_iter=1000) if estimator is None else estimator
    found = []
    for repeat in range(repeats):
        pipeline, known = _life(seed, repeat, training_rows, holdout_rows, model, policy)
        for world in worlds:
            place = 3 + 2 * list(WORLDS).index(world)
            recent, labelled = (
                draw_world(world, rows, seed=seed_of(seed, repeat, place + i)) for i in (0, 1)
            )
            evidence = gather(pipeline, recent=recent, labelled=labelled, **known)
            told = {"world": world, "cause": WORLDS[world].cause, "repeat": repeat}
            found.append(told | _said(evidence, policy))
    return pd.DataFrame(found)


def quiet_months(
    *,
    seed: int,
    repeats: int,
    months: int = 12,
    per_month: int = 500,
    training_rows: int = 6000,
    holdout_rows: int = 1000,
    policy: RetrainingPolicy | None = None,
    estimator: ClassifierMixin | None = None,
) -> pd.DataFrame:
    """The decisions of a job that asks once a month, in lives where nothing ever changes.

    In the first month `per_month` outcomes since the holdout are known, and each month as many
    more: the job looks at all of them, and at the applications of the two newest months, whose
    outcomes come `DELAY` months later. The champion stays whatever is decided. Returns one row for
    each life and month, with the columns `repeat, month, outcome`, and for each veto and trigger,
    by name, whether it held. Equal arguments give equal frames.
    """
    policy = RetrainingPolicy() if policy is None else policy
    model = LogisticRegression(max_iter=1000) if estimator is None else estimator
    found = []
    for repeat in range(repeats):
        pipeline, known = _life(seed, repeat, training_rows, holdout_rows, model, policy)
        came = draw_world("quiet", (months + DELAY) * per_month, seed=seed_of(seed, repeat, 3))
        with one_thread():
            came = came.assign(probability=probabilities(pipeline, came))
        for month in range(1, months + 1):
            end = (month + DELAY) * per_month
            recent, labelled = came[end - 2 * per_month : end], came[: month * per_month]
            evidence = gather(pipeline, recent=recent, labelled=labelled, **known)
            found.append({"repeat": repeat, "month": month} | _said(evidence, policy))
    return pd.DataFrame(found)


def false_alarms(decided: pd.DataFrame) -> pd.DataFrame:
    """In how many lives of `quiet_months` a trigger fired at least once, by month.

    Returns `rule, months, share, low, high, n` with Wilson's 95 % interval: the share of lives in
    which, up to that month, any trigger fired ("each month") or any fired in two months in a row
    ("two in a row"), vetoes apart.
    """
    fired = decided.assign(any=decided[_triggers(decided)].any(axis=1))
    table = fired.pivot(index="repeat", columns="month", values="any").astype(bool)
    again = table & table.shift(axis=1, fill_value=False)
    found = []
    for rule, alarms in (("each month", table), ("two in a row", again)):
        for month, share in alarms.cummax(axis=1).items():
            rate = wilson(share, 0.05)
            found.append((rule, month, rate.value, rate.low, rate.high, rate.n))
    return pd.DataFrame(found, columns=["rule", "months", "share", "low", "high", "n"])


def rates(decided: pd.DataFrame) -> pd.DataFrame:
    """Share of the decisions of each world, with Wilson's 95 % interval.

    Returns `world, what, share, low, high, n`, where `what` is each of `OUTCOMES`, "any trigger",
    and each veto and trigger by name.
    """
    reasons = [VETO, *_triggers(decided)]
    found = []
    for world, rows in decided.groupby("world", sort=False):
        held = {outcome: rows["outcome"] == outcome for outcome in OUTCOMES}
        held["any trigger"] = rows[_triggers(decided)].any(axis=1)
        held |= {name: rows[name] for name in reasons}
        for what, holds in held.items():
            share = wilson(holds, 0.05)
            found.append((world, what, share.value, share.low, share.high, share.n))
    return pd.DataFrame(found, columns=["world", "what", "share", "low", "high", "n"])


def _life(
    seed: int,
    repeat: int,
    training_rows: int,
    holdout_rows: int,
    model: ClassifierMixin,
    policy: RetrainingPolicy,
) -> tuple[Pipeline, dict[str, Any]]:
    """A champion of quiet times, and what `gather` is told of it; the policy's conditions hold."""
    drawing = {"seed": seed_of(seed, repeat, 0), "start": AS_OF - pd.DateOffset(months=18)}
    quiet = draw_world("quiet", training_rows + holdout_rows, months=12, **drawing)
    train, holdout = quiet.iloc[:training_rows], quiet.iloc[training_rows:]
    pipeline = build_pipeline(seeded(model, seed_of(seed, repeat, 1)))
    with one_thread():
        pipeline.fit(train, train[TARGET])
        holdout = holdout.assign(probability=probabilities(pipeline, holdout))
    table = permutation_table(pipeline, holdout, seed=seed_of(seed, repeat, 2), repeats=2)
    return pipeline, {
        "train": train,
        "holdout": holdout,
        "importance": dict(zip(table["feature"], table["value"], strict=True)),
        "reference": Reference.fit(train[list(FEATURES)], limits=LIMITS),
        "seed": seed,
        "new_rows": policy.min_new_rows,
        "as_of": AS_OF,
        "trained_at": AS_OF - pd.Timedelta(days=policy.min_days_since_training),
    }


def _said(evidence: Evidence, policy: RetrainingPolicy) -> dict[str, Any]:
    """The outcome of a decision, and of each veto and trigger whether it held."""
    decision = decide(evidence, policy)
    held = {r.name: r.holds for r in decision.reasons if r.kind != "condition"}
    return {"outcome": decision.outcome} | held


def _triggers(decided: pd.DataFrame) -> list[str]:
    """Names of the triggers: what stands behind the veto, the first of the reasons."""
    return list(decided.columns[decided.columns.get_loc(VETO) + 1 :])
