"""Warm → cold: rows of Delta tables become files of the archive, day by day; and back."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse import archive
from lakehouse.bronze import TIME, VERSION, Bronze, Snapshot, equals
from lakehouse.errors import Misused, NotFound

# So many rows are in memory at once, or those of one hour of a tenant.
PIECE_ROWS: Final = 250_000
HOUR: Final = timedelta(hours=1)


@dataclass(frozen=True)
class Archived:
    """Of one table. rows: taken out of Delta; files: new in the archive (none where all was there already)."""

    table: str
    days: int
    files: int
    rows: int

    def describe(self) -> str:
        return f"{self.table}: {self.rows:,} rows of {self.days} days archived in {self.files} new files"

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Restored:
    """rows: brought back, by table; rows that were in Delta already are not among them."""

    days: int
    rows: dict[str, int]

    def describe(self) -> str:
        tables = ", ".join(f"{table} {count:,}" for table, count in sorted(self.rows.items()))
        return f"restored {sum(self.rows.values()):,} rows of {self.days} days ({tables})"

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def archive_older(bronze: Bronze, before: date) -> list[Archived]:
    """Rows of days before `before`. What is archived is durable before anything is taken out of Delta; a run that was
    cut off between the two is finished by the next."""
    return [_archive_table(bronze, table, before) for table in archive.ROWS]


def _archive_table(bronze: Bronze, table: str, before: date) -> Archived:
    snapshot = bronze.snapshot(table)
    old = pc.field("ts") < pa.scalar(archive.midnight(before), TIME)
    hours = _count_hours(snapshot, old)
    days = sorted({(tenant_id, hour.date()) for tenant_id, hour in hours})
    files = 0
    for tenant_id, day in days:
        of_day = {hour: count for (tenant, hour), count in hours.items() if (tenant, hour.date()) == (tenant_id, day)}
        files += len(archive.put(bronze, tenant_id, table, day, _missing(bronze, snapshot, table, tenant_id, of_day)))
    # What came in since is not archived yet, whatever its day.
    rows = bronze.remove(table, old & (pc.field(VERSION.name) <= snapshot.version)) if days else 0
    return Archived(table, len(days), files, rows)


def _count_hours(snapshot: Snapshot, old: pc.Expression) -> Counter[tuple[str, datetime]]:
    found: Counter[tuple[str, datetime]] = Counter()
    for batch in snapshot.stream(old):
        hours = pa.table({"tenant_id": batch["tenant_id"], "hour": pc.floor_temporal(batch["ts"], unit="hour")})
        for row in hours.group_by(["tenant_id", "hour"]).aggregate([([], "count_all")]).to_pylist():
            found[row["tenant_id"], row["hour"].astimezone(UTC)] += row["count_all"]
    return found


def _missing(
    bronze: Bronze, snapshot: Snapshot, table: str, tenant_id: str, hours: dict[datetime, int]
) -> Iterator[pa.Table]:
    """What the archive does not hold of a day, in the order of time."""
    known = archive.parts(bronze, tenant_id, table, min(hours).date())
    for start, end in _pieces(hours):
        within = _between(start, end)
        held = [archive.read(bronze, part, within) for part in known]
        rows = snapshot.read(equals("tenant_id", tenant_id) & within)
        missing = archive.without(rows, pa.concat_tables([rows.slice(0, 0), *held]))
        yield missing.sort_by([(name, "ascending") for name in ("ts", *(n for n in rows.column_names if n != "ts"))])


def _pieces(hours: dict[datetime, int]) -> Iterator[tuple[datetime, datetime]]:
    start, rows = min(hours), 0
    for hour in sorted(hours):
        if rows and rows + hours[hour] > PIECE_ROWS:
            yield start, hour
            start, rows = hour, 0
        rows += hours[hour]
    yield start, max(hours) + HOUR


def _between(start: datetime, end: datetime) -> pc.Expression:
    """start ≤ ts < end"""
    return (pc.field("ts") >= pa.scalar(start, TIME)) & (pc.field("ts") < pa.scalar(end, TIME))


def restore(bronze: Bronze, tenant_id: str, first: date, last: date) -> Restored:
    """Bring archived days back into Delta, with the versions that once brought them. Rows that are there stay as they
    are, so a second run, or two at once, add nothing. The files of the archive stay."""
    if last < first:
        raise Misused(f"a span of days ends after it begins: {first} to {last} does not")
    found = [part for table in archive.ROWS for part in archive.parts(bronze, tenant_id, table)]
    wanted = [part for part in found if first <= part.day <= last]
    if not wanted:
        held = f"its days are {min(p.day for p in found)} to {max(p.day for p in found)}" if found else "it has none"
        raise NotFound(f"nothing of {first} to {last} is in the archive of tenant '{tenant_id}': {held}")
    rows = dict.fromkeys(archive.ROWS, 0)
    for part in wanted:
        held_rows = archive.read(bronze, part)
        for start in range(0, len(held_rows), PIECE_ROWS):
            rows[part.table] += _put_back(bronze, part.table, held_rows.slice(start, PIECE_ROWS))
    return Restored(len({part.day for part in wanted}), rows)


def _put_back(bronze: Bronze, table: str, rows: pa.Table) -> int:
    """In one commit, those of the rows that the table does not hold; returns how many they were."""
    span = pc.min_max(rows["ts"]).as_py()
    within = equals("tenant_id", rows["tenant_id"][0].as_py()) & _between(
        span["min"], span["max"] + timedelta(microseconds=1)
    )
    return bronze.put_back(table, lambda snapshot: archive.without(rows, snapshot.read(within)))
