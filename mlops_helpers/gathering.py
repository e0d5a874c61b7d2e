"""What is known about a champion on one day: from rows to the `Evidence` that `decide` reads.

Four lots of rows speak, and each says what it can: the training rows are what the features looked
like, the holdout is what the model could do, recent applications (no labels) show who applies and
whether the feed is whole, and rows with outcomes that the champion has not seen show whether it
still holds. What too few rows say is unknown; a frame of another schema is a fault, no exception.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from mlops_helpers.business import UNKNOWN, Interval
from mlops_helpers.contracts import FEATURES, LIMITS, TARGET
from mlops_helpers.delong import MIN_PER_CLASS, auc_drop
from mlops_helpers.drift import DriftReport, Reference
from mlops_helpers.expected_ranking import expected_auc_drop
from mlops_helpers.feed_faults import feed_faults
from mlops_helpers.importance import permutation_table
from mlops_helpers.label_faults import label_faults
from mlops_helpers.quarantine import broken_rows, schema_fault
from mlops_helpers.retraining import Evidence, calibration_gap
from mlops_helpers.threads import one_thread

__all__ = ["SEVERE", "broken_inputs", "gather", "shares_of_importance"]

SEVERE = ("medium", "high")
"""Severities that count as drifted by effect; "low" is what one looks at next time.

