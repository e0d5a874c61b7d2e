"""Whatever frame the log is given: stored and read back equal, or refused by the column's name."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from numbers import Integral, Rational, Real
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from mlops_helpers.contracts import CATEGORICAL, NUMERIC
from mlops_helpers.predictions import OutcomeReceipt, PredictionLog
from tests.log_writers import JANUARY, labels, made_up

# The same examples in every run of the same modules: those that are loaded lend their constants.
FIXED = settings(
    derandomize=True,
    deadline=None,
    database=None,
    max_examples=60,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,  # the store is emptied by each example
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
    ],
)
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "+05:30")
LONGEST_KEY = 250  # characters: in any script short enough for an index of PostgreSQL


@dataclass(frozen=True)
class Kind:
    """What a column may hold, told without the code that checks it."""

    of: str
    needed: bool = False
    fits: Callable[[Any], bool] = lambda _: True
    key: bool = False


def not_blank(text: object) -> bool:
    """An id of nothing but spaces names nothing."""
    return bool(str(text).strip())


PREDICTIONS = {
    "prediction_id": Kind("text", needed=True, fits=not_blank, key=True),
    "application_id": Kind("text", needed=True, fits=not_blank),
    "model_version": Kind("whole", needed=True),
    "scored_at": Kind("time", needed=True),
    "probability": Kind("number", needed=True, fits=lambda p: 0 <= p <= 1),
    "decision": Kind("text", needed=True, fits=("approve", "decline").__contains__),
    "experiment": Kind("text", key=True),
    "variant": Kind("text"),
    "latency_ms": Kind("number", fits=lambda ms: ms >= 0),
    **dict.fromkeys(NUMERIC, Kind("number")),
    **dict.fromkeys(CATEGORICAL, Kind("text")),
}
OUTCOMES = {
    "prediction_id": Kind("text", needed=True, fits=not_blank, key=True),
    "default": Kind("whole", needed=True, fits=(0, 1).__contains__),
    "outcome_at": Kind("time", needed=True),
}
METRICS = {
    "metric": Kind("text", needed=True, key=True),
    "subject": Kind("text", key=True),
    "model_version": Kind("whole", fits=lambda v: v != 0),  # how "no version" is stored
    "window_start": Kind("time", needed=True),
    "window_end": Kind("time", needed=True),
    "value": Kind("number"),
    "low": Kind("number"),
    "high": Kind("number"),
    "reference": Kind("number"),
    "severity": Kind("text"),
}


def is_missing(value: object) -> bool:
    """Is it one of the many words for nothing?"""
    return pd.api.types.is_scalar(value) and bool(pd.isna(value))


def verdict(value: object, kind: Kind) -> str:
    """Must such a cell be "stored", must it be "refused", or is "either" right?"""
    if is_missing(value):
        return "refused" if kind.needed else "stored"
    found = {"text": of_text, "number": of_number, "whole": of_whole, "time": of_time}[kind.of](
        value
    )
    if found != "refused" and kind.of != "time" and not kind.fits(plain(value, kind)):
        return "refused"
    if found == "stored" and kind.key and len(str(value)) > LONGEST_KEY:
        return "either"
    return found


def of_text(value: object) -> str:
    """Texts are kept, whole numbers become texts; 1.0, bytes and containers are no texts."""
    if isinstance(value, str):
        if any(0xD800 <= ord(letter) <= 0xDFFF for letter in value):
            return "refused"  # half a character
        return "either" if "\0" in value else "stored"
    if isinstance(value, bool | np.bool_):
        return "either"
    if isinstance(value, Integral):
        return "stored"
    return "refused" if isinstance(value, Real | bytes | list | dict | tuple) else "either"


def of_number(value: object) -> str:
    """Numbers that a double holds without another value; texts of numbers may be refused."""
    if isinstance(value, bool | np.bool_):
        return "either"
    if isinstance(value, Rational):
        fits = abs(value) < 2**1023 and Fraction(float(value)) == Fraction(value)
        return (
            "stored" if fits and isinstance(value, Integral) else ("either" if fits else "refused")
        )
    if isinstance(value, Real):
        return "stored" if math.isfinite(value) else "refused"
    if isinstance(value, str | Decimal):
        return "either" if plain(value, Kind("number")) is not None else "refused"
    return "refused"


def of_whole(value: object) -> str:
    """Whole numbers; those beyond 32 bits may be refused, as PostgreSQL would."""
    if isinstance(value, bool | np.bool_):
        return "either"
    if isinstance(value, Real):
        if not math.isfinite(value) or value != int(value):
            return "refused"
        return "stored" if -(2**31) <= value < 2**31 else "either"
    if isinstance(value, str | Decimal):
        return "either" if plain(value, Kind("whole")) is not None else "refused"
    return "refused"


def of_time(value: object) -> str:
    """Aware times of whole microseconds, of the years 1 to 9999; a mixed column may be refused."""
    if isinstance(value, pd.Timestamp | datetime) and value.tzinfo is not None:
        fine = 1 <= value.year <= 9999 and not getattr(value, "nanosecond", 0)
        return "stored" if fine else "refused"
    return "refused"


def plain(value: object, kind: Kind) -> Any:
    """The value as it should come back; None if there is no such thing."""
    try:
        if kind.of == "text":
            return value if isinstance(value, str) else str(value)
        if kind.of == "number":
            number = float(value)
            return number if math.isfinite(number) else None
        if kind.of == "whole":
            number = Decimal(str(value)) if isinstance(value, str) else Decimal(value)
            return int(number) if number == int(number) else None
        return pd.Timestamp(value).tz_convert("UTC")
    except (TypeError, ValueError, ArithmeticError):
        return float(value) if kind.of == "whole" and isinstance(value, Real) else None


def came_back(back: object, value: object, kind: Kind) -> bool:
    """Is what was read what was given?"""
    if is_missing(value):
        return is_missing(back)
    if kind.of == "text" and isinstance(value, Real) and not isinstance(value, Rational):
        # 1.0 and 1e+16 have more than one spelling, and a float32 is spelt in fewer digits
        return float(back) == value or np.float32(back) == np.float32(value)
    if kind.of == "text" and isinstance(value, pd.Timestamp | pd.Timedelta):
        return type(value)(back) == value
    return back == plain(value, kind)


# ---- frames ----------------------------------------------------------------------------------

letters = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
texts = st.text(letters, max_size=12) | st.sampled_from(["nan", "None", "<NA>", "", " ", "é", "é"])
ids = st.text(letters, min_size=1, max_size=8).filter(not_blank) | st.sampled_from(["a", "b", "A"])
moments = st.datetimes(datetime(1600, 1, 1), datetime(9999, 12, 30)) | st.sampled_from(
    [
        datetime(2024, 3, 31, 0, 59, 59, 999999),  # the hours around the clock's changes
        datetime(2024, 3, 31, 1, 0),
        datetime(2024, 10, 27, 0, 30),
        datetime(2024, 10, 27, 1, 30),
        datetime(1970, 1, 1),
        datetime(1969, 12, 31, 23, 59, 59, 999999),
    ]
)
LONG = "".join(f"{n * n * 7919 % 99_991:x}" for n in range(20_000))  # does not compress
odd_cells = st.one_of(
    st.sampled_from([None, np.nan, pd.NA, pd.NaT, True, False, np.inf, -np.inf, -0.0, 5e-324]),
    st.sampled_from([b"bytes", [1], {"a": 1}, 1 + 2j]),
    st.sampled_from([Decimal("0.5"), Decimal("NaN"), Fraction(1, 3), Fraction(1, 2)]),
    st.sampled_from(["12", "1.5", "1e400", "inf", "NaN", "\0", "a\0b", "\ud800", " "]),
    st.sampled_from(["x" * 20_000, LONG]),
    st.sampled_from(
        [
            2**31, -(2**31) - 1, 2**53 + 1, 2**63, 2**64, 10**400, np.float32(0.1), np.int8(-1),
            pd.Timestamp("2024-01-01"), pd.Timestamp("2024-01-01", tz="Asia/Kathmandu"),
            pd.Timedelta(days=1), np.datetime64("2024-01-01"),
        ]
    ),
    st.text(max_size=5),
    st.integers(),
    st.floats(),
)  # fmt: skip


def columns_of(values: st.SearchStrategy, dtype: object, n: int) -> st.SearchStrategy[pd.Series]:
    """Columns of one type."""
    return st.lists(values, min_size=n, max_size=n).map(lambda v: pd.Series(v, dtype=dtype))


@st.composite
def aware_times(draw: st.DrawFn, n: int, units: tuple[str, ...] = ("us",)) -> pd.Series:
    """Times in some zone; the finer the unit, the narrower the years it can hold."""
    unit = draw(st.sampled_from(units))
    values = moments
    if unit == "ns":
        values = st.datetimes(datetime(1700, 1, 1), datetime(2200, 1, 1))
    drawn = draw(st.lists(values, min_size=n, max_size=n))
    series = pd.Series(pd.DatetimeIndex(drawn, dtype="datetime64[us]")).dt.as_unit(unit)
    if unit == "ns":
        finer = draw(st.lists(st.sampled_from([0, 0, 1, 999]), min_size=n, max_size=n))
        series = series + pd.to_timedelta(np.array(finer, dtype="timedelta64[ns]"))
    return series.dt.tz_localize("UTC").dt.tz_convert(draw(st.sampled_from(ZONES)))


def odd_columns(n: int) -> st.SearchStrategy[pd.Series]:
    """Columns of every type, right and wrong."""
    few = st.sampled_from(["a", "b", None])
    return st.one_of(
        columns_of(odd_cells, object, n),
        columns_of(st.floats() | st.sampled_from([None, pd.NA, pd.NaT, 1]), object, n),
        odd_cells.filter(pd.api.types.is_scalar).map(lambda v: pd.Series([v] * n, dtype=object)),
        columns_of(st.floats(), "float64", n),
        columns_of(st.floats(width=32), "float32", n),
        columns_of(st.integers(-5, 5) | st.none(), "Int64", n),
        columns_of(st.integers(-(2**63), 2**63 - 1), "int64", n),
        columns_of(st.integers(0, 2**64 - 1), "uint64", n),
        columns_of(st.booleans(), "bool", n),
        columns_of(st.booleans() | st.none(), "boolean", n),
        columns_of(texts | st.none(), "str", n),
        columns_of(few, "category", n),
        columns_of(st.integers(0, 1), "category", n),
        columns_of(st.sampled_from(["approve", "decline"]), "category", n),
        columns_of(moments, "datetime64[us]", n),
        aware_times(n, ("s", "ms", "us", "ns")),
        columns_of(st.sampled_from([0, 10**12, 10**13, -(10**11)]), "datetime64[s]", n).map(
            lambda far: far.dt.tz_localize("UTC")
        ),
        columns_of(st.binary(max_size=2), pd.ArrowDtype(pa.binary()), n),
        columns_of(texts | st.none(), pd.ArrowDtype(pa.string()), n),
        columns_of(st.floats() | st.none(), pd.ArrowDtype(pa.float64()), n),
        columns_of(st.sampled_from([pd.Timestamp("2024-01-01", tz=z) for z in ZONES]), object, n),
        columns_of(st.integers(0, 9).map(lambda d: pd.Timedelta(days=d)), "timedelta64[us]", n),
        columns_of(st.complex_numbers(max_magnitude=5), "complex128", n),
    )


def right_columns(name: str, kind: Kind, n: int) -> st.SearchStrategy[pd.Series]:
    """Columns as they should be."""
    finite = st.floats(allow_nan=False, allow_infinity=False)
    special = {
        "probability": columns_of(st.floats(0, 1), "float64", n),
        "decision": columns_of(st.sampled_from(["approve", "decline"]), "str", n),
        "latency_ms": columns_of(st.floats(0, 1e300) | st.just(np.nan), "float64", n),
        "default": columns_of(st.sampled_from([0, 1]), "int64", n),
    }
    if name in special:
        return special[name]
    if kind.of == "text":
        return columns_of(ids if kind.needed else texts | st.none(), "str", n)
    if kind.of == "number":
        return columns_of(finite | st.just(np.nan), "float64", n)
    if kind.of == "whole":
        return columns_of(st.integers(1, 2**31 - 1), "int64", n)
    return aware_times(n)


@st.composite
def frames(draw: st.DrawFn, kinds: dict[str, Kind]) -> pd.DataFrame:
    """Frames for a table: columns as they should be but for up to three; of any shape."""
    n = draw(st.integers(0, 5))
    odd = draw(st.sets(st.sampled_from(sorted(kinds)), max_size=3))
    columns = {
        name: draw(odd_columns(n) if name in odd else right_columns(name, kind, n))
        for name, kind in kinds.items()
    }
    frame = pd.DataFrame(columns, index=pd.RangeIndex(n))
    for change in draw(st.lists(st.sampled_from(sorted(SHAPES)), max_size=2)):
        frame = SHAPES[change](frame)
    return frame


SHAPES: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    "a column is missing": lambda f: f.drop(columns=f.columns[len(f) % f.shape[1]]),
    "a column more": lambda f: f.assign(colour="red"),
    "a column without a name": lambda f: f.assign(**{"colour": 1}).rename(columns={"colour": 7}),
    "a column twice": lambda f: pd.concat([f, f.iloc[:, [len(f) % f.shape[1]]]], axis=1),
    "another order": lambda f: f.iloc[:, ::-1],
    "rows twice": lambda f: pd.concat([f, f]),
    "one label for all rows": lambda f: f.set_axis([0] * len(f), axis=0),
    "an index of times": lambda f: f.set_axis(pd.date_range(JANUARY, periods=len(f)), axis=0),
    "no rows": lambda f: f.head(0),
}


def suspects(frame: pd.DataFrame, kinds: dict[str, Kind], optional: frozenset[str]) -> set[str]:
    """Names of which a refusal must say one; empty if the frame must be stored."""
    found = {str(name) for name in frame.columns if name not in kinds}
    found |= set(kinds) - set(frame.columns) - optional
    found |= set(map(str, frame.columns[frame.columns.duplicated()]))
    return found


def judged(frame: pd.DataFrame, kinds: dict[str, Kind]) -> tuple[set[str], set[str]]:
    """The columns with a cell that must be refused, and those with one that may be."""
    must, may = set(), set()
    for name, kind in kinds.items():
        if name not in frame.columns:
            continue
        cells = frame[name].tolist()
        found = {verdict(cell, kind) for cell in cells}
        if "refused" in found:
            must.add(name)
        mixed = kind.of == "time" and not isinstance(frame[name].dtype, pd.DatetimeTZDtype)
        # a category of numbers may be a code for something else
        mixed |= kind.of == "text" and isinstance(frame[name].dtype, pd.CategoricalDtype)
        if "either" in found or (mixed and cells):
            may.add(name)
    return must, may


# ---- the log ---------------------------------------------------------------------------------


@pytest.fixture
def store(store_url):
    """A log, and a function that empties it."""
    with PredictionLog(store_url) as log:
        engine = sa.create_engine(
            store_url, poolclass=sa.NullPool if "sqlite" in store_url else None
        )

        def emptied() -> PredictionLog:
            with engine.begin() as connection:
                for table in ("outcomes", "predictions", "metrics"):
                    connection.execute(sa.text(f"delete from {table}"))
            return log

        yield emptied
        engine.dispose()


def refusal(call: Callable[[], Any], log: PredictionLog) -> str:
    """What the ValueError says, "" if there is none; after one the store is as it was."""
    before = (log.window(), log.metrics())
    try:
        call()
    except ValueError as error:
        for then, now in zip(before, (log.window(), log.metrics()), strict=True):
            pd.testing.assert_frame_equal(then, now)
        return str(error) or "nothing"
    return ""


def assert_right(
    said: str,
    frame: pd.DataFrame,
    kinds: dict[str, Kind],
    *,
    optional: frozenset[str] = frozenset(),
    cross: frozenset[str] = frozenset(),
) -> bool:
    """Stored rightly (True), or rightly refused with the name of a column that is to blame.

    `cross`: columns that are right by themselves and contradict each other.
    """
    shape = suspects(frame, kinds, optional)
    must, may = (set(), set()) if shape else judged(frame, kinds)
    if said:
        blamed = shape or must | may | cross
        assert any(name in said for name in blamed), f"{said!r} names none of {sorted(blamed)}"
        return False
    assert not shape, f"stored in spite of {sorted(shape)}"
    assert not must, f"stored in spite of {sorted(must)}"
    assert not cross, f"stored in spite of {sorted(cross)}"
    return True


@FIXED
@given(frame=frames(PREDICTIONS))
def test_predictions_come_back_equal_or_are_refused(store, frame):
    """Any frame: every cell comes back as it was given, or nothing is stored and a column named."""
    log = store()
    known = made_up(range(2))
    log.append(known)
    new = []
    said = refusal(lambda: new.append(log.append(frame)), log)
    if not assert_right(said, frame, PREDICTIONS):
        return
    first = {}
    for _, row in frame.reset_index(drop=True).astype(object).iterrows():
        first.setdefault(plain(row["prediction_id"], PREDICTIONS["prediction_id"]), row)
    back = log.window().astype(object).set_index("prediction_id")
    assert new == [len(first)]
    assert set(back.index) == {*first, *known["prediction_id"]}
    for key, row in first.items():
        for name, kind in PREDICTIONS.items():
            cell = key if name == "prediction_id" else back.loc[key, name]
            assert came_back(cell, row[name], kind), f"{name}: {row[name]!r} came back as {cell!r}"


@FIXED
@given(frame=frames(OUTCOMES), data=st.data())
def test_outcomes_come_back_equal_or_are_refused(store, frame, data):
    """Any frame: labels and dates as they were given and the rest counted, or a column is named."""
    log = store()
    known = made_up(range(4)).assign(scored_at=pd.Timestamp("1900-01-01", tz="UTC"))
    log.append(known)
    log.record_outcomes(labels([3]))
    if len(frame) and "prediction_id" in frame.columns and not suspects_of_ids(frame):
        some = st.sampled_from([*known["prediction_id"], "nobody"])
        drawn = data.draw(st.lists(some, min_size=len(frame), max_size=len(frame)))
        frame = frame.assign(prediction_id=drawn)
    receipts = []
    said = refusal(lambda: receipts.append(log.record_outcomes(frame)), log)
    wanted = frame[[name for name in frame.columns if name in OUTCOMES]]  # others are ignored
    early = frozenset()
    if not suspects(wanted, OUTCOMES, frozenset()) and not judged(wanted, OUTCOMES)[0]:
        known_ids = set(known["prediction_id"])
        for id_, when in zip(wanted["prediction_id"], wanted["outcome_at"], strict=True):
            if id_ in known_ids and plain(when, Kind("time")) < known["scored_at"].iloc[0]:
                early = frozenset({"outcome_at"})
    if not assert_right(said, wanted, OUTCOMES, cross=early):
        return
    model = {"p000003": (0, labels([3])["outcome_at"].iloc[0])}
    count = {"stored": 0, "repeated": 0, "unknown": 0, "contradicting": 0}
    for row in wanted.astype(object).to_dict("records"):
        given_ = (
            plain(row["default"], OUTCOMES["default"]),
            plain(row["outcome_at"], Kind("time")),
        )
        count[enter(model, row["prediction_id"], given_, set(known["prediction_id"]))] += 1
    assert counts(receipts[0]) == counts(OutcomeReceipt(**count))
    back = log.window().set_index("prediction_id")
    labelled = back[back["default"].notna()]
    assert {key: (row["default"], row["outcome_at"]) for key, row in labelled.iterrows()} == model


def suspects_of_ids(frame: pd.DataFrame) -> bool:
    """Are the ids of this frame odd ones, to be left as they are?"""
    return isinstance(frame["prediction_id"], pd.DataFrame) or not isinstance(
        frame["prediction_id"].dtype, pd.StringDtype
    )


def enter(model: dict, key: str, value: tuple, known: set[str]) -> str:
    """Put an outcome into a dictionary as the log should; what became of it."""
    if key not in known:
        return "unknown"
    if key not in model:
        model[key] = value
        return "stored"
    return "repeated" if model[key] == value else "contradicting"


def counts(receipt: OutcomeReceipt) -> tuple[int, int, int, int]:
    """The four numbers of a receipt."""
    return (receipt.stored, receipt.repeated, receipt.unknown, receipt.contradicting)


@FIXED
@given(frame=frames(METRICS))
def test_metrics_come_back_equal_or_are_refused(store, frame):
    """Any frame: every figure comes back as it was given, or nothing is stored and a column named.

    Of two figures for one window the last one stays.
    """
    log = store()
    optional = frozenset({"subject", "model_version", "low", "high", "reference", "severity"})
    said = refusal(lambda: log.append_metrics(frame), log)
    backwards = frozenset()
    if not suspects(frame, METRICS, optional) and not judged(frame, METRICS)[0]:
        for start, end in zip(frame["window_start"], frame["window_end"], strict=True):
            if plain(end, Kind("time")) < plain(start, Kind("time")):
                backwards = frozenset({"window_start", "window_end"})
    if not assert_right(said, frame, METRICS, optional=optional, cross=backwards):
        return
    defaults = {"subject": "", "severity": "none"}
    last = {}
    for row in frame.astype(object).to_dict("records"):
        row = {name: row.get(name, defaults.get(name)) for name in METRICS}
        row["subject"] = "" if is_missing(row["subject"]) else row["subject"]
        cells = [(row[name], METRICS[name]) for name in list(METRICS)[:5]]
        key = tuple(None if is_missing(cell) else plain(cell, kind) for cell, kind in cells)
        last[key] = row
    back = log.metrics().astype(object)
    assert len(back) == len(last)
    for found in back.to_dict("records"):
        cells = [found[name] for name in list(METRICS)[:5]]
        row = last[tuple(None if is_missing(cell) else cell for cell in cells)]
        for name, kind in METRICS.items():
            assert came_back(found[name], row[name], kind), f"{name}: {row[name]!r}"


# ---- a long life -----------------------------------------------------------------------------

NUMBERS = st.integers(0, 39)
LATER = [JANUARY + pd.Timedelta(hours=h) for h in (0, 1, 2, 5, 11)]
BOUNDS = st.sampled_from([None, *LATER, JANUARY - pd.Timedelta(days=1)])


class LogAgainstModel(RuleBasedStateMachine):
    """A log and two dictionaries: predictions by number, and outcomes by number."""

    def __init__(self, empty: Callable[[], None], url: str) -> None:
        """Each life begins with an empty store."""
        super().__init__()
        empty()
        self.url, self.rows, self.outcomes = url, {}, {}

    @initialize()
    def open(self) -> None:
        """As at the start of a day."""
        self.log = PredictionLog(self.url)

    def teardown(self) -> None:
        """As at the end of a life."""
        self.log.close()

    @rule(numbers=st.lists(NUMBERS, max_size=12), version=st.integers(1, 3))
    def append(self, numbers: list[int], version: int) -> None:
        """Rows, some of them stored already, some twice; the first version of each stays."""
        frame = made_up(numbers).assign(model_version=version)
        new = 0
        for number, row in zip(numbers, frame.to_dict("records"), strict=True):
            new += number not in self.rows
            self.rows.setdefault(number, row)
        assert self.log.append(frame) == new

    @rule(numbers=st.lists(NUMBERS, min_size=1, max_size=5))
    def append_with_a_fault(self, numbers: list[int]) -> None:
        """One impossible row, and none of the others comes in."""
        frame = made_up(numbers)
        frame.loc[frame.index[-1], "probability"] = 1.5
        with pytest.raises(ValueError, match="probability"):
            self.log.append(frame)

    @rule(
        some=st.lists(st.tuples(NUMBERS, st.integers(0, 1), st.integers(0, 1)), max_size=12),
    )
    def record_outcomes(self, some: list[tuple[int, int, int]]) -> None:
        """Labels of known and unknown predictions, repeated and contradicting."""
        frame = labels([number for number, _, _ in some])
        frame["default"] = pd.Series([label for _, label, _ in some], dtype="int64")
        frame["outcome_at"] += pd.to_timedelta([days for _, _, days in some], unit="D")
        found = dict.fromkeys(("stored", "repeated", "unknown", "contradicting"), 0)
        pairs = zip(some, frame["default"], frame["outcome_at"], strict=True)
        for (number, _, _), default, when in pairs:
            found[enter(self.outcomes, number, (default, when), set(self.rows))] += 1
        receipt = self.log.record_outcomes(frame)
        assert counts(receipt) == counts(OutcomeReceipt(**found))

    @rule(
        start=BOUNDS,
        end=BOUNDS,
        version=st.none() | st.integers(1, 4),
        experiment=st.sampled_from([None, None, "first", "second"]),
        chunk_rows=st.sampled_from([1, 2, 3, 7, 1000]),
    )
    def read(self, start, end, version, experiment, chunk_rows) -> None:
        """A window at once and in chunks of odd sizes; one that ends too early is refused."""
        wanted = {"model_version": version, "experiment": experiment}
        if start is not None and end is not None and start > end:
            with pytest.raises(ValueError, match="is after end"):
                self.log.window(start, end, **wanted)
            return
        whole = self.log.window(start, end, **wanted)
        chunks = list(self.log.windows(start, end, **wanted, chunk_rows=chunk_rows))
        assert all(len(chunk) <= chunk_rows for chunk in chunks)
        assert all(len(chunk) == chunk_rows for chunk in chunks[:-1])
        for chunk in chunks:
            pd.testing.assert_series_equal(chunk.dtypes, whole.dtypes)
        if chunks:
            joined = pd.concat(chunks, ignore_index=True)
            pd.testing.assert_frame_equal(joined, whole)
        else:
            assert whole.empty
        rows = [
            row
            for row in self.rows.values()
            if (start is None or row["scored_at"] >= start)
            and (end is None or row["scored_at"] < end)
            and (version is None or row["model_version"] == version)
            and (experiment is None or row["experiment"] == experiment)
        ]
        self.assert_is(whole, rows)

    @rule()
    def open_again(self) -> None:
        """What is stored outlives the process."""
        self.log.close()
        self.log = PredictionLog(self.url)

    @invariant()
    def nothing_is_lost(self) -> None:
        """All rows, with the labels that are known."""
        self.assert_is(self.log.window(), list(self.rows.values()))

    def assert_is(self, back: pd.DataFrame, rows: list[dict[str, Any]]) -> None:
        """The frame has these rows, in order of time, with their outcomes."""
        rows = sorted(rows, key=lambda row: (row["scored_at"], row["prediction_id"]))
        assert back["prediction_id"].tolist() == [row["prediction_id"] for row in rows]
        for row, found in zip(rows, back.astype(object).to_dict("records"), strict=True):
            for name, kind in PREDICTIONS.items():
                assert came_back(found[name], row[name], kind), name
            known = self.outcomes.get(int(row["prediction_id"][1:]), (np.nan, pd.NaT))
            assert came_back(found["default"], known[0], Kind("number"))
            assert came_back(found["outcome_at"], known[1], Kind("time"))


def test_a_log_is_two_dictionaries(store, store_url):
    """Whatever is done in whatever order, the log answers as a pair of dictionaries would."""
    lives = settings(FIXED, max_examples=20, stateful_step_count=12)
    run_state_machine_as_test(lambda: LogAgainstModel(store, store_url), settings=lives)
