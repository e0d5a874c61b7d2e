"""Cells are read, or counted as unreadable; nothing in between."""

import numpy as np
import pandas as pd
import pytest

from mlops_helpers.coercion import FINITE, NUMBER, TEXT, TIME, ZONE, to_number, to_text, to_time


def broken(coerced):
    """Return the rules broken, with the number of rows."""
    return {rule: int(mask.sum()) for rule, mask in coerced.faults.items() if mask.any()}


def test_numbers_as_text():
    """Plain and scientific notation are numbers; a gap is missing, not a fault."""
    read = to_number(pd.Series(["1", " 2.5", "-3e2", None], dtype="str"))
    np.testing.assert_array_equal(read.values, [1, 2.5, -300, np.nan])
    assert broken(read) == {}


@pytest.mark.parametrize("cell", ["abc", "45,000", "$5", "12 %", "1.2.3"])
def test_text_in_numbers(cell):
    """What is no number is a fault and missing."""
    read = to_number(pd.Series(["1", cell], dtype="str"))
    assert broken(read) == {NUMBER: 1}
    assert read.values.isna().tolist() == [False, True]


@pytest.mark.parametrize("column", [["1", "inf"], ["1", "-Infinity"], [1.0, np.inf]])
def test_infinity(column):
    """Infinity is a fault of its own, in text and in floats."""
    assert broken(to_number(pd.Series(column))) == {FINITE: 1}


def test_booleans_and_times_as_numbers():
    """True and false are 1 and 0; a time is no number."""
    assert to_number(pd.Series([True, False])).values.tolist() == [1.0, 0.0]
    times = pd.Series(pd.to_datetime(["2023-01-01"], utc=True))
    assert broken(to_number(times)) == {NUMBER: 1}


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("2023-05-01T09:30:00Z", "2023-05-01T09:30:00Z"),
        ("2023-05-01 09:30:00+00:00", "2023-05-01T09:30:00Z"),
        ("2023-05-01T09:30:00+02:00", "2023-05-01T07:30:00Z"),
        ("2023-05-01T09:30:00.123456Z", "2023-05-01T09:30:00.123456Z"),
        ("2023-05-01T09Z", "2023-05-01T09:00:00Z"),
        ("20230501T0020-05", "2023-05-01T05:20:00Z"),
        ("2023-05-01", "2023-05-01T00:00:00Z"),
    ],
)
def test_times_become_utc(cell, expected):
    """Any zone is turned into UTC; a date alone is midnight UTC."""
    read = to_time(pd.Series([cell]))
    assert read.values[0] == pd.Timestamp(expected)
    assert str(read.values.dtype) == "datetime64[us, UTC]"
    assert broken(read) == {}


def test_dates_are_noted():
    """Reading a date as midnight UTC is a decision, so it is said."""
    assert to_time(pd.Series(["2023-05-01", "2023-05-02T01:00Z"])).notes == (
        "1 read as dates, midnight UTC",
    )


@pytest.mark.parametrize(
    ("cell", "rule"),
    [
        ("2023-05-01 09:30", ZONE),
        ("2023-05-01T09:30:00", ZONE),
        ("2023-05-01T00", ZONE),
        ("20230501T0020", ZONE),
        ("01/05/2023", TIME),
        ("2023-13-01", TIME),
        ("soon", TIME),
    ],
)
def test_times_that_cannot_be_trusted(cell, rule):
    """A naive time of day and an unreadable one are different faults; both become missing."""
    read = to_time(pd.Series(["2023-05-01", cell]))
    assert broken(read) == {rule: 1}
    assert pd.isna(read.values[1])


def test_typed_times():
    """Parquet's times: aware ones converted, naive days taken, naive times refused."""
    aware = pd.Series(pd.to_datetime(["2023-05-01T09:30+02:00"])).dt.tz_convert("Europe/Berlin")
    assert to_time(aware).values[0] == pd.Timestamp("2023-05-01T07:30Z")
    naive = pd.Series(pd.to_datetime(["2023-05-01 00:00", "2023-05-01 09:30"]))
    assert broken(to_time(naive)) == {ZONE: 1}
    assert broken(to_time(pd.Series([1_700_000_000]))) == {TIME: 1}


def test_text_is_trimmed_and_blank_is_missing():
    """Spaces around a category make no new category."""
    read = to_text(pd.Series([" rent ", "  ", None, "own"]))
    assert read.values.fillna("-").tolist() == ["rent", "-", "-", "own"]


@pytest.mark.parametrize(("read", "rule"), [(to_text, TEXT), (to_number, NUMBER), (to_time, TIME)])
def test_bytes_are_read_as_nothing(read, rule):
    """Bytes are a fault of their own cell, whatever their column should hold."""
    found = read(pd.Series([None, b"\xff\xfe"], dtype=object))
    assert broken(found) == {rule: 1}
    assert found.values.isna().all()
