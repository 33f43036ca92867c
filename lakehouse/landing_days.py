"""Readings → a partition of landing for each day, sorted and encoded while Postgres takes in what came before."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import Final, cast

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.bronze import TABLES, VERSION
from lakehouse.copying import copying, encode
from lakehouse.database import Connection
from lakehouse.errors import Refused

READINGS: Final = TABLES["telemetry"].append(VERSION)
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


@dataclass(frozen=True)
class Slice:
    """Readings of one day as COPY takes them. recorded: when the first and the last of them were."""

    day: date
    rows: int
    recorded: tuple[datetime, datetime]
    encoded: bytes


def slices(chunks: Iterator[pa.Table]) -> Iterator[Slice]:
    for chunk in chunks:
        rows = chunk.combine_chunks()
        order = pc.sort_indices(rows.select([column for column, _ in ORDER]), sort_keys=list(ORDER))
        start = 0
        for day, count in _counts(rows["dt"]):
            for at in range(start, start + count, SLICE_ROWS):
                part = rows.take(order[at : min(at + SLICE_ROWS, start + count)])
                recorded = pc.min_max(part["recorded_at"]).as_py()
                yield Slice(day, part.num_rows, (recorded["min"], recorded["max"]), encode(part))
            start += count


def _counts(days: pa.ChunkedArray) -> list[tuple[date, int]]:
    return sorted((count["values"], count["counts"]) for count in pc.value_counts(days).to_pylist())


def land_days(connection: Connection, slices: Iterator[Slice], version: int) -> int:
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


def ahead(slices: Iterator[Slice]) -> Iterator[Slice]:
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
