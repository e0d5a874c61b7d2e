"""A frame is checked column by column, every fault is told at once, and rows are Python's own."""

import numpy as np
import pandas as pd
import pytest

from mlops_helpers import tables
from mlops_helpers.log_rows import Rows, checked
from mlops_helpers.tables import metrics, outcomes, predictions
from tests.logged import outcomes_of, two_months


@pytest.fixture(scope="module")
def rows():
    """Two hundred predictions of January and February 2024, some features missing."""
    return two_months()


def test_every_fault_is_told_at_once(rows):
    """Column, value, number of rows, rule and the first row's id, for each of them."""
    bad = rows.assign(decision="maybe", loan_amount=np.inf)
    bad.loc[bad.index[[7, 9]], "probability"] = 1.5
    bad["scored_at"] = bad["scored_at"].dt.tz_localize(None)
    with pytest.raises(ValueError, match=r"^predictions: 4 faults: ") as caught:
        checked(bad, predictions)
    first, eighth = rows["prediction_id"].iloc[0], rows["prediction_id"].iloc[7]
    said = str(caught.value)
    assert "column 'scored_at' has no time zone" in said
    assert (
        f"probability == 1.5 in 2 rows; must be within [0, 1]; first of them: {eighth}. "
        f"decision == 'maybe' in 200 rows; must be approve or decline; first of them: {first}. "
        f"loan_amount == inf in 200 rows; must be finite; first of them: {first}"
    ) in said
    assert "\n" not in said


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"model_version": 1.5}, "model_version == 1.5 in 200 rows; must be a whole number"),
        ({"model_version": 2**31}, "model_version == 2147483648 in 200 rows; must be within"),
        ({"model_version": "newest"}, "model_version == 'newest' in 200 rows; must be a number"),
        ({"age": "old"}, "age == 'old' in 200 rows; must be a number"),
        ({"age": pd.Timestamp("2024-01-01")}, "age == .* in 200 rows; must be a number"),
        ({"probability": -0.1}, "probability == -0.1 in 200 rows; must be within"),
        ({"probability": np.nan}, "'probability' is missing in 200 rows; .* first of them: row 0"),
        ({"latency_ms": -1}, "latency_ms == -1.0 in 200 rows; must be 0 or more"),
        ({"prediction_id": " "}, "prediction_id == ' ' in 200 rows; must be a text that is not"),
        ({"variant": "a\0b"}, "variant == .* in 200 rows; must be a text without the character"),
        ({"variant": "a\ud800"}, "variant == .* in 200 rows; must be a text that UTF-8 can write"),
        ({"scored_at": "2024-01-01"}, "'scored_at' is object, not times with a time zone"),
    ],
)
def test_what_cannot_be_stored_is_named(rows, change, said):
    """Whatever a column holds, the message is ours and names it; no library's error comes out."""
    with pytest.raises(ValueError, match=said):
        checked(rows.assign(**{c: pd.Series([v] * 200, dtype=_kind(v)) for c, v in change.items()}),
                predictions)  # fmt: skip


def _kind(value):
    return object if isinstance(value, str) else None


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        (lambda r: pd.concat([r, r[["age"]]], axis=1), r"repeated columns \['age'\]"),
        (lambda r: r.drop(columns="age"), r"missing columns \['age'\], unknown columns \[\]; sel"),
        (lambda r: r.assign(colour=1), r"unknown columns \['colour'\]"),
    ],
)
def test_columns_are_those_of_the_table(rows, shape, said):
    """Missing, unknown and repeated columns are named before anything is read from them."""
    with pytest.raises(ValueError, match=said):
        checked(shape(rows), predictions)


def test_a_missing_value_is_none_and_breaks_no_rule(rows):
    """In every kind of column that may be missing; a column without any value too."""
    frame = rows.assign(latency_ms=np.nan, variant=pd.Series([None, "a"] * 100, dtype="str"))
    found = checked(frame, predictions)
    assert found.columns["latency_ms"].tolist() == [None] * 200
    assert found.columns["variant"].tolist() == [None, "a"] * 100
    assert found.columns["age"].tolist()[:2] == [None, rows["age"].iloc[1]]


def test_no_rows_are_no_fault(rows):
    """An empty frame of the right columns has no rows and nothing wrong."""
    found = checked(rows.head(0), predictions)
    assert len(found) == 0
    assert list(found.in_chunks(10)) == []
    assert found.as_dicts() == []


def test_chunks_are_pythons_own_values_in_order(rows):
    """All rows once, at most so many at a time; never a NumPy number, which drivers store badly."""
    found = checked(rows, predictions)
    chunks = list(found.in_chunks(60))
    assert [len(chunk[0]) for chunk in chunks] == [60, 60, 60, 20]
    ids = [value for chunk in chunks for value in chunk[0]]
    assert ids == rows["prediction_id"].tolist()
    values = {type(value) for chunk in chunks for column in chunk for value in column}
    assert values == {str, int, float, type(None)}


def test_rows_made_by_hand():
    """Dictionaries become the same rows again."""
    rows = [{"a": "y", "n": 1}, {"a": None, "n": 2}]
    assert Rows.of(rows).as_dicts() == rows


def test_a_column_with_a_default_may_be_left_out():
    """Alerts without an owner are stored with nobody's name."""
    columns = {column.name: 1 for column in tables.alerts.columns if column.name != "owner"}
    times = {name: pd.Timestamp("2024-01-01", tz="UTC") for name in columns if name.endswith("_at")}
    frame = pd.DataFrame([columns | times])
    assert checked(frame, tables.alerts).as_dicts()[0]["owner"] == ""


def test_rules_hold_in_other_tables(rows):
    """Labels are 0 or 1; a metric's window needs both ends."""
    with pytest.raises(ValueError, match="outcomes: default == 2 in 200 rows; must be 0 or 1"):
        checked(outcomes_of(rows, default=2), outcomes)
    with pytest.raises(ValueError, match="metrics: missing columns"):
        checked(pd.DataFrame({"metric": ["auc"]}), metrics)
