"""Whatever comes in: an answer or a refusal with the column's name, and never a wrong silence."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from mlops_helpers.drift import COLUMNS, Reference

QUICK = settings(derandomize=True, max_examples=60, deadline=None)
ROWS = st.integers(0, 8)
CELLS = {
    "floats": st.floats(allow_nan=True, allow_infinity=True),
    "small": st.integers(-3, 3).map(float),
    "whole": st.integers(-(2**70), 2**70),
    "huge": st.integers(-(10**400), 10**400),
    "words": st.text(max_size=5),
    "yes/no": st.booleans(),
    "gaps": st.sampled_from([None, np.nan, pd.NA, pd.NaT, 1.0, "a"]),
    "mixed": st.one_of(st.text(max_size=2), st.integers(), st.binary(max_size=2), st.none()),
    "lists": st.lists(st.integers(), max_size=2),
    "times": st.datetimes().map(pd.Timestamp),
    "spans": st.timedeltas(),
    "complex": st.complex_numbers(allow_nan=False),
}
TYPES = (None, "object", "category", "str", "Int64", "Float64", "boolean", "float32", "int8")
NAMES = st.one_of(st.sampled_from(["x", "y", "z"]), st.integers(0, 2), st.text(max_size=3))


@st.composite
def columns(draw, rows):
    """A column of some cells, of some type if they can have it."""
    cells = draw(
        st.lists(CELLS[draw(st.sampled_from(sorted(CELLS)))], min_size=rows, max_size=rows)
    )
    kind = draw(st.sampled_from(TYPES))
    column = pd.Series(cells, dtype="object")
    try:
        return column.infer_objects() if kind is None else column.astype(kind)
    except (TypeError, ValueError, OverflowError):
        return column


@st.composite
def frames(draw):
    """A frame of up to three arbitrary columns, whose names may be there twice."""
    rows, names = draw(ROWS), draw(st.lists(NAMES, max_size=3))
    made = [draw(columns(rows)) for _ in names]
    frame = pd.concat(made, axis=1) if made else pd.DataFrame(index=range(rows))
    return frame.set_axis(names, axis=1)


def answered(ask, frame):
    """The answer, or None for a refusal, which must say which column, or that there is nothing."""
    try:
        return ask(frame)
    except ValueError as error:
        told = [name for name in ("no rows", *map(repr, map(str, frame))) if name in str(error)]
        if not told:
            raise
    return None


@settings(QUICK, max_examples=60)
@given(frames(), frames())
def test_an_answer_or_a_refusal_that_names_the_column(before, now):
    """No arbitrary pair of frames ends otherwise, nor with a missing severity."""
    reference = answered(Reference.fit, before)
    report = answered(reference.compare, now) if reference else None
    if report is None:
        return
    table = report.table
    assert tuple(table.columns) == COLUMNS
    assert {str(name) for name in before.columns} <= set(table["feature"])
    assert table["severity"].isin(["none", "low", "medium", "high", "no data"]).all()
    gone = {str(n) for n in before.columns} - {str(n) for n in now.columns}
    silent = set(table.loc[table["severity"] == "none", "feature"])
    assert not gone & silent
    if now.empty and len(now.columns):
        assert table["severity"].eq("no data").all()
    known = {str(name) for name in before.columns}
    assert set(report.new_columns) == {str(name) for name in now.columns} - known


@settings(QUICK, max_examples=40)
@given(frames())
def test_the_same_sample_never_drifts(frame):
    """A frame compared with itself, in another order and with another index, has not drifted."""
    reference = answered(Reference.fit, frame)
    if reference is None:
        return
    shuffled = frame.sample(frac=1, random_state=1)
    report = reference.compare(frame)
    assert report.drifted == []
    assert not report.new_columns
    other = reference.compare(shuffled.set_axis(["same"] * len(frame), axis=0))
    pd.testing.assert_frame_equal(report.table, other.table)


@QUICK
@given(st.data(), st.sampled_from(["floats", "small", "words", "yes/no", "mixed", "whole"]))
def test_a_column_that_is_gone_or_lost_its_values_is_never_quiet(data, kind):
    """No column, no values, times instead of values: each is told, and drifted."""
    cells = data.draw(st.lists(CELLS[kind], min_size=30, max_size=60))
    frame = pd.DataFrame({"x": pd.Series(cells, dtype=object).infer_objects()})
    assume(frame["x"].notna().mean() > 0.8)
    reference, n = Reference.fit(frame), len(frame)
    gone = reference.compare(pd.DataFrame({"other": range(n)}))
    assert gone.drifted == ["x"]
    empty = reference.compare(pd.DataFrame({"x": np.full(n, np.nan)}))
    assert empty.drifted == ["x missing"]
    assert empty.table.set_index("feature").loc["x", "severity"] == "no data"
    for other in (pd.Timestamp("2024-01-01"), pd.Timedelta("1D"), 1j):
        assert "x" in reference.compare(pd.DataFrame({"x": [other] * n})).drifted


@QUICK
@given(st.data(), st.booleans())
def test_a_change_of_type_is_high(data, numbers_first):
    """Numbers that become text, and text that becomes numbers, however few rows come."""
    numbers = pd.DataFrame({"x": data.draw(st.lists(st.integers(0, 9), min_size=5, max_size=20))})
    text = numbers.astype("str")
    before, now = (numbers, text) if numbers_first else (text, numbers)
    table = Reference.fit(before).compare(now).table.set_index("feature")
    assert table.loc["x", "severity"] == "high"
    assert table.loc["x", "test"] == "type"


@QUICK
@given(
    st.lists(st.floats(-1e9, 1e9), min_size=40, max_size=80),
    st.lists(st.floats(2e9, 1e300), min_size=40, max_size=80),
    st.booleans(),
)
def test_numbers_that_are_wholly_others_are_high(before, now, swapped):
    """If no value of one side lies among those of the other the severity is high."""
    sides = (now, before) if swapped else (before, now)
    reference = Reference.fit(pd.DataFrame({"x": sides[0]}))
    report = reference.compare(pd.DataFrame({"x": sides[1]}))
    assert report.table.loc[0, "severity"] == "high"


@QUICK
@given(st.integers(1, 15), st.integers(4, 8), st.sampled_from(["str", "category", "object"]))
def test_categories_that_are_wholly_others_are_high(number, each, kind):
    """Few or many, if none of those before comes again the severity is high."""
    each = max(each, 30 // number)
    before = pd.Series([f"a{k}" for k in range(number)] * each, dtype=kind)
    now = pd.Series([f"b{k}" for k in range(number)] * each, dtype=kind)
    report = Reference.fit(pd.DataFrame({"x": before})).compare(pd.DataFrame({"x": now}))
    assert report.table.loc[0, "severity"] == "high"


@QUICK
@given(
    st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=60),
    st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60),
    st.sampled_from([2.0**-10, 0.5, 8.0, 2.0**30]),
)
def test_units_do_not_matter(before, now, unit):
    """In other units statistic, p-value, index and distance in deviations are the same."""
    tables = []
    for scale in (1.0, unit):
        a, b = (pd.DataFrame({"x": np.array(values) * scale}) for values in (before, now))
        tables.append(Reference.fit(a).compare(b).table)
    exact = ["statistic", "p_value", "psi", "psi_null"]
    pd.testing.assert_frame_equal(tables[0][exact], tables[1][exact], check_exact=True)
    far = [table["wasserstein"].fillna(0).item() for table in tables]
    assert far[0] == pytest.approx(far[1], rel=1e-6, abs=1e-6)


@QUICK
@given(st.lists(st.floats(allow_nan=False), min_size=1, max_size=30), st.integers(1, 20))
@example([-1.7976931348623157e308], 1)  # nothing finite is less, and that is no overflow
def test_infinite_values_are_counted_and_never_dropped(values, infinite):
    """They stand in the note and in the row of what is out of contract."""
    frame = pd.DataFrame({"x": [v for v in values if np.isfinite(v)] or [0.0]})
    now = pd.DataFrame({"x": [*frame["x"], *[np.inf] * infinite]})
    table = Reference.fit(frame).compare(now).table.set_index("feature")
    assert table.loc["x", "note"] == f"infinite: 0 before, {infinite} now"
    assert table.loc["x out of contract", "note"].endswith(f"{infinite / len(now):.1%} now")
