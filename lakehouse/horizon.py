"""The day before which Postgres keeps no readings and events, and what it still knows of the devices of that time."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Final, cast

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse import archive
from lakehouse.bronze import Bronze
from lakehouse.copying import copy_rows
from lakehouse.database import Connection
from lakehouse.errors import Refused

LANDED_AS: Final = {"device_firmware": "retired_firmware", "device_sightings": "retired_devices"}
# Files of one horizon may repeat each other, after a run that was cut off: of two that say the same, the earlier and
# the later moment stand.
EXTREMES: Final = {"valid_from": None, "recorded_at": "min", "first_ts": "min", "last_ts": "max"}


def read_horizon(connection: Connection) -> date | None:
    """None where nothing was ever retired."""
    row = connection.execute("select max(horizon) from registry.retention").fetchone()
    return cast(tuple[date | None], row)[0]


def newest_horizon(bronze: Bronze) -> date | None:
    """The latest that bronze speaks of. A database that is new, or was restored, has to take it over."""
    found = []
    for tenant_id in archive.tenants(bronze):
        found += archive.marks(bronze, tenant_id)
        for table in archive.ROWS:
            found += [part.day + timedelta(days=1) for part in archive.parts(bronze, tenant_id, table)]
    return max(found, default=None)


def take_over(connection: Connection, bronze: Bronze) -> date | None:
    """For a landing that begins with nothing: the horizon, and what was known of devices before it, from bronze."""
    known, stated = read_horizon(connection), newest_horizon(bronze)
    horizon = max((day for day in (known, stated) if day), default=None)
    if horizon and horizon != known:
        connection.execute("insert into registry.retention (horizon) values (%s)", (horizon,))
    if horizon:
        load_history(connection, bronze, horizon)
    return horizon


def put_history(bronze: Bronze, horizon: date, history: Mapping[str, pa.Table]) -> None:
    """Durable on return, and marked to be whole."""
    named = sorted({tenant_id for rows in history.values() for tenant_id in rows["tenant_id"].unique().to_pylist()})
    for tenant_id in named:
        for table, rows in history.items():
            of_tenant = rows.filter(pc.equal(rows["tenant_id"], tenant_id))
            archive.put(bronze, tenant_id, table, horizon, [_ordered(of_tenant)])
    for tenant_id in named:
        archive.mark(bronze, tenant_id, horizon)


def load_history(connection: Connection, bronze: Bronze, horizon: date) -> None:
    """In place of what landing knew."""
    for landed in LANDED_AS.values():
        connection.execute(f"delete from landing.{landed}".encode())
    for tenant_id in archive.tenants(bronze):
        for table, landed in LANDED_AS.items():
            rows = _read_history(bronze, tenant_id, table, horizon)
            if rows.num_rows:
                copy_rows(connection, f"landing.{landed}", rows)


def _read_history(bronze: Bronze, tenant_id: str, table: str, horizon: date) -> pa.Table:
    schema = archive.HISTORY[table]
    found = [archive.read(bronze, part) for part in archive.parts(bronze, tenant_id, table, horizon)]
    if not found and any(part.day < horizon for part in archive.parts(bronze, tenant_id, table)):
        raise Refused(
            f"what was known of the devices of '{tenant_id}' before {horizon} is not in bronze any more: restore "
            f"{archive.folder(tenant_id, table)}/{horizon}/ from a backup of it"
        )
    extremes = [(name, EXTREMES[name]) for name in schema.names if EXTREMES.get(name)]
    keys = [name for name in schema.names if not EXTREMES.get(name)]
    rows = pa.concat_tables([schema.empty_table(), *found]).group_by(keys).aggregate(extremes)
    return rows.rename_columns([name.removesuffix("_min").removesuffix("_max") for name in rows.column_names]).select(
        schema.names
    )


def _ordered(rows: pa.Table) -> pa.Table:
    return rows.sort_by([(name, "ascending") for name in rows.column_names])
