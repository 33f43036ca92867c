"""Readings of gold by device, and which devices have others than detection has seen."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Final

import numpy as np

from lakehouse.anomalies.series import Series, series
from lakehouse.anomalies.setting import METHOD
from lakehouse.database import Connection

BATCH: Final = 200_000  # readings held at once; a device that has more is a batch of its own

NEWEST: Final = "select max(ts) from gold.fct_readings where tenant_id = %(tenant_id)s"

STATE: Final = """
with now_there as (
    select device_id, count(*) as readings, max(ts) as last_ts, max(recorded_at) as last_recorded_at
    from gold.fct_readings
    where tenant_id = %(tenant_id)s and ts <= %(as_of)s
    group by device_id
)

select
    n.device_id,
    n.readings,
    n.last_ts,
    n.last_recorded_at,
    s.device_id is null
    or (s.readings, s.last_ts, s.last_recorded_at, s.method)
    is distinct from (n.readings, n.last_ts, n.last_recorded_at, %(method)s)
    or coalesce(s.silent_from < greatest(%(as_of)s, s.as_of) and s.as_of <> %(as_of)s, false) as changed
from now_there as n
left join detection.seen as s on s.tenant_id = %(tenant_id)s and s.device_id = n.device_id
order by n.device_id
"""

READINGS: Final = """
select device_id, metric, extract(epoch from ts)::float8, value
from gold.fct_readings
where tenant_id = %(tenant_id)s and device_id = any(%(devices)s) and ts <= %(as_of)s
order by device_id, metric, ts
"""


@dataclass(frozen=True)
class Device:
    """changed: detection has not seen these readings, or the device was silent, or is by now."""

    device_id: str
    readings: int
    last_ts: datetime
    last_recorded_at: datetime
    changed: bool


def newest(connection: Connection, tenant_id: str) -> datetime | None:
    row = connection.execute(NEWEST, {"tenant_id": tenant_id}).fetchone()
    return row[0] if row and isinstance(row[0], datetime) else None


def devices(connection: Connection, tenant_id: str, as_of: datetime) -> list[Device]:
    rows = connection.execute(STATE, {"tenant_id": tenant_id, "as_of": as_of, "method": METHOD}).fetchall()
    return [Device(*row) for row in rows]  # type: ignore[arg-type]  # the types are those of the query


def batches(found: Sequence[Device]) -> Iterator[list[Device]]:
    batch: list[Device] = []
    for device in found:
        if batch and sum(one.readings for one in batch) + device.readings > BATCH:
            yield batch
            batch = []
        batch.append(device)
    if batch:
        yield batch


def read(
    connection: Connection, tenant_id: str, batch: Sequence[Device], as_of: datetime
) -> dict[str, dict[str, Series]]:
    """By device and metric. Binary, as parsing is most of the time otherwise."""
    given = {"tenant_id": tenant_id, "devices": [one.device_id for one in batch], "as_of": as_of}
    with connection.cursor(binary=True) as cursor:
        rows = cursor.execute(READINGS, given).fetchall()
    out: dict[str, dict[str, Series]] = {one.device_id: {} for one in batch}
    if not rows:
        return out
    names, metrics, seconds, values = zip(*rows, strict=True)
    keys = np.array([f"{name}\x1f{metric}" for name, metric in zip(names, metrics, strict=True)], dtype=object)
    edges = [0, *(np.flatnonzero(keys[1:] != keys[:-1]) + 1).tolist(), len(rows)]
    for first, last in pairwise(edges):
        out[str(names[first])][str(metrics[first])] = series(seconds[first:last], values[first:last])
    return out
