"""What cannot be learnt from or judged on is refused by name, before anything is stored."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mlops_helpers.data import FEATURES, TARGET, Split
from mlops_helpers.training_rows import (
    FOLDS,
    checked_seed,
    checked_split,
    checked_training_rows,
    checked_weights,
    demand,
    told_overlap,
)
from tests.loans_on_record import small_split


@pytest.fixture(scope="module")
def split():
    """Rows to learn from, later rows to be judged on."""
    return small_split()


def test_sound_rows_come_back_as_they_are(split):
    """Nothing is sorted or converted, and a holdout of one class is no error."""
    assert checked_split(split) is split
    assert checked_training_rows(split.train) is split.train
    checked_split(split._replace(holdout=split.holdout.assign(**{TARGET: 0.0})))
    checked_split(split._replace(train=split.train.astype({TARGET: "Int64"})))


def test_a_holdout_that_is_not_entirely_later_is_refused(split):
    """The training rows themselves, earlier rows, one earlier row among many, the same instant."""
    train, later = split
    one_early = pd.concat([later, train.head(1)])
    for parts in (Split(train, train), Split(later, train), Split(train, one_early)):
        with pytest.raises(ValueError, match=r"the holdout begins at .*, before the last"):
            checked_split(parts)
    at_once = later.assign(applied_at=later["applied_at"].clip(lower=later["applied_at"].max()))
    with pytest.raises(ValueError, match="at the very instant of the last training row"):
        checked_split(Split(pd.concat([train, at_once.head(1)]), at_once))


def test_the_boundary_is_the_instant():
    """A second later is later; the same second and one before are told apart."""
    now = pd.Timestamp("2022-07-01", tz="UTC")
    second = pd.Timedelta(seconds=1)
    assert told_overlap(now, now + second) == ""
    assert "at the very instant of" in told_overlap(now, now)
    assert "before" in told_overlap(now, now - second)


@pytest.mark.parametrize("part", ["train", "holdout"])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: rows.assign(default=rows[TARGET].astype(str)), "must hold the numbers 0"),
        (lambda rows: rows.assign(default=rows[TARGET].astype(bool)), "as bool; must hold"),
        (lambda rows: rows.assign(default=rows[TARGET].astype(float).where(rows.index > 0)),
         r"nan \(1 rows\).*must hold the numbers 0"),
        (lambda rows: rows.assign(default=2), r"default = 2 \(1500 rows\)"),
        (lambda rows: rows.drop(columns=[TARGET]), r"lack the columns \['default'\]"),
        (lambda rows: rows.drop(columns=["applied_at"]), r"lack the columns \['applied_at'\]"),
        (lambda rows: rows.drop(columns=[FEATURES[2]]), f"lack the columns .'{FEATURES[2]}'"),
        (lambda rows: rows.iloc[:, [0, *range(rows.shape[1])]], "several columns named"),
        (lambda rows: rows.iloc[:0], "there are no (training|holdout) rows"),
        (lambda rows: rows.assign(applied_at=rows["applied_at"].dt.tz_localize(None)),
         "must be times with a zone"),
        (lambda rows: rows.assign(applied_at="2022-01-01"), "must be times with a zone"),
        (lambda rows: rows.assign(applied_at=rows["applied_at"].where(rows.index > 1)),
         "missing in 2 of 1500"),
    ],
)  # fmt: skip
def test_rows_that_lack_something_are_refused(split, part, change, message):
    """Each fault in its own words, with the part of the split that has it."""
    with pytest.raises(ValueError, match=message) as caught:
        checked_split(split._replace(**{part: change(getattr(split, part))}))
    assert {"train": "training", "holdout": "holdout"}[part] in str(caught.value)


def test_fewer_rows_than_folds_need_are_refused(split):
    """One more than the folds is enough."""
    both = pd.concat([split.train[split.train[TARGET] == k].head(4) for k in (0, 1)]).iloc[2:]
    assert len(checked_training_rows(both.head(FOLDS + 1))) == FOLDS + 1
    with pytest.raises(ValueError, match=f"there are {FOLDS} training rows, must be more than"):
        checked_training_rows(both.head(FOLDS))


@pytest.mark.parametrize("given", [None, [1, 2], ("a", "b")])
def test_what_is_no_split_is_refused(given):
    """A tuple of two is none either: nobody could say which part is which."""
    with pytest.raises(TypeError, match="must be a Split"):
        checked_split(given)


def test_parts_that_are_no_frames_are_refused(split):
    """By the part's name."""
    with pytest.raises(TypeError, match="the holdout rows are a list, must be a pandas DataFrame"):
        checked_split(split._replace(holdout=[1]))


@pytest.mark.parametrize("seed", [None, 1.0, "1", True])
def test_a_seed_is_a_whole_number(seed):
    """Without one nothing can be repeated."""
    with pytest.raises(TypeError, match="must be a whole number"):
        checked_seed(seed)


def test_a_seed_fits_the_libraries():
    """Neither negative nor beyond 32 bits; NumPy's own whole numbers are fine."""
    for seed in (-1, 2**32):
        with pytest.raises(ValueError, match="must lie within"):
            checked_seed(seed)
    assert checked_seed(np.int64(7)) == 7


def test_an_argument_of_another_kind_is_named():
    """The name, what it is, and what it must be."""
    demand(int, seed=1)
    with pytest.raises(TypeError, match="seed is a str, must be a int"):
        demand(int, seed="1")


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda w: w.to_numpy(), TypeError, "must be a Series"),
        (lambda w: w.astype(str), TypeError, "must be a Series of numbers"),
        (lambda w: w.iloc[1:], ValueError, "same index"),
        (lambda w: w.iloc[::-1], ValueError, "same index"),
        (lambda w: w.where(w.index != 3), ValueError, "nan in 1 rows"),
        (lambda w: w.where(w.index != 3, -1.0), ValueError, "-1.0 in 1 rows"),
        (lambda w: w.where(w.index != 3, np.inf), ValueError, "inf in 1 rows"),
        (lambda w: w * (small_split().train["default"] == 1), ValueError, "only one class"),
    ],
)
def test_weights_that_cannot_be_are_refused(change, error, message):
    """One finite weight of at least 0 for each row, on its index, and both classes count."""
    train = small_split().train
    weights = pd.Series(1.0, index=train.index)
    with pytest.raises(error, match=message):
        checked_weights(change(weights), train)
    assert checked_weights(weights.astype(int), train).dtype == float
