"""A file is a table, or the reason why not is one sentence."""

import csv
import gzip
import zipfile

import pandas as pd
import pyarrow as arrow
import pyarrow.parquet as parquet
import pytest

from mlops_helpers.contracts import ContractError
from mlops_helpers.reading import read_table

CSV = b"a,b\n1,x\n2,y\n"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))


def put(folder, content, name="loans.csv"):
    """Write bytes to a file and return its path."""
    path = folder / name
    path.write_bytes(content)
    return path


def refusal(path):
    """Return the one violation with which the file is refused."""
    with pytest.raises(ContractError) as caught:
        read_table(path)
    assert str(path) in str(caught.value)
    assert caught.value.__cause__ is None
    (violation,) = caught.value.violations
    return str(violation)


@pytest.mark.parametrize(
    "content",
    [
        CSV,
        b"\xef\xbb\xbf" + CSV,
        CSV.replace(b"\n", b"\r\n"),
        b'"a","b"\n"1","x"\n\n"2","y"\n',
        gzip.compress(CSV),
    ],
    ids=["plain", "byte-order mark", "Windows lines", "quoted, blank line", "gzip"],
)
def test_the_same_table_in_many_coats(tmp_path, content):
    """CSV is told by content: compression, quotes, line ends and a mark do not matter."""
    expected = pd.DataFrame({"a": ["1", "2"], "b": ["x", "y"]}, dtype="str")
    for name in ("loans.csv", "loans.dat"):
        pd.testing.assert_frame_equal(read_table(put(tmp_path, content, name)), expected)


def test_gaps_are_missing_but_none_is_a_category(tmp_path):
    """Empty, NA, n/a, NaN and null are gaps; NONE is a home ownership."""
    table = read_table(put(tmp_path, b"a,b\n,1\nNA,1\nn/a,1\nNaN,1\nNULL,1\nNONE,1\n"))
    assert table["a"].isna().tolist() == [True] * 5 + [False]


def test_parquet_keeps_its_types(tmp_path):
    """Parquet is told by content too."""
    frame = pd.DataFrame({"a": [1.5, None], "t": pd.to_datetime(["2023-01-01"] * 2, utc=True)})
    frame.to_parquet(tmp_path / "loans.csv")
    pd.testing.assert_frame_equal(read_table(tmp_path / "loans.csv"), frame)


def test_long_cells(tmp_path):
    """A description of a million letters is a cell; the limit of other readers stays."""
    limit = csv.field_size_limit()
    cell = b"x" * 1_000_000
    assert read_table(put(tmp_path, b"a,b\n1," + cell))["b"].str.len().tolist() == [1_000_000]
    assert csv.field_size_limit() == limit


def test_a_quote_that_swallows_a_large_file(tmp_path):
    """The line where its row begins is named, not the one where the reader gave up."""
    words = refusal(put(tmp_path, b'a,b\n1,x\n2,"' + b"3,z\n" * 3_000_000))
    assert "never closed, or a cell above 10 MB, in the row that begins in line 3;" in words


def test_missing_file(tmp_path):
    """The path is named."""
    assert "does not exist" in refusal(tmp_path / "nowhere.csv")


def test_directory(tmp_path):
    """A folder is not searched for loans."""
    assert "is a directory" in refusal(tmp_path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty (0 bytes)"),
        (b"\n\n", "is empty (blank lines only)"),
        # mtime: the time in its header would give the test another name in each process
        (gzip.compress(b"", mtime=0), "is empty"),
        (PNG, "is a PNG image"),
        (b"\xff\xd8\xff\xe0JFIF", "is a JPEG image"),
        (b"%PDF-1.7\n", "is a PDF document"),
        (CSV.decode().encode("utf-16"), "UTF-16"),
        (CSV.decode().encode("utf-16-le"), "zero byte"),
        ("a,b\n1,caf\u00e9\n".encode("latin-1"), "is not UTF-8 (byte 0xe9 in line 2"),
        (b"\x93\x07\x00\x01junk", "zero byte"),
        (gzip.compress(CSV * 200, mtime=0)[:-30], "gzip but is damaged or cut short"),
        (gzip.compress(CSV, mtime=0)[:-9] + b"\x00" * 9, "gzip but is damaged or cut short"),
        (gzip.compress(PNG, mtime=0), "is a PNG image"),
        (b"a;b\n1;x\n", "columns separated by semicolons"),
        (b"a\tb\n1\tx\n", "columns separated by tabs"),
        (b"a,b\n1,x\n2\n", "must have 2 cells in every row"),
        (b"a,b\n1,x,y\n2,y\n", "3 cells (row 1)"),
        (b'a,b\n1,"x\n', "quote that is never closed"),
        (b'a,b\n\n1,"x\ny"\n2,"z\n3,z\n4,z\n', "begins in line 5;"),
        (b'a,b\n1,x\n2,"z\n3,z\n4,"z"\n', "begins in line 3;"),
        (b"a,a\n1,2\n", "names a column twice ('a')"),
        (b"PAR1 and no more", "damaged or cut short"),
    ],
)
def test_what_is_no_table(tmp_path, content, words):
    """Each kind of wrong file gets its own reason, and a way out where there is one."""
    assert words in refusal(put(tmp_path, content))