At the default limit of 0.3 counting "low" as well would hardly matter (0 of 60 quiet times either
way, 5 of 60 with debts 0.3 standard deviations higher either way): one feature seldom carries 0.3.
"""
DAY = pd.Timedelta(days=1)


def gather(
    model: Pipeline,
    *,
    train: pd.DataFrame,
    holdout: pd.DataFrame,
    recent: pd.DataFrame,
    labelled: pd.DataFrame,
    as_of: pd.Timestamp,
    trained_at: pd.Timestamp,
    new_rows: int,
    importance: Mapping[str, float] | None = None,
    reference: Reference | None = None,
    accepted: Collection[str] = (),
    faults: tuple[str, ...] | None = None,
    seed: int,
) -> Evidence:
    """The evidence for and against retraining `model`, the champion's pipeline, at `as_of`.

    train: the rows it learnt from (features and `applied_at`); holdout: its labelled holdout.
    recent: the last applications before `as_of`, no labels needed; labelled: rows with known
    outcomes that it has not seen; trained_at: when it was trained; new_rows: labelled rows that a
    challenger could learn from and the champion could not.
    importance: weight of each feature, by default `permutation_table` of the holdout seeded by
    `seed`; reference: `Reference.fit` of the features of `train`, if there is one already. Where
    holdout, recent or labelled have a column "probability", it must be what `model` says of these
    rows, and they are not scored again.

    accepted: columns whose gaps and new categories a person has looked at, see `feed_faults`;
    ValueError for what is no feature. faults: what `broken_inputs` says, if it was asked already,
    or () if nobody wants to know.

    All rows are to be those known at `as_of`; among young ones only the early outcomes are, which
    are mostly defaults, so `labelled` must leave them out as `training_windows.choose_rows` does.
    A labelled row that is old enough and has no outcome stays in: it is left out of the figures,
    and a month or category without outcomes, or whose defaults went away, is a fault.
    Rows that break the contract are no evidence about the model: they are left out of both AUC
    drops and the gap. They are evidence about the feed. Raises ValueError where `train` or
    `holdout` are not of the course's schema, and for times without a zone.
    """
    if unknown := sorted(set(accepted) - set(FEATURES)):
        raise ValueError(f"accepted == {unknown}, must be among the features {list(FEATURES)}.")
    fitted = reference or Reference.fit(train[list(FEATURES)], limits=LIMITS)
    held, seen = _whole(holdout), _whole(labelled)
    before, probability = _scores(model, held), _scores(model, seen)
    outcome = seen[TARGET].to_numpy(dtype=float)
    drift: dict[str, object] = {}
    expected = UNKNOWN
    if len(recent) and not schema_fault(recent, labelled=False):
        weights = _importance(model, held, seed) if importance is None else importance
        drift = shares_of_importance(fitted.compare(recent[list(FEATURES)]), weights)
        whole = recent[~broken_rows(recent, labelled=False)]
        expected = expected_auc_drop(before, _scores(model, whole))
    return Evidence(
        **drift,
        auc_drop=_drop(held[TARGET].to_numpy(dtype=float), before, outcome, probability),
        expected_auc_drop=expected,
        calibration_gap=calibration_gap(outcome, probability) if len(seen) else UNKNOWN,
        age_days=(as_of - train["applied_at"].max()) / DAY,
        new_rows=float(new_rows),
        days_since_training=(as_of - trained_at) / DAY,
        faults=_faults(fitted, held, recent, labelled, accepted) if faults is None else faults,
        accepted=tuple(sorted(set(accepted))),
    )


def broken_inputs(
    reference: Reference,
    holdout: pd.DataFrame,
    recent: pd.DataFrame,
    labelled: pd.DataFrame,
    accepted: Collection[str] = (),
) -> tuple[str, ...]:
    """What `feed_faults` finds in both lots, and `label_faults` in the labelled one.

    `holdout` and `labelled` without rows whose features break the contract; a labelled row without
    its outcome counts as one that should have it.
    """
    return (
        *feed_faults(reference, holdout, recent, "recent applications", accepted=accepted),
        *feed_faults(reference, holdout, labelled, "labelled applications", accepted=accepted),
        *label_faults(holdout, labelled, "labelled applications"),
    )


def _faults(
    reference: Reference,
    held: pd.DataFrame,
    recent: pd.DataFrame,
    labelled: pd.DataFrame,
    accepted: Collection[str],
) -> tuple[str, ...]:
    whole = labelled[~broken_rows(labelled, labelled=False)]
    return broken_inputs(reference, held, recent, whole, accepted)


def shares_of_importance(report: DriftReport, importance: Mapping[str, float]) -> dict[str, object]:
    """`drifted_importance`, `drifted_share` and `drifted` of a drift report, for `Evidence`.

    A feature has drifted if any row about it is of a severity in `SEVERE`. Importance below 0
    counts as 0; without any above 0 the weighted share is NaN.
    """
    levels = dict(zip(report.table["feature"], report.table["severity"], strict=True))
    by_feature: dict[str, list[str]] = {}
    for row in report.rows:
        if row.about != "all columns" and row.feature in levels:
            by_feature.setdefault(row.column, []).append(levels[row.feature])
    told = {n: found for n, found in by_feature.items() if set(found) != {"no data"}}
    drifted = tuple(n for n, found in told.items() if set(found) & set(SEVERE))
    weight = {n: max(float(importance.get(n, 0.0)), 0.0) for n in told}
    total = sum(weight.values())
    share = sum(weight[n] for n in drifted) / total if total > 0 else float("nan")
    return {
        "drifted_importance": share,
        "drifted_share": len(drifted) / len(told) if told else float("nan"),
        "drifted": drifted,
    }


def _importance(model: Pipeline, holdout: pd.DataFrame, seed: int) -> dict[str, float]:
    """Weights by permutation; none where the holdout has too few of a class to rank."""
    if min(np.sum(holdout[TARGET] == 1), np.sum(holdout[TARGET] == 0)) < MIN_PER_CLASS:
        return {}
    table = permutation_table(model, holdout, seed=seed)
    return dict(zip(table["feature"], table["value"], strict=True))


def _drop(
    outcome_before: NDArray[np.float64],
    before: NDArray[np.float64],
    outcome: NDArray[np.float64],
    probability: NDArray[np.float64],
) -> Interval:
    """The drop of the AUC; unknown unless both samples have enough of both classes."""
    for y in (outcome_before, outcome):
        if min(y.sum(), (1 - y).sum()) < MIN_PER_CLASS:
            return UNKNOWN
    return auc_drop(outcome_before, before, outcome, probability)


def _whole(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows that keep the contract, with known outcomes."""
    return frame[~broken_rows(frame)]


def _scores(model: Pipeline, rows: pd.DataFrame) -> NDArray[np.float64]:
    if "probability" in rows.columns:
        return rows["probability"].to_numpy(dtype=float)
    if rows.empty:
        return np.empty(0)
    with one_thread():
        return np.asarray(model.predict_proba(rows), dtype=float)[:, 1]
