"""A `Measure` becomes SQL over gold, its rows, and the receipt that lets anyone run it again."""

import hashlib
import json
from dataclasses import replace
from datetime import UTC, date, datetime, time
from typing import Any, LiteralString, cast

from psycopg.rows import dict_row

from lakehouse.database import Connection
from rag.answer import Claim, RowsCitation
from rag.measure import Measure, NotMeasured, Subject, Vocabulary
from rag.names import all_names, by_name, names_in_gold
from rag.windows import Window
from rag.wording import of_what, sentence, what

# numeric, not double: a sum of doubles depends on the order of the rows, so its hash would not be reproducible.
EXPRESSIONS = {
    "average": "round(avg(value::numeric), 6)",
    "minimum": "min(value)",
    "maximum": "max(value)",
    "count": "count(*)",
}
UNIT = "min(unit) as unit, count(distinct unit) as units"

CONDITIONS = {
    "tenant_id": "tenant_id = %(tenant_id)s",
    "devices": "device_id = any(%(devices)s)",
    "reported_as": "reported_as = any(%(reported_as)s)",
    "metric": "metric = %(metric)s",
    "event_type": "event_type = %(event_type)s",
    "site": "site = %(site)s",
    "model": "model = %(model)s",
    "firmware": "firmware = %(firmware)s",
    "start": "ts >= %(start)s::timestamptz",
    "end": "ts < %(end)s::timestamptz",
    "as_of": "recorded_at <= %(as_of)s::timestamptz",
}

INSTALLED = """select device_id, firmware as value, valid_from as ts, 1 as rows
from gold.dim_device_firmware
where {condition}
order by valid_from desc
limit 1"""

DEVICES = """select count(*) as value, count(*) as rows
from gold.dim_devices
where {condition}"""

NEWEST = """select device_id, metric, ts, value, unit, 1 as rows
from {source}
where {condition}
order by ts desc, device_id
limit 1"""

NEWEST_OF_EACH = """select device_id, ts, value, unit, 1 as rows
from (
  select distinct on (device_id) device_id, ts, value, unit
  from {source}
  where {condition}
  order by device_id, ts desc
) newest
order by value {direction}, device_id
limit 1"""

BY_DEVICE = """select device_id, {columns}
from {source}
where {condition}
group by device_id
order by value {direction}, device_id
limit 1"""

TABLES: dict[Subject, str] = {
    "readings": "gold.fct_readings",
    "events": "gold.fct_events",
    "devices": "gold.dim_devices",
}
METRICS = "select distinct metric from gold.fct_readings_daily where tenant_id = %(tenant_id)s"
SITES = "select distinct site from gold.dim_devices where tenant_id = %(tenant_id)s and site is not null"
MODELS = "select distinct model from gold.dim_devices where tenant_id = %(tenant_id)s and model is not null"
HORIZON = "select max(horizon) from registry.retention"
EVENT_TYPES = "select distinct event_type from gold.fct_events where tenant_id = %(tenant_id)s"


def read_vocabulary(connection: Connection, tenant_id: str) -> Vocabulary:
    def names(sql: LiteralString) -> tuple[str, ...]:
        return tuple(sorted(str(row[0]) for row in connection.execute(sql, {"tenant_id": tenant_id})))

    return Vocabulary(names(METRICS), names(SITES), names(MODELS), names(EVENT_TYPES))


def measure(
    connection: Connection, tenant_id: str, asked: Measure, *, snapshot: str, as_of: datetime | None
) -> tuple[Claim] | NotMeasured:
    """The claim that answers, or why there is none (no row in the window, units that cannot be mixed)."""
    kept = in_postgres(asked, cast(date | None, one[0]) if (one := connection.execute(HORIZON).fetchone()) else None)
    if isinstance(kept, NotMeasured):
        return kept
    asked = kept
    names = reported_as(connection, tenant_id, asked, as_of)
    stated = asked
    if as_of and asked.subject == "devices":
        stated = replace(asked, devices=names_in_gold(connection, tenant_id, asked.devices, as_of))
    condition, params = conditions(tenant_id, stated, as_of, names)
    source = source_of(TABLES[asked.subject], is_by_name=names is not None, params=params)
    sql = select(asked, condition, source)
    rows = run(connection, sql, params)
    if not rows or not rows[0].get("rows"):
        return NotMeasured(f"there are no {what(asked)} for {of_what(asked)}")
    if rows[0].get("units", 1) > 1:
        return NotMeasured(
            f"the {asked.metric} values of {of_what(asked)} are in different units and cannot be combined"
        )
    citation = RowsCitation(
        sql=sql,
        params=params,
        value=_value(rows[0]),
        rows_sha256=rows_sha256(rows),
        snapshot=snapshot,
        bronze=bronze(connection, source, params),
    )
    return (Claim(sentence(asked, rows[0]), (citation,)),)


