"""One scheduled retraining: every outcome, once for each day, and what no retraining may do."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mlops_helpers.log_store import LogError
from mlops_helpers.predictions import PredictionLog
from mlops_helpers.registry import Registry
from mlops_helpers.retrain_inputs import RetrainRefused
from mlops_helpers.retrain_place import AtWork, one_at_a_time
from mlops_helpers.retrain_told import summary
from mlops_helpers.training_windows import TrainingWindow
from tests.retrain_world import (
    DAY,
    LAZY,
    contents,
    copy_place,
    day,
    go,
    runs_by_version,
)


@pytest.fixture(scope="module")
def whole(poor_lender, lender, tmp_path_factory):
    """What comes of it undisturbed, with the gate's own checks, and the place it leaves."""
    place = copy_place(poor_lender, tmp_path_factory.mktemp("whole") / "it")
    return go(place, lender), place


@pytest.fixture
def place(poor_lender, tmp_path):
    """A place of its own for each test."""
    return copy_place(poor_lender, tmp_path / "it")


def test_a_better_challenger_is_promoted(whole):
    """All five stages are done, the poor champion is the way back, the run says why it is there."""
    result, place = whole
    assert (result.outcome, result.exit_code, result.champion) == ("promoted", 0, 2)
    assert result.stages["stage"].tolist() == ["watch", "check", "train", "judge", "promote"]
    assert set(result.stages["status"]) == {"done"}
    assert (result.stages["seconds"] >= 0).all()
    registry = Registry(place.tracking_uri)
    assert registry._versions.aliases() == {"champion": 2, "previous": 1}
    tags = runs_by_version(place)[2].data.tags
    assert tags["parent_version"] == "1"
    assert tags["as_of"] == DAY
    assert tags["window"] == "expanding"
    assert tags["trigger"] == "age of the model in days"
    assert tags["decision"].startswith("Retrain: age of the model in days")
    when = registry.history().set_index("event")["when"]
    assert when["challenger"] == day(DAY)


def test_a_second_call_tells_the_same_and_does_nothing(whole, lender):
    """Not a byte of either store changes."""
    result, place = whole
    before = contents(place)
    again = go(place, lender)
    assert again.repeated
    assert not result.repeated
    assert (again.outcome, again.sentence) == (result.outcome, result.sentence)
    assert again.details == result.details
    assert contents(place) == before


def test_without_a_reason_nothing_is_trained(place, lender):
    """Kept, exit code 3; the stages that were not needed say so."""
    result = go(place, lender, policy=LAZY)
    assert (result.outcome, result.exit_code, result.champion) == ("kept", 3, 1)
    assert result.sentence == "Do not retrain: no trigger fired."
    assert result.stages["status"].tolist() == ["done", "done", *["skipped"] * 3]
    assert Registry(place.tracking_uri).status()["version"].tolist() == [1]


def test_a_broken_feed_forbids_it(place, lender):
    """Debt ratios in per cent for three months: vetoed, exit code 4, the column is named."""
    broken = lender.assign(
        debt_to_income_ratio=lender["debt_to_income_ratio"].where(
            lender["applied_at"] < day("2023-01-01"), lender["debt_to_income_ratio"] * 100
        )
    )
    result = go(place, broken)
    assert (result.outcome, result.exit_code, result.champion) == ("vetoed", 4, 1)
    assert "debt_to_income_ratio" in result.sentence
    assert Registry(place.tracking_uri).status()["version"].tolist() == [1]


def test_gaps_that_a_person_knows_of_forbid_nothing(place, lender):
    """A form that asks no longer: vetoed with the way out, and trained once that is taken."""
    asked_no_more = (lender["applied_at"] >= day("2023-01-01")) & (lender.index % 20 == 0)
    gaps = lender.assign(employment_length=lender["employment_length"].mask(asked_no_more))
    vetoed = go(place, gaps)
    assert vetoed.outcome == "vetoed"
    assert vetoed.sentence.endswith("knows why: --accept employment_length on a later day.")
    assert vetoed.details["check"]["accepted"] == []
    result = go(place, gaps, as_of="2023-04-02", accepted=("employment_length",))
    assert result.details["check"]["outcome"] == "retrain"
    assert result.details["check"]["accepted"] == ["employment_length"]
    assert "accepted in employment_length" in result.details["check"]["reasons"][0]["text"]
    assert runs_by_version(place)[2].data.tags["accepted"] == "employment_length"


def test_no_way_out_of_another_unit(place, lender):
    """Accepted or not, debts in per cent forbid it, and nothing is offered."""
    late = lender["applied_at"] >= day("2023-01-01")
    ratio = lender["debt_to_income_ratio"]
    broken = lender.assign(debt_to_income_ratio=ratio.where(~late, ratio * 100))
    result = go(place, broken, accepted=("debt_to_income_ratio",))
    assert result.outcome == "vetoed"
    assert "--accept" not in result.sentence


