"""Reading a table from a file, or saying in one sentence why it is none.

CSV comes back as text (empty cells missing), Parquet with its own types: what the cells mean is
the contract's business. Plain and gzipped CSV are told from Parquet by content, not by name.
"""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as arrow
import pyarrow.parquet as parquet

from mlops_helpers.violations import EXAMPLES, ContractError, Violation

GAPS = frozenset({"", "na", "n/a", "nan", "null"})
"""Cells that mean "missing", in any case; "none" is a home ownership."""

FOREIGN = {
    b"PK\x03\x04": "a ZIP archive or a spreadsheet; unpack it, or save the sheet as CSV",
    b"\x89PNG": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
    b"GIF8": "a GIF image",
    b"%PDF": "a PDF document",
    b"\xd0\xcf\x11\xe0": "an old Excel or Word document; save the sheet as CSV",
    b"BZh": "bzip2-compressed; unpack it, or use gzip",
    b"\xfd7zXZ": "xz-compressed; unpack it, or use gzip",
    b"\x28\xb5\x2f\xfd": "zstd-compressed; unpack it, or use gzip",
    b"SQLite format": "an SQLite database; export the table as CSV",
}
UTF_16_OR_32 = (b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff")
LONGEST_CELL = 10_000_000
"""In characters: more than this in one cell is a quote that was never closed."""
WANTED = "must be CSV (UTF-8, plain or gzipped) or Parquet"


def read_table(path: Path) -> pd.DataFrame:
    """Return the table in a CSV (plain or .gz) or Parquet file.

    Raises ContractError with the reason if there is none: missing, unreadable, empty, foreign,
    cut short, wrongly encoded or ragged.
    """
    content = _bytes(path)
    if not content:
        raise _fault(path, f"is empty (0 bytes), {WANTED}")
    if content.startswith(b"PAR1"):
        return _parquet(path, content)
    if content.startswith(b"\x1f\x8b"):
        content = _unzip(path, content)
    return _csv(path, _text(path, content))


def _fault(path: Path, rule: str, count: int | None = None, *examples: str) -> ContractError:
    return ContractError([Violation("the file", rule, count, examples)], source=str(path))


def _bytes(path: Path) -> bytes:
    if path.is_dir():
        raise _fault(path, f"is a directory, {WANTED}; name one file in it")
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise _fault(path, "does not exist; check the path, or pass 'simulated'") from None
    except OSError as error:
        raise _fault(path, f"cannot be read ({error.strerror}); check its permissions") from None


def _parquet(path: Path, content: bytes) -> pd.DataFrame:
    try:
        table = parquet.ParquetFile(io.BytesIO(content)).read()
    except (arrow.ArrowException, OSError):
        reason = "begins like Parquet but is damaged or cut short; copy or export it again"
        raise _fault(path, reason) from None
    _check_header(path, table.column_names)
    return pd.DataFrame({name: _column(path, name, table[name]) for name in table.column_names})


def _column(path: Path, name: str, column: arrow.ChunkedArray) -> pd.Series:
    """Return a Parquet column; cells that pandas cannot hold come back as bytes or as text.

    Bytes that are UTF-8 become text and others stay bytes; a column with a time beyond the years
    1 to 9999 becomes text. Either way the contract counts the cells that it cannot read.
    """
    if arrow.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    kind = arrow.types
    try:
        if kind.is_string(column.type) or kind.is_large_string(column.type):
            column = _sound(column)
        if kind.is_binary(column.type) or kind.is_large_binary(column.type):
            return pd.Series([_decoded(cell) for cell in column.to_pylist()], name=name)
        if kind.is_timestamp(column.type) or kind.is_date(column.type):
            times = column.to_numpy()
            years = times.astype("datetime64[Y]").astype("int64") + 1970
            if (~np.isnat(times) & ((years < 1) | (years > 9999))).any():
                return _iso(times, zone=getattr(column.type, "tz", None) is not None)
        return column.to_pandas()
    except (ValueError, OverflowError) as error:
        rule = f"cannot be read from the file (type {column.type}: {error}); export it as text"
        raise ContractError([Violation(name, rule)], source=str(path)) from None


def _sound(column: arrow.ChunkedArray) -> arrow.ChunkedArray:
    """Return a column of text as it is, or as bytes if some are not UTF-8."""
    try:
        column.validate(full=True)
    except arrow.ArrowInvalid:
        return column.cast(arrow.large_binary())
    return column


def _decoded(cell: bytes | None) -> str | bytes | None:
    try:
        return None if cell is None else cell.decode("utf-8")
    except UnicodeDecodeError:
        return cell


def _iso(times: np.ndarray, *, zone: bool) -> pd.Series:
    """Return times as ISO 8601 text: with a Z if `zone`, else midnights as dates."""
    text = np.datetime_as_string(times).astype(object)
    days = times.astype("datetime64[D]")
    text = np.where(times == days, np.datetime_as_string(days).astype(object), text)
    if zone:
        text = np.datetime_as_string(times.astype("datetime64[ms]")).astype(object) + "Z"
    return pd.Series(np.where(np.isnat(times), None, text))


def _unzip(path: Path, content: bytes) -> bytes:
    try:
        return gzip.decompress(content)
    except (EOFError, zlib.error, gzip.BadGzipFile):
        reason = "is gzip but is damaged or cut short; copy or compress it again"
        raise _fault(path, reason) from None


def _text(path: Path, content: bytes) -> str:
    for magic, kind in FOREIGN.items():
        if content.startswith(magic):
            raise _fault(path, f"is {kind}; it {WANTED}")
    if content.startswith(UTF_16_OR_32):
        raise _fault(path, f"is encoded as UTF-16 or UTF-32; it {WANTED}: save it as UTF-8")
    if b"\x00" in content:
        place = content.index(b"\x00")
        raise _fault(path, f"is not text (a zero byte at {place:,}); it {WANTED}")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        byte = content[error.start]
        reason = f"is not UTF-8 (byte 0x{byte:02x} in line {line:,}; Latin-1 perhaps, or not text)"
        raise _fault(path, f"{reason}; it {WANTED}: save it as UTF-8") from None


def _csv(path: Path, text: str) -> pd.DataFrame:
    """Read strictly: every row has as many cells as the header, every quote is closed."""
    rows = _rows(path, text)
    if not rows:
        raise _fault(path, f"is empty (blank lines only), {WANTED}")
    header, body = [name.strip() for name in rows[0]], rows[1:]
    _check_header(path, header)
    ragged = [number for number, row in enumerate(body, 1) if len(row) != len(header)]
    if ragged:
        examples = (f"{len(body[n - 1])} cells (row {n})" for n in ragged[:EXAMPLES])
        reason = f"must have {len(header)} cells in every row, as in its header; was it cut short?"
        raise _fault(path, reason, len(ragged), *examples)
    cells = zip(*body, strict=True) if body else ([] for _ in header)
    columns = {name: _gaps(column) for name, column in zip(header, cells, strict=True)}
    return pd.DataFrame(columns, dtype="str")


def _rows(path: Path, text: str) -> list[list[str]]:
    """Return the rows that are not blank; a fault names the line in which its row begins."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows, first_line = [], 1
    limit = csv.field_size_limit(LONGEST_CELL)
    try:
        for row in reader:
            if row:
                rows.append(row)
            first_line = reader.line_num + 1
    except csv.Error as error:
        reason = f"has a quote that is never closed, or closed within a cell ({error})"
        if "field limit" in str(error):
            million = LONGEST_CELL // 1_000_000
            reason = f"has a quote that is never closed, or a cell above {million} MB"
        where = f"in the row that begins in line {first_line:,}"
        raise _fault(path, f"{reason}, {where}; close it, or was the file cut short?") from None
    finally:
        csv.field_size_limit(limit)
    return rows


def _check_header(path: Path, header: list[str]) -> None:
    for mark, name in ((";", "semicolons"), ("\t", "tabs"), ("|", "vertical bars")):
        if len(header) == 1 and mark in header[0]:
            raise _fault(path, f"has columns separated by {name}, must use commas: export it again")
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise _fault(path, f"names a column twice ({', '.join(map(repr, twice))}), must once")


def _gaps(cells: tuple[str, ...]) -> list[str | None]:
    return [None if cell.strip().lower() in GAPS else cell for cell in cells]
