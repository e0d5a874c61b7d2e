"""A profile is plain JSON that describes any table, and keeps nobody's row."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from mlops_helpers.profiles import MOST_VALUES, data_profile
from mlops_helpers.simulation import simulate_applications


def columns(**values: object) -> dict:
    """The profile's columns, after a journey through strict JSON."""
    profile = data_profile(pd.DataFrame(values))
    assert json.loads(json.dumps(profile, allow_nan=False)) == profile
    return profile["columns"]


def test_a_portfolio_has_rows_a_span_and_every_column():
    """Applications: their number, first and last time, and no identifier's values."""
    rows = simulate_applications(500, seed=1, start="2022-01-01")
    profile = data_profile(rows)
    assert profile["rows"] == 500
    assert profile["span"]["from"] == rows["applied_at"].min().isoformat()
    assert profile["span"]["until"] == rows["applied_at"].max().isoformat()
    assert list(profile["columns"]) == list(rows.columns)
    assert profile["columns"]["application_id"] == {
        "kind": "identifier",
        "missing": 0,
        "distinct": 500,
    }
    assert rows["application_id"].iloc[0] not in json.dumps(profile, allow_nan=False)


def test_numbers_are_summarised_without_what_is_missing_or_infinite():
    """Missing and infinite are counted apart; the rest gives mean, spread and quantiles."""
    found = columns(x=[1.0, 2.0, 3.0, np.nan, np.inf, -np.inf])["x"]
    assert (found["kind"], found["missing"], found["infinite"]) == ("number", 1, 2)
    assert (found["mean"], found["sd"], found["min"], found["max"]) == (2.0, 1.0, 1.0, 3.0)
    assert found["quantiles"]["0.5"] == 2.0


def test_what_cannot_be_computed_is_none():
    """One value has no spread, infinities have no mean, and too large a sum is not inf."""
    found = columns(one=[7.0, np.nan], far=[np.inf, np.inf], huge=[1e308, 1.5e308])
    assert (found["one"]["mean"], found["one"]["sd"]) == (7.0, None)
    assert (found["far"]["mean"], found["far"]["quantiles"]) == (None, None)
    assert found["huge"]["sd"] is None
    constant = columns(x=[3, 3, 3])["x"]
    assert (constant["sd"], constant["distinct"]) == (0.0, 1)


def test_an_empty_column_is_said_to_be_empty():
    """Nothing but missing values, of whatever type."""
    nothing = {"kind": "empty", "missing": 2}
    times = pd.to_datetime([None, None], utc=True)
    found = columns(a=[np.nan, np.nan], b=[None, None], c=times)
    assert found == {"a": nothing, "b": nothing, "c": nothing}


def test_many_words_are_the_most_frequent_and_the_others():
    """The counts kept and the others add up to all rows; ties are ordered by name."""
    words = [f"w{n:02d}" for n in range(50) for _ in range(2)] + ["w49"]
    found = columns(word=words)["word"]
    assert found["distinct"] == 50
    assert len(found["counts"]) == MOST_VALUES
    assert list(found["counts"])[:2] == ["w49", "w00"]
    assert sum(found["counts"].values()) + found["others"] == len(words)


def test_flags_and_odd_objects_are_words():
    """Truth values, lists and numbers among words are counted by what they are written as."""
    found = columns(flag=[True, False, True], odd=[["a"], 1, None])
    assert found["flag"]["counts"] == {"True": 2, "False": 1}
    assert found["odd"]["counts"] == {"1": 1, "['a']": 1}
    assert found["odd"]["missing"] == 1


def test_nullable_and_categorical_columns_are_read_like_the_others():
    """Types of pandas' own, with missing values of their own."""
    found = columns(
        count=pd.array([1, None, 3], dtype="Int64"),
        kind=pd.Categorical(["a", "b", "a"], categories=["a", "b", "never"]),
    )
    assert (found["count"]["missing"], found["count"]["mean"]) == (1, 2.0)
    assert found["kind"]["counts"] == {"a": 2, "b": 1}


def test_no_rows_and_no_columns_are_a_profile_too():
    """An empty frame is described, not refused."""
    assert data_profile(pd.DataFrame()) == {"rows": 0, "span": None, "columns": {}}
    assert columns(x=pd.Series([], dtype=float)) == {"x": {"kind": "empty", "missing": 0}}
    assert data_profile(pd.DataFrame({"applied_at": ["soon"]}))["span"] is None


def test_two_columns_of_one_name_are_refused():
    """One would hide the other in a JSON object."""
    frame = pd.DataFrame([[1, 2]], columns=["age", "age"])
    with pytest.raises(ValueError, match=r"several columns named \['age'\]; rename or drop"):
        data_profile(frame)
