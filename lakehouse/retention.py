"""Retention by tier: hot in Postgres, warm in Delta, cold as archived files. Nothing is limited unless it is asked for.

Rows leave a tier when the next one has held them durably for long: all rows are in Delta from the start, and leave it
for the archive only when Postgres has none of their day.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
from psycopg import RawCursor

from lakehouse.archive import HISTORY, ROWS, midnight
from lakehouse.bronze import Bronze
from lakehouse.cold import Archived, archive_older
from lakehouse.database import Connection, connect
from lakehouse.errors import NotReady
from lakehouse.horizon import load_history, newest_horizon, put_history, read_horizon
from lakehouse.landing import connected, locked_watermark, transaction
from lakehouse.warehouse import alone, build_warehouse

# What the device tables of gold are made from, of the time before the horizon. `valid_from` of a stretch that goes on
# beyond it is kept, so it never moves. Both under the name of today, as the event that told of a renaming may go. That
# one is told again long after it is no report: it lies after the last that gold knows under the name.
KNOWN: Final = {
    "device_firmware": """
select tenant_id, device_id, firmware, valid_from, recorded_at
from gold.dim_device_firmware
where valid_from < $1
""",
    "device_sightings": """
with reported as (
    select tenant_id, device_id, site, model, first_ts, last_ts from gold.fct_device_sightings
    where day < ($1 at time zone 'UTC')::date
    union all
    select tenant_id, device_id, site, model, ts, ts from gold.fct_events where device_id is not null and ts < $1
    union all
    select tenant_id, device_id, site, model, first_ts, last_ts from landing.retired_devices
)
select n.tenant_id, n.known_as as device_id, r.site, r.model, min(r.first_ts) as first_ts, max(r.last_ts) as last_ts
from reported as r
join gold.dim_device_names as n
    on n.tenant_id = r.tenant_id
    and n.device_id = r.device_id
    and n.valid_from <= r.first_ts
    and (n.valid_to > r.first_ts or n.valid_to is null)
    and n.last_reported_at >= r.first_ts
group by n.tenant_id, n.known_as, r.site, r.model
""",
}
# What places a row before the horizon, which is a midnight (UTC): an hour and a day are wholly on one side of it.
TIMES: Final = {
    "landing.telemetry": "dt < ($1 at time zone 'UTC')::date",
    "landing.telemetry_days": "day < ($1 at time zone 'UTC')::date",
    "landing.events": "ts < $1",
    "gold.fct_readings": "ts < $1",
    "gold.fct_readings_hourly": "hour < $1",
    "gold.fct_readings_daily": "day < ($1 at time zone 'UTC')::date",
    "gold.fct_readings_set_aside": "ts < $1",
    "gold.fct_device_sightings": "day < ($1 at time zone 'UTC')::date",
    "gold.fct_events": "ts < $1",
}
DELETE: Final = "with gone as (delete from {table} where {before} returning 1) select count(*) from gone"
EMPTIED: Final = r"""
select format('%I.%I', n.nspname, c.relname)
from pg_inherits as i
join pg_class as c on c.oid = i.inhrelid
join pg_namespace as n on n.oid = c.relnamespace
where i.inhparent = any(array[
    'landing.telemetry', 'gold.fct_readings', 'gold.fct_readings_hourly', 'gold.fct_readings_daily',
    'gold.fct_device_sightings'
]::regclass[])
    and to_date(substring(c.relname from '_(\d{8})'), 'YYYYMMDD') < ($1 at time zone 'UTC')::date
