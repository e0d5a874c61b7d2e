"""How often `retraining.decide` asks for, forbids and leaves a training, where the truth is known.

Each repetition is a life of its own: training rows, a model and a holdout of quiet times, and for
each world of `worlds` recent applications and labelled ones. In quiet times any trigger is a false
alarm and a veto locks out a lender whose feed is whole.

Measured with the default policy and sizes of `decisions`, 40 repetitions (quiet: 200), in per cent:

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
"""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd
from sklearn.base import ClassifierMixin
from sklearn.linear_model import LogisticRegression

from mlops_helpers.candidates import seeded
from mlops_helpers.contracts import FEATURES, LIMITS, TARGET
from mlops_helpers.drift import Reference
from mlops_helpers.features import build_pipeline
from mlops_helpers.gathering import gather
from mlops_helpers.importance import permutation_table
from mlops_helpers.retraining import RetrainingPolicy, decide
from mlops_helpers.threads import one_thread
from mlops_helpers.training import probabilities
from mlops_helpers.two_samples import wilson
from mlops_helpers.worlds import CAUSES, WORLDS, draw_world, seed_of

__all__ = ["OUTCOMES", "SCORED", "decisions", "rates"]

SCORED = ("quiet", *CAUSES.values())
"""Quiet times and the world that stands for each cause."""
OUTCOMES = ("retrain", "vetoed", "wait", "no reason")
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
    met = {"new_rows": policy.min_new_rows, "as_of": AS_OF}
    met["trained_at"] = AS_OF - pd.Timedelta(days=policy.min_days_since_training)
    found = []
    for repeat in range(repeats):
        drawing = {"seed": seed_of(seed, repeat, 0), "start": AS_OF - pd.DateOffset(months=18)}
        quiet = draw_world("quiet", training_rows + holdout_rows, months=12, **drawing)
        train, holdout = quiet.iloc[:training_rows], quiet.iloc[training_rows:]
        pipeline = build_pipeline(seeded(model, seed_of(seed, repeat, 1)))
        with one_thread():
            pipeline.fit(train, train[TARGET])
            holdout = holdout.assign(probability=probabilities(pipeline, holdout))
        table = permutation_table(pipeline, holdout, seed=seed_of(seed, repeat, 2), repeats=2)
        known = {
            "train": train,
            "holdout": holdout,
            "importance": dict(zip(table["feature"], table["value"], strict=True)),
            "reference": Reference.fit(train[list(FEATURES)], limits=LIMITS),
            "seed": seed,
        }
        for world in worlds:
            place = 3 + 2 * list(WORLDS).index(world)
            recent, labelled = (
                draw_world(world, rows, seed=seed_of(seed, repeat, place + i)) for i in (0, 1)
            )
            evidence = gather(pipeline, recent=recent, labelled=labelled, **known, **met)
            decision = decide(evidence, policy)
            held = {r.name: r.holds for r in decision.reasons if r.kind != "condition"}
            told = {"world": world, "cause": WORLDS[world].cause, "repeat": repeat}
            found.append(told | {"outcome": decision.outcome} | held)
    return pd.DataFrame(found)


def rates(decided: pd.DataFrame) -> pd.DataFrame:
    """Share of the decisions of each world, with Wilson's 95 % interval.

    Returns `world, what, share, low, high, n`, where `what` is each of `OUTCOMES`, "any trigger",
    and each veto and trigger by name.
    """
    reasons = list(decided.columns[4:])
    found = []
    for world, rows in decided.groupby("world", sort=False):
        held = {outcome: rows["outcome"] == outcome for outcome in OUTCOMES}
        held["any trigger"] = rows[[name for name in reasons if name != "broken inputs"]].any(
            axis=1
        )
        held |= {name: rows[name] for name in reasons}
        for what, holds in held.items():
            share = wilson(holds, 0.05)
            found.append((world, what, share.value, share.low, share.high, share.n))
    return pd.DataFrame(found, columns=["world", "what", "share", "low", "high", "n"])
