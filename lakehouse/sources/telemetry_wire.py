"""Rows of telemetry files on their way out of the worker, as Arrow IPC: what comes back is checked, not parsed."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.errors import BadRecord
from lakehouse.sources.batch import Batch
from lakehouse.sources.extractor import Extractor
from lakehouse.sources.field_names import find_columns, require_columns
from lakehouse.sources.rows import SCHEMAS, Rows, read_rows
from lakehouse.sources.tabular import read_batches

MOST_ROWS: Final = 100_000
# Of a file most of whose rows are refused, so many are told one by one.
MOST_REFUSED: Final = 1_000_000
LONGEST_ROW: Final = 100_000
NONSENSE: Final = "the program that reads such files said what cannot be of it: export the file again"


def replies(path: Path, device: str | None, metric: str | None) -> Iterator[tuple[pa.Buffer, ...]]:
    """In the worker. Raises BadRecord."""
    columns: dict[str, str] = {}
    names: list[str] = []
    good = refused = 0
    for batch in _portions(read_batches(path)):
        if batch.columns.num_rows and batch.columns.column_names != names:
            first, names = not names, batch.columns.column_names
            columns = find_columns(names)
            if first:
                require_columns(names, columns, device, metric)
        rows = read_rows(batch, columns if batch.columns.num_rows else {}, device, metric)
        good += rows.readings.num_rows + rows.events.num_rows
        refused += rows.refused.num_rows
        if refused > MOST_REFUSED and refused > good:
            raise BadRecord(
                "too_many_bad", f"{refused:,} of its rows cannot be read and {good:,} can: correct the file"
            )
        yield tuple(_packed(table, SCHEMAS[name]) for name, table in vars(rows).items())


def _portions(batches: Iterator[Batch]) -> Iterator[Batch]:
    """A block may hold a million rows of commas."""
    for batch in batches:
        if len(batch.numbers) <= MOST_ROWS:
            yield batch
            continue
        for at in range(0, len(batch.numbers), MOST_ROWS):
            objects = batch.objects and batch.objects[at : at + MOST_ROWS]
            is_last = at + MOST_ROWS >= len(batch.numbers)
            numbers = batch.numbers.slice(at, MOST_ROWS)
            yield Batch(batch.columns.slice(at, MOST_ROWS), numbers, batch.bad if is_last else (), objects)


def read_telemetry(extractor: Extractor, path: Path, device: str | None, metric: str | None) -> Iterator[Rows]:
    """In the process that asks. Raises BadRecord, also after some have come. The numbers of rows rise with each."""
    last = 0
    for reply in extractor.stream("telemetry", path, device=device, metric=metric):
        try:
            rows = Rows(*(_unpacked(*part) for part in zip(reply["attached"], SCHEMAS.values(), strict=True)))
        except (pa.ArrowException, ValueError, KeyError, OSError) as error:
            raise BadRecord("parser_crashed", NONSENSE) from error
        lowest, highest = numbers_of(rows)
        if lowest <= last:
            raise BadRecord("parser_crashed", NONSENSE)
        last = max(last, highest)
        yield rows


def row_as_json(path: Path, number: int) -> str | None:
    """In the worker: one row as it was cut into columns, for a person to see. Raises BadRecord."""
    for batch in read_batches(path):
        at = number - batch.numbers[0].as_py() if len(batch.numbers) else -1
        if 0 <= at < batch.columns.num_rows:
            row = batch.columns.slice(at, 1).to_pylist()[0]
            return json.dumps(row, ensure_ascii=False, default=str)[:LONGEST_ROW]
    return None


def numbers_of(rows: Rows) -> tuple[int, int]:
    """The lowest and the highest number of a row."""
    columns = [rows.readings["row_number"], rows.events["row_number"], rows.refused["record"]]
    ranges = [pc.min_max(column).as_py() for column in columns if len(column)]
    if not ranges:
        return (1 << 62), 0
    return min(each["min"] for each in ranges), max(each["max"] for each in ranges)


def _packed(table: pa.Table, schema: pa.Schema) -> pa.Buffer:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as stream:
        stream.write_table(table.cast(schema))
    return sink.getvalue()


def _unpacked(data: memoryview, schema: pa.Schema) -> pa.Table:
    """Raises ArrowInvalid and others for what the worker should not have sent."""
    with pa.ipc.open_stream(pa.py_buffer(data)) as stream:
        if not stream.schema.equals(schema):
            raise ValueError(f"{stream.schema} is not {schema}")
        table = stream.read_all()
    table.validate(full=True)
    return table
