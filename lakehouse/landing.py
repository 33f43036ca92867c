"""Bronze → landing: rows of new Delta versions go to Postgres together with the watermark, one transaction a table."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, Final, cast

import pyarrow as pa
import pyarrow.compute as pc
from adbc_driver_manager import Error as AdbcError
from adbc_driver_postgresql import dbapi as adbc

from lakehouse.archive import ROWS, midnight
from lakehouse.bronze import TIME, VERSION, Bronze
from lakehouse.database import Connection, public_name
from lakehouse.errors import DatabaseUnavailable, Refused, StepFailed
from lakehouse.horizon import read_horizon, take_over
from lakehouse.objects import ObjectStore

LANDED_TABLES: Final = ("documents", "events", "messages", "telemetry")
# Batches of bronze have some thousand rows; so many become one COPY, and the rest of their commit with them: 400,000
# readings are 80 MB, of which three are in memory at once.
CHUNK_ROWS: Final = 100_000
MOST_ROWS: Final = 400_000
# By the key of gold, which then has less to sort: 0.6 s in place of 1.0 s for a day of 334,000 readings.
ORDER: Final = tuple((column, "ascending") for column in ("dt", "tenant_id", "device_id", "metric", "ts"))
# Enough for the planner to see that a day's partition holds that day; 100 would take ten times as long.
STATISTICS_TARGET: Final = 10
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


def _land_table(connection: adbc.Connection, bronze: Bronze, table: str) -> tuple[int, int, int]:
    with (
        connection.cursor() as cursor,
        transaction(connection, f"landing '{table}' failed, and nothing of it was landed"),
    ):
        watermark = locked_watermark(cursor, table)
        news, version = bronze.stream(table, after=watermark if watermark >= 0 else None)
        if version < watermark:
            raise Refused(
                f"bronze table '{table}' is at version {version}, but version {watermark} is landed: "
                "point IOTOPS_BRONZE_URL at the bronze that this database was filled from, or use an empty database"
            )
        horizon = _horizon(cursor, bronze, begins=watermark < 0 <= version) if table in ROWS else None
        kept = _Kept(midnight(horizon) if horizon else None)
        chunks = kept.of(_chunks(news))
        if table == "telemetry":
            chunks = _by_day(cursor, _ahead(chunk.sort_by(list(ORDER)) for chunk in chunks), version)
        rows = sum(
            cursor.adbc_ingest(table, part, mode="append", db_schema_name="landing")
            for part in _as_landed(table, chunks, bronze.objects)
        )
        cursor.execute(
            "update landing.watermarks set delta_version = $1 where table_name = $2", parameters=(version, table)
        )
        return rows, version, kept.older


def locked_watermark(cursor: adbc.Cursor, table: str) -> int:
    """The row lock holds until the transaction ends, so a second landing reads the watermark that this one leaves."""
    cursor.execute(
        "insert into landing.watermarks (table_name, delta_version) values ($1, -1) on conflict do nothing",
        parameters=(table,),
    )
    cursor.execute("select delta_version from landing.watermarks where table_name = $1 for update", parameters=(table,))
    return int(cursor.fetchone()[0])


def _horizon(cursor: adbc.Cursor, bronze: Bronze, *, begins: bool) -> date | None:
    return take_over(cursor, bronze) if begins else read_horizon(cursor)


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


def _by_day(cursor: adbc.Cursor, chunks: Iterator[pa.Table], version: int) -> Iterator[pa.Table]:
    """Makes the partition of each day that the chunks have rows of, and keeps which days these were."""
    there = _partitions(cursor)
    days: dict[date, tuple[datetime, datetime]] = {}
    for chunk in chunks:
        for row in chunk.group_by("dt").aggregate([("recorded_at", "min"), ("recorded_at", "max")]).to_pylist():
            day, first, last = row["dt"], row["recorded_at_min"], row["recorded_at_max"]
            if day not in there:
                _add_partition(cursor, day)
                there.add(day)
            known = days.get(day, (first, last))
            days[day] = (min(first, known[0]), max(last, known[1]))
        yield chunk
    cursor.execute(f"set local default_statistics_target = {STATISTICS_TARGET}")
    for day, recorded in days.items():
        cursor.execute(f"analyze {_partition(day)}")
        cursor.execute(
            "insert into landing.telemetry_days (day, delta_version, first_recorded_at, recorded_at) "
            "values ($1, $2, $3, $4)",
            parameters=(day, version, *recorded),
        )


def _ahead(chunks: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """The next chunk is made ready while Postgres takes in this one."""
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, chunks, None)
        while (chunk := coming.result()) is not None:
            coming = pool.submit(next, chunks, None)
            yield chunk


def _partitions(cursor: adbc.Cursor) -> set[date]:
    cursor.execute("select relkind = 'p' from pg_class where oid = 'landing.telemetry'::regclass")
    if not cursor.fetchone()[0]:
        raise Refused(
            "landing was made by an earlier release, which kept all days in one table: run "
            "'iotops warehouse rebuild --from-bronze'"
        )
    cursor.execute(
        "select to_date(right(inhrelid::regclass::text, 8), 'YYYYMMDD') from pg_inherits "
        "where inhparent = 'landing.telemetry'::regclass"
    )
    return {row[0] for row in cursor.fetchall()}


def _add_partition(cursor: adbc.Cursor, day: date) -> None:
    """Made beside the table and attached, which readers of other days do not wait for."""
    name = _partition(day)
    cursor.execute(f"create table {name} (like landing.telemetry including all)")
    cursor.execute(
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
            yield part.append_column("text", pa.array(_texts(part.to_pylist(), objects), pa.string()))


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
def connected(database_url: str) -> Iterator[adbc.Connection]:
    """What fails and cannot even be rolled back, fails for want of a server: its death ended the transaction."""
    try:
        with adbc.connect(database_url) as connection:
            yield connection
    except AdbcError as error:
        raise DatabaseUnavailable(public_name(database_url), error) from error


@contextmanager
def transaction(connection: adbc.Connection, failed: str) -> Iterator[None]:
    try:
        yield
        connection.commit()
    except AdbcError as error:
        connection.rollback()
        raise StepFailed(f"{failed}: {_first_line(error)}") from error
    except BaseException:
        connection.rollback()
        raise


def _first_line(error: AdbcError) -> str:
    return re.sub(r"\s+", " ", str(error)).strip()
