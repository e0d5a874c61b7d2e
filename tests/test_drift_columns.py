"""A column has its planned tests, whatever it holds, and says what it found."""

import pandas as pd
import pytest

from mlops_helpers.drift_columns import compare_column, profile_column


def test_planned_tests_do_not_depend_on_what_comes():
    """Numbers have four, categories two, three with limits; each is a row, shown or not."""
    numbers, words = pd.Series([1.0, 2.0, 3.0]), pd.Series(["a", "b", "a"])
    for column, limits, planned in ((numbers, None, 4), (words, None, 2), (words, ("a", "b"), 3)):
        profile = profile_column("x", column, 10, limits)
        rows = list(compare_column(profile, column))
        assert profile.planned == len(rows) == planned
        assert [row.shown for row in rows] == [True] + [False] * (planned - 1)


def test_limits_must_fit_the_column():
    """Numbers need two numbers, categories names; the refusal says which column."""
    with pytest.raises(ValueError, match=r"limits\['x'\].*least, greatest"):
        profile_column("x", pd.Series([1.0]), 10, ("a", "b"))
    with pytest.raises(ValueError, match=r"limits\['x'\].*names allowed"):
        profile_column("x", pd.Series(["a"]), 10, (0, 1))
