"""A new champion that is worse than the one before is rolled back at a planned look."""

from __future__ import annotations

import pandas as pd
import pytest

from mlops_helpers import registry as registry_module
from mlops_helpers import retrain_watch
from mlops_helpers.registry import Registry, RegistryError
from mlops_helpers.retrain_inputs import RetrainRefused
from mlops_helpers.tracking import connect
from mlops_helpers.watching import watch
from tests.contending import easy_gate
from tests.retrain_world import DAY, LAZY, copy_place, day, go, make_place, runs_by_version

WAIT = pd.Timedelta(days=182)
"""Of every outcome in this world."""


@pytest.fixture(scope="module")
def template(tmp_path_factory, lender):
    """A good model served before the poor one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry_module, "standard_checks", easy_gate)
        return make_place(tmp_path_factory.mktemp("worse") / "it", lender, better_before=True)


@pytest.fixture
def place(template, tmp_path):
    """A place of its own for each test."""
    return copy_place(template, tmp_path / "it")


def test_a_champion_worse_than_the_one_before_is_rolled_back(place, lender):
    """Exit code 6; nothing is trained on that day, and the look is not taken again."""
    result = go(place, lender)
    assert (result.outcome, result.exit_code, result.champion) == ("rolled back", 6, 1)
    assert Registry(place.tracking_uri).load("champion").version == 1
    event = Registry(place.tracking_uri).history().iloc[-1]
    assert (event["event"], event["by"]) == ("rolled back", "scheduled retraining")
    assert "the champion before was better" in event["reason"]
    assert result.details["watch"]["look"] == 3
    assert result.details["watch"]["meanwhile"][0]["n"] == 0, "nothing was logged in between"
    later = go(place, lender, as_of="2023-05-01", policy=LAZY)
    assert later.outcome == "kept"
    assert later.details["watch"]["look"] == 0


def test_a_month_after_the_promotion_there_is_a_month_of_evidence(place, lender):
    """Outcomes take half a year, and still the first look judges; too few here to be sure."""
    watched = go(place, lender, as_of="2023-02-01", policy=LAZY)
    told = watched.stages["told"].iloc[0]
    assert told.startswith("Stay: the champion is not surely worse (look 1 of 12, the watch goes")
    assert 400 <= watched.details["watch"]["checks"][0]["value"] <= 550, "of 500 a month"


@pytest.mark.parametrize("as_of", ["2023-02-01", DAY])
def test_the_rows_decided_nothing_before(place, lender, monkeypatch, as_of):
    """Later than all that either has seen, due since the promotion, none because it came early."""
    seen = []

    def watched(outcome, *given, **more):
        seen.append(outcome)
        return watch(outcome, *given, **more)

    monkeypatch.setattr(retrain_watch, "watch", watched)
    early = lender["default"].eq(1) & (lender.index % 2 == 0)
    soon = lender["applied_at"] + pd.Timedelta(days=20)
    loans = lender.assign(outcome_at=lender["outcome_at"].mask(early, soon))
    go(place, loans, as_of=as_of)
    (outcome,) = seen
    rows = loans.loc[outcome.index]
    assert rows["applied_at"].min() >= day("2022-07-01")
    assert rows["applied_at"].max() <= day(as_of) - WAIT
    due = loans["applied_at"].between(day("2022-07-03"), day(as_of) - WAIT)
    assert set(loans.index[due]) <= set(rows.index)
    assert outcome.notna().all()


def test_a_few_wrong_dates_do_not_stop_the_watch(place, lender):
    """One loan that waited for three years leaves the look where it is."""
    strange = lender.copy()
    strange.loc[0, "applied_at"] = day("2020-01-01")
    assert go(place, strange).outcome == "rolled back"


def test_applications_without_an_outcome_are_told(place, lender, monkeypatch):
    """Declined ones of which nothing will be known are rows without an outcome, not left out."""
    seen = []
    monkeypatch.setattr(
        retrain_watch,
        "watch",
        lambda *given, **more: seen.append(given[0]) or watch(*given, **more),
    )
    unknown = lender["applied_at"].between(day("2022-08-01"), day("2022-09-01"))
    outcome = lender["default"].astype(float).mask(unknown)
    go(place, lender.assign(default=outcome, outcome_at=lender["outcome_at"].mask(unknown)))
    assert seen[0].isna().sum() == unknown.sum()


def test_the_worse_one_goes_even_if_nothing_could_be_trained(place, lender):
    """Without recent applications a retraining is refused, a rollback is not."""
    cut = lender[lender["applied_at"] < day("2022-12-01")]
    assert go(place, cut).outcome == "rolled back"
    with pytest.raises(RetrainRefused, match="hold no application"):
        go(place, cut, as_of="2023-04-02")


def test_a_kill_inside_the_rollback_loses_no_evidence(place, lender, monkeypatch):
    """Stopped after the champion had changed: the verdict and what was decided are still told."""
    rollback = Registry.rollback

    def stopped(self, **told):
        rollback(self, **told)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Registry, "rollback", stopped)
        with pytest.raises(KeyboardInterrupt):
            go(place, lender)
    found = go(place, lender)
    assert (found.outcome, found.champion) == ("rolled back", 1)
    watched = found.details["watch"]
    assert [check["check"] for check in watched["checks"]] == ["evidence", "profit", "auc", "brier"]
    assert watched["meanwhile"][0]["n"] == 0
    assert "the champion before was better" in found.stages["told"].iloc[0]


def test_one_before_that_cannot_be_compared_stops_nothing(place, lender):
    """Nobody knows what it was held out on: told, and the champion is replaced by a challenger."""
    run = runs_by_version(place)[1].info.run_id
    connect(place.tracking_uri).delete_tag(run, "holdout_until")
    found = go(place, lender)
    assert found.stages["told"].iloc[0].startswith("cannot be compared with version 1: the run of")
    assert found.details["check"]["outcome"] == "retrain"


def test_a_rollback_that_the_registry_refuses_is_told(place, lender, monkeypatch):
    """The one before cannot serve: only a challenger can help, so the day goes on."""

    def refuses(*_, **__):
        raise RegistryError("version 1 cannot serve.")

    monkeypatch.setattr(Registry, "rollback", refuses)
    found = go(place, lender)
    assert found.stages["told"].iloc[0].startswith("the rollback was refused: version 1 cannot")
    assert found.details["watch"]["outcome"] == "rollback refused"
    assert found.details["check"]["outcome"] == "retrain"