def test_a_second_call_says_with_what_the_day_was_decided(place, lender):
    """Other seed, window, costs, rows: the stored result, and in words what is not the same."""
    first = go(place, lender, policy=LAZY)
    assert go(place, lender, policy=LAZY).differs == ()
    later = lender.assign(age=lender["age"].where(lender["applied_at"] >= day(DAY), 50))
    again = go(
        *(place, later),
        seed=8,
        window=TrainingWindow(kind="sliding"),
        policy=replace(LAZY, max_age_days=90.0),
        accepted=("age",),
    )
    assert again.repeated
    assert again.sentence == first.sentence
    assert again.differs == (
        "seed 7, not 8",
        "window.kind expanding, not sliding",
        "policy.max_age_days inf, not 90.0",
        "accepted nothing, not age",
        "the rows are others",
    )


def test_an_equal_challenger_is_not_promoted(whole, lender):
    """A month later there is little to win: it is trained and tracked, and the champion stays."""
    _, place = whole
    result = go(place, lender, as_of="2023-05-01")
    assert (result.outcome, result.exit_code, result.champion) == ("kept", 3, 2)
    assert "worth the change" in result.details["promote"]["refused_by"]
    registry = Registry(place.tracking_uri)
    assert registry._versions.aliases() == {"champion": 2, "previous": 1, "challenger": 3}


def test_an_earlier_day_than_one_that_is_over_is_refused(whole, lender):
    """The champion of now was chosen with what was known later."""
    _, place = whole
    before = contents(place)
    with pytest.raises(RetrainRefused, match=r"2023-03-01 lies before .*, which is over"):
        go(place, lender, as_of="2023-03-01")
    assert contents(place) == before


def test_a_damaged_record_is_an_error_in_words(place, lender):
    """Of a day that is over nothing is left but that: the log must be restored."""
    go(place, lender, policy=LAZY)
    with PredictionLog(place.database_url) as log:
        (last,) = log.steps()[lambda steps: steps["stage"] == "promote"].to_dict("records")
        log.save_step(last | {"result": {}})
    with pytest.raises(LogError, match=r"promote of .* it lacks outcome and champion"):
        go(place, lender, policy=LAZY)


def test_the_second_of_two_leaves(place, lender):
    """While one is at work the other is told so and changes nothing."""
    before = contents(place)
    with (
        one_at_a_time(place, what="as of today", now=day(DAY)),
        pytest.raises(AtWork, match=r"process .* as of today, since 2023-04-01"),
    ):
        go(place, lender)
    assert contents(place) == before


def test_a_month_of_a_feed_that_was_mended_since_is_not_learnt_from(place, lender):
    """Incomes by the month in one old month: it is left out whole, and told."""
    july = lender["applied_at"].between(day("2022-07-01"), day("2022-08-01"), inclusive="left")
    income = lender["annual_income"].mask(july, lender["annual_income"] / 12)
    result = go(place, lender.assign(annual_income=income))
    train = result.details["train"]
    assert train["left_out"]["month of a faulty feed"] == july.sum() == 500
    ((month, told),) = train["faulty_months"].items()
    assert month == "2022-07"
    assert "annual_income has another scale" in told[0]
    assert told[0] in summary(result)


def test_outcomes_that_were_lost_forbid_a_training(place, lender):
    """A month whose loans are long due and have no outcome: vetoed, exit code 4."""
    august = lender["applied_at"].between(day("2022-08-01"), day("2022-09-01"), inclusive="left")
    lost = lender.assign(
        default=lender["default"].astype(float).mask(august),
        outcome_at=lender["outcome_at"].mask(august),
    )
    result = go(place, lost)
    assert (result.outcome, result.exit_code, result.champion) == ("vetoed", 4, 1)
    assert "2022-08" in result.sentence


def test_loans_that_are_still_open_are_not_missing_labels(place, lender):
    """Only those that are overdue are: the others are too young to have an outcome."""
    now = day("2023-01-02")
    wait = (lender["outcome_at"] - lender["applied_at"]).max()

    def opened(late):
        return lender.assign(
            default=lender["default"].astype(float).mask(late),
            outcome_at=lender["outcome_at"].mask(late),
        )[lender["applied_at"] < now]

    result = go(place, opened(lender["applied_at"] > now - wait), as_of="2023-01-02")
    assert result.outcome == "kept"
    assert result.sentence.startswith("Do not retrain yet: new labelled rows")
    with pytest.raises(RetrainRefused, match="labels are all missing"):
        go(place, opened(lender["applied_at"] > day("2022-07-01")), as_of="2023-01-03")
