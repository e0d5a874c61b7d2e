"""What a column holds is decided by its values, not by the type that happens to carry them."""

from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from mlops_helpers.drift_reading import ascending, category_counts, floats, kind_of


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        ([1, 2**70], "numbers"),
        ([1.5, None], "numbers"),
        ([1, Decimal("2.5"), 0.5], "numbers"),
        ([True, 1], "categories"),
        ([True, False], "categories"),
        ([1, "a"], "categories"),
        ([b"\xff", [1]], "categories"),
        ([None, None], "nothing"),
        ([pd.Timestamp("2024-01-01")], "times"),
        ([pd.Timedelta("1D")], "spans of time"),
        ([1j], "complex numbers"),
    ],
)
def test_objects_are_what_they_hold(cells, kind):
    """A column of objects has the kind of its values, and the same one with a type of its own."""
    column = pd.Series(cells, dtype=object)
    assert kind_of(column) == kind
    if kind != "nothing":
        assert kind_of(column.infer_objects()) == kind


def test_numbers_come_in_order_without_gaps():
    """Missing ones are left out; whole numbers beyond any float are infinite."""
    assert ascending(pd.Series([3.0, np.nan, -np.inf, 1.0])).tolist() == [-np.inf, 1.0, 3.0]
    assert floats(pd.Series([10**400, 1, None, -(10**400)], dtype=object))[0] == np.inf


def test_categories_are_counted_by_name():
    """1 and "1" are the same name; missing and unused categories are not counted."""
    mixed = category_counts(pd.Series([1, "1", None, b"\xff"], dtype=object))
    assert mixed.to_dict() == {"1": 2, "b'\\xff'": 1}
    unused = pd.Series(["a", None], dtype=pd.CategoricalDtype(["a", "b"]))
    assert category_counts(unused).to_dict() == {"a": 1}


def test_lists_are_counted_whatever_holds_them():
    """Arrow's lists are categories by their text, though Arrow itself cannot count them."""
    arrow = pd.ArrowDtype(pa.list_(pa.int64()))
    assert category_counts(pd.Series([[1], [1], [2], None], dtype=arrow)).tolist() == [2, 1]


def test_numbers_as_categories_have_one_name():
    """1 and 1.0 are the same category; as text they are two."""
    for cells in ([1, 2], [1.0, 2.0]):
        counts = category_counts(pd.Series(cells, dtype="category"))
        assert sorted(counts.index) == ["1", "2"]
    assert sorted(category_counts(pd.Series(["1", "1.0"])).index) == ["1", "1.0"]
