"""Where a record stands in the object that it came from, and what is written there."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, Literal

from lakehouse.errors import BadRecord, UnknownObject
from lakehouse.lineage.arrivals import Way
from lakehouse.objects import ObjectStore, check_hash
from lakehouse.sources.extractor import Extractor
from lakehouse.sources.payloads import cut_records
from lakehouse.sources.tabular import DELIMITERS
from lakehouse.sources.telemetry_wire import read_telemetry

LARGEST: Final = 64 << 20
BOM: Final = b"\xef\xbb\xbf"
Format = Literal["csv", "json_lines", "parquet", "request", "text"]


@dataclass(frozen=True)
class Held:
    """An object in memory. whole: all of it, checked against its hash; else its first LARGEST bytes."""

    data: bytes
    format: Format
    whole: bool


@dataclass(frozen=True)
class RawRecord:
    """Bytes `byte_start` to before `byte_end` of the object. says_so: read again by themselves they give the bronze
    row; None where that was not tried."""

    byte_start: int
    byte_end: int
    data: bytes
    format: Format
    says_so: bool | None = None


def hold(objects: ObjectStore, tenant_id: str, sha256: str, way: Way) -> Held | None:
    """None where it is gone. Raises CorruptObject where it is not what its name says."""
    try:
        data = objects.get(tenant_id, sha256, 0, LARGEST + 1)
    except UnknownObject:
        return None
    whole = len(data) <= LARGEST
    if whole:
        check_hash(sha256, data, f"{tenant_id}/objects")
    return Held(data[:LARGEST], "request" if way == "request" else _format(data), whole)


def locate(held: Held, number: int) -> tuple[int, int] | None:
    """Of record `number`, counted from 1 as bronze counts. None where it is not within the bytes, or no text."""
    if held.format == "parquet":
        return None
    spans = {"csv": _csv_spans, "json_lines": _line_spans, "request": _request_spans}[held.format](held.data)
    for at, span in enumerate(spans, start=1):
        if at == number:
            is_cut = not held.whole and span[1] == len(held.data)
            return None if is_cut else span
    return None


def reads_as(extractor: Extractor, held: Held, record: bytes, row: Mapping[str, Any], table: str) -> bool:
    """Whether the bytes alone, under the header of their file, give that row of bronze.

    What no column says, the device or the metric, the command had said; the row knows it.
    """
    data = record if held.format != "csv" else _header(held.data) + b"\n" + record
    with TemporaryDirectory(prefix="iotops-lineage-") as folder:
        path = Path(folder, "record.csv" if held.format == "csv" else "record.jsonl")
        path.write_bytes(data.rstrip(b"\r\n") + b"\n" if held.format == "csv" else data.replace(b"\n", b" ") + b"\n")
        try:
            parts = list(read_telemetry(extractor, path, row.get("device_id"), row.get("metric")))
        except BadRecord:
            return False
    found = [each for part in parts for each in (part.readings if table == "telemetry" else part.events).to_pylist()]
    return len(found) == 1 and all(row[name] == value for name, value in found[0].items() if name != "row_number")


def _format(data: bytes) -> Format:
    if data.startswith(b"PAR1"):
        return "parquet"
    first = data.removeprefix(BOM).lstrip()[:1]
    return "json_lines" if first == b"{" or b"\n{" in data[: 1 << 16] else "csv"


def _line_spans(data: bytes) -> Iterator[tuple[int, int]]:
    """Blank lines count."""
    start = len(BOM) if data.startswith(BOM) else 0
    while start < len(data):
        end = data.find(b"\n", start)
        end = len(data) if end < 0 else end
        yield start, end
        start = end + 1


def _csv_spans(data: bytes) -> Iterator[tuple[int, int]]:
    """Below the header; blank lines do not count, and a quoted field may go on over lines."""
    rows = _csv_rows(data)
    next(rows, None)
    return rows


def _csv_rows(data: bytes) -> Iterator[tuple[int, int]]:
    csv.field_size_limit(LARGEST)
    start = end = len(BOM) if data.startswith(BOM) else 0
    taken: list[str] = []
    text = _lines(data[start:])
    try:
        for _ in csv.reader(_noting(text, taken), delimiter=_delimiter(data)):
            row = "".join(taken)
            taken.clear()
            start, end = end, end + len(row)
            if row.strip("\r\n"):
                yield start, start + len(row.rstrip("\r\n"))
    except csv.Error:
        return


def _lines(data: bytes) -> io.TextIOWrapper:
    """In Latin-1 a character is a byte."""
    return io.TextIOWrapper(io.BytesIO(data), encoding="latin-1", newline="")


def _noting(lines: io.TextIOWrapper, taken: list[str]) -> Iterator[str]:
    for line in lines:
        taken.append(line)
        yield line


def _header(data: bytes) -> bytes:
    start, end = next(_csv_rows(data), (0, 0))
    return data[start:end]


def _delimiter(data: bytes) -> str:
    header = _lines(data.removeprefix(BOM)[: 1 << 16]).readline()
    return max(DELIMITERS, key=header.count)


def _request_spans(data: bytes) -> Iterator[tuple[int, int]]:
    """Between two records there is nothing but what separates them, so each is the next place where its bytes are."""
    records: Sequence[bytes] = cut_records(data)
    at = 0
    for record in records:
        start = data.index(record, at)
        at = start + len(record)
        yield start, at
