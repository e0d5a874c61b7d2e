"""Evidence is what the rows say: measured where it can be, unknown where it cannot."""

import math

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from mlops_helpers.business import UNKNOWN
from mlops_helpers.contracts import FEATURES, LIMITS, TARGET
from mlops_helpers.delong import auc_drop
from mlops_helpers.drift import Reference
from mlops_helpers.expected_ranking import expected_auc_drop
from mlops_helpers.features import build_pipeline
from mlops_helpers.gathering import gather, shares_of_importance
from mlops_helpers.importance import permutation_table
from mlops_helpers.retraining import RetrainingPolicy, calibration_gap, decide
from mlops_helpers.threads import one_thread
from mlops_helpers.worlds import DEBT_SD, draw_world

TODAY = pd.Timestamp("2023-09-01", tz="UTC")
QUIET = draw_world("quiet", 6000, seed=1, start="2022-01-01", months=12)
EVEN = dict.fromkeys(FEATURES, 1.0)


@pytest.fixture(scope="module")
def model():
    """A champion of quiet times."""
    with one_thread():
        return build_pipeline(LogisticRegression(max_iter=1000)).fit(
            QUIET[:4500], QUIET[:4500][TARGET]
        )


def rows_of(world, seed, n=2000):
    """A window of a world."""
    return draw_world(world, n, seed=seed, start="2023-06-01")


def found(model, **changed):
    """Evidence of quiet times but for what is changed."""
    given = {
        "train": QUIET[:4500],
        "holdout": QUIET[4500:],
        "recent": rows_of("quiet", 2),
        "labelled": rows_of("quiet", 3),
        "as_of": TODAY,
        "trained_at": pd.Timestamp("2023-07-03", tz="UTC"),
        "new_rows": 1234,
        "importance": EVEN,
        "seed": 1,
    }
    return gather(model, **(given | changed))


def test_figures_are_those_of_the_rows(model):
    """Drops, gap, age and rest are what their own functions and a calendar give."""
    holdout, recent, labelled = QUIET[4500:], rows_of("recession", 4), rows_of("quiet", 3)
    before, now, seen = (model.predict_proba(x)[:, 1] for x in (holdout, recent, labelled))
    evidence = found(model, recent=recent)
    assert evidence.auc_drop == auc_drop(holdout[TARGET], before, labelled[TARGET], seen)
    assert evidence.expected_auc_drop == expected_auc_drop(before, now)
    assert evidence.calibration_gap == calibration_gap(labelled[TARGET], seen)
    assert evidence.days_since_training == 60
    assert evidence.new_rows == 1234
    newest = QUIET[:4500]["applied_at"].max()
    assert evidence.age_days == pytest.approx((TODAY - newest).total_seconds() / 86400)
    assert evidence.faults == ()


def test_what_was_computed_before_gives_the_same(model):
    """A fitted reference, the importance and scores that are passed in change nothing."""
    holdout, recent, labelled = QUIET[4500:], rows_of("recession", 4), rows_of("quiet", 3)
    table = permutation_table(model, holdout, seed=1)
    plain = found(model, recent=recent, importance=None)
    scored = {
        name: rows.assign(probability=model.predict_proba(rows)[:, 1])
        for name, rows in {"holdout": holdout, "recent": recent, "labelled": labelled}.items()
    }
    passed = found(
        None,
        **scored,
        importance=dict(zip(table["feature"], table["value"], strict=True)),
        reference=Reference.fit(QUIET[:4500][list(FEATURES)], limits=LIMITS),
    )
    assert passed == plain
    assert 0 < plain.drifted_importance < 1


def test_drift_counts_by_what_it_matters(model):
    """A feature that drifted counts with its importance; the unweighted share is told beside."""
    recent = rows_of("quiet", 5)
    moved = recent.assign(
        debt_to_income_ratio=(recent["debt_to_income_ratio"] + 0.08).clip(upper=1)
    )
    heavy, light = (EVEN | {"debt_to_income_ratio": weight} for weight in (8.0, 0.0))
    for weights, share in ((EVEN, 1 / 9), (heavy, 0.5), (light, 0.0)):
        evidence = found(model, recent=moved, importance=weights)
        assert evidence.drifted == ("debt_to_income_ratio",)
        assert evidence.drifted_importance == pytest.approx(share)
        assert evidence.drifted_share == pytest.approx(1 / 9)
    below = EVEN | {"age": -100.0}
    assert found(model, recent=moved, importance=below).drifted_importance == pytest.approx(1 / 8)


def test_a_trace_of_drift_is_not_drift_by_effect():
    """A fifth of a deviation is certain with 20,000 rows, and low: it counts for nothing."""
    before, now = draw_world("quiet", 20_000, seed=6), draw_world("quiet", 20_000, seed=7)
    now["debt_to_income_ratio"] += 0.2 * DEBT_SD
    report = Reference.fit(before[list(FEATURES)]).compare(now[list(FEATURES)])
    assert "debt_to_income_ratio" in report.drifted
    assert shares_of_importance(report, EVEN)["drifted"] == ()


