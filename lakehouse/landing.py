"""Bronze → landing: rows of new Delta versions go to Postgres together with the watermark, one transaction a table."""

import json
import re
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import Any, Final, cast

import psycopg
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.archive import ROWS, midnight
from lakehouse.bronze import TABLES, TIME, VERSION, Bronze
from lakehouse.copying import copy_rows, copying, encode
from lakehouse.database import Connection, connect, public_name
from lakehouse.errors import DatabaseUnavailable, Refused, StepFailed
from lakehouse.horizon import read_horizon, take_over
from lakehouse.includes import INCLUDING, read_includes
from lakehouse.objects import ObjectStore

READINGS: Final = TABLES["telemetry"].append(VERSION)
LANDED_TABLES: Final = ("documents", "events", "messages", "telemetry")
# Batches of bronze have some thousand rows; so many are sorted together, and the rest of their commit with them:
# 400,000 readings are 80 MB, of which two are in memory at once.
CHUNK_ROWS: Final = 100_000
MOST_ROWS: Final = 400_000
# By the key of gold, in whose order hours and sightings are counted and which lies on disk as it is asked for.
ORDER: Final = tuple((column, "ascending") for column in ("dt", "tenant_id", "device_id", "metric", "ts"))
# So many rows are put in order and encoded at a time: 3.5 MB, for which memory is used again and again. As one table
# the system has to clear new pages, which takes longer than both.
SLICE_ROWS: Final = 16_384
SLICES_AHEAD: Final = 16
# What was written is handed to the disk at once, which else has all of it to do when the transaction ends.
FLUSH: Final = "2MB"
# Enough for the planner to see how large a day is, and that it is that day: of 100, a day takes 20 ms more.
STATISTICS_TARGET: Final = 1
# So much text is in memory at once, or that of one document, which is 20 MB at most.
BATCH_BYTES: Final = 32 << 20
BATCH_DOCUMENTS: Final = 500
# An object costs a round trip to S3 (tens of milliseconds), during which nothing is computed.
READERS: Final = 8


