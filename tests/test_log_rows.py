"""A frame is checked column by column, every fault is told at once, and rows are Python's own."""

import uuid

import numpy as np
import pandas as pd
import pytest

from mlops_helpers import tables
from mlops_helpers.log_rows import Rows, checked, searched
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


@pytest.mark.parametrize(
    ("values", "first"),
    [
        (np.arange(200.0), "0.0"),
        ([1e22] * 200, "1e\\+22"),
        ([True] * 200, "True"),
        (pd.array([True] * 200, dtype="boolean"), "True"),
        (pd.Timestamp("2024-01-01", tz="UTC"), "Timestamp"),
        (pd.Timedelta(days=1), "Timedelta"),
        (pd.Series(["a", 7, 7.0] + ["b"] * 197, dtype=object), r"7\.0 in 1 rows"),
        (pd.Series(["a", np.float64(2)] + ["b"] * 198, dtype=object), r"2\.0 in 1 rows"),
        (pd.Series([1, True] + [2] * 198, dtype=object), "True in 1 rows"),
        (pd.Series([np.True_, "a"] + ["b"] * 198, dtype=object), "True in 1 rows"),
        (pd.Categorical([1.0, 2.0] * 100), "1.0"),
        (pd.Series([pd.Timestamp("2024-01-01").date()] * 200), "date"),
        (pd.Series([b"a"] * 200), "b'a'"),
    ],
    ids=range(13),
)
@pytest.mark.parametrize("column", ["prediction_id", "variant"])
def test_a_text_is_not_made_of_what_has_several_texts(rows, column, values, first):
    """A float, a boolean or a time is refused by name: which text it becomes is anybody's guess."""
    with pytest.raises(ValueError, match=f"{column} == .*{first}.*must be a text or a whole numb"):
        checked(rows.assign(**{column: values}), predictions)


def test_texts_and_whole_numbers_are_ids(rows):
    """Of every integer type, and a UUID: the text is the one that everybody writes."""
    for given, expected in (
        (np.arange(200), "7"),
        (np.arange(200, dtype="uint8"), "7"),
        (pd.array(np.arange(200), dtype="Int64"), "7"),
        (pd.Series(list(range(200)), dtype=object), "7"),
        (pd.Series(["a", *range(1, 200)], dtype=object), "7"),
        (pd.Categorical(range(200)), "7"),
        ([10**25 + number for number in range(200)], "10000000000000000000000007"),
        ([uuid.UUID(int=number) for number in range(200)], str(uuid.UUID(int=7))),
    ):
        found = checked(rows.assign(prediction_id=given), predictions)
        assert found.columns["prediction_id"][7] == expected


@pytest.mark.parametrize("column", ["age", "model_version"])
@pytest.mark.parametrize("kind", ["str", object])
@pytest.mark.parametrize("text", ["1_000", "\u0661\u0662", "1,5", "0x10", " 1", "nan", "inf", ""])
def test_a_text_that_is_no_plain_decimal_is_no_number(rows, column, kind, text):
    """Whatever float() makes of it: the value in the message is the one that was given."""
    values = pd.Series(["1.0"] * 199 + [text], dtype=kind)
    with pytest.raises(ValueError, match=f"{column} == '{text}' in 1 rows; must be a number"):
        checked(rows.assign(**{column: values}), predictions)


def test_plain_decimals_are_numbers(rows):
    """As a file of values writes them."""
    texts = ["1", "-1.5", "+2.", ".25", "1e3", "2.5E-1"]
    values = pd.Series(texts + [None] * 194, dtype="str")
    found = checked(rows.assign(age=values), predictions).columns["age"].tolist()
    assert found[:7] == [1.0, -1.5, 2.0, 0.25, 1000.0, 0.25, None]


def test_what_is_no_frame_is_refused():
    """By its type, in words of our own."""
    with pytest.raises(TypeError, match="predictions came as NoneType; must be a DataFrame"):
        checked(None, predictions)


@pytest.mark.parametrize("value", ["a\0", "a\ud800", 5, None])
def test_what_no_stored_text_can_be_is_not_searched_for(value):
    """A filter is a text that could have been stored."""
    with pytest.raises(ValueError, match=r"experiment == .*; must be a text that UTF-8 can write"):
        searched("experiment", value)
    assert searched("experiment", "é") == "é"


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


def test_a_time_that_pandas_has_no_word_for_is_refused_in_words():
    """An id that is a time of the year -1199 cannot even be printed; its year can."""
    far = pd.Series(np.array([-(10**11)]).astype("datetime64[s]")).dt.tz_localize("UTC")
    frame = pd.DataFrame({"prediction_id": far, "default": [1], "outcome_at": far})
    with pytest.raises(ValueError, match="prediction_id == 'a time in the year -1199' in 1 rows"):
        checked(frame, outcomes)
