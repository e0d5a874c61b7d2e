"""The stages in order: what failed is done again, what was lost is ended."""

from __future__ import annotations

import pytest

from mlops_helpers import retrain_stages
from mlops_helpers.predictions import PredictionLog
from mlops_helpers.tracking import connect
from tests.retrain_world import copy_place, day, go


@pytest.fixture
def place(poor_lender, tmp_path):
    """A place of its own for each test."""
    return copy_place(poor_lender, tmp_path / "it")


def test_what_was_begun_on_other_rows_is_begun_anew(place, lender, monkeypatch):
    """A call that failed after training, and then an outcome was corrected: trained again."""
    with monkeypatch.context() as patch:
        patch.setattr(retrain_stages, "judge", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            go(place, lender)
    with PredictionLog(place.database_url) as log:
        failed = log.steps().set_index("stage").loc["judge"]
    assert failed["status"] == "failed"
    assert failed["told"] == "ZeroDivisionError: division by zero"
    first = lender.index[lender["applied_at"] >= day("2022-01-10")][0]
    mended = lender.copy()
    mended.loc[first, "default"] = 1 - mended.loc[first, "default"]
    result = go(place, mended)
    assert result.outcome == "promoted"
    assert result.champion == 3
    assert result.stages.set_index("stage")["attempts"].to_dict()["train"] == 2


def test_a_failed_call_is_completed_by_the_next(place, lender, monkeypatch):
    """The run that was trained is used: one version, one run."""
    with monkeypatch.context() as patch:
        patch.setattr(retrain_stages, "judge", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            go(place, lender)
    result = go(place, lender)
    assert (result.outcome, result.champion) == ("promoted", 2)
    assert result.stages.set_index("stage")["attempts"].to_dict() == {
        "watch": 1,
        "check": 1,
        "train": 1,
        "judge": 2,
        "promote": 1,
    }


def test_a_day_that_was_never_finished_is_given_up_by_a_later_one(place, lender, monkeypatch):
    """Its runs are ended, its stages say why, and it is not looked at again."""
    with monkeypatch.context() as patch:
        patch.setattr(retrain_stages, "judge", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            go(place, lender, as_of="2023-03-01")
    client = connect(place.tracking_uri)
    lost = client.create_run("1", tags={"retraining": "credit-risk 2023-03-01"}).info.run_id
    assert go(place, lender).outcome == "promoted"
    assert client.get_run(lost).info.status == "KILLED"
    with PredictionLog(place.database_url) as log:
        left = log.steps("credit-risk 2023-03-01").set_index("stage")
    assert left.loc["promote", "told"].startswith("never finished; given up by the retraining")
    assert not (left["status"] == "running").any()
