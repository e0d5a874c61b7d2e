"""An id is the same unit in whatever it comes, and what is no id is refused."""

import uuid

import numpy as np
import pandas as pd
import pytest

from mlops_helpers.assignment import Experiment, Holdout
from mlops_helpers.unit_ids import id_texts

PLAN = Experiment("champion-2-against-1")
NUMBERS = range(10**12, 10**12 + 200)
TEXTS = [str(number) for number in NUMBERS]


@pytest.mark.parametrize(
    "units",
    [
        list(NUMBERS),
        NUMBERS,
        iter(TEXTS),
        tuple(TEXTS),
        np.array(NUMBERS),
        np.array(NUMBERS, dtype="uint64"),
        np.array(TEXTS),
        np.array(TEXTS, dtype=object),
        [np.int64(number) for number in NUMBERS],
        [*NUMBERS[:100], *TEXTS[100:]],
        pd.Series(TEXTS, dtype="str"),
        pd.Series(TEXTS, dtype="str", index=range(200, 0, -1)),
        pd.Series(TEXTS, dtype="string"),
        pd.Series(TEXTS, dtype="category"),
        pd.Series(NUMBERS, dtype="Int64"),
        pd.Series(NUMBERS, dtype="category"),
        pd.Index(TEXTS),
    ],
    ids=lambda units: type(units).__name__,
)
def test_an_id_is_the_same_in_whatever_it_comes(units):
    """Texts and whole numbers of Python, NumPy and pandas: the arm is that of the text."""
    expected = PLAN.assign(TEXTS)
    assert set(expected) == set(PLAN.arms)
    assert PLAN.assign(units).tolist() == expected.tolist()


def test_a_uuid_is_its_text():
    """As in the log, where it is stored as text."""
    ids = [uuid.UUID(int=number) for number in range(50)]
    assert id_texts(ids).tolist() == [str(one) for one in ids]
    assert PLAN.assign(ids).tolist() == PLAN.assign(map(str, ids)).tolist()


@pytest.mark.parametrize(
    ("units", "said"),
    [
        (["a", None], "unit 1 to assign has no id"),
        (["a", float("nan")], "unit 1 to assign has no id"),
        ([1, pd.NA], "unit 1 to assign has no id"),
        ([pd.NaT], "unit 0 to assign has no id"),
        (["a", "b", ""], "unit 2 to assign has no id"),
        (pd.Series(["a", None], dtype="str"), "unit 1 to assign has no id"),
        (pd.Series([7, None], dtype="Int64"), "unit 1 to assign has no id"),
        (pd.Series([7, None]), r"unit 0 is 7\.0 \(float\)"),
        ([12.0], r"unit 0 is 12\.0 \(float\), must be a text or a whole number"),
        ([True, False], "unit 0 is True"),
        ([1, True], "unit 1 is True"),
        (np.array([True]), "unit 0 is True"),
        ([b"a"], "unit 0 is b'a'"),
        ([("a", 1)], "unit 0 is .'a', 1."),
        ([["a"], ["b"]], "unit 0 is"),
        ([pd.Timestamp("2024-01-01")], "unit 0 is"),
        (["fine", "\ud800"], r"the id '.ud800' .* UTF-8"),
    ],
)
def test_what_is_no_id_is_refused(units, said):
    """Missing, empty, or of a kind whose text would be somebody's choice: no arm, for nobody."""
    with pytest.raises(ValueError, match=said):
        PLAN.assign(units)
    with pytest.raises(ValueError, match=said):
        Holdout("x", 0.1).holds(units)


@pytest.mark.parametrize(
    "units",
    [None, 5, "loan-1", b"loan-1", pd.DataFrame({"id": ["a"]}), {"a": 1}, np.array([["a"]])],
)
def test_what_is_no_list_of_ids_is_refused(units):
    """A single text would be assigned character by character, a frame by its columns."""
    with pytest.raises(TypeError, match="must be a list or column of ids"):
        PLAN.assign(units)


def test_nobody_gets_no_arm():
    """No units are no arms, of whatever they were a list."""
    for nobody in ([], np.array([]), pd.Series([], dtype="str"), pd.Series([], dtype="float64")):
        assert PLAN.assign(nobody).shape == (0,)
        assert Holdout("x", 0.1).holds(nobody).shape == (0,)
