"""Models shared by policies learn from what was known, and their evidence is that of `gather`."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from mlops_helpers.contracts import FEATURES
from mlops_helpers.gathering import gather
from mlops_helpers.importance import permutation_table
from mlops_helpers.policy_models import Shelf
from mlops_helpers.policy_world import BEGIN, MONTHS, draw_years
from mlops_helpers.quarantine import broken_rows
from mlops_helpers.training_windows import TrainingWindow, choose_rows

LATE = 31
"""A month in which the rows of the broken feed have their outcomes."""


def shelf_of(kind: str = "expanding") -> Shelf:
    """A shelf over small years, with a quick model."""
    return Shelf(
        draw_years(seed=2, per_month=100),
        begin=BEGIN,
        months=MONTHS,
        window=TrainingWindow(kind),
        estimator=LogisticRegression(max_iter=500),
        seed=5,
    )


@pytest.fixture(scope="module")
def shelf() -> Shelf:
    """One shelf for the tests that change nothing."""
    return shelf_of()


@pytest.mark.parametrize("quarantine", [False, True])
@pytest.mark.parametrize("month", [1, 17, LATE, MONTHS])
def test_no_row_is_learnt_from_before_its_outcome_is_known(shelf, month, quarantine):
    """Outcomes of training and judged rows are known when the month begins; judged are later."""
    model, frame = shelf.model(month, quarantine=quarantine), shelf.frame
    train, holdout = frame.iloc[model.train], frame.iloc[model.holdout]
    now = BEGIN + pd.DateOffset(months=month - 1)
    assert train["outcome_at"].max() <= now
    assert holdout["outcome_at"].max() <= now
    assert train["applied_at"].max() < holdout["applied_at"].min()
    assert not set(train["application_id"]) & set(holdout["application_id"])
    assert holdout["applied_at"].max() < now - pd.Timedelta(days=181)


@pytest.mark.parametrize("kind", ["expanding", "sliding", "weighted"])
def test_rows_are_those_of_the_training_window(kind):
    """With quarantine exactly the rows that `choose_rows` takes from the whole frame."""
    shelf = shelf_of(kind)
    model = shelf.model(LATE, quarantine=True)
    expected = choose_rows(
        shelf.frame, shelf.window, as_of=shelf.start(LATE), trained_until=None
    ).split
    assert model.train.tolist() == expected.train.index.tolist()
    assert model.holdout.tolist() == expected.holdout.index.tolist()


def test_without_quarantine_broken_rows_are_learnt_from(shelf):
    """The broken months are on file: one recipe takes them, the other leaves them out."""
    broken = np.flatnonzero(broken_rows(shelf.frame))
    raw, clean = (shelf.model(LATE + 3, quarantine=q) for q in (False, True))
    assert np.isin(broken, raw.train).mean() > 0.9
    assert not np.isin(broken, np.r_[clean.train, clean.holdout]).any()


def test_both_recipes_share_a_model_while_nothing_is_broken(shelf):
    """What would be the same fit is one fit, and a model is fitted once however often asked for."""
    assert shelf.model(9, quarantine=True) is shelf.model(9, quarantine=False)
    fits = len(shelf.fits)
    shelf.model(9, quarantine=False)
    assert len(shelf.fits) == fits


def test_scores_are_the_pipelines_own_and_never_of_training_rows(shelf):
    """Looked-up scores equal `predict_proba` of the raw columns; training rows have none.

    Rows between the training rows and the model's month are scored when asked for.
    """
    model = shelf.model(12, quarantine=False)
    for rows in (shelf.rows(20), model.holdout, shelf.rows(12, before=4)):
        expected = model.pipeline.predict_proba(shelf.frame.iloc[rows][list(FEATURES)])[:, 1]
        np.testing.assert_allclose(shelf.scores(model, rows), expected, rtol=0, atol=1e-12)
    assert np.isnan(shelf.scores(model, model.train)).all()
    served = shelf.frame["applied_at"] >= shelf.start(12)
    assert np.isfinite(model.scores[served]).all()


def test_evidence_is_that_of_gather_on_the_plain_rows(shelf):
    """Remembered halves and looked-up scores give what one call with everything gives."""
    model, month, frame = shelf.model(3, quarantine=False), 24, shelf.frame
    now = shelf.start(month)
    everything = {"applicants": True, "outcomes": True, "faults": True}
    found = shelf.evidence(model, month, 10, **everything)
    known = frame[(frame["outcome_at"] <= now) & (frame.index > model.holdout[-1])]
    since = known["applied_at"].max() - pd.DateOffset(months=3)
    holdout = frame.iloc[model.holdout]
    table = permutation_table(model.pipeline, holdout, seed=5, repeats=1)
    expected = gather(
        model.pipeline,
        train=frame.iloc[model.train],
        holdout=holdout,
        recent=frame[frame["month"] == month - 1],
        labelled=known[known["applied_at"] > since],
        as_of=now,
        trained_at=shelf.start(10),
        new_rows=int(((frame["outcome_at"] <= now) & (frame["outcome_at"] > shelf.start(3))).sum()),
        importance=dict(zip(table["feature"], table["value"], strict=True)),
        seed=5,
    )
    assert found.faults
    assert found.drifted == expected.drifted
    assert set(found.faults) == set(expected.faults)
    for name in ("drifted_importance", "age_days", "new_rows", "days_since_training"):
        assert getattr(found, name) == pytest.approx(getattr(expected, name), nan_ok=True)
    for name in ("auc_drop", "expected_auc_drop", "calibration_gap"):
        sides = (getattr(e, name) for e in (found, expected))
        values, wanted = ((i.value, i.low, i.high) for i in sides)
        assert values == pytest.approx(wanted, nan_ok=True, abs=1e-9)


def test_what_is_not_asked_for_is_not_known(shelf):
    """Without applicants there is no drift, without outcomes no AUC drop; nor faults unasked."""
    model = shelf.model(3, quarantine=False)
    nothing = shelf.evidence(model, 24, 3, applicants=False, outcomes=False, faults=True)
    assert nothing.faults == ()
    assert np.isnan(nothing.drifted_importance)
    assert not nothing.auc_drop.known
    assert nothing.new_rows > 0
    half = shelf.evidence(model, 24, 3, applicants=True, outcomes=False, faults=True)
    assert half.faults
    assert not half.auc_drop.known
    unasked = shelf.evidence(model, 24, 3, applicants=True, outcomes=False, faults=False)
    assert unasked.faults == ()
    assert unasked.drifted == half.drifted
