"""CSV, JSON lines and Parquet as batches of raw columns with the number of each row. Nothing is interpreted here."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyarrow import csv as arrow_csv
from pyarrow import json as arrow_json
from pyarrow import parquet

from lakehouse.errors import BadRecord

SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")
BLOCK = 16 << 20
LONGEST_LINE = 64 << 20
PARQUET_ROWS = 250_000
DELIMITERS = ",;\t|"


@dataclass(frozen=True)
class BadRow:
    """A row that could not be cut into columns."""

    number: int
    reason: str


@dataclass(frozen=True)
class Batch:
    """numbers: which row of the file each one is. A CSV's first row after the header is 1 and blank lines do not count;
    in JSON lines it is the number of the line.

    objects: the rows as JSON had them, where they were read one by one.
    """

    columns: pa.Table
    numbers: pa.Array
    bad: tuple[BadRow, ...] = ()
    objects: tuple[dict[str, Any], ...] | None = None


def read_batches(path: Path, block: int = BLOCK) -> Iterator[Batch]:
    """In constant memory. Raises BadRecord where the file, or what is left of it, cannot be read."""
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        return _read_parquet(path)
    return _read_json_lines(path, block) if suffix in (".jsonl", ".ndjson") else _read_csv(path, block)


def _read_csv(path: Path, block: int) -> Iterator[Batch]:
    bad: list[BadRow] = []

    def keep(row: Any) -> str:
        reason = f"it has {row.actual_columns} columns and the header {row.expected_columns}: {row.text[:80]}"
        bad.append(BadRow(row.number - 1, reason))  # Arrow counts the header
        return "skip"

    parsing = arrow_csv.ParseOptions(delimiter=delimiter_of(path), newlines_in_values=True, invalid_row_handler=keep)
    reading = arrow_csv.ReadOptions(use_threads=False, block_size=block)
    done = 0
    try:
        with arrow_csv.open_csv(path, reading, parsing) as reader:
            names = reader.schema.names
        bad.clear()
        # Every column stays text: a type guessed from the first block would fail on the first odd value of a later one.
        converting = arrow_csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False)
        with arrow_csv.open_csv(path, reading, parsing, converting) as reader:
            for batch in reader:
                numbers = _number(batch.num_rows, done + 1, bad)
                done = int(numbers[-1]) if len(numbers) else done
                yield Batch(_unique(pa.Table.from_batches([batch])), pa.array(numbers))
    except pa.ArrowInvalid as error:
        raise BadRecord("bad_csv", f"after row {done} it cannot be read as CSV ({_first_line(error)})") from error
    if bad:
        yield Batch(pa.table({}), pa.array([], pa.int64()), tuple(bad))


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
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=PARQUET_ROWS):
                batch.validate(full=True)  # what claims to be text may be any bytes
                yield Batch(pa.Table.from_batches([batch]), pa.array(np.arange(done + 1, done + 1 + batch.num_rows)))
                done += batch.num_rows
    except (pa.ArrowException, OSError) as error:
        reason = f"after row {done} it cannot be read as Parquet ({_first_line(error)}): write it again"
        raise BadRecord("corrupt_parquet", reason) from error


def _read_json_lines(path: Path, block: int) -> Iterator[Batch]:
    done = 0
    with path.open("rb") as file:
        if file.read(3) != b"\xef\xbb\xbf":
            file.seek(0)
        while lines := _whole_lines(file, block):
            count = lines.count(b"\n") + (not lines.endswith(b"\n"))
            yield parse_lines(lines, done + 1, count)
            done += count


def _whole_lines(file: IO[bytes], block: int) -> bytes:
    data = file.read(block)
    if data and not data.endswith(b"\n"):
        data += file.readline(LONGEST_LINE)
    return data


def parse_lines(lines: bytes, start: int, count: int) -> Batch:
    """Arrow's parser where it takes the whole block; line by line where it does not, and for events, whose attributes
    it would fill up with the keys of other events."""
    if b'"event_type"' not in lines and (table := parse_together(lines, count)) is not None:
        return Batch(table, pa.array(np.arange(start, start + count)))
    return parse_each(lines, start)  # the slow way says which line it is


def parse_together(lines: bytes, count: int) -> pa.Table | None:
    """None where Arrow does not find `count` objects with columns of one type each."""
    try:
        table = _parse_block(lines)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, ValueError, RecursionError):
        return None
    return table if table.num_rows == count else None


def _parse_block(lines: bytes) -> pa.Table:
    """Text stays text: Arrow would take what looks like a time for one, and lose fractions and zones."""
    first = json.loads(lines[: lines.index(b"\n")] if b"\n" in lines else lines)
    texts = [key for key, value in first.items() if isinstance(value, str)] if isinstance(first, dict) else []
    options = arrow_json.ParseOptions(explicit_schema=pa.schema([(key, pa.string()) for key in texts]))
    return arrow_json.read_json(
        pa.BufferReader(lines), arrow_json.ReadOptions(use_threads=False, block_size=len(lines) + 1), options
    )


def parse_each(lines: bytes, start: int, wanted: Callable[[str], bool] | None = None) -> Batch:
    """wanted: which names become columns, all where it is None; `objects` have all."""
    rows: list[dict[str, Any]] = []
    numbers: list[int] = []
    bad: list[BadRow] = []
    for number, line in enumerate(lines.split(b"\n"), start):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            bad.append(BadRow(number, f"it is not JSON ({_first_line(error)})"))
            continue
        if isinstance(row, dict):
            rows.append(row)
            numbers.append(number)
        else:
            bad.append(BadRow(number, "it is JSON, but no object"))
    names = [name for name in dict.fromkeys(name for row in rows for name in row) if wanted is None or wanted(name)]
    columns = {name: pa.array([_as_value(row.get(name)) for row in rows], pa.string()) for name in names}
    return Batch(pa.table(columns), pa.array(numbers, pa.int64()), tuple(bad), tuple(rows))


def _as_value(value: Any) -> str | None:
    """An object or a list is no value of a column, as it is none where Arrow parses the whole block."""
    return None if isinstance(value, dict | list) else as_text(value)


def as_text(value: Any) -> str | None:
    """A JSON value in a column of text: text as it is, all else as JSON. Lone surrogates become question marks."""
    if value is None:
        return None
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text.encode("utf-8", "replace").decode()


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0]
