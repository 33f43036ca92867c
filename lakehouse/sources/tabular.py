"""CSV, JSON lines and Parquet as batches of raw columns with the number of each row. Nothing is interpreted here.

Files are read in the worker only.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyarrow import csv as arrow_csv
from pyarrow import parquet

from lakehouse.errors import BadRecord
from lakehouse.sources.batch import MOST_BAD, BadRow, Batch, too_many_bad
from lakehouse.sources.json_lines import JSON_BLOCK, first_line, read_json_lines

SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")
BLOCK = 4 << 20
PARQUET_ROWS = 100_000
PARQUET_BYTES = 48 << 20  # as its metadata states them; so many rows at once have no more
PARQUET_BUFFER = 1 << 20
DELIMITERS = ",;\t|"
MOST_COLUMNS = 10_000


def read_batches(path: Path, block: int | None = None) -> Iterator[Batch]:
    """In constant memory. Raises BadRecord where the file, or what is left of it, cannot be read."""
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        return _read_parquet(path)
    if suffix in (".jsonl", ".ndjson"):
        return read_json_lines(path, block or JSON_BLOCK)
    return _read_csv(path, block or BLOCK)


@dataclass
class _Uncut:
    """Rows of another width than the header, until they are told of."""

    rows: list[BadRow] = field(default_factory=list)

    def keep(self, row: Any) -> str:
        reason = f"it has {row.actual_columns} columns and the header {row.expected_columns}: {row.text[:80]}"
        self.rows.append(BadRow(row.number - 1, reason))  # Arrow counts the header
        return "skip" if len(self.rows) < MOST_BAD else "error"

    def until(self, row: int) -> tuple[BadRow, ...]:
        told = tuple(bad for bad in self.rows if bad.number <= row)
        self.rows = self.rows[len(told) :]
        return told


def _read_csv(path: Path, block: int) -> Iterator[Batch]:
    uncut = _Uncut()
    delimiter = delimiter_of(path)
    _refuse_wide(path, delimiter)
    parsing = arrow_csv.ParseOptions(delimiter=delimiter, newlines_in_values=True, invalid_row_handler=uncut.keep)
    reading = arrow_csv.ReadOptions(use_threads=False, block_size=block)
    done = 0
    try:
        # Arrow would take no path that is no UTF-8.
        with path.open("rb") as file, arrow_csv.open_csv(file, reading, parsing) as reader:
            names = reader.schema.names
        uncut.rows.clear()
        # Every column stays text: a type guessed from the first block would fail on the first odd value of a later one.
        converting = arrow_csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False)
        with path.open("rb") as file, arrow_csv.open_csv(file, reading, parsing, converting) as reader:
            for batch in reader:
                numbers = _number(batch.num_rows, done + 1, uncut.rows)
                done = int(numbers[-1]) if len(numbers) else max([done, *(bad.number for bad in uncut.rows)])
                yield Batch(_unique(pa.Table.from_batches([batch])), pa.array(numbers), uncut.until(done))
    except pa.ArrowInvalid as error:
        if len(uncut.rows) >= MOST_BAD:
            raise too_many_bad(len(uncut.rows)) from error
        raise BadRecord("bad_csv", f"after row {done} it cannot be read as CSV ({first_line(error)})") from error
    if uncut.rows:
        yield Batch(pa.table({}), pa.array([], pa.int64()), tuple(uncut.rows))


def _refuse_wide(path: Path, delimiter: str) -> None:
    with path.open("rb") as file:
        columns = file.readline(BLOCK).count(delimiter.encode()) + 1
    if columns > MOST_COLUMNS:
        raise BadRecord("too_many_columns", f"it has {columns:,} columns and at most {MOST_COLUMNS:,} are read")


def _unique(table: pa.Table) -> pa.Table:
    """The second column of a name gets a number, so that each can be asked for."""
    seen: Counter[str] = Counter()
    names = []
    for name in table.column_names:
        seen[name] += 1
        names.append(name if seen[name] == 1 else f"{name}.{seen[name]}")
    return table.rename_columns(names)


def delimiter_of(path: Path) -> str:
    with path.open(encoding="utf-8-sig", newline="") as file:
        header = file.readline(1 << 16)
    return max(DELIMITERS, key=header.count)


def _number(count: int, start: int, bad: Sequence[BadRow]) -> npt.NDArray[np.int64]:
    """Numbers of `count` good rows from row `start` on, past the bad ones between them."""
    skipped = np.array([row.number for row in bad if row.number >= start], dtype=np.int64)
    good = np.arange(start, start + count, dtype=np.int64)
    return good + np.searchsorted(skipped - np.arange(len(skipped)), good, side="right")


def _read_parquet(path: Path) -> Iterator[Batch]:
    done = 0
    try:
        with path.open("rb") as opened, parquet.ParquetFile(opened, buffer_size=PARQUET_BUFFER) as file:
            for batch in file.iter_batches(batch_size=_rows_at_once(file.metadata), use_threads=False):
                batch.validate(full=True)  # what claims to be text may be any bytes
                numbers = pa.array(np.arange(done + 1, done + 1 + batch.num_rows))
                yield Batch(_unique(pa.Table.from_batches([batch])), numbers)
                done += batch.num_rows
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, MemoryError | FileNotFoundError | PermissionError):
            raise
        reason = f"after row {done} it cannot be read as Parquet ({first_line(error)}): write it again"
        raise BadRecord("corrupt_parquet", reason) from error


def _rows_at_once(metadata: Any) -> int:
    groups = (metadata.row_group(number) for number in range(metadata.num_row_groups))
    widest = max((group.total_byte_size / max(1, group.num_rows) for group in groups), default=1)
    return int(min(PARQUET_ROWS, max(1, PARQUET_BYTES // max(1, widest))))
