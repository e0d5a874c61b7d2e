"""The reading of a bad month is right as often as the notebook says, and wrong where it says so."""

import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression

from mlops_helpers.cause_scores import JUDGED, confusion, lives, movements
from mlops_helpers.causes import AFTER_LABELS, BEFORE_LABELS, CANNOT_TELL, LIMITS, NOTHING
from mlops_helpers.worlds import CAUSES, WORLDS

REPEATS = 15
BLIND = ("everybody riskier", "incomes of others", "recession and policy")
FEEDS = ("income by the month", "purposes in capitals", "debt all 0", "history all 0")
MISCALIBRATED = {
    "holdout slope": HistGradientBoostingClassifier(max_iter=150),
    "holdout O/E": LogisticRegression(class_weight="balanced", max_iter=1000),
}
"""Models that were never calibrated, and the signal that says so."""


@pytest.fixture(scope="module")
def others():
    """A few lives of worlds that keep to the contract or only select applicants."""
    return lives(["the safest apply", *FEEDS, "homes swapped"], seed=11, repeats=6)


@pytest.fixture(scope="module")
def lived():
    """Many lives, each with a model of its own, and windows of 3,000 applications."""
    return lives([*JUDGED, *BLIND], seed=11, repeats=REPEATS)


def test_a_life_is_the_same_again():
    """Equal arguments give equal frames; a world's window does not depend on the others."""
    small = {"seed": 3, "repeats": 1, "rows": 400, "training_rows": 1500, "holdout_rows": 600}
    first = lives(["quiet", "recession"], **small)
    pd.testing.assert_frame_equal(first, lives(["quiet", "recession"], **small))
    alone = lives(["recession"], **small)
    pd.testing.assert_frame_equal(
        first[first["world"] == "recession"].reset_index(drop=True), alone
    )
    assert first["cause"].tolist() == ["nothing"] * len(LIMITS) + ["applicants changed"] * len(
        LIMITS
    )


def test_quiet_signals_stay(lived):
    """In quiet times each signal moves in at most one window."""
    assert movements(lived).loc["quiet"].max() <= 1 / REPEATS
    assert confusion(lived, labels=True).loc["quiet", NOTHING] >= 0.92


def test_the_signals_that_move_are_those_of_the_cause(lived):
    """Who applies, what makes them default, how many, a feed: each moves its own signals."""
    share = movements(lived)
    recession = share.loc["recession"]
    assert recession[["features drifted", "scores drifted", "expected default rate"]].min() > 0.9
    assert recession[["observed / expected", "AUC", "calibration slope"]].max() <= 0.08
    policy = share.loc["policy change"]
    assert policy[list(BEFORE_LABELS)].max() <= 0.08
    assert policy["AUC"] > 0.9
    assert policy["calibration slope"] > 0.9
    doubled = share.loc["defaults doubled"]
    assert doubled["observed / expected"] > 0.9
    assert doubled[["out of contract", "missing", "AUC", "calibration slope"]].max() <= 0.08
    feed = share.loc["broken feed"]
    assert feed[["out of contract", "missing", "features drifted", "scores drifted"]].min() > 0.9


def test_causes_are_read_with_labels(lived):
    """With labels each cause is read rightly in at least nine windows of ten."""
    right = confusion(lived, labels=True)
    for cause, world in CAUSES.items():
        assert right.loc[world, cause] >= 0.9, cause


def test_before_labels_only_two_causes_are_read(lived):
    """Feed and applicants at once; a changed world, or label rate, is not seen without labels."""
    right = confusion(lived, labels=False)
    assert right.loc["broken feed", "feed broke"] >= 0.9
    assert right.loc["recession", "applicants changed"] >= 0.9
    assert right.loc["policy change", CANNOT_TELL] >= 0.9
    assert right.loc["everybody riskier", CANNOT_TELL] >= 0.9
    assert not set(right.columns) & {"the world changed", "label rate changed", NOTHING}


def test_what_cannot_be_told_apart(lived):
    """Readings that are wrong, or half of it, are wrong in the way that is documented."""
    read = confusion(lived, labels=True)
    assert WORLDS["everybody riskier"].cause == "the world changed"
    assert read.loc["everybody riskier", "label rate changed"] >= 0.8
    assert WORLDS["incomes of others"].cause == "feed broke"
    assert read.loc["incomes of others"].get("feed broke", 0.0) <= 0.08
    assert read.loc["recession and policy", "the world changed"] >= 0.75


def test_tables_are_shares(lived):
    """Rows of a confusion sum to one, shares of movement lie between none and all."""
    for labels in (False, True):
        table = confusion(lived, labels=labels)
        assert table.index.tolist() == [*JUDGED, *BLIND]
        assert table.sum(axis=1).to_numpy() == pytest.approx(1.0)
    share = movements(lived)
    assert share.columns.tolist() == [*BEFORE_LABELS, *AFTER_LABELS]
    assert share.to_numpy().min() >= 0
    assert share.to_numpy().max() <= 1


def test_feeds_within_the_contract_are_read(others):
    """Another unit, capitals, zeros for all: read before labels, each by the signal it moves."""
    early, share = confusion(others, labels=False), movements(others)
    assert early.loc[list(FEEDS), "feed broke"].min() == 1
    assert share.loc["income by the month", "scale"] == 1
    assert share.loc["purposes in capitals", "unseen categories"] == 1
    assert share.loc[["debt all 0", "history all 0"], "one value"].min() == 1
    assert early.loc["homes swapped"].get("feed broke", 0.0) == 0


def test_selection_is_read_as_other_applicants(others):
    """Selected by a truth that the model knows a part of: no changed world, with labels or not."""
    for labels in (False, True):
        read = confusion(others, labels=labels).loc["the safest apply"]
        assert read["applicants changed"] >= 5 / 6


@pytest.mark.parametrize("signal", MISCALIBRATED)
def test_models_never_calibrated_are_no_changed_world(signal):
    """Quiet windows read as nothing and causes as themselves, and a signal tells the fault."""
    worlds = ["quiet", CAUSES["the world changed"], CAUSES["label rate changed"]]
    told = lives(worlds, seed=11, repeats=2, estimator=MISCALIBRATED[signal])
    assert movements(told)[signal].min() == 1
    windows = told.drop_duplicates(["world", "repeat"])
    assert (windows["reading_after"] == windows["cause"]).all()
