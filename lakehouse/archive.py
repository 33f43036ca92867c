"""The cold tier: files `<tenant_id>/archive/<table>/<day>/<sha256>.parquet`, written once and found by listing."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
from deltalake.exceptions import TableNotFoundError
from deltalake.fs import DeltaStorageHandler
from pyarrow import fs, parquet

from lakehouse.bronze import TABLES, TIME, VERSION, Bronze, reaching
from lakehouse.errors import Misused
from lakehouse.objects import check_hash
from lakehouse.tenants import NAME, RESERVED

# What was known of devices when rows went out of Postgres; the day of such a file is the horizon of that moment.
HISTORY: Final = {
    "device_firmware": pa.schema(
        {name: pa.string() for name in ("tenant_id", "device_id", "firmware")}
        | dict.fromkeys(("valid_from", "recorded_at"), TIME)
    ),
    "device_sightings": pa.schema(
        {name: pa.string() for name in ("tenant_id", "device_id", "site", "model")}
        | dict.fromkeys(("first_ts", "last_ts"), TIME)
    ),
}
MARKS: Final = "horizons"
ROWS: Final = ("events", "telemetry")
SCHEMAS: Final = HISTORY | {table: TABLES[table].append(VERSION) for table in ROWS}
# A day that is larger becomes several files: each is put as one piece of memory.
FILE_BYTES: Final = 64 << 20


@dataclass(frozen=True, order=True)
class Part:
    tenant_id: str
    table: str
    day: date
    sha256: str

    @property
    def path(self) -> str:
        return f"{folder(self.tenant_id, self.table)}/{self.day.isoformat()}/{self.sha256}.parquet"


def folder(tenant_id: str, table: str) -> str:
    if not NAME.fullmatch(tenant_id):
        raise Misused(f"'{tenant_id}' is no tenant name, so it has no archive")
    return f"{tenant_id}/archive/{table}"


def midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def put(bronze: Bronze, tenant_id: str, table: str, day: date, pieces: Iterable[pa.Table]) -> list[Part]:
    """Durable on return. The same pieces get the same names, so putting them again changes nothing."""
    done: list[Part] = []
    buffer, writer = pa.BufferOutputStream(), None
    for piece in pieces:
        if not piece.num_rows:
            continue
        writer = writer or parquet.ParquetWriter(buffer, SCHEMAS[table], compression="zstd")
        writer.write_table(piece.select(SCHEMAS[table].names).cast(SCHEMAS[table]))
        if buffer.tell() >= FILE_BYTES:
            done.append(_close(bronze, tenant_id, table, day, writer, buffer))
            buffer, writer = pa.BufferOutputStream(), None
    if writer:
        done.append(_close(bronze, tenant_id, table, day, writer, buffer))
    return done


def _close(
    bronze: Bronze, tenant_id: str, table: str, day: date, writer: parquet.ParquetWriter, buffer: pa.BufferOutputStream
) -> Part:
    writer.close()
    data = memoryview(buffer.getvalue())
    part = Part(tenant_id, table, day, hashlib.sha256(data).hexdigest())
    bronze.objects.put_part(part.path, data)
    return part


def mark(bronze: Bronze, tenant_id: str, horizon: date) -> None:
    """Say that all of HISTORY of that day is durable."""
    bronze.objects.put_part(f"{folder(tenant_id, MARKS)}/{horizon.isoformat()}", b"")


def marks(bronze: Bronze, tenant_id: str) -> list[date]:
    names = [path.rpartition("/")[2] for path in _list(bronze, folder(tenant_id, MARKS))]
    return sorted(date.fromisoformat(name) for name in names if not name.startswith("."))


def read(bronze: Bronze, part: Part, predicate: pc.Expression | None = None) -> pa.Table:
    """Rows with `bronze_version`, by time. Raises CorruptObject where the bytes are not those that the name says."""
    with reaching(bronze.url), _files(bronze).open_input_stream(part.path) as file:
        data = file.read()
    check_hash(part.sha256, data, part.path)
    return parquet.read_table(pa.BufferReader(data), schema=SCHEMAS[part.table], filters=predicate)


def parts(bronze: Bronze, tenant_id: str, table: str, day: date | None = None) -> list[Part]:
    """Of one day, or of all, oldest first."""
    below = folder(tenant_id, table) + (f"/{day.isoformat()}" if day else "")
    found = [path.split("/")[-2:] for path in _list(bronze, below) if path.endswith(".parquet")]
    return sorted(
        Part(tenant_id, table, date.fromisoformat(named), name.removesuffix(".parquet"))
        for named, name in found
        if not name.startswith(".")
    )


def tenants(bronze: Bronze) -> list[str]:
    """Those whose folder is in bronze."""
    return sorted(name for name in _list(bronze, "", folders=True) if NAME.fullmatch(name) and name not in RESERVED)


def without(rows: pa.Table, known: pa.Table) -> pa.Table:
    """Each of `rows` once that is not in `known`, by all of its columns; in no order."""
    names = rows.column_names
    marked = [
        table.select(names).append_column("known", pa.repeat(pa.scalar(mark, pa.int8()), len(table)))
        for mark, table in enumerate((rows, known))
    ]
    found = pa.concat_tables(marked).group_by(names).aggregate([("known", "max")])
    return found.filter(pc.equal(found["known_max"], 0)).select(names)


def _list(bronze: Bronze, below: str, *, folders: bool = False) -> Iterator[str]:
    with reaching(bronze.url):
        try:
            files = _files(bronze)
        except TableNotFoundError:  # its words for a root that is not there yet
            return
        found = files.get_file_info(fs.FileSelector(below, allow_not_found=True, recursive=not folders))
    yield from (one.path for one in found if (one.type == fs.FileType.Directory) is folders)


def _files(bronze: Bronze) -> fs.FileSystem:
    return fs.PyFileSystem(DeltaStorageHandler(bronze.url, bronze.objects.delta_options()))