def in_postgres(asked: Measure, horizon: date | None) -> Measure | NotMeasured:
    """The same of what retention left here, said to be so: a number of half of the rows would be a wrong one."""
    if horizon is None or asked.subject == "devices":
        return asked
    start = datetime.combine(horizon, time(), UTC)
    if asked.window is None:
        return replace(asked, window=Window(start, None, ""))
    if asked.window.start is None or asked.window.start < start:
        return NotMeasured(f"{what(asked)} from before {horizon} are kept in bronze only: ask for a time since then")
    return asked


def reported_as(
    connection: Connection, tenant_id: str, asked: Measure, as_of: datetime | None
) -> tuple[str, ...] | None:
    """See `all_names`. None also where rows are not told apart by device."""
    if asked.subject == "devices" or not (asked.devices or asked.by_device):
        return None
    return all_names(connection, tenant_id, asked.devices, as_of)


def source_of(table: str, *, is_by_name: bool, params: dict[str, Any]) -> str:
    return by_name(table, is_as_of="as_of" in params) if is_by_name else table


def conditions(
    tenant_id: str, asked: Measure, as_of: datetime | None, names: tuple[str, ...] | None = None
) -> tuple[str, dict[str, Any]]:
    """The `where` clause of a measure and its parameters. Times go in as text, so that a receipt is plain JSON."""
    window = asked.window if asked.subject != "devices" else None
    values: dict[str, Any] = {
        "tenant_id": tenant_id,
        "devices": list(asked.devices) or None,
        "reported_as": list(names or ()) or None,
        "metric": asked.metric,
        "event_type": asked.event_type,
        "site": asked.site,
        "model": asked.model,
        "firmware": asked.firmware,
        "start": window.start.isoformat() if window and window.start else None,
        "end": window.end.isoformat() if window and window.end else None,
        # dim_devices is the fleet as it is now: it has no history to go back in
        "as_of": as_of.isoformat() if as_of and (asked.subject, asked.function) != ("devices", "count") else None,
    }
    params = {name: value for name, value in values.items() if value is not None}
    return where(params), params


def where(params: dict[str, Any]) -> str:
    return "\n  and ".join(CONDITIONS[name] for name in params)


def select(asked: Measure, condition: str, source: str) -> str:
    """The statement of a measure: one row, with the value, how many rows it stands on, and their unit."""
    direction = "asc" if asked.least else "desc"
    if asked.subject == "devices":
        return (INSTALLED if asked.function == "firmware" else DEVICES).format(condition=condition)
    if asked.function == "latest":
        newest = NEWEST_OF_EACH if asked.by_device else NEWEST
        return newest.format(source=source, condition=condition, direction=direction)
    columns = "count(*) as value, count(*) as rows"
    if asked.subject == "readings" and asked.function != "count":
        columns = f"{EXPRESSIONS[asked.function]} as value, count(*) as rows, {UNIT}"
    if asked.by_device:
        return BY_DEVICE.format(columns=columns, source=source, condition=condition, direction=direction)
    return f"select {columns}\nfrom {source}\nwhere {condition}"


def run(connection: Connection, sql: str, params: dict[str, Any]) -> list[dict[str, Any]]:
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(sql, params).fetchall()


def rows_sha256(rows: list[dict[str, Any]]) -> str:
    """Of the rows as JSON with sorted keys; times in ISO 8601 UTC, numerics as text."""
    text = json.dumps(rows, sort_keys=True, separators=(",", ":"), default=_canonical)
    return hashlib.sha256(text.encode()).hexdigest()


def _canonical(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def bronze(connection: Connection, source: str, params: dict[str, Any]) -> tuple[str, ...]:
    """SHA-256 of each raw object that the rows in scope came from."""
    if source == TABLES["devices"]:
        return ()
    rows = run(connection, f"select distinct object_sha256 from {source}\nwhere {where(params)}\norder by 1", params)
    return tuple(str(row["object_sha256"]) for row in rows)


def _value(row: dict[str, Any]) -> float | int | str:
    value = row["value"]
    return value if isinstance(value, int | str) else float(value)
