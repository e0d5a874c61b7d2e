"""The stages in order: what failed is done again, what was lost is ended."""

from __future__ import annotations

import pytest

from mlops_helpers import registry as registry_module
from mlops_helpers import retrain_flow, retrain_stages
from mlops_helpers.gate import Finding
from mlops_helpers.predictions import PredictionLog
from mlops_helpers.registry import Registry
from mlops_helpers.retrain_stages import Work, confidence_of
from mlops_helpers.tracking import connect
from tests.retrain_world import DAY, copy_place, day, go


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


def test_what_was_made_with_other_rows_is_not_trusted_after_two_kills(place, lender, monkeypatch):
    """Trained and judged, then the feed breaks, then a call is stopped right after its watch.

    The third call sees the settings of the second, and must not take the first one's verdict.
    """

    def stops(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Work, "promote", stops)
        with pytest.raises(KeyboardInterrupt):
            go(place, lender)
    ratio = lender["debt_to_income_ratio"]
    late = lender["applied_at"] >= day("2023-01-01")
    broken = lender.assign(debt_to_income_ratio=ratio.where(~late, ratio * 100))
    with monkeypatch.context() as patch:
        patch.setattr(retrain_flow, "_check", stops)
        with pytest.raises(KeyboardInterrupt):
            go(place, broken)
    result = go(place, broken)
    assert (result.outcome, result.champion) == ("vetoed", 1)


def test_a_challenger_that_is_gone_is_trained_again(place, lender, monkeypatch):
    """Archived, or its file deleted, between two calls: another one is trained and judged."""

    def stops(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Work, "promote", stops)
        with pytest.raises(KeyboardInterrupt):
            go(place, lender)
    Registry(place.tracking_uri).archive(2, reason="a test", when=day(DAY))
    result = go(place, lender)
    assert (result.outcome, result.champion) == ("promoted", 3)
    assert result.details["judge"]["attempt"] == 2
    assert result.details["judge"]["confidence"] == pytest.approx(1 - 0.1 / 6)


def test_attempts_against_one_champion_share_the_error():
    """2.5 % for each side at first as ever, 5 % in all however many follow."""
    assert confidence_of(1) == pytest.approx(0.95)
    assert sum((1 - confidence_of(k)) / 2 for k in range(1, 1000)) < 0.05


def test_the_next_month_is_the_second_attempt(place, lender):
    """Kept once: the next judgement against the same champion is stricter, and says so."""
    never = {"check": lambda: Finding(False, "never")}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry_module, "standard_checks", lambda *_: never)
        first = go(place, lender)
        second = go(place, lender, as_of="2023-05-01")
    assert first.outcome == second.outcome == "kept"
    assert [found.details["judge"]["attempt"] for found in (first, second)] == [1, 2]
    told = second.stages.set_index("stage").loc["judge", "told"]
    assert told.endswith("(judgement 2 against version 1, so at a confidence of 98.33%).")
