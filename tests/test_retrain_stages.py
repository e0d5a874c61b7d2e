"""What a challenger learns from and is judged on, and what its run says."""

from __future__ import annotations

import pandas as pd
import pytest

from mlops_helpers import retrain_stages
from mlops_helpers.judging import judge
from mlops_helpers.provenance import content_digest
from mlops_helpers.training_windows import TrainingWindow
from tests.retrain_world import DAY, copy_place, day, go, runs_by_version


@pytest.fixture
def place(poor_lender, tmp_path):
    """A place of its own for each test."""
    return copy_place(poor_lender, tmp_path / "it")


def test_no_judged_row_was_learnt_from(place, lender):
    """By application id: the rows the two runs logged, found by their digests, and the judged ones.

    And nothing that became known after the day is in either.
    """
    result = go(place, lender)
    runs = runs_by_version(place)
    learnt = {}
    for version, run in runs.items():
        tags = run.data.tags
        first, last = (pd.Timestamp(tags[name]) for name in ("train_from", "train_until"))
        learnt[version] = lender[lender["applied_at"].between(first, last)]
    assert content_digest(learnt[2]) == runs[2].data.tags["data_digest"]
    assert content_digest(learnt[2]) == result.details["train"]["digest"]
    first, last = (pd.Timestamp(runs[2].data.tags[f"holdout_{end}"]) for end in ("from", "until"))
    judged = lender[lender["applied_at"].between(first, last)]
    assert len(judged) == result.details["train"]["rows_judge"] >= 300
    for rows in learnt.values():
        assert len(rows) > 300
        assert not set(rows["application_id"]) & set(judged["application_id"])
    for rows in (learnt[2], judged):
        assert (rows["outcome_at"] <= day(DAY)).all()


def test_the_judge_saw_those_rows_and_no_others(place, lender, monkeypatch):
    """What is handed to the judge are the outcomes of the logged holdout, in its order."""
    seen = []

    def watched(outcome, *given, **more):
        seen.append(outcome)
        return judge(outcome, *given, **more)

    monkeypatch.setattr(retrain_stages, "judge", watched)
    go(place, lender)
    tags = runs_by_version(place)[2].data.tags
    first, last = (pd.Timestamp(tags[f"holdout_{end}"]) for end in ("from", "until"))
    logged = lender[lender["applied_at"].between(first, last)]
    assert len(seen) == 1
    assert seen[0].index.tolist() == logged.index.tolist()


@pytest.mark.parametrize("kind", ["sliding", "weighted"])
def test_the_window_is_the_callers(place, lender, kind):
    """The run's tag says which, and a sliding one learns from fewer rows."""
    result = go(place, lender, window=TrainingWindow(kind=kind, months=3))
    assert runs_by_version(place)[2].data.tags["window"] == kind
    assert (result.details["train"]["left_out"]["older than the window"] > 0) == (kind == "sliding")