@pytest.mark.parametrize(
    ("world", "outcome", "name"),
    [
        ("quiet", "no reason", ""),
        ("recession", "retrain", "importance of drifted features"),
        ("policy change", "retrain", "AUC drop since the holdout"),
        ("defaults doubled", "retrain", "calibration gap"),
        ("broken feed", "vetoed", "broken inputs"),
        ("income by the month", "vetoed", "broken inputs"),
    ],
)
def test_each_cause_leaves_its_evidence(model, world, outcome, name):
    """The world that stands for each cause leads to the decision that it should."""
    evidence = found(model, recent=rows_of(world, 8), labelled=rows_of(world, 9))
    decision = decide(evidence, RetrainingPolicy(max_age_days=math.inf))
    assert decision.outcome == outcome
    assert name in {"", *(r.name for r in decision.reasons if r.holds and r.kind != "condition")}


def test_rows_that_break_the_contract_say_nothing_about_the_model(model):
    """A fifth of the rows spoilt: the figures are those of the others, and the feed is at fault."""
    labelled, recent = rows_of("quiet", 3), rows_of("quiet", 2)
    spoilt = np.arange(len(labelled)) % 5 == 0
    bad = labelled.assign(loan_amount=labelled["loan_amount"].mask(spoilt, -1.0))
    evidence = found(model, labelled=bad)
    whole = found(model, labelled=labelled[~spoilt])
    assert evidence == whole
    bad = recent.assign(loan_amount=recent["loan_amount"].mask(spoilt, -1.0))
    evidence = found(model, recent=bad)
    assert evidence.expected_auc_drop == found(model, recent=recent[~spoilt]).expected_auc_drop
    (fault,) = evidence.faults
    assert "loan_amount breaks the contract (0.0% before, 20.0% now" in fault


@pytest.mark.parametrize("n", [0, 1, 5, 25])
def test_thin_rows_are_unknown_and_no_error(model, n):
    """With a handful of rows nothing is known of the drops, and nothing fires."""
    evidence = found(model, recent=rows_of("quiet", 2)[:n], labelled=rows_of("quiet", 3)[:n])
    assert not evidence.auc_drop.known
    assert not evidence.expected_auc_drop.known
    assert evidence.faults == ()
    assert decide(evidence, RetrainingPolicy()).outcome == "no reason"


def test_outcomes_of_one_class_are_unknown(model):
    """Nobody has defaulted yet, or the holdout was of one class: no drop, no importance."""
    repaid = rows_of("quiet", 3).query("default == 0")
    assert found(model, labelled=repaid).auc_drop == UNKNOWN
    plain = found(model, holdout=QUIET[4500:].query("default == 0"), importance=None)
    assert plain.auc_drop == UNKNOWN
    assert math.isnan(plain.drifted_importance)
    open_ = rows_of("quiet", 3).astype({"default": float}).assign(default=np.nan)
    assert found(model, labelled=open_).calibration_gap == UNKNOWN


def test_another_schema_of_new_rows_is_a_veto_and_of_old_ones_an_error(model):
    """A column that went away is a fault that is told; without it nothing can be compared."""
    evidence = found(model, recent=rows_of("quiet", 2).drop(columns="age"))
    assert "'age'" in evidence.faults[0]
    assert math.isnan(evidence.drifted_importance)
    assert decide(evidence, RetrainingPolicy()).outcome == "vetoed"
    with pytest.raises(ValueError, match="'age'"):
        found(model, holdout=QUIET[4500:].drop(columns="age"))


def test_a_lost_feed_of_outcomes_is_a_veto(model):
    """Tenants who all repaid, or a month without outcomes: no model may learn that."""
    rows = draw_world("quiet", 2000, seed=10, start="2023-04-01", months=4)
    rows = rows.astype({TARGET: float})
    tenants, june = rows["home_ownership"] == "rent", rows["applied_at"].dt.month == 6
    for lost, told in (
        (rows[TARGET].mask(tenants, 0.0), "outcomes of home_ownership 'rent' have a default rate"),
        (rows[TARGET].mask(june, 0.0), "outcomes of 2023-06 have a default rate of 0.0%"),
        (rows[TARGET].mask(june), "outcomes of 2023-06 lack in 100.0%"),
    ):
        evidence = found(model, labelled=rows.assign(**{TARGET: lost}))
        (fault,) = evidence.faults
        assert fault.startswith(f"labelled applications: {told}")
        assert decide(evidence, RetrainingPolicy()).outcome == "vetoed"
        assert found(model, labelled=rows.assign(**{TARGET: lost}), faults=()).faults == ()
    lacking = found(model, labelled=rows.assign(**{TARGET: rows[TARGET].mask(june)}))
    assert lacking.auc_drop == found(model, labelled=rows[~june]).auc_drop


def test_outcomes_told_early_are_no_lost_feed(model):
    """Defaults known after weeks, repaid loans after half a year, and all old enough: no veto."""
    rows = draw_world("quiet", 2000, seed=11, start="2023-01-01", months=2)
    rng = np.random.default_rng(12)
    early = rows["applied_at"] + pd.to_timedelta(rng.integers(20, 182, len(rows)), unit="D")
    waits = rows["outcome_at"].where(rows[TARGET] == 0, early)
    assert found(model, labelled=rows.assign(outcome_at=waits)).faults == ()