def test_zip_archive(tmp_path):
    """A spreadsheet is a ZIP archive as well, so both are named."""
    with zipfile.ZipFile(tmp_path / "loans.csv", "w") as archive:
        archive.writestr("loans.csv", CSV)
    assert "ZIP archive or a spreadsheet" in refusal(tmp_path / "loans.csv")


@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_parquet_cut_short(tmp_path, share):
    """A Parquet file broken off anywhere is refused."""
    path = tmp_path / "loans.parquet"
    pd.DataFrame({"a": range(5000)}).to_parquet(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    assert "damaged or cut short" in refusal(path)


def test_parquet_with_a_column_twice(tmp_path):
    """Parquet allows it; which one would be meant?"""
    values = arrow.array([1, 2])
    parquet.write_table(arrow.table([values, values], names=["a", "a"]), tmp_path / "a.parquet")
    assert "names a column twice ('a')" in refusal(tmp_path / "a.parquet")


BYTES = arrow.array([b"rent", b"\xff\xfe", None])
DAY_20000 = 6_585_300
"""A day in the year 19999 or 20000, counted from 1970."""


def stored(folder, **columns):
    """Write arrow columns to a Parquet file and read them back."""
    parquet.write_table(arrow.table(columns), folder / "a.parquet")
    return read_table(folder / "a.parquet")


@pytest.mark.parametrize(
    "column",
    [
        BYTES,
        BYTES.dictionary_encode(),
        arrow.StringArray.from_buffers(3, *BYTES.buffers()[1:], BYTES.buffers()[0]),
    ],
    ids=["bytes", "dictionary", "falsely called text"],
)
def test_parquet_with_bytes(tmp_path, column):
    """Bytes that are UTF-8 are text; others stay bytes, for the contract to count."""
    assert stored(tmp_path, a=column)["a"].tolist() == ["rent", b"\xff\xfe", None]
    assert str(stored(tmp_path, a=BYTES[:1])["a"].dtype) == "str"


@pytest.mark.parametrize(
    ("kind", "unit", "first"),
    [
        (arrow.date32(), 1, "1970-01-02"),
        (arrow.timestamp("s"), 86_400, "1970-01-02"),
        (arrow.timestamp("s", tz="UTC"), 86_400, "1970-01-02T00:00:00.000Z"),
    ],
    ids=str,
)
def test_parquet_with_a_time_out_of_range(tmp_path, kind, unit, first):
    """A time that pandas cannot print comes back as text, with its column."""
    days = arrow.array([unit, DAY_20000 * unit, None], arrow.int64())
    column = days.cast(arrow.int32()).cast(kind) if unit == 1 else days.cast(kind)
    cells = stored(tmp_path, a=column)["a"]
    assert cells[0] == first
    assert cells[1].startswith("19999-12") or cells[1].startswith("20000-")
    assert pd.isna(cells[2])


def test_parquet_with_a_list_that_cannot_be_read(tmp_path):
    """The column and its type are named."""
    days = arrow.array([[DAY_20000]], arrow.list_(arrow.int32()))
    with pytest.raises(ContractError, match=r"when cannot be read .*list<element: date32"):
        stored(tmp_path, when=days.cast(arrow.list_(arrow.date32())))
