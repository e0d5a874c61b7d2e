"""What a scheduled retraining refuses: in words, and nothing was changed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mlops_helpers.retrain_inputs import RetrainRefused, checked_columns, checked_date
from tests.retrain_world import LAZY, contents, copy_place, go, only_bad_news


@pytest.fixture
def place(poor_lender, tmp_path):
    """A place of its own for each test."""
    return copy_place(poor_lender, tmp_path / "it")


@pytest.mark.parametrize("name", sorted(only_bad_news()))
def test_bad_input_is_refused_in_words_and_changes_nothing(name, place, lender):
    """Each with its own message; both stores stay as they are, to the byte."""
    spoil, message = only_bad_news()[name]
    given, more = spoil(lender, place)
    before = contents(place)
    with pytest.raises((RetrainRefused, ValueError), match=message):
        go(place, given, **more)
    assert contents(place) == before
    assert not list(place.folder.glob("*.who"))


def test_a_limit_that_cannot_be_is_refused_by_the_policy():
    """Before anything is asked."""
    with pytest.raises(ValueError, match=r"max_auc_drop is -0\.1, must be 0 or more"):
        replace(LAZY, max_auc_drop=-0.1)


def test_only_columns_of_the_model_can_be_accepted():
    """Each once, in order; else the nearest is named, or all."""
    assert checked_columns(["loan_purpose", "age", "age"]) == ("age", "loan_purpose")
    with pytest.raises(RetrainRefused, match=r"'employment' is no column .* 'employment_length'"):
        checked_columns(["employment"])
    with pytest.raises(RetrainRefused, match=r"'xyz' is no column .* Give one of age, annual"):
        checked_columns(["xyz"])


@pytest.mark.parametrize(
    "text", ["2023-04-01\n", "\u0662\u0660\u0662\u0663-04-01", "2023-04-011", " 2023-04-01"]
)
def test_what_only_looks_like_a_day_is_refused(text):
    """Other digits, a line's end, one digit more."""
    with pytest.raises(RetrainRefused, match="is no date"):
        checked_date(text)