"""
# Alerts, incidents and maintenance are made of all events: the next build reads those that stayed as if all were new.
# So it finds one whose time was corrected from one side of the horizon to the other, too, which gold is to forget as
# landing does.
READ_AGAIN: Final = "delete from registry.promoted where table_name = 'events'"
UNBUILT: Final = """
select count(*)
from landing.watermarks as landed
left join registry.promoted as built using (table_name)
where landed.table_name in ('events', 'telemetry') and landed.delta_version is distinct from built.delta_version
"""


@dataclass(frozen=True)
class Policy:
    """Whole days that stay in Postgres, and in Delta tables. None: for ever."""

    hot_days: int | None
    warm_days: int | None


@dataclass(frozen=True)
class Retained:
    """horizon: the day before which Postgres keeps nothing; retired: rows that left it by this run, by table."""

    horizon: date | None
    retired: dict[str, int] = field(default_factory=dict)
    archived: list[Archived] = field(default_factory=list)

    def describe(self) -> str:
        if self.horizon is None:
            return "nothing is limited: IOTOPS_HOT_DAYS and IOTOPS_WARM_DAYS say how many days stay"
        lines = [f"Postgres keeps readings and events from {self.horizon} on"]
        lines += [f"{table}: {rows:,} older rows left" for table, rows in self.retired.items() if rows]
        return "\n".join([*lines, *(one.describe() for one in self.archived)])

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "horizon": self.horizon.isoformat() if self.horizon else None}


def apply_retention(
    database_url: str, bronze: Bronze, policy: Policy, *, now: datetime, dbt_project: Path, work: Path
) -> Retained:
    """Lands and builds what bronze has first: what the device tables say of the days that go has to be complete."""
    if policy.hot_days is None:
        return Retained(None)

    def build() -> None:
        build_warehouse(database_url, bronze, dbt_project=dbt_project, work=work)

    build()
    horizon, retired = _retire(database_url, bronze, day_before(now, policy.hot_days), now)
    build()  # does nothing, unless rows were retired
    if policy.warm_days is None:
        return Retained(horizon, retired)
    archived = archive_older(bronze, min(horizon, day_before(now, policy.warm_days)))
    return Retained(horizon, retired, archived)


def day_before(now: datetime, days: int) -> date:
    return (now.astimezone(UTC) - timedelta(days=days)).date()


def _retire(database_url: str, bronze: Bronze, wanted: date, now: datetime) -> tuple[date, dict[str, int]]:
    """Move the horizon, and take what is before it out of landing and gold, in one transaction."""
    with (
        _no_build(database_url),
        connected(database_url) as connection,
        transaction(connection, "retention failed, and Postgres is as it was"),
    ):
        for table in ROWS:
            locked_watermark(connection, table)
        known = read_horizon(connection)
        horizon = max(day for day in (wanted, known, newest_horizon(bronze)) if day)
        return horizon, {} if horizon == known else _move(connection, bronze, horizon, now)


def _move(connection: Connection, bronze: Bronze, horizon: date, now: datetime) -> dict[str, int]:
    if _value(connection, UNBUILT):
        raise NotReady("rows were landed that gold does not know yet: run it again, or 'iotops warehouse build' first")
    at = (midnight(horizon),)
    put_history(bronze, horizon, {table: _rows(connection, table, at) for table in HISTORY})
    load_history(connection, bronze, horizon)
    gone = {
        table: int(_value(connection, DELETE.format(table=table, before=before), at)) for table, before in TIMES.items()
    }
    _drop_days(connection, at)
    connection.execute("insert into registry.retention (horizon, moved_at) values (%s, %s)", (horizon, now))
    if any(gone.values()):
        connection.execute(READ_AGAIN)
    return gone


def _drop_days(connection: Connection, at: tuple[object, ...]) -> None:
    for (name,) in _fetch(connection, EMPTIED, at):
        connection.execute(f"drop table {name}".encode())


def _rows(connection: Connection, table: str, parameters: tuple[object, ...]) -> pa.Table:
    schema = HISTORY[table]
    rows = _fetch(connection, KNOWN[table], parameters)
    return pa.Table.from_pylist([dict(zip(schema.names, row, strict=True)) for row in rows], schema=schema)


def _value(connection: Connection, sql: str, parameters: tuple[object, ...] = ()) -> Any:
    return _fetch(connection, sql, parameters)[0][0]


def _fetch(connection: Connection, sql: str, parameters: tuple[object, ...]) -> list[tuple[Any, ...]]:
    """Of SQL whose parameters are numbered, as one is asked for in many places."""
    return RawCursor(connection).execute(sql.encode(), parameters).fetchall()


@contextmanager
def _no_build(database_url: str) -> Iterator[None]:
    with connect(database_url, autocommit=True) as connection, alone(connection):
        yield
