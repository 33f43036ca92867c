"""What the devices of a question are called: in it, today, and in the rows that they reported.

gold.dim_device_names says which device a name meant, and when. A renaming that was recorded after `as_of` has not
happened yet.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final, cast

from lakehouse.database import Connection

# A name that was taken over means whoever bore it at the end of the time that is asked about. What was called something
# only in the event that renamed it has no line among the names.
NAMED: Final = """
with names as (
  select device_id, known_as, valid_from, recorded_at
  from gold.dim_device_names
  where tenant_id = %(tenant_id)s and lower(device_id) = any(%(words)s)
  union all
  select device_id, device_id, '-infinity', null
  from gold.dim_devices
  where tenant_id = %(tenant_id)s and lower(device_id) = any(%(words)s)
),
meant as (
  select distinct on (device_id)
    device_id,
    case when recorded_at > %(as_of)s::timestamptz then device_id else known_as end as known_as,
    known_as as today
  from names
  order by device_id, valid_from < coalesce(%(until)s::timestamptz, 'infinity') desc, valid_from desc
)
select meant.device_id, meant.known_as, meant.today, devices.model
from meant
left join gold.dim_devices as devices on devices.tenant_id = %(tenant_id)s and devices.device_id = meant.today
order by meant.known_as, meant.device_id
"""

NAMES: Final = """
select device_id, known_as
from gold.dim_device_names
where tenant_id = %(tenant_id)s
  and (%(devices)s::text[] is null or known_as = any(%(devices)s) or device_id = any(%(devices)s))
  and (%(as_of)s::timestamptz is null or recorded_at is null or recorded_at <= %(as_of)s)
order by device_id, known_as
"""

TODAY: Final = """
select distinct known_as
from gold.dim_device_names
where tenant_id = %(tenant_id)s and device_id = any(%(devices)s) and recorded_at > %(as_of)s
"""

COLUMNS: Final = {
    "gold.fct_readings": ("metric", "ts", "value", "unit", "firmware", "site", "model", "object_sha256", "recorded_at"),
    "gold.fct_events": ("event_type", "ts", "firmware", "site", "model", "object_sha256", "recorded_at"),
}
BY_NAME: Final = """(
  select facts.tenant_id, coalesce(names.known_as, facts.device_id) as device_id, facts.device_id as reported_as,
    {columns}
  from {table} as facts
  left join gold.dim_device_names as names
    on names.tenant_id = facts.tenant_id and names.device_id = facts.device_id
    and names.valid_from <= facts.ts and (names.valid_to > facts.ts or names.valid_to is null){as_of}
) as named"""
RECORDED: Final = "\n    and (names.recorded_at <= %(as_of)s::timestamptz or names.recorded_at is null)"


@dataclass(frozen=True)
class Device:
    """asked: as the question has it. device_id: what it is called, of what was recorded by `as_of`. today: in gold."""

    asked: str
    device_id: str
    today: str
    model: str | None


def named(
    connection: Connection, tenant_id: str, words: set[str], *, until: datetime | None, as_of: datetime | None
) -> list[Device]:
    """Those whose names, in lower case, are among the words. until: the end of the time that is asked about."""
    said = {"tenant_id": tenant_id, "words": sorted(words), "until": until, "as_of": as_of}
    rows = cast(list[tuple[str, str, str, str | None]], connection.execute(NAMED, said).fetchall())
    return [Device(*row) for row in rows]


def all_names(
    connection: Connection, tenant_id: str, devices: tuple[str, ...], as_of: datetime | None
) -> tuple[str, ...] | None:
    """Under which the rows of the devices were reported; of all devices, where none is given: then it is empty.

    None: each of them has reported under its own name alone, and no other under it.
    """
    said = {"tenant_id": tenant_id, "devices": list(devices) or None, "as_of": as_of}
    rows = cast(list[tuple[str, str]], connection.execute(NAMES, said).fetchall())
    if all(name == known_as for name, known_as in rows):
        return None
    return tuple(sorted({*devices, *(name for name, known_as in rows if known_as in devices)}))


def names_in_gold(connection: Connection, tenant_id: str, devices: tuple[str, ...], as_of: datetime) -> tuple[str, ...]:
    """What the tables that have a line a device call them, also where `as_of` does not know it yet."""
    said = {"tenant_id": tenant_id, "devices": list(devices), "as_of": as_of}
    return tuple(sorted({*devices, *(str(name) for (name,) in connection.execute(TODAY, said).fetchall())}))


def by_name(table: str, *, is_as_of: bool) -> str:
    """In place of the table: device_id is what the device is called, and reported_as what it was called then."""
    columns = ", ".join(f"facts.{name}" for name in COLUMNS[table])
    return BY_NAME.format(table=table, columns=columns, as_of=RECORDED if is_as_of else "")


def as_called_now(text: str, devices: tuple[Device, ...]) -> str:
    for device in devices:
        text = re.sub(rf"(?<![\w-]){re.escape(device.asked)}(?![\w-])", _literally(device.device_id), text, flags=re.I)
    return text


def _literally(name: str) -> str:
    return name.replace("\\", r"\\")
