"""Bronze → landing: rows of new Delta versions go to Postgres together with the watermark, one transaction a table."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from typing import Any, Final, cast

import psycopg
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.archive import ROWS, midnight
from lakehouse.bronze import TIME, VERSION, Bronze
from lakehouse.copying import copy_rows
from lakehouse.database import Connection, connect, public_name
from lakehouse.errors import DatabaseUnavailable, Refused, StepFailed
from lakehouse.horizon import read_horizon, take_over
from lakehouse.landing_days import ahead, land_days, slices
from lakehouse.landing_texts import with_texts

LANDED_TABLES: Final = ("documents", "events", "messages", "telemetry")
# Batches of bronze have some thousand rows; so many are sorted together, and the rest of their commit with them:
# 400,000 readings are 80 MB, of which two are in memory at once.
CHUNK_ROWS: Final = 100_000
MOST_ROWS: Final = 400_000


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
            rows = land_days(connection, ahead(slices(chunks)), version)
        else:
            parts = with_texts(chunks, bronze.objects) if table == "documents" else chunks
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
