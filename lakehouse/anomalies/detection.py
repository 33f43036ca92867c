"""Gold to `detection.anomalies`: what stands there is a function of gold and of `as_of`, however often it is run."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from datetime import datetime
from typing import Any, Final

from psycopg.sql import SQL, Identifier, Placeholder
from psycopg.types.json import Jsonb

from lakehouse import database, tenants
from lakehouse.anomalies import fleet
from lakehouse.anomalies.device import find
from lakehouse.anomalies.evidence import Anomaly, moment, with_evidence
from lakehouse.anomalies.gaps import silent_from
from lakehouse.anomalies.series import Series
from lakehouse.anomalies.setting import METHOD
from lakehouse.database import Connection
from lakehouse.errors import WarehouseNotBuilt

Progress = Callable[[str, int, int], None]

SEEN: Final = """
insert into detection.seen
    (tenant_id, device_id, readings, last_ts, last_recorded_at, silent_from, as_of, method)
values (%s, %s, %s, %s, %s, %s, %s, %s)
on conflict (tenant_id, device_id) do update set
    readings = excluded.readings, last_ts = excluded.last_ts, last_recorded_at = excluded.last_recorded_at,
    silent_from = excluded.silent_from, as_of = excluded.as_of, method = excluded.method
"""
LIST: Final = """
select * from detection.anomalies
where tenant_id = %(tenant_id)s
    and (%(device)s::text is null or device_id = %(device)s)
    and (%(kind)s::text is null or kind = %(kind)s)
    and (%(since)s::timestamptz is null or ended_at >= %(since)s)
order by started_at, device_id, anomaly_id
"""
INSERT: Final = SQL("insert into detection.anomalies ({}) values ({})").format(
    SQL(", ").join(Identifier(one.name) for one in fields(Anomaly)),
    SQL(", ").join(Placeholder() for _ in fields(Anomaly)),
)


@dataclass(frozen=True)
class Detected:
    """devices: with readings.  examined: those whose readings were read.  anomalies: that stand now, of all devices."""

    devices: int = 0
    examined: int = 0
    readings: int = 0
    anomalies: int = 0

    def __add__(self, other: "Detected") -> "Detected":
        return Detected(*(one + another for one, another in zip(astuple(self), astuple(other), strict=True)))

    def to_json(self) -> dict[str, int]:
        return {one.name: getattr(self, one.name) for one in fields(self)}

    def describe(self) -> str:
        return (
            f"{self.examined} of {self.devices} devices examined ({self.readings:,} readings): "
            f"{self.anomalies} anomalies stand"
        )


def detect(
    database_url: str,
    *,
    tenant_id: str | None = None,
    as_of: datetime | None = None,
    progress: Progress | None = None,
) -> Detected:
    """tenant_id: None for all.  as_of: later readings are as if not there, and what is silent by then is a gap; None
    for the newest reading of each tenant.

    Raises UnknownTenant and WarehouseNotBuilt.
    """
    with database.connect(database_url) as connection:
        if tenant_id:
            tenants.require_tenant(connection, tenant_id)
        _require_gold(connection)
        names = [tenant_id] if tenant_id else tenants.list_tenants(connection)
        return sum((_detect_tenant(connection, name, as_of, progress) for name in names), Detected())


def anomalies(
    connection: Connection,
    tenant_id: str,
    *,
    device: str | None = None,
    kind: str | None = None,
    since: datetime | None = None,
) -> list[Anomaly]:
    """Oldest first; with `since`, those that were not over by then."""
    given = {"tenant_id": tenant_id, "device": device, "kind": kind, "since": since}
    cursor = connection.execute(LIST, given)
    names = [column.name for column in cursor.description or ()]
    return [Anomaly(**dict(zip(names, row, strict=True))) for row in cursor]  # type: ignore[arg-type]


def _require_gold(connection: Connection) -> None:
    row = connection.execute("select to_regclass('gold.fct_readings') is not null").fetchone()
    if not (row and row[0]):
        raise WarehouseNotBuilt


def _detect_tenant(
    connection: Connection, tenant_id: str, as_of: datetime | None, progress: Progress | None
) -> Detected:
    until = as_of or fleet.newest(connection, tenant_id)
    found = fleet.devices(connection, tenant_id, until) if until else []
    _forget_others(connection, tenant_id, [one.device_id for one in found])
    changed = [one for one in found if one.changed]
    done = 0
    for batch in fleet.batches(changed):
        assert until is not None  # noqa: S101 - there are devices only where there are readings
        _examine(connection, tenant_id, batch, until)
        done += len(batch)
        if progress:
            progress(tenant_id, done, len(changed))
    row = connection.execute("select count(*) from detection.anomalies where tenant_id = %s", (tenant_id,)).fetchone()
    connection.commit()
    return Detected(len(found), len(changed), sum(one.readings for one in changed), int(str(row[0])) if row else 0)


def _examine(connection: Connection, tenant_id: str, batch: Sequence[fleet.Device], as_of: datetime) -> None:
    """One transaction: what stood of these devices goes as what stands now comes."""
    readings = fleet.read(connection, tenant_id, batch, as_of)
    until = as_of.timestamp()
    rows = [
        _row(with_evidence(tenant_id, name, fault))
        for name, metrics in readings.items()
        for fault in find(metrics, until)
    ]
    _lock(connection, tenant_id)
    connection.execute(
        "delete from detection.anomalies where tenant_id = %s and device_id = any(%s)", (tenant_id, list(readings))
    )
    with connection.cursor() as cursor:
        cursor.executemany(INSERT, rows)
        cursor.executemany(SEEN, [_seen(tenant_id, one, readings[one.device_id], as_of) for one in batch])
    connection.commit()


def _lock(connection: Connection, tenant_id: str) -> None:
    """Until the transaction ends: two runs at once, by hand and by Airflow, would insert the same rows."""
    connection.execute("select pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"detection:{tenant_id}",))


def _forget_others(connection: Connection, tenant_id: str, names: Sequence[str]) -> None:
    """Devices that gold knows no more, by erasure or retention, or not yet at an earlier `as_of`."""
    _lock(connection, tenant_id)
    for table in ("anomalies", "seen"):
        statement = SQL("delete from detection.{} where tenant_id = %s and device_id <> all(%s)")
        connection.execute(statement.format(Identifier(table)), (tenant_id, list(names)))
    connection.commit()


def _row(anomaly: Anomaly) -> list[Any]:
    values = (getattr(anomaly, one.name) for one in fields(Anomaly))
    return [Jsonb(value, json.dumps) if isinstance(value, (dict, list)) else value for value in values]


def _seen(tenant_id: str, device: fleet.Device, metrics: Mapping[str, Series], as_of: datetime) -> tuple[object, ...]:
    silent = silent_from(list(metrics.values()))
    read = (device.readings, device.last_ts, device.last_recorded_at)
    return (tenant_id, device.device_id, *read, None if silent is None else moment(silent), as_of, METHOD)