@dataclass(frozen=True)
class Landed:
    """Rows appended by this run, and the Delta version up to which each table is landed now (-1: nothing in bronze).

    older: rows that stay in bronze only, as they are of days before the horizon of retention.
    """

    rows: dict[str, int]
    watermarks: dict[str, int]
    older: dict[str, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        return sum(self.rows.values())

    def describe(self) -> str:
        tables = ", ".join(f"{table} {count:,}" for table, count in sorted(self.rows.items()))
        late = sum(self.older.values())
        stayed = f"; {late:,} rows are older than Postgres keeps and stay in bronze" if late else ""
        return f"landed {self.total:,} rows ({tables}){stayed}"

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def land(database_url: str, bronze: Bronze) -> Landed:
    """Land what bronze has beyond each watermark. Landings at the same time wait for each other, table by table."""
    rows: dict[str, int] = {}
    watermarks: dict[str, int] = {}
    older: dict[str, int] = {}
    with connected(database_url) as connection:
        for table in LANDED_TABLES:
            rows[table], watermarks[table], older[table] = _land_table(connection, bronze, table)
    return Landed(rows, watermarks, {table: count for table, count in older.items() if count})


def has_news(connection: Connection, bronze: Bronze) -> bool:
    """Whether bronze has more than is landed; nothing is landed."""
    rows = connection.execute("select table_name, delta_version from landing.watermarks").fetchall()
    landed = dict(cast(list[tuple[str, int]], rows))
    return any(bronze.snapshot(table).version != landed.get(table, -1) for table in LANDED_TABLES)


def _land_table(connection: Connection, bronze: Bronze, table: str) -> tuple[int, int, int]:
    with transaction(connection, f"landing '{table}' failed, and nothing of it was landed"):
        watermark = locked_watermark(connection, table)
        news, version = bronze.stream(table, after=watermark if watermark >= 0 else None)
        if version < watermark:
            raise Refused(
                f"bronze table '{table}' is at version {version}, but version {watermark} is landed: "
                "point IOTOPS_BRONZE_URL at the bronze that this database was filled from, or use an empty database"
            )
        horizon = _horizon(connection, bronze, begins=watermark < 0 <= version) if table in ROWS else None
        kept = _Kept(midnight(horizon) if horizon else None)
        chunks = kept.of(_chunks(news))
        if table == "telemetry":
            rows = _land_days(connection, _ahead(_slices(chunks)), version)
        else:
            parts = _as_landed(table, chunks, bronze.objects)
            rows = sum(copy_rows(connection, f"landing.{table}", part) for part in parts)
        connection.execute("update landing.watermarks set delta_version = %s where table_name = %s", (version, table))
        return rows, version, kept.older


def locked_watermark(connection: Connection, table: str) -> int:
    """The row lock holds until the transaction ends, so a second landing reads the watermark that this one leaves."""
    connection.execute(
        "insert into landing.watermarks (table_name, delta_version) values (%s, -1) on conflict do nothing", (table,)
    )
    row = connection.execute(
        "select delta_version from landing.watermarks where table_name = %s for update", (table,)
    ).fetchone()
    return cast(tuple[int], row)[0]


def _horizon(connection: Connection, bronze: Bronze, *, begins: bool) -> date | None:
    return take_over(connection, bronze) if begins else read_horizon(connection)


@dataclass
class _Kept:
    """Rows of `start` or later, all where it is None. older: how many were left out."""

    start: datetime | None
    older: int = 0

    def of(self, chunks: Iterator[pa.Table]) -> Iterator[pa.Table]:
        for chunk in chunks:
            kept = chunk.filter(pc.field("ts") >= pa.scalar(self.start, TIME)) if self.start else chunk
            self.older += chunk.num_rows - kept.num_rows
            if kept.num_rows:
                yield kept


@dataclass(frozen=True)
class _Slice:
    """Readings of one day as COPY takes them. recorded: when the first and the last of them were."""

    day: date
    rows: int
    recorded: tuple[datetime, datetime]
    encoded: bytes


def _slices(chunks: Iterator[pa.Table]) -> Iterator[_Slice]:
    for chunk in chunks:
        rows = chunk.combine_chunks()
        order = pc.sort_indices(rows.select([column for column, _ in ORDER]), sort_keys=list(ORDER))
        start = 0
        for day, count in _counts(rows["dt"]):
            for at in range(start, start + count, SLICE_ROWS):
                part = rows.take(order[at : min(at + SLICE_ROWS, start + count)])
                recorded = pc.min_max(part["recorded_at"]).as_py()
                yield _Slice(day, part.num_rows, (recorded["min"], recorded["max"]), encode(part))
            start += count


def _counts(days: pa.ChunkedArray) -> list[tuple[date, int]]:
    return sorted((count["values"], count["counts"]) for count in pc.value_counts(days).to_pylist())


def _land_days(connection: Connection, slices: Iterator[_Slice], version: int) -> int:
    """Each day goes into its partition, made where there is none, and it is kept which days these were."""
    connection.execute(f"set local backend_flush_after = '{FLUSH}'")
    there = _partitions(connection)
    made: set[date] = set()
    days: dict[date, tuple[datetime, datetime]] = {}
    rows = 0
    for day, parts in groupby(slices, key=lambda part: part.day):
        if day not in there:
            _add_partition(connection, day)
            there.add(day)
            made.add(day)
        with copying(connection, _partition(day), READINGS, freeze=day in made) as copy:
            for part in parts:
                copy.write(part.encoded)
                rows += part.rows
                first, last = days.get(day, part.recorded)
                days[day] = (min(first, part.recorded[0]), max(last, part.recorded[1]))
    connection.execute(f"set local default_statistics_target = {STATISTICS_TARGET}")
    for day, recorded in days.items():
        connection.execute(f"analyze {_partition(day)}")
        connection.execute(
            "insert into landing.telemetry_days (day, delta_version, first_recorded_at, recorded_at) "
            "values (%s, %s, %s, %s)",
            (day, version, *recorded),
        )
    return rows


def _ahead(slices: Iterator[_Slice]) -> Iterator[_Slice]:
    """The next ones are made ready while Postgres takes in this one."""
    with ThreadPoolExecutor(1) as pool:
        coming = deque(pool.submit(next, slices, None) for _ in range(SLICES_AHEAD))
        while (part := coming.popleft().result()) is not None:
            coming.append(pool.submit(next, slices, None))
            yield part


def _partitions(connection: Connection) -> set[date]:
    row = connection.execute("select relkind = 'p' from pg_class where oid = 'landing.telemetry'::regclass").fetchone()
    if not cast(tuple[bool], row)[0]:
        raise Refused(
            "landing was made by an earlier release, which kept all days in one table: run "
            "'iotops warehouse rebuild --from-bronze'"
        )
    rows = connection.execute(
        "select to_date(right(inhrelid::regclass::text, 8), 'YYYYMMDD') from pg_inherits "
        "where inhparent = 'landing.telemetry'::regclass"
    ).fetchall()
    return {row[0] for row in cast(list[tuple[date]], rows)}


def _add_partition(connection: Connection, day: date) -> None:
    """Made beside the table and attached, which readers of other days do not wait for."""
    name = _partition(day)
    connection.execute(f"create table {name} (like landing.telemetry including all)")
    connection.execute(
        f"alter table landing.telemetry attach partition {name} "
        f"for values from ('{day}') to ('{day + timedelta(days=1)}')"
    )


def _partition(day: date) -> str:
    return f"landing.telemetry_{day:%Y%m%d}"


def _as_landed(table: str, chunks: Iterator[pa.Table], objects: ObjectStore) -> Iterator[pa.Table]:
    for chunk in chunks:
        if table != "documents":
            yield chunk
            continue
        for part in _parts(chunk):
            rows = part.to_pylist()
            texts = _texts(rows, objects)
            included = [_includes(row, text) for row, text in zip(rows, texts, strict=True)]
            with_text = part.append_column("text", pa.array(texts, pa.string()))
            yield with_text.append_column("includes", pa.array(included, pa.string()))


def _includes(row: dict[str, Any], text: str) -> str | None:
    if row["media_type"] not in INCLUDING:
        return None
    found = read_includes(row["path"], text)
    return json.dumps([asdict(include) for include in found], ensure_ascii=False) if found else None


def _chunks(rows: pa.RecordBatchReader) -> Iterator[pa.Table]:
    waiting: list[pa.RecordBatch] = []
    for batch in rows:
        count = sum(one.num_rows for one in waiting)
        if count >= MOST_ROWS or (count >= CHUNK_ROWS and batch[VERSION.name][0] != waiting[-1][VERSION.name][-1]):
            yield pa.Table.from_batches(waiting)
            waiting = []
        if batch.num_rows:
            waiting.append(batch)
    if waiting:
        yield pa.Table.from_batches(waiting)


def _parts(documents: pa.Table) -> Iterator[pa.Table]:
    sizes = pc.subtract(documents["byte_end"], documents["byte_start"]).to_pylist()
    start = size = 0
    for position, next_size in enumerate(sizes):
        if position - start == BATCH_DOCUMENTS or (size and size + next_size > BATCH_BYTES):
            yield documents.slice(start, position - start)
            start, size = position, 0
        size += next_size
    if start < len(sizes):
        yield documents.slice(start)


def _texts(documents: list[dict[str, Any]], objects: ObjectStore) -> list[str]:
    """The stated bytes of each document, decoded; nothing for a deletion. An object is read once, and checked whole."""
    wanted = sorted({(row["tenant_id"], row["object_sha256"]) for row in documents if not row["deleted"]})
    with ThreadPoolExecutor(READERS) as pool:
        contents = dict(zip(wanted, pool.map(lambda name: objects.get(*name), wanted), strict=True))
    return [
        ""
        if row["deleted"]
        else contents[row["tenant_id"], row["object_sha256"]][row["byte_start"] : row["byte_end"]].decode()
        for row in documents
    ]


@contextmanager
def connected(database_url: str) -> Iterator[Connection]:
    """What fails and cannot even be rolled back, fails for want of a server: its death ended the transaction."""
    try:
        with connect(database_url) as connection:
            yield connection
    except psycopg.Error as error:
        raise DatabaseUnavailable(public_name(database_url), error) from error


@contextmanager
def transaction(connection: Connection, failed: str) -> Iterator[None]:
    try:
        yield
        connection.commit()
    except psycopg.Error as error:
        connection.rollback()
        raise StepFailed(f"{failed}: {_first_line(error)}") from error
    except BaseException:
        connection.rollback()
        raise


def _first_line(error: psycopg.Error) -> str:
    return re.sub(r"\s+", " ", str(error)).strip()
